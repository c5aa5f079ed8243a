"""Resolving what is open: look-ups by id and sweeps of all trades.

Only answered questions count; exposure stays reserved until there is proof.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from ledger import events as ev
from ledger.decide import (
    DustSeen,
    GiveUp,
    LookupFound,
    PostAgain,
    PostAnswered,
    PostOutcome,
    TradesSwept,
)
from ledger.errors import EvidenceMissingError, UnknownOrderError, VenueError
from ledger.manager.desk import Desk
from ledger.manager.following import Following
from ledger.order import Order
from ledger.values import TradingMode
from ledger.venue import PreparedOrder

_SWEEP_MARGIN = timedelta(seconds=60)
"""Trades are swept from a minute before the request: clocks differ."""

PostOrderAgain = Callable[[str, PreparedOrder, datetime], Awaitable[object]]


class Resolver:
    """Asks the venue about every order that is not closed."""

    def __init__(self, desk: Desk, following: Following) -> None:
        self._desk = desk
        self._following = following
        self._resolving = asyncio.Lock()

    async def recover(self, post_again: PostOrderAgain) -> None:
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
            if self._is_open_question(order)
        ]

    def _is_open_question(self, order: Order) -> bool:
        return (
            not order.is_proven
            and not order.is_never_placed
            and order.order_id not in self._desk.posting
        )

    async def resolve_open(self, post_again: PostOrderAgain) -> None:
        """Look up every order that is not closed, and sweep its trades."""
        async with self._resolving:
            await self._resolve_open(post_again)

    async def _resolve_open(self, post_again: PostOrderAgain) -> None:
        posting, journal = self._desk.posting, self._desk.journal
        orders = [o for o in journal.state.orders.values() if o.order_id not in posting]
        if not orders:
            return
        swept = await self._sweep(min(order.requested_at for order in orders))
        absent = [
            order.order_id
            for order in orders
            if journal.order(order.order_id).done_reason is None
            and await self.look_up(order.order_id) is LookupFound.NONE
        ]
        if not swept:
            return
        meta = self._desk.meta("sweep")
        for order_id in absent:
            # Only who was looked up in this round, and found nowhere, is judged.
            if self._is_open_question(journal.order(order_id)):
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

    async def look_up(self, order_id: str) -> LookupFound | None:
        """Ask for one order by id; `None` when nobody answered."""
        journal = self._desk.journal
        order = journal.order(order_id)
        try:
            found = await self._desk.executor.get_order(order.venue_order_id)
        except VenueError as error:
            self._desk.log.warning(
                "order.lookup_failed", order_id=order_id, text=str(error)
            )
            return None
        meta = self._desk.meta("lookup")
        await self._desk.record(order_id, found, meta)
        matched = journal.order(order_id).matched
        if found.found is LookupFound.MATCHED and found.size_matched == matched:
            dust = DustSeen(tolerance=self._desk.config.dust_tolerance)
            await self._desk.record(order_id, dust, meta)
        return found.found

    async def _conclude(self, order_id: str, post_again: PostOrderAgain) -> None:
        """Post an order again that the venue does not know, or give it up."""
        desk, order = self._desk, self._desk.journal.order(order_id)
        if not self._is_open_question(order):
            return
        if self._is_still_wanted(order):
            desk.metrics.count("reposts")
            # Said before it is sent: what was heard so far proves nothing of it.
            desk.posting[order_id] = []
            try:
                await desk.record(order_id, PostAgain(), desk.meta("inferred"))
            except BaseException:
                desk.posted(order_id)
                raise
            await post_again(order_id, self.prepared(order_id), order.requested_at)
            return
        spread = timedelta(milliseconds=desk.config.absence_spread_ms)
        meta = desk.meta("inferred", actor="reconciler")
        try:
            await desk.record(order_id, GiveUp(min_spread=spread), meta)
        except EvidenceMissingError:
            return
        desk.log.warning("order_failed", order_id=order_id, code="never_placed")

    def _is_still_wanted(self, order: Order) -> bool:
        """Whether an order that never arrived should go out after all."""
        now = self._desk.clock.now()
        return (
            self._desk.age_ms(order) < self._desk.config.order_timeout_ms
            and not order.is_cancel_requested
            and (order.expires_at is None or order.expires_at > now)
            and self._desk.journal.state.mode is TradingMode.NORMAL
        )

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
