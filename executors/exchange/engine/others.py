"""Where order flow trades: past the checks that only matter to users."""

from random import Random

from executors.exchange.engine.bank import CASH
from executors.exchange.engine.clearing import Clearing
from executors.exchange.engine.desk import Desk
from executors.exchange.engine.records import CANCELED, Order
from executors.exchange.engine.types import OrderType, SideText
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
