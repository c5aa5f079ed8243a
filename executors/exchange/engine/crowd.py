"""Market makers and takers of one market: seeded, and never at rest."""

from random import Random
from typing import Final

from executors.exchange.engine.others import Others
from executors.exchange.engine.types import UNIT, ExchangeMarket, SideText

MEAN_PAUSE_MS: Final = 1_000
"""Time between two actions, on average."""

LEVELS: Final = 4
"""Prices that are quoted on each side."""


WANDER: Final = 10_000
"""The most that the price moves at once, in base units."""


class Crowd:
    """Quotes around a price that wanders, and takes now and then."""

    def __init__(self, others: Others, condition_id: str, *, seed: int) -> None:
        self._others = others
        self._condition_id = condition_id
        self._rng = Random(f"crowd/{seed}/{condition_id}")  # noqa: S311 -- chance, not secrecy
        self._fair = self._rng.randint(300_000, 700_000)
        self._quotes: list[str] = []

    def start(self, start_ms: int) -> None:
        """Quote at once, then act for ever."""
        self._others.at(start_ms, lambda: self._act(start_ms))

    def _act(self, at_ms: int) -> None:
        market = self._others.market(self._condition_id)
        if not market.accepting_orders:
            return
        if not self._quotes or self._rng.random() < 1 / 2:
            self._requote(market)
        else:
            self._take(market)
        due_ms = at_ms + self._rng.randint(MEAN_PAUSE_MS // 5, 2 * MEAN_PAUSE_MS)
        self._others.at(due_ms, lambda: self._act(due_ms))

    def _requote(self, market: ExchangeMarket) -> None:
        """Move every quote to where the price has wandered."""
        for order_id in self._quotes:
            self._others.drop(order_id)
        step = self._rng.randint(-WANDER, WANDER)
        self._fair = min(max(self._fair + step, 100_000), 900_000)
        middle = self._ticks(market)
        half_spread = self._rng.randint(1, 2)
        self._quotes = []
        for depth in range(LEVELS):
            away = half_spread + depth
            self._quote(market, middle - away, is_bid=True)
            self._quote(market, middle + away, is_bid=False)

    def _quote(self, market: ExchangeMarket, ticks: int, *, is_bid: bool) -> None:
        price = ticks * market.tick
        if not 0 < price < UNIT:
            return
        token, side, own = self._either_way(market, price, is_bid=is_bid)
        shares = self._rng.randint(20, 200) * UNIT
        self._quotes.append(self._others.quote(token, side, own, shares))

    def _take(self, market: ExchangeMarket) -> None:
        is_bid = self._rng.random() < 1 / 2
        reach = 3 * market.tick if is_bid else -3 * market.tick
        price = self._ticks(market) * market.tick + reach
        if not 0 < price < UNIT:
            return
        token, side, own = self._either_way(market, price, is_bid=is_bid)
        self._others.take(token, side, own, self._rng.randint(5, 60) * UNIT)

    def _ticks(self, market: ExchangeMarket) -> int:
        return self._fair // market.tick

    def _either_way(
        self, market: ExchangeMarket, price: int, *, is_bid: bool
    ) -> tuple[str, SideText, int]:
        """Say the same with either token: a BUY of one is a SELL of the other."""
        if self._rng.random() < 1 / 2:
            return market.tokens[0], "BUY" if is_bid else "SELL", price
        return market.tokens[1], "SELL" if is_bid else "BUY", UNIT - price
