"""What the venue says on its own: the stream, and sweeps for what it left out."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime, timedelta
from typing import Any, NoReturn

import structlog

from executors.polymarket.account import Account
from executors.polymarket.frames import FrameLog
from executors.polymarket.settings import LiveSettings
from ledger.clock import Clock
from ledger.decide import LookedUp, LookupFound, PostAnswered
from ledger.errors import VenueError
from ledger.venue import VenueFact

log = structlog.get_logger(__name__)


class Feed:
    """Collects facts, in order of arrival; runs the tasks that bring them.

    `swept_to` is the begin of the last complete sweep: what was matched before
    it, and a while ago, is known.
    """

    def __init__(
        self, account: Account, frames: FrameLog, settings: LiveSettings, clock: Clock
    ) -> None:
        self._account = account
        self._frames = frames
        self._settings = settings
        self._clock = clock
        self._facts: asyncio.Queue[VenueFact | None] = asyncio.Queue()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._stopped: BaseException | None = None
        self._is_answered = False
        self.swept_to: datetime | None = None

    def start(self) -> None:
        """Sweep whenever asked, and on a timer."""
        self.swept_to = self._frames.cursor() or self._clock.now()
        self.on_gap("the stream starts")
        self.run(self._sweep_when_asked())
        self.run(self._ask_for_sweeps())

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something until `close`; should it fail, the feed ends."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def close(self) -> None:
        """End the tasks and `facts`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._facts.put_nowait(None)

    async def facts(self) -> AsyncIterator[VenueFact]:
        """Facts until the feed is closed.

        Raises:
            VenueError: a task failed: what follows would be half blind.
        """
        while (fact := await self._facts.get()) is not None:
            yield fact
        if self._stopped is not None:
            msg = f"the feed stopped: {self._stopped}"
            raise VenueError(msg) from self._stopped

    def put(self, venue_order_id: str, answer: PostAnswered) -> None:
        """Hear an answer that nobody waits for any more: it is evidence still."""
        late = VenueFact(venue_order_id=venue_order_id, fact=answer, source="post")
        self._facts.put_nowait(late)

    # What the stream tells

    def on_frame(self, text: str) -> None:
        """Store one frame, then read it."""
        self._frames.frame(text)
        try:
            parsed = self._account.reader.frame(text)
        except Exception as error:  # a message of tomorrow must not end the stream
            log.exception("user_frame.reader_failed")
            self._frames.quarantine(type(error).__name__, text)
            return
        for fact in parsed.facts:
            self._facts.put_nowait(fact)
        for bad in parsed.quarantined:
            if bad.token_id:
                # A sweep learns the market, and finds the trade again.
                log.info("user_frame.unknown_market", token_id=bad.token_id)
                self._wanted.set()
            else:
                self._frames.quarantine(bad.reason, bad.raw)

    def on_gap(self, reason: str) -> None:
        """Store that something may be missing from here on."""
        self._frames.gap(reason)

    def on_connected(self) -> None:
        """Ask for what was missed."""
        self._wanted.set()

    # Sweeps

    async def sweep(self) -> bool:
        """Ask for recent trades and open orders; whether all was answered.

        Trades come from a while before the last complete sweep: they change for
        minutes after the match.
        """
        self._is_answered = False
        begun = self._clock.now()
        overlap = timedelta(seconds=self._settings.sweep_overlap_sec)
        try:
            trades = await self._account.trades((self.swept_to or begun) - overlap)
            orders = await self._account.open_orders()
        except VenueError as error:
            log.warning("user_sweep.failed", reason=str(error))
            return False
        self._is_answered = True
        for fill in trades.fills:
            self._swept(VenueFact(venue_order_id=fill.order_id, fact=fill))
        for order in orders.orders:
            live = LookedUp(found=LookupFound.LIVE, size_matched=order.size_matched)
            self._swept(VenueFact(venue_order_id=order.venue_order_id, fact=live))
        if trades.complete:
            self.swept_to = begun
            self._frames.keep_cursor(begun)
        return trades.complete and orders.complete

    def _swept(self, fact: VenueFact) -> None:
        told = VenueFact(
            venue_order_id=fact.venue_order_id, fact=fact.fact, source="sweep"
        )
        self._facts.put_nowait(told)

    async def _sweep_when_asked(self) -> NoReturn:
        settings, wait_sec = self._settings, self._settings.sweep_retry_sec
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if await self.sweep():
                wait_sec = settings.sweep_retry_sec
                continue
            # Tried again soon, but not in a circle.
            await self._clock.sleep(wait_sec)
            if self._is_answered:  # what cannot be read will hardly change
                wait_sec = min(wait_sec * 2, settings.sweep_interval_sec)
            self._wanted.set()

    async def _ask_for_sweeps(self) -> NoReturn:
        while True:
            await self._clock.sleep(self._settings.sweep_interval_sec)
            self._wanted.set()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("feed.stopped", reason=str(error))
            self._stopped = error
            self._facts.put_nowait(None)
