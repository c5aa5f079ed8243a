"""An order told as facts: builders, and the loop of decide and evolve.

`given(...)` is an order that was requested and prepared, and the facts that it
has met; `.when(...)` brings more and remembers the events of the last one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from msgspec.structs import replace

from ledger import events as ev
from ledger.decide import (
    Meta,
    OrderEnded,
    PostAnswered,
    PostOutcome,
    SettlementSeen,
    decide,
)
from ledger.intent import UserFill
from ledger.order import Order, evolve, replay
from ledger.values import EndReason, OrderStatus, Outcome, Settlement, Side, TimeInForce

START = datetime(2026, 9, 19, 12, 0, tzinfo=UTC)
ORDER_ID = "o1"
VENUE_ORDER_ID = "0xorder"

Facts = tuple[object, ...]

LIVE = PostAnswered(outcome=PostOutcome.LIVE)
DELAYED = PostAnswered(outcome=PostOutcome.DELAYED)
REFUSED = PostAnswered(outcome=PostOutcome.REFUSED, code="balance", text="no money")
NOT_PROCESSED = PostAnswered(outcome=PostOutcome.NOT_PROCESSED, code="restarting")
UNKNOWN = PostAnswered(outcome=PostOutcome.UNKNOWN, text="timeout")


def requested(**changes: Any) -> ev.OrderRequested:
    """A plain intent as it is recorded: BUY 100 YES at 0.40 unless changed."""
    event = ev.OrderRequested(
        at=START,
        actor="alpha",
        correlation_id="c1",
        strategy="alpha",
        idempotency_key="k1",
        fingerprint="f" * 32,
        market_id="0xmarket",
        token_id="111",
        outcome=Outcome.YES,
        side=Side.BUY,
        size=Decimal("100"),
        price=Decimal("0.40"),
        time_in_force=TimeInForce.GTC,
    )
    return replace(event, **changes)


def prepared(size: Decimal) -> ev.OrderPrepared:
    """The signed order of `size` shares."""
    return ev.OrderPrepared(
        at=START,
        venue_order_id=VENUE_ORDER_ID,
        size=size,
        maker_amount=1,
        taker_amount=1,
        signed_order="{}",
    )


def fill(
    trade: str = "t1",
    size: str = "100",
    price: str = "0.40",
    status: Settlement = Settlement.MATCHED,
    at: int | None = None,
    **more: Any,
) -> UserFill:
    """A trade of the order; `at` is the venue's time in milliseconds."""
    return UserFill.parse(
        {
            "trade_id": trade,
            "order_id": VENUE_ORDER_ID,
            "size": size,
            "price": price,
            "status": status,
            "venue_time": at,
            **more,
        }
    )


def settle(
    trade: str, status: Settlement, at: int | None = None, tx: str = ""
) -> SettlementSeen:
    """A witness says how far a trade has settled."""
    return SettlementSeen(trade_id=trade, status=status, venue_time=at, tx_hash=tx)


def mined(trade: str = "t1", at: int | None = None) -> SettlementSeen:
    """The trade is in a block."""
    return settle(trade, Settlement.MINED, at)


def confirmed(trade: str = "t1", at: int | None = None, tx: str = "") -> SettlementSeen:
    """The trade is final."""
    return settle(trade, Settlement.CONFIRMED, at, tx)


def voided(trade: str = "t1", at: int | None = None) -> SettlementSeen:
    """The trade failed on chain."""
    return settle(trade, Settlement.FAILED, at)


def ended(reason: EndReason = EndReason.CANCELLED) -> OrderEnded:
    """The venue says that the order no longer works."""
    return OrderEnded(reason=reason)


class Story:
    """One order and everything that was recorded of it."""

    def __init__(self, history: Sequence[ev.Event]) -> None:
        order = replay(ORDER_ID, history)
        assert order is not None
        self.order: Order = order
        self.history = list(history)
        self.news: list[ev.Event] = []
        self.now = START

    @property
    def status(self) -> OrderStatus:
        """The label of the order."""
        return self.order.status

    @property
    def topics(self) -> list[str]:
        """The topics of the last fact's events, without their version."""
        return [event.TOPIC.removesuffix(".v1") for event in self.news]

    def when(self, *facts: object) -> Self:
        """Decide on each fact and apply what comes out; an event applies as it is."""
        for fact in facts:
            if isinstance(fact, ev.Event):
                self.record(fact)
                continue
            self.news = decide(self.order, fact, Meta(at=self.now, source="stream"))
            self.record(*self.news)
        return self

    def record(self, *events: ev.Event) -> Self:
        """Apply events that no fact of the venue brings."""
        for event in events:
            before = replace(self.order, trades=dict(self.order.trades))
            after = evolve(self.order, event)
            assert self.order == before, "evolve has changed what it was given"
            assert after.version == self.order.version + 1
            self.order = after
            self.history.append(event)
        return self

    def wait(self, seconds: int) -> Self:
        """Let time pass before the next fact."""
        self.now += timedelta(seconds=seconds)
        return self

    def restart(self) -> Self:
        """Read the order back from the bytes that a store would hold."""
        stored = [(event.TOPIC, ev.encode(event)) for event in self.history]
        order = replay(ORDER_ID, [ev.decode(*row) for row in stored])
        assert order == self.order, "the log does not give the state that was kept"
        self.order = order
        return self


def said(*facts: object) -> Facts:
    """Facts for a table of cases; the order is built when the case runs."""
    return facts


def given(*facts: object, **changes: Any) -> Story:
    """A prepared order that has met `facts`; `changes` are fields of the intent."""
    intent = requested(**changes)
    return Story([intent, prepared(intent.size)]).when(*facts)


def known(order: Order) -> Order:
    """The state without its version, which counts events and not facts."""
    return replace(order, version=0)
