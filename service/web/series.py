"""Equity over time, and states to go on from: the fold over the log, now and then.

Holdings count at what they cost, for the log knows no other price of them.
It is built in a thread, a bit at a time, when somebody first looks, and kept up.
"""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ledger import events as ev
from ledger.state import LedgerState
from ledger.store import LedgerStore
from ledger.values import ZERO, text_of
from projections.folding import new_state

_MOST_POINTS: Final = 2_000
_AT_ONCE: Final = 500
_PAUSE_SECONDS: Final = 0.002
_KEEP_EVERY: Final = 500
_MOST_KEPT: Final = 256
"""States in memory; when there are more, every second one goes."""

_MONEY: Final = (ev.FillMatched, ev.SettlementEvent, ev.AccountEvent)


class Point(NamedTuple):
    """The account after one event; pUSD."""

    us: int
    position: int
    equity: Decimal
    realized: Decimal
    exposure: Decimal


class Series:
    """Keeps points of a log; one thread writes, others may read meanwhile."""

    def __init__(
        self,
        store: LedgerStore,
        account: str,
        *,
        goes_on: Callable[[], bool] = lambda: True,
        most: int = _MOST_POINTS,
    ) -> None:
        """Read nothing yet.

        Args:
            store: The log.
            account: The account that the ledger trades.
            goes_on: Whether there is still somebody to read for.
            most: Points that are kept; when there are more, every second one goes.
        """
        self._store = store
        self._goes_on = goes_on
        self._state: LedgerState = new_state(store, account)
        self._most = most
        self._every = 1
        self._seen = 0
        self.points: list[Point] = []
        self._last: Point | None = None
        self._pending: tuple[int, int] | None = None
        self._kept: dict[int, bytes] = {}
        self._keep_every = _KEEP_EVERY

    @property
    def position(self) -> int:
        """How far it is."""
        return self._state.position

    def catch_up(self) -> None:
        """Go on to the head, with pauses, so that orders are not kept waiting."""
        while self._goes_on() and self._advance():
            time.sleep(_PAUSE_SECONDS)

    def nearest(self, position: int) -> tuple[int, bytes]:
        """The last kept state that is not later, and where it is; 0 for none."""
        found = max((at for at in list(self._kept) if at <= position), default=0)
        return found, self._kept.get(found, b"")

    def upto(self, position: int) -> list[Point]:
        """The points up to a position, the newest one included."""
        found = [point for point in list(self.points) if point.position <= position]
        last = self._last
        if last and last.position <= position and (not found or found[-1] != last):
            found.append(last)
        return found

    def _advance(self) -> int:
        state, before = self._state, self._state.position
        upto = min(before + _AT_ONCE, self._store.head)
        for recorded in self._store.read(after=before, upto=upto):
            event = recorded.event
            state.apply(recorded.stream, recorded.version, event)
            if isinstance(event, _MONEY):
                self._seen += 1
                if self._seen % self._every == 0:
                    self._add(self._point(recorded.recorded_us, recorded.position))
                else:
                    self._pending = (recorded.recorded_us, recorded.position)
        self._tidy()
        self._keep()
        return state.position - before

    def _keep(self) -> None:
        """Keep the state now and then, for whoever looks at the past."""
        position = self._state.position
        if position - max(self._kept, default=0) < self._keep_every:
            return
        self._kept[position] = self._state.dump()
        if len(self._kept) > _MOST_KEPT:
            self._keep_every *= 2
            for at in list(self._kept)[::2]:
                del self._kept[at]

    def _tidy(self) -> None:
        if self._pending is not None:
            self._last = self._point(*self._pending)
            self._pending = None

    def _point(self, us: int, position: int) -> Point:
        cost = realized = fees = ZERO
        for line in self._state.holdings.values():
            totals = line.position.totals
            cost += totals.cost
            realized += totals.realized_pnl
            fees += totals.fees
        return Point(us, position, self._state.cash + cost, realized - fees, cost)

    def _add(self, point: Point) -> None:
        self.points.append(point)
        self._last = point
        if len(self.points) > self._most:
            # Half as dense: the line keeps its shape, and the page its size.
            del self.points[1::2]
            self._every *= 2


def columns(points: list[Point]) -> dict[str, Any]:
    """Points as the columns of a plot: seconds, and pUSD as text."""
    return {
        "time": [point.us / 1_000_000 for point in points],
        "position": [point.position for point in points],
        "equity": [text_of(point.equity) for point in points],
        "realized": [text_of(point.realized) for point in points],
        "exposure": [text_of(point.exposure) for point in points],
    }
