"""A venue in memory that keeps its own books, whatever becomes of its answers.

It answers look-ups and sweeps truthfully; answers to posts and cancels are lost
when it is told so, after or before they took effect.
"""

import asyncio
from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

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
from ledger.intent import UserFill
from ledger.values import ZERO, EndReason, Settlement
from ledger.venue import PlacementRequest, PreparedOrder, VenueTrades

FEE: Final = Decimal("0.01")
"""What each trade costs in pUSD."""


class VenueOrder(msgspec.Struct):
    """An order as the venue has it; `ended` is why it works no more."""

    size: Decimal
    price: Decimal
    matched: Decimal = ZERO
    ended: EndReason | None = None

    @property
    def is_live(self) -> bool:
        return self.ended is None and self.matched < self.size


class VenueTrade(msgspec.Struct):
    """A trade as the venue has it."""

    order_id: str
    size: Decimal
    price: Decimal
    status: Settlement = Settlement.MATCHED


class HonestVenue(NullExecutor):
    """Keeps orders and trades; how it answers the next posts is laid out in
    `script`, and all others as `otherwise`.

    Answers to a post: live, matched (in full), killed, refused, busy (nothing was
    processed), lost (nothing arrived), taken (it arrived, the answer is lost),
    dead and dead-taken (the same, and the caller dies waiting).
    """

    is_inline = False

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._time = clock
        self.orders: dict[str, VenueOrder] = {}
        self.trades: dict[str, VenueTrade] = {}
        self.prices: dict[str, Decimal] = {}
        self.script: list[str] = []
        self.otherwise = "live"
        self.cancel_script = "canceled"
        self.posts: Counter[str] = Counter()
        self.is_resent_safely: dict[str, bool] = {}
        self.asked: dict[str, set[str]] = {}
        # Kept, not raised: whoever posts takes an exception for a lost answer.
        self.faults: list[str] = []

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        await asyncio.sleep(0)
        prepared = await super().prepare(request)
        self.prices[prepared.venue_order_id] = request.price
        return prepared

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        name = prepared.venue_order_id
        is_proven = self.asked.get(name) == {"lookup", "sweep"}
        if name in self.orders:
            self.faults.append(f"{name} was posted again, and the venue has it")
        elif self.posts[name] and not (self.is_resent_safely[name] or is_proven):
            self.faults.append(f"{name} was posted again blindly")
        self.posts[name] += 1
        answer = self.script.pop(0) if self.script else self.otherwise
        self.is_resent_safely[name] = answer == "busy"
        self.asked[name] = set()
        if answer not in {"refused", "busy", "lost", "dead"}:
            price = self.prices[name]
            self.orders[name] = VenueOrder(prepared.size, price)
        if answer == "matched":
            self.match(name, prepared.size)
        elif answer == "killed":
            self.orders[name].ended = EndReason.KILLED
        elif answer.startswith("dead"):
            await asyncio.get_running_loop().create_future()
        return PostAnswered(outcome=_OUTCOMES.get(answer, PostOutcome.UNKNOWN))

    async def cancel(self, venue_order_id: str) -> CancelAnswered:
        order = self.orders.get(venue_order_id)
        if self.cancel_script == "lost":
            return CancelAnswered(outcome=CancelOutcome.UNKNOWN)
        if order is None or not order.is_live:
            return CancelAnswered(outcome=CancelOutcome.NOT_CANCELED, text="not live")
        order.ended = EndReason.CANCELLED
        if self.cancel_script == "taken":
            return CancelAnswered(outcome=CancelOutcome.UNKNOWN)
        return CancelAnswered(outcome=CancelOutcome.CANCELED)

    async def get_order(self, venue_order_id: str) -> LookedUp:
        order = self.orders.get(venue_order_id)
        if order is None:
            self.asked.setdefault(venue_order_id, set()).add("lookup")
            return LookedUp(found=LookupFound.NONE)
        found = LookupFound.LIVE
        if order.ended is not None:
            found = LookupFound.CANCELED
        elif not order.is_live:
            found = LookupFound.MATCHED
        return LookedUp(
            found=found,
            size_matched=order.matched,
            reason=order.ended or EndReason.VENUE,
        )

    async def get_trades(self, since: datetime) -> VenueTrades:
        for probes in self.asked.values():
            probes.add("sweep")
        fills = tuple(self.fill(trade) for trade in self.trades)
        return VenueTrades(as_of=self._time.now(), fills=fills)

    def match(self, name: str, size: Decimal) -> str:
        """Match a live order; the trade's id."""
        order = self.orders[name]
        order.matched += size
        trade = f"t{len(self.trades)}"
        self.trades[trade] = VenueTrade(name, size, order.price)
        return trade

    def fill(self, trade: str) -> UserFill:
        """A trade as a witness tells it now."""
        known = self.trades[trade]
        return UserFill(
            trade_id=trade,
            order_id=known.order_id,
            size=known.size,
            price=known.price,
            fee=FEE,
            status=known.status,
        )


_OUTCOMES: Final = {
    "live": PostOutcome.LIVE,
    "matched": PostOutcome.MATCHED,
    "killed": PostOutcome.KILLED,
    "refused": PostOutcome.REFUSED,
    "busy": PostOutcome.NOT_PROCESSED,
}
