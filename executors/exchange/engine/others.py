"""Where order flow trades: past the checks that only matter to users."""

from decimal import Decimal
from random import Random

import msgspec

from executors.exchange.engine.agenda import Action
from executors.exchange.engine.bank import CASH
from executors.exchange.engine.clearing import Clearing
from executors.exchange.engine.desk import Desk
from executors.exchange.engine.records import CANCELED, Order
from executors.exchange.engine.types import ExchangeMarket, OrderType, SideText
from executors.exchange.engine.units import ceil_cost

NAME = "others"
"""API key and wallet of all order flow."""


class Others:
    """Orders of everybody else: one wallet that is given whatever it needs."""

    def __init__(self, clearing: Clearing, desk: Desk) -> None:
        self._clearing = clearing
        self._desk = desk
        self._rng = Random(f"others/{clearing.config.seed}")  # noqa: S311 -- an id, no secret

    def quote(self, token_id: str, side: SideText, price: int, shares: int) -> str:
        """Place a limit order that rests; what crosses it matches at once.

        Prices and shares are base units; gives the order id.
        """
        return self._enter(token_id, side, price, shares, "GTC")

    def take(self, token_id: str, side: SideText, price: int, shares: int) -> str:
        """Match what is there up to a price, and drop the rest."""
        return self._enter(token_id, side, price, shares, "FAK")

    def drop(self, order_id: str) -> None:
        """Take a quote back, if it still rests."""
        order = self._clearing.orders.get(order_id)
        if order is not None and order.is_open:
            self._clearing.end(order, CANCELED)

    def shrink(self, order_id: str, shares: int) -> None:
        """Take shares off a quote, which keeps its place; all of them end it."""
        left = self.remaining(order_id)
        if shares >= left:
            self.drop(order_id)
        else:
            self._clearing.shrink(self._clearing.orders[order_id], shares)

    def at(self, due_ms: int, action: Action) -> None:
        """Plan an action at its own time, in one line with all that is due."""
        self._clearing.agenda.at(due_ms, action)

    def market_of(self, token_id: str) -> ExchangeMarket | None:
        """The market of a token."""
        return self._clearing.by_token.get(token_id)

    def market(self, condition_id: str) -> ExchangeMarket:
        """A market as it is now."""
        return self._clearing.markets[condition_id]

    def retick(self, condition_id: str, tick_size: Decimal) -> None:
        """Give a market another grid."""
        market = self._clearing.markets[condition_id]
        changed = msgspec.structs.replace(market, tick_size=tick_size)
        self._clearing.add_market(changed)

    def resolve(self, condition_id: str, winner: str) -> None:
        """End a market: `winner` is a token id."""
        self._clearing.resolve(condition_id, winner)

    def remaining(self, order_id: str) -> int:
        """Base units of a quote that still rest; 0 once it is gone."""
        order = self._clearing.orders.get(order_id)
        return order.remaining if order is not None and order.is_open else 0

    def _enter(
        self,
        token_id: str,
        side: SideText,
        price: int,
        shares: int,
        order_type: OrderType,
    ) -> str:
        clearing = self._clearing
        order = Order(
            order_id=f"0x{self._rng.getrandbits(256):064x}",
            owner=NAME,
            maker=NAME,
            market=clearing.by_token[token_id],
            token_id=token_id,
            side=side,
            price=price,
            shares=shares,
            money=ceil_cost(shares, price),
            order_type=order_type,
            in_collateral=False,
            post_only=False,
            expiration=0,
            created_ms=clearing.now_ms,
        )
        # Twice the cost covers the fee of any market.
        wallet = clearing.bank.wallet(NAME)
        needed = 2 * shares if side == "BUY" else shares
        asset = CASH if side == "BUY" else token_id
        missing = needed - wallet.available(asset)
        if missing > 0:
            wallet.move(asset, missing)
        self._desk.enter(order)
        return order.order_id
