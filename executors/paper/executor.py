"""The paper executor: the paper venue behind the interface of a real one."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from executors.paper.engine import NOT_FOUND, PaperVenue
from executors.paper.faults import Fault, FaultPlan, FaultPoint, no_faults
from executors.paper.records import (
    PaperConfig,
    SignedPaperOrder,
    ms_of,
    time_of,
    venue_order_id,
)
from executors.rules import check_order, order_amounts
from ledger.book import OrderBook
from ledger.clock import Clock
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    LookedUp,
    PostAnswered,
    PostOutcome,
)
from ledger.errors import OutcomeUnknownError
from ledger.market import Market
from ledger.order import Order
from ledger.values import Outcome, Side
from ledger.venue import (
    ExecutorInterface,
    Holdings,
    OpenOrders,
    PlacementRequest,
    PreparedOrder,
    VenueFact,
    VenueTrades,
)

NO_ANSWER = "no answer"
RESTARTING = "service not ready"


class PaperExecutor(ExecutorInterface):
    """Simulated trading; the market's books and prints are fed from outside.

    Facts of a match are there before `submit` returns, as with the real venue,
    where a fill may outrun the answer to the post.
    Read them with `facts`, which also lets time pass, or with `take_facts` from
    a driver that calls `advance` itself; not with both.
    """

    prepares_at_once = True

    def __init__(
        self, config: PaperConfig, clock: Clock, *, faults: FaultPlan = no_faults
    ) -> None:
        self.venue = PaperVenue(config)
        self.submits_at_once = not config.submit_latency_ms
        self._config = config
        self._clock = clock
        self._faults = faults
        self._rng = Random(f"{config.seed}/faults")  # noqa: S311 -- chance, not secrecy
        self._changed = asyncio.Event()
        self._is_closed = False

    # The interface

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        """Check the venue's rules and write the order out; nothing is signed."""
        name = venue_order_id(request.order_id)
        check_order(request, self._clock.now(), name=name)
        market = request.market
        self.venue.add_market(market)
        amounts = order_amounts(
            request.side, request.price, request.size, market.tick_size
        )
        expires = request.expires_at
        signed = SignedPaperOrder(
            order_id=request.order_id,
            market_id=market.market_id,
            token_id=market.token(request.outcome),
            outcome=request.outcome,
            side=request.side,
            price=request.price,
            size=amounts.size,
            maker_amount=amounts.maker_amount,
            taker_amount=amounts.taker_amount,
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            expiration_ms=None if expires is None else ms_of(expires),
        )
        return PreparedOrder(
            venue_order_id=name,
            size=amounts.size,
            maker_amount=amounts.maker_amount,
            taker_amount=amounts.taker_amount,
            signed_order=msgspec.json.encode(signed).decode(),
        )

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        """Post the stored text once; it reaches the book after the latency."""
        await self._delay(self._config.submit_latency_ms)
        fault = self._fault(FaultPoint.SUBMIT, prepared.venue_order_id)
        if fault is Fault.LOST_REQUEST:
            return PostAnswered(outcome=PostOutcome.UNKNOWN, text=NO_ANSWER)
        if fault is Fault.REFUSED:
            return PostAnswered(
                outcome=PostOutcome.NOT_PROCESSED, code="restarting", text=RESTARTING
            )
        answer = self._post(prepared)
        if fault is Fault.LOST_ANSWER:
            return PostAnswered(outcome=PostOutcome.UNKNOWN, text=NO_ANSWER)
        return answer

    async def cancel(self, venue_order_id: str) -> CancelAnswered:
        """Cancel one order after the latency, if it still works by then."""
        await self._delay(self._config.cancel_latency_ms)
        fault = self._fault(FaultPoint.CANCEL, venue_order_id)
        if fault is Fault.LOST_REQUEST:
            return CancelAnswered(outcome=CancelOutcome.UNKNOWN, text=NO_ANSWER)
        if fault is Fault.REFUSED:
            return CancelAnswered(outcome=CancelOutcome.NOT_CANCELED, text=NOT_FOUND)
        answer = self.venue.cancel(self._now_ms(), venue_order_id)
        self._changed.set()
        if fault is Fault.LOST_ANSWER:
            return CancelAnswered(outcome=CancelOutcome.UNKNOWN, text=NO_ANSWER)
        return answer

    async def get_order(self, venue_order_id: str) -> LookedUp:
        """Look one order up; the answer may be lost, as a fault."""
        if self._fault(FaultPoint.LOOKUP, venue_order_id) is not Fault.NONE:
            raise OutcomeUnknownError(NO_ANSWER)
        self.advance()
        return self.venue.look_up(venue_order_id)

    async def get_open_orders(self) -> OpenOrders:
        """Every open order, complete."""
        now_ms = self.advance()
        return OpenOrders(as_of=time_of(now_ms), orders=self.venue.open_orders())

    async def get_trades(self, since: datetime) -> VenueTrades:
        """Trades whose state changed since then, complete."""
        now_ms = self.advance()
        fills = self.venue.trades_since(ms_of(since))
        return VenueTrades(as_of=time_of(now_ms), fills=fills)

    async def get_positions(self) -> Holdings:
        """Settled holdings, complete."""
        self.advance()
        return self.venue.holdings()

    async def facts(self) -> AsyncIterator[VenueFact]:
        """Facts in order, settling trades as their time comes, until closed."""
        while not self._is_closed:
            self.advance()
            for fact in self.take_facts():
                yield fact
            await self._until_something_happens()

    async def split(self, market: Market, size: Decimal) -> str:
        """Turn `size` pUSD into shares of both outcomes; the transaction hash."""
        self.advance()
        return self.venue.chain.split(market, size)

    async def merge(self, market: Market, size: Decimal) -> str:
        """Turn `size` shares of both outcomes into pUSD; the transaction hash."""
        self.advance()
        return self.venue.chain.merge(market, size)

    async def redeem(self, market: Market, outcome: Outcome, size: Decimal) -> str:
        """Turn shares of a resolved outcome into pUSD; the transaction hash."""
        self.advance()
        return self.venue.chain.redeem(market, outcome, size)

    async def close(self) -> None:
        """End `facts`."""
        self._is_closed = True
        self._changed.set()

    # For the driver that feeds the market

    def take_facts(self) -> list[VenueFact]:
        """Everything that happened since the last call, in order, at once."""
        return self.venue.take_facts()

    def advance(self) -> int:
        """Let time pass up to the clock's; Unix milliseconds of now."""
        now_ms = self._now_ms()
        self.venue.advance(now_ms)
        self._changed.set()
        return now_ms

    def on_book(self, token_id: str, book: OrderBook, market: Market) -> None:
        """As `PaperVenue.on_book`, now."""
        self.venue.on_book(self._now_ms(), token_id, book, market)
        self._changed.set()

    def on_trade(
        self,
        token_id: str,
        *,
        price: Decimal,
        size: Decimal,
        side: Side,
        at_ms: int | None = None,
    ) -> None:
        """As `PaperVenue.on_trade`, now."""
        self.venue.on_trade(
            self._now_ms(), token_id, price=price, size=size, side=side, at_ms=at_ms
        )
        self._changed.set()

    def on_tick(self, market: Market) -> None:
        """As `PaperVenue.on_tick`, now."""
        self.venue.on_tick(self._now_ms(), market)

    def on_gap(self, market_id: str) -> None:
        """As `PaperVenue.on_gap`."""
        self.venue.on_gap(market_id)

    def on_resolved(self, market: Market, payouts: Mapping[Outcome, Decimal]) -> None:
        """As `PaperVenue.on_resolved`, now."""
        self.venue.on_resolved(self._now_ms(), market, payouts)
        self._changed.set()

    def restore(
        self, orders: Iterable[Order], holdings: Holdings, markets: Iterable[Market]
    ) -> None:
        """As `PaperVenue.restore`, now."""
        self.venue.restore(self._now_ms(), orders, holdings, markets)
        self._changed.set()

    def _post(self, prepared: PreparedOrder) -> PostAnswered:
        try:
            order = msgspec.json.decode(prepared.signed_order, type=SignedPaperOrder)
        except msgspec.DecodeError:
            return PostAnswered(
                outcome=PostOutcome.REFUSED,
                code="invalid_order",
                text="Invalid order payload",
            )
        answer = self.venue.place(self._now_ms(), order)
        self._changed.set()
        return answer

    def _fault(self, point: FaultPoint, venue_order_id: str) -> Fault:
        return self._faults(point, venue_order_id, self._rng)

    async def _delay(self, milliseconds: int) -> None:
        if milliseconds:
            await self._clock.sleep(milliseconds / 1_000)

    def _now_ms(self) -> int:
        return ms_of(self._clock.now())

    async def _until_something_happens(self) -> None:
        self._changed.clear()
        if self.venue.has_facts or self._is_closed:
            return  # it happened while the last facts were being handled
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
        due_ms = self.venue.next_due_ms()
        if due_ms is not None:
            seconds = max(due_ms - self._now_ms(), 0) / 1_000
            waits.append(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
