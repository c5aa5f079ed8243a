"""Rows and stream messages have the venue's fields and its odd shapes."""

import json
from pathlib import Path
from typing import Any

import pytest

from executors.exchange.engine import Message, Placed
from executors.market_data.facts import Ignored
from executors.market_data.frames import parse_frame
from ledger.values import Settlement
from tests.unit.exchange.desk import NO, YES, Venue

SHARED = Path(__file__).parents[4] / "shared" / "fixtures" / "polymarket"

ORDER_FIELDS = {
    "asset_id",
    "associate_trades",
    "created_at",
    "event_type",
    "expiration",
    "id",
    "maker_address",
    "market",
    "order_owner",
    "order_type",
    "original_size",
    "outcome",
    "owner",
    "price",
    "side",
    "size_matched",
    "status",
    "timestamp",
    "type",
}


def busy() -> Venue:
    """A venue where everything has happened once."""
    venue = Venue()
    venue.fund("m", yes=100)
    venue.fund("n")
    venue.fund("t")
    venue.place("m", "SELL", YES, "0.5", 10)
    venue.place("n", "BUY", NO, "0.5", 10)
    venue.place("m", "SELL", YES, "0.5", 30)
    venue.place("t", "BUY", YES, "0.5", 25)
    venue.place("t", "BUY", YES, "0.5", 100, "FOK")
    venue.place("t", "BUY", YES, "0.2", 10)
    venue.exchange.cancel_all("t")
    venue.wait(60_000)
    return venue


def published(name: str) -> Any:
    """A message as the venue published it, where the fixtures are at hand."""
    path = SHARED / f"{name}.json"
    if not path.exists():
        pytest.skip("the venue's messages are not at hand")
    return json.loads(path.read_text())


def shape(value: Any) -> Any:
    """Field names and the kinds of what is in them."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)


def of_kind(messages: list[Message], kind: str) -> Message:
    """The first message of a type."""
    return next(message for message in messages if message["type"] == kind)


def test_every_order_message_has_every_field() -> None:
    """A field that only comes sometimes hides the parser that needs it."""
    for message in busy().user("t", "order"):
        assert set(message) == ORDER_FIELDS


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ws_user_order_placement", "PLACEMENT"),
        ("ws_user_order_update_partial", "UPDATE"),
    ],
)
def test_order_messages_have_the_published_shape(name: str, kind: str) -> None:
    """Practice must not be easier to parse than the real thing."""
    message = of_kind(busy().user("t", "order"), kind)
    assert shape(message) == shape(published(name))


def test_a_kill_has_the_odd_shape_of_the_venue() -> None:
    """Empty fields and prose as status: the official client drops it silently."""
    venue = busy()
    killed = next(m for m in venue.user("t", "order") if m["order_type"] == "FOK")
    assert killed["size_matched"] == killed["created_at"] == killed["outcome"] == ""
    assert killed["original_size"] == "50", "a BUY's size is its pUSD"
    assert killed["status"].startswith("CANCELED_order couldn't be fully filled.")
    assert shape(killed) == shape(published("ws_user_order_fok_buy_size_in_collateral"))


def test_trade_messages_have_the_published_shape() -> None:
    """One trade id may hold several makers, of both tokens."""
    venue = busy()
    trade = venue.user("t", "trade")[0]
    assert [(m["owner"], m["outcome"], m["side"]) for m in trade["maker_orders"]] == [
        ("m", "Yes", "SELL"),
        ("n", "No", "BUY"),
        ("m", "Yes", "SELL"),
    ]
    assert shape(trade) == shape(published("ws_user_trade_taker_matched"))
    row = venue.exchange.trades("t")[0]
    assert shape(row) == shape(published("data_trades_page")["data"][0])


def test_a_maker_with_two_orders_in_a_trade_hears_of_it_once() -> None:
    """Failure mode 11: the second fill of one trade id is not a repetition."""
    trades = [m for m in busy().user("m", "trade") if m["status"] == "MATCHED"]
    assert len(trades) == 1
    own = [m["order_id"] for m in trades[0]["maker_orders"] if m["owner"] == "m"]
    assert own == ["0x01", "0x03"]


def test_rows_have_the_published_shape() -> None:
    """The same for what REST gives."""
    venue = busy()
    venue.place("t", "BUY", YES, "0.2", 10)
    assert shape(venue.exchange.orders("t")[0]) == shape(published("data_order"))
    assert shape(venue.exchange.book(YES)) == shape(published("book"))


def test_data_api_rows_have_the_published_fields() -> None:
    """The official client refuses a row with a field missing."""
    venue = busy()
    position = published("data_api_v2_positions")["data"][0]
    assert set(venue.exchange.positions("0xt")[0]) == set(position)
    activity = published("data_api_v2_activity")["data"][0]
    assert set(venue.exchange.activity("0xt")[0]) == set(activity)


@pytest.mark.parametrize("event", ["price_change", "last_trade_price"])
def test_market_messages_have_the_published_shape(event: str) -> None:
    """A market-data reader takes the exchange for the venue."""
    message = busy().market(YES, event)[0]
    assert shape(message) == shape(published(f"ws_market_{event}"))


def test_our_own_reader_understands_every_market_message() -> None:
    """What the recorder stores of a practice run can be replayed."""
    venue = busy()
    venue.exchange.resolve("0xaa", YES)
    texts = [json.dumps(m) for a, m in venue.heard if a.channel == "market"]
    texts.append(json.dumps({"event_type": "book", **(venue.exchange.book(YES) or {})}))
    for text in texts:
        parsed = parse_frame(text)
        assert parsed.errors == ()
        assert not any(isinstance(fact, Ignored) for fact in parsed.facts)


def test_price_changes_add_up_to_the_book() -> None:
    """A reader that missed nothing must see what /book says."""
    venue = Venue()
    venue.fund("m", yes=100)
    venue.fund("t")
    for price in ("0.5", "0.52", "0.5"):
        venue.place("m", "SELL", YES, price, 10)
    venue.place("t", "BUY", YES, "0.52", 25)
    venue.place("t", "BUY", NO, "0.3", 10)
    for token in (YES, NO):
        levels: dict[tuple[str, str], str] = {}
        for message in venue.market(token, "price_change"):
            for change in message["price_changes"]:
                levels[change["side"], change["price"]] = change["size"]
        book = venue.exchange.book(token)
        assert book is not None
        shown = {("BUY", level["price"]): level["size"] for level in book["bids"]}
        shown |= {("SELL", level["price"]): level["size"] for level in book["asks"]}
        assert {key: size for key, size in levels.items() if size != "0"} == shown


def test_messages_come_before_the_answer_of_the_post() -> None:
    """Events of a match overtake the answer at the venue, too."""
    venue = Venue()
    venue.fund("m", yes=100)
    venue.fund("t")
    venue.place("m", "SELL", YES, "0.5", 10)
    seen: list[str] = []
    venue.exchange.subscribe(lambda _, message: seen.append(message["event_type"]))
    answer = venue.place("t", "BUY", YES, "0.5", 10)
    assert isinstance(answer, Placed)
    assert "trade" in seen
    assert venue.exchange.trades("t")[0]["status"] == Settlement.MATCHED
