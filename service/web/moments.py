"""The ledger's state at any past moment, soon enough for a slider.

States are kept at even distances while the log is read for the equity line; from the
nearest one it is a short fold to any moment.
"""

from threading import Lock
from typing import Any, Final

from ledger.state import LedgerState
from ledger.store import LedgerStore
from ledger.values import ZERO
from projections.folding import advance, new_state
from service.web.series import Series

_NEAR: Final = 1_000
"""So many events are folded rather than that a kept state is read."""


class Moments:
    """Gives figures as of past positions; callers may be in any thread."""

    def __init__(self, store: LedgerStore, account: str, series: Series) -> None:
        self._store = store
        self._account = account
        self._series = series
        self._last: LedgerState | None = None
        self._lock = Lock()

    def figures(self, position: int) -> dict[str, Any]:
        """What the account was like as of a position that the log has reached.

        Raises:
            IntegrityError: the log cannot be read.
        """
        with self._lock:
            state = self._state_at(position)
            return figures_of(state)

    def _state_at(self, position: int) -> LedgerState:
        kept, data = self._series.nearest(position)
        last = self._last
        # Onwards by a little: the state that is there goes on.
        is_near = last is not None and max(kept, position - _NEAR) <= last.position
        if last is None or not is_near or last.position > position:
            last = new_state(self._store, self._account)
            if data:
                last.restore(data)
        self._last = None  # a fold that fails leaves nothing behind
        advance(last, self._store, position)
        self._last = last
        return last


def figures_of(state: LedgerState) -> dict[str, Any]:
    """A state as a page shows it; money in pUSD."""
    cost = realized = fees = pending = ZERO
    held = 0
    for line in state.holdings.values():
        totals = line.position.totals
        cost += totals.cost
        realized += totals.realized_pnl
        fees += totals.fees
        pending += line.position.pending
        held += 1 if totals.shares else 0
    # Done orders stay in the state until their trades have settled.
    working = [order for order in state.orders.values() if order.done_reason is None]
    return {
        "cash": state.cash,
        "free_cash": state.free_cash(),
        "open_count": len(working),
        "unknown": sum(order.is_outcome_unknown for order in working),
        "held_count": held,
        "cost": cost,
        "pending": pending,
        "net": realized - fees,
        "fees": fees,
        "drift_count": len(state.drifts),
        "mode": state.mode,
    }
