"""A paper session: recorded time drives books, venue, ledger and strategies.

One thing happens at a time.
The clock is the recording's own and only the driver moves it; what waits for time,
such as an order on its way to the venue, lets the recording run on meanwhile.
So the same recording, seed and strategies give the same events, byte for byte.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from config import Settings
from examples.strategy import MarketView, PriceTick, Strategy
from executors.market_data import (
    BookSnapshot,
    BookUpdate,
    Frame,
    LastTrade,
    MarketResolved,
    PriceChange,
    TickSizeChange,
)
from ledger.book import OrderBook
from ledger.manager.local import LocalAPI
from ledger.market import Market
from ledger.order import snapshot
from ledger.recorded import NewEvent
from ledger.values import ONE, ZERO, Outcome
from ledger.venue import VenueFact
from service.bootstrap import OpenLedger, open_ledger
from service.news import News
from service.recorded_time import Item, SimulatedClock, time_of

HEARTBEAT_MS: Final = 5_000
"""How often strategies see a market whose books stay silent."""

_ORDER_STREAM: Final = "order-"

Pace = Callable[[int], Awaitable[None]]
"""Waits until the wall clock has come as far as recorded Unix milliseconds."""


class SessionCounts(msgspec.Struct, kw_only=True):
    """What a session has seen and done; `markets` traded, `resolved` of them."""

    frames: int = 0
    ticks: int = 0
    markets: int = 0
    resolved: int = 0
    reconciliations: int = 0
    mismatches: int = 0

    def plus(self, other: "SessionCounts") -> "SessionCounts":
        """The sums of both."""
        names = self.__struct_fields__
        return SessionCounts(**{n: getattr(self, n) + getattr(other, n) for n in names})


class PaperSession:
    """Feeds one ledger from one recording; made by `open_session`."""

    def __init__(
        self,
        ledger: OpenLedger,
        clock: SimulatedClock,
        *,
        strategies: Sequence[Strategy],
        markets: Iterable[Market],
        pace: Pace | None = None,
    ) -> None:
        self.ledger = ledger
        self.clock = clock
        self.counts = SessionCounts()
        self._api = LocalAPI(ledger.manager)
        self._strategies = tuple(strategies)
        self._catalogue = {market.market_id: market for market in markets}
        self._markets: dict[str, Market] = {}
        self._items: Iterator[Item] = iter(())
        self._next: Item | None = None
        self._pace = pace
        self._moving = asyncio.Lock()
        self._news = News()
        self._reconcile_ms = ledger.settings.execution.reconcile_interval_sec * 1_000
        self._reconciled_ms = clock.now_ms
        self._beat_ms = clock.now_ms
        clock.on_sleep = self._run_to
        ledger.journal.on_recorded.append(self._on_recorded)

    async def run(
        self,
        items: Iterable[Item],
        *,
        on_progress: Callable[[], None] | None = None,
    ) -> None:
        """Play a recording to its end.

        Args:
            items: Frames and prices by time, see `merged`.
            on_progress: Called after each step, when the strategies are done.
        """
        self._items = iter(items)
        self._next = next(self._items, None)
        while self._next is not None:
            await self._run_to(time_of(self._next))
            await self._tell_strategies()
            if on_progress is not None:
                on_progress()

    async def finish(self) -> None:
        """Cancel what still works, let every trade settle, compare once more."""
        self._news.markets.clear()
        await self.ledger.manager.cancel_all(actor="system")
        while True:
            await self._record_facts()
            await self._tell_strategies()
            self._news.markets.clear()
            due_ms = self.ledger.paper.venue.next_due_ms()
            if due_ms is None:
                break
            await self._let_time_pass(due_ms)
        await self._reconcile()

    async def close(self) -> None:
        """Keep a checkpoint and let the next writer in."""
        self.clock.on_sleep = None
        await self.ledger.close()

    # The market

    async def _run_to(self, until_ms: int) -> None:
        """Play everything that arrives up to a moment, strategies not told yet."""
        async with self._moving:
            while self._next is not None and time_of(self._next) <= until_ms:
                item = self._next
                # Before any pause, so that nobody plays it twice.
                self._next = next(self._items, None)
                await self._play(item)
            await self._let_time_pass(until_ms)

    async def _play(self, item: Item) -> None:
        if self._pace is not None:
            await self._pace(time_of(item))
        await self._let_time_pass(time_of(item))
        if isinstance(item, PriceTick):
            self.counts.ticks += 1
            self._news.ticks.append(item)
        else:
            self.counts.frames += 1
            await self._show(item)
        await self._record_facts()

    async def _let_time_pass(self, until_ms: int) -> None:
        """Settlements happen at their own times on the way."""
        venue = self.ledger.paper.venue
        while (due_ms := venue.next_due_ms()) is not None and due_ms <= until_ms:
            self.clock.move_to(due_ms)
            self.ledger.paper.advance()
            await self._record_facts()
        self.clock.move_to(until_ms)
        self.ledger.paper.advance()
        if self.clock.now_ms - self._reconciled_ms >= self._reconcile_ms:
            await self._reconcile()
        if self.clock.now_ms - self._beat_ms >= HEARTBEAT_MS:
            self._beat_ms = self.clock.now_ms
            self._news.touch(self._markets)

    async def _show(self, frame: Frame) -> None:
        """Let a frame reach the books, then the venue."""
        books, executor = self.ledger.books, self.ledger.paper
        changed: dict[str, BookUpdate] = {}
        for update in books.feed(frame):
            market = await self._known(update.fact.market_id)
            if market is None:
                continue
            match update.fact:
                case BookSnapshot() | PriceChange():
                    changed.setdefault(market.market_id, update)
                case LastTrade() as trade:
                    executor.on_trade(
                        trade.token_id,
                        price=trade.price,
                        size=trade.size,
                        side=trade.side,
                        at_ms=trade.timestamp_ms,
                    )
                case TickSizeChange():
                    await self._refine(market, update.fact)
                case MarketResolved():
                    await self._resolve(market, update.fact)
        if frame.gap:
            changed = {}
            for market_id in self._markets:
                executor.on_gap(market_id)
            self._news.touch(self._markets)
        for market_id, update in changed.items():
            self._show_book(self._markets[market_id], update.token_id)

    def _show_book(self, market: Market, token_id: str) -> None:
        # One book is enough: the venue mirrors it for the other token.
        self._news.markets[market.market_id] = None
        book = self.ledger.books.book(token_id)
        if book is None:
            self.ledger.paper.on_gap(market.market_id)
        else:
            self.ledger.paper.on_book(token_id, book, market)

    async def _known(self, market_id: str) -> Market | None:
        """The market as it is now; one that is new here is listed first."""
        market = self._markets.get(market_id)
        if market is None and market_id in self._catalogue:
            listed = self.ledger.journal.state.markets.get(market_id)
            market = listed or self._catalogue[market_id]
            self._markets[market_id] = market
            self.counts.markets += 1
            await self.ledger.manager.account.list_market(market)
        return market

    async def _refine(self, market: Market, change: TickSizeChange) -> None:
        if market.tick_size == change.new:
            return  # the other token's frame said so already
        finer = msgspec.structs.replace(market, tick_size=change.new)
        self._markets[market.market_id] = finer
        self.ledger.paper.on_tick(finer)
        await self.ledger.manager.account.list_market(finer)

    async def _resolve(self, market: Market, fact: MarketResolved) -> None:
        winner = market.outcome_of(fact.winning_token)
        if winner is None:
            return
        self.counts.resolved += 1
        payouts = {o: ONE if o is winner else ZERO for o in Outcome}
        self.ledger.paper.on_resolved(market, payouts)
        await self.ledger.manager.account.resolve_market(
            market.market_id, payouts[Outcome.YES]
        )
        self._markets.pop(market.market_id)
        self._catalogue.pop(market.market_id)
        self._news.resolve(market.market_id)

    # The ledger

    async def _record_facts(self) -> None:
        """Record what the venue said; facts of one moment share a commit."""
        while facts := self.ledger.paper.take_facts():
            await asyncio.gather(*map(self._apply, facts))

    async def _apply(self, fact: VenueFact) -> None:
        await self.ledger.manager.apply(fact)

    async def _reconcile(self) -> None:
        self._reconciled_ms = self.clock.now_ms
        result = await self.ledger.reconciler.reconcile()
        self.counts.reconciliations += 1
        self.counts.mismatches += len(result.mismatches)

    def _on_recorded(self, events: Sequence[NewEvent]) -> None:
        for stream, _, _ in events:
            if stream.startswith(_ORDER_STREAM):
                self._news.orders[stream.removeprefix(_ORDER_STREAM)] = None

    # The strategies

    async def _tell_strategies(self) -> None:
        """Pass the news on, until there is none; what a strategy does is news."""
        news = self._news
        while news.is_any:
            while news.resolved:
                market_id = news.resolved.popleft()
                for strategy in self._strategies:
                    await strategy.on_resolved(self._api, market_id)
            while news.orders:
                await self._tell_order(news.take_order())
            while news.ticks:
                tick = news.ticks.popleft()
                for strategy in self._strategies:
                    await strategy.on_tick(self._api, tick)
            if news.markets:
                await self._tell_books(news.take_market())

    async def _tell_order(self, order_id: str) -> None:
        order = snapshot(self.ledger.journal.order(order_id))
        for strategy in self._strategies:
            if strategy.name == order.strategy:
                await strategy.on_order(self._api, order)

    async def _tell_books(self, market_id: str) -> None:
        for strategy in self._strategies:
            # Anew for each: the one before may have let time pass.
            market = self._markets.get(market_id)
            if market is None:
                return
            await strategy.on_books(self._api, self._view(market))

    def _view(self, market: Market) -> MarketView:
        books: Mapping[Outcome, OrderBook | None] = {
            outcome: self.ledger.books.book(market.token(outcome))
            for outcome in Outcome
        }
        return MarketView(
            market, self.clock.now_ms, books[Outcome.YES], books[Outcome.NO]
        )


async def open_session(
    settings: Settings,
    data: Path,
    *,
    strategies: Sequence[Strategy],
    markets: Iterable[Market],
    start_ms: int,
    seed: int,
    pace: Pace | None = None,
) -> PaperSession:
    """Open the ledger in `data` for a session.

    Args:
        settings: The validated settings; `paper.seed` is replaced by `seed`.
        data: The folder of the ledger.
        strategies: Who trades; their names must differ.
        markets: The markets that may be traded; others in the recording are
            passed over.
        start_ms: Where recorded time begins, Unix milliseconds.
        seed: Everything random follows from it: order ids, the ledger's id,
            the fate of trades.
        pace: Slows the recording down; as fast as possible if absent.

    Raises:
        ConfigError, LockHeldError, IntegrityError, StoreError: as
            `service.bootstrap.open_ledger`.
    """
    clock = SimulatedClock(start_ms)
    paper = settings.paper.model_copy(update={"seed": seed})
    rng = Random(seed)  # noqa: S311 -- repeatable on purpose
    ledger = await open_ledger(
        settings.model_copy(update={"paper": paper}),
        data,
        clock=clock,
        rng=rng,
        clock_us=clock.now_us,
        entropy=Random(f"{seed}/ledger").randbytes,  # noqa: S311 -- as above
        threaded=False,
    )
    # The ids of one start of the ledger are not those of another.
    rng.seed(f"{seed}/{ledger.store.epoch}")
    return PaperSession(
        ledger, clock, strategies=strategies, markets=markets, pace=pace
    )
