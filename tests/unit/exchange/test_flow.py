"""Who else trades, and that one seed gives one history."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from executors.exchange.engine import ExchangeConfig, ExchangeMarket, Message, Placed
from executors.exchange.engine.flow import EmptyFlow, MakersFlow, RecordingFlow
from executors.exchange.engine.others import NAME
from executors.market_data import infer_markets, read_recording
from executors.market_data.books import BookKeeper
from executors.market_data.frames import Frame
from tests.unit.exchange.desk import MARKET, NO, START_MS, YES, Venue

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"


def history(seed: int, steps: list[int]) -> list[Message]:
    """Everything that a venue with makers and takers says in half a minute."""
    venue = Venue(ExchangeConfig(seed=seed, failure_rate=Decimal("0.1")))
    MakersFlow(venue.exchange, seed=seed, start_ms=START_MS)
    for step in steps:
        venue.wait(step)
    return [message for _, message in venue.heard]


def test_one_seed_gives_one_history_however_often_the_clock_is_read() -> None:
    """A failure that cannot be repeated cannot be understood."""
    often = history(7, [100] * 300)
    assert often == history(7, [30_000])
    assert len(often) > 100


def test_another_seed_gives_another_history() -> None:
    """Otherwise the seed would be an ornament."""
    assert history(7, [30_000]) != history(8, [30_000])


def test_makers_keep_both_sides_of_both_books() -> None:
    """A bot that practises needs somebody to trade with."""
    venue = Venue()
    MakersFlow(venue.exchange, seed=1, start_ms=START_MS)
    venue.wait(60_000)
    for token in (YES, NO):
        book = venue.exchange.book(token)
        assert book is not None
        assert book["bids"]
        assert book["asks"]
    assert venue.exchange.trades(NAME)


def test_takers_fill_the_orders_of_a_user() -> None:
    """Maker fills are half of what a ledger has to get right."""
    venue = Venue()
    venue.fund("t", cash=100_000)
    MakersFlow(venue.exchange, seed=1, start_ms=START_MS)
    venue.wait(1_000)
    for _ in range(60):
        book = venue.exchange.book(YES)
        assert book is not None
        venue.place("t", "BUY", YES, book["bids"][-1]["price"], 10)
        venue.wait(1_000)
    roles = {row["trader_side"] for row in venue.exchange.trades("t")}
    assert "MAKER" in roles


def test_empty_flow_does_nothing() -> None:
    """The quiet exchange is the one for exact scenarios."""
    flow = EmptyFlow()
    flow.advance(START_MS)
    assert flow.next_due_ms() is None


def replayed(name: str) -> tuple[Venue, list[Frame], ExchangeMarket]:
    """A venue that has replayed a whole recording."""
    frames = list(read_recording(RECORDINGS / name))
    plain = infer_markets(frames)[0]
    market = ExchangeMarket(
        condition_id=plain.market_id,
        tokens=(plain.yes_token, plain.no_token),
        tick_size=plain.tick_size,
    )
    venue = Venue(market=market)
    RecordingFlow(venue.exchange, frames, start_ms=START_MS)
    span = frames[-1].received_ms - frames[0].received_ms
    venue.wait(max(span, 0) + 1)
    return venue, frames, market


@pytest.mark.parametrize("name", ["own.jsonl", "numbered.jsonl", "connection.jsonl"])
def test_the_book_after_a_replay_is_the_recorded_one(name: str) -> None:
    """A practice market that drifts off its recording teaches wrong prices.

    Sizes are cut where a share's price would leave fractions of a base unit.
    """
    step = Decimal("0.0001")
    venue, frames, market = replayed(name)
    keeper = BookKeeper()
    followed = ""
    for one in frames:
        for update in keeper.feed(one):
            followed = followed or update.token_id
    recorded = keeper.book(followed)
    shown = venue.exchange.book(followed)
    assert recorded is not None
    assert shown is not None
    assert followed in market.tokens
    for side, levels in (("bids", recorded.bids), ("asks", recorded.asks)):
        expected = sorted((price, size // step * step) for price, size in levels())
        found = sorted((Decimal(x["price"]), Decimal(x["size"])) for x in shown[side])
        assert found == expected


def frame(number: int, text: str) -> Frame:
    """A frame a second after the one before."""
    return Frame(sequence=number, received_ms=1_000 * number, text=text)


def book_frame(number: int, bid: str, size: str, ask: str) -> Frame:
    """A snapshot with one level on each side."""
    return frame(
        number,
        '{"event_type":"book","market":"0xaa","asset_id":"111","timestamp":"1",'
        f'"bids":[{{"price":"{bid}","size":"{size}"}}],'
        f'"asks":[{{"price":"{ask}","size":"100"}}]}}',
    )


def test_recorded_books_fill_a_user_when_they_cross_its_price() -> None:
    """A limit that the market went through has been filled."""
    venue = Venue()
    venue.fund("t")
    frames = [book_frame(1, "0.4", "50", "0.6"), book_frame(2, "0.4", "50", "0.45")]
    RecordingFlow(venue.exchange, frames, start_ms=START_MS)
    venue.wait(500)
    answer = venue.place("t", "BUY", YES, "0.5", 10)
    assert isinstance(answer, Placed)
    assert answer.status == "live"
    venue.wait(1_000)
    row = venue.exchange.order(answer.order_id)
    assert row is not None
    assert row["size_matched"] == "10"


def test_a_recorded_level_that_shrinks_keeps_its_place() -> None:
    """Otherwise a user would jump the queue with every recorded change."""
    venue = Venue()
    venue.fund("t")
    trade = (
        '{"event_type":"last_trade_price","market":"0xaa","asset_id":"111",'
        '"timestamp":"1","price":"0.4","size":"30","side":"SELL"}'
    )
    frames = [
        book_frame(1, "0.4", "50", "0.6"),
        book_frame(2, "0.4", "30", "0.6"),
        frame(3, trade),
    ]
    RecordingFlow(venue.exchange, frames, start_ms=START_MS)
    venue.wait(500)
    answer = venue.place("t", "BUY", YES, "0.4", 10)
    assert isinstance(answer, Placed)
    venue.wait(5_000)
    row = venue.exchange.order(answer.order_id)
    assert row is not None
    assert row["size_matched"] == "0"


def test_flow_leaves_a_closed_market_alone() -> None:
    """Nothing trades after the end."""
    venue = Venue(market=msgspec.structs.replace(MARKET, accepting_orders=False))
    MakersFlow(venue.exchange, seed=1, start_ms=START_MS)
    venue.wait(60_000)
    assert venue.exchange.trades(NAME) == []
