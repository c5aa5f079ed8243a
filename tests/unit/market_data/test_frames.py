"""Reading raw frames: tolerant of shapes, exact in numbers, never fatal."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.market_data import (
    BestBidAsk,
    BookSnapshot,
    Fact,
    Frame,
    FrameError,
    Gap,
    Ignored,
    LastTrade,
    LevelChange,
    MarketResolved,
    PriceChange,
    Quarantine,
    RecordedTime,
    TickSizeChange,
    parse_frame,
)
from ledger.book import Level
from ledger.values import Side
from tests.unit.market_data.messages import (
    FIXTURES,
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


def only_fact(raw: str) -> Fact:
    facts, errors = parse_frame(raw)
    assert errors == ()
    assert len(facts) == 1
    return facts[0]


def only_error(raw: str) -> FrameError:
    facts, errors = parse_frame(raw)
    assert facts == ()
    assert len(errors) == 1
    return errors[0]


class TestShapes:
    """Every shape the venue has been seen to send."""

    def test_book_keeps_every_level_and_what_it_tells_of_the_market(self) -> None:
        """A book is where all else starts; a lost level is lost for good."""
        message = book(
            [(".48", "30"), ("0.490", "20.5")],
            [("0.52", "25")],
            tick_size="0.01",
            last_trade_price="0.600",
            version="v2",
        )
        assert only_fact(text(message)) == BookSnapshot(
            market_id=MARKET,
            token_id=YES,
            timestamp_ms=START_MS,
            bids=(
                Level(Decimal("0.48"), Decimal(30)),
                Level(Decimal("0.49"), Decimal("20.5")),
            ),
            asks=(Level(Decimal("0.52"), Decimal(25)),),
            hash="yes0",
            tick_size=Decimal("0.01"),
            last_trade_price=Decimal("0.6"),
        )

    def test_empty_book_without_a_trade_is_a_book(self) -> None:
        """A market that just opened has no levels and an empty last price."""
        fact = only_fact(text(book([], [], last_trade_price="")))
        assert isinstance(fact, BookSnapshot)
        assert (fact.bids, fact.asks, fact.last_trade_price) == ((), (), None)

    def test_rest_answer_without_event_type_is_a_book(self) -> None:
        """The public endpoint gives the same book without saying so."""
        message = book()
        del message["event_type"]
        assert only_fact(text(message)) == only_fact(text(book()))

    def test_old_names_of_the_sides_are_understood(self) -> None:
        """Recordings of 2024 say buys and sells."""
        message = book()
        message["buys"], message["sells"] = message.pop("bids"), message.pop("asks")
        assert only_fact(text(message)) == only_fact(text(book()))

    def test_change_of_both_tokens_gives_one_fact_per_token(self) -> None:
        """One message moves two books, and each is kept on its own."""
        facts, errors = parse_frame(
            text(
                change(
                    entry(
                        "BUY", "0.41", "7", best_bid="0.41", best_ask="0.6", hash="h"
                    ),
                    entry("SELL", "0.59", "7", token=NO, best_bid="0.4"),
                    entry("BUY", "0.4", "0", best_bid="0.41", best_ask="1", hash="i"),
                )
            )
        )
        assert errors == ()
        assert facts == (
            PriceChange(
                market_id=MARKET,
                token_id=YES,
                timestamp_ms=START_MS + 1,
                levels=(
                    LevelChange(Side.BUY, Decimal("0.41"), Decimal(7)),
                    LevelChange(Side.BUY, Decimal("0.4"), Decimal(0)),
                ),
                hash="i",
                best_bid=Decimal("0.41"),
                best_ask=Decimal(1),
            ),
            PriceChange(
                market_id=MARKET,
                token_id=NO,
                timestamp_ms=START_MS + 1,
                levels=(LevelChange(Side.SELL, Decimal("0.59"), Decimal(7)),),
                best_bid=Decimal("0.4"),
            ),
        )

    def test_older_change_names_its_token_once(self) -> None:
        """Both shapes must give the same fact, or old recordings are worthless."""
        old = {
            "event_type": "price_change",
            "market": MARKET,
            "asset_id": YES,
            "timestamp": str(START_MS + 1),
            "hash": "h",
            "changes": [{"side": "SELL", "price": ".52", "size": "0"}],
        }
        new = change(entry("SELL", "0.52", "0", hash="h"))
        assert only_fact(text(old)) == only_fact(text(new))

    def test_trade_with_and_without_transaction(self) -> None:
        """The fee rate may be 0 and the transaction may be missing."""
        fact = only_fact(
            text(trade("0.456", "219.217767", fee_rate_bps="0", transaction_hash="0x1"))
        )
        assert fact == LastTrade(
            market_id=MARKET,
            token_id=YES,
            timestamp_ms=START_MS + 1,
            price=Decimal("0.456"),
            size=Decimal("219.217767"),
            side=Side.BUY,
            fee_rate_bps=Decimal(0),
            tx_hash="0x1",
        )
        bare = only_fact(text(trade("0.456", "1")))
        assert isinstance(bare, LastTrade)
        assert (bare.fee_rate_bps, bare.tx_hash) == (None, "")

    def test_tick_size_change(self) -> None:
        """An order off the new grid would be refused."""
        message = {
            "event_type": "tick_size_change",
            "market": MARKET,
            "asset_id": YES,
            "timestamp": "100000000",
            "old_tick_size": "0.01",
            "new_tick_size": "0.001",
        }
        fact = only_fact(text(message))
        assert isinstance(fact, TickSizeChange)
        assert (fact.old, fact.new) == (Decimal("0.01"), Decimal("0.001"))

    def test_announced_top(self) -> None:
        """Its numbers are read although the book does not take them."""
        message = {
            "event_type": "best_bid_ask",
            "market": MARKET,
            "asset_id": YES,
            "timestamp": str(START_MS),
            "best_bid": "0.4",
            "best_ask": "",
            "spread": "?",
        }
        fact = only_fact(text(message))
        assert isinstance(fact, BestBidAsk)
        assert (fact.best_bid, fact.best_ask) == (Decimal("0.4"), None)

    def test_resolution_tells_the_order_of_the_tokens(self) -> None:
        """It is the only message that says which token comes first."""
        message = {
            "event_type": "market_resolved",
            "market": MARKET,
            "timestamp": str(START_MS),
            "assets_ids": [YES, NO],
            "outcomes": ["Up", "Down"],
            "winning_asset_id": NO,
            "winning_outcome": "Down",
            "event_message": {"id": "1"},
        }
        assert only_fact(text(message)) == MarketResolved(
            market_id=MARKET,
            timestamp_ms=START_MS,
            winning_token=NO,
            winning_outcome="Down",
            token_ids=(YES, NO),
            outcomes=("Up", "Down"),
        )

    @pytest.mark.parametrize("raw", ["PONG", "PING\n", '{"event_type":"new_market"}'])
    def test_what_is_about_no_book_is_ignored(self, raw: str) -> None:
        """The venue adds message types; none of them may stop us."""
        assert isinstance(only_fact(raw), Ignored)

    def test_empty_list_says_nothing(self) -> None:
        """The venue answers a subscription without books with an empty list."""
        assert parse_frame("[]\n") == ((), ())

    @pytest.mark.skipif(not FIXTURES.is_dir(), reason="the references are not here")
    @pytest.mark.parametrize(
        ("name", "kinds"),
        [
            ("ws_market_book", [BookSnapshot]),
            ("book", [BookSnapshot]),
            ("ws_market_price_change", [PriceChange, PriceChange]),
            ("ws_market_last_trade_price", [LastTrade]),
            ("ws_market_tick_size_change", [TickSizeChange]),
        ],
    )
    def test_documented_messages_are_read(self, name: str, kinds: list[type]) -> None:
        """The venue's own examples are the least that must work."""
        facts, errors = parse_frame((FIXTURES / f"{name}.json").read_text())
        assert ([type(fact) for fact in facts], errors) == (kinds, ())


class TestNumbers:
    """Exact or refused, nothing between."""

    def test_json_numbers_do_not_pass_through_float(self) -> None:
        """0.1 as a binary fraction is another price."""
        raw = text(book()).replace('"0.4"', "0.1").replace('"10"', "5")
        fact = only_fact(raw)
        assert isinstance(fact, BookSnapshot)
        assert fact.bids == (Level(Decimal("0.1"), Decimal(5)),)
        assert str(fact.bids[0].price) == "0.1"

    @pytest.mark.parametrize(
        "price",
        ["1.01", "-0.01", "NaN", "Infinity", "1e-1", "", None, "0.1234567", "½", True],
    )
    def test_impossible_price_is_refused(self, price: Any) -> None:
        """A book with one wrong level would price orders wrongly."""
        error = only_error(text(book([(price, "1")])))
        assert error.reason.startswith("price: ")

    @pytest.mark.parametrize("size", ["-1", "nan", "1e400", "1000000000000", [], "1.x"])
    def test_impossible_size_is_refused(self, size: Any) -> None:
        """Depth decides how much is bought."""
        assert only_error(text(book([("0.4", size)]))).reason.startswith("size: ")

    @pytest.mark.parametrize("number", ["1e400", "1e99999999999999999999", "9" * 5000])
    def test_huge_json_number_is_refused(self, number: str) -> None:
        """A number may be legal JSON and still no amount."""
        raw = text(book()).replace('"10"', number)
        assert only_error(raw).reason in (
            "not JSON",
            "size: must be at least 0 and below 10^12",
            "size: must be a decimal number of at most 32 characters",
        )

    @pytest.mark.parametrize(
        "stamp", ["", "soon", "-1", "1e3", 1.5, True, None, "9" * 15]
    )
    def test_impossible_time_is_refused(self, stamp: Any) -> None:
        """Order in time is all that tells an old frame from a new one."""
        error = only_error(text(book(timestamp=stamp)))
        assert error.reason == "timestamp: must be Unix milliseconds"


class TestBadFrames:
    """A bad frame is put aside with its reason; nothing else is lost."""

    @pytest.mark.parametrize(
        "raw",
        [
            "",
            "INVALID OPERATION",
            "{",
            "[" * 5000,
            '{"a": "\ud800"}',
            "NaN",
            '{"a":1}{}',
        ],
    )
    def test_what_is_no_json_is_put_aside(self, raw: str) -> None:
        """The venue sends plain text on errors, and networks cut frames short."""
        assert only_error(raw).reason == "not JSON"

    @pytest.mark.parametrize("raw", ["1", "null", '"book"', "[[]]"])
    def test_json_that_is_no_object_is_put_aside(self, raw: str) -> None:
        """Valid JSON is not yet a message."""
        assert only_error(raw).reason == "not an object"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("market", None),
            ("asset_id", 7),
            ("asset_id", "x" * 129),
            ("bids", {"price": "0.4"}),
            ("bids", ["0.4"]),
            ("hash", 5),
            ("tick_size", "0"),
        ],
    )
    def test_wrong_type_names_the_field(self, field: str, value: Any) -> None:
        """Whoever reads the quarantine wants to know where to look."""
        assert only_error(text(book() | {field: value})).reason.startswith(f"{field}: ")

    @pytest.mark.parametrize("field", ["market", "asset_id", "timestamp", "bids"])
    def test_missing_field_is_an_error(self, field: str) -> None:
        """Guessing a field would be inventing data."""
        message = book()
        del message[field]
        assert only_error(text(message)).reason.startswith(f"{field}: ")

    def test_one_bad_message_leaves_the_others_of_its_list(self) -> None:
        """One frame carries the books of many markets."""
        facts, errors = parse_frame(text(book(), book() | {"bids": 7}, book(token=NO)))
        assert [fact.token_id for fact in facts if isinstance(fact, BookSnapshot)] == [
            YES,
            NO,
        ]
        assert len(errors) == 1

    def test_one_bad_entry_spoils_its_token_only(self) -> None:
        """The other token's change is as good as ever."""
        facts, errors = parse_frame(
            text(change(entry("BUY", "2", "1"), entry("SELL", "0.6", "1", token=NO)))
        )
        assert [fact.token_id for fact in facts if isinstance(fact, PriceChange)] == [
            NO
        ]
        [error] = errors
        assert (error.token_id, error.market_id) == (YES, MARKET)
        assert error.book_lost

    def test_price_named_twice_is_an_error(self) -> None:
        """Which of the two sizes is meant cannot be known."""
        error = only_error(text(book([("0.4", "5"), (".40", "6")])))
        assert error.reason == "bids: names a price twice"

    def test_unreadable_side_is_an_error(self) -> None:
        """A bid taken for an ask would cross the book."""
        assert only_error(text(trade("0.5", "1", side="buy"))).reason.startswith("side")

    def test_lost_trade_is_not_a_lost_book(self) -> None:
        """A trade says nothing about the levels."""
        assert not only_error(text(trade("7", "1"))).book_lost

    def test_error_keeps_the_beginning_and_the_place(self) -> None:
        """Enough to find the frame, not enough to fill the memory."""
        [error] = parse_frame("x" * 1000, source="f:3").errors
        assert (len(error.raw), error.source) == (200, "f:3")

    @given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
    def test_no_text_raises(self, raw: str) -> None:
        """The stream must survive whatever comes."""
        parse_frame(raw)

    @given(
        st.dictionaries(
            st.sampled_from(
                [*book(), "price_changes", "changes", "price", "size", "side"]
            ),
            st.sampled_from(["book", "price_change", "last_trade_price", "1", "BUY"])
            | st.integers()
            | st.none()
            | st.lists(st.dictionaries(st.sampled_from(["price", "size"]), st.text())),
        )
    )
    def test_no_object_raises(self, message: dict[str, Any]) -> None:
        """Right names with wrong contents are the likeliest damage."""
        parse_frame(json.dumps(message))


class TestFrame:
    """A frame and the small things that go with it."""

    def test_a_break_in_the_stream_is_a_fact(self) -> None:
        """Books learn of it through the same door as of all else."""
        frame = Frame(sequence=1, received_ms=0, gap="lost")
        assert frame.parsed() == ((Gap("lost"),), ())

    def test_recorded_time_never_goes_back(self) -> None:
        """A receiver's clock may be set back; a replay must not run twice."""
        time = RecordedTime()
        assert time.advance(Frame(sequence=1, received_ms=1500)) == 1500
        assert time.advance(Frame(sequence=2, received_ms=1400)) == 1500
        assert time.monotonic() == 1.5
        assert time.now().isoformat() == "1970-01-01T00:00:01.500000+00:00"

    def test_quarantine_counts_all_and_keeps_the_latest(self) -> None:
        """A day of garbage must not fill the memory."""
        aside = Quarantine()
        for number in range(150):
            aside.add(FrameError(reason="not JSON", raw=str(number)))
        assert (aside.count, aside.reasons["not JSON"]) == (150, 150)
        assert [len(aside.samples), aside.samples[-1].raw] == [100, "149"]
