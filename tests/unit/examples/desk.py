"""A command API of plain lists: what a strategy asked for, and what it is told."""

from decimal import Decimal
from functools import reduce

import msgspec

from examples.strategy import MarketView
from ledger.api import PositionView
from ledger.book import OrderBook
from ledger.errors import CommandRefusedError
from ledger.events import FillMatched, FillVoided, OrderPrepared, OrderRequested
from ledger.intent import OrderIntent
from ledger.manager.results import OrderResult
from ledger.market import Market
from ledger.order import Order, evolve, requested
from ledger.values import ZERO, Outcome, Role
from service.recorded_time import SimulatedClock

NOW_MS = 1_767_614_400_000
MARKET = Market(market_id="m", yes_token="yes", no_token="no", fee_rate=Decimal("0.07"))


class Desk:
    """Satisfies `CommandAPI`; `answers` may hold results to give instead."""

    def __init__(self) -> None:
        self.placed: list[OrderIntent] = []
        self.cancelled: list[str] = []
        self.merged: list[Decimal] = []
        self.redeemed: list[tuple[str, Outcome]] = []
        self.open: list[Order] = []
        self.held: dict[Outcome, PositionView] = {}
        self.answers: list[OrderResult] = []
        self.is_resolved = True

    async def place(self, intent: OrderIntent) -> OrderResult:
        self.placed.append(intent)
        if self.answers:
            return self.answers.pop(0)
        order = order_of(intent)
        if intent.time_in_force.rests:
            self.open.append(order)
        return OrderResult(success=True, order=order)

    async def cancel(self, order_id: str) -> OrderResult:
        self.cancelled.append(order_id)
        self.open = [order for order in self.open if order.order_id != order_id]
        return OrderResult(success=True)

    async def cancel_all(
        self, market_id: str | None = None, strategy: str | None = None
    ) -> list[OrderResult]:
        return [await self.cancel(order.order_id) for order in list(self.open)]

    async def open_orders(self, strategy: str) -> list[Order]:
        return [order for order in self.open if order.strategy == strategy]

    async def position(
        self, strategy: str, market_id: str, outcome: Outcome
    ) -> PositionView:
        empty = PositionView(strategy=strategy, market_id=market_id, outcome=outcome)
        return self.held.get(outcome, empty)

    async def merge(self, strategy: str, market_id: str, size: Decimal) -> None:
        self.merged.append(size)

    async def redeem(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        if not self.is_resolved:
            raise CommandRefusedError("not resolved")
        self.redeemed.append((market_id, outcome))
        self.held.pop(outcome)
        return ZERO

    def hold(
        self,
        outcome: Outcome,
        shares: str,
        *,
        settled: str | None = None,
        paid: str = "0.45",
    ) -> None:
        """Say what the strategy holds; all of it settled unless told otherwise."""
        self.held[outcome] = PositionView(
            strategy="pair_arb",
            market_id="m",
            outcome=outcome,
            shares=Decimal(shares),
            sellable=Decimal(shares if settled is None else settled),
            avg_price=Decimal(paid),
        )


def order_of(intent: OrderIntent) -> Order:
    """The order that an intent becomes, just requested."""
    return requested(
        f"order-{intent.idempotency_key}",
        OrderRequested(
            at=SimulatedClock(NOW_MS).now(),
            strategy=intent.strategy,
            idempotency_key=intent.idempotency_key,
            fingerprint="",
            market_id=intent.market_id,
            token_id=MARKET.token(intent.outcome),
            outcome=intent.outcome,
            side=intent.side,
            size=intent.size,
            price=intent.price,
            time_in_force=intent.time_in_force,
            post_only=intent.post_only,
        ),
    )


def voided(intent: OrderIntent) -> Order:
    """The order of an intent that filled at once and then failed on chain."""
    at = SimulatedClock(NOW_MS).now()
    history = (
        OrderPrepared(
            at=at,
            venue_order_id="v",
            size=intent.size,
            maker_amount=0,
            taker_amount=0,
            signed_order="",
        ),
        FillMatched(
            at=at,
            trade_id="t",
            strategy=intent.strategy,
            market_id=intent.market_id,
            outcome=intent.outcome,
            side=intent.side,
            size=intent.size,
            price=intent.price,
            fee=ZERO,
            role=Role.TAKER,
        ),
        FillVoided(at=at, trade_id="t"),
    )
    return reduce(evolve, history, order_of(intent))


def book(
    token: str,
    bid: str,
    ask: str,
    *,
    as_of_ms: int = NOW_MS,
    size: str = "100",
) -> OrderBook:
    """One level on each side."""
    return OrderBook(
        token,
        bids=[(Decimal(bid), Decimal(size))],
        asks=[(Decimal(ask), Decimal(size))],
        as_of_ms=as_of_ms,
    )


def view(
    bid: str = "0.48",
    ask: str = "0.52",
    *,
    now_ms: int = NOW_MS,
    yes_ms: int | None = None,
    no_ms: int | None = None,
    no: OrderBook | None = None,
    size: str = "100",
    market: Market = MARKET,
) -> MarketView:
    """Both books of a market, complements unless `no` is given."""
    yes = book(
        "yes", bid, ask, as_of_ms=now_ms if yes_ms is None else yes_ms, size=size
    )
    other = no or yes.mirrored("no")
    if no is None:
        other.as_of_ms = now_ms if no_ms is None else no_ms
    return MarketView(market, now_ms, yes, other)


def finer(market: Market = MARKET) -> Market:
    """The market with the fine grid."""
    return msgspec.structs.replace(market, tick_size=Decimal("0.001"))
