"""Temporal arbitrage: the price moved, the market's quotes have not yet.

A window market pays 1 pUSD for Up if the price at its close is at or above the
strike.
The price itself is known from outside, every second; the quotes follow it late.

1. A tick comes in: how far is the price from the strike, measured in what it may
   still move until the close?
2. If that makes an outcome more likely than its ask costs, fee and a margin
   included: buy what is offered, at a bounded price, and nothing that is not there.
3. Hold to the resolution, then redeem.
"""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from examples.strategy import MarketView, PriceTick, Redeemer, round_down
from ledger.api import CommandAPI
from ledger.intent import OrderIntent
from ledger.market import taker_fee
from ledger.order import Order
from ledger.values import ONE, ZERO, EndReason, OrderStatus, Outcome, Side, TimeInForce

CHANCES: Final = tuple(
    (Decimal(distance), Decimal(chance))
    for distance, chance in (
        ("0.00", "0.5000"),
        ("0.25", "0.5987"),
        ("0.50", "0.6914"),
        ("0.75", "0.7733"),
        ("1.00", "0.8413"),
        ("1.25", "0.8943"),
        ("1.50", "0.9331"),
        ("2.00", "0.9772"),
    )
)
"""Standard deviations from the strike, and the chance to end on the same side.

The normal distribution, rounded down; a straight line between two of its points
lies below the curve, so the chance is never overstated.
"""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What a window market asks: prices in the feed's unit, times in Unix ms."""

    strike: Decimal
    start_ms: int
    end_ms: int


class TemporalConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Prices in pUSD per share, `budget` in pUSD per market, times in ms.

    `volatility` is the price's relative standard deviation over one second.
    `min_edge` is what must be left after price and fee.
    `max_slippage` is how far beyond the best ask an order may reach.
    """

    volatility: Decimal = Decimal("0.00008")
    budget: Decimal = Decimal(30)
    min_edge: Decimal = Decimal("0.03")
    min_price: Decimal = Decimal("0.20")
    max_price: Decimal = Decimal("0.92")
    max_slippage: Decimal = Decimal("0.01")
    min_left_ms: int = 10_000
    max_tick_age_ms: int = 2_000
    max_book_age_ms: int = 2_000
    max_attempts: int = 3


class Signal(NamedTuple):
    """An outcome and how likely it is at least."""

    outcome: Outcome
    chance: Decimal


class TemporalArbitrage:
    """Buys the likelier outcome of each window at most once."""

    def __init__(
        self,
        windows: Mapping[str, Window],
        name: str = "temporal_arb",
        config: TemporalConfig | None = None,
    ) -> None:
        self.name = name
        self._windows = windows
        self._config = config or TemporalConfig()
        self._redeemer = Redeemer(name)
        self._tick: PriceTick | None = None
        self._attempts: dict[str, int] = {}
        self._entered: set[str] = set()

    async def on_tick(
        self,
        api: CommandAPI,  # noqa: ARG002 -- the protocol's
        tick: PriceTick,
    ) -> None:
        """Remember the price: it is acted on when the books that go with it come."""
        self._tick = tick

    async def on_books(self, api: CommandAPI, view: MarketView) -> None:
        """Compare what the price says with what the market asks."""
        market_id = view.market.market_id
        if market_id in self._entered:
            return
        signal = self._signal(market_id, view.now_ms)
        intent = None if signal is None else self._entry(view, signal)
        if intent is None:
            return
        held = await api.position(self.name, market_id, intent.outcome)
        if held.shares > ZERO:
            self._entered.add(market_id)  # before a restart
            return
        result = await api.place(intent)
        # A key that was used before belongs to an earlier run of this strategy;
        # what that order bought would have shown as a position.
        self._attempts[market_id] = self._attempts.get(market_id, 0) + 1
        order = result.order
        is_empty = order is None or order.done_reason in _BOUGHT_NOTHING
        if not is_empty or self._attempts[market_id] >= self._config.max_attempts:
            self._entered.add(market_id)

    async def on_order(self, api: CommandAPI, order: Order) -> None:
        """Try again if the purchase was void; redeem what settles late."""
        if order.status is OrderStatus.FAILED:
            tried = self._attempts.get(order.market_id, 0)
            if tried < self._config.max_attempts:
                self._entered.discard(order.market_id)
        await self._redeemer.on_order(api, order)

    async def on_resolved(self, api: CommandAPI, market_id: str) -> None:
        """Redeem; the losing shares as well, so that they leave the books."""
        await self._redeemer.on_resolved(api, market_id)

    def _signal(self, market_id: str, now_ms: int) -> Signal | None:
        """Which outcome the price favours, and how much."""
        window, tick = self._windows.get(market_id), self._tick
        if window is None or tick is None:
            return None
        left_ms = window.end_ms - now_ms
        is_open = window.start_ms <= tick.ts_ms and left_ms >= self._config.min_left_ms
        if not is_open or now_ms - tick.ts_ms > self._config.max_tick_age_ms:
            return None
        seconds_left = Decimal(left_ms) / 1_000
        spread = window.strike * self._config.volatility * seconds_left.sqrt()
        distance = (tick.price - window.strike) / spread
        outcome = Outcome.YES if distance >= ZERO else Outcome.NO
        return Signal(outcome, chance_of(abs(distance)))

    def _entry(self, view: MarketView, signal: Signal) -> OrderIntent | None:
        """The order that takes what is offered below the chance, if anything is."""
        config, market = self._config, view.market
        book = view.of(signal.outcome)
        if book is None or book.age_ms > config.max_book_age_ms or not book.best_ask:
            return None
        highest = min(config.max_price, ONE - market.tick_size)
        limit = min(book.best_ask.price + config.max_slippage, highest)
        limit = limit // market.tick_size * market.tick_size
        fee = taker_fee(ONE, limit, market.fee_rate, market.fee_exponent)
        if limit < config.min_price or signal.chance - limit - fee < config.min_edge:
            return None
        affordable = config.budget / (limit + fee)
        size = round_down(min(affordable, book.depth(Side.BUY, limit)))
        if size < market.min_size:
            return None
        attempt = self._attempts.get(market.market_id, 0)
        return OrderIntent(
            strategy=self.name,
            idempotency_key=f"{market.market_id}:entry:{attempt}",
            market_id=market.market_id,
            outcome=signal.outcome,
            side=Side.BUY,
            size=size,
            price=limit,
            time_in_force=TimeInForce.FAK,
            note=f"chance {signal.chance}",
        )


def chance_of(distance: Decimal) -> Decimal:
    """The least chance to end on the side where the price is now.

    `distance` is in standard deviations of what the price may still move, at
    least 0; the chance has 4 decimals, rounded down.
    """
    for (near, low), (far, high) in pairwise(CHANCES):
        if distance < far:
            rise = (high - low) * (distance - near) / (far - near)
            return (low + rise).quantize(_CHANCE_STEP, rounding=ROUND_DOWN)
    return CHANCES[-1][1]


_CHANCE_STEP: Final = Decimal("0.0001")

_BOUGHT_NOTHING: Final = (
    EndReason.KILLED,
    EndReason.REJECTED,
    EndReason.NEVER_PLACED,
)
