"""The account's cash and what is free of it."""

from collections.abc import Iterator

from ledger.state import LedgerState
from projections.base import PLAIN, Kept, Row, Table, text
from projections.touched import Touched


def _rows(state: LedgerState, _: Touched, __: Kept) -> Iterator[Row]:
    reserved = state.reserved_cash
    yield (
        state.account,
        PLAIN[state.mode],
        text(state.cash),
        text(reserved),
        text(state.cash - reserved),
    )


ACCOUNT = Table(
    name="account",
    columns={
        "account": str,
        "mode": str,
        "cash": str,
        "reserved_cash": str,
        "free_cash": str,
    },
    key=("account",),
    rows=_rows,
)
"""One row, in pUSD; `mode` is what the ledger accepts at all."""
