"""Strategies on a live feed: real time, any venue, the same strategies as on paper.

Frames keep the books, the ledger's own events tell what became of orders, and each
strategy is told of both by a task of its own: whoever waits for the venue's answer
holds up nobody else.
A strategy that is refused goes on; one that breaks is stopped and its orders are
cancelled, while the others trade on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import structlog

from config import Settings
from examples.strategy import MarketView, PriceTick, Strategy
from executors.market_data.live import LiveFeed
from executors.market_data.times import unix_ms
from ledger.errors import LedgerError, StoreError
from ledger.market import Market
from ledger.recorded import NewEvent
from ledger.values import Outcome
from service.bootstrap import SystemClock, open_ledger
from service.feed import Feed
from service.live import live_feed, markets_of, require_live
from service.live_worker import GuardedAPI, Worker
from service.runtime import Intervals, Runtime

HEARTBEAT_SEC: Final = 2.0
"""How often strategies see a market whose books stay silent."""

_ORDER_STREAM: Final = "order-"
_LOOK_SEC: Final = 0.2
_ASK_AGAIN_SEC: Final = 2.0

_log = structlog.get_logger("service.live_session")

Ticks = Callable[[], AsyncIterator[PriceTick]]
"""Prices from outside, from now on, each when it is known."""


class LiveSession:
    """Lets strategies trade one running ledger; made by `live_session`.

    `broken` says why strategies were stopped, by name.
    """

    def __init__(
        self,
        runtime: Runtime,
        feed: LiveFeed,
        *,
        strategies: Sequence[Strategy],
        markets: Iterable[Market],
        ticks: Ticks | None = None,
    ) -> None:
        """Take over a runtime that was started; nothing is told before `run`.

        Args:
            runtime: The ledger, which the caller stops.
            feed: The frames of the markets.
            strategies: Who trades; their names must differ.
            markets: What may be traded, with the venue's terms of now.
            ticks: Prices from outside, for who wants them.
        """
        self.runtime = runtime
        self.broken: dict[str, str] = {}
        self._opened = runtime.opened
        self._listed = tuple(markets)
        self._feed = feed
        self._ticks = ticks
        self._shown = Feed(
            self._opened,
            self._listed,
            on_books=lambda market_id: self._touch([market_id]),
            on_resolved=self._resolve,
        )
        api = GuardedAPI(runtime)
        journal = self._opened.journal
        self._workers = {
            s.name: Worker(s, api, journal, self._view) for s in strategies
        }

    async def run(self) -> None:
        """Trade until `stop`; calls under way are finished first.

        Raises:
            LedgerError: the log takes no more, a task of the runtime ended, or
                the feed can never work.
        """
        self._opened.journal.on_recorded.append(self._on_recorded)
        try:
            await self._begin()
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(work)
                    for work in (
                        self._follow(),
                        self._beat(),
                        self._hear_prices(),
                        self._watch(),
                    )
                ]
                working = [
                    group.create_task(self._work(worker))
                    for worker in self._workers.values()
                ]
                await asyncio.wait(working)
                for helper in helpers:
                    helper.cancel()
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            self._opened.journal.on_recorded.remove(self._on_recorded)

    def stop(self) -> None:
        """Tell strategies nothing more; `run` returns when they are done."""
        for worker in self._workers.values():
            worker.stop()

    async def settle(self, seconds: float) -> bool:
        """Cancel what works and wait for every answer and settlement.

        Returns:
            Whether nothing was left open in that time.
        """
        clock, manager = self._opened.clock, self._opened.manager
        until = clock.monotonic() + seconds
        asked_at = -_ASK_AGAIN_SEC
        while True:
            if clock.monotonic() - asked_at >= _ASK_AGAIN_SEC:
                # Not when a check is due: somebody waits for the end.
                await manager.cancel_all(actor="system")
                await manager.resolve_open()
                asked_at = clock.monotonic()
            if not self._opened.journal.state.orders or clock.monotonic() >= until:
                break
            await clock.sleep(_LOOK_SEC)
        await self._opened.compare()
        return not self._opened.journal.state.orders

    # What goes on beside the strategies

    async def _begin(self) -> None:
        state = self._opened.journal.state
        for market in self._listed:
            if market.market_id in state.payouts:
                # Decided in an earlier run, whose strategies may not have heard it.
                self._resolve(market.market_id)
            else:
                await self._opened.manager.account.list_market(market)

    async def _follow(self) -> None:
        async with aclosing(self._feed.frames()) as frames:
            async for frame in frames:
                await self._shown.show(frame)
                self._ask_for_lost_books()

    async def _beat(self) -> None:
        while True:
            await self._opened.clock.sleep(HEARTBEAT_SEC)
            self._touch(self._shown.markets)
            self._ask_for_lost_books(again=True)

    def _ask_for_lost_books(self, *, again: bool = False) -> None:
        """Have a book that cannot be trusted any more fetched anew."""
        books = self._opened.books
        for token_id in books.untrusted() if again else books.diverged():
            self._feed.refresh(token_id)

    async def _hear_prices(self) -> None:
        if self._ticks is not None:
            async for tick in self._ticks():
                for worker in self._workers.values():
                    # Only the newest is of use to somebody who trades now.
                    worker.news.ticks.clear()
                    worker.news.ticks.append(tick)
                    worker.wake()

    async def _watch(self) -> None:
        reason = await self.runtime.wait_failed()
        msg = f"the ledger stopped: {reason}"
        raise LedgerError(msg)

    async def _work(self, worker: Worker) -> None:
        try:
            await worker.run()
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 -- a strategy is somebody else's code
            name = worker.strategy.name
            self.broken[name] = f"{type(error).__name__}: {error}"
            _log.exception("strategy.broken", strategy=name)
            await self._opened.manager.cancel_all(strategy=name, actor="system")

    # What strategies are told

    def _on_recorded(self, events: Sequence[NewEvent]) -> None:
        for stream, _, _ in events:
            if stream.startswith(_ORDER_STREAM):
                order_id = stream.removeprefix(_ORDER_STREAM)
                order = self._opened.journal.order(order_id)
                if worker := self._workers.get(order.strategy):
                    worker.news.orders[order_id] = None
                    worker.wake()

    def _touch(self, market_ids: Iterable[str]) -> None:
        for worker in self._workers.values():
            worker.news.touch(market_ids)
            worker.wake()

    def _resolve(self, market_id: str) -> None:
        for worker in self._workers.values():
            worker.news.resolve(market_id)
            worker.wake()

    def _view(self, market_id: str) -> MarketView | None:
        """A market as it is now; `None` once it is decided."""
        market = self._shown.markets.get(market_id)
        if market is None:
            return None
        books = [self._opened.books.book(market.token(o)) for o in Outcome]
        return MarketView(market, unix_ms(self._opened.clock.now()), *books)


@asynccontextmanager
async def live_session(
    settings: Settings,
    data: Path,
    *,
    strategies: Sequence[Strategy],
    market_ids: Iterable[str],
    ticks: Ticks | None = None,
    intervals: Intervals | None = None,
) -> AsyncIterator[LiveSession]:
    """Open the ledger in `data`, follow markets live, and close it at the end.

    Whether orders are real is the settings' affair, and so is where the venue is.

    Args:
        settings: The validated settings; `market_data.source` is live.
        data: The folder of the ledger.
        strategies: Who trades; their names must differ.
        market_ids: Condition ids of the markets that may be traded.
        ticks: Prices from outside, for who wants them.
        intervals: How often the runtime looks.

    Raises:
        ConfigError: the settings are not for a live market, or as `open_ledger`.
        VenueError: no usable answer, or no such market.
        LockHeldError, IntegrityError, StoreError: as `open_ledger`.
    """
    require_live(settings)
    clock = SystemClock()
    opened = await open_ledger(settings, data, clock=clock)
    runtime = Runtime(opened, intervals=intervals)
    try:
        await runtime.start()
        listed = opened.journal.state.markets
        markets = [
            _with_names(market, listed.get(market.market_id))
            for market in await markets_of(settings, market_ids)
        ]
        async with live_feed(settings, markets, clock) as feed:
            yield LiveSession(
                runtime, feed, strategies=strategies, markets=markets, ticks=ticks
            )
    finally:
        await runtime.stop()


def _with_names(market: Market, known: Market | None) -> Market:
    """The venue's terms of now; it does not tell names, so known ones stay."""
    if known is None:
        return market
    return msgspec.structs.replace(market, slug=known.slug, group=known.group)
