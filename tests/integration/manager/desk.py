"""A venue that can be asked what it has, and counters that can be read."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ledger.decide import PostAnswered, PostOutcome
from ledger.errors import OutcomeUnknownError, VenueRejectedError
from ledger.events import Event, ObservedOrder, ObservedPosition
from ledger.intent import UserFill
from ledger.market import Market
from ledger.order import Order
from ledger.recorded import Recorded
from ledger.values import Outcome, Settlement, Side
from ledger.venue import Holdings, OpenOrders
from tests.integration.manager.scripted import MARKET, Desk, ScriptedVenue, intent


class WitnessVenue(ScriptedVenue):
    """Lists what the test says it has, and does what it is asked on chain.

    `None` is a question that stays unanswered.
    """

    orders: tuple[ObservedOrder, ...] | None = ()
    positions: tuple[ObservedPosition, ...] | None = ()
    orders_complete = True
    positions_complete = True
    lag_seconds = 0  # how old the list of positions is
    refuses = False

    @property
    def moves(self) -> list[tuple[str, ...]]:
        moves: list[tuple[str, ...]] = self.__dict__.setdefault("_moves", [])
        return moves

    async def get_open_orders(self) -> OpenOrders:
        if self.orders is None:
            raise OutcomeUnknownError("no answer about orders")
        return OpenOrders(
            as_of=self.clock.now(), orders=self.orders, complete=self.orders_complete
        )

    async def get_positions(self) -> Holdings:
        if self.positions is None:
            raise OutcomeUnknownError("no answer about positions")
        return Holdings(
            as_of=self.clock.now() - timedelta(seconds=self.lag_seconds),
            positions=self.positions,
            cash=Decimal("7"),
            complete=self.positions_complete,
        )

    async def merge(self, market: Market, size: Decimal) -> str:
        return self._move("merge", market.market_id, str(size))

    async def split(self, market: Market, size: Decimal) -> str:
        return self._move("split", market.market_id, str(size))

    async def redeem(self, market: Market, outcome: Outcome, size: Decimal) -> str:
        return self._move("redeem", market.market_id, outcome, str(size))

    def _move(self, *what: str) -> str:
        if self.refuses:
            raise VenueRejectedError("not today")
        self.moves.append(what)
        return f"0xtx{len(self.moves)}"


class CountingMetrics:
    """Counts in memory; a count without labels is the sum of all."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        self.counts[name] += amount
        for label, value in labels.items():
            self.counts[f"{name}{{{label}={value}}}"] += amount


class WitnessDesk(Desk):
    """A ledger whose venue is a witness."""

    def __init__(self, folder: Path, **options: Any) -> None:
        super().__init__(folder, **options)
        self.witness = self.venue = WitnessVenue(self.clock)
        self.metrics = CountingMetrics()

    async def open(self) -> Any:
        manager = await super().open()
        manager.desk.metrics = self.metrics
        return manager

    def log(self, stream: str) -> list[Event]:
        """The events of one stream, as they are on disk."""
        return [stored.event for stored in self.stored(stream)]

    def stored(self, stream: str) -> list[Recorded]:
        return self.journal.store.read_stream(stream)

    async def place(self, **changes: Any) -> Order:
        """Place an order that the venue takes."""
        self.venue.post_answers.put(PostAnswered(outcome=PostOutcome.LIVE))
        result = await self.manager.place(intent(**changes))
        assert result.success, result.error
        assert result.order is not None
        return result.order

    async def fill(
        self,
        order: Order,
        size: str,
        trade: str = "t1",
        status: Settlement = Settlement.CONFIRMED,
    ) -> None:
        """Match a part of an order, confirmed unless said otherwise."""
        fill = UserFill(
            trade_id=trade,
            order_id=order.venue_order_id,
            size=Decimal(size),
            price=order.price,
            status=status,
        )
        await self.manager.on_fill(fill)


def listed(order: Order, **changes: Any) -> ObservedOrder:
    """The venue's row of an order, as it should be unless changed."""
    row: dict[str, Any] = {
        "venue_order_id": order.venue_order_id,
        "market_id": order.market_id,
        "token_id": order.token_id,
        "side": order.side,
        "price": order.price,
        "size": order.size,
        "size_matched": order.matched,
    }
    return ObservedOrder(**(row | changes))


def stranger() -> ObservedOrder:
    """An order that is none of ours."""
    return ObservedOrder(
        venue_order_id="0xstranger",
        market_id=MARKET.market_id,
        token_id=MARKET.yes_token,
        side=Side.BUY,
        price=Decimal("0.40"),
        size=Decimal("10"),
        size_matched=Decimal("0"),
    )


def held(size: str, outcome: Outcome = Outcome.YES) -> ObservedPosition:
    """The venue's row of a holding."""
    return ObservedPosition(
        market_id=MARKET.market_id, outcome=outcome, size=Decimal(size)
    )
