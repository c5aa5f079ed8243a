"""What strategies have not been told yet: each thing once, oldest first."""

from collections import deque
from collections.abc import Iterable

from examples.strategy import PriceTick


class News:
    """News by kind; what comes again before it was told is told once.

    `resolved` are markets that have their answer, `orders` order ids, `ticks`
    prices from outside, `markets` those whose books changed.
    """

    def __init__(self) -> None:
        self.resolved: deque[str] = deque()
        self.orders: dict[str, None] = {}
        self.ticks: deque[PriceTick] = deque()
        self.markets: dict[str, None] = {}

    @property
    def is_any(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.resolved or self.orders or self.ticks or self.markets)

    def touch(self, market_ids: Iterable[str]) -> None:
        """Note that books changed, or grew old."""
        self.markets.update(dict.fromkeys(market_ids))

    def resolve(self, market_id: str) -> None:
        """Note that a market has its answer; its books are no news any more."""
        self.resolved.append(market_id)
        self.markets.pop(market_id, None)

    def take_order(self) -> str:
        """Take the order that was noted first."""
        order_id = next(iter(self.orders))
        del self.orders[order_id]
        return order_id

    def take_market(self) -> str:
        """Take the market that was noted first."""
        market_id = next(iter(self.markets))
        del self.markets[market_id]
        return market_id
