"""Raw frames of the user stream on disk, before anybody interprets them."""

import os
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog

from executors.market_data.times import moment_of, unix_ms
from ledger.clock import Clock

FRAMES: Final = "user_frames.jsonl"
QUARANTINE: Final = "quarantine.jsonl"
CURSOR: Final = "user_sweep.json"
OUR_KEY: Final = "our-api-key"
"""Stands where the API key was."""

_ROTATE_BYTES: Final = 64 * 1024 * 1024
_TAIL_BYTES: Final = 1024 * 1024
_KNOWN_BAD: Final = 100

log = structlog.get_logger(__name__)


class StoredFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: a frame, or (`gap` set, no text) a break in the stream.

    `received_ms` is Unix milliseconds by our clock; `sequence` counts on over
    restarts; `reason` says why a quarantined frame could not be read.
    """

    sequence: int
    received_ms: int
    text: str = ""
    gap: str = ""
    reason: str = ""


class _Cursor(msgspec.Struct, frozen=True):
    """Up to where trades were swept, in Unix milliseconds."""

    swept_to_ms: int


class FrameLog:
    """Writes frames and quarantined frames as JSON lines.

    A file of more than 64 MB is set aside under the number of its first frame.
    Without a folder everything is counted and nothing is kept.
    """

    def __init__(
        self, folder: Path | None, clock: Clock, *, rotate_bytes: int = _ROTATE_BYTES
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._rotate_bytes = rotate_bytes
        self._secret = ""
        self._put_aside: deque[int] = deque(maxlen=_KNOWN_BAD)
        self.sequence = 0
        self.quarantined = 0
        self.last_reason = ""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (FRAMES, QUARANTINE):
                _end_torn_line(folder / name)
            self.sequence = _last_sequence(folder / FRAMES)

    def hide(self, api_key: str) -> None:
        """Never write this text; a marker takes its place."""
        self._secret = api_key

    def frame(self, text: str) -> StoredFrame:
        """Store one frame as it came."""
        return self._store(text=self._clean(text))

    def gap(self, reason: str) -> StoredFrame:
        """Store that something may be missing from here on."""
        return self._store(gap=self._clean(reason))

    def quarantine(self, reason: str, raw: str) -> None:
        """Put aside what could not be read, with the reason; once in a while.

        A list brings the same row again with every sweep.
        """
        known = hash((reason, raw))
        if known in self._put_aside:
            return
        self._put_aside.append(known)
        self.quarantined += 1
        self.last_reason = reason
        log.warning("user_frame.quarantined", reason=reason)
        line = StoredFrame(
            sequence=self.sequence,
            received_ms=unix_ms(self._clock.now()),
            text=self._clean(raw),
            reason=reason,
        )
        self._write(QUARANTINE, line)

    def cursor(self) -> datetime | None:
        """Up to where trades were swept before the restart, if that is known."""
        if self._folder is None:
            return None
        try:
            data = (self._folder / CURSOR).read_bytes()
            return moment_of(msgspec.json.decode(data, type=_Cursor).swept_to_ms)
        except (OSError, msgspec.DecodeError, OverflowError):
            return None

    def keep_cursor(self, moment: datetime) -> None:
        """Remember up to where trades were swept.

        What was found may not be in the ledger yet when the process dies: a
        sweep overlaps the one before, and open orders are looked up anyway.
        """
        if self._folder is None:
            return
        path = self._folder / CURSOR
        new = path.with_suffix(".new")
        try:
            cursor = _Cursor(swept_to_ms=unix_ms(moment))
            with open(new, "wb", opener=_private) as file:
                file.write(msgspec.json.encode(cursor))
            new.replace(path)
        except OSError as error:
            log.error("user_sweep.not_stored", reason=str(error))  # noqa: TRY400 -- no trace needed

    def _store(self, *, text: str = "", gap: str = "") -> StoredFrame:
        self.sequence += 1
        line = StoredFrame(
            sequence=self.sequence,
            received_ms=unix_ms(self._clock.now()),
            text=text,
            gap=gap,
        )
        self._write(FRAMES, line)
        return line

    def _write(self, name: str, line: StoredFrame) -> None:
        if self._folder is None:
            return
        path = self._folder / name
        try:
            with open(path, "ab", opener=_private) as file:
                file.write(msgspec.json.encode(line) + b"\n")
                size = file.tell()
            if size > self._rotate_bytes:
                path.rename(_aside(path))
        except OSError as error:
            # The events are the ledger's memory; a full disk stops it there.
            log.error("user_frame.not_stored", reason=str(error))  # noqa: TRY400 -- no trace needed

    def _clean(self, text: str) -> str:
        return text.replace(self._secret, OUR_KEY) if self._secret else text


def _private(path: str, flags: int) -> int:
    """Make a file that only its owner may read: what is traded is nobody's business."""
    return os.open(path, flags, 0o600)


def read_frames(path: Path) -> list[StoredFrame]:
    """Every line of a file that can be read; a torn last line is left out."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(msgspec.json.decode(line, type=StoredFrame))
        except msgspec.DecodeError:
            continue
    return found


def _end_torn_line(path: Path) -> None:
    """A line that a crash cut off must not swallow the next one."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb+") as file:
        file.seek(-1, 2)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _aside(path: Path) -> Path:
    first = _first_sequence(path)
    return path.with_name(f"{path.stem}-{first}{path.suffix}")


def _first_sequence(path: Path) -> int:
    with path.open("rb") as file:
        head = file.readline()
    return _sequence_of(head)


def _last_sequence(path: Path) -> int:
    """The number to go on from; that of the newest file set aside if need be."""
    lines: list[bytes] = []
    for one in (path, *sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))):
        if one.exists():
            with one.open("rb") as file:
                file.seek(max(0, one.stat().st_size - _TAIL_BYTES))
                lines.extend(file.read().splitlines()[-2:])
    return max((_sequence_of(line) for line in lines), default=0)


def _sequence_of(line: bytes) -> int:
    try:
        return msgspec.json.decode(line, type=StoredFrame).sequence
    except msgspec.DecodeError:
        return 0
