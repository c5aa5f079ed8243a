"""Pair arbitrage: buy both outcomes for less than the 1 pUSD they merge into.

The books of YES and NO are exact complements, so buying both at the ask always
costs at least 1.
Whoever rests a bid on both can be filled on both for less: that is the whole idea,
and its whole risk is the leg that fills alone.

1. Rest a post-only bid on each side, together at most 1 - `margin`.
2. When the market moves, cancel and quote anew, under a new key.
3. A leg that filled alone stops being quoted; the other one is, for as much as
   the margin still allows.
4. Too many shares alone, or alone for too long: get rid of them at a bounded loss.
   Selling them and buying the other leg cost the same (the books are
   complements), but only settled shares can be sold.
5. Complete pairs that have settled are merged into cash.

Nothing is done on books that may not belong together: they must be young, equally
old, complements of each other, and have been so a moment before.
"""

from decimal import ROUND_CEILING, Decimal
from typing import Final, NamedTuple

import msgspec

from examples.strategy import (
    MarketView,
    OwnState,
    PriceTick,
    Redeemer,
    own_state,
    round_down,
)
from ledger.api import CommandAPI
from ledger.errors import CommandRefusedError, VenueError
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.order import Order
from ledger.values import ONE, ZERO, Outcome, Side, TimeInForce

_NOWHERE: Final = Decimal(-1)


class PairConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in shares, prices and margin in pUSD per share or pair, times in ms.

    `margin` is what a pair must leave; makers pay no fee, so nothing else is
    taken off.
    `min_price` bounds the cheaper leg: near 0 and 1 one leg never fills.
    A leg alone is left to its quote up to `max_unpaired` shares and
    `max_unpaired_ms`; getting rid of it may cost `max_slippage` beyond the top.
    A quote is renewed when it stands more than `requote_ticks` from where it
    should: two quotes that were cheap enough together stay so.
    `steady_ms` is how soon two agreeing views must follow each other: a poll
    every few seconds is no stream.
    """

    size: Decimal = Decimal(20)
    margin: Decimal = Decimal("0.03")
    min_price: Decimal = Decimal("0.30")
    max_unpaired: Decimal = Decimal(40)
    max_unpaired_ms: int = 60_000
    max_slippage: Decimal = Decimal("0.01")
    requote_ticks: int = 2
    max_book_age_ms: int = 3_000
    max_pair_skew_ms: int = 500
    steady_ms: int = 2_000


class _Wanted(NamedTuple):
    """The part of an order that is decided each time anew."""

    outcome: Outcome
    side: Side
    size: Decimal
    price: Decimal


class PairArbitrage:
    """Quotes both outcomes of every market it is shown."""

    def __init__(
        self, name: str = "pair_arb", config: PairConfig | None = None
    ) -> None:
        self.name = name
        self._config = config or PairConfig()
        self._redeemer = Redeemer(name)
        self._in_step: dict[str, tuple[int, bool]] = {}
        self._alone_since: dict[str, int] = {}

    async def on_books(self, api: CommandAPI, view: MarketView) -> None:
        """Do the next thing: withdraw, merge, unwind, or quote."""
        market_id, config = view.market.market_id, self._config
        if not view.is_fresh(config.max_book_age_ms, config.max_pair_skew_ms):
            self._in_step.pop(market_id, None)
            await self._withdraw(
                api, (await own_state(api, self.name, market_id)).orders
            )
            return
        if not self._is_steady(view):
            return
        await self._merge(api, market_id)
        own = await own_state(api, self.name, market_id)
        if self._is_alone_too_long(view, own):
            await self._unwind(api, view, own)
        else:
            await self._quote(api, view, own)

    async def on_tick(self, api: CommandAPI, tick: PriceTick) -> None:
        """Prices from outside do not matter here."""

    async def on_order(self, api: CommandAPI, order: Order) -> None:
        """Merge what has settled; after the resolution, redeem it."""
        await self._redeemer.on_order(api, order)
        if order.settled > ZERO:
            await self._merge(api, order.market_id)

    async def on_resolved(self, api: CommandAPI, market_id: str) -> None:
        """Redeem what was not merged."""
        await self._redeemer.on_resolved(api, market_id)

    def _is_steady(self, view: MarketView) -> bool:
        """Whether the books agree, and agreed at an earlier moment just before."""
        if view.yes is None or not view.is_complementary:
            return False  # one of two frames is still on its way, or two polls differ
        market_id, as_of_ms = view.market.market_id, view.yes.as_of_ms
        seen_ms, is_steady = self._in_step.get(market_id, (0, False))
        if seen_ms != as_of_ms:
            is_steady = as_of_ms - seen_ms <= self._config.steady_ms
            self._in_step[market_id] = as_of_ms, is_steady
        return is_steady

    async def _withdraw(self, api: CommandAPI, quotes: list[Order]) -> None:
        for order in quotes:
            await api.cancel(order.order_id)

    async def _merge(self, api: CommandAPI, market_id: str) -> None:
        """Turn settled pairs into cash; few of them are not worth a transaction."""
        own = await own_state(api, self.name, market_id)
        size = round_down(min(line.sellable for line in own.held.values()))
        if size < self._config.size:
            return
        try:
            await api.merge(self.name, market_id, size)
        except (CommandRefusedError, VenueError):
            return  # the venue has not settled them yet; later then

    # A leg alone

    def _is_alone_too_long(self, view: MarketView, own: OwnState) -> bool:
        market = view.market
        if own.unpaired < market.min_size:
            self._alone_since.pop(market.market_id, None)
            return False
        since_ms = self._alone_since.setdefault(market.market_id, view.now_ms)
        too_long = view.now_ms - since_ms > self._config.max_unpaired_ms
        return too_long or own.unpaired > self._config.max_unpaired

    async def _unwind(self, api: CommandAPI, view: MarketView, own: OwnState) -> None:
        """Make the legs equal now, as a taker."""
        if own.orders:
            # They could fill meanwhile; the next view sees what is left to do.
            await self._withdraw(api, own.orders)
            return
        outcome, side, worse = own.lead, Side.SELL, -self._config.max_slippage
        if own.held[outcome].sellable < own.unpaired:
            outcome, side, worse = outcome.complement, Side.BUY, -worse
        book = view.of(outcome)
        best = None if book is None else book.best_for(side)
        if book is not None and best is not None:
            limit = _on_grid(best.price + worse, view.market)
            size = round_down(min(own.unpaired, book.depth(side, limit)))
            await self._ask(api, view, "unwind", _Wanted(outcome, side, size, limit))

    # Quotes

    async def _quote(self, api: CommandAPI, view: MarketView, own: OwnState) -> None:
        targets = self._targets(view, own)
        tolerance = self._config.requote_ticks * view.market.tick_size
        stale = [
            order
            for order in own.orders
            if abs(targets.get(order.outcome, _NOWHERE) - order.price) > tolerance
        ]
        if stale:
            # The cancels take time; the next view says where to quote.
            await self._withdraw(api, stale)
            return
        quoted = {order.outcome for order in own.orders}
        is_balanced = len(targets) == len(Outcome)
        size = self._config.size if is_balanced else round_down(own.unpaired)
        for outcome, price in targets.items():
            if outcome not in quoted:
                wanted = _Wanted(outcome, Side.BUY, size, price)
                await self._ask(api, view, "quote", wanted)

    def _targets(self, view: MarketView, own: OwnState) -> dict[Outcome, Decimal]:
        """Where to bid; an outcome that is not named is not quoted."""
        market, allowed = view.market, ONE - self._config.margin
        bids = {
            outcome: book.best_bid.price
            for outcome in Outcome
            if (book := view.of(outcome)) and book.best_bid
        }
        if len(bids) < len(Outcome) or min(bids.values()) < self._config.min_price:
            return {}
        if own.unpaired >= market.min_size:
            behind, paid = own.lead.complement, own.held[own.lead].avg_price or ONE
            price = min(bids[behind], allowed - paid)
            return {behind: _on_grid(price, market)} if price > ZERO else {}
        excess = max(ZERO, sum(bids.values()) - allowed)
        ticks = int((excess / market.tick_size).to_integral_value(ROUND_CEILING))
        bids[Outcome.YES] -= ticks // 2 * market.tick_size
        bids[Outcome.NO] -= (ticks - ticks // 2) * market.tick_size
        return bids

    async def _ask(
        self, api: CommandAPI, view: MarketView, purpose: str, wanted: _Wanted
    ) -> None:
        """Place an order named by what it answers to: this book, at this moment.

        Seeing the same book again, after a restart too, gives the same key.
        """
        market_id, book = view.market.market_id, view.of(wanted.outcome)
        if book is None or wanted.size < view.market.min_size:
            return
        is_quote = purpose == "quote"
        intent = OrderIntent(
            strategy=self.name,
            idempotency_key=f"{market_id}:{wanted.outcome}:{purpose}:{book.as_of_ms}",
            market_id=market_id,
            outcome=wanted.outcome,
            side=wanted.side,
            size=wanted.size,
            price=wanted.price,
            time_in_force=TimeInForce.GTC if is_quote else TimeInForce.FAK,
            post_only=is_quote,
            note=purpose,
        )
        await api.place(intent)


def _on_grid(price: Decimal, market: Market) -> Decimal:
    """The nearest price at or below that the venue takes."""
    tick = market.tick_size
    return max(tick, min(ONE - tick, price // tick * tick))
