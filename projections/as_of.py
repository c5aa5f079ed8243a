"""Any read model as it was at a past position or time, from the log alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ledger.errors import InvalidInputError
from ledger.state import LedgerState
from ledger.store import LedgerStore
from projections.folding import advance, new_state
from projections.loading import load
from projections.tables import Record, Tables, model_of


def position_of(store: LedgerStore, at: int | datetime) -> int:
    """The position that "as of `at`" means: itself, or the last one by then.

    Raises:
        InvalidInputError: a position that the log has not reached, or a time
            without a zone.
    """
    field = "as_of"
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise InvalidInputError(field, "must be a time with a zone")
        return store.position_at(at)
    head = store.head
    if not 0 <= at <= head:
        raise InvalidInputError(field, f"must be from 0 to {head}, the last position")
    return at


def state_as_of(store: LedgerStore, at: int | datetime, *, account: str) -> LedgerState:
    """The ledger's state after a position or at a time.

    It starts from the newest checkpoint where that is not later: a checkpoint
    is the same fold, kept.

    Raises:
        InvalidInputError: as `position_of`.
        IntegrityError: the log cannot be read.
    """
    position = position_of(store, at)
    state = new_state(store, account, tracks_exposure=True)
    kept = store.load_checkpoint()
    if kept is not None and kept[0] <= position:
        state.restore(kept[1])  # one of another version leaves the state empty
    advance(state, store, position)
    return state


@contextmanager
def tables_as_of(
    store: LedgerStore, at: int | datetime, *, account: str
) -> Iterator[Tables]:
    """Every read model as of a position or time, in a private temporary database.

    Raises:
        InvalidInputError: as `position_of`.
        IntegrityError: the log cannot be read.
    """
    position = position_of(store, at)
    # The empty name is a file of SQLite's own that vanishes when it is closed.
    tables = Tables(sqlite3.connect("", isolation_level=None))
    try:
        tables.create()
        state = new_state(store, account)
        with tables.atomic():
            load(tables, state, store.read(upto=position))
        yield tables
    finally:
        tables.close()


def rows_as_of(
    store: LedgerStore, name: str, at: int | datetime, *, account: str, **options: Any
) -> list[Record]:
    """Rows of one read model as of a position or time.

    Args:
        store: The log.
        name: The read model.
        at: A position, or a time with a zone.
        account: The account that the ledger trades.
        options: As `Tables.query`: where, since, after, limit, newest_first.

    Raises:
        InvalidInputError: as `position_of` and `Tables.query`.
        IntegrityError: the log cannot be read.
    """
    model_of(name)  # a wrong name must not cost a whole fold
    with tables_as_of(store, at, account=account) as tables:
        return tables.query(name, **options)
