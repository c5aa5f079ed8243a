"""The paper venue: deterministic, synchronous, told the time with every call.

The same calls with the same times, books and seed give the same facts.
Times are Unix milliseconds and never run backwards here: an earlier one counts
as the latest one seen.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from executors.paper.admission import NOT_READY_CODE, admit, fee_of, not_ready
from executors.paper.balances import CASH
from executors.paper.chain import Chain
from executors.paper.clearing import Clearing
from executors.paper.liquidity import MarketView
from executors.paper.records import (
    PaperConfig,
    PaperOrder,
    PaperRecord,
)
from executors.paper.resting import by_priority, filled_by_print, see_level
from executors.paper.restoring import record_of, trades_of, was_taken
from ledger.book import Level, OrderBook
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    LookedUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
)
from ledger.errors import VenueRejectedError
from ledger.events import ObservedOrder
from ledger.intent import UserFill
from ledger.market import Market
from ledger.order import Order
from ledger.values import (
    ONE,
    ZERO,
    EndReason,
    Outcome,
    Role,
    Side,
    TimeInForce,
)
from ledger.venue import Holdings, VenueFact

FOK_KILLED: Final = (
    "order couldn't be fully filled. FOK orders are fully filled or killed."
)
FAK_KILLED: Final = (
    "no orders found to match with FAK order."
    " FAK orders are partially filled or killed if no match is found."
)
NOT_FOUND: Final = "Order not found or already canceled"
ALREADY_MATCHED: Final = "order already matched"
NO_BOOK: Final = "No orderbook exists for the requested token id"
CANCELED: Final = "CANCELED"
CANCELED_RESOLVED: Final = "CANCELED_MARKET_RESOLVED"


class PaperVenue:
    """Matches orders against books and prints that come from outside.

    Our own orders never match each other: the venue's books do not show them.
    """

    def __init__(self, config: PaperConfig) -> None:
        self.config = config
        self._clearing = Clearing(config)
        self._account = self._clearing.account
        self._chain = Chain(self._account, config.run)
        self._views: dict[str, MarketView] = {}

    # What the market does

    def on_book(
        self, now_ms: int, token_id: str, book: OrderBook, market: Market
    ) -> None:
        """See a token's book; orders that it meets or crosses fill as makers.

        The book is read in place until the next one comes; one older than the
        market's newest says nothing.
        """
        self.advance(now_ms)
        assert token_id == book.token_id
        view = self._see_market(market)
        if self._chain.is_resolved(market.market_id) or not view.show(book):
            return
        for record in by_priority(self._clearing.resting(market.market_id)):
            self._see_book(view, record)

    def on_trade(  # noqa: PLR0913 -- the parts of a print
        self,
        now_ms: int,
        token_id: str,
        *,
        price: Decimal,
        size: Decimal,
        side: Side,
        at_ms: int | None = None,
    ) -> None:
        """See a printed trade; `side` is its taker's, `at_ms` the venue's time.

        It fills our orders on the side it hit.
        A print on one token is a print on the other, and counts once.
        """
        self.advance(now_ms)
        place = self._chain.place_of(token_id)
        if place is None:
            return
        market_id, outcome = place
        is_yes = outcome is Outcome.YES
        level = Level(price if is_yes else ONE - price, size)
        hit = side.opposite if is_yes else side
        at_ms = self._now_ms if at_ms is None else at_ms
        view = self._views.get(market_id)
        if view is None or view.is_echo(token_id, level, at_ms):
            return
        records = by_priority(
            record
            for record in self._clearing.resting(market_id)
            if record.order.yes_side is hit
        )
        for record, part in filled_by_print(records, level, self._now_ms):
            self._make(record, part)

    def on_tick(self, now_ms: int, market: Market) -> None:
        """See a market's changed grid or terms; resting orders stay."""
        self.advance(now_ms)
        self._see_market(market)

    def on_gap(self, market_id: str) -> None:
        """Distrust a market's book: no order is taken until the next one."""
        if market_id in self._views:
            self._views[market_id].hide()

    def on_resolved(
        self, now_ms: int, market: Market, payouts: Mapping[Outcome, Decimal]
    ) -> None:
        """See a market resolved: resting orders end, shares become redeemable.

        `payouts` is pUSD per share of each outcome.
        """
        self.advance(now_ms)
        self._see_market(market)
        self._chain.resolve(market, payouts)
        for record in self._clearing.resting(market.market_id):
            self._clearing.end(record, EndReason.MARKET_RESOLVED, CANCELED_RESOLVED)

    def advance(self, now_ms: int) -> None:
        """Let time pass: settlements and expiries happen at their own times."""
        self._clearing.advance(now_ms)

    def next_due_ms(self) -> int | None:
        """When something happens by itself next; `None` if nothing will."""
        return self._clearing.next_due_ms()

    def take_facts(self) -> list[VenueFact]:
        """Everything that happened since the last call, in order."""
        return self._clearing.take_facts()

    @property
    def has_facts(self) -> bool:
        """Whether `take_facts` would give any."""
        return self._clearing.has_facts

    # What we ask of it

    def add_market(self, market: Market) -> None:
        """Make a market known; what is known of it already stays."""
        if market.market_id not in self._views:
            self._see_market(market)

    def place(self, now_ms: int, order: PaperOrder) -> PostAnswered:
        """Take one order, match it, rest or kill what is left."""
        self.advance(now_ms)
        name = order.venue_order_id
        if self._clearing.find(name) is not None:
            # It proves an earlier post, not what became of it: look it up.
            text = f"order {name} is invalid. Duplicated."
            return PostAnswered(
                outcome=PostOutcome.UNKNOWN, code="duplicated", text=text
            )
        try:
            view = self._admitted(order)
        except VenueRejectedError as error:
            return _refusal(error)
        record = PaperRecord(order=order)
        self._clearing.add(record)
        return self._match(view, record)

    def cancel(self, now_ms: int, venue_order_id: str) -> CancelAnswered:
        """End an open order; of any other the venue's reason why not."""
        self.advance(now_ms)
        record = self._clearing.find(venue_order_id)
        if record is not None and record.is_open:
            self._clearing.end(record, EndReason.CANCELLED, CANCELED)
            return CancelAnswered(outcome=CancelOutcome.CANCELED)
        is_matched = record is not None and not record.remaining
        return CancelAnswered(
            outcome=CancelOutcome.NOT_CANCELED,
            text=ALREADY_MATCHED if is_matched else NOT_FOUND,
        )

    def look_up(self, venue_order_id: str) -> LookedUp:
        """What is known of one order."""
        record = self._clearing.find(venue_order_id)
        if record is None:
            return LookedUp(found=LookupFound.NONE)
        return record.as_looked_up()

    def open_orders(self) -> tuple[ObservedOrder, ...]:
        """Orders that may still match, oldest first."""
        records = self._clearing.records()
        return tuple(record.as_observed() for record in records if record.is_open)

    def trades_since(self, since_ms: int) -> tuple[UserFill, ...]:
        """Trades whose state changed at or after a time, by order."""
        return tuple(
            trade.as_fill()
            for record in self._clearing.records()
            for trade in record.trades
            if trade.status_ms >= since_ms
        )

    def holdings(self) -> Holdings:
        """Settled holdings: unsettled trades have not moved anything yet."""
        return self._chain.holdings(self._now_ms)

    def available_cash(self) -> Decimal:
        """Settled pUSD that no open order and no unsettled trade has locked."""
        return self._account.available(CASH)

    def available_shares(self, token_id: str) -> Decimal:
        """Settled shares that nothing has locked: what can be sold now."""
        return self._account.available(token_id)

    @property
    def chain(self) -> Chain:
        """Splits, merges and redemptions."""
        return self._chain

    # After a restart

    def restore(
        self,
        now_ms: int,
        orders: Iterable[Order],
        holdings: Holdings,
        markets: Iterable[Market],
    ) -> None:
        """Rebuild a fresh venue from what the ledger knows.

        Working orders join their queue anew once a book is seen, and trades
        that were not final settle on, their next delay starting over.

        Args:
            now_ms: Unix milliseconds.
            orders: Every order that is not closed, oldest first; closed ones
                only make more look-ups answerable.
            holdings: Settled cash and shares: confirmed trades and account
                movements only. What open orders and unsettled trades lock is
                computed here.
            markets: The markets of those orders and holdings.
        """
        self.advance(now_ms)
        for market in markets:
            self.add_market(market)
        self._chain.restore(holdings)
        for order in filter(was_taken, orders):
            record = record_of(order)
            self._clearing.add(record)
            for trade in trades_of(order, self.config):
                self._clearing.adopt(record, trade)
            if record.is_open and order.time_in_force.rests:
                self._clearing.rest(record)
            elif record.is_open:
                self._clearing.end(record, EndReason.KILLED, CANCELED)
            self._clearing.archive(record)

    # Admission and matching

    def _admitted(self, order: PaperOrder) -> MarketView:
        view = self._views.get(order.market_id)
        if self._chain.is_resolved(order.market_id):
            raise VenueRejectedError(NO_BOOK, code="no_orderbook")
        if view is None:
            raise not_ready()
        admit(order, view, self._account, self._now_ms)
        return view

    def _match(self, view: MarketView, record: PaperRecord) -> PostAnswered:
        order = record.order
        parts = view.plan(order.yes_side, order.yes_price, order.size)
        found = sum((part.size for part in parts), ZERO)
        if order.time_in_force is TimeInForce.FOK and found < order.size:
            return self._killed(record, "fok_not_filled", FOK_KILLED)
        if order.time_in_force is TimeInForce.FAK and not parts:
            return self._killed(record, "fak_no_match", FAK_KILLED)
        for part in parts:
            view.take(order.yes_side, part)
            own = Level(order.own_price(part.price), part.size)
            self._clearing.fill(record, own, fee_of(view.market, own), Role.TAKER)
        if record.remaining and not order.time_in_force.rests:
            self._clearing.end(record, EndReason.KILLED, CANCELED)
        elif record.remaining:
            self._join_queue(view, record)
            self._clearing.rest(record)
        outcome = PostOutcome.MATCHED if parts else PostOutcome.LIVE
        return PostAnswered(outcome=outcome)

    def _killed(self, record: PaperRecord, code: str, text: str) -> PostAnswered:
        self._clearing.end(record, EndReason.KILLED, text)
        return PostAnswered(outcome=PostOutcome.KILLED, code=code, text=text)

    def _see_book(self, view: MarketView, record: PaperRecord) -> None:
        order = record.order
        if record.ahead is None:
            self._join_queue(view, record)
        else:
            shown = view.displayed(order.yes_side, order.yes_price)
            see_level(record, shown, self._now_ms)
        for part in view.plan(order.yes_side, order.yes_price, record.remaining):
            view.take(order.yes_side, part)
            self._make(record, part.size)

    def _join_queue(self, view: MarketView, record: PaperRecord) -> None:
        record.ahead = ZERO
        if self.config.queue_position == "back":
            order = record.order
            record.ahead = view.displayed(order.yes_side, order.yes_price)

    def _make(self, record: PaperRecord, size: Decimal) -> None:
        """Fill a resting order at its own price; makers pay no fee."""
        part = Level(record.order.price, size)
        self._clearing.fill(record, part, ZERO, Role.MAKER)

    @property
    def _now_ms(self) -> int:
        return self._clearing.now_ms

    def _see_market(self, market: Market) -> MarketView:
        self._chain.register(market)
        view = self._views.setdefault(market.market_id, MarketView(market))
        view.market = market
        return view


def _refusal(error: VenueRejectedError) -> PostAnswered:
    # Without a book the same order may be posted again once there is one.
    may_repeat = error.code == NOT_READY_CODE
    outcome = PostOutcome.NOT_PROCESSED if may_repeat else PostOutcome.REFUSED
    return PostAnswered(outcome=outcome, code=error.code, text=str(error))
