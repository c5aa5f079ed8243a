"""Comparisons with the venue: what differed, and which drifts are open."""

from collections.abc import Iterator
from typing import Final

import msgspec

from ledger import events as ev
from ledger.reconcile import OrderMismatch, PositionMismatch
from ledger.recorded import Recorded
from ledger.state import LedgerState
from projections.base import Cell, Kept, Row, Table, View, micros, text
from projections.touched import Touched


def _rows(_: LedgerState, touched: Touched, __: Kept) -> Iterator[Row]:
    for recorded, observed, orders, positions, cash in touched.comparisons:
        yield (
            recorded.position,
            recorded.recorded_us,
            micros(observed.as_of),
            observed.complete,
            _count(observed.open_orders),
            _count(observed.positions),
            len(orders),
            len(positions),
            text(cash),
            None if observed.cash is None else text(observed.cash),
        )


def _count(listed: tuple[object, ...] | None) -> int | None:
    return None if listed is None else len(listed)


def _diffs(_: LedgerState, touched: Touched, __: Kept) -> Iterator[Row]:
    for recorded, _observed, orders, positions, _cash in touched.comparisons:
        rows = [*map(_order_diff, orders), *map(_position_diff, positions)]
        for number, row in enumerate(rows, 1):
            yield (recorded.position, number, *row)


def _order_diff(found: OrderMismatch) -> Row:
    return (
        f"order_{found.kind}",
        found.drift_id,
        found.order_id,
        found.field,
        found.ledger,
        found.venue,
        None,
        None,
    )


def _position_diff(found: PositionMismatch) -> Row:
    return (
        "position",
        found.drift_id,
        "",
        "shares",
        text(found.total),
        text(found.actual),
        text(found.settled),
        text(found.difference),
    )


_DRIFT: Final[dict[str, type[str] | type[int] | type[bool]]] = {
    "drift_id": str,
    "kind": str,
    "subject": str,
    "detail": str,
    "times": int,
    "opened_us": int,
    "acknowledged_us": int,
    "note": str,
    "closed_us": int,
    "reason": str,
    "position": int,
}


def _drifts(_: LedgerState, touched: Touched, kept: Kept) -> Iterator[Row]:
    found: dict[str, dict[str, Cell]] = {}
    for recorded in touched.drifts:
        event = recorded.event
        assert isinstance(event, ev.DriftOpened | ev.DriftAcknowledged | ev.DriftClosed)
        known = found.get(event.drift_id)
        if known is None:
            row = kept.row("drifts", (event.drift_id,))
            known = {} if row is None else dict(zip(_DRIFT, row, strict=True))
        after = _drifted(known, recorded)
        if after:
            found[event.drift_id] = after
    for row_of in found.values():
        yield tuple(row_of[name] for name in _DRIFT)


def _drifted(known: dict[str, Cell], recorded: Recorded) -> dict[str, Cell]:
    """A drift's row after one more event; empty if nothing was ever opened."""
    at = recorded.recorded_us
    match recorded.event:
        case ev.DriftOpened() as event:
            return {
                "drift_id": event.drift_id,
                "kind": event.kind,
                "subject": event.subject,
                "detail": msgspec.json.encode(event.detail, order="sorted").decode(),
                "times": 1 + int(known.get("times") or 0),
                "opened_us": at,
                "acknowledged_us": None,
                "note": "",
                "closed_us": None,
                "reason": "",
                "position": recorded.position,
            }
        case ev.DriftAcknowledged(note=note) if known:
            return known | {"acknowledged_us": at, "note": note}
        case ev.DriftClosed(reason=reason) if known:
            return known | {"closed_us": at, "reason": reason}
    return known


RECONCILIATION = Table(
    name="reconciliation",
    columns={
        "position": int,
        "recorded_us": int,
        "as_of_us": int,
        "complete": bool,
        "open_orders": int,
        "positions": int,
        "order_diffs": int,
        "position_diffs": int,
        "cash_ledger": str,
        "cash_venue": str,
    },
    key=("position",),
    rows=_rows,
)
"""One row per `venue.observed`, compared with what was believed at that position.

`open_orders` and `positions` count what the venue listed, `None` where it was
not asked; cash is pUSD.
"""

RECONCILIATION_DIFFS = Table(
    name="reconciliation_diffs",
    columns={
        "position": int,
        "number": int,
        "kind": str,
        "drift_id": str,
        "order_id": str,
        "field": str,
        "ledger": str,
        "venue": str,
        "settled": str,
        "difference": str,
    },
    key=("position", "number"),
    rows=_diffs,
)
"""One row per difference, numbered from 1 within its observation.

Of a holding, `ledger` is the total in shares, `settled` what is confirmed of it,
and `difference` what lies outside both.
"""

DRIFTS = Table(name="drifts", columns=_DRIFT, key=("drift_id",), rows=_drifts)
"""One row per disagreement that was ever raised; `times` it was opened.

`closed_us` is `None` while it is open; `detail` is JSON.
"""

OPEN_DRIFTS = View(
    name="open_drifts",
    columns=_DRIFT,
    key=("drift_id",),
    select="SELECT * FROM drifts WHERE closed_us IS NULL",
)
"""The disagreements that are open; their age is for the reader to take."""
