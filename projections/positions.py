"""Shares, cost and profit per strategy, market and outcome."""

from collections.abc import Iterator

from ledger.state import LedgerState
from projections.base import PLAIN, Kept, Row, Table, text
from projections.touched import Touched


def _rows(state: LedgerState, touched: Touched, _: Kept) -> Iterator[Row]:
    for key in touched.moved:
        line = state.holdings.get(key)
        if line is None:
            continue  # no trade of it was ever live
        position = line.position
        totals = position.totals
        average = position.avg_price
        yield (
            state.account,
            key.strategy,
            key.market_id,
            PLAIN[key.outcome],
            text(totals.shares),
            text(position.settled_shares),
            text(position.pending),
            None if average is None else text(average),
            text(totals.cost),
            text(totals.fees),
            text(totals.realized_pnl),
            text(totals.bought),
            text(totals.sold),
            text(totals.unexplained),
            None if totals.payout is None else text(totals.payout),
        )


POSITIONS = Table(
    name="positions",
    columns={
        "account": str,
        "strategy": str,
        "market_id": str,
        "outcome": str,
        "shares": str,
        "settled_shares": str,
        "pending_shares": str,
        "avg_price": str,
        "cost": str,
        "fees": str,
        "realized_pnl": str,
        "bought": str,
        "sold": str,
        "unexplained": str,
        "payout": str,
    },
    key=("account", "strategy", "market_id", "outcome"),
    rows=_rows,
)
"""One row per line that a trade or account activity ever moved.

`shares` counts live fills, settled or not; `settled_shares` can be sold;
`pending_shares` were bought and are not confirmed yet.
`avg_price` is pUSD per share; `cost`, `fees` and `realized_pnl` (before fees)
are pUSD.
`unexplained` shares left without having been seen to come; `payout` is pUSD per
share once the market is resolved.
"""
