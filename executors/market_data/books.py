"""Order books kept from facts, and the knowledge of when not to trust one.

The stream has no sequence numbers and no replay, so a book is believed only
while nothing contradicts it:

* no snapshot yet, or a gap since: changes are counted, not applied;
* a change names another top than the rebuilt one, or a change could not be read:
  something was lost, the book is out until the next snapshot;
* bid at or above ask: the book is out until it uncrosses.

A `BestBidAsk` is counted and no more: it comes before its change, and that change
names the same top.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from executors.market_data.facts import (
    BestBidAsk,
    BookSnapshot,
    Fact,
    Gap,
    Ignored,
    LastTrade,
    MarketResolved,
    PriceChange,
    TickSizeChange,
)
from executors.market_data.frames import Frame, FrameError, Quarantine
from ledger.book import Level, OrderBook
from ledger.values import ONE, ZERO, Side

_MAX_SEEN: Final = 1024  # facts of one millisecond that are remembered


class Changed(NamedTuple):
    """One level before and after, in shares."""

    side: Side
    price: Decimal
    before: Decimal
    after: Decimal


class BookUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that counted.

    `changes` are the levels that a `PriceChange` moved; a `BookSnapshot` replaces
    all and lists none.
    `usable` is whether the token's book can be traded on after it.
    """

    fact: BookSnapshot | PriceChange | LastTrade | TickSizeChange | MarketResolved
    token_id: str
    usable: bool
    changes: tuple[Changed, ...] = ()


class KeeperStats(msgspec.Struct, kw_only=True):
    """Facts by what became of them.

    Counted: `snapshots`, `changes` (one per token and message), `trades`,
    `tick_changes`, `tops`, `resolved`, `gaps`.
    Not applied: `unsynced` (no snapshot to stand on), `duplicates`,
    `out_of_order`, `ignored`, `quarantined`.
    Distrust: `diverged`, `crossed` (times a book became so).
    """

    snapshots: int = 0
    changes: int = 0
    trades: int = 0
    tick_changes: int = 0
    tops: int = 0
    resolved: int = 0
    gaps: int = 0
    unsynced: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    ignored: int = 0
    quarantined: int = 0
    diverged: int = 0
    crossed: int = 0


class _Token:
    """What is known of one token.

    `newest_ms` is the newest change heard of, applied or not: an older snapshot
    cannot contain it.
    `seen` and `trades_seen` hold the facts of the latest millisecond.
    """

    __slots__ = (
        "book",
        "crossed",
        "diverged",
        "market_id",
        "newest_ms",
        "seen",
        "synced",
        "tick_ms",
        "tick_size",
        "trade",
        "trades_seen",
    )

    def __init__(self, market_id: str, token_id: str) -> None:
        self.market_id = market_id
        self.book = OrderBook(token_id)
        self.synced = False
        self.diverged = False
        self.crossed = False
        self.newest_ms = 0
        self.seen: set[Fact] = set()
        self.tick_size: Decimal | None = None
        self.tick_ms = 0
        self.trade: LastTrade | None = None
        self.trades_seen: set[Fact] = set()

    def remember(self, fact: BookSnapshot | PriceChange) -> None:
        """Note what the book now contains, to know it when it comes again."""
        if fact.timestamp_ms != self.book.as_of_ms or len(self.seen) >= _MAX_SEEN:
            self.seen.clear()
        self.seen.add(fact)
        self.book.as_of_ms = self.newest_ms = fact.timestamp_ms


class BookKeeper:
    """One book per token, fed with facts or whole frames."""

    def __init__(self, quarantine: Quarantine | None = None) -> None:
        self.quarantine = Quarantine() if quarantine is None else quarantine
        self._tokens: dict[str, _Token] = {}
        self._resolved: dict[str, MarketResolved] = {}
        self._stats = KeeperStats()

    # --- asking -------------------------------------------------------------------

    def book(self, token_id: str) -> OrderBook | None:
        """The live book; `None` while it cannot be trusted or trading is over.

        It changes with the next fact: read it, do not write it.
        """
        token = self._tokens.get(token_id)
        if token is None or not token.synced or token.crossed:
            return None
        return None if token.market_id in self._resolved else token.book

    def age_ms(self, token_id: str, now_ms: int) -> int | None:
        """Milliseconds since the venue last changed the book; `None` without one.

        Negative when the venue's clock runs ahead of ours, which it does.
        """
        book = self.book(token_id)
        return None if book is None else now_ms - book.as_of_ms

    def tick_size(self, token_id: str) -> Decimal | None:
        """The price grid in force, as last told."""
        token = self._tokens.get(token_id)
        return None if token is None else token.tick_size

    def last_trade(self, token_id: str) -> LastTrade | None:
        """The newest trade heard of."""
        token = self._tokens.get(token_id)
        return None if token is None else token.trade

    def resolution(self, market_id: str) -> MarketResolved | None:
        """How the market was resolved, if it was."""
        return self._resolved.get(market_id)

    def untrusted(self) -> list[str]:
        """Tokens heard of whose book needs a new snapshot, sorted."""
        return sorted(t for t, token in self._tokens.items() if not token.synced)

    def diverged(self) -> list[str]:
        """Tokens whose book was found wrong and has no new snapshot yet, sorted."""
        return sorted(t for t, token in self._tokens.items() if token.diverged)

    def stats(self) -> KeeperStats:
        """A copy of the counters."""
        return msgspec.structs.replace(self._stats, quarantined=self.quarantine.count)

    # --- feeding ------------------------------------------------------------------

    def feed(self, frame: Frame) -> list[BookUpdate]:
        """Parse a frame and apply what it says; what is unreadable is put aside."""
        facts, errors = frame.parsed()
        for error in errors:
            self.put_aside(error)
        return [update for fact in facts if (update := self.apply(fact))]

    def put_aside(self, error: FrameError) -> None:
        """Quarantine it; a book whose change was lost is no longer trusted."""
        self.quarantine.add(error)
        if not error.book_lost:
            return
        for token_id, token in self._tokens.items():
            known, mine = error.token_id, token.market_id == error.market_id
            if token_id == known if known else mine:
                self._diverge(token)

    def apply(self, fact: Fact) -> BookUpdate | None:
        """Take one fact into account.

        Returns:
            What it changed; `None` if it was a repetition, too old, without a
            book to stand on, or about no book.
        """
        match fact:
            case BookSnapshot():
                return self._snapshot(fact)
            case PriceChange():
                return self._change(fact)
            case LastTrade():
                return self._trade(fact)
            case TickSizeChange():
                return self._tick_change(fact)
            case BestBidAsk():
                self._stats.tops += 1
            case MarketResolved():
                return self._resolve(fact)
            case Gap():
                self._gap()
            case Ignored():
                self._stats.ignored += 1
        return None

    def _token(self, market_id: str, token_id: str) -> _Token:
        token = self._tokens.get(token_id)
        if token is None:
            token = self._tokens[token_id] = _Token(market_id, token_id)
        return token

    def _update(
        self,
        fact: BookSnapshot | PriceChange | LastTrade | TickSizeChange | MarketResolved,
        token_id: str,
        changes: tuple[Changed, ...] = (),
    ) -> BookUpdate:
        usable = self.book(token_id) is not None
        return BookUpdate(fact=fact, token_id=token_id, usable=usable, changes=changes)

    def _snapshot(self, fact: BookSnapshot) -> BookUpdate | None:
        token = self._token(fact.market_id, fact.token_id)
        if token.synced and fact.hash and fact in token.seen:
            self._stats.duplicates += 1
            return None
        if fact.timestamp_ms < token.newest_ms:
            self._stats.out_of_order += 1
            return None
        self._stats.snapshots += 1
        if not token.synced:
            token.seen.clear()
        token.book.replace(bids=fact.bids, asks=fact.asks)
        token.remember(fact)
        token.synced, token.diverged = True, False
        if fact.tick_size is not None and fact.timestamp_ms >= token.tick_ms:
            token.tick_size, token.tick_ms = fact.tick_size, fact.timestamp_ms
        self._check_crossed(token)
        return self._update(fact, fact.token_id)

    def _change(self, fact: PriceChange) -> BookUpdate | None:
        token = self._token(fact.market_id, fact.token_id)
        if not token.synced:
            self._stats.unsynced += 1
            token.newest_ms = max(token.newest_ms, fact.timestamp_ms)
            return None
        if fact.timestamp_ms < token.book.as_of_ms:
            self._stats.out_of_order += 1
            return None
        # Without a hash two equal changes may both be meant; totals are absolute,
        # so applying one twice in a row does no harm.
        if fact.hash and fact in token.seen:
            self._stats.duplicates += 1
            return None
        self._stats.changes += 1
        changes = tuple(_set_levels(token.book, fact))
        token.remember(fact)
        if _contradicts(token.book, fact):
            self._diverge(token)
        self._check_crossed(token)
        return self._update(fact, fact.token_id, changes)

    def _trade(self, fact: LastTrade) -> BookUpdate | None:
        token = self._token(fact.market_id, fact.token_id)
        if token.trade is not None:
            if fact.timestamp_ms < token.trade.timestamp_ms:
                self._stats.out_of_order += 1
                return None
            if fact.timestamp_ms > token.trade.timestamp_ms:
                token.trades_seen.clear()
        # Two trades may look alike; only the transaction tells them apart.
        if fact.tx_hash and fact in token.trades_seen:
            self._stats.duplicates += 1
            return None
        self._stats.trades += 1
        token.trade = fact
        if len(token.trades_seen) < _MAX_SEEN:
            token.trades_seen.add(fact)
        return self._update(fact, fact.token_id)

    def _tick_change(self, fact: TickSizeChange) -> BookUpdate | None:
        token = self._token(fact.market_id, fact.token_id)
        if fact.timestamp_ms < token.tick_ms:
            self._stats.out_of_order += 1
            return None
        self._stats.tick_changes += 1
        token.tick_size, token.tick_ms = fact.new, fact.timestamp_ms
        return self._update(fact, fact.token_id)

    def _resolve(self, fact: MarketResolved) -> BookUpdate | None:
        if self._resolved.get(fact.market_id) == fact:
            self._stats.duplicates += 1
            return None
        self._stats.resolved += 1
        self._resolved[fact.market_id] = fact
        return self._update(fact, fact.winning_token)

    def _gap(self) -> None:
        self._stats.gaps += 1
        for token in self._tokens.values():
            token.synced, token.diverged = False, False
            # Nothing heard before the gap may hold up the snapshot after it.
            token.newest_ms = 0

    def _diverge(self, token: _Token) -> None:
        if token.synced:
            self._stats.diverged += 1
            token.synced, token.diverged = False, True

    def _check_crossed(self, token: _Token) -> None:
        bid, ask = token.book.best_bid, token.book.best_ask
        crossed = bid is not None and ask is not None and bid.price >= ask.price
        self._stats.crossed += crossed and not token.crossed
        token.crossed = crossed


def _set_levels(book: OrderBook, fact: PriceChange) -> Iterable[Changed]:
    for side, price, size in fact.levels:
        before = book.size_at(side, price)
        book.set_level(side, price, size)
        yield Changed(side, price, before, size)


def _contradicts(book: OrderBook, told: PriceChange) -> bool:
    """Whether a told top is not the top of the book; what is not told agrees."""
    # A real ask never stands at 0, nor a real bid at 1: both ends mean "none".
    return _differs(book.best_bid, told.best_bid) or _differs(
        book.best_ask, told.best_ask
    )


def _differs(best: Level | None, told: Decimal | None) -> bool:
    if told is None:
        return False
    if best is None:
        return told not in (ZERO, ONE)
    return best.price != told
