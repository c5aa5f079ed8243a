"""Moments as people write them: positions of the log, times, ages."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger.errors import InvalidInputError
from ledger.store import LedgerStore

_AGE: Final = re.compile(r"(\d{1,6})([smhdw])")
_UNITS: Final = {
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_POSITION: Final = re.compile(r"\d{1,18}")


def position_of(store: LedgerStore, text: str) -> int:
    """The position that `--as-of` names: a number, or the last one by then.

    Raises:
        InvalidInputError: it is neither a position of this log nor a time.
    """
    field = "as-of"
    if not _POSITION.fullmatch(text):
        return store.position_at(time_from(text, field))
    position = int(text)
    if position > store.head:
        raise InvalidInputError(
            field, f"position {position} lies beyond the head {store.head}"
        )
    return position


def since_from(text: str, now: datetime) -> datetime:
    """The time that `--since` names: an age such as 7d, or a time.

    Raises:
        InvalidInputError: it is neither.
    """
    field = "since"
    age = _AGE.fullmatch(text)
    if age is None:
        return time_from(text, field)
    try:
        return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
    except OverflowError:
        raise InvalidInputError(field, f"{text} is longer than time itself") from None


def time_of_us(us: int) -> datetime:
    """The time of Unix microseconds, exactly."""
    return _EPOCH + timedelta(microseconds=us)


def time_from(text: str, field: str) -> datetime:
    """A time in ISO 8601; without a zone it is UTC.

    Raises:
        InvalidInputError: it is none.
    """
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        reason = "must be a position, an age such as 7d, or a time such as 2026-09-24T14:03:22Z"
        raise InvalidInputError(field, reason) from None
