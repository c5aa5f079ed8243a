"""The catalogue of facts and their bytes."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ledger import events as ev
from ledger.market import Market
from ledger.values import EndReason, Outcome, Role, Side, TimeInForce
from tests.unit.core.stories import START, prepared, requested

D = Decimal
TRADE: dict[str, Any] = {
    "at": START,
    "strategy": "alpha",
    "market_id": "0xm",
    "outcome": Outcome.YES,
    "side": Side.BUY,
    "size": D("40"),
    "price": D("0.45"),
}
SHARES: dict[str, Any] = {
    "at": START,
    "strategy": "alpha",
    "market_id": "0xm",
    "size": D("40"),
}
FILL = ev.FillMatched(trade_id="t1", fee=D("0.1"), role=Role.MAKER, **TRADE)
ORDER = ev.ObservedOrder(
    venue_order_id="0xo",
    market_id="0xm",
    token_id="111",
    side=Side.SELL,
    price=D("0.45"),
    size=D("40"),
    size_matched=D("0"),
)
HOLDING = ev.ObservedPosition(market_id="0xm", outcome=Outcome.NO, size=D("7.5"))
ONE_OF_EACH: list[ev.Event] = [
    requested(expires_at=START, max_slippage_bps=D("10"), note="why"),
    ev.OrderRefused(at=START, by="risk", code="size", text="too large"),
    ev.OrderResized(at=START, size=D("50"), requested_size=D("100"), code="c", text=""),
    prepared(D("100")),
    ev.OrderOutcomeUnknown(at=START, reason="timeout"),
    ev.OrderProbed(at=START, probe="lookup"),
    ev.OrderReposted(at=START),
    ev.OrderPlaced(at=START, delayed=True),
    ev.OrderRejected(at=START, code="balance", text="no money"),
    FILL,
    ev.FillMined(at=START, trade_id="t1", venue_time=5, tx_hash="0xaa"),
    ev.FillRetrying(at=START, trade_id="t1"),
    ev.FillConfirmed(at=START, trade_id="t1"),
    ev.FillVoided(at=START, trade_id="t1"),
    ev.OrderCancelRequested(at=START),
    ev.OrderCancelRefused(at=START, text="matched"),
    ev.OrderCancelled(at=START, reason=EndReason.EXPIRED, size_matched=D("0")),
    ev.OrderDustClosed(at=START, tolerance=D("0.01")),
    ev.OrderNeverPlaced(at=START, probes=("lookup at noon",)),
    ev.PositionTraded(amount=D("18"), **TRADE),
    ev.PositionSplit(**SHARES),
    ev.PositionMerged(**SHARES),
    ev.PositionRedeemed(outcome=Outcome.YES, payout=D("0"), **SHARES),
    ev.PositionTransferred(outcome=Outcome.YES, **SHARES | {"size": D("-1")}),
    ev.MarketResolved(at=START, market_id="0xm", yes_payout=D("1"), no_payout=D("0")),
    ev.CashMoved(at=START, amount=D("-5"), reason="withdrawal"),
    ev.VenueObserved(
        at=START,
        as_of=START,
        complete=True,
        open_orders=(ORDER,),
        positions=(HOLDING,),
        cash=D("3"),
    ),
    ev.DriftOpened(at=START, drift_id="d", kind="missing", subject="o1"),
    ev.DriftAcknowledged(at=START, drift_id="d"),
    ev.DriftClosed(at=START, drift_id="d"),
    ev.LedgerOpened(
        at=START, software_version="1", config_hash="h", mode="paper", epoch=1
    ),
    ev.LedgerHalted(at=START, reason="disk"),
    ev.LedgerReduceOnly(at=START, reason="loss"),
    ev.LedgerResumed(at=START, reason="mended"),
    ev.MarketListed(
        at=START, market=Market(market_id="0xm", yes_token="111", no_token="222")
    ),
]


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda e: e.TOPIC)
def test_every_event_comes_back_as_it_went(event: ev.Event) -> None:
    """The log is all there is after a crash."""
    assert ev.decode(event.TOPIC, ev.encode(event)) == event


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda e: e.TOPIC)
def test_an_unknown_field_is_refused(event: ev.Event) -> None:
    """A field that this version drops in silence would be lost evidence."""
    state = ev.encode(event)[:-1] + b',"unheard_of":1}'
    with pytest.raises(ValueError, match="unheard_of"):
        ev.decode(event.TOPIC, state)


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda e: e.TOPIC)
def test_an_event_is_immutable(event: Any) -> None:
    """What happened does not change; a correction is another event."""
    with pytest.raises(AttributeError):
        event.at = START


def test_the_catalogue_is_complete_and_names_are_unique() -> None:
    """An event that cannot be read back must not be possible to write."""
    assert {type(event) for event in ONE_OF_EACH} == set(ev.EVENT_TYPES.values())
    assert all(topic == cls.TOPIC for topic, cls in ev.EVENT_TYPES.items())
    assert len(ONE_OF_EACH) == len(ev.EVENT_TYPES)


def test_numbers_are_stored_as_text() -> None:
    """A number in JSON is a float to most readers."""
    stored = msgspec.json.decode(ev.encode(FILL))
    assert (stored["size"], stored["price"], stored["fee"]) == ("40", "0.45", "0.1")


def test_the_topic_is_stored_beside_not_inside() -> None:
    """A renamed class still reads its old rows."""
    assert b"TOPIC" not in ev.encode(FILL)
    assert b"fill.matched" not in ev.encode(FILL)


def test_an_unknown_topic_is_refused_by_name() -> None:
    """A newer version's event must stop the reader, not be skipped."""
    with pytest.raises(ValueError, match=r"^unknown topic 'order\.dreamt\.v1'$"):
        ev.decode("order.dreamt.v1", b"{}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"size":"40"', b'"size":"0"'),
        (b'"size":"40"', b'"size":"-1"'),
        (b'"size":"40"', b'"size":"NaN"'),
        (b'"price":"0.45"', b'"price":"0"'),
        (b'"price":"0.45"', b'"price":"1"'),
        (b'"price":"0.45"', b'"price":"NaN"'),
        (b'"side":"BUY"', b'"side":"HOLD"'),
        (b'"size":"40",', b""),
        (b"}", b""),
    ],
    ids=lambda part: part.decode() or "nothing",
)
def test_a_damaged_row_is_one_kind_of_error(old: bytes, new: bytes) -> None:
    """`verify` must name the bad row instead of crashing on it."""
    state = ev.encode(FILL)
    assert old in state
    with pytest.raises(ValueError, match=r"."):
        ev.decode(FILL.TOPIC, state.replace(old, new))


@pytest.mark.parametrize("price", ["0", "1", "-0.1", "1.1"])
def test_no_event_holds_a_price_outside_0_and_1(price: str) -> None:
    """A wrong price in the log is wrong for ever."""
    with pytest.raises(ValueError, match=r"is not between 0 and 1$"):
        requested(price=D(price))
    with pytest.raises(ValueError, match=r"is not between 0 and 1$"):
        ev.FillMatched(
            trade_id="t1", fee=D("0"), role=Role.TAKER, **TRADE | {"price": D(price)}
        )


@pytest.mark.parametrize("size", ["0", "-1"])
def test_no_event_holds_a_size_of_nothing(size: str) -> None:
    """A size of 0 is the mark of a trade that is not yet known."""
    none = SHARES | {"size": D(size)}
    traded = TRADE | {"size": D(size)}
    for make in (
        lambda: requested(size=D(size)),
        lambda: prepared(D(size)),
        lambda: ev.OrderResized(
            at=START, size=D(size), requested_size=D("1"), code="", text=""
        ),
        lambda: ev.FillMatched(trade_id="t", fee=D("0"), role=Role.TAKER, **traded),
        lambda: ev.PositionTraded(amount=D("1"), **traded),
        lambda: ev.PositionSplit(**none),
        lambda: ev.PositionMerged(**none),
    ):
        with pytest.raises(ValueError, match=r"is not above 0$"):
            make()


@pytest.mark.parametrize(
    ("yes", "no", "is_possible"),
    [
        ("1", "0", True),
        ("0", "1", True),
        ("0.5", "0.5", True),
        ("1", "1", False),
        ("0", "0", False),
        ("-1", "2", False),
        ("2", "-1", False),
    ],
)
def test_a_pair_of_shares_always_pays_1(yes: str, no: str, is_possible: bool) -> None:
    """Collateral of a pair is 1 pUSD; other payouts would invent money."""

    def resolve() -> ev.MarketResolved:
        return ev.MarketResolved(
            at=START, market_id="0xm", yes_payout=D(yes), no_payout=D(no)
        )

    if is_possible:
        assert resolve().yes_payout == D(yes)
    else:
        with pytest.raises(ValueError, match="must not be negative and must sum to 1"):
            resolve()


def test_streams_are_named_for_what_they_hold() -> None:
    """The names are stored; another spelling would start an empty stream."""
    assert ev.order_stream("o1") == "order-o1"
    assert ev.account_stream("main") == "account-main"
    assert (ev.SYSTEM_STREAM, ev.RECONCILIATION_STREAM) == ("system", "reconciliation")


def test_settlement_events_say_which_state_they_claim() -> None:
    """One handler folds them all, by this."""
    claims = {
        cls.TOPIC: cls.SETTLEMENT.value
        for cls in ev.EVENT_TYPES.values()
        if issubclass(cls, ev.SettlementEvent)
    }
    assert claims == {
        "fill.mined.v1": "MINED",
        "fill.retrying.v1": "RETRYING",
        "fill.confirmed.v1": "CONFIRMED",
        "fill.voided.v1": "FAILED",
    }


def test_details_of_two_events_are_not_shared() -> None:
    """One shared default would write one event's evidence into another."""
    first = ev.DriftOpened(at=START, drift_id="a", kind="k", subject="s")
    second = ev.DriftOpened(at=START, drift_id="b", kind="k", subject="s")
    assert first.detail is not second.detail


def test_times_are_utc_in_the_log() -> None:
    """A naive time cannot be compared after a change of zone."""
    stored = msgspec.json.decode(ev.encode(FILL))
    assert datetime.fromisoformat(stored["at"]) == START
    assert stored["at"].endswith("Z")


def test_time_in_force_is_stored_by_name() -> None:
    """Numbers of an enum change when a member is added."""
    stored = msgspec.json.decode(ev.encode(requested(time_in_force=TimeInForce.FAK)))
    assert stored["time_in_force"] == "FAK"
