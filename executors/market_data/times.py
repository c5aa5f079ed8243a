"""Moments to Unix milliseconds and back, in whole numbers."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def unix_ms(moment: datetime) -> int:
    """Unix milliseconds, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def unix_ms_of_text(value: object) -> int:
    """Read ISO 8601 text such as "2026-10-05T23:15:25.682Z".

    Raises:
        ValueError: it is not such text, or names no zone.
    """
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        return unix_ms(moment)
    except (ValueError, TypeError, OverflowError):
        msg = "must be a time with its zone"
        raise ValueError(msg) from None


def moment_of(milliseconds: int) -> datetime:
    """The moment of a number of Unix milliseconds, UTC."""
    return _EPOCH + milliseconds * _MILLISECOND
