"""Time, identifiers and chance as arguments."""

from datetime import datetime
from random import Random
from typing import Final, Protocol

_MASK_12: Final = 0xFFF
_VARIANT: Final = 0b10 << 62


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """The wall clock, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, for durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class OrderIds:
    """Time-ordered ids: UUIDv7 text, increasing within one process.

    Random ids cost the store's index 4 to 7 times the time.
    """

    __slots__ = ("_head", "_last", "_rng", "_sequence")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._last = 0
        self._sequence = 0
        self._head = ""

    def next(self, at: datetime) -> str:
        """The next id, carrying the milliseconds of `at`."""
        millis = int(at.timestamp() * 1000)
        if millis > self._last:
            self._begin(millis)
        else:
            self._sequence += 1
            if self._sequence > _MASK_12:
                self._begin(self._last + 1)
        chance = self._rng.getrandbits(62)
        tail = f"{_VARIANT | chance:016x}"
        return f"{self._head}{self._sequence:03x}-{tail[:4]}-{tail[4:]}"

    def _begin(self, millis: int) -> None:
        text = f"{millis:012x}"
        self._last, self._sequence = millis, 0
        self._head = f"{text[:8]}-{text[8:]}-7"
