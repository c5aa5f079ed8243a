"""Every trade of every order, and how far it has settled."""

from collections.abc import Iterator
from typing import Final

from ledger.state import LedgerState
from projections.base import PLAIN, Cell, Kept, Row, Table, View, text
from projections.touched import Touched

_FIRST_US: Final = -3
_POSITION: Final = -1


def _rows(_: LedgerState, touched: Touched, kept: Kept) -> Iterator[Row]:
    orders, created = touched.orders, touched.created
    for key, (first, last) in touched.trades.items():
        order_id, trade_id = key
        began: tuple[Cell, Cell] = (first.recorded_us, first.position)
        if order_id not in created:
            before = kept.row("trades", key)
            if before is not None:
                began = (before[_FIRST_US], before[_POSITION])
        trade = orders[order_id][0].trades[trade_id]
        yield (
            order_id,
            trade_id,
            text(trade.size),
            text(trade.price),
            text(trade.fee),
            PLAIN[trade.role],
            PLAIN[trade.settlement],
            1 if trade.is_live else 0,
            trade.tx_hash,
            began[0],
            last.recorded_us,
            began[1],
        )


TRADES = Table(
    name="trades",
    columns={
        "order_id": str,
        "trade_id": str,
        "size": str,
        "price": str,
        "fee": str,
        "role": str,
        "settlement": str,
        "live": bool,
        "tx_hash": str,
        "first_us": int,
        "updated_us": int,
        "position": int,
    },
    key=("order_id", "trade_id"),
    rows=_rows,
)
"""What is stored of `fills`: the rest of a row is its order's."""

FILLS = View(
    name="fills",
    columns={
        "order_id": str,
        "trade_id": str,
        "strategy": str,
        "market_id": str,
        "outcome": str,
        "side": str,
        **dict(list(TRADES.columns.items())[2:]),
    },
    key=("order_id", "trade_id"),
    select=(
        "SELECT t.order_id, t.trade_id, o.strategy, o.market_id, o.outcome, o.side, "
        "t.size, t.price, t.fee, t.role, t.settlement, t.live, t.tx_hash, "
        "t.first_us, t.updated_us, t.position "
        "FROM trades AS t JOIN orders AS o ON o.order_id = t.order_id"
    ),
)
"""One row per trade of an order.

`size` is shares, 0 while only the settlement is known and not yet the trade;
`price` pUSD per share, `fee` pUSD.
`live` fills count, void ones do not; `first_us` and `position` are those of the
first word of the trade.
"""
