"""A paper venue on a desk: short words for books, orders and what came of them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from executors.paper import PaperConfig, PaperOrder, PaperVenue
from ledger.book import OrderBook
from ledger.decide import OrderEnded, PostAnswered, SettlementSeen
from ledger.intent import UserFill
from ledger.market import Market
from ledger.values import Outcome, Side, TimeInForce

MARKET = Market(
    market_id="0xmarket", yes_token="111", no_token="222", fee_rate=Decimal("0.07")
)
YES, NO = Outcome.YES, Outcome.NO
BUY, SELL = Side.BUY, Side.SELL
GTC, GTD, FOK, FAK = TimeInForce

Rows = Iterable[tuple[str, str]]


def d(text: str) -> Decimal:
    """Short for Decimal."""
    return Decimal(text)


def book(
    bids: Rows = (), asks: Rows = (), *, asset: str = "111", at: int = 0
) -> OrderBook:
    """A book of YES, or of another token, from text."""
    return OrderBook(
        asset,
        bids=[(d(price), d(size)) for price, size in bids],
        asks=[(d(price), d(size)) for price, size in asks],
        as_of_ms=at,
    )


class Desk:
    """A venue with a hand-moved clock, in milliseconds."""

    def __init__(self, market: Market = MARKET, **config: Any) -> None:
        self.market = market
        self.now_ms = 1_000_000
        self.venue = PaperVenue(PaperConfig(**config))
        self.count = 0
        self.last = ""

    def wait(self, milliseconds: int) -> None:
        self.now_ms += milliseconds
        self.venue.advance(self.now_ms)

    def show(self, bids: Rows = (), asks: Rows = ()) -> None:
        self.show_book(book(bids, asks))

    def show_book(self, shown: OrderBook) -> None:
        self.venue.on_book(self.now_ms, shown.token_id, shown, self.market)

    def trade(self, side: Side, price: str, size: str, *, asset: str = "111") -> None:
        self.venue.on_trade(self.now_ms, asset, price=d(price), size=d(size), side=side)

    def order(
        self,
        side: Side,
        price: str,
        size: str,
        tif: TimeInForce = GTC,
        *,
        outcome: Outcome = YES,
        post_only: bool = False,
        expires_in: int | None = None,
    ) -> PaperOrder:
        self.count += 1
        order = PaperOrder(
            order_id=f"order-{self.count}",
            market_id=self.market.market_id,
            token_id=self.market.token(outcome),
            outcome=outcome,
            side=side,
            price=d(price),
            size=d(size),
            time_in_force=tif,
            post_only=post_only,
            expiration_ms=None if expires_in is None else self.now_ms + expires_in,
        )
        self.last = order.venue_order_id
        return order

    def place(
        self,
        side: Side,
        price: str,
        size: str,
        tif: TimeInForce = GTC,
        *,
        outcome: Outcome = YES,
        post_only: bool = False,
        expires_in: int | None = None,
    ) -> PostAnswered:
        order = self.order(
            side,
            price,
            size,
            tif,
            outcome=outcome,
            post_only=post_only,
            expires_in=expires_in,
        )
        return self.venue.place(self.now_ms, order)

    def own(self, size: str, outcome: Outcome = YES) -> None:
        """Have settled shares, from a split whose other half is given away."""
        account = self.venue._account
        self.venue.add_market(self.market)
        account.move(self.market.token(outcome), d(size))

    def fills(self) -> list[tuple[str, str]]:
        """Take the facts; price and shares of each fill among them."""
        facts = [seen.fact for seen in self.venue.take_facts()]
        return [
            (str(fact.price), str(fact.size.normalize().__format__("f")))
            for fact in facts
            if isinstance(fact, UserFill)
        ]

    def said(self) -> list[str]:
        """Take the facts; one word each."""
        return [_word(seen.fact) for seen in self.venue.take_facts()]


def _word(fact: object) -> str:
    if isinstance(fact, UserFill):
        return "MATCHED"
    if isinstance(fact, SettlementSeen):
        return fact.status.value
    assert isinstance(fact, OrderEnded)
    return fact.reason.value
