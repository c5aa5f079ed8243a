# ruff: noqa: ARG002 - it agrees to everything without looking
"""An executor that accepts everything at once: the ledger's own cost, alone."""

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal

from ledger.clock import Clock
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    LookedUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
)
from ledger.market import Market
from ledger.values import Outcome
from ledger.venue import (
    ExecutorInterface,
    Holdings,
    OpenOrders,
    PlacementRequest,
    PreparedOrder,
    VenueFact,
    VenueTrades,
)

_LIVE = PostAnswered(outcome=PostOutcome.LIVE)
_BASE = 1_000_000


class NullExecutor(ExecutorInterface):
    """Takes every order and never fills one; for benchmarks."""

    is_inline = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        """Build an unsigned order of exact amounts."""
        shares = int(request.size * _BASE)
        usdc = int(request.size * request.price * _BASE)
        return PreparedOrder(
            venue_order_id="0x" + request.order_id,
            size=request.size,
            maker_amount=usdc,
            taker_amount=shares,
            signed_order="{}",
        )

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        """Accept."""
        return _LIVE

    async def cancel(self, venue_order_id: str) -> CancelAnswered:
        """Cancel."""
        return CancelAnswered(outcome=CancelOutcome.CANCELED)

    async def get_order(self, venue_order_id: str) -> LookedUp:
        """Every order is live."""
        return LookedUp(found=LookupFound.LIVE)

    async def get_open_orders(self) -> OpenOrders:
        """List nothing, and say that the list is not complete."""
        return OpenOrders(as_of=self._clock.now(), orders=(), complete=False)

    async def get_trades(self, since: datetime) -> VenueTrades:
        """List nothing, and say that the list is not complete."""
        return VenueTrades(as_of=self._clock.now(), fills=(), complete=False)

    async def get_positions(self) -> Holdings:
        """List nothing, and say that the list is not complete."""
        return Holdings(as_of=self._clock.now(), positions=(), complete=False)

    async def facts(self) -> AsyncIterator[VenueFact]:
        """Say nothing."""
        return
        yield

    async def merge(self, market: Market, size: Decimal) -> str:
        """Agree."""
        return ""

    async def split(self, market: Market, size: Decimal) -> str:
        """Agree."""
        return ""

    async def redeem(self, market: Market, outcome: Outcome, size: Decimal) -> str:
        """Agree."""
        return ""

    async def close(self) -> None:
        """Hold nothing, release nothing."""
