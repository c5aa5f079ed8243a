"""What a strategy is: it sees books, prices and its own orders, and sends intents.

Everything it does goes through `ledger.api.CommandAPI`; it never learns which
venue is behind it, whether the market is recorded, or where the ledger runs.
"""

from decimal import ROUND_DOWN, Decimal
from typing import Final, Protocol

import msgspec

from ledger.api import CommandAPI, PositionView
from ledger.book import Level, OrderBook
from ledger.errors import CommandRefusedError, VenueError
from ledger.market import Market
from ledger.order import Order
from ledger.values import ONE, ZERO, Outcome, Side

CENT: Final = Decimal("0.01")
"""The venue signs sizes in hundredths of a share."""


class PriceTick(msgspec.Struct, frozen=True):
    """One price from outside the venue, at Unix milliseconds."""

    ts_ms: int
    price: Decimal


class BookView:
    """One token's book to look at, as it was when the view was made.

    `depth` alone reads the live book: what can be taken now.
    """

    __slots__ = ("_book", "age_ms", "as_of_ms", "best_ask", "best_bid")

    def __init__(self, book: OrderBook, now_ms: int) -> None:
        self._book = book
        self.as_of_ms = book.as_of_ms
        self.age_ms = now_ms - book.as_of_ms
        self.best_bid: Level | None = book.best_bid
        self.best_ask: Level | None = book.best_ask

    def best_for(self, side: Side) -> Level | None:
        """The best level that an order of `side` would take."""
        return self.best_ask if side is Side.BUY else self.best_bid

    def depth(self, side: Side, limit: Decimal) -> Decimal:
        """Shares an order of `side` would find at `limit` or better."""
        levels = self._book.takeable(side, limit)
        return sum((level.size for level in levels), ZERO)


class MarketView:
    """Both books of a market at one moment; a book nobody can trust is `None`."""

    __slots__ = ("market", "no", "now_ms", "yes")

    def __init__(
        self,
        market: Market,
        now_ms: int,
        yes: OrderBook | None,
        no: OrderBook | None,
    ) -> None:
        self.market = market
        self.now_ms = now_ms
        self.yes = None if yes is None else BookView(yes, now_ms)
        self.no = None if no is None else BookView(no, now_ms)

    def of(self, outcome: Outcome) -> BookView | None:
        """The book of one outcome."""
        return self.yes if outcome is Outcome.YES else self.no

    def is_fresh(self, max_age_ms: int, max_skew_ms: int) -> bool:
        """Whether both books are there, young, and of nearly the same age."""
        if self.yes is None or self.no is None:
            return False
        oldest = max(self.yes.age_ms, self.no.age_ms)
        skew = abs(self.yes.as_of_ms - self.no.as_of_ms)
        return oldest <= max_age_ms and skew <= max_skew_ms

    @property
    def is_complementary(self) -> bool:
        """Whether the books mirror each other, as two reads of one moment do."""
        if self.yes is None or self.no is None:
            return False
        tops = (
            (self.yes.best_bid, self.no.best_ask),
            (self.no.best_bid, self.yes.best_ask),
        )
        return all(
            bid is not None and ask is not None and bid.price + ask.price == ONE
            for bid, ask in tops
        )


class Strategy(Protocol):
    """What the driver calls, one call at a time and never two at once."""

    name: str

    async def on_books(self, api: CommandAPI, view: MarketView) -> None:
        """The books of a market changed, or grew old."""
        ...

    async def on_tick(self, api: CommandAPI, tick: PriceTick) -> None:
        """A price came from outside."""
        ...

    async def on_order(self, api: CommandAPI, order: Order) -> None:
        """Something happened to one of this strategy's orders."""
        ...

    async def on_resolved(self, api: CommandAPI, market_id: str) -> None:
        """A market has its answer; there will be no more books of it."""
        ...


class OwnState(msgspec.Struct, frozen=True):
    """What a strategy has in one market: shares by outcome, and open orders."""

    held: dict[Outcome, PositionView]
    orders: list[Order]

    @property
    def lead(self) -> Outcome:
        """The outcome of which there are more shares."""
        yes, no = self.held[Outcome.YES].shares, self.held[Outcome.NO].shares
        return Outcome.YES if yes >= no else Outcome.NO

    @property
    def unpaired(self) -> Decimal:
        """Shares without a partner."""
        lead = self.lead
        return self.held[lead].shares - self.held[lead.complement].shares


async def own_state(api: CommandAPI, name: str, market_id: str) -> OwnState:
    """Read it from the ledger, which remembers it over a restart."""
    orders = await api.open_orders(name)
    return OwnState(
        {outcome: await api.position(name, market_id, outcome) for outcome in Outcome},
        [order for order in orders if order.market_id == market_id],
    )


class Redeemer:
    """Turns a strategy's shares of resolved markets into pUSD.

    Only settled shares can be redeemed, so a trade that settles after the
    resolution is redeemed when it does.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._resolved: set[str] = set()

    async def on_resolved(self, api: CommandAPI, market_id: str) -> None:
        """Redeem what is settled by now."""
        self._resolved.add(market_id)
        for outcome in Outcome:
            await self._redeem(api, market_id, outcome)

    async def on_order(self, api: CommandAPI, order: Order) -> None:
        """Redeem what has settled since, or came back because a sale was void."""
        if order.market_id in self._resolved:
            await self._redeem(api, order.market_id, order.outcome)

    async def _redeem(self, api: CommandAPI, market_id: str, outcome: Outcome) -> None:
        held = await api.position(self._name, market_id, outcome)
        if held.sellable <= ZERO:
            return
        try:
            await api.redeem(self._name, market_id, outcome)
        except (CommandRefusedError, VenueError):
            return  # the ledger is behind the news; the next settlement tries again


def round_down(size: Decimal) -> Decimal:
    """A size that can be signed: hundredths of a share."""
    return size.quantize(CENT, rounding=ROUND_DOWN)
