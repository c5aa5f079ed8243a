"""Recorded time: a clock that only a driver moves, and what happens when."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from examples.strategy import PriceTick
from executors.market_data import Frame

Item = Frame | PriceTick
"""What a recording is made of."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SimulatedClock:
    """Recorded time, in Unix milliseconds; it never runs backwards.

    `on_sleep` lets time pass up to a moment; without it, sleeping just moves the
    clock.
    """

    def __init__(self, start_ms: int) -> None:
        self.now_ms = start_ms
        self.on_sleep: Callable[[int], Awaitable[None]] | None = None

    def now(self) -> datetime:
        """The recorded moment, UTC."""
        return _EPOCH + timedelta(milliseconds=self.now_ms)

    def now_us(self) -> int:
        """The recorded moment in Unix microseconds, for the store."""
        return self.now_ms * 1_000

    def monotonic(self) -> float:
        """Recorded seconds, for durations."""
        return self.now_ms / 1_000

    def move_to(self, ms: int) -> None:
        """Let it be `ms`, unless it is later already."""
        self.now_ms = max(self.now_ms, ms)

    async def sleep(self, seconds: float) -> None:
        """Wait in recorded time."""
        until_ms = self.now_ms + round(seconds * 1_000)
        if self.on_sleep is not None:
            await self.on_sleep(until_ms)
        self.move_to(until_ms)


def merged(frames: Iterable[Frame], ticks: Iterable[PriceTick]) -> Iterator[Item]:
    """Frames and outside prices in one stream by time, prices first."""
    waiting = deque(ticks)
    for frame in frames:
        while waiting and waiting[0].ts_ms <= frame.received_ms:
            yield waiting.popleft()
        yield frame
    yield from waiting


def time_of(item: Item) -> int:
    """When it reaches us, in Unix milliseconds."""
    return item.ts_ms if isinstance(item, PriceTick) else item.received_ms
