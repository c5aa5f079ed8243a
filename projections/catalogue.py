"""Every read model there is."""

from typing import Final

from ledger.state import STATE_VERSION
from projections.account import ACCOUNT
from projections.base import Table, View
from projections.fills import FILLS, TRADES
from projections.idempotency import IDEMPOTENCY
from projections.open_orders import OPEN_ORDERS
from projections.orders import ORDERS
from projections.pnl import PNL
from projections.positions import POSITIONS
from projections.reconciliation import (
    DRIFTS,
    OPEN_DRIFTS,
    RECONCILIATION,
    RECONCILIATION_DIFFS,
)
from projections.reservations import RESERVATIONS
from projections.settlement_health import SETTLEMENT_HEALTH
from projections.system import SYSTEM

SCHEMA_VERSION: Final = 2
"""Raised with any change of a row."""

VERSION: Final = f"{SCHEMA_VERSION}.{STATE_VERSION}"
"""What rows depend on, the fold's own version included: a file of another version
is built anew."""

SUMMARIES: Final[tuple[Table, ...]] = (ACCOUNT, PNL, POSITIONS)
"""Tables whose rows sum up many events, so that the last state of them is enough."""

DETAILS: Final[tuple[Table, ...]] = (
    DRIFTS,
    ORDERS,
    RECONCILIATION,
    RECONCILIATION_DIFFS,
    SYSTEM,
    TRADES,
)
"""Tables whose rows belong to an order or an event."""

TABLES: Final[tuple[Table, ...]] = tuple(
    sorted((*SUMMARIES, *DETAILS), key=lambda table: table.name)
)

VIEWS: Final[tuple[View, ...]] = (
    FILLS,
    IDEMPOTENCY,
    OPEN_DRIFTS,
    OPEN_ORDERS,
    RESERVATIONS,
    SETTLEMENT_HEALTH,
)

_ALL: Final[tuple[Table | View, ...]] = (*TABLES, *VIEWS)

MODELS: Final[dict[str, Table | View]] = {
    model.name: model for model in sorted(_ALL, key=lambda model: model.name)
}
"""Every read model by name."""
