"""Positions, times and ages as people write them."""

from datetime import UTC, datetime

import pytest

from ledger.errors import InvalidInputError
from service.cli.moments import since_from, time_from, time_of_us

NOW = datetime(2026, 9, 24, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", datetime(2026, 9, 24, 13, 58, 30, tzinfo=UTC)),
        ("30m", datetime(2026, 9, 24, 13, 30, tzinfo=UTC)),
        ("12h", datetime(2026, 9, 24, 2, 0, tzinfo=UTC)),
        ("7d", datetime(2026, 9, 17, 14, 0, tzinfo=UTC)),
        ("1w", datetime(2026, 9, 17, 14, 0, tzinfo=UTC)),
        ("2026-09-01", datetime(2026, 9, 1, tzinfo=UTC)),
        ("2026-09-01T10:00:00+02:00", datetime(2026, 9, 1, 8, 0, tzinfo=UTC)),
    ],
)
def test_an_age_or_a_time(text: str, expected: datetime) -> None:
    """Nobody types microseconds."""
    assert since_from(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "7", "7y", "-7d", "yesterday", "999999w"])
def test_anything_else_is_refused(text: str) -> None:
    """A filter that was misread shows the wrong orders."""
    with pytest.raises(InvalidInputError, match="since: "):
        since_from(text, NOW)


def test_a_time_without_a_zone_is_utc() -> None:
    """Everything printed is UTC, so what is pasted back is as well."""
    assert time_from("2026-09-24T14:00:00", "as-of") == NOW
    assert time_from("2026-09-24T14:00:00Z", "as-of") == NOW


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "x", "24:61"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """Out of range is as wrong as out of shape."""
    with pytest.raises(InvalidInputError, match="as-of: must be"):
        time_from(text, "as-of")


def test_microseconds_are_kept() -> None:
    """Two events of one millisecond must not swap."""
    assert time_of_us(1_000_001) == datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)
