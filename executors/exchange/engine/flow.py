"""Who else trades: nobody, the orders of a recording, or seeded makers and takers.

What a flow does stands in the exchange's own agenda: it happens at its own time,
however late the clock is read, so that one seed gives one history.
"""

from collections.abc import Iterable
from typing import Protocol

from executors.exchange.engine.crowd import Crowd
from executors.exchange.engine.exchange import Exchange
from executors.exchange.engine.replay import Replay
from executors.market_data.frames import Frame


class Flow(Protocol):
    """Trading by others, driven by the same clock as the exchange."""

    def advance(self, now_ms: int) -> None:
        """Do what others do up to now."""
        ...

    def next_due_ms(self) -> int | None:
        """When others act next, if the exchange itself does not know."""
        ...


class EmptyFlow:
    """Nobody else trades."""

    def advance(self, now_ms: int) -> None:
        """Do nothing."""

    def next_due_ms(self) -> int | None:
        """Never."""
        return None


class MakersFlow(EmptyFlow):
    """Seeded market makers and takers in every market the exchange has by then.

    They stand in the exchange's agenda, so `Exchange.advance` runs them.
    """

    def __init__(self, exchange: Exchange, *, seed: int, start_ms: int) -> None:
        for market in exchange.markets():
            Crowd(exchange.others, market.condition_id, seed=seed).start(start_ms)


class RecordingFlow(EmptyFlow):
    """Replays recorded books as orders of others; the first frame falls on the start.

    Markets must have been added before; frames about others are passed over.
    It stands in the exchange's agenda, so `Exchange.advance` runs it.
    """

    def __init__(
        self, exchange: Exchange, frames: Iterable[Frame], *, start_ms: int
    ) -> None:
        Replay(exchange.others, frames).start(start_ms)
