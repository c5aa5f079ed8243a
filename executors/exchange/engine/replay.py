"""A recording as orders of others: its books stand in ours, its trades hit them."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from math import gcd

from executors.exchange.engine.others import Others
from executors.exchange.engine.types import UNIT, ExchangeMarket, SideText
from executors.market_data.facts import (
    BookSnapshot,
    Fact,
    LastTrade,
    MarketResolved,
    PriceChange,
    TickSizeChange,
)
from executors.market_data.frames import Frame
from ledger.market import TICKS
from ledger.values import Side

Level = tuple[SideText, int]
"""A side and a price in base units."""


class Replay:
    """Keeps as much of the others' shares at every price as the recording shows.

    A book mirrors that of its market's other token, so only the token that shows
    up first is followed.
    """

    def __init__(self, others: Others, frames: Iterable[Frame]) -> None:
        self._others = others
        self._frames: Iterator[Frame] = iter(frames)
        self._shift_ms: int | None = None
        self._followed: dict[str, str] = {}
        self._quotes: dict[str, dict[Level, list[str]]] = {}

    def start(self, start_ms: int) -> None:
        """Begin: the first frame falls on this moment."""
        self._plan_next(start_ms)

    def _plan_next(self, earliest_ms: int) -> None:
        """Plan the next frame; what the recording gives out of order comes at once."""
        frame = next(self._frames, None)
        if frame is None:
            return
        if self._shift_ms is None:
            self._shift_ms = earliest_ms - frame.received_ms
        due_ms = max(frame.received_ms + self._shift_ms, earliest_ms)
        self._others.at(due_ms, lambda: self._play(frame, due_ms))

    def _play(self, frame: Frame, due_ms: int) -> None:
        for fact in frame.parsed().facts:
            self._apply(fact)
        self._plan_next(due_ms)

    def _apply(self, fact: Fact) -> None:
        if isinstance(fact, MarketResolved):
            market = self._others.market_of(fact.winning_token)
            if market is not None:
                self._others.resolve(market.condition_id, fact.winning_token)
        elif isinstance(fact, BookSnapshot | PriceChange | LastTrade | TickSizeChange):
            market = self._others.market_of(fact.token_id)
            if market is not None and self._follows(market, fact.token_id):
                self._apply_to(market, fact)

    def _follows(self, market: ExchangeMarket, token_id: str) -> bool:
        first = self._followed.setdefault(market.condition_id, token_id)
        return first == token_id and market.accepting_orders

    def _apply_to(
        self,
        market: ExchangeMarket,
        fact: BookSnapshot | PriceChange | LastTrade | TickSizeChange,
    ) -> None:
        match fact:
            case BookSnapshot(token_id=token, bids=bids, asks=asks):
                shown = {_level(Side.BUY, price): size for price, size in bids}
                shown |= {_level(Side.SELL, price): size for price, size in asks}
                gone = dict.fromkeys(self._levels(token), 0)
                wanted = {level: _shares(market, s) for level, s in shown.items()}
                self._set(token, gone | wanted)
            case PriceChange(token_id=token, levels=levels):
                changed = {
                    _level(change.side, change.price): _shares(market, change.size)
                    for change in levels
                }
                self._set(token, changed)
            case LastTrade(token_id=token, side=side, price=price, size=size):
                direction, limit = _level(side, price)
                shares = _shares(market, size)
                if shares and 0 < limit < UNIT:
                    self._others.take(token, direction, limit, shares)
            case TickSizeChange(new=tick) if tick in TICKS:
                self._others.retick(market.condition_id, tick)
            case _:
                pass

    def _levels(self, token: str) -> dict[Level, list[str]]:
        return self._quotes.setdefault(token, {})

    def _set(self, token: str, wanted: Mapping[Level, int]) -> None:
        """Bring levels to the shares they show; what shrinks goes first."""
        for level, shares in wanted.items():
            self._shrink(token, level, shares)
        for level, shares in wanted.items():
            self._grow(token, level, shares)

    def _shrink(self, token: str, level: Level, shares: int) -> None:
        quotes = self._levels(token).get(level, [])
        excess = sum(map(self._others.remaining, quotes)) - shares
        for order_id in reversed(quotes):
            if excess > 0:
                left = self._others.remaining(order_id)
                self._others.shrink(order_id, excess)
                excess -= left
        kept = [order_id for order_id in quotes if self._others.remaining(order_id)]
        self._levels(token)[level] = kept
        if not kept:
            del self._levels(token)[level]

    def _grow(self, token: str, level: Level, shares: int) -> None:
        side, price = level
        quotes = self._levels(token).get(level, [])
        missing = shares - sum(map(self._others.remaining, quotes))
        if missing <= 0 or not 0 < price < UNIT:
            return
        self._make_way(token, level)
        order_id = self._others.quote(token, side, price, missing)
        self._levels(token).setdefault(level, quotes).append(order_id)

    def _make_way(self, token: str, level: Level) -> None:
        """Drop the others' own quotes that a new one would trade with."""
        side, price = level
        for (other_side, other_price), quotes in self._levels(token).items():
            is_met = other_price <= price if side == "BUY" else other_price >= price
            if other_side != side and is_met:
                for order_id in quotes:
                    self._others.drop(order_id)


def _level(side: Side, price: Decimal) -> Level:
    return ("BUY" if side is Side.BUY else "SELL"), int(price * UNIT)


def _shares(market: ExchangeMarket, size: Decimal) -> int:
    """Base units of a size, cut to steps that cost whole base units."""
    step = UNIT // gcd(market.tick, UNIT)
    return int(size * UNIT) // step * step
