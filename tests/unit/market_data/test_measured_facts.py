"""What was measured on recordings of the venue holds for the books we keep.

The same measurements run on a small synthetic recording of our own, so that they
can fail everywhere, and on the real ones where they are at hand.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from executors.market_data import (
    BestBidAsk,
    BookKeeper,
    PriceChange,
    load_markets,
    load_ticks,
    read_recording,
)
from executors.market_data.files import read_lines
from ledger.book import OrderBook
from ledger.values import ONE, ZERO, Outcome
from tests.unit.market_data.messages import DATA, SHARED

REAL_FRAMES = SHARED / "market_ws_frames_both_tokens_2026-09-24" / "frames.jsonl.gz"
REAL_CONNECTION = SHARED / "market_ws_book_version_v2_2026-10-05"
REAL_MARKETS = SHARED / "btc_5m_markets_and_settlement_prices_2026-07-24"

needs_references = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real recordings are not here"
)


def agrees(book: OrderBook, told: BestBidAsk | PriceChange) -> bool:
    bid, ask = book.best_bid, book.best_ask
    top = (bid.price if bid else ZERO, ask.price if ask else ONE)
    return top == (told.best_bid, told.best_ask)


def measured(path: Path) -> Counter[str]:
    """Feed a recording and count what the venue's own numbers confirm."""
    keeper, counts = BookKeeper(), Counter[str]()
    due: dict[str, BestBidAsk] = {}
    for frame in read_recording(path):
        updated: list[str] = []
        for fact in frame.parsed().facts:
            if isinstance(fact, BestBidAsk) and (kept := keeper.book(fact.token_id)):
                counts["announced too early"] += agrees(kept, fact)
                due[fact.token_id] = fact
            update = keeper.apply(fact)
            if update is None or not isinstance(fact, PriceChange):
                continue
            updated.append(fact.token_id)
            now = keeper.book(fact.token_id)
            assert now is not None
            counts["tops"] += agrees(now, fact)
            counts["removals"] += sum(c.before > 0 == c.after for c in update.changes)
            if announced := due.pop(fact.token_id, None):
                same_time = announced.timestamp_ms == fact.timestamp_ms
                counts["announced"] += same_time and agrees(now, announced)
        if len(updated) == len(Outcome):
            first, second = map(keeper.book, updated)
            assert first is not None
            assert second is not None
            mirror = first.mirrored(second.token_id)
            counts["complements"] += (mirror.bids(), mirror.asks()) == (
                second.bids(),
                second.asks(),
            )
    stats = keeper.stats()
    names = ("changes", "unsynced", "duplicates", "out_of_order", "diverged", "crossed")
    return counts + Counter({name: getattr(stats, name) for name in names})


def test_own_recording() -> None:
    """Tops, complements, removals and announcements, on data of our own."""
    assert measured(DATA / "numbered.jsonl") == {
        "changes": 14,
        "tops": 14,
        "complements": 7,
        "removals": 10,
        "announced": 10,
        "unsynced": 2,
    }


@needs_references
def test_real_recording() -> None:
    """46 of 46 tops, 23 of 23 complements, 22 of 22 removals, 34 of 34 announced."""
    assert measured(REAL_FRAMES) == {
        "changes": 46,
        "tops": 46,
        "complements": 23,
        "removals": 22,
        "announced": 34,
        "unsynced": 10,
    }


@needs_references
def test_real_checksums() -> None:
    """62 of 62 frames are what was received, byte for byte."""
    sums = {
        record["feed_frame_sequence"]: record["payload_sha256"]
        for line in read_lines(REAL_FRAMES)
        if (record := json.loads(line.text or ""))["payload_sha256"]
    }
    frames = {frame.sequence: frame for frame in read_recording(REAL_FRAMES)}
    assert len(sums) == 62
    for sequence, told in sums.items():
        assert hashlib.sha256(frames[sequence].text.encode()).hexdigest() == told


@needs_references
def test_real_connection() -> None:
    """An empty book of the newer protocol and five keep-alives, none of them bad."""
    keeper = BookKeeper()
    for frame in read_recording(REAL_CONNECTION):
        keeper.feed(frame)
    stats = keeper.stats()
    assert (stats.snapshots, stats.ignored, stats.quarantined) == (1, 5, 0)


@needs_references
@pytest.mark.parametrize(
    ("folder", "snapshots"),
    [
        ("top_of_book_both_tokens_btc_5m_2026-05-18", 36),
        ("up_down_nested_windows_best_asks_2026-07-02", 1652),
    ],
)
def test_real_tables(folder: str, snapshots: int) -> None:
    """Every row of the polled tables becomes two books."""
    keeper = BookKeeper()
    for frame in read_recording(SHARED / folder):
        keeper.feed(frame)
    told = msgspec.structs.asdict(keeper.stats())
    assert {name: count for name, count in told.items() if count} == {
        "snapshots": snapshots
    }


@needs_references
def test_real_outcomes_follow_from_the_ticks() -> None:
    """257 of 257: Up wins when the price at the close is at or above the strike."""
    markets = load_markets(REAL_MARKETS / "markets.jsonl.gz")
    ticks = load_ticks(REAL_MARKETS / "chainlink_btcusd_ticks.csv.gz")
    price_at = {tick.ts_ms: tick.price for tick in ticks}
    outcomes = Counter(market.outcome for market in markets)
    assert outcomes == {Outcome.YES: 140, Outcome.NO: 152}
    closed = [
        (market, price_at[market.end_sec * 1000])
        for market in markets
        if market.strike is not None and market.end_sec * 1000 in price_at
    ]
    right = [
        (price >= market.strike) == (market.outcome is Outcome.YES)
        for market, price in closed
        if market.strike is not None
    ]
    assert (sum(right), len(right)) == (257, 257)
