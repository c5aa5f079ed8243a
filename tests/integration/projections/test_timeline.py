"""The story of one order, as a person reads it."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from ledger import events as ev
from ledger.decide import PostAnswered, PostOutcome
from ledger.errors import IntegrityError, UnknownOrderError
from ledger.store import LedgerStore
from ledger.values import EndReason, Outcome, Settlement
from projections import timeline
from projections.timeline import summary
from tests.integration.projections.histories import START, History

INTENT = "BUY 100 YES of 0xm1 at 0.4, GTC, until 2026-09-20T12:00:00+00:00, note: hedge"
LIVE = PostAnswered(outcome=PostOutcome.LIVE)


@pytest.fixture
def told(store: LedgerStore, history: History) -> History:
    """An order that is placed, filled and confirmed."""
    number = history.order(note="hedge", expires_at=START + timedelta(days=1))
    history.tell(number, LIVE)
    trade = history.fill(number, fee="0.5")
    history.settle(number, trade, Settlement.CONFIRMED)
    history.write(store)
    return history


def test_every_event_is_told_with_the_status_after_it(
    store: LedgerStore, told: History
) -> None:
    """Support answers "what happened to my order" from this alone."""
    entries = timeline(store, told.orders[0].order_id)
    assert [(e.position, str(e.status), e.summary) for e in entries] == [
        (
            1,
            "PENDING",
            INTENT,
        ),
        (2, "PENDING", "signed 100 shares as 0x0"),
        (3, "PLACED", "placed"),
        (4, "MATCHED", "trade t1: 100 at 0.4 as taker, fee 0.5"),
        (5, "CONFIRMED", "trade t1 confirmed in 0xt1"),
    ]


def test_an_entry_says_who_and_on_whose_word(store: LedgerStore, told: History) -> None:
    """Every transition has a cause."""
    first, *_, last = timeline(store, told.orders[0].order_id)
    assert (first.actor, first.source, first.topic) == (
        "alpha",
        "command",
        "order.requested.v1",
    )
    assert (last.source, last.causation) == ("stream", "told")
    assert last.correlation_id == told.orders[0].order_id


def test_a_past_timeline_ends_then(store: LedgerStore, told: History) -> None:
    """`order ID --as-of N` tells what was known at N."""
    entries = timeline(store, told.orders[0].order_id, upto=3)
    assert [entry.position for entry in entries] == [1, 2, 3]


def test_the_signed_order_is_never_told(store: LedgerStore, told: History) -> None:
    """Whoever has it can post it."""
    entries = timeline(store, told.orders[0].order_id)
    assert b"SECRET" not in msgspec.json.encode(entries)


@pytest.mark.parametrize("upto", [None, 0])
def test_no_events_are_an_unknown_order(
    store: LedgerStore, told: History, upto: int | None
) -> None:
    """Also when the order came later than asked for."""
    order_id = told.orders[0].order_id if upto == 0 else "nobody"
    with pytest.raises(UnknownOrderError):
        timeline(store, order_id, upto=upto)


def test_a_stream_without_a_beginning_is_named(
    store: LedgerStore, history: History
) -> None:
    """A log that was cut is no order of ours."""
    history.record("order-x", ev.OrderPlaced(at=START))
    history.write(store)
    with pytest.raises(IntegrityError, match="no beginning"):
        timeline(store, "x")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            ev.OrderRefused(
                at=START, by="risk", code="c", text="too big", evidence={"limit": "5"}
            ),
            "refused by risk: c: too big (limit 5)",
        ),
        (
            ev.OrderRefused(at=START, by="risk", code="c", text="t"),
            "refused by risk: c: t",
        ),
        (
            ev.OrderResized(
                at=START,
                size=Decimal(5),
                requested_size=Decimal(9),
                code="c",
                text="limit",
            ),
            "capped from 9 to 5: c: limit",
        ),
        (
            ev.OrderOutcomeUnknown(at=START, reason="timeout"),
            "outcome unknown: timeout",
        ),
        (ev.OrderReposted(at=START), "the same bytes go out again"),
        (ev.OrderProbed(at=START, probe="sweep"), "sweep found nothing"),
        (ev.OrderPlaced(at=START, delayed=True), "in a matching delay"),
        (
            ev.OrderRejected(at=START, code="c", text="no"),
            "rejected by the venue: c: no",
        ),
        (ev.FillMined(at=START, trade_id="t"), "trade t mined"),
        (ev.FillRetrying(at=START, trade_id="t"), "trade t being sent again"),
        (ev.FillVoided(at=START, trade_id="t", tx_hash="0x1"), "trade t void in 0x1"),
        (ev.OrderCancelRequested(at=START, reason="why"), "cancel wanted: why"),
        (ev.OrderCancelRefused(at=START, text="done"), "not cancelled: done"),
        (
            ev.OrderCancelled(
                at=START,
                reason=EndReason.EXPIRED,
                text="late",
                size_matched=Decimal("1.50"),
            ),
            "ended: expired, late, 1.5 shares matched",
        ),
        (ev.OrderCancelled(at=START, reason=EndReason.VENUE), "ended: venue"),
        (
            ev.OrderDustClosed(at=START, tolerance=Decimal("0.01")),
            "closed as matched, up to 0.01 shares left as dust",
        ),
        (
            ev.OrderNeverPlaced(at=START, probes=("a", "b")),
            "never placed, proven by a, b",
        ),
    ],
)
def test_events_are_told_in_words(event: ev.Event, words: str) -> None:
    """Nobody should have to know the fields of an event to read it."""
    assert summary(event) == words


def test_no_event_of_an_order_is_without_words() -> None:
    """A new event would break the timeline of the first order that has it."""
    from projections.timeline import _SUMMARIES

    told = {kind for kind in ev.EVENT_TYPES.values() if issubclass(kind, ev.OrderEvent)}
    assert set(_SUMMARIES) == told


def test_post_only_is_told(store: LedgerStore, history: History) -> None:
    """It decides whether an order may take."""
    history.order(post_only=True, outcome=Outcome.NO)
    history.write(store)
    [first, _] = timeline(store, history.orders[0].order_id)
    assert first.summary == "BUY 100 NO of 0xm1 at 0.4, GTC, post-only"
