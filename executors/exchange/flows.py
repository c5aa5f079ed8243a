"""How the trading of others is set up once an exchange exists."""

from collections.abc import Callable, Iterable

from executors.exchange.engine import Exchange
from executors.exchange.engine.flow import (
    EmptyFlow,
    Flow,
    MakersFlow,
    RecordingFlow,
)
from executors.market_data.frames import Frame

FlowMaker = Callable[[Exchange, int], Flow]
"""Sets it up for an exchange, given the present in Unix milliseconds."""


def nobody(_exchange: Exchange, _start_ms: int) -> Flow:
    """Nobody else trades."""
    return EmptyFlow()


def makers(seed: int) -> FlowMaker:
    """Seeded market makers and takers trade in every market."""

    def make(exchange: Exchange, start_ms: int) -> Flow:
        return MakersFlow(exchange, seed=seed, start_ms=start_ms)

    return make


def recorded(frames: Iterable[Frame]) -> FlowMaker:
    """Recorded books are replayed as the orders of others."""

    def make(exchange: Exchange, start_ms: int) -> Flow:
        return RecordingFlow(exchange, frames, start_ms=start_ms)

    return make
