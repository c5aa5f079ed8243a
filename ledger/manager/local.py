"""The command API in this process, as strategies see it."""

from decimal import Decimal

from ledger.api import PositionView
from ledger.intent import OrderIntent
from ledger.manager import OrderManager
from ledger.manager.results import OrderResult
from ledger.order import Order
from ledger.position import PositionKey
from ledger.values import Outcome


class LocalAPI:
    """`CommandAPI` over an `OrderManager` of the same process."""

    def __init__(self, manager: OrderManager) -> None:
        self._manager = manager

    async def place(self, intent: OrderIntent) -> OrderResult:
        """Place one order, once per key."""
        return await self._manager.place(intent)

    async def cancel(self, order_id: str) -> OrderResult:
        """Cancel one order."""
        return await self._manager.cancel(order_id)

    async def cancel_all(
        self, market_id: str | None = None, strategy: str | None = None
    ) -> list[OrderResult]:
        """Cancel every open order, of one market or strategy if given."""
        return await self._manager.cancel_all(market_id, strategy)

    async def open_orders(self, strategy: str) -> list[Order]:
        """The strategy's orders that may still match, oldest first."""
        return [o for o in self._manager.open_orders() if o.strategy == strategy]

    async def position(
        self, strategy: str, market_id: str, outcome: Outcome
    ) -> PositionView:
        """The strategy's shares of one outcome."""
        state = self._manager.journal.state
        line = state.holdings.get(PositionKey(strategy, market_id, outcome))
        if line is None:
            return PositionView(strategy=strategy, market_id=market_id, outcome=outcome)
        totals = line.position.totals
        return PositionView(
            strategy=strategy,
            market_id=market_id,
            outcome=outcome,
            shares=totals.shares,
            sellable=line.position.settled_shares - line.open_sells,
            open_buys=line.open_buys,
            avg_price=line.position.avg_price,
            realized_pnl=totals.realized_pnl,
            fees=totals.fees,
        )

    async def merge(self, strategy: str, market_id: str, size: Decimal) -> None:
        """Turn complete pairs into pUSD."""
        await self._manager.account.merge(strategy, market_id, size)

    async def redeem(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        """Turn settled shares of a resolved outcome into pUSD."""
        return await self._manager.account.redeem(strategy, market_id, outcome)
