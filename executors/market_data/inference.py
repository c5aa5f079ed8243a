"""Which markets a recording is about, as far as its frames can tell."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from executors.market_data.facts import (
    BestBidAsk,
    BookSnapshot,
    Gap,
    Ignored,
    LastTrade,
    MarketResolved,
    PriceChange,
    TickSizeChange,
)
from executors.market_data.frames import Frame
from ledger.market import TICKS, Market
from ledger.values import ZERO, Outcome

MarketFact = (
    BookSnapshot
    | PriceChange
    | LastTrade
    | TickSizeChange
    | BestBidAsk
    | MarketResolved
)

_DEFAULT_TICK: Final = Decimal("0.01")
_YES_ENDING: Final = ":YES"
_NO_ENDING: Final = ":NO"


class _Seen:
    """What the frames said about one market."""

    def __init__(self, market_id: str) -> None:
        self.market_id = market_id
        self.tokens: list[str] = []
        self.ordered: tuple[str, ...] = ()
        self.labels: tuple[str, ...] = ()
        self.tick_size: Decimal | None = None
        self.prices: set[Decimal] = set()

    def take(self, fact: MarketFact) -> None:
        for token_id in _tokens_of(fact):
            if token_id not in self.tokens:
                self.tokens.append(token_id)
        match fact:
            case BookSnapshot():
                self._told_tick(fact.tick_size)
                self.prices.update(price for price, _ in (*fact.bids, *fact.asks))
            case PriceChange():
                self.prices.update(change.price for change in fact.levels)
            case TickSizeChange():
                self._told_tick(fact.old)
            case MarketResolved():
                self.ordered, self.labels = fact.token_ids, fact.outcomes
            case _:
                pass  # its tokens were all it had to say

    def _told_tick(self, tick: Decimal | None) -> None:
        """The first one counts: later ones arrive as changes."""
        if self.tick_size is None:
            self.tick_size = tick

    def pair(self) -> tuple[str, str]:
        """The YES and the NO token, see `infer_markets`."""
        if len(self.ordered) == len(Outcome):
            return self.ordered[0], self.ordered[1]
        first = self.tokens[0]
        if first.endswith(_YES_ENDING):
            return first, first.removesuffix(_YES_ENDING) + _NO_ENDING
        if first.endswith(_NO_ENDING):
            return first.removesuffix(_NO_ENDING) + _YES_ENDING, first
        return first, self.tokens[1] if len(self.tokens) > 1 else f"{first}:unseen"

    def tick(self) -> Decimal:
        """The told grid, or the coarsest one that every price lies on."""
        if self.tick_size is not None:
            return self.tick_size
        fitting = (
            tick
            for tick in TICKS
            if tick <= _DEFAULT_TICK and all(p % tick == ZERO for p in self.prices)
        )
        return next(fitting, TICKS[-1])


def infer_markets(
    frames: Iterable[Frame], *, fee_rate: Decimal = ZERO, fee_exponent: int = 1
) -> list[Market]:
    """Find the markets in a recording.

    Nothing in the stream says which token is YES, so YES is, in this order: the
    first of `assets_ids` in the market's resolution; the token whose name ends
    in ":YES"; the first token that the recording names.
    The other token of a market that shows only one is called "<token>:unseen".
    A market that shows more than two tokens keeps its first two.

    Args:
        frames: All frames; those that cannot be read are passed over.
        fee_rate: The taker fee rate, which no frame tells.
        fee_exponent: The exponent of the fee curve, likewise.

    Returns:
        Markets in order of appearance. The tick is the first one told, or else
        the coarsest grid of 0.01 or finer that every price seen lies on.
    """
    seen: dict[str, _Seen] = {}
    for fact in _facts(frames):
        seen.setdefault(fact.market_id, _Seen(fact.market_id)).take(fact)
    return [
        _market(market, fee_rate, fee_exponent)
        for market in seen.values()
        if market.tokens
    ]


def _facts(frames: Iterable[Frame]) -> Iterator[MarketFact]:
    for frame in frames:
        for fact in frame.parsed().facts:
            if not isinstance(fact, Ignored | Gap):
                yield fact


def _tokens_of(fact: MarketFact) -> tuple[str, ...]:
    return fact.token_ids if isinstance(fact, MarketResolved) else (fact.token_id,)


def _market(seen: _Seen, fee_rate: Decimal, fee_exponent: int) -> Market:
    yes_token, no_token = seen.pair()
    labels = seen.labels if len(seen.labels) == len(Outcome) else ("Yes", "No")
    return Market(
        market_id=seen.market_id,
        yes_token=yes_token,
        no_token=no_token,
        tick_size=seen.tick(),
        fee_rate=fee_rate,
        fee_exponent=fee_exponent,
        yes_label=labels[0],
        no_label=labels[1],
    )
