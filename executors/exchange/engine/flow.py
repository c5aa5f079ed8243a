"""Who else trades: nobody, the orders of a recording, or seeded makers and takers."""

from collections.abc import Iterable
from typing import Protocol

from executors.exchange.engine.exchange import Exchange
from executors.market_data.frames import Frame


class Flow(Protocol):
    """Trading by others, driven by the same clock as the exchange."""

    def advance(self, now_ms: int) -> None:
        """Do what others do up to now."""
        ...

    def next_due_ms(self) -> int | None:
        """When others act next; `None` if never again."""
        ...


class EmptyFlow:
    """Nobody else trades."""

    def advance(self, now_ms: int) -> None:
        """Do nothing."""

    def next_due_ms(self) -> int | None:
        """Never."""
        return None


class MakersFlow:
    """Seeded market makers and takers in every market of the exchange."""

    def __init__(self, exchange: Exchange, *, seed: int, start_ms: int) -> None:
        raise NotImplementedError

    def advance(self, now_ms: int) -> None:
        """Quote and take up to now."""
        raise NotImplementedError

    def next_due_ms(self) -> int | None:
        """When the next of them acts."""
        raise NotImplementedError


class RecordingFlow:
    """Replays recorded books as orders of others, time moved to the start."""

    def __init__(
        self, exchange: Exchange, frames: Iterable[Frame], *, start_ms: int
    ) -> None:
        raise NotImplementedError

    def advance(self, now_ms: int) -> None:
        """Replay the frames up to now."""
        raise NotImplementedError

    def next_due_ms(self) -> int | None:
        """When the next frame is due; `None` at the end."""
        raise NotImplementedError
