"""What the venue's market channel says, as typed facts.

Prices are pUSD per share, sizes outcome shares, times Unix milliseconds by the
venue's clock.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from ledger.book import Level
from ledger.values import Side


class LevelChange(NamedTuple):
    """The new total resting at one price; size 0 means that the level is gone."""

    side: Side
    price: Decimal
    size: Decimal


class BookSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole book of one token; levels in the order of the frame."""

    market_id: str
    token_id: str
    timestamp_ms: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    hash: str = ""
    tick_size: Decimal | None = None
    last_trade_price: Decimal | None = None


class PriceChange(msgspec.Struct, frozen=True, kw_only=True):
    """All level changes of one token in one message.

    `best_bid` and `best_ask` are the top after the last of them; 0 and 1 stand
    for an empty side, `None` for not told (the older shape).
    """

    market_id: str
    token_id: str
    timestamp_ms: int
    levels: tuple[LevelChange, ...]
    hash: str = ""
    best_bid: Decimal | None = None
    best_ask: Decimal | None = None


class LastTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade; `side` is the taker's. `tx_hash` is empty where not told."""

    market_id: str
    token_id: str
    timestamp_ms: int
    price: Decimal
    size: Decimal
    side: Side
    fee_rate_bps: Decimal | None = None
    tx_hash: str = ""


class TickSizeChange(msgspec.Struct, frozen=True, kw_only=True):
    """The price grid of one token changed."""

    market_id: str
    token_id: str
    timestamp_ms: int
    old: Decimal | None
    new: Decimal


class BestBidAsk(msgspec.Struct, frozen=True, kw_only=True):
    """The top of one book, announced BEFORE the change that brings it about.

    0 and 1 (or `None`) stand for an empty side.

    Source:
        34 of 34 such frames in a recording of 2026-09-24: same timestamp as the
        change that follows, true only once that change is applied.
    """

    market_id: str
    token_id: str
    timestamp_ms: int
    best_bid: Decimal | None
    best_ask: Decimal | None


class MarketResolved(msgspec.Struct, frozen=True, kw_only=True):
    """The market has its answer; `token_ids` is in the market's own order."""

    market_id: str
    timestamp_ms: int
    winning_token: str
    winning_outcome: str = ""
    token_ids: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()


class Ignored(msgspec.Struct, frozen=True):
    """A message that says nothing about a book: PONG, `new_market`, the unknown."""

    event_type: str


class Gap(msgspec.Struct, frozen=True):
    """Frames may be missing here, so no book can be trusted any more."""

    reason: str


Fact = (
    BookSnapshot
    | PriceChange
    | LastTrade
    | TickSizeChange
    | BestBidAsk
    | MarketResolved
    | Ignored
    | Gap
)
"""Everything a frame can say."""
