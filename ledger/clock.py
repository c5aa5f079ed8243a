"""Time, identifiers and chance as arguments."""

from datetime import datetime
from random import Random
from typing import Final, Protocol

_MASK_12: Final = 0xFFF
_MASK_62: Final = (1 << 62) - 1


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

    __slots__ = ("_last", "_rng", "_sequence")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._last = 0
        self._sequence = 0

    def next(self, at: datetime) -> str:
        """The next id, carrying the milliseconds of `at`."""
        millis = int(at.timestamp() * 1000)
        if millis > self._last:
            self._last, self._sequence = millis, 0
        else:
            self._sequence += 1
            if self._sequence > _MASK_12:
                self._last, self._sequence = self._last + 1, 0
        tail = self._rng.getrandbits(62) & _MASK_62
        number = (
            (self._last << 80)
            | (0x7 << 76)
            | (self._sequence << 64)
            | (0x2 << 62)
            | tail
        )
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
