"""A hand-moved clock, and a ledger small enough to read: one dict of orders."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ledger import events as ev
from ledger.decide import Meta, PostAnswered, decide
from ledger.market import Market
from ledger.order import Order, evolve, requested
from ledger.values import Outcome, Side, TimeInForce
from ledger.venue import PlacementRequest, PreparedOrder, VenueFact

START = datetime(2026, 11, 1, tzinfo=UTC)
MARKET = Market(
    market_id="0xmarket", yes_token="111", no_token="222", fee_rate=Decimal("0.07")
)


class HandClock:
    """Time stands still until somebody sleeps or moves it."""

    def __init__(self) -> None:
        self.at = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def request(
    side: Side,
    price: str,
    size: str,
    tif: TimeInForce = TimeInForce.GTC,
    *,
    order_id: str = "order-1",
    post_only: bool = False,
    expires_at: datetime | None = None,
) -> PlacementRequest:
    return PlacementRequest(
        order_id=order_id,
        market=MARKET,
        outcome=Outcome.YES,
        side=side,
        size=Decimal(size),
        price=Decimal(price),
        time_in_force=tif,
        post_only=post_only,
        expires_at=expires_at,
    )


class Orders:
    """Folds what the venue says into orders, as the ledger does."""

    def __init__(self) -> None:
        self.by_venue_id: dict[str, Order] = {}

    def prepared(self, asked: PlacementRequest, made: PreparedOrder) -> None:
        order = requested(
            asked.order_id,
            ev.OrderRequested(
                at=START,
                strategy="test",
                idempotency_key=asked.order_id,
                fingerprint="",
                market_id=asked.market.market_id,
                token_id=asked.market.token(asked.outcome),
                outcome=asked.outcome,
                side=asked.side,
                size=asked.size,
                price=asked.price,
                time_in_force=asked.time_in_force,
                post_only=asked.post_only,
                expires_at=asked.expires_at,
            ),
        )
        signed = ev.OrderPrepared(
            at=START,
            venue_order_id=made.venue_order_id,
            size=made.size,
            maker_amount=made.maker_amount,
            taker_amount=made.taker_amount,
            signed_order=made.signed_order,
        )
        self.by_venue_id[made.venue_order_id] = evolve(order, signed)

    def learn(self, facts: Iterable[VenueFact]) -> None:
        for seen in facts:
            self.apply(seen.venue_order_id, seen.fact, seen.source)

    def answered(self, made: PreparedOrder, answer: PostAnswered) -> None:
        self.apply(made.venue_order_id, answer, "post")

    def apply(self, name: str, fact: object, source: str) -> None:
        order = self.by_venue_id[name]
        for event in decide(order, fact, Meta(at=START, source=source)):
            order = evolve(order, event)
        self.by_venue_id[name] = order

    def all(self) -> list[Order]:
        return list(self.by_venue_id.values())
