"""Followers of the log: replay, then live, without gap or repeat.

The log is cut into blocks of equal length; block and place follow from the
position alone, so a follower is nothing but a position.
Every follower reads the same encoded block, old or still growing: nothing is
queued for anybody.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from ledger.recorded import Recorded
from service.http.wire import Wire, Wired
from service.runtime import Runtime

BLOCK: Final = 512
"""Events in one block."""

_KEPT: Final = 64
"""Whole blocks that stay encoded."""

_INLINE: Final = 128
"""So many events are read in the event loop; more in a thread."""

GATHER_SECONDS: Final = 0.05
"""News are told so much later, so that many commits are one wake-up."""

_BUSY_PER_SECOND: Final = 200
"""So many events per second are told less often: orders need the time."""

_BUSY_TIMES: Final = 5
"""So many times as long news are gathered then."""


class Hub:
    """Gives followers the log, block by block, and wakes them."""

    def __init__(
        self, runtime: Runtime, *, gather_seconds: float = GATHER_SECONDS
    ) -> None:
        self._store = runtime.opened.store
        self._wire = Wire(runtime.opened.journal)
        self._blocks: OrderedDict[int, list[Wired]] = OrderedDict()
        self._lock = asyncio.Lock()
        self._gather_seconds = gather_seconds
        self._sleepers: list[asyncio.Future[None]] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._told = (0.0, self.head)
        self._is_busy = False
        self._unsubscribe: Callable[[], None] = runtime.on_events(self._on_events)
        self.followers = 0
        self.is_closed = False

    @property
    def head(self) -> int:
        """The last position that may be told."""
        return self._store.head

    def close(self) -> None:
        """Let every follower go."""
        if self.is_closed:
            return
        self.is_closed = True
        self._unsubscribe()
        if self._alarm is not None:
            self._alarm.cancel()
        self._wake()

    async def behind(self, position: int) -> list[Wired]:
        """Some of the events behind a position, in order; none at the head."""
        number, place = divmod(position, BLOCK)
        block = self._blocks.get(number)
        if block is None or (len(block) <= place and position < self.head):
            block = await self._extended(number)
        elif len(block) == BLOCK:
            self._blocks.move_to_end(number)
        return block[place:]

    async def news(self, position: int, seconds: float) -> bool:
        """Wait until there is something behind a position; whether there is."""
        if self.head > position or self.is_closed:
            return True
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        try:
            async with asyncio.timeout(seconds):
                await sleeper
        except TimeoutError:
            return False
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
        return True

    async def rest(self, position: int) -> None:
        """Let news gather while very many come; who is far behind need not wait."""
        is_near = self.head - position < BLOCK
        if self._is_busy and is_near and not self.is_closed:
            self._set_alarm()
            waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleepers.append(waker)
            await waker

    async def _extended(self, number: int) -> list[Wired]:
        """A block with everything that the log has of it by now."""
        async with self._lock:
            block = self._blocks.setdefault(number, [])
            after = number * BLOCK + len(block)
            upto = min(self.head, (number + 1) * BLOCK)
            if upto - after > _INLINE:
                found = await asyncio.to_thread(self._read, after, upto)
            elif upto > after:
                found = self._read(after, upto)
            else:
                found = []
            block.extend(map(self._wire.encoded, found))
            self._blocks.move_to_end(number)
            while len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
            return block

    def _read(self, after: int, upto: int) -> list[Recorded]:
        return list(self._store.read(after=after, upto=upto, batch=BLOCK))

    def _on_events(self, _positions: object, _topics: object) -> None:
        if self._sleepers:
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is None:
            seconds = self._gather_seconds * (_BUSY_TIMES if self._is_busy else 1)
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(seconds, self._tell, loop)

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake everybody, and find out how much there is to tell."""
        now, (at, position) = loop.time(), self._told
        self._told = (now, self.head)
        self._is_busy = self.head - position > _BUSY_PER_SECOND * (now - at)
        self._wake()

    def _wake(self) -> None:
        self._alarm = None
        sleepers, self._sleepers = self._sleepers, []
        for sleeper in sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
