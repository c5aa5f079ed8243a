"""Orders and trades as the exchange keeps them; amounts in base units."""

from typing import Final

import msgspec

from executors.exchange.engine.types import UNIT, ExchangeMarket, OrderType, SideText
from executors.exchange.engine.units import ceil_cost, floor_cost
from ledger.values import Settlement

LOT: Final = 10_000
"""Signed sizes have 2 decimals; what is left below this is dust."""

LIVE: Final = "LIVE"
DELAYED: Final = "DELAYED"
MATCHED: Final = "MATCHED"
CANCELED: Final = "CANCELED"


class Order(msgspec.Struct, kw_only=True, eq=False):
    """An order that was accepted, or killed for want of a match.

    `price` is its limit on the tick grid, `shares` and `money` what was signed.
    An order `in_collateral` ends when its money is spent, not when its shares are
    reached.
    `matched` counts shares, `spent` the pUSD of its matches.
    """

    order_id: str
    owner: str
    maker: str
    market: ExchangeMarket
    token_id: str
    side: SideText
    price: int
    shares: int
    money: int
    order_type: OrderType
    in_collateral: bool
    post_only: bool
    expiration: int
    created_ms: int
    matched: int = 0
    spent: int = 0
    status: str = LIVE
    trade_ids: list[str] = msgspec.field(default_factory=list)

    @property
    def wallet(self) -> str:
        """The address that pays, in the one spelling the bank knows."""
        return self.maker.lower()

    @property
    def is_buy(self) -> bool:
        """Whether it gives pUSD for shares."""
        return self.side == "BUY"

    @property
    def is_open(self) -> bool:
        """Whether it can still match."""
        return self.status in {LIVE, DELAYED}

    @property
    def rests(self) -> bool:
        """Whether what does not match at once goes on the book."""
        return self.order_type in {"GTC", "GTD"}

    @property
    def yes_price(self) -> int:
        """The limit as a price of the market's first token."""
        is_yes = self.token_id == self.market.tokens[0]
        return self.price if is_yes else UNIT - self.price

    @property
    def is_bid(self) -> bool:
        """Whether it stands with the buyers of the market's first token."""
        return self.is_buy == (self.token_id == self.market.tokens[0])

    @property
    def remaining(self) -> int:
        """Shares still to match; of an order in collateral, at its limit."""
        if self.in_collateral:
            return (self.money - self.spent) * UNIT // self.price
        return self.shares - self.matched

    @property
    def is_filled(self) -> bool:
        """Whether nothing worth a match is left."""
        left = self.remaining
        return left < LOT if self.in_collateral else left <= 0

    @property
    def reserve(self) -> int:
        """What the open rest may still take: pUSD of a BUY, shares of a SELL."""
        if self.in_collateral:
            return self.money - self.spent
        left = self.shares - self.matched
        return ceil_cost(left, self.price) if self.is_buy else left

    @property
    def asset(self) -> str:
        """What it gives: "" for pUSD, or its token."""
        return "" if self.is_buy else self.token_id


class Leg(msgspec.Struct, frozen=True):
    """One order's part in a trade; `price` is that of its own token."""

    order: Order
    shares: int
    money: int
    price: int
    fee: int = 0

    @property
    def gives(self) -> tuple[str, int]:
        """Asset and amount that leave the wallet when the trade settles."""
        if self.order.is_buy:
            return "", self.money + self.fee
        return self.order.token_id, self.shares

    @property
    def gets(self) -> tuple[str, int]:
        """Asset and amount that arrive when the trade settles."""
        if self.order.is_buy:
            return self.order.token_id, self.shares
        return "", self.money - self.fee


class Trade(msgspec.Struct, kw_only=True, eq=False):
    """One taker against the makers of one price, and how far it has settled."""

    trade_id: str
    taker: Leg
    makers: list[Leg]
    match_ms: int
    update_ms: int
    steps: list[tuple[int, Settlement]]
    status: Settlement = Settlement.MATCHED
    tx_hash: str = ""

    @property
    def market(self) -> ExchangeMarket:
        """Where it happened."""
        return self.taker.order.market

    @property
    def legs(self) -> list[Leg]:
        """The taker's leg, then the makers'."""
        return [self.taker, *self.makers]


def maker_leg(order: Order, shares: int) -> Leg:
    """A maker's part at its own limit; a fraction of a base unit is its gain."""
    cost = floor_cost if order.is_buy else ceil_cost
    return Leg(order, shares, cost(shares, order.price), order.price)


def taker_money(taker: Order, makers: list[Leg]) -> int:
    """What the taker pays or gets so that every base unit comes from somewhere.

    Against its own token the makers' money; against the complement what is left of
    1 pUSD a share, by minting (two BUYs) or merging (two SELLs).
    """
    return sum(
        leg.shares - leg.money if leg.order.side == taker.side else leg.money
        for leg in makers
    )
