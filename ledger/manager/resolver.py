"""Resolving what is open: look-ups by id and sweeps of all trades.

Only answered questions count; exposure stays reserved until there is proof.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from ledger import events as ev
from ledger.decide import (
    DustSeen,
    GiveUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
    TradesSwept,
)
from ledger.errors import EvidenceMissingError, UnknownOrderError, VenueError
from ledger.manager.desk import Desk
from ledger.manager.following import Following
from ledger.venue import PreparedOrder

_SWEEP_MARGIN = timedelta(seconds=60)
"""Trades are swept from a minute before the request: clocks differ."""

PostAgain = Callable[[str, PreparedOrder, datetime], Awaitable[object]]


class Resolver:
    """Asks the venue about every order that is not closed."""

    def __init__(self, desk: Desk, following: Following) -> None:
        self._desk = desk
        self._following = following

    async def recover(self, post_again: PostAgain) -> None:
        """Ask the venue about everything whose outcome is open, after a start.

        Orders that were prepared and never answered are looked up first; what
        the venue provably never had is posted again, the same bytes, while the
        intent is young enough.
        """
        meta = self._desk.meta("inferred", causation="restart")
        unknown = PostAnswered(outcome=PostOutcome.UNKNOWN, text="restart")
        for order_id in self._unproven():
            await self._desk.record(order_id, unknown, meta)
        await self.resolve_open(post_again)

    def _unproven(self) -> list[str]:
        return [
            order.order_id
            for order in self._desk.journal.state.orders.values()
            if not order.is_proven
            and not order.is_never_placed
            and order.order_id not in self._desk.posting
        ]

    async def resolve_open(self, post_again: PostAgain) -> None:
        """Look up every order that is not closed, and sweep its trades."""
        orders = [
            order
            for order in self._desk.journal.state.orders.values()
            if order.order_id not in self._desk.posting
        ]
        if not orders:
            return
        swept = await self._sweep(min(order.requested_at for order in orders))
        for order in orders:
            if self._desk.journal.order(order.order_id).done_reason is None:
                await self.look_up(order.order_id)
        if not swept:
            return
        meta = self._desk.meta("sweep")
        for order_id in self._unproven():
            await self._desk.record(order_id, TradesSwept(), meta)
            await self._conclude(order_id, post_again)

    async def _sweep(self, since: datetime) -> bool:
        """Read all own trades since a time; whether the answer was complete."""
        try:
            trades = await self._desk.executor.get_trades(since - _SWEEP_MARGIN)
        except VenueError as error:
            self._desk.log.warning("trades.sweep_failed", text=str(error))
            return False
        for fill in trades.fills:
            await self._following.on_fill(fill, source="sweep")
        return trades.complete

    async def look_up(self, order_id: str) -> None:
        """Ask for one order by id; only an answer counts."""
        journal = self._desk.journal
        order = journal.order(order_id)
        try:
            found = await self._desk.executor.get_order(order.venue_order_id)
        except VenueError as error:
            self._desk.log.warning(
                "order.lookup_failed", order_id=order_id, text=str(error)
            )
            return
        meta = self._desk.meta("lookup")
        await self._desk.record(order_id, found, meta)
        matched = journal.order(order_id).matched
        if found.found is LookupFound.MATCHED and found.size_matched == matched:
            dust = DustSeen(tolerance=self._desk.config.dust_tolerance)
            await self._desk.record(order_id, dust, meta)

    async def _conclude(self, order_id: str, post_again: PostAgain) -> None:
        """Post an order again that the venue does not know, or give it up."""
        order = self._desk.journal.order(order_id)
        config = self._desk.config
        young = self._desk.age_ms(order) < config.order_timeout_ms
        if young and not order.is_cancel_requested:
            self._desk.metrics.count("reposts")
            await post_again(order_id, self.prepared(order_id), order.requested_at)
            return
        spread = timedelta(milliseconds=config.absence_spread_ms)
        meta = self._desk.meta("inferred", actor="reconciler")
        try:
            await self._desk.record(order_id, GiveUp(min_spread=spread), meta)
        except EvidenceMissingError:
            return
        self._desk.log.warning("order_failed", order_id=order_id, code="never_placed")

    def prepared(self, order_id: str) -> PreparedOrder:
        """The stored signed order; it never leaves the process."""
        for stored in self._desk.journal.store.read_stream(ev.order_stream(order_id)):
            event = stored.event
            if isinstance(event, ev.OrderPrepared):
                return PreparedOrder(
                    venue_order_id=event.venue_order_id,
                    size=event.size,
                    maker_amount=event.maker_amount,
                    taker_amount=event.taker_amount,
                    signed_order=event.signed_order,
                )
        raise UnknownOrderError(order_id)
