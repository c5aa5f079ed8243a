"""The paper venue and the ledger count the same pUSD, to the last digit."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from executors.paper.records import PaperTrade
from ledger import events as ev
from ledger.order import Order
from ledger.position import trade_movement
from ledger.state import LedgerState
from ledger.values import Outcome, Role, Settlement, Side, TimeInForce
from service.restoring import settled_holdings

NOW = datetime(2026, 9, 19, tzinfo=UTC)
FINE = [("3.333333", "0.37"), ("0.000007", "0.123"), ("12.34", "0.37")]


def _never(order_id: str, version: int) -> Order:
    raise AssertionError(order_id, version)


@pytest.mark.parametrize(("size", "price"), FINE)
@pytest.mark.parametrize("side", Side)
def test_a_trade_moves_what_the_ledger_books(size: str, price: str, side: Side) -> None:
    """A millionth apart, and every comparison of cash would find a difference."""
    trade = PaperTrade(
        trade_id="t1",
        venue_order_id="0x1",
        token_id="111",
        side=side,
        size=Decimal(size),
        price=Decimal(price),
        fee=Decimal(0),
        role=Role.TAKER,
        status=Settlement.MATCHED,
        status_ms=0,
        steps=[],
    )
    booked = trade_movement(side, trade.size, trade.price, trade.fee)
    assert trade.notional == booked.amount


@pytest.mark.parametrize(("size", "price"), FINE)
@pytest.mark.parametrize("side", Side)
def test_an_unconfirmed_trade_leaves_the_cash_on_chain_alone(
    size: str, price: str, side: Side
) -> None:
    """The chain's cash moves at the confirmation, by the very amount booked."""
    state = LedgerState("main", _never)
    cash = ev.CashMoved(at=NOW, amount=Decimal(50), reason="deposit")
    state.apply(ev.account_stream("main"), 1, cash)
    about = {
        "strategy": "alpha",
        "market_id": "0xm",
        "outcome": Outcome.YES,
        "side": side,
        "size": Decimal(size),
        "price": Decimal(price),
    }
    asked = ev.OrderRequested(
        at=NOW,
        idempotency_key="k",
        fingerprint="f",
        token_id="111",
        time_in_force=TimeInForce.GTC,
        **about,  # type: ignore[arg-type]
    )
    fill = ev.FillMatched(
        at=NOW,
        trade_id="t1",
        fee=Decimal("0.01"),
        role=Role.TAKER,
        **about,  # type: ignore[arg-type]
    )
    state.apply(ev.order_stream("o1"), 1, asked)
    state.apply(ev.order_stream("o1"), 2, fill)
    assert state.cash != Decimal(50)
    assert settled_holdings(state, NOW).cash == Decimal(50)
