"""The read models of a ledger that the manager itself has written."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from executors.null import NullExecutor
from ledger.intent import OrderIntent, UserFill
from ledger.manager import Journal, OrderManager
from ledger.market import Market
from ledger.risk import RiskConfig, RiskManager
from ledger.slippage import SlippageConfig, SlippageGuard
from ledger.values import Outcome, Settlement, Side
from projections import ReadModels, check_domain
from tests.integration.projections.histories import ACCOUNT, START, opened

MARKET = Market(market_id="0xm", yes_token="1", no_token="2")


class HandClock:
    """Moves a millisecond each time it is asked."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        """The next moment."""
        self._now += timedelta(milliseconds=1)
        return self._now

    def monotonic(self) -> float:
        """Seconds since the start."""
        return (self.now() - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self._now += timedelta(seconds=seconds)
        await asyncio.sleep(0)


class NoBooks:
    """No market data: only post-only orders pass."""

    def book(self, token_id: str) -> None:
        """There is none."""


async def _trade(manager: OrderManager, number: int) -> None:
    intent = OrderIntent(
        strategy=f"s{number % 3}",
        idempotency_key=f"k{number}",
        market_id=MARKET.market_id,
        outcome=Outcome.YES,
        side=Side.BUY,
        size=Decimal(10),
        price=Decimal("0.45"),
        post_only=True,
    )
    result = await manager.place(intent)
    assert result.order is not None
    if number % 4 == 0:
        await manager.cancel(result.order.order_id)
        return
    fill = UserFill(
        trade_id=f"t{number}",
        order_id=result.order.venue_order_id,
        size=Decimal(10 if number % 2 else 4),
        price=Decimal("0.45"),
    )
    await manager.on_fill(fill)
    status = Settlement.FAILED if number % 5 == 0 else Settlement.CONFIRMED
    await manager.on_chain_confirmation(
        result.order.order_id, fill.trade_id, "0xabc", status
    )


async def test_rows_kept_up_while_trading_equal_rows_rebuilt(tmp_path: Path) -> None:
    """Through the real manager: what it records is what the rows live on."""
    clock = HandClock()
    journal = Journal(opened(tmp_path / "ledger.db"), account=ACCOUNT, threaded=False)
    manager = OrderManager(
        journal,
        NullExecutor(clock),
        NoBooks(),
        risk=RiskManager(RiskConfig()),
        slippage=SlippageGuard(SlippageConfig()),
        clock=clock,
        rng=Random(1),
    )
    with ReadModels(tmp_path / "kept.db", ACCOUNT, state_every=20) as models:
        await manager.account.move_cash(Decimal(1000), "deposit")
        await manager.account.list_market(MARKET)
        for number in range(24):
            await _trade(manager, number)
            models.catch_up(journal.store, batch=3)
        held = manager.journal.state
        [account] = models.query("account")
        assert Decimal(account["cash"]) == held.cash
        assert Decimal(account["reserved_cash"]) == held.reserved_cash
        open_ids = [order.order_id for order in manager.open_orders()]
        assert [row["order_id"] for row in models.query("open_orders")] == open_ids
        kept = models.dump()
        models.rebuild(journal.store)
        assert models.dump() == kept
        assert check_domain(journal.store, models=models) == []
    await journal.close()
