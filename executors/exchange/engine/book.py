"""One market's resting orders in price-time priority.

A BUY of one token at p and a SELL of the other at 1 - p promise the same, so both
tokens share one book, in prices of the first.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator

from executors.exchange.engine.records import Order
from executors.exchange.engine.types import UNIT, ExchangeMarket


class Side:
    """One side of a book: orders by price, at each price in order of arrival."""

    __slots__ = ("_is_bid", "_levels", "_prices")

    def __init__(self, *, is_bid: bool) -> None:
        self._is_bid = is_bid
        self._levels: dict[int, dict[str, Order]] = {}
        self._prices: list[int] = []

    def add(self, order: Order) -> None:
        """Put an order behind all others of its price."""
        price = order.yes_price
        if price not in self._levels:
            self._levels[price] = {}
            insort(self._prices, price)
        self._levels[price][order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order off; one that is not there is no error."""
        price = order.yes_price
        level = self._levels.get(price)
        if level is None or level.pop(order.order_id, None) is None:
            return
        if not level:
            del self._levels[price]
            del self._prices[bisect_left(self._prices, price)]

    def holds(self, order: Order) -> bool:
        """Whether an order rests here."""
        return order.order_id in self._levels.get(order.yes_price, {})

    def prices(self) -> Iterator[int]:
        """Prices from the best to the worst."""
        return reversed(self._prices) if self._is_bid else iter(self._prices)

    def at(self, price: int) -> list[Order]:
        """Orders of one price, oldest first."""
        return list(self._levels.get(price, {}).values())

    def shares(self, price: int) -> int:
        """Shares that rest at a price."""
        return sum(order.remaining for order in self.at(price))

    def best(self) -> int | None:
        """The best price."""
        return next(self.prices(), None)


class MarketBook:
    """Both sides of a market."""

    def __init__(self, market: ExchangeMarket) -> None:
        self.market = market
        self.bids = Side(is_bid=True)
        self.asks = Side(is_bid=False)
        self.last_price: dict[str, int] = {}

    def side(self, *, is_bid: bool) -> Side:
        """The side where an order of this direction stands."""
        return self.bids if is_bid else self.asks

    def opposite(self, order: Order) -> Side:
        """The side that an order could match."""
        return self.side(is_bid=not order.is_bid)

    def best_against(self, order: Order) -> int | None:
        """The best price for an order, as a price of its own token."""
        best = self.opposite(order).best()
        return None if best is None else own_price(order, best)

    def levels(self, token_id: str) -> tuple[list[tuple[int, int]], ...]:
        """Bids and asks of a token as (price, shares), best first."""
        bids = [(price, self.bids.shares(price)) for price in self.bids.prices()]
        asks = [(price, self.asks.shares(price)) for price in self.asks.prices()]
        if token_id == self.market.tokens[0]:
            return bids, asks
        return (
            [(UNIT - price, shares) for price, shares in asks],
            [(UNIT - price, shares) for price, shares in bids],
        )


def own_price(order: Order, yes_price: int) -> int:
    """A price of the market's first token as one of the order's token."""
    return yes_price if order.token_id == order.market.tokens[0] else UNIT - yes_price
