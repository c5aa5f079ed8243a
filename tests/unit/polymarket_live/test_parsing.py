"""Reading the user stream and the lists: every captured shape, exact numbers."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.polymarket.fields import UnreadableError
from executors.polymarket.parsing import Reader
from executors.polymarket.positions import position_of
from ledger.decide import (
    LookedUp,
    LookupFound,
    OrderEnded,
    PostAnswered,
    PostOutcome,
)
from ledger.intent import UserFill
from ledger.market import Market
from ledger.values import EndReason, Outcome, Role, Settlement, Side
from tests.unit.polymarket_live.fixtures import FOLDER, message, text_of_file

KEY = "3e2c94ca-8124-c4c1-c7ea-be1ea21b71fe"
FUNDER = "0xa3D82Ed56F4c68d2328Fb8c29e568Ba2cAF7d7c8"
TOKEN = "21742633143463906290569050155826241533067272736897614950488156847949938836455"
OTHER_TOKEN = (
    "48331043336612883890938759509493159234755048973500640148014422747788308965732"
)
MARKET = Market(
    market_id="0xdd22472e552920b8438158ea7238bfadfa4f736aa4cee91a6b86c39ead110917",
    yes_token=TOKEN,
    no_token=OTHER_TOKEN,
    fee_rate=Decimal("0.05"),
)
TAKER_ORDER = "0x5b605a0e8e40f3402d3cb3bc19edad6733ed23fbc079d2a09ee399c3487ace81"


def reader(
    *, key: str = KEY, funder: str = FUNDER, sizes: dict[str, Decimal] | None = None
) -> Reader:
    """The account of the captured messages."""
    return Reader(
        api_key=key,
        funder=funder,
        market_of=lambda token: MARKET if MARKET.outcome_of(token) else None,
        size_of=(sizes or {}).get,
    )


def only_fact(name: str, **account: Any) -> Any:
    """The one fact of a captured frame."""
    parsed = reader(**account).frame(text_of_file(name))
    assert not parsed.quarantined
    (fact,) = parsed.facts
    return fact


USER_FRAMES = sorted(
    path.stem for path in FOLDER.glob("ws_user_*.json") if "subscribe" not in path.stem
)


@pytest.mark.parametrize("name", USER_FRAMES)
def test_every_captured_frame_is_understood(name: str) -> None:
    """The venue's own client drops two of them without a word."""
    parsed = reader().frame(text_of_file(name))
    assert parsed.facts
    assert not parsed.quarantined


def test_there_are_captured_frames() -> None:
    """An empty folder would make the test above pass."""
    assert len(USER_FRAMES) >= 12


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("ws_user_order_placement", PostOutcome.LIVE),
        ("ws_user_order_update_partial", PostOutcome.LIVE),
        ("ws_user_order_update_matched", PostOutcome.MATCHED),
    ],
)
def test_an_order_that_works_was_accepted(name: str, outcome: PostOutcome) -> None:
    """It is proof of acceptance even when the answer to the post was lost."""
    assert only_fact(name).fact == PostAnswered(outcome=outcome)


@pytest.mark.parametrize(
    ("name", "reason", "size_matched"),
    [
        ("ws_user_order_update_status_canceled", EndReason.KILLED, "1.219511"),
        ("ws_user_order_fok_killed", EndReason.KILLED, None),
        ("ws_user_order_fok_buy_size_in_collateral", EndReason.KILLED, None),
        ("ws_user_order_venue_cancel_invalid", EndReason.VENUE, "0"),
        ("ws_user_order_cancellation", EndReason.CANCELLED, None),
    ],
)
def test_an_order_that_ended_says_why(
    name: str, reason: EndReason, size_matched: str | None
) -> None:
    """A kill with empty fields, an UPDATE that cancels, a cancel that claims a
    full match without a trade: each was seen, and each has lost somebody money.
    """
    fact = only_fact(name).fact
    assert isinstance(fact, OrderEnded)
    assert fact.reason is reason
    matched = None if size_matched is None else Decimal(size_matched)
    assert fact.size_matched == matched


def test_a_takers_fill_is_the_trade_and_its_fee_follows_from_the_market() -> None:
    """No message carries what was charged: 5 x 0.05 x 0.52 x 0.48."""
    fact = only_fact("ws_user_trade_taker_matched")
    assert fact.venue_order_id == TAKER_ORDER
    assert fact.fact == UserFill(
        trade_id="f50e8ab2-652d-4dc8-9c82-8e46197fe98d",
        order_id=TAKER_ORDER,
        size=Decimal(5),
        price=Decimal("0.52"),
        fee=Decimal("0.0624"),
        role=Role.TAKER,
        status=Settlement.MATCHED,
        venue_time=1_725_958_682_000,
        tx_hash="0xa667ef3b363b70731c59e3d4fff50d7bdb3d6b165d49e448032cab68c82e3c66",
    )


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("ws_user_trade_lifecycle_ok", ["MATCHED", "MINED", "CONFIRMED"]),
        ("ws_user_trade_lifecycle_failed", ["MATCHED", "RETRYING", "FAILED"]),
    ],
)
def test_a_list_of_messages_is_read_in_its_order(name: str, states: list[str]) -> None:
    """A frame may be a list; settlement is a story told in parts."""
    parsed = reader().frame(text_of_file(name))
    found = [fact.fact for fact in parsed.facts]
    assert all(isinstance(fill, UserFill) for fill in found)
    assert [fill.status.value for fill in found if isinstance(fill, UserFill)] == states


def test_a_makers_fill_is_its_own_entry_and_not_the_trade() -> None:
    """A taker that buys NO at 0.49 fills our BUY of YES at 0.513."""
    fill = only_fact("ws_user_trade_maker_cross_asset").fact
    assert (fill.price, fill.size, fill.role) == (
        Decimal("0.513"),
        Decimal(5),
        Role.MAKER,
    )
    assert fill.fee == 0
    assert fill.order_id.startswith("0x3ad09f22")


def test_among_many_makers_only_ours_counts() -> None:
    """The other five are other people's money."""
    fill = only_fact("ws_user_trade_many_makers").fact
    assert (fill.size, fill.price) == (Decimal(5), Decimal("0.518"))
    assert fill.order_id.startswith("0xab679e56")


def test_one_trade_may_fill_two_orders_of_ours() -> None:
    """Keyed by the trade alone, the second would be lost."""
    parsed = reader().frame(text_of_file("ws_user_trade_two_own_maker_orders"))
    found = [fact.fact for fact in parsed.facts if isinstance(fact.fact, UserFill)]
    assert [(fill.price, fill.size) for fill in found] == [
        (Decimal("0.4"), Decimal(5)),
        (Decimal("0.3"), Decimal(5)),
    ]
    assert len({fill.order_id for fill in found}) == 2
    assert len({fill.trade_id for fill in found}) == 1


@pytest.mark.parametrize(
    "account",
    [
        {"key": "nobody", "funder": FUNDER.upper().replace("X", "x")},
        {"key": "nobody", "funder": FUNDER.lower()},
        {"key": "A93A3D32-74fa-dd2b-4b67-98bfa6fc5cb5", "funder": "0x0"},
    ],
)
def test_our_entries_are_found_in_any_case_by_key_or_address(
    account: dict[str, str],
) -> None:
    """An address compared as text made maker fills vanish."""
    fill = only_fact("ws_user_trade_maker_cross_asset", **account).fact
    assert fill.size == 5


def test_an_owner_in_another_case_is_still_us() -> None:
    """A key is a UUID, and those are written either way."""
    row = message("ws_user_trade_maker_cross_asset")
    row["maker_orders"][0]["owner"] = KEY.upper()
    assert reader(funder="0x0").fills(row)


def test_a_trade_without_our_part_is_put_aside() -> None:
    """Booked, it would be somebody else's."""
    text = text_of_file("ws_user_trade_maker_cross_asset")
    parsed = reader(key="nobody", funder="0x0").frame(text)
    assert not parsed.facts
    assert parsed.quarantined[0].reason == "no part of this trade is ours"


def trade(**changes: Any) -> dict[str, Any]:
    """A captured trade of ours as taker, changed."""
    captured: dict[str, Any] = message("ws_user_trade_taker_matched")
    return captured | changes


@pytest.mark.parametrize(
    ("changes", "ours"),
    [
        ({"trader_side": None}, True),
        ({"trader_side": None, "owner": "x", "maker_address": "0x1"}, False),
        ({"trader_side": "MAKER"}, False),
    ],
)
def test_without_a_trader_side_the_owner_decides(
    changes: dict[str, Any], ours: bool
) -> None:
    """Older rows have none."""
    if ours:
        (fill,) = reader().fills(trade(**changes))
        assert fill.role is Role.TAKER
    else:
        with pytest.raises(UnreadableError):
            reader().fills(trade(**changes))


def test_an_order_that_one_trade_took_twice_is_one_fill() -> None:
    """The key of a fill is trade and order: two rows would fight for it."""
    row = message("ws_user_trade_two_own_maker_orders")
    first, _, second = row["maker_orders"]
    second["order_id"] = first["order_id"]
    (fill,) = reader().fills(row)
    assert (fill.size, fill.price) == (Decimal(10), Decimal("0.35"))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"last_update": "1725958682"}, 1_725_958_682_000),
        ({"last_update": 1_725_958_682_125}, 1_725_958_682_125),
        ({"last_update": "", "timestamp": "1725958682125"}, 1_725_958_682_125),
        (
            {"last_update": "", "timestamp": "", "match_time": "", "matchtime": "5"},
            5_000,
        ),
        ({"last_update": "soon", "timestamp": None, "match_time": "7"}, 7_000),
        ({"last_update": "", "timestamp": "", "match_time": ""}, None),
    ],
)
def test_times_are_milliseconds_whatever_they_were(
    times: dict[str, Any], expected: int | None
) -> None:
    """Seconds read as milliseconds would order settlement wrongly."""
    (fill,) = reader().fills(trade(**times))
    assert fill.venue_time == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"size": "many"},
        {"size": None},
        {"size": 1.5e300},
        {"price": "0"},
        {"price": "1"},
        {"price": "NaN"},
        {"status": "BLESSED"},
        {"status": 7},
        {"id": ""},
        {"taker_order_id": None},
        {"maker_orders": "none"},
        {"asset_id": 5},
        {"size": "0.0000001"},
        {"size": "-5"},
    ],
)
def test_a_field_of_another_type_is_put_aside_with_its_reason(
    changes: dict[str, Any],
) -> None:
    """Trading goes on; a person reads the reason."""
    frame = json.dumps([trade(**changes), trade()], default=str)
    parsed = reader().frame(frame)
    assert len(parsed.facts) == 1
    (bad,) = parsed.quarantined
    assert bad.reason
    assert not bad.token_id


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", "7", '"x"', '{"event_type":"moon"}', "[[]]"]
)
def test_what_is_no_message_is_put_aside(text: str) -> None:
    """It never ends the stream."""
    parsed = reader().frame(text)
    assert not parsed.facts
    assert parsed.quarantined


@pytest.mark.parametrize("text", ["PING", "PONG", " PONG\n"])
def test_keep_alives_say_nothing(text: str) -> None:
    """They come every ten seconds."""
    assert reader().frame(text) == ((), ())


def test_unknown_fields_pass() -> None:
    """The venue adds fields; the known ones mean what they meant."""
    assert reader().fills(trade(novel={"a": [1]}))


def test_a_takers_trade_of_an_unknown_market_asks_for_the_market() -> None:
    """A fill without its fee would be wrong for ever."""
    parsed = reader().frame(json.dumps(trade(asset_id="99")))
    assert not parsed.facts
    assert parsed.quarantined[0].token_id == "99"


def test_base_units_are_noticed_against_what_was_signed() -> None:
    """The documentation shows sizes a million times too large."""
    known = reader(sizes={TAKER_ORDER: Decimal(5)})
    assert known.fills(trade(size="5"))
    with pytest.raises(UnreadableError, match="base units"):
        known.fills(trade(size="5000000"))


@given(st.text() | st.binary().map(lambda b: b.decode("latin-1")))
def test_no_text_breaks_the_reader(text: str) -> None:
    """One bad frame must not end the stream."""
    reader().frame(text)


@given(
    st.dictionaries(
        st.sampled_from(sorted(message("ws_user_trade_taker_matched"))),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=5)
        | st.lists(st.integers(), max_size=2)
        | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    )
)
def test_no_field_of_another_type_breaks_the_reader(changes: dict[str, Any]) -> None:
    """Whatever changed, the rest of the stream goes on."""
    reader().frame(json.dumps(trade(**changes), default=str))


# Lists


def test_a_listed_order_is_read() -> None:
    """It is compared with what we believe is open."""
    first, second = message("data_orders_page")["data"]
    seen = reader().observed(second)
    assert (seen.side, seen.price) == (Side.SELL, Decimal("0.75"))
    assert (seen.size, seen.size_matched) == (Decimal(10), Decimal(5))
    assert seen.token_id == second["asset_id"]
    assert reader().observed(first).size_matched == 0


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (message("data_order"), LookupFound.LIVE),
        (message("data_order_openapi_variant"), LookupFound.LIVE),
        (message("data_orders_by_id_canceled")["data"][0], LookupFound.CANCELED),
        (message("data_order") | {"status": "MATCHED"}, LookupFound.MATCHED),
        (message("data_order") | {"status": "DELAYED"}, LookupFound.LIVE),
    ],
)
def test_a_looked_up_order_says_what_it_does(row: Any, found: LookupFound) -> None:
    """With or without prefix."""
    assert reader().looked_up(row).found is found


def test_a_looked_up_order_says_how_much_was_matched() -> None:
    """A cancel removes only the rest."""
    row = message("data_orders_by_id_canceled")["data"][0]
    assert reader().looked_up(row) == LookedUp(
        found=LookupFound.CANCELED,
        size_matched=Decimal("1.219511"),
        reason=EndReason.CANCELLED,
    )


@pytest.mark.parametrize("kind", ["FAK", "FOK"])
def test_a_looked_up_order_that_may_not_rest_was_killed(kind: str) -> None:
    """Nobody asked for that cancel; a report that says so sends people searching."""
    row = message("data_orders_by_id_canceled")["data"][0] | {"order_type": kind}
    assert reader().looked_up(row).reason is EndReason.KILLED


def test_an_unknown_status_is_no_answer() -> None:
    """A guess could end an order that works."""
    with pytest.raises(UnreadableError):
        reader().looked_up(message("data_order") | {"status": "BLESSED"})


def test_a_listed_order_in_base_units_is_noticed() -> None:
    """Against the signed 100 shares."""
    row = message("data_order_openapi_variant")
    close = reader(sizes={row["id"]: Decimal(10)})
    assert close.looked_up(message("data_order")).found is LookupFound.LIVE
    with pytest.raises(UnreadableError, match="base units"):
        reader(sizes={row["id"]: Decimal(100)}).looked_up(row)


def test_a_listed_trade_is_read_as_a_streamed_one() -> None:
    """What the stream left out comes from here."""
    (fill,) = reader().fills(message("data_trades_page")["data"][0])
    assert (fill.role, fill.status) == (Role.TAKER, Settlement.CONFIRMED)
    assert (fill.size, fill.price) == (Decimal(5), Decimal("0.489"))
    assert fill.venue_time == 1_726_043_282_000


def test_the_documented_spelling_of_a_trade_is_read() -> None:
    """Prefixed status, other case of the outcome."""
    row = message("data_trade_openapi_variant") | {"asset_id": TOKEN}
    (fill,) = reader().fills(row)
    assert fill.status is Settlement.CONFIRMED


# Holdings


def test_positions_of_either_version_are_read() -> None:
    """Sizes are JSON floats: they become Decimals from their text."""
    rows = message("data_api_v2_positions")["data"]
    new = [position_of(row, lambda _: None) for row in rows]
    assert [p and (p.outcome, p.size) for p in new] == [
        (Outcome.NO, Decimal(400_000)),
        (Outcome.YES, Decimal(400_000)),
    ]
    old = [position_of(row, lambda _: None) for row in message("data_api_v1_positions")]
    assert [p and p.size for p in old] == [
        Decimal("150.5"),
        None,
        Decimal(42),
        Decimal("0.005"),
    ]


def test_a_known_market_beats_the_index_of_an_outcome() -> None:
    """Which token is YES is the market's own order."""
    row = {
        "token_id": OTHER_TOKEN,
        "condition_id": "0x1",
        "outcome_index": 0,
        "current_size": Decimal("1.23456789"),
    }
    found = position_of(row, lambda _: MARKET)
    assert found is not None
    assert (found.market_id, found.outcome) == (MARKET.market_id, Outcome.NO)
    assert found.size == Decimal("1.234567")


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"token_id": "1", "current_size": -1, "condition_id": "c", "outcome_index": 0},
        {"token_id": "1", "current_size": 1, "condition_id": "c", "outcome_index": 7},
        {"token_id": "1", "current_size": 1, "outcome_index": 0},
        {"token_id": 1, "current_size": 1},
    ],
)
def test_a_position_that_cannot_be_read_says_so(row: dict[str, Any]) -> None:
    """A wrong row must not become a holding, nor a zero."""
    with pytest.raises(UnreadableError):
        position_of(row, lambda _: None)
