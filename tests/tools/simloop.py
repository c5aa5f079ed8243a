"""An event loop of virtual time with seeded scheduling, for runs that repeat.

Nothing waits: when no callback is ready, time jumps to the next timer.
Callbacks that are ready at once run in an order drawn from the seed, so one seed is
one interleaving, and many seeds are many.
Two private names of asyncio are used; the tests beside it fail when they change.
"""

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")

_START: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


_LIMIT_SEC: Final = 7 * 24 * 3600.0


class StuckError(RuntimeError):
    """Everybody waits for somebody: no timer is set, or none has helped for days."""


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only when there is nothing left to do.

    Threads are refused: the moment they end is not the seed's to decide.
    """

    def __init__(self, seed: int, limit_sec: float = _LIMIT_SEC) -> None:
        self.seconds = 0.0
        self._limit = limit_sec
        self._chance = Random(seed)
        super().__init__(_JumpingSelector(self._jump))
        # Two timers a nanosecond apart are two moments.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.seconds

    def run_in_executor(self, *_args: object) -> NoReturn:
        """Refuse.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("a thread would make this run differ from the next")

    def _run_once(self) -> None:
        ready: deque[Any] = self._ready  # type: ignore[attr-defined]
        if len(ready) > 1:
            shuffled = list(ready)
            self._chance.shuffle(shuffled)
            ready.clear()
            ready.extend(shuffled)
        super()._run_once()  # type: ignore[misc]

    def _jump(self, seconds: float) -> None:
        self.seconds += seconds
        if self.seconds > self._limit:
            # Something that only ticks would keep a deadlock alive for ever.
            raise StuckError(f"not done after {self._limit:.0f} virtual seconds")


class LoopClock:
    """A clock in the shape the ledger wants, driven by the running loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime = _START):
        self._loop = loop
        self._start = start

    def now(self) -> datetime:
        """The virtual wall clock, UTC."""
        return self._start + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)


def simulate(seed: int, main: Callable[[LoopClock], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end in a loop of its own, and give its result.

    Tasks that are still there at the end are cancelled.

    Raises:
        StuckError: nothing is left that could ever wake it.
    """
    loop = SimLoop(seed)
    try:
        return loop.run_until_complete(main(LoopClock(loop)))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class _JumpingSelector(selectors.BaseSelector):
    """Reports no file as ready, ever, and lets time jump instead of waiting."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        self._jump = jump
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(
        self, fileobj: "FileDescriptorLike", events: int, data: Any = None
    ) -> selectors.SelectorKey:
        number = _number(fileobj)
        key = selectors.SelectorKey(fileobj, number, events, data)
        self._keys[number] = key
        return key

    def unregister(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._keys.pop(_number(fileobj))

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise StuckError("everybody waits, and no timer is set")
        if timeout > 0:
            self._jump(timeout)
        return []

    def get_map(self) -> Mapping["FileDescriptorLike", selectors.SelectorKey]:
        return self._keys  # type: ignore[return-value]

    def get_key(self, fileobj: "FileDescriptorLike") -> selectors.SelectorKey:
        return self._keys[_number(fileobj)]


def _number(fileobj: "FileDescriptorLike") -> int:
    return fileobj if isinstance(fileobj, int) else fileobj.fileno()
