"""What a strategy may use: commands and its own view, nothing behind them.

The in-process manager and a remote client both satisfy it, so that a strategy
does not know where the ledger runs.
"""

from decimal import Decimal
from typing import Protocol

import msgspec

from ledger.intent import OrderIntent
from ledger.manager.results import OrderResult
from ledger.order import Order
from ledger.values import ZERO, Outcome


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's shares of one outcome.

    `sellable` are settled shares that no open SELL holds; `open_buys` shares
    that open BUYs may still buy.
    """

    strategy: str
    market_id: str
    outcome: Outcome
    shares: Decimal = ZERO
    sellable: Decimal = ZERO
    open_buys: Decimal = ZERO
    avg_price: Decimal | None = None
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO


class CommandAPI(Protocol):
    """Commands and views of one ledger."""

    async def place(self, intent: OrderIntent) -> OrderResult:
        """Place one order, once per key."""
        ...

    async def cancel(self, order_id: str) -> OrderResult:
        """Cancel one order."""
        ...

    async def cancel_all(
        self, market_id: str | None = None, strategy: str | None = None
    ) -> list[OrderResult]:
        """Cancel every open order, of one market or strategy if given."""
        ...

    async def open_orders(self, strategy: str) -> list[Order]:
        """The strategy's orders that may still match, oldest first."""
        ...

    async def position(
        self, strategy: str, market_id: str, outcome: Outcome
    ) -> PositionView:
        """The strategy's shares of one outcome."""
        ...

    async def merge(self, strategy: str, market_id: str, size: Decimal) -> None:
        """Turn complete pairs into pUSD."""
        ...

    async def redeem(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        """Turn settled shares of a resolved outcome into pUSD."""
        ...
