"""Who may use the API: tokens with scopes, kept as hashes in one private file.

A token is 256 random bits; its text is shown once, when it is made.
"""

import hmac
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from config import ConfigError
from config.errors import ConfigProblem
from ledger.errors import InvalidInputError

FILE_NAME: Final = "tokens.json"
"""The hashes, in the data folder."""

BOOTSTRAP_NAME: Final = "token"
"""The text of the first token, in the data folder."""

PREFIX: Final = "olt_"
_BYTES: Final = 32
_PRIVATE: Final = 0o600
_OTHERS: Final = 0o077
_LOOK_EVERY_SECONDS: Final = 0.2
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Scope(StrEnum):
    """What a token allows; `admin` allows everything."""

    READ = "read"
    SUBMIT = "submit"
    CANCEL = "cancel"
    OPERATE = "operate"
    ADMIN = "admin"


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One token as it is kept: `sha256` is the hash of its text, in hex.

    `strategy` is the only one whose orders it may place and cancel; empty is any.
    """

    token_id: str
    name: str
    sha256: str
    scopes: frozenset[Scope]
    strategy: str = ""
    created_at: datetime

    def allows(self, scope: Scope) -> bool:
        """Whether it has the scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def covers(self, strategy: str) -> bool:
        """Whether it may act for a strategy."""
        return not self.strategy or self.strategy == strategy


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    version: int = 1
    tokens: list[Token] = []


class Tokens:
    """The tokens of one data folder; a changed file counts within a moment."""

    def __init__(
        self, path: Path, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the file, if it is there.

        Args:
            path: The file.
            monotonic: Seconds that never run backwards.

        Raises:
            ConfigError: it cannot be read, is malformed, or others may read it.
        """
        self.path = path
        self._monotonic = monotonic
        self._look_again_at = 0.0
        self._stamp: tuple[int, int, int] | None = None
        self._by_hash: dict[str, Token] = {}
        self._refresh()

    def __len__(self) -> int:
        return len(self._by_hash)

    def __iter__(self) -> Iterator[Token]:
        return iter(self._by_hash.values())

    def find(self, text: str) -> Token | None:
        """The token of this text; `None` for one that is unknown or revoked.

        Raises:
            ConfigError: the file was changed and cannot be used.
        """
        self._look()
        digest = _hash(text)
        found = self._by_hash.get(digest)
        if found is None or not hmac.compare_digest(found.sha256, digest):
            return None
        return found

    def holds(self, token: Token) -> bool:
        """Whether a token that was found before has not been revoked since.

        Raises:
            ConfigError: as `find`.
        """
        self._look()
        return token.sha256 in self._by_hash

    def _look(self) -> None:
        now = self._monotonic()
        if now >= self._look_again_at:
            # Not for each request: the look lets other threads in between.
            self._look_again_at = now + _LOOK_EVERY_SECONDS
            if _stamp_of(self.path) != self._stamp:
                self._refresh()

    def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        *,
        strategy: str = "",
        now: datetime,
        entropy: Callable[[int], str] = secrets.token_urlsafe,
    ) -> tuple[str, Token]:
        """Make a token and keep its hash.

        Returns:
            Its text, which nobody can find out again, and what is kept of it.

        Raises:
            InvalidInputError: a bad name, no scope, or a name that is taken.
            ConfigError: the file cannot be used.
        """
        wanted = frozenset(scopes)
        _check(name, wanted, strategy)
        text = PREFIX + entropy(_BYTES)
        digest = _hash(text)
        token = Token(
            token_id=digest[:12],
            name=name,
            sha256=digest,
            scopes=wanted,
            strategy=strategy,
            created_at=now,
        )
        with _locked(self.path):
            self._refresh()
            if any(known.name == name for known in self):
                field = "name"
                raise InvalidInputError(field, f"{name!r} is taken")
            self._write([*self, token])
        return text, token

    def revoke(self, name_or_id: str) -> Token:
        """Forget a token; the next request with it is refused.

        Raises:
            InvalidInputError: there is none of that name or id.
            ConfigError: the file cannot be used.
        """
        with _locked(self.path):
            self._refresh()
            for token in self:
                if name_or_id in (token.name, token.token_id):
                    self._write([kept for kept in self if kept is not token])
                    return token
        field = "name"
        raise InvalidInputError(field, f"no token {name_or_id!r}")

    def _refresh(self) -> None:
        stamp = _stamp_of(self.path)
        self._by_hash = {}  # nobody is let in by a file that cannot be used
        if stamp is not None:
            self._by_hash = _load(self.path)
        self._stamp = stamp

    def _write(self, tokens: list[Token]) -> None:
        data = msgspec.json.format(msgspec.json.encode(_File(tokens=tokens)))
        write_private(self.path, data + b"\n")
        self._refresh()


def write_private(path: Path, data: bytes) -> None:
    """Replace a file by one that only its owner can read, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(beside, flags, _PRIVATE), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _check(name: str, scopes: frozenset[Scope], strategy: str) -> None:
    for field, text in (("name", name), ("strategy", strategy or "any")):
        if not _NAME.fullmatch(text):
            reason = "must be 1 to 64 letters, digits, dots, dashes, underscores"
            raise InvalidInputError(field, reason)
    if not scopes:
        field = "scope"
        raise InvalidInputError(field, f"must be some of {', '.join(Scope)}")


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _load(path: Path) -> dict[str, Token]:
    try:
        if path.stat().st_mode & _OTHERS:
            raise _bad(path, f"can be read by others; run `chmod 600 {path}`")
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _bad(path, f"is no token file: {error}") from None
    if found.version != 1:
        raise _bad(path, f"is of version {found.version}, which this one cannot read")
    return {token.sha256: token for token in found.tokens}


def _bad(path: Path, message: str) -> ConfigError:
    return ConfigError([ConfigProblem(str(path), "tokens", message)])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One change at a time, also between processes."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
