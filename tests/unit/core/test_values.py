"""Exact numbers: what is let in, and the one way they are written."""

import re
from decimal import Decimal, localcontext
from typing import Any

import pytest
from pydantic import TypeAdapter

from ledger.values import (
    MICRO,
    Money,
    Outcome,
    Price,
    Settlement,
    Shares,
    Side,
    TimeInForce,
    canonical,
    decimal_from,
    money_from,
    places_of,
    price_from,
    rounded,
    shares_from,
    text_of,
)

D = Decimal


class TestDecimalFrom:
    @pytest.mark.parametrize(
        ("value", "number"),
        [
            ("0.45", "0.45"),
            (".5", "0.5"),
            ("-3", "-3"),
            (7, "7"),
            (-7, "-7"),
            (999_999_999_999, "999999999999"),
            (-999_999_999_999, "-999999999999"),
            (D("0.10"), "0.10"),
            ("0" * 31 + "1", "1"),
        ],
    )
    def test_exact_input_is_read_unrounded(self, value: object, number: str) -> None:
        """What a strategy wrote is what the venue must be asked for."""
        assert str(decimal_from(value)) == number

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (0.45, "must be a decimal number as text, not float"),
            (float("nan"), "must be a decimal number as text, not float"),
            (True, "must be a decimal number as text, not bool"),
            (None, "must be a decimal number as text, not NoneType"),
            ([1], "must be a decimal number as text, not list"),
            (b"1", "must be a decimal number as text, not bytes"),
            ("", "must be a decimal number of at most 32 characters"),
            ("0" * 33, "must be a decimal number of at most 32 characters"),
            pytest.param(
                "9" * 10_000_000,
                "must be a decimal number of at most 32 characters",
                id="10 MB of digits",
            ),
            (10**12, "must be a decimal number of at most 32 characters"),
            (-(10**12), "must be a decimal number of at most 32 characters"),
            pytest.param(
                10**5000,
                "must be a decimal number of at most 32 characters",
                id="an int that Python itself will not print",
            ),
            ("\u0661", "must be a decimal number of at most 32 characters"),
            ("1e400", "must be a plain decimal number such as 0.45"),
            ("NaN", "must be a plain decimal number such as 0.45"),
            ("Infinity", "must be a plain decimal number such as 0.45"),
            ("1_000", "must be a plain decimal number such as 0.45"),
            (" 1", "must be a plain decimal number such as 0.45"),
            ("+1", "must be a plain decimal number such as 0.45"),
            ("1.2.3", "must be a plain decimal number such as 0.45"),
            ("-", "must be a plain decimal number such as 0.45"),
            (".", "must be a plain decimal number such as 0.45"),
            ("--5", "must be a plain decimal number such as 0.45"),
            (D("NaN"), "must be a finite number"),
            (D("sNaN"), "must be a finite number"),
            (D("-Infinity"), "must be a finite number"),
            (D("1e99999999"), "must be a number of ordinary size"),
            (D("-1e-99999999"), "must be a number of ordinary size"),
        ],
    )
    def test_inexact_input_is_refused_with_the_reason(
        self, value: object, reason: str
    ) -> None:
        """A number that is guessed at is money that moves by accident."""
        with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
            decimal_from(value)


class TestBounds:
    @pytest.mark.parametrize("text", ["0.000001", "0.999999", "0.5", "0.50000000"])
    def test_price_lies_strictly_between_0_and_1(self, text: str) -> None:
        """A share pays 0 or 1, so every price inside is possible."""
        assert price_from(text) == D(text)

    @pytest.mark.parametrize("text", ["0", "1", "-0.5", "1.000001", "0.0000000"])
    def test_price_at_or_outside_0_and_1_is_refused(self, text: str) -> None:
        """A price of 0 or 1 is no bet; beyond, it is a typing error."""
        with pytest.raises(ValueError, match=r"^must lie between 0 and 1$"):
            price_from(text)

    @pytest.mark.parametrize("text", ["0.000001", "999999999999.999999"])
    def test_shares_lie_above_0_and_below_a_trillion(self, text: str) -> None:
        """18 digits are what sums of products can hold exactly."""
        assert shares_from(text) == D(text)

    @pytest.mark.parametrize("value", ["0", "-1", D("1000000000000"), D("1e400")])
    def test_shares_outside_are_refused(self, value: object) -> None:
        """A size of zero is no order, and a huge one is a mistake."""
        with pytest.raises(ValueError, match=r"^must be above 0 and below 10\^12$"):
            shares_from(value)

    @pytest.mark.parametrize("text", ["-999999999999.999999", "0", "0.000001"])
    def test_money_may_be_negative_or_nothing(self, text: str) -> None:
        """Cash goes both ways."""
        assert money_from(text) == D(text)

    @pytest.mark.parametrize("value", [D("1e12"), D("-1e12"), D("1e400")])
    def test_money_beyond_a_trillion_is_refused(self, value: object) -> None:
        """Beyond that sums would be rounded."""
        with pytest.raises(ValueError, match=r"^must be below 10\^12$"):
            money_from(value)

    @pytest.mark.parametrize(
        "value",
        [
            "0.0000001",
            "0.1234567",
            "0.450000000000000000000000000001",
            D("0.45" + "0" * 60 + "1"),
        ],
    )
    def test_more_than_six_places_are_refused_never_rounded(
        self, value: object
    ) -> None:
        """The chain knows 6 places; the context's 28 digits must not hide more."""
        with pytest.raises(ValueError, match=r"^must have at most 6 decimal places$"):
            price_from(value)

    def test_zeros_beyond_six_places_carry_nothing_and_go(self) -> None:
        """Two spellings of one price must not differ later."""
        assert str(price_from("0.45000000")) == "0.450000"

    @pytest.mark.parametrize("context_digits", [28, 20])
    def test_bounds_hold_to_the_last_digit(self, context_digits: int) -> None:
        """The largest size has 18 digits, so a caller's context cannot round it."""
        with localcontext() as context:
            context.prec = context_digits
            number = shares_from("999999999999.9999990")
        assert number == D("999999999999.999999")


class TestWriting:
    @pytest.mark.parametrize(
        ("number", "text"),
        [
            ("0.500", "0.5"),
            ("100", "100"),
            ("1E+2", "100"),
            ("0.000001", "0.000001"),
            ("0", "0"),
            ("0.000", "0"),
            ("-0", "0"),
            ("-1.50", "-1.5"),
        ],
    )
    def test_a_number_is_written_one_way(self, number: str, text: str) -> None:
        """Fingerprints and byte-equal rows compare the text."""
        assert text_of(D(number)) == text
        assert str(canonical(D(number))) == text

    @pytest.mark.parametrize(
        ("number", "places"), [("0.500", 1), ("100", 0), ("1E+3", 0), ("0.000001", 6)]
    )
    def test_only_places_that_carry_information_count(
        self, number: str, places: int
    ) -> None:
        """0.500 is on a grid of tenths."""
        assert places_of(D(number)) == places

    @pytest.mark.parametrize(
        ("number", "result"),
        [
            ("0.4033333333", "0.403333"),
            ("0.0000005", "0.000000"),
            ("0.0000015", "0.000002"),
            ("0.0000025", "0.000002"),
        ],
    )
    def test_averages_are_rounded_half_to_even(self, number: str, result: str) -> None:
        """The scenarios state averages so; other roundings differ in the last place."""
        assert str(rounded(D(number))) == result
        assert rounded(D(number)).as_tuple().exponent == MICRO.as_tuple().exponent


class TestAtTheBorder:
    @pytest.mark.parametrize(
        "kind", [Price, Shares, Money], ids=["price", "shares", "money"]
    )
    def test_numbers_travel_as_text(self, kind: Any) -> None:
        """A JSON number would come back as a float in other languages."""
        adapter: TypeAdapter[Decimal] = TypeAdapter(kind)
        assert adapter.dump_json(adapter.validate_python("0.50")) == b'"0.5"'
        assert adapter.dump_python(D("0.5")) == D("0.5")

    @pytest.mark.parametrize(
        ("kind", "text", "example"),
        [
            (Price, "pUSD per share, strictly between 0 and 1", ".5"),
            (Shares, "outcome shares, above 0", "100.5"),
            (Money, "signed amount of pUSD", "-100.5"),
        ],
        ids=["price", "shares", "money"],
    )
    def test_the_schema_asks_for_text(self, kind: Any, text: str, example: str) -> None:
        """Clients generated from the schema must not send numbers."""
        schema = TypeAdapter(kind).json_schema()
        assert (schema["type"], schema["description"]) == ("string", text)
        assert re.search(schema["pattern"], example)
        for wrong in ("1e5", "0.1234567", "NaN", "1" * 13):
            assert not re.search(schema["pattern"], wrong)


class TestVocabulary:
    def test_a_side_has_its_opposite(self) -> None:
        """Unwinding a position takes the other side."""
        assert [side.opposite for side in Side] == [Side.SELL, Side.BUY]

    def test_an_outcome_has_its_complement(self) -> None:
        """A pair is one share of each."""
        assert [o.complement for o in Outcome] == [Outcome.NO, Outcome.YES]

    def test_only_gtc_and_gtd_rest(self) -> None:
        """A killed remainder never locks cash; a resting one does."""
        assert [t.value for t in TimeInForce if t.rests] == ["GTC", "GTD"]

    def test_only_confirmed_and_failed_are_final(self) -> None:
        """MINED may still be reorganised away."""
        assert [s.value for s in Settlement if s.is_final] == ["CONFIRMED", "FAILED"]
