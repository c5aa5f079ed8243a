"""How cells are written."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.store.reader import unix_us
from ledger.values import OrderStatus, text_of
from projections.base import PLAIN, _Texts, micros, text

NUMBERS = st.decimals(min_value=-(10**14), max_value=10**14, places=12) | st.decimals(
    min_value=-(10**6), max_value=10**6, places=3
)


@given(NUMBERS)
def test_text_is_the_text_of_everywhere_else(number: Decimal) -> None:
    """Two spellings of one number would make equal rows differ."""
    assert text(number) == text_of(number)


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("0", "0"),
        ("-0.00", "0"),
        ("0E-12", "0"),
        ("1E+3", "1000"),
        ("100", "100"),
        ("0.40", "0.4"),
        ("-0.50", "-0.5"),
        ("1.000000", "1"),
        ("0.0000001", "0.0000001"),
    ],
)
def test_numbers_are_plain_and_without_trailing_zeros(
    number: str, written: str
) -> None:
    """What SQL users compare is text: 0.4 and 0.40 must not both occur."""
    assert _Texts()[Decimal(number)] == written


def test_equal_numbers_read_alike_whichever_came_first() -> None:
    """A minus before a nought must not stick to every nought after it."""
    texts = _Texts()
    assert [texts[Decimal(number)] for number in ("-0.0", "0", "0.40", "0.4")] == [
        "0",
        "0",
        "0.4",
        "0.4",
    ]


def test_the_memory_for_texts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A year's log has more numbers than a process should remember."""
    monkeypatch.setattr("projections.base._TEXTS", 3)
    texts = _Texts()
    for number in range(100):
        assert texts[Decimal(number)] == str(number)
        assert len(texts) <= 3


@given(st.datetimes(timezones=st.just(UTC)))
def test_micros_are_exact(at: datetime) -> None:
    """A float would lose the last digits of a time in microseconds."""
    assert micros(at) == unix_us(at)


def test_micros_respect_the_zone() -> None:
    """A time is a moment, wherever it was written down."""
    east = timezone(timedelta(hours=2))
    assert micros(datetime(1970, 1, 1, 2, 0, 1, tzinfo=east)) == 1_000_000


def test_labels_are_plain_text() -> None:
    """A subclass of `str` costs SQLite's driver several times as much."""
    assert type(PLAIN[OrderStatus.PARTIAL_FILL]) is str
    assert PLAIN[OrderStatus.PARTIAL_FILL] == "PARTIAL_FILL"
