"""Books follow the stream, and say when they are not to be believed."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.market_data import BookKeeper, BookUpdate, Changed, Frame
from ledger.book import Level, OrderBook
from ledger.values import Side
from tests.unit.market_data.messages import (
    MARKET,
    NO,
    START_MS,
    YES,
    book,
    change,
    entry,
    text,
    trade,
)


class Stream:
    """A keeper, fed with messages."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.keeper = BookKeeper()
        self.say(*messages)

    def say(self, *messages: dict[str, Any]) -> list[BookUpdate]:
        return [update for m in messages for update in self.feed(text(m))]

    def feed(self, raw: str = "", *, gap: str = "") -> list[BookUpdate]:
        return self.keeper.feed(Frame(sequence=1, received_ms=0, text=raw, gap=gap))

    def counted(self, **expected: int) -> bool:
        stats = self.keeper.stats()
        return {name: getattr(stats, name) for name in expected} == expected

    def book(self, token: str = YES) -> OrderBook:
        kept = self.keeper.book(token)
        assert kept is not None
        return kept


def bid(price: str, size: str, **fields: Any) -> dict[str, Any]:
    return entry("BUY", price, size, **fields)


class TestKeeping:
    """What a frame does to a book."""

    def test_snapshot_then_change(self) -> None:
        """The size of a change is the new total, not a difference."""
        stream = Stream(book([("0.4", "10")], [("0.6", "5")]))
        [update] = stream.say(change(bid("0.4", "3", best_bid="0.4", best_ask="0.6")))
        assert stream.book().bids() == [Level(Decimal("0.4"), Decimal(3))]
        assert update.changes == (
            Changed(Side.BUY, Decimal("0.4"), Decimal(10), Decimal(3)),
        )
        assert update.usable
        assert stream.book().as_of_ms == START_MS + 1

    def test_size_zero_removes_the_level(self) -> None:
        """Liquidity that is gone must not be counted on."""
        stream = Stream(book(), change(bid("0.4", "0", best_bid="0", best_ask="0.6")))
        assert stream.book().best_bid is None

    def test_new_snapshot_replaces_all(self) -> None:
        """Levels of the old book are not in the new one."""
        stream = Stream(book(), book([("0.3", "1")], [], at=1))
        assert stream.book().bids() == [Level(Decimal("0.3"), Decimal(1))]
        assert stream.book().asks() == []

    def test_both_tokens_of_one_change(self) -> None:
        """One frame moves two books."""
        stream = Stream(book(), book(token=NO))
        stream.say(change(bid("0.41", "7"), entry("SELL", "0.59", "7", token=NO)))
        assert stream.book().best_bid == Level(Decimal("0.41"), Decimal(7))
        assert stream.book(NO).best_ask == Level(Decimal("0.59"), Decimal(7))

    def test_announced_top_leaves_the_book_alone(self) -> None:
        """It comes before the change; taking it at its word would be a guess."""
        stream = Stream(book())
        top = {"event_type": "best_bid_ask", "market": MARKET, "asset_id": YES}
        stream.say({**top, "timestamp": str(START_MS + 5), "best_bid": "0.5"})
        stream.say(change(bid("0.5", "1", best_bid="0.5"), at=5))
        assert stream.book().best_bid == Level(Decimal("0.5"), Decimal(1))
        assert stream.counted(tops=1, changes=1, diverged=0)

    def test_tick_size_is_the_one_last_told(self) -> None:
        """Orders off the grid are refused by the venue."""
        stream = Stream(book(tick_size="0.01"))
        tick = {"event_type": "tick_size_change", "market": MARKET, "asset_id": YES}
        tick |= {"old_tick_size": "0.01"}
        stream.say({**tick, "timestamp": str(START_MS + 9), "new_tick_size": "0.001"})
        stream.say({**tick, "timestamp": str(START_MS + 8), "new_tick_size": "0.1"})
        assert stream.keeper.tick_size(YES) == Decimal("0.001")
        assert stream.counted(tick_changes=1, out_of_order=1)
        stream.say(book(tick_size="0.005", at=10))
        assert stream.keeper.tick_size(YES) == Decimal("0.005")

    def test_age_may_be_negative(self) -> None:
        """The venue's clock runs ahead of ours by some milliseconds."""
        keeper = Stream(book()).keeper
        assert keeper.age_ms(YES, START_MS - 9) == -9
        assert keeper.age_ms(YES, START_MS + 50) == 50
        assert keeper.age_ms("unknown", START_MS) is None

    def test_resolved_market_has_no_book(self) -> None:
        """Nothing trades any more, whatever the last levels were."""
        stream = Stream(book(), book(token=NO))
        resolved = {
            "event_type": "market_resolved",
            "market": MARKET,
            "winning_asset_id": NO,
            "timestamp": str(START_MS),
        }
        [update] = stream.say(resolved)
        assert (update.token_id, update.usable) == (NO, False)
        assert stream.say(resolved) == []
        assert stream.keeper.book(YES) is None
        told = stream.keeper.resolution(MARKET)
        assert told is not None
        assert told.winning_token == NO


class TestTrades:
    """Trades are facts about the market, not about levels."""

    def test_trade_is_passed_on_even_without_a_book(self) -> None:
        """A resting order may have been filled by it."""
        stream = Stream()
        [update] = stream.say(trade("0.5", "3"))
        assert not update.usable
        last = stream.keeper.last_trade(YES)
        assert last is not None
        assert last.size == Decimal(3)

    def test_equal_trades_without_transaction_both_count(self) -> None:
        """Two people may buy five shares in one millisecond."""
        stream = Stream(trade("0.5", "5"), trade("0.5", "5"))
        assert stream.counted(trades=2, duplicates=0)

    def test_trade_told_twice_counts_once(self) -> None:
        """Counting it twice would fill a resting order twice."""
        first = trade("0.5", "5", transaction_hash="0x1")
        other = trade("0.5", "5", transaction_hash="0x2")
        stream = Stream(first, other, first)
        assert stream.counted(trades=2, duplicates=1)

    def test_older_trade_does_not_replace_the_last(self) -> None:
        """Frames may be delivered late."""
        stream = Stream(trade("0.5", "5", at=9), trade("0.4", "5", at=8))
        assert stream.counted(trades=1, out_of_order=1)


class TestDistrust:
    """When a book may be wrong, there is none."""

    def test_change_without_snapshot_is_counted_not_applied(self) -> None:
        """A book of changes alone would lack every older level."""
        stream = Stream(change(bid("0.4", "1")))
        assert stream.keeper.book(YES) is None
        assert stream.counted(unsynced=1, changes=0)
        assert stream.keeper.untrusted() == [YES]

    def test_snapshot_older_than_a_change_heard_of_is_no_start(self) -> None:
        """It was taken before that change, which would be missing for ever."""
        stream = Stream(change(bid("0.5", "1"), at=9), book(at=8))
        assert stream.keeper.book(YES) is None
        stream.say(book(at=9))
        assert stream.keeper.book(YES) is not None

    def test_gap_takes_all_books_until_new_snapshots(self) -> None:
        """What happened in the gap is unknown."""
        stream = Stream(book(), book(token=NO))
        stream.feed(gap="lost")
        assert stream.keeper.book(YES) is None
        assert stream.keeper.book(NO) is None
        assert stream.say(change(bid("0.4", "1"))) == []
        stream.say(book(at=1))
        assert stream.keeper.book(YES) is not None
        assert stream.keeper.book(NO) is None

    def test_same_snapshot_after_a_gap_is_news(self) -> None:
        """Nothing may have changed meanwhile; then the venue repeats itself."""
        stream = Stream(book())
        stream.feed(gap="lost")
        stream.say(book())
        assert stream.keeper.book(YES) is not None
        assert stream.counted(snapshots=2, duplicates=0)

    def test_wrong_time_before_a_gap_does_not_outlive_it(self) -> None:
        """One frame from the far future would else shut the token out for good."""
        stream = Stream(book(at=10**9))
        assert stream.say(book(at=1)) == []
        stream.feed(gap="lost")
        stream.say(book(at=2))
        assert stream.keeper.book(YES) is not None

    def test_change_repeated_after_the_gap_is_applied(self) -> None:
        """The snapshot may be from before it, in the same millisecond."""
        again = change(bid("0.41", "7", hash="h"), at=1)
        stream = Stream(book(at=1), again)
        stream.feed(gap="lost")
        stream.say(book(at=1), again)
        assert stream.book().best_bid == Level(Decimal("0.41"), Decimal(7))

    @pytest.mark.parametrize(
        "told",
        [
            {"best_bid": "0.41"},
            {"best_bid": "0"},
            {"best_ask": "0.59"},
            {"best_ask": "1"},
        ],
    )
    def test_other_top_than_told_ends_trust(self, told: dict[str, str]) -> None:
        """The venue and we disagree, so something was lost."""
        stream = Stream(book(), book(token=NO))
        [update] = stream.say(change(bid("0.39", "1", **told)))
        assert not update.usable
        assert stream.keeper.book(YES) is None
        assert stream.keeper.book(NO) is not None
        assert stream.keeper.diverged() == [YES]
        stream.say(change(bid("0.38", "1"), at=2))
        assert stream.counted(diverged=1, unsynced=1)
        stream.say(book(at=2))
        assert stream.keeper.book(YES) is not None
        assert stream.keeper.diverged() == []

    def test_empty_sides_are_told_as_0_and_1(self) -> None:
        """Both ends of the scale stand for nobody."""
        stream = Stream(book([], []))
        stream.say(change(entry("BUY", "0.4", "0", best_bid="0", best_ask="1")))
        assert stream.counted(diverged=0)

    def test_crossed_book_is_out_until_it_uncrosses(self) -> None:
        """A bid at the ask would have traded, so one of them is old."""
        stream = Stream(book(), change(bid("0.6", "1")))
        assert stream.keeper.book(YES) is None
        stream.say(change(bid("0.61", "1"), at=2))
        stream.say(change(bid("0.61", "0"), bid("0.6", "0"), at=3))
        assert stream.keeper.book(YES) is not None
        assert stream.counted(crossed=1)

    def test_unreadable_change_ends_trust_in_its_book(self) -> None:
        """The change happened, only we do not know which."""
        stream = Stream(book(), book(token=NO))
        stream.say(change(bid("7", "1"), entry("SELL", "0.6", "9", token=NO)))
        assert stream.keeper.book(YES) is None
        assert stream.book(NO).size_at(Side.SELL, Decimal("0.6")) == 9
        assert stream.counted(quarantined=1, diverged=1)

    def test_change_that_names_no_token_ends_trust_in_its_market(self) -> None:
        """Any of the market's books may have changed."""
        elsewhere = book(token="else", market="0xother")
        stream = Stream(book(), book(token=NO), elsewhere)
        stream.say(change({"side": "BUY", "price": "0.4", "size": "1"}))
        assert stream.keeper.untrusted() == [NO, YES]

    def test_unreadable_trade_leaves_the_book(self) -> None:
        """A trade moves no level; the change that goes with it is its own message."""
        stream = Stream(book())
        stream.say(trade("7", "1"))
        assert stream.keeper.book(YES) is not None
        assert stream.counted(quarantined=1)

    def test_garbage_about_no_book_changes_nothing(self) -> None:
        """The venue's plain error text is not a lost change."""
        stream = Stream(book())
        stream.feed("INVALID OPERATION")
        assert stream.keeper.book(YES) is not None
        assert stream.counted(quarantined=1)


class TestRepetition:
    """The venue repeats and reorders; the book stays the same."""

    def test_repeated_snapshot_does_not_undo_later_changes(self) -> None:
        """It would bring back a level that was taken."""
        stream = Stream(book(), change(bid("0.4", "1", hash="h"), at=0), book())
        assert stream.book().size_at(Side.BUY, Decimal("0.4")) == 1
        assert stream.counted(duplicates=1, snapshots=1)

    def test_repeated_change_counts_once(self) -> None:
        """Applied again after its successor, it would undo that one."""
        first = change(bid("0.4", "1", hash="a"))
        stream = Stream(book(), first, change(bid("0.4", "2", hash="b")), first)
        assert stream.book().size_at(Side.BUY, Decimal("0.4")) == 2
        assert stream.counted(changes=2, duplicates=1)

    @pytest.mark.parametrize("late", [book(at=-1), change(bid("0.4", "1"), at=-1)])
    def test_older_than_the_book_is_ignored(self, late: dict[str, Any]) -> None:
        """Late delivery must not turn the book back."""
        stream = Stream(book())
        assert stream.say(late) == []
        assert stream.counted(out_of_order=1)

    def test_equal_time_is_normal(self) -> None:
        """Several changes share a millisecond."""
        stream = Stream(book())
        assert len(stream.say(change(bid("0.4", "1"), at=0))) == 1


# --- against a model ----------------------------------------------------------------

prices = st.integers(1, 99).map(lambda cents: Decimal(cents) / 100)
sizes = st.just(Decimal(0)) | st.integers(1, 10**9).map(lambda n: Decimal(n) / 10**6)
sides = st.sampled_from(Side)
level_changes = st.lists(st.tuples(sides, prices, sizes), min_size=1, max_size=4)


@given(
    st.dictionaries(prices, sizes, max_size=20),
    st.dictionaries(prices, sizes, max_size=20),
    st.lists(level_changes, max_size=20),
)
def test_any_changes_keep_the_book_equal_to_a_dict(
    bids: dict[Decimal, Decimal],
    asks: dict[Decimal, Decimal],
    changes: list[list[tuple[Side, Decimal, Decimal]]],
) -> None:
    """The book is nothing but the last total told for each price."""
    stream = Stream(
        book(
            [(str(p), str(s)) for p, s in bids.items()],
            [(str(p), str(s)) for p, s in asks.items()],
        )
    )
    model = {Side.BUY: dict(bids), Side.SELL: dict(asks)}
    for number, levels in enumerate(changes):
        stream.say(
            change(*(entry(side, str(p), str(s)) for side, p, s in levels), at=number)
        )
        for side, price, size in levels:
            model[side][price] = size
    kept = stream.keeper._tokens[YES].book
    for side, levels_of in ((Side.BUY, kept.bids()), (Side.SELL, kept.asks())):
        expected = {p: s for p, s in model[side].items() if s}
        assert dict(levels_of) == expected
    crossed = bool(kept.bids() and kept.asks()) and (
        kept.bids()[0].price >= kept.asks()[0].price
    )
    assert (stream.keeper.book(YES) is None) == crossed
