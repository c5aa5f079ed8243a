"""What went wrong, as one line with a code, one hint, and an exit code."""

from enum import IntEnum
from typing import Final, NamedTuple

from config.errors import ConfigError
from ledger import errors


class Exit(IntEnum):
    """Exit codes; they never change their meaning."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIG = 3
    INTEGRITY = 4
    VENUE = 5
    LOCK_HELD = 6
    INTERRUPTED = 130


class Failure(Exception):  # noqa: N818 -- an answer of a command, not a defect
    """A command did not succeed.

    `lines` are further details, printed between the message and the hint.
    """

    def __init__(
        self,
        exit_code: Exit,
        code: str,
        message: str,
        *,
        hint: str = "",
        lines: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.hint = hint
        self.lines = lines

    def text(self) -> list[str]:
        """The lines to print."""
        said = [f"{self.code} {self.message}", *self.lines]
        return [*said, f"hint: {self.hint}"] if self.hint else said


class _Rule(NamedTuple):
    kind: type[Exception]
    exit_code: Exit
    hint: str


_OURS: Final = ("config", "examples", "executors", "ledger", "projections", "service")

_RULES: Final = (
    _Rule(
        errors.UnknownOrderError,
        Exit.FAILED,
        "`order-ledger orders` lists the orders of this ledger",
    ),
    _Rule(
        errors.IdempotencyConflictError,
        Exit.FAILED,
        "give the new intent a key of its own",
    ),
    _Rule(
        errors.InvalidInputError,
        Exit.USAGE,
        "nothing was recorded; correct the input and try again",
    ),
    _Rule(
        errors.CommandRefusedError,
        Exit.FAILED,
        "`order-ledger doctor` shows what stands in the way",
    ),
    _Rule(
        errors.VenueError,
        Exit.VENUE,
        "`order-ledger reconcile` compares the ledger with the venue",
    ),
    _Rule(
        errors.LockHeldError,
        Exit.LOCK_HELD,
        "stop the other process first; reading commands work beside it",
    ),
    _Rule(
        errors.FencedError,
        Exit.LOCK_HELD,
        "another process took the ledger over; start again if it has ended",
    ),
    _Rule(
        errors.ForeignFileError,
        Exit.INTEGRITY,
        "check --data; the file was left as it is",
    ),
    _Rule(
        errors.IntegrityError,
        Exit.INTEGRITY,
        "`order-ledger verify --full` names what is wrong; restore a backup",
    ),
    _Rule(
        errors.StoreFailedError,
        Exit.FAILED,
        "check the disk with `order-ledger doctor`, then start again",
    ),
    _Rule(
        errors.RecordingError,
        Exit.FAILED,
        "accepted are recorded frames of the market channel, tables of tops, and for "
        "`import-activity` activity rows, each plain or gzip; "
        "a list of markets goes with its prices: --ticks FILE --markets FILE",
    ),
    _Rule(
        errors.StoreError,
        Exit.FAILED,
        "check --data, and that the folder can be read and written",
    ),
    _Rule(
        OSError,
        Exit.FAILED,
        "check that the path exists and can be read and written",
    ),
)
"""From the most special kind to the most general: the first that fits counts."""


def failure_of(error: Exception) -> Failure:
    """What a command's error means to whoever typed it."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, ConfigError):
        count = len(error.errors)
        return Failure(
            Exit.CONFIG,
            "config",
            "1 setting is wrong" if count == 1 else f"{count} settings are wrong",
            lines=tuple(error.lines()),
            hint="config/base.yaml explains every setting",
        )
    if isinstance(error, ModuleNotFoundError) and _is_foreign(error.name or ""):
        return Failure(
            Exit.FAILED,
            "not_installed",
            f"this needs the package {error.name}, which is not installed",
            hint="install the whole run-time set: pip install --require-hashes -r "
            "requirements/core.txt (`make dashboard` does that, `make demo` does not)",
        )
    for rule in _RULES:
        if isinstance(error, rule.kind):
            return Failure(
                rule.exit_code,
                getattr(error, "code", "io"),
                _message(error),
                lines=tuple(getattr(error, "problems", ())),
                hint=getattr(error, "hint", rule.hint),
            )
    return Failure(
        Exit.FAILED,
        "unexpected",
        f"{type(error).__name__}: {error}",
        hint="this is a defect; --debug shows where it happened",
    )


def _is_foreign(module: str) -> bool:
    return bool(module) and module.split(".", maxsplit=1)[0] not in _OURS


def _message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return str(error)
