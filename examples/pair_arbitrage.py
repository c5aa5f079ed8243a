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
from typing import Final

import msgspec

from examples.strategy import BookView, MarketView, PriceTick, Redeemer, round_down
from ledger.api import CommandAPI, PositionView
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


class _Pair(msgspec.Struct, frozen=True):
    """The strategy's own state in one market, read anew from the ledger."""

    held: dict[Outcome, PositionView]
    quotes: list[Order]

    @property
    def lead(self) -> Outcome:
        """The outcome of which there are more shares."""
        yes, no = self.held[Outcome.YES].shares, self.held[Outcome.NO].shares
        return Outcome.YES if yes >= no else Outcome.NO

    @property
    def unpaired(self) -> Decimal:
        """Shares without a partner."""
        lead = self.lead
        return self.held[lead].shares - self.held[lead.complement].shares


class PairArbitrage:
    """Quotes both outcomes of every market it is shown."""

    def __init__(
        self, name: str = "pair_arb", config: PairConfig | None = None
    ) -> None:
        self.name = name
        self._config = config or PairConfig()
        self._redeemer = Redeemer(name)
        self._in_step_ms: dict[str, int] = {}
        self._alone_since: dict[str, int] = {}

    async def on_books(self, api: CommandAPI, view: MarketView) -> None:
        """Do the next thing: withdraw, merge, unwind, or quote."""
        market_id = view.market.market_id
        config = self._config
        if not view.is_fresh(config.max_book_age_ms, config.max_pair_skew_ms):
            self._in_step_ms.pop(market_id, None)
            await self._withdraw(api, await self._quotes(api, market_id))
            return
        if not self._is_steady(view):
            return
        await self._merge(api, market_id)
        pair = await self._pair(api, market_id)
        if self._is_alone_too_long(view, pair):
            await self._unwind(api, view, pair)
        else:
            await self._quote(api, view, pair)

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
        if not view.is_complementary:
            return False  # one of two frames is still on its way, or two polls differ
        assert view.yes is not None
        market_id, now_ms = view.market.market_id, view.yes.as_of_ms
        before_ms = self._in_step_ms.get(market_id)
        self._in_step_ms[market_id] = now_ms
        return before_ms is not None and now_ms - before_ms <= self._config.steady_ms

    async def _pair(self, api: CommandAPI, market_id: str) -> _Pair:
        held = await self._held(api, market_id)
        return _Pair(held, await self._quotes(api, market_id))

    async def _held(
        self, api: CommandAPI, market_id: str
    ) -> dict[Outcome, PositionView]:
        return {o: await api.position(self.name, market_id, o) for o in Outcome}

    async def _quotes(self, api: CommandAPI, market_id: str) -> list[Order]:
        orders = await api.open_orders(self.name)
        return [order for order in orders if order.market_id == market_id]

    async def _withdraw(self, api: CommandAPI, quotes: list[Order]) -> None:
        for order in quotes:
            await api.cancel(order.order_id)

    async def _merge(self, api: CommandAPI, market_id: str) -> None:
        """Turn settled pairs into cash; few of them are not worth a transaction."""
        held = await self._held(api, market_id)
        pairs = round_down(min(line.sellable for line in held.values()))
        if pairs < self._config.size:
            return
        try:
            await api.merge(self.name, market_id, pairs)
        except (CommandRefusedError, VenueError):
            return  # the venue has not settled them yet; later then

    # A leg alone

    def _is_alone_too_long(self, view: MarketView, pair: _Pair) -> bool:
        market = view.market
        if pair.unpaired < market.min_size:
            self._alone_since.pop(market.market_id, None)
            return False
        since_ms = self._alone_since.setdefault(market.market_id, view.now_ms)
        too_long = view.now_ms - since_ms > self._config.max_unpaired_ms
        return too_long or pair.unpaired > self._config.max_unpaired

    async def _unwind(self, api: CommandAPI, view: MarketView, pair: _Pair) -> None:
        """Make the legs equal now, as a taker."""
        if pair.quotes:
            # They could fill meanwhile; the next view sees what is left to do.
            await self._withdraw(api, pair.quotes)
            return
        outcome, side = pair.lead, Side.SELL
        if pair.held[outcome].sellable < pair.unpaired:
            outcome, side = outcome.complement, Side.BUY
        book = view.of(outcome)
        best = book and (book.best_ask if side is Side.BUY else book.best_bid)
        if not book or not best:
            return
        worse = (
            self._config.max_slippage
            if side is Side.BUY
            else -self._config.max_slippage
        )
        limit = _inside(best.price + worse, view.market)
        size = round_down(min(pair.unpaired, book.depth(side, limit)))
        if size >= view.market.min_size:
            intent = self._intent(
                view.market, outcome, book, "unwind", side, size, limit
            )
            await api.place(intent)

    # Quotes

    async def _quote(self, api: CommandAPI, view: MarketView, pair: _Pair) -> None:
        targets = self._targets(view, pair)
        tolerance = self._config.requote_ticks * view.market.tick_size
        stale = [
            order
            for order in pair.quotes
            if abs(targets.get(order.outcome, _NOWHERE) - order.price) > tolerance
        ]
        if stale:
            # The cancels take time; the next view says where to quote.
            await self._withdraw(api, stale)
            return
        quoted = {order.outcome for order in pair.quotes}
        for outcome, price in targets.items():
            book = view.of(outcome)
            size = self._size(outcome, pair)
            if outcome not in quoted and book and size >= view.market.min_size:
                intent = self._intent(
                    view.market, outcome, book, "quote", Side.BUY, size, price
                )
                await api.place(intent)

    def _size(self, outcome: Outcome, pair: _Pair) -> Decimal:
        is_behind = outcome is not pair.lead
        return (
            round_down(pair.unpaired)
            if is_behind and pair.unpaired >= self._config.size
            else self._config.size
        )

    def _targets(self, view: MarketView, pair: _Pair) -> dict[Outcome, Decimal]:
        """Where to bid; an outcome that is not named is not quoted."""
        market, allowed = view.market, ONE - self._config.margin
        bids = {
            outcome: book.best_bid.price
            for outcome in Outcome
            if (book := view.of(outcome)) and book.best_bid
        }
        if len(bids) < len(Outcome) or min(bids.values()) < self._config.min_price:
            return {}
        if pair.unpaired >= market.min_size:
            paid = pair.held[pair.lead].avg_price or ONE
            behind = pair.lead.complement
            return {behind: _inside(min(bids[behind], allowed - paid), market)}
        yes, no = bids[Outcome.YES], bids[Outcome.NO]
        excess = max(ZERO, yes + no - allowed)
        ticks = int((excess / market.tick_size).to_integral_value(ROUND_CEILING))
        yes -= ticks // 2 * market.tick_size
        no -= (ticks - ticks // 2) * market.tick_size
        return {Outcome.YES: _inside(yes, market), Outcome.NO: _inside(no, market)}

    def _intent(  # noqa: PLR0913, PLR0917 -- the parts of an order
        self,
        market: Market,
        outcome: Outcome,
        book: BookView,
        purpose: str,
        side: Side,
        size: Decimal,
        price: Decimal,
    ) -> OrderIntent:
        """An intent named by what it answers to: this book, at this moment.

        Seeing the same book again, after a restart too, gives the same key.
        """
        is_quote = purpose == "quote"
        return OrderIntent(
            strategy=self.name,
            idempotency_key=f"{market.market_id}:{outcome}:{purpose}:{book.as_of_ms}",
            market_id=market.market_id,
            outcome=outcome,
            side=side,
            size=size,
            price=price,
            time_in_force=TimeInForce.GTC if is_quote else TimeInForce.FAK,
            post_only=is_quote,
            note=purpose,
        )


def _inside(price: Decimal, market: Market) -> Decimal:
    """The nearest price at or below that the grid allows."""
    tick = market.tick_size
    on_grid = price // tick * tick
    return max(tick, min(ONE - tick, on_grid))
