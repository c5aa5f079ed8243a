"""Resolving what is open: look-ups by id and sweeps of all trades.

Only answered questions count; exposure stays reserved until there is proof.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from ledger import events as ev
from ledger.decide import (
    DustSeen,
    GiveUp,
    LookedUp,
    LookupFound,
    PostAgain,
    PostAnswered,
    PostOutcome,
    TradesSwept,
)
from ledger.errors import EvidenceMissingError, UnknownOrderError, VenueError
from ledger.manager.checks import Checks
from ledger.manager.desk import Desk
from ledger.manager.following import Following
from ledger.order import Order
from ledger.values import TradingMode
from ledger.venue import PreparedOrder, VenueTrades

_SWEEP_MARGIN: Final = timedelta(seconds=60)
"""Trades are swept from a minute before the request: clocks differ."""

_OVERLAP: Final = timedelta(minutes=5)
"""The venue shows trades late, and not in the order of their matches."""

_SETTLING: Final = timedelta(hours=1)
"""The venue's time of a trade is that of its last change, at most so long after
its match."""

_LIST_FROM: Final = 6
"""Orders that are worth one question about all instead of one about each."""

_AT_ONCE: Final = 8
"""Look-ups under way at the same time."""

PostOrderAgain = Callable[[str, PreparedOrder, datetime], Awaitable[object]]


class Resolver:
    """Asks the venue about every order that is not closed."""

    def __init__(self, desk: Desk, following: Following) -> None:
        self._desk = desk
        self._following = following
        self._resolving = asyncio.Lock()
        self._asking = asyncio.Semaphore(_AT_ONCE)
        self._checks = Checks(self._last_news)
        self._swept_to: datetime | None = None
        self._is_behind = False

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
            orders = self._resolvable()
            await self._resolve(orders, post_again, is_sweeping=bool(orders))

    async def resolve_due(self, post_again: PostOrderAgain) -> list[str]:
        """As `resolve_open`, for the orders whose next check has come.

        Returns:
            The orders that were asked about.
        """
        async with self._resolving:
            orders = self._resolvable()
            if self._following.is_behind:
                # The order is closed, so that no check of its own will tell.
                self._following.is_behind = False
                await self._sweep(self._sweep_start(orders))
            due = self._checks.due(orders, self._desk.clock.now())
            known = {order.order_id: order for order in orders}
            asked, now = [known[order_id] for order_id in due], self._desk.clock.now()
            needs_sweep = any(self._checks.needs_sweep(order, now) for order in asked)
            await self._resolve(asked, post_again, is_sweeping=needs_sweep)
            return due

    def overdue(self, by: timedelta) -> int:
        """How many orders should have been asked about so long ago."""
        now = self._desk.clock.now()
        return len(self._checks.due(self._resolvable(), now, by=by))

    def _resolvable(self) -> list[Order]:
        orders, posting = self._desk.journal.state.orders, self._desk.posting
        return [o for o in orders.values() if o.order_id not in posting]

    async def _resolve(
        self,
        orders: Sequence[Order],
        post_again: PostOrderAgain,
        *,
        is_sweeping: bool,
    ) -> None:
        if not orders:
            return
        # Kept apart from the orders themselves, which change and close meanwhile.
        order_ids = [order.order_id for order in orders]
        try:
            start = self._sweep_start(orders)
            swept = await self._sweep(start) if is_sweeping else None
            absent = await self._look_up_all(order_ids)
            if self._is_behind and (swept is None or not swept.complete):
                await self._sweep(start)
        finally:
            self._is_behind = False
            now = self._desk.clock.now()
            for order_id in order_ids:
                self._checks.checked(self._desk.journal.order(order_id), now)
        if swept is None:
            return
        meta = self._desk.meta("sweep")
        for order_id in absent:
            # Only who was looked up in this round, and found nowhere, is judged.
            order = self._desk.journal.order(order_id)
            is_absent = swept.proves_absence(order.venue_order_id)
            if is_absent and self._is_open_question(order):
                await self._desk.record(order_id, TradesSwept(), meta)
                await self._conclude(order_id, post_again)

    def _sweep_start(self, orders: Sequence[Order]) -> datetime:
        """How far back trades must be read to learn all about some orders.

        What a complete sweep has read before needs only an overlap; a trade that
        is settling is read again from its match on.
        """
        if self._swept_to is None:
            # Of all, asked about or not: what follows reads on from here.
            known = self._desk.journal.state.orders.values()
            times = (order.requested_at for order in (*known, *orders))
            return min(times, default=self._desk.clock.now() - _OVERLAP)
        starts = [_news_start(order) for order in orders]
        return min([self._swept_to - _OVERLAP, *filter(None, starts)])

    async def _sweep(self, since: datetime) -> VenueTrades | None:
        """Read all own trades since a time; `None` if nobody answered."""
        try:
            trades = await self._desk.executor.get_trades(since - _SWEEP_MARGIN)
        except VenueError as error:
            self._desk.log.warning("trades.sweep_failed", text=str(error))
            return None
        for fill in trades.fills:
            await self._following.on_fill(fill, source="sweep")
        if trades.complete:
            self._swept_to = trades.as_of
        return trades

    async def _look_up_all(self, order_ids: Sequence[str]) -> list[str]:
        """Ask about orders; those that the venue answered not to have."""
        journal = self._desk.journal
        asked = [i for i in order_ids if journal.order(i).done_reason is None]
        if len(asked) >= _LIST_FROM:
            listed = await self._list_live(asked)
            asked = [order_id for order_id in asked if order_id not in listed]
        absent = []
        for first in range(0, len(asked), _AT_ONCE):
            some = asked[first : first + _AT_ONCE]
            found = await asyncio.gather(*map(self.look_up, some))
            absent += [
                order_id
                for order_id, what in zip(some, found, strict=True)
                if what is LookupFound.NONE
            ]
        return absent

    async def _list_live(self, order_ids: Sequence[str]) -> set[str]:
        """Find many orders by one question: those that the venue lists as live."""
        try:
            listed = await self._desk.executor.get_open_orders()
        except VenueError as error:
            self._desk.log.warning("orders.list_failed", text=str(error))
            return set()
        live = {order.venue_order_id: order for order in listed.orders}
        meta, found = self._desk.meta("lookup"), set()
        for order_id in order_ids:
            theirs = live.get(self._desk.journal.order(order_id).venue_order_id)
            if theirs is None:
                continue  # not listed proves nothing: it is asked for by its id
            fact = LookedUp(found=LookupFound.LIVE, size_matched=theirs.size_matched)
            await self._desk.record(order_id, fact, meta)
            self._note_matched(order_id, theirs.size_matched)
            found.add(order_id)
        return found

    async def hear_fills(self, order_id: str) -> None:
        """Sweep trades if the venue matched more of an order than is known."""
        journal = self._desk.journal
        name = journal.order(order_id).venue_order_id
        try:
            async with self._asking:
                found = await self._desk.executor.get_order(name)
        except VenueError as error:
            self._desk.log.warning(
                "order.lookup_failed", order_id=order_id, text=str(error)
            )
            return
        order = journal.order(order_id)
        if found.size_matched and found.size_matched > order.matched:
            await self._sweep(self._sweep_start([order]))

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
        self._note_matched(order_id, found.size_matched)
        if found.found is LookupFound.MATCHED and found.size_matched == matched:
            dust = DustSeen(tolerance=self._desk.config.dust_tolerance)
            await self._desk.record(order_id, dust, meta)
        return found.found

    def _note_matched(self, order_id: str, size_matched: Decimal | None) -> None:
        """Note that the venue knows of a trade that we have not heard of."""
        if size_matched and size_matched > self._desk.journal.order(order_id).matched:
            self._is_behind = True

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
                if not order.is_outcome_unknown:
                    # What the next answer refuses is that post, not this one.
                    lost = PostAnswered(outcome=PostOutcome.UNKNOWN, text="restart")
                    await desk.record(order_id, lost, desk.meta("inferred"))
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
            and order.refusal is None  # said of a repost: the venue will not have it
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

    def _last_news(self, order: Order) -> datetime:
        """When the log last heard of an order, empty answers aside."""
        stored = self._desk.journal.store.read_stream(ev.order_stream(order.order_id))
        for recorded in reversed(stored):
            if not isinstance(recorded.event, ev.OrderProbed):
                return recorded.event.at
        return order.requested_at


def _news_start(order: Order) -> datetime | None:
    """From when on there may be news of an order's trades; `None` for any time."""
    if not order.is_answered:
        return order.requested_at
    times = [t.timed[0] for t in order.trades.values() if not t.is_final]
    if not times:
        return None
    if not min(times):  # a trade that the venue gave no time
        return order.requested_at
    latest = datetime.fromtimestamp(min(times) / 1000, UTC)
    return max(order.requested_at, latest - _SETTLING)
