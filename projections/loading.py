"""Filling empty tables from a whole log.

A row is written when its order is closed, not once per batch, and what sums up
many orders only at the end.
So batches can be small enough to stay in the processor's cache, however long
orders stay open.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from ledger.recorded import Recorded
from ledger.state import LedgerState
from projections.catalogue import DETAILS, SUMMARIES
from projections.pnl import received
from projections.tables import Tables
from projections.touched import Touched, fold

BATCH: Final = 1000


def load(
    tables: Tables,
    state: LedgerState,
    events: Iterable[Recorded],
    *,
    batch: int = BATCH,
    report: Callable[[int], None] = lambda _: None,
) -> str:
    """Fold events into a new state and write every row they make.

    Call it inside a transaction, with tables and state as they were before the
    first event.

    Args:
        tables: Empty tables.
        state: Where the fold goes on.
        events: The log from its beginning.
        batch: Events between two writes.
        report: Told the position reached after each batch.

    Returns:
        The name of the last event, "" without any.
    """
    events = iter(events)
    open_orders, summary = Touched(), Touched()
    while fold(state, islice(events, batch), open_orders):
        summary.last = open_orders.last
        _write(tables, state, open_orders.take_closed(state), summary)
        report(state.position)
    if summary.last is not None:
        _write(tables, state, open_orders, summary)
        tables.write(state, summary, SUMMARIES)
    return summary.mark


def _write(
    tables: Tables, state: LedgerState, touched: Touched, summary: Touched
) -> None:
    # Before the rows are written: what was received compares with the old ones.
    for market, amount in received(touched, tables).items():
        summary.receive(market, amount)
    summary.lines.update(touched.moved)
    summary.slugs.update(touched.slugs)
    tables.write(state, touched, DETAILS)
