"""The exchange's own books: read inside a test, or from what an operator is shown."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from executors.exchange.api import ExchangeApp
from executors.exchange.engine import UNIT, ExchangeMarket
from ledger.values import Settlement
from tests.reliability.chaos.audit import Fill, Key, Truth


def seen_inside(app: ExchangeApp, address: str) -> Truth:
    """Read an exchange of this process, fees of single trades included."""
    exchange = app.exchange
    orders = {
        row["id"]: row
        for row in map(exchange.order, app.venue.placed)
        if row is not None and row["maker_address"].lower() == address.lower()
    }
    fills: dict[Key, Fill] = {}
    # Only the engine itself knows what was charged.
    for trade in exchange._clearing.trades.values():
        for leg in trade.legs:
            if leg.order.wallet == address.lower():
                fills[trade.trade_id, leg.order.order_id] = Fill(
                    _units(leg.shares),
                    _units(leg.price),
                    _units(leg.fee),
                    trade.status,
                )
    markets = exchange.markets()
    tokens = [token for market in markets for token in market.tokens]
    return Truth(
        orders=orders,
        fills=fills,
        cash=_units(exchange.balance(address).balance),
        shares={t: _units(exchange.balance(address, t).balance) for t in tokens},
        markets=markets,
        knows=lambda name: exchange.order(name) is not None,
    )


def shown(
    state: Mapping[str, Any], address: str, markets: Iterable[ExchangeMarket]
) -> Truth:
    """Read the answer to `GET /admin/state`."""
    ours = address.lower()
    orders = {
        row["id"]: row
        for row in state["orders"]
        if row is not None and row["maker_address"].lower() == ours
    }
    fills: dict[Key, Fill] = {}
    for row in state["trades"]:
        status = Settlement(row["status"])
        parts = [(row["taker_order_id"], row["maker_address"], row["size"], row)]
        parts += [
            (maker["order_id"], maker["maker_address"], maker["matched_amount"], maker)
            for maker in row["maker_orders"]
        ]
        for order_id, wallet, size, part in parts:
            if wallet.lower() == ours:
                fill = Fill(Decimal(size), Decimal(part["price"]), None, status)
                fills[row["id"], order_id] = fill
    balance = state["balances"][ours]
    return Truth(
        orders=orders,
        fills=fills,
        cash=Decimal(balance["cash"]),
        shares={token: Decimal(held) for token, held in balance["shares"].items()},
        markets=markets,
        # Killed orders are not shown; who was told of one is believed.
        knows=lambda _name: True,
    )


def _units(amount: int) -> Decimal:
    return Decimal(amount) / UNIT
