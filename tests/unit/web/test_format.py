"""How numbers and times look on a page."""

import pytest

from service.web.format import cents, change, money, number, span, told, tone


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (money("1019.75617"), "1,019.76"),
        (money("-0.5"), "\u22120.50"),
        (money(None), "\u2013"),
        (change("2.3"), "+2.30"),
        (change("0.001"), "0.00"),
        (number("1250.500001"), "1,250.500001"),
        (number("60.000000"), "60"),
        (number("1000"), "1,000"),
        (cents("0.4"), "0.40"),
        (cents("0.4808510638"), "0.4809"),
        (span(0), "at once"),
        (span(48_000), "48 ms"),
        (span(130_000_000), "2 min 10 s"),
        (span(90_000_000_000), "1 d 1 h"),
    ],
)
def test_numbers_read_at_a_glance(shown: str, expected: str) -> None:
    """The exact value stays in the title; what is shown must not mislead."""
    assert shown == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("0.004", "flat"), ("0.01", "up"), ("-3", "down")]
)
def test_a_sign_goes_with_every_colour(value: str, expected: str) -> None:
    """What rounds to nothing is neither gain nor loss."""
    assert tone(value) == expected


def test_long_ids_in_sentences_are_cut_short() -> None:
    """The sentence is for people; the id is in the title."""
    found = told("signed 20 as 0x" + "ab" * 32)
    assert found == "signed 20 as 0xabab\u2026abab"
