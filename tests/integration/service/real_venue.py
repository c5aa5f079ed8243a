"""A venue as the live executor shows it: it starts, holds cash, and speaks."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from config import Settings
from executors.null import NullExecutor
from ledger.clock import Clock
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    LookedUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
)
from ledger.errors import OutcomeUnknownError
from ledger.events import ObservedOrder, ObservedPosition
from ledger.intent import UserFill
from ledger.manager import Journal
from ledger.venue import (
    Holdings,
    OpenOrders,
    PlacementRequest,
    PreparedOrder,
    VenueFact,
    VenueTrades,
)

FUNDER = "0x" + "12" * 20
KEY = "0x" + "34" * 32


class RealVenue(NullExecutor):
    """Outlives the processes that trade there, as a real one does."""

    is_inline = False

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.steps: list[str] = []
        self.cash: Decimal | None = Decimal("250.5")
        self.positions: tuple[ObservedPosition, ...] = ()
        self.start_error: Exception | None = None
        self.is_silent = False
        self.is_losing_answers = False
        self.orders: dict[str, ObservedOrder] = {}
        self.trades: list[UserFill] = []
        self.said: asyncio.Queue[VenueFact | None] = asyncio.Queue()
        self._asked: dict[str, PlacementRequest] = {}

    def of(
        self, settings: Settings, clock: Clock, data: Path, journal: Journal
    ) -> "RealVenue":
        """What `open_ledger` takes; each process has a connection of its own."""
        self.said = asyncio.Queue()
        return self

    async def start(self) -> None:
        self.steps.append("start")
        if self.start_error is not None:
            raise self.start_error

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        prepared = await super().prepare(request)
        self._asked[prepared.venue_order_id] = request
        return prepared

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        self.steps.append("post")
        asked = self._asked[prepared.venue_order_id]
        self.orders[prepared.venue_order_id] = ObservedOrder(
            venue_order_id=prepared.venue_order_id,
            market_id=asked.market.market_id,
            token_id=asked.market.token(asked.outcome),
            side=asked.side,
            price=asked.price,
            size=prepared.size,
            size_matched=Decimal(0),
        )
        if self.is_losing_answers:
            return PostAnswered(outcome=PostOutcome.UNKNOWN, text="timeout")
        return PostAnswered(outcome=PostOutcome.LIVE)

    async def cancel(self, venue_order_id: str) -> CancelAnswered:
        self.steps.append("cancel")
        if self.orders.pop(venue_order_id, None) is None:
            return CancelAnswered(outcome=CancelOutcome.NOT_CANCELED)
        return CancelAnswered(outcome=CancelOutcome.CANCELED)

    async def get_order(self, venue_order_id: str) -> LookedUp:
        self._ask("lookup")
        is_there = venue_order_id in self.orders
        return LookedUp(found=LookupFound.LIVE if is_there else LookupFound.NONE)

    async def get_open_orders(self) -> OpenOrders:
        self._ask("orders")
        return OpenOrders(as_of=self.clock.now(), orders=tuple(self.orders.values()))

    async def get_trades(self, since: datetime) -> VenueTrades:
        self._ask("trades")
        return VenueTrades(as_of=self.clock.now(), fills=tuple(self.trades))

    async def get_positions(self) -> Holdings:
        self._ask("positions")
        return Holdings(
            as_of=self.clock.now(), positions=self.positions, cash=self.cash
        )

    async def facts(self) -> AsyncIterator[VenueFact]:
        while (fact := await self.said.get()) is not None:
            yield fact

    async def close(self) -> None:
        self.said.put_nowait(None)

    def _ask(self, what: str) -> None:
        self.steps.append(what)
        if self.is_silent:
            raise OutcomeUnknownError("no answer")


def live_settings(**polymarket: object) -> Settings:
    """Real money, small and simulated."""
    return Settings.model_validate(
        {
            "execution": {"paper_trading": False, "order_timeout_ms": 1000},
            "polymarket": {"funder": FUNDER, "private_key": KEY, **polymarket},
        }
    )
