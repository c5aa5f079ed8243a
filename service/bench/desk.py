"""A ledger with a null executor on a real file, for benchmarks."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

from executors.null import NullExecutor
from ledger.book import OrderBook
from ledger.intent import OrderIntent, UserFill
from ledger.manager import Journal, OrderManager
from ledger.market import Market
from ledger.risk import RiskConfig, RiskLimits, RiskManager
from ledger.slippage import SlippageConfig, SlippageGuard
from ledger.store import LedgerStore
from ledger.values import Outcome, Settlement, Side

PRICE: Final = Decimal("0.45")
SIZE: Final = Decimal(10)
FEE: Final = Decimal("0.17325")
MARKET: Final = Market(
    market_id="0x" + "ab" * 32,
    yes_token="1" * 77,
    no_token="2" * 77,
    fee_rate=Decimal("0.07"),
)
_PLENTY: Final = Decimal(10**9)

RISK: Final = RiskConfig(
    account=RiskLimits(
        max_order_notional=_PLENTY,
        max_gross_exposure=_PLENTY,
        max_open_orders=10**6,
        max_consecutive_rejects=50,
        max_consecutive_failures=10,
    ),
    default_strategy=RiskLimits(max_position=_PLENTY, max_daily_loss=_PLENTY),
    default_market=RiskLimits(min_price=Decimal("0.01"), max_price=Decimal("0.99")),
)
"""Limits of each kind, wide enough never to bind."""


class WallClock:
    """The real clock."""

    def now(self) -> datetime:
        """The wall clock, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds for durations."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class DeepBook:
    """One book with depth for everybody."""

    def __init__(self) -> None:
        self._book = OrderBook(
            MARKET.yes_token,
            bids=[(Decimal("0.44"), _PLENTY)],
            asks=[(PRICE, _PLENTY)],
        )

    def book(self, token_id: str) -> OrderBook | None:  # noqa: ARG002 - a port
        """The book, whichever token is asked for."""
        return self._book


def open_store(folder: Path) -> LedgerStore:
    """A store in a folder, made if absent."""
    return LedgerStore.open(
        folder / "ledger.db",
        clock_us=lambda: int(datetime.now(UTC).timestamp() * 1_000_000),
        entropy=os.urandom,
    )


@asynccontextmanager
async def open_manager(folder: Path) -> AsyncIterator[OrderManager]:
    """A manager over a fresh ledger, with cash and one market."""
    journal = Journal(
        open_store(folder), account="bench", threaded=True, checkpoint_every=10**9
    )
    clock = WallClock()
    manager = OrderManager(
        journal,
        NullExecutor(clock),
        DeepBook(),
        risk=RiskManager(RISK),
        slippage=SlippageGuard(SlippageConfig()),
        clock=clock,
        rng=Random(1),  # noqa: S311 - ids, not secrets
    )
    await manager.account.move_cash(_PLENTY, "deposit")
    await manager.account.list_market(MARKET)
    try:
        yield manager
    finally:
        await journal.close()


def intent(strategy: str, number: int) -> OrderIntent:
    """One intent of a strategy."""
    return OrderIntent(
        strategy=strategy,
        idempotency_key=f"k{number}",
        market_id=MARKET.market_id,
        outcome=Outcome.YES,
        side=Side.BUY,
        size=SIZE,
        price=PRICE,
    )


async def run_orders(manager: OrderManager, *, strategies: int, orders: int) -> None:
    """Take `orders` per strategy from intent to confirmation."""

    async def one(strategy: str) -> None:
        for number in range(orders):
            result = await manager.place(intent(strategy, number))
            assert result.order is not None, result.error
            trade = f"{strategy}-{number}"
            await manager.on_fill(
                UserFill(
                    trade_id=trade,
                    order_id=result.order.venue_order_id,
                    size=SIZE,
                    price=PRICE,
                    fee=FEE,
                )
            )
            await manager.on_chain_confirmation(
                result.order.order_id, trade, "0xabc", Settlement.CONFIRMED
            )

    await asyncio.gather(*(one(f"s{index}") for index in range(strategies)))
