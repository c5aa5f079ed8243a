"""What a market shows, less what we took of it.

The books of YES and NO are exact complements: one book serves both tokens, and
everything here is told in prices of YES.
"""

from decimal import Decimal

from executors.rules import signed_size
from ledger.book import Level, OrderBook
from ledger.market import Market
from ledger.values import ONE, ZERO, Outcome, Side


class MarketView:
    """The newest book of one market, ours or mirrored, and our marks on it.

    What we take stays taken: a recorded book cannot know that we did.
    The mark on a level is at most what the level shows, so that a level that
    shrinks shrinks for us first, growth is new liquidity, and a level that
    vanished comes back whole.
    Matches are in hundredths of a share, which keeps every amount of pUSD exact
    in 6 places; smaller rests of a level cannot be taken.
    """

    __slots__ = ("_book", "_is_no", "_prints", "_prints_ms", "_taken", "market")

    def __init__(self, market: Market) -> None:
        self.market = market
        self._book: OrderBook | None = None
        self._is_no = False
        self._taken: dict[tuple[Side, Decimal], Decimal] = {}
        self._prints: list[tuple[str, Level]] = []
        self._prints_ms = 0

    @property
    def is_ready(self) -> bool:
        """Whether there is a book to match against."""
        return self._book is not None

    def show(self, book: OrderBook) -> bool:
        """Take a newer book of either token; false if it is older than ours.

        The book is read in place until the next one is shown.
        """
        if self._book is not None and book.as_of_ms < self._book.as_of_ms:
            return False
        self._book = book
        self._is_no = self.market.outcome_of(book.token_id) is Outcome.NO
        for (side, price), taken in list(self._taken.items()):
            shown = self.displayed(side, price)
            if shown <= ZERO:
                del self._taken[side, price]
            else:
                self._taken[side, price] = min(taken, shown)
        return True

    def hide(self) -> None:
        """Distrust the book until another one is shown."""
        self._book = None

    def displayed(self, side: Side, price: Decimal) -> Decimal:
        """Shares that the market shows resting on one side at one price."""
        assert self._book is not None
        if self._is_no:
            return self._book.size_at(side.opposite, ONE - price)
        return self._book.size_at(side, price)

    def takeable(self, side: Side, limit: Decimal) -> list[Level]:
        """Levels an order of `side` finds at `limit` or better, best first.

        Sizes are what we may still take, in hundredths of a share.
        """
        found = []
        for level in self._shown(side, limit):
            taken = self._taken.get((side.opposite, level.price), ZERO)
            left = signed_size(max(level.size - taken, ZERO))
            if left > ZERO:
                found.append(Level(level.price, left))
        return found

    def _shown(self, side: Side, limit: Decimal) -> list[Level]:
        book = self._book
        assert book is not None
        if self._is_no:
            side, limit = side.opposite, ONE - limit
        best = book.best_for(side)
        if best is None or (
            best.price > limit if side is Side.BUY else best.price < limit
        ):
            return []  # the common case, without listing the book
        levels = book.takeable(side, limit)
        if not self._is_no:
            return levels
        return [Level(ONE - price, size) for price, size in levels]

    def plan(self, side: Side, limit: Decimal, size: Decimal) -> list[Level]:
        """What taking up to `size` shares at `limit` gives, level by level."""
        parts: list[Level] = []
        for level in self.takeable(side, limit):
            part = min(level.size, size)
            parts.append(Level(level.price, part))
            size -= part
            if not size:
                break
        return parts

    def take(self, side: Side, part: Level) -> None:
        """Mark liquidity as taken by an order of `side`."""
        key = (side.opposite, part.price)
        self._taken[key] = self._taken.get(key, ZERO) + part.size

    def is_echo(self, token_id: str, printed: Level, at_ms: int) -> bool:
        """Whether a print repeats the other token's print of the same instant.

        One match can be printed on both tokens, at p and at 1 - p; it counts
        once, and each print can be the echo of one other only.
        """
        if at_ms != self._prints_ms:
            self._prints_ms = at_ms
            self._prints.clear()
        for index, (token, level) in enumerate(self._prints):
            if token != token_id and level == printed:
                del self._prints[index]
                return True
        self._prints.append((token_id, printed))
        return False
