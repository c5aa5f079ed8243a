"""Market data for a running ledger: recorded, made up, or live.

Frames reach the books, then the paper venue, at the pace they were recorded or a
multiple of it.
Their own times are not believed: a recording is old, and the ledger lives now.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec
import structlog

from executors.market_data import (
    BookSnapshot,
    Frame,
    LastTrade,
    MarketResolved,
    PriceChange,
    TickSizeChange,
)
from executors.paper import PaperExecutor
from ledger.market import Market
from ledger.values import ONE, ZERO, Outcome
from service.bootstrap import OpenLedger

_log = structlog.get_logger("service.feed")

_YIELD_EVERY: Final = 50
"""Frames played without a pause before everybody else gets a turn."""


OnMarket = Callable[[str], None]
"""Told the id of a market that something happened in; must not block."""


class Feed:
    """Shows frames to the books and the paper venue of one ledger."""

    def __init__(
        self,
        opened: OpenLedger,
        markets: Iterable[Market],
        *,
        on_books: OnMarket = lambda _: None,
        on_resolved: OnMarket = lambda _: None,
    ) -> None:
        """Begin without books.

        Args:
            opened: The ledger.
            markets: Those that are followed; frames about others are passed over.
            on_books: Told of every market whose books changed, or were lost.
            on_resolved: Told of every market that has its answer, once that is
                recorded.
        """
        self._opened = opened
        self._on_books = on_books
        self._on_resolved = on_resolved
        self._listed = {market.market_id: market for market in markets}
        self._markets: dict[str, Market] = {}
        self.frames = 0

    @property
    def markets(self) -> Mapping[str, Market]:
        """The markets seen so far that are not decided, by id."""
        return self._markets

    async def play(self, frames: Iterable[Frame], *, speed: Decimal) -> None:
        """Show recorded frames, `speed` times as fast as they came; 0 is at once."""
        began_ms: int | None = None
        started = time.monotonic()
        for number, frame in enumerate(frames):
            began_ms = frame.received_ms if began_ms is None else began_ms
            if speed > ZERO:
                due = float((frame.received_ms - began_ms) / speed / 1_000)
                left = started + due - time.monotonic()
                if left > 0:
                    await asyncio.sleep(left)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
            await self.show(frame)
        _log.info("feed.ended", frames=self.frames)

    async def follow(self, frames: AsyncIterator[Frame]) -> None:
        """Show live frames as they come."""
        async for frame in frames:
            await self.show(frame)

    async def show(self, frame: Frame) -> None:
        """Let one frame reach the books, then the venue."""
        self.frames += 1
        changed: dict[str, str] = {}
        for update in self._opened.books.feed(frame):
            market = await self._known(update.fact.market_id)
            if market is None:
                continue
            match update.fact:
                case BookSnapshot() | PriceChange():
                    changed.setdefault(market.market_id, update.token_id)
                case LastTrade() as trade:
                    self._print(trade)
                case TickSizeChange() as change:
                    await self._refine(market, change.new)
                case MarketResolved() as resolved:
                    await self._resolve(market, resolved.winning_token)
        if frame.gap:
            changed = {}
            for market_id in self._markets:
                self._lose(market_id)
                self._on_books(market_id)
        for market_id, token_id in changed.items():
            self._show_book(market_id, token_id)
            self._on_books(market_id)

    async def _known(self, market_id: str) -> Market | None:
        market = self._markets.get(market_id)
        if market is None and market_id in self._listed:
            state = self._opened.journal.state
            if market_id in state.payouts:
                return None  # decided in an earlier run
            market = state.markets.get(market_id) or self._listed[market_id]
            self._markets[market_id] = market
            await self._opened.manager.account.list_market(market)
        return market

    def _show_book(self, market_id: str, token_id: str) -> None:
        market = self._markets.get(market_id)
        venue = self._paper
        if market is None or venue is None:
            return
        # One book is enough: the venue mirrors it for the other token.
        book = self._opened.books.book(token_id)
        if book is None:
            venue.on_gap(market_id)
        else:
            venue.on_book(token_id, book, market)

    def _lose(self, market_id: str) -> None:
        if self._paper is not None:
            self._paper.on_gap(market_id)

    def _print(self, trade: LastTrade) -> None:
        if self._paper is not None:
            self._paper.on_trade(
                trade.token_id, price=trade.price, size=trade.size, side=trade.side
            )

    async def _refine(self, market: Market, tick_size: Decimal) -> None:
        if market.tick_size == tick_size:
            return  # the other token's frame said so already
        finer = msgspec.structs.replace(market, tick_size=tick_size)
        self._markets[market.market_id] = finer
        if self._paper is not None:
            self._paper.on_tick(finer)
        await self._opened.manager.account.list_market(finer)

    async def _resolve(self, market: Market, winning_token: str) -> None:
        winner = market.outcome_of(winning_token)
        if winner is None:
            return
        payouts: Mapping[Outcome, Decimal] = {
            outcome: ONE if outcome is winner else ZERO for outcome in Outcome
        }
        if self._paper is not None:
            self._paper.on_resolved(market, payouts)
        await self._opened.manager.account.resolve_market(
            market.market_id, payouts[Outcome.YES]
        )
        self._markets.pop(market.market_id, None)
        self._listed.pop(market.market_id, None)
        self._on_resolved(market.market_id)

    @property
    def _paper(self) -> PaperExecutor | None:
        """The venue that wants to be shown the market; a real one is there itself."""
        executor: object = self._opened.executor
        return executor if isinstance(executor, PaperExecutor) else None
