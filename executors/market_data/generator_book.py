"""The made-up book of one market, kept for YES and mirrored for NO.

Inside, a price is a whole number of 0.0001 pUSD and a size one of 0.01 shares:
nothing has to be rounded on the way out.
"""

from decimal import ROUND_FLOOR, Decimal
from random import Random
from typing import Final, NamedTuple

from ledger.values import Outcome, Side

PRICE_UNITS: Final = 10_000
SIZE_UNITS: Final = 100

_FINER: Final = 10
_COARSE: Final = 100  # 0.01: the grid that becomes finer near 0 and 1
_LOW: Final = 400  # 0.04
_HIGH: Final = PRICE_UNITS - _LOW
_SMALLEST: Final = 20 * SIZE_UNITS
_LARGEST: Final = 160 * SIZE_UNITS
_LARGE_PRINT: Final = 120 * SIZE_UNITS
_SMALL_PRINT: Final = 5 * SIZE_UNITS
_NEW_SIZE_IN: Final = 12
_SPREADS: Final = (1, 1, 2, 2, 2, 3, 3, 4)
"""Steps between bid and ask, as often as they stand here."""


class Quote(NamedTuple):
    """Where the market wants to stand: the chance of YES, levels per side."""

    fair: Decimal
    depth: int


class Changed(NamedTuple):
    """One level of the book of YES and its new size; 0 is gone."""

    side: Side
    price: int
    size: int


class Print(NamedTuple):
    """A trade, told in the price of the token it was made in."""

    outcome: Outcome
    side: Side
    price: int
    size: int


class GeneratedBook:
    """Bids and asks of YES; `step` is the grid in price units."""

    def __init__(self, tick: Decimal, rng: Random) -> None:
        self.step = int(tick * PRICE_UNITS)
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self._rng = rng
        self._centre = 0
        self._spread = 2
        self._trades: list[Changed] = []

    @property
    def tick(self) -> Decimal:
        """The price grid in pUSD."""
        return Decimal(self.step) / PRICE_UNITS

    @property
    def best_bid(self) -> int | None:
        """The highest bid, in price units."""
        return max(self.bids, default=None)

    @property
    def best_ask(self) -> int | None:
        """The lowest ask, in price units."""
        return min(self.asks, default=None)

    def needs_finer_grid(self, quote: Quote) -> bool:
        """Whether the price has come so near to 0 or 1 that the venue refines."""
        fair = int(quote.fair * PRICE_UNITS)
        return self.step == _COARSE and not _LOW <= fair <= _HIGH

    def refine(self) -> Decimal:
        """Take the finer grid, for good; returns the old tick."""
        old = self.tick
        self.step //= _FINER
        self._centre = 0
        return old

    def follow(self, quote: Quote) -> list[Changed]:
        """Move the quotes to a price, and fill up what was taken.

        Levels that stay keep their size, except that now and then one of them
        is somebody else's.
        """
        bid = self._place(quote.fair)
        ask = bid + self._spread * self.step
        wanted = (
            (Side.BUY, self.bids, [bid - n * self.step for n in range(quote.depth)]),
            (Side.SELL, self.asks, [ask + n * self.step for n in range(quote.depth)]),
        )
        changes: list[Changed] = []
        for side, levels, prices in wanted:
            inside = [p for p in prices if self.step <= p <= PRICE_UNITS - self.step]
            gone = sorted(set(levels) - set(inside))
            changes.extend(Changed(side, price, 0) for price in gone)
            changes.extend(
                Changed(side, price, self._size())
                for price in inside
                if price not in levels or not self._rng.randrange(_NEW_SIZE_IN)
            )
        self._apply(changes)
        return changes

    def _place(self, fair: Decimal) -> int:
        """The best bid for a price; small moves leave the quotes where they are."""
        centre = int((fair * PRICE_UNITS).to_integral_value(ROUND_FLOOR))
        if not self._centre or abs(centre - self._centre) * 5 > self.step * 3:
            self._centre = centre
            self._spread = self._rng.choice(_SPREADS)
        bid = (self._centre * 2 - self._spread * self.step) // (2 * self.step)
        last = PRICE_UNITS // self.step - 1 - self._spread
        return max(1, min(bid, last)) * self.step

    def _size(self) -> int:
        return self._rng.randrange(_SMALLEST, _LARGEST, SIZE_UNITS // 2)

    def _apply(self, changes: list[Changed]) -> None:
        for side, price, size in changes:
            levels = self.bids if side is Side.BUY else self.asks
            if size:
                levels[price] = size
            else:
                levels.pop(price, None)

    def trade(self) -> list[Print]:
        """Let somebody take from one side, on either token; one print a level."""
        side = self._rng.choice((Side.BUY, Side.SELL))
        outcome = self._rng.choice((Outcome.YES, Outcome.NO))
        left = self._rng.randrange(_SMALL_PRINT, _LARGE_PRINT, SIZE_UNITS // 4)
        resting, levels = (
            (Side.SELL, self.asks) if side is Side.BUY else (Side.BUY, self.bids)
        )
        prints = []
        for price in sorted(levels, reverse=side is Side.SELL):
            part = min(left, levels[price])
            prints.append(_print_of(outcome, side, price, part))
            self._trades.append(Changed(resting, price, levels[price] - part))
            left -= part
            if not left:
                break
        return prints

    def taken(self) -> list[Changed]:
        """Take off the book what was traded since the last call."""
        changes, self._trades = self._trades, []
        self._apply(changes)
        return changes


def _print_of(outcome: Outcome, side: Side, price: int, size: int) -> Print:
    """A trade in the book of YES, seen from the token it was made in."""
    if outcome is Outcome.YES:
        return Print(outcome, side, price, size)
    return Print(outcome, side.opposite, PRICE_UNITS - price, size)
