"""The command API in this process: intents in, orders and their fate out.

Every step that the outside world can see comes after the commit of the event
that explains it.
"""

import asyncio
from datetime import timedelta
from random import Random

from ledger.clock import Clock
from ledger.manager.account import AccountDesk
from ledger.manager.batch import BatchPlacement
from ledger.manager.cancellation import Cancellation
from ledger.manager.desk import Desk
from ledger.manager.following import Following
from ledger.manager.journal import Journal
from ledger.manager.metrics import Metrics, NoMetrics
from ledger.manager.placement import Placement, Preview
from ledger.manager.reconciler import Reconciler, ReconciliationResult
from ledger.manager.resolver import Resolver
from ledger.manager.results import (
    BookSource,
    ManagerConfig,
    OrderError,
    OrderResult,
)
from ledger.manager.settlements import SettlementWatch
from ledger.order import Order, snapshot
from ledger.risk import RiskManager
from ledger.slippage import SlippageGuard
from ledger.values import Phase
from ledger.venue import ExecutorInterface

__all__ = [
    "AccountDesk",
    "BookSource",
    "Journal",
    "ManagerConfig",
    "Metrics",
    "NoMetrics",
    "OrderError",
    "OrderManager",
    "OrderResult",
    "Preview",
    "Reconciler",
    "ReconciliationResult",
]


class OrderManager:
    """Places, cancels and follows orders; the only one who talks to the venue.

    `account` holds what is not about one order: cash, splits and merges,
    markets, the trading mode.
    """

    def __init__(  # noqa: PLR0913
        self,
        journal: Journal,
        executor: ExecutorInterface,
        books: BookSource,
        *,
        risk: RiskManager,
        slippage: SlippageGuard,
        clock: Clock,
        rng: Random,
        config: ManagerConfig | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.journal = journal
        self.executor = executor
        self.desk = Desk(
            journal,
            executor,
            clock=clock,
            rng=rng,
            config=config or ManagerConfig(),
            metrics=metrics or NoMetrics(),
        )
        self.account = AccountDesk(self.desk)
        self._placement = Placement(self.desk, books, risk=risk, slippage=slippage)
        self._following = Following(self.desk)
        self._resolver = Resolver(self.desk, self._following)
        self._settlements = SettlementWatch(self.desk)
        self._cancellation = Cancellation(self.desk, self._resolver)
        self._batches = BatchPlacement(self.desk, self._placement)
        self.place = self._placement.place
        self.place_batch = self._batches.place
        self.preview = self._placement.preview
        self.cancel = self._cancellation.cancel
        self.cancel_all = self._cancellation.cancel_all
        self.on_fill = self._following.on_fill
        self.on_chain_confirmation = self._following.on_chain_confirmation
        self.apply = self._following.apply

    async def recover(self) -> None:
        """Ask the venue about everything whose outcome is open, after a start.

        Cancels that were asked for and never answered are asked again.
        """
        await self._resolver.recover(self._placement.post)
        for order in self.open_orders():
            if order.is_cancel_requested:
                await self.cancel(order.order_id, reason="restart")

    async def resolve_open(self) -> None:
        """Look up every order that is not closed, and sweep its trades."""
        await self._resolver.resolve_open(self._placement.post)

    async def resolve_due(self) -> int:
        """Look up the orders whose next check has come; how many they were.

        What is not wanted any more is cancelled; trades that do not settle in time
        are raised as drifts.
        """
        asked = await self._resolver.resolve_due(self._placement.post)
        await asyncio.gather(*map(self._cancellation.withdraw, asked))
        await self._settlements.watch()
        return len(asked)

    def overdue_checks(self, by: timedelta) -> int:
        """How many orders should have been asked about so long ago."""
        return self._resolver.overdue(by)

    def open_orders(self) -> list[Order]:
        """Orders that may still match, oldest first."""
        orders = self.journal.state.orders.values()
        return [snapshot(order) for order in orders if order.phase is not Phase.DONE]
