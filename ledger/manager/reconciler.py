"""The two checks of the specification: open orders and positions.

What the venue said becomes an event first; differences follow from it, so that
they replay.
Nothing is corrected by itself.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from ledger import events as ev
from ledger.errors import VenueError
from ledger.manager.desk import Desk
from ledger.reconcile import (
    OrderMismatch,
    PositionMismatch,
    compare_orders,
    compare_positions,
)

Mismatch = OrderMismatch | PositionMismatch


class ReconciliationResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one comparison found; `answered` is false when the venue was silent."""

    mismatches: tuple[Mismatch, ...]
    reconciled_at: datetime
    answered: bool = True

    @property
    def is_clean(self) -> bool:
        """Whether the venue answered and agrees."""
        return self.answered and not self.mismatches


class Reconciler:
    """Asks the venue, records what it said, raises and closes drifts."""

    def __init__(
        self,
        desk: Desk,
        *,
        position_tolerance: Decimal = Decimal("0.01"),
        grace_ms: int = 5000,
    ) -> None:
        self._desk = desk
        self._tolerance = position_tolerance
        self._grace_ms = grace_ms

    async def reconcile(self, *, patience: float = 0) -> ReconciliationResult:
        """Compare open orders and positions in one observation.

        Args:
            patience: Seconds to wait, once, for news that explains a difference:
                a list that was read while something happened is no witness.
        """
        return await self._ask(orders=True, positions=True, patience=patience)

    async def reconcile_orders(self) -> ReconciliationResult:
        """Compare open orders: missing, unexpected, diverged."""
        return await self._ask(orders=True, positions=False)

    async def reconcile_positions(self) -> ReconciliationResult:
        """Compare settled shares per market and outcome within the tolerance."""
        return await self._ask(orders=False, positions=True)

    async def _ask(
        self, *, orders: bool, positions: bool, patience: float = 0
    ) -> ReconciliationResult:
        try:
            seen, is_still = await self._observe(orders=orders, positions=positions)
            if self._compare(seen) and (patience or not is_still):
                if patience:
                    await self._desk.clock.sleep(patience)
                seen, _ = await self._observe(orders=orders, positions=positions)
        except VenueError as error:
            return self._unanswered(error)
        return await self._record(seen)

    def _unanswered(self, error: VenueError) -> ReconciliationResult:
        self._desk.log.warning("reconciliation.unanswered", text=str(error))
        return ReconciliationResult(
            mismatches=(), reconciled_at=self._desk.clock.now(), answered=False
        )

    async def _observe(
        self, *, orders: bool, positions: bool
    ) -> tuple[ev.VenueObserved, bool]:
        """What the venue says, and whether nothing was recorded meanwhile."""
        state, executor = self._desk.journal.state, self._desk.executor
        before = state.position
        listed = await executor.get_open_orders() if orders else None
        holdings = await executor.get_positions() if positions else None
        parts = [part for part in (listed, holdings) if part is not None]
        seen = ev.VenueObserved(
            at=self._desk.clock.now(),
            actor="reconciler",
            source="lookup",
            as_of=min(part.as_of for part in parts),
            complete=all(part.complete for part in parts),
            open_orders=None if listed is None else listed.orders,
            positions=None if holdings is None else holdings.positions,
            cash=None if holdings is None else holdings.cash,
            position_tolerance=self._tolerance,
            grace_ms=self._grace_ms,
        )
        return seen, state.position == before

    async def _record(self, seen: ev.VenueObserved) -> ReconciliationResult:
        mismatches = self._compare(seen)
        await self._desk.journal.append_to(
            ev.RECONCILIATION_STREAM, seen, *self._drifts(seen, mismatches)
        )
        self._report(mismatches)
        return ReconciliationResult(mismatches=tuple(mismatches), reconciled_at=seen.at)

    def _compare(self, seen: ev.VenueObserved) -> list[Mismatch]:
        state = self._desk.journal.state
        return [
            *compare_orders(state.orders.values(), seen),
            *compare_positions(state.believed(), seen),
        ]

    def _drifts(
        self, seen: ev.VenueObserved, mismatches: list[Mismatch]
    ) -> list[ev.Event]:
        """Open what is new, close what this answer shows to be gone."""
        known = self._desk.journal.state.drifts
        current = {mismatch.drift_id: mismatch for mismatch in mismatches}
        found: list[ev.Event] = [
            ev.DriftOpened(
                at=seen.at,
                actor="reconciler",
                source="lookup",
                drift_id=drift_id,
                kind=drift_id.split(":", 1)[0],
                subject=drift_id.split(":", 1)[1],
                detail=describe(mismatch),
            )
            for drift_id, mismatch in current.items()
            if drift_id not in known
        ]
        if not seen.complete:
            return found
        asked = ("order_",) if seen.open_orders is not None else ()
        if seen.positions is not None:
            asked = (*asked, "position:")
        found.extend(
            ev.DriftClosed(
                at=seen.at,
                actor="reconciler",
                source="lookup",
                drift_id=drift_id,
                reason="the venue agrees",
            )
            for drift_id in known
            if drift_id.startswith(asked) and drift_id not in current
        )
        return found

    def _report(self, mismatches: list[Mismatch]) -> None:
        for mismatch in mismatches:
            kind = mismatch.drift_id.split(":", 1)[0]
            self._desk.metrics.count("reconcile_mismatch_count", kind=kind)
            self._desk.log.warning(
                "reconciliation_mismatch",
                drift_id=mismatch.drift_id,
                **describe(mismatch),
            )


def describe(mismatch: Mismatch) -> dict[str, str]:
    """A mismatch as text, for the event and the log."""
    if isinstance(mismatch, OrderMismatch):
        return {
            "order_id": mismatch.order_id,
            "field": mismatch.field,
            "ledger": mismatch.ledger,
            "venue": mismatch.venue,
        }
    return {
        "settled": str(mismatch.settled),
        "total": str(mismatch.total),
        "actual": str(mismatch.actual),
        "difference": str(mismatch.difference),
    }
