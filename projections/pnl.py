"""Profit per strategy and market, and the money it took."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from ledger.position import PositionKey, trade_movement
from ledger.state import LedgerState
from ledger.values import ZERO, Outcome, Side
from projections.base import Kept, Row, Table, text
from projections.fills import TRADES
from projections.touched import Touched

_COLUMNS: Final = list(TRADES.columns)
_SIZE: Final = _COLUMNS.index("size")
_PRICE: Final = _COLUMNS.index("price")
_LIVE: Final = _COLUMNS.index("live")
_OWN: Final = {
    "strategy": str,
    "market_id": str,
    "slug": str,
    "paid": str,
    "paid_with_fees": str,
    "received": str,
    "cost": str,
    "realized_pnl": str,
    "fees": str,
    "net": str,
    "unexplained": str,
}
_SLUG: Final = list(_OWN).index("slug")
_RECEIVED: Final = list(_OWN).index("received")
_BUY: Final = Side.BUY  # looking it up costs more than the comparison


def _rows(state: LedgerState, touched: Touched, kept: Kept) -> Iterator[Row]:
    more = received(touched, kept)
    markets = {(line.strategy, line.market_id) for line in touched.moved}
    for strategy, market_id in sorted(markets):
        before = kept.row("pnl", (strategy, market_id))
        brought = _decimal(before, _RECEIVED) + more.get((strategy, market_id), ZERO)
        slug = touched.slugs.get((strategy, market_id)) or _text(before, _SLUG)
        cost = realized = fees = unexplained = ZERO
        for outcome in Outcome:
            line = state.holdings.get(PositionKey(strategy, market_id, outcome))
            if line is not None:
                totals = line.position.totals
                cost += totals.cost
                realized += totals.realized_pnl
                fees += totals.fees
                unexplained += totals.unexplained
        # Every movement changes the two sides alike, so that one sum is enough.
        # It is that of sales: there are fewer, for winners are held and redeemed.
        paid = brought - realized + cost
        yield (
            strategy,
            market_id,
            slug,
            text(paid),
            text(paid + fees),
            text(brought),
            text(cost),
            text(realized),
            text(fees),
            text(realized - fees),
            text(unexplained),
        )


def received(touched: Touched, kept: Kept) -> dict[tuple[str, str], Decimal]:
    """What a batch added to the pUSD received, per strategy and market.

    A void sale takes its part back, so the batch must not be among `kept` yet.
    """
    found = dict(touched.received)
    for order_id, trade_id in touched.trades:
        order = touched.orders[order_id][0]
        if order.side is _BUY:
            continue
        trade = order.trades[trade_id]
        more = _proceeds(trade.size, trade.price) if trade.is_live else ZERO
        if order_id not in touched.created:
            more -= _received_before(kept.row("trades", (order_id, trade_id)))
        key = (order.strategy, order.market_id)
        found[key] = found.get(key, ZERO) + more
    return found


def _received_before(row: Row | None) -> Decimal:
    if row is None or not row[_LIVE]:
        return ZERO
    return _proceeds(_decimal(row, _SIZE), _decimal(row, _PRICE))


def _proceeds(size: Decimal, price: Decimal) -> Decimal:
    """What the position books for a sale, to the same last digit."""
    return trade_movement(Side.SELL, size, price, ZERO).amount


def _text(row: Row | None, column: int) -> str:
    return "" if row is None else str(row[column] or "")


def _decimal(row: Row | None, column: int) -> Decimal:
    return ZERO if row is None else Decimal(str(row[column]))


PNL = Table(
    name="pnl",
    columns=_OWN,
    key=("strategy", "market_id"),
    rows=_rows,
)
"""One row per strategy and market, in pUSD.

`paid` and `received` are what shares cost and brought, fees apart; shares that
were transferred count at the cost they came or went with.
`paid_with_fees` is `paid + fees`, so that
`received - paid_with_fees = net - cost`.
`slug` is what an imported history calls the market, "" without one.
`unexplained` shares of either outcome left without having been seen to come.
`cost` is what the shares still held cost; `received - paid = realized_pnl - cost`.
`net` is `realized_pnl - fees`.
"""
