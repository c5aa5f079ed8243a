"""Gives a fresh paper venue the memory that the ledger has."""

from datetime import datetime
from decimal import Decimal

from executors.paper import PaperExecutor
from ledger import events as ev
from ledger.market import Market
from ledger.position import in_micros
from ledger.state import LedgerState
from ledger.values import ZERO, Outcome, Side
from ledger.venue import Holdings


def restore(executor: PaperExecutor, state: LedgerState, now: datetime) -> None:
    """Rebuild the paper venue's memory from what the ledger knows."""
    orders = sorted(state.orders.values(), key=lambda order: order.order_id)
    markets = dict(state.markets)
    for key in state.holdings:
        # Imported history names markets that were never listed.
        stand_in = Market(
            market_id=key.market_id,
            yes_token=f"{key.market_id}:YES",
            no_token=f"{key.market_id}:NO",
        )
        markets.setdefault(key.market_id, stand_in)
    executor.restore(orders, settled_holdings(state, now), markets.values())
    for market_id, (yes, no) in state.payouts.items():
        if market_id in markets:
            payouts = {Outcome.YES: yes, Outcome.NO: no}
            executor.on_resolved(markets[market_id], payouts)


def settled_holdings(state: LedgerState, now: datetime) -> Holdings:
    """What the account holds on chain: trades that are not confirmed left out.

    A trade moves the ledger's cash and a sale its shares when it is matched, the
    chain's when it is confirmed.
    """
    cash = state.cash
    shares: dict[tuple[str, Outcome], Decimal] = {
        token: believed.settled for token, believed in state.believed().items()
    }
    for order in state.orders.values():
        for trade in order.trades.values():
            if not trade.is_live or trade.is_final:
                continue
            notional = in_micros(trade.size * trade.price)
            if order.side is Side.BUY:
                cash += notional + trade.fee
            else:
                cash -= notional - trade.fee
                token = (order.market_id, order.outcome)
                shares[token] = shares.get(token, ZERO) + trade.size
    positions = tuple(
        ev.ObservedPosition(market_id=market_id, outcome=outcome, size=size)
        for (market_id, outcome), size in sorted(shares.items())
        if size > ZERO
    )
    return Holdings(as_of=now, positions=positions, cash=cash)
