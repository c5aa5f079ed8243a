"""The borders: what strategies and witnesses hand in, and what is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from ledger.errors import InvalidInputError
from ledger.intent import OrderIntent, UserFill, invalid_input
from ledger.values import Outcome, Role, Settlement, Side, TimeInForce

D = Decimal
HUGE = "x" * 10_000_000
GOOD: dict[str, Any] = {
    "strategy": "pair-arb",
    "idempotency_key": "k1",
    "market_id": "0xmarket",
    "outcome": "YES",
    "side": "BUY",
    "size": "100",
    "price": "0.45",
}
GTD: dict[str, Any] = {
    "time_in_force": "GTD",
    "expires_at": "2026-09-19T13:00:00+00:00",
}
FILL: dict[str, Any] = {
    "trade_id": "t1",
    "order_id": "0xorder",
    "size": "40",
    "price": "0.45",
}

OUTSIDE = "must lie between 0 and 1"
PLACES = "must have at most 6 decimal places"
FLOAT = "must be a decimal number as text, not float"
PLAIN = "must be a plain decimal number such as 0.45"
LONG = "must be a decimal number of at most 32 characters"
EXACT = "must be a Decimal of at most 6 places"
ABOVE_0 = "must be above 0 and below 10^12"
ZONE = "Input should have timezone info"


def bad(case: str, field: str, reason: str, **changes: Any) -> Any:
    """One row of a table of bad input: what is changed, and what is said."""
    return pytest.param(changes, field, reason, id=case)


class TestOrderIntent:
    def test_plain_intent_is_read_exactly(self) -> None:
        """Text in, exact values out, and the safe choices where nothing is said."""
        intent = OrderIntent.parse(GOOD)
        assert (intent.size, intent.price) == (D("100"), D("0.45"))
        assert (intent.outcome, intent.side) == (Outcome.YES, Side.BUY)
        assert intent.time_in_force is TimeInForce.GTC
        assert not intent.post_only
        assert intent.expires_at is None
        assert intent.max_slippage_bps is None

    @pytest.mark.parametrize(
        ("changes", "field", "reason"),
        [
            bad("price 0", "price", OUTSIDE, price="0"),
            bad("price 1", "price", OUTSIDE, price="1"),
            bad("negative price", "price", OUTSIDE, price="-0.45"),
            bad("price above 1", "price", OUTSIDE, price="45"),
            bad("7 places in price", "price", PLACES, price="0.4500001"),
            bad("price as float", "price", FLOAT, price=0.45),
            bad("price as NaN float", "price", FLOAT, price=float("nan")),
            bad("price as NaN", "price", "must be a finite number", price=D("NaN")),
            bad("price as NaN text", "price", PLAIN, price="NaN"),
            bad("price 1e400", "price", PLAIN, price="1e400"),
            bad("price 1e400 as float", "price", FLOAT, price=float("1e400")),
            bad("price as object", "price", f"{FLOAT[:-5]}dict", price={"a": 1}),
            bad("price as bool", "price", f"{FLOAT[:-5]}bool", price=True),
            bad("10 MB price", "price", LONG, price=HUGE),
            bad("size 0", "size", ABOVE_0, size="0"),
            bad("negative size", "size", ABOVE_0, size="-1"),
            bad("huge size", "size", ABOVE_0, size="1000000000000"),
            bad("7 places in size", "size", PLACES, size="1.0000001"),
            bad("size as float", "size", FLOAT, size=100.0),
            bad("size 1e400", "size", PLAIN, size="1e400"),
            bad("no size", "size", f"{FLOAT[:-5]}NoneType", size=None),
            bad(
                "unknown outcome",
                "outcome",
                "Input should be 'YES' or 'NO'",
                outcome="MAYBE",
            ),
            bad(
                "outcome as side", "side", "Input should be 'BUY' or 'SELL'", side="YES"
            ),
            bad(
                "unknown time in force",
                "time_in_force",
                "Input should be 'GTC', 'GTD', 'FOK' or 'FAK'",
                time_in_force="DAY",
            ),
            bad(
                "empty key",
                "idempotency_key",
                "String should have at least 1 character",
                idempotency_key="",
            ),
            bad(
                "long key",
                "idempotency_key",
                "String should have at most 128 characters",
                idempotency_key="k" * 129,
            ),
            bad(
                "10 MB key",
                "idempotency_key",
                "String should have at most 128 characters",
                idempotency_key=HUGE,
            ),
            bad(
                "key with a space",
                "idempotency_key",
                "String should match pattern '^[!-~]+$'",
                idempotency_key="k 1",
            ),
            bad(
                "10 MB note",
                "note",
                "String should have at most 200 characters",
                note=HUGE,
            ),
            bad(
                "strategy with a line break",
                "strategy",
                "String should match pattern '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'",
                strategy="pair-arb\n",
            ),
            bad(
                "10 MB market",
                "market_id",
                "String should have at most 100 characters",
                market_id=HUGE,
            ),
            bad(
                "correlation with a space",
                "correlation_id",
                "String should match pattern '^[!-~]*$'",
                correlation_id="c 1",
            ),
            bad("unknown field", "colour", "Extra inputs are not permitted", colour=1),
            bad(
                "post-only FOK",
                "post_only",
                "is possible with GTC and GTD only",
                post_only=True,
                time_in_force="FOK",
            ),
            bad(
                "post-only FAK",
                "post_only",
                "is possible with GTC and GTD only",
                post_only=True,
                time_in_force="FAK",
            ),
            bad(
                "GTD without expiry",
                "expires_at",
                "is required with GTD",
                time_in_force="GTD",
            ),
            bad(
                "GTC with expiry",
                "expires_at",
                "is possible with GTD only",
                expires_at=GTD["expires_at"],
            ),
            bad(
                "naive expiry",
                "expires_at",
                ZONE,
                time_in_force="GTD",
                expires_at="2026-09-19T13:00:00",
            ),
            bad(
                "expiry at the end of time",
                "expires_at",
                "is out of range",
                time_in_force="GTD",
                expires_at="9999-12-31T23:59:59-12:00",
            ),
            bad(
                "expiry at the beginning of time",
                "expires_at",
                "is out of range",
                time_in_force="GTD",
                expires_at="0001-01-01T00:00:00+12:00",
            ),
            bad(
                "negative slippage bound",
                "max_slippage_bps",
                "must not be below 0",
                max_slippage_bps="-0.000001",
            ),
        ],
    )
    def test_bad_input_is_refused_naming_field_and_reason(
        self, changes: dict[str, Any], field: str, reason: str
    ) -> None:
        """One typed error for every mistake; nothing is guessed or repaired."""
        with pytest.raises(InvalidInputError) as caught:
            OrderIntent.parse(GOOD | changes)
        assert (caught.value.field, caught.value.reason) == (field, reason)

    @pytest.mark.parametrize("missing", GOOD)
    def test_a_missing_field_is_named(self, missing: str) -> None:
        """There is no default size, price or side."""
        with pytest.raises(InvalidInputError, match=f"^{missing}: Field required$"):
            OrderIntent.parse({k: v for k, v in GOOD.items() if k != missing})

    def test_what_is_no_mapping_is_named_body(self) -> None:
        """A list in the place of an object is a wrong body, not a wrong field."""
        body: Any = [GOOD]
        with pytest.raises(InvalidInputError) as caught:
            OrderIntent.parse(body)
        assert caught.value.field == "body"
        assert "valid dictionary" in caught.value.reason

    def test_an_unknown_fields_name_is_not_repeated_at_length(self) -> None:
        """10 MB in must not become 10 MB in the answer and in the log."""
        with pytest.raises(InvalidInputError) as caught:
            OrderIntent.parse(GOOD | {HUGE: 1})
        assert caught.value.field == "x" * 100

    @pytest.mark.parametrize(
        "changes",
        [
            {"post_only": True},
            {"post_only": True} | GTD,
            GTD,
            GTD | {"expires_at": "9998-12-31T23:59:59-12:00"},
            GTD | {"expires_at": "0002-01-01T00:00:00+12:00"},
            {"max_slippage_bps": "0"},
            {"size": "0.000001"},
            {"strategy": "s" * 64, "idempotency_key": "k" * 128, "note": "n" * 200},
        ],
        ids=str,
    )
    def test_input_at_the_edge_is_taken(self, changes: dict[str, Any]) -> None:
        """A rule that refuses too much stops a strategy for no reason."""
        assert OrderIntent.parse(GOOD | changes).fingerprint()

    def test_an_intent_is_immutable(self) -> None:
        """What was decided on must be what is recorded and sent."""
        intent: Any = OrderIntent.parse(GOOD)
        with pytest.raises(ValidationError, match="frozen"):
            intent.size = D("1")


class TestFingerprint:
    @pytest.mark.parametrize(
        "changes",
        [
            {"price": "0.450"},
            {"price": D("0.45")},
            {"size": 100},
            {"size": "100.00"},
            {"strategy": "other"},
            {"idempotency_key": "k2"},
        ],
        ids=str,
    )
    def test_the_same_content_has_the_same_fingerprint(
        self, changes: dict[str, Any]
    ) -> None:
        """A retry that spells 0.45 as 0.450 is a retry, not a conflict."""
        this, other = OrderIntent.parse(GOOD), OrderIntent.parse(GOOD | changes)
        assert this.fingerprint() == other.fingerprint()

    @pytest.mark.parametrize(
        "changes",
        [
            {"market_id": "0xother"},
            {"outcome": "NO"},
            {"side": "SELL"},
            {"size": "100.000001"},
            {"price": "0.46"},
            {"time_in_force": "FOK"},
            {"post_only": True},
            GTD,
            GTD | {"expires_at": "2026-09-19T13:00:01+00:00"},
            {"max_slippage_bps": "0"},
            {"max_slippage_bps": "10"},
            {"correlation_id": "c"},
            {"note": "n"},
        ],
        ids=str,
    )
    def test_any_other_content_has_another_fingerprint(
        self, changes: dict[str, Any]
    ) -> None:
        """A reused key must not answer with an order that was not asked for."""
        base = GOOD | (GTD if "expires_at" in changes and changes != GTD else {})
        this, other = OrderIntent.parse(base), OrderIntent.parse(GOOD | changes)
        assert this.fingerprint() != other.fingerprint()

    def test_neighbouring_fields_do_not_run_together(self) -> None:
        """Text that moves from one field to the next is other content."""
        this = OrderIntent.parse(GOOD | {"correlation_id": "ab"})
        other = OrderIntent.parse(GOOD | {"correlation_id": "a", "note": "b"})
        assert this.fingerprint() != other.fingerprint()

    def test_expiry_is_compared_as_a_moment(self) -> None:
        """The same second in another zone is the same intent."""
        there = GTD | {"expires_at": "2026-09-19T15:00:00+02:00"}
        this, other = OrderIntent.parse(GOOD | GTD), OrderIntent.parse(GOOD | there)
        assert this.fingerprint() == other.fingerprint()

    def test_a_slippage_bound_is_compared_as_a_number(self) -> None:
        """0, -0 and 0.0 bound alike."""
        found = {
            OrderIntent.parse(GOOD | {"max_slippage_bps": text}).fingerprint()
            for text in ("0", "-0", "0.00")
        }
        assert len(found) == 1

    def test_the_fingerprint_never_changes_between_versions(self) -> None:
        """It is stored for ever: another one would make every old key a conflict."""
        full = GOOD | GTD | {"max_slippage_bps": "12.50", "post_only": True}
        full |= {"correlation_id": "c1", "note": "two words"}
        assert (
            OrderIntent.parse(GOOD).fingerprint() == "fb13b0b7128dd988ab8ebb718722dd42"
        )
        assert (
            OrderIntent.parse(full).fingerprint() == "fb684b0c0cdfa88c4229f361b1547ac5"
        )


class TestUserFill:
    def test_plain_fill_is_read_with_cautious_defaults(self) -> None:
        """A witness that says no more than the trade claims only a match."""
        fill = UserFill.parse(FILL)
        assert (fill.size, fill.price, fill.fee) == (D("40"), D("0.45"), D("0"))
        assert (fill.role, fill.status) == (Role.TAKER, Settlement.MATCHED)
        assert fill.venue_time is None

    @pytest.mark.parametrize(
        ("changes", "field", "reason"),
        [
            bad(
                "empty trade",
                "trade_id",
                "String should have at least 1 character",
                trade_id="",
            ),
            bad(
                "10 MB order",
                "order_id",
                "String should have at most 100 characters",
                order_id=HUGE,
            ),
            bad("size 0", "size", ABOVE_0, size="0"),
            bad("price 1", "price", OUTSIDE, price="1"),
            bad("fee as float", "fee", FLOAT, fee=0.1),
            bad("huge fee", "fee", "must be below 10^12", fee="1000000000000"),
            bad(
                "negative time",
                "venue_time",
                "Input should be greater than or equal to 0",
                venue_time=-1,
            ),
            bad(
                "time beyond every clock",
                "venue_time",
                f"Input should be less than {2**53}",
                venue_time=2**53,
            ),
            bad(
                "10 MB hash",
                "tx_hash",
                "String should have at most 100 characters",
                tx_hash=HUGE,
            ),
            bad("unknown field", "colour", "Extra inputs are not permitted", colour=1),
        ],
    )
    def test_bad_input_is_refused_naming_field_and_reason(
        self, changes: dict[str, Any], field: str, reason: str
    ) -> None:
        """A garbled frame must never book a position."""
        with pytest.raises(InvalidInputError) as caught:
            UserFill.parse(FILL | changes)
        assert (caught.value.field, caught.value.reason) == (field, reason)

    @pytest.mark.parametrize(
        ("changes", "field", "reason"),
        [
            bad("float", "size", FLOAT, size=40.0),
            bad("NaN", "price", "must be a finite number", price=D("NaN")),
            bad("price 1", "price", OUTSIDE, price=D("1")),
            bad("7 places", "fee", PLACES, fee=D("0.0000001")),
            bad("text", "size", EXACT, size="40"),
            bad("int", "size", EXACT, size=40),
            bad("zeros behind", "price", EXACT, price=D("0.4500000")),
        ],
    )
    def test_the_constructor_lets_no_inexact_number_through(
        self, changes: dict[str, Any], field: str, reason: str
    ) -> None:
        """An executor's slip must not put a float into the log."""
        exact = FILL | {"size": D("40"), "price": D("0.45")}
        with pytest.raises(InvalidInputError) as caught:
            UserFill(**(exact | changes))
        assert (caught.value.field, caught.value.reason) == (field, reason)


class TestInvalidInput:
    def test_a_nested_field_is_named_by_its_path(self) -> None:
        """In a list of twenty intents the number matters."""

        class Batch(BaseModel):
            intents: list[OrderIntent]

        with pytest.raises(ValidationError) as caught:
            Batch.model_validate({"intents": [GOOD, GOOD | {"price": "2"}]})
        error = invalid_input(caught.value)
        assert (error.field, error.reason) == ("intents.1.price", OUTSIDE)

    def test_the_input_is_not_repeated(self) -> None:
        """A secret pasted into the wrong field must not reach a log."""
        with pytest.raises(InvalidInputError) as caught:
            OrderIntent.parse(GOOD | {"price": "my-secret"})
        assert "my-secret" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def test_a_reason_with_a_colon_keeps_its_field(self) -> None:
        """Only errors of the whole body carry their field in the text."""
        with pytest.raises(InvalidInputError) as caught:
            OrderIntent.parse(GOOD | GTD | {"expires_at": "12:00"})
        assert caught.value.field == "expires_at"

    def test_aware_times_are_kept_as_moments(self) -> None:
        """An expiry that shifts by the zone would rest for hours too long."""
        expires = OrderIntent.parse(GOOD | GTD).expires_at
        assert expires == datetime(2026, 9, 19, 13, tzinfo=UTC)
