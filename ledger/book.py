"""One token's order book: exact depth, walked level by level."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from ledger.values import ONE, ZERO, Side


class Level(NamedTuple):
    """Resting liquidity at one price: pUSD per share, and shares."""

    price: Decimal
    size: Decimal


class Walk(NamedTuple):
    """What taking liquidity level by level gives.

    `shares` and `usdc` are what the book could supply, `complete` whether that
    is all that was asked for, `worst` the last price touched.
    """

    shares: Decimal
    usdc: Decimal
    complete: bool
    worst: Decimal | None

    @property
    def price(self) -> Decimal | None:
        """The average price in pUSD per share, unrounded; `None` for nothing."""
        return self.usdc / self.shares if self.shares else None


class OrderBook:
    """Bids and asks of one token.

    A BUY takes asks from the lowest price up, a SELL takes bids from the
    highest down.
    `as_of_ms` is the venue's time of the last change, in Unix milliseconds.
    """

    __slots__ = ("_prices", "_sizes", "as_of_ms", "token_id")

    def __init__(
        self,
        token_id: str,
        *,
        bids: Iterable[tuple[Decimal, Decimal]] = (),
        asks: Iterable[tuple[Decimal, Decimal]] = (),
        as_of_ms: int = 0,
    ) -> None:
        self.token_id = token_id
        self.as_of_ms = as_of_ms
        self._sizes: dict[Side, dict[Decimal, Decimal]] = {}
        self._prices: dict[Side, list[Decimal]] = {}
        self.replace(bids=bids, asks=asks)

    def replace(
        self,
        *,
        bids: Iterable[tuple[Decimal, Decimal]],
        asks: Iterable[tuple[Decimal, Decimal]],
    ) -> None:
        """Forget every level and take these, in any order."""
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            sizes = {price: size for price, size in levels if size > ZERO}
            self._sizes[side] = sizes
            self._prices[side] = sorted(sizes)

    def set_level(self, side: Side, price: Decimal, size: Decimal) -> None:
        """Set the total resting at one price; size 0 removes the level.

        `side` is the side of the resting orders: BUY for bids.
        """
        sizes, prices = self._sizes[side], self._prices[side]
        if size > ZERO:
            if price not in sizes:
                insort(prices, price)
            sizes[price] = size
        elif sizes.pop(price, None) is not None:
            del prices[bisect_left(prices, price)]

    def size_at(self, side: Side, price: Decimal) -> Decimal:
        """Shares resting at one price on one side; 0 if there is no level."""
        return self._sizes[side].get(price, ZERO)

    def bids(self) -> list[Level]:
        """Bids, best (highest) first."""
        sizes = self._sizes[Side.BUY]
        return [Level(p, sizes[p]) for p in reversed(self._prices[Side.BUY])]

    def asks(self) -> list[Level]:
        """Asks, best (lowest) first."""
        sizes = self._sizes[Side.SELL]
        return [Level(p, sizes[p]) for p in self._prices[Side.SELL]]

    @property
    def best_bid(self) -> Level | None:
        """The highest bid, if any."""
        prices = self._prices[Side.BUY]
        return Level(prices[-1], self._sizes[Side.BUY][prices[-1]]) if prices else None

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask, if any."""
        prices = self._prices[Side.SELL]
        return Level(prices[0], self._sizes[Side.SELL][prices[0]]) if prices else None

    def best_for(self, side: Side) -> Level | None:
        """The best level that an order of `side` would take."""
        return self.best_ask if side is Side.BUY else self.best_bid

    def takeable(self, side: Side, limit: Decimal | None = None) -> list[Level]:
        """Levels an order of `side` may take at `limit` or better, best first."""
        levels = self.asks() if side is Side.BUY else self.bids()
        if limit is None:
            return levels
        if side is Side.BUY:
            return [level for level in levels if level.price <= limit]
        return [level for level in levels if level.price >= limit]

    def walk(
        self,
        side: Side,
        *,
        shares: Decimal | None = None,
        usdc: Decimal | None = None,
        limit: Decimal | None = None,
    ) -> Walk:
        """Take liquidity until `shares` or `usdc` is reached or depth ends.

        Args:
            side: The taker's side.
            shares: Wanted outcome shares; give this or `usdc`.
            usdc: Wanted pUSD, before fees.
            limit: Worst acceptable price; none if absent.

        Returns:
            What the book supplies, exactly; for `usdc` the last level's shares
            are the unrounded quotient.

        Raises:
            ValueError: Both or neither of `shares` and `usdc` were given, or
                the wanted amount is not above 0.
        """
        wanted = shares if usdc is None else usdc
        if wanted is None or (shares is not None and usdc is not None):
            msg = "give either shares or usdc"
            raise ValueError(msg)
        if wanted <= ZERO:
            msg = "the wanted amount must be above 0"
            raise ValueError(msg)
        got_shares, got_usdc, worst = ZERO, ZERO, None
        is_buy = side is Side.BUY
        sizes = self._sizes[side.opposite]
        prices = self._prices[side.opposite]
        for price in prices if is_buy else reversed(prices):
            if limit is not None and (price > limit if is_buy else price < limit):
                break
            size, worst = sizes[price], price
            if usdc is None:
                part = min(size, wanted - got_shares)
                got_shares += part
                got_usdc += part * price
                if got_shares == wanted:
                    return Walk(got_shares, got_usdc, True, worst)  # noqa: FBT003
            elif (left := wanted - got_usdc) <= size * price:
                # The quotient is not exact; the money spent is.
                return Walk(got_shares + left / price, wanted, True, worst)  # noqa: FBT003
            else:
                got_shares += size
                got_usdc += size * price
        return Walk(got_shares, got_usdc, False, worst)  # noqa: FBT003

    def effective_price(
        self,
        side: Side,
        *,
        shares: Decimal | None = None,
        usdc: Decimal | None = None,
    ) -> Decimal | None:
        """Average price of taking `shares` or `usdc`; `None` if depth ends first.

        Returns:
            pUSD per share, unrounded.

        Raises:
            ValueError: as `walk`.
        """
        if shares is not None and usdc is None:
            best = self.best_for(side)
            if best is not None and ZERO < shares <= best.size:
                return best.price  # one level covers it: nothing to average
        walk = self.walk(side, shares=shares, usdc=usdc)
        return walk.price if walk.complete else None

    def effective_price_for_size(self, side: Side, size: Decimal) -> Decimal | None:
        """`effective_price` for a number of shares."""
        return self.effective_price(side, shares=size)

    def mirrored(self, token_id: str) -> "OrderBook":
        """The book of the complementary token: prices 1 - p, sides swapped."""
        return OrderBook(
            token_id,
            bids=((ONE - price, size) for price, size in self.asks()),
            asks=((ONE - price, size) for price, size in self.bids()),
            as_of_ms=self.as_of_ms,
        )
