"""The wire: exact bytes, signed headers, all pages, and no guess at an answer."""

import json
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from executors.polymarket.answers import Answer, NoAnswer
from executors.polymarket.rest import Rest
from executors.protocol import l2_signature
from ledger.errors import OutcomeUnknownError, VenueRejectedError
from tests.unit.polymarket_live.fixtures import message, text_of_file
from tests.unit.polymarket_live.scripted import (
    CREDENTIALS,
    KEY,
    SECRET,
    START,
    Asked,
    Reply,
    Script,
    ScriptedTransport,
    TurnedClock,
    page,
)

ID = "0xff354cd7ca7539dfa9c28d90943ab5779a4eac34b9b37a757d7b32bdfb11790b"


def rest_with(
    script: Script, *, signed_in: bool = True
) -> tuple[Rest, ScriptedTransport]:
    """REST whose other end is a script."""
    transport = ScriptedTransport(script)
    rest = Rest(
        "http://venue.test/",
        "http://data.test",
        clock=TurnedClock(),
        transport=transport,
    )
    if signed_in:
        rest.sign_in(CREDENTIALS, KEY.address)
    return rest, transport


def always(status: int, body: Any = "") -> Script:
    """The same answer to everything."""
    return lambda _: Reply(status, body)


async def test_the_stored_bytes_are_posted_and_signed_as_they_are() -> None:
    """Bytes that differ from the stored ones are another order."""
    rest, transport = rest_with(always(200, {}))
    body = '{"order":{"salt":1},"owner":"ü"}'
    await rest.post_order(body)
    (asked,) = transport.sent("POST", "/order")
    assert asked.body == body
    stamp = int(START.timestamp())
    signature = l2_signature(SECRET, stamp, "POST", "/order", body)
    assert asked.headers["poly_signature"] == signature
    assert asked.headers["poly_timestamp"] == str(stamp)
    assert asked.headers["poly_address"] == KEY.address
    assert asked.headers["poly_api_key"] == CREDENTIALS.api_key
    assert asked.headers["content-type"] == "application/json"


async def test_a_batch_is_the_stored_bytes_in_a_list() -> None:
    """Not decoded, not written again."""
    rest, transport = rest_with(always(200, []))
    await rest.post_orders(['{"b": 1}', '{"a":2}'])
    assert transport.sent("POST", "/orders")[0].body == '[{"b": 1},{"a":2}]'


async def test_the_query_is_no_part_of_the_signature() -> None:
    """The venue signs the path alone."""
    rest, transport = rest_with(always(200, {"data": [], "next_cursor": "LTE="}))
    await rest.orders(ID)
    (asked,) = transport.sent("GET", "/data/orders")
    assert asked.query["id"] == ID
    stamp = int(START.timestamp())
    expected = l2_signature(SECRET, stamp, "GET", "/data/orders")
    assert asked.headers["poly_signature"] == expected


async def test_before_the_sign_in_nothing_is_sent() -> None:
    """Half a header is a refusal that looks like a wrong key."""
    rest, transport = rest_with(always(200), signed_in=False)
    assert isinstance(await rest.post_order("{}"), NoAnswer)
    assert not transport.asked


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectTimeout("x"),
        httpx2.ReadTimeout("x"),
        httpx2.RemoteProtocolError("x"),
        httpx2.ConnectError("http://user:secret@venue.test"),
        ConnectionResetError("x"),
        TimeoutError(),
    ],
)
async def test_whatever_fails_on_the_way_is_no_answer_and_is_not_repeated(
    error: Exception,
) -> None:
    """A hidden retry is how one order becomes two."""
    rest, transport = rest_with(lambda _: error)
    answer = await rest.post_order("{}")
    assert isinstance(answer, NoAnswer)
    assert type(error).__name__ in answer.reason
    assert "secret" not in answer.reason
    assert len(transport.asked) == 1


@pytest.mark.parametrize("charset", ["base64", "undefined", "utf-16", "rot13", "x"])
async def test_an_answer_in_an_impossible_charset_is_an_answer(charset: str) -> None:
    """Else one page of a proxy ends the tasks that follow the orders."""
    kind = {"content-type": f"text/html; charset={charset}"}
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers=kind, content=b"<html>")
    )
    rest = Rest(
        "http://venue.test", "http://x", clock=TurnedClock(), transport=transport
    )
    answer = await rest.send("GET", "http://venue.test/time")
    assert isinstance(answer, Answer)
    assert answer.text == "<html>"


async def test_a_redirect_is_not_followed() -> None:
    """A post that goes elsewhere is not the venue's."""
    moved = Reply(302, "", {"location": "http://elsewhere.test/order"})
    rest, transport = rest_with(lambda _: moved)
    answer = await rest.post_order("{}")
    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert len(transport.asked) == 1


async def test_all_pages_are_read_up_to_the_end_marker() -> None:
    """The second page holds the order that nobody cancels otherwise."""
    rows = message("data_orders_page")["data"]

    def script(asked: Asked) -> Reply:
        if asked.query["next_cursor"] == "MA==":
            return page(rows[:1], "MQ==")
        assert asked.query["next_cursor"] == "MQ=="
        return page(rows[1:])

    rest, _ = rest_with(script)
    found = await rest.orders()
    assert [row["id"] for row in found] == [row["id"] for row in rows]


@pytest.mark.parametrize(
    "reply",
    [
        page([], ""),
        page([], "MA=="),
        Reply(200, {"data": None, "next_cursor": "LTE="}),
        Reply(200, {"data": [1], "next_cursor": "LTE="}),
        Reply(200, "7"),
        Reply(500, {"error": "x"}),
        Reply(425, {"error": "service not ready"}),
        Reply(429, {"error": "Too Many Requests"}),
    ],
)
async def test_a_list_that_is_not_complete_is_no_answer(reply: Reply) -> None:
    """Absence in half a list would release money that is at work."""
    rest, _ = rest_with(lambda _: reply)
    with pytest.raises(OutcomeUnknownError):
        await rest.orders()


async def test_a_page_of_html_is_not_the_venue() -> None:
    """A proxy or a wrong address, said in its own words."""
    rest, _ = rest_with(always(200, "<html>Welcome to the hotel</html>"))
    with pytest.raises(VenueRejectedError, match="hotel") as caught:
        await rest.orders()
    assert caught.value.code == "not_the_venue"


@pytest.mark.parametrize(
    "reply", [Reply(404, {"error": "Order not found"}), Reply(200, "null")]
)
async def test_an_order_that_is_not_visible_is_none(reply: Reply) -> None:
    """Both spellings were seen; neither proves that it never was."""
    rest, _ = rest_with(lambda _: reply)
    assert await rest.order(ID) is None


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, "<html>404 page not found</html>"),
        Reply(400, {"error": "Invalid orderID"}),
        Reply(401, {"error": "Unauthorized/Invalid api key"}),
    ],
)
async def test_a_refused_question_is_no_absence(reply: Reply) -> None:
    """Only the venue's own words say that it has no such order."""
    rest, _ = rest_with(lambda _: reply)
    with pytest.raises(VenueRejectedError):
        await rest.order(ID)


async def test_an_order_is_found_by_its_path() -> None:
    """As captured."""
    rest, _ = rest_with(always(200, text_of_file("data_order")))
    found = await rest.order(ID)
    assert found is not None
    assert found["id"] == ID


async def test_trades_are_asked_by_time_only() -> None:
    """By market, the venue hides what we made against the other token."""
    rest, transport = rest_with(always(200, text_of_file("data_trades_page")))
    assert len(await rest.trades(START)) == 1
    query = transport.asked[0].query
    assert query == {"after": str(int(START.timestamp())), "next_cursor": "MA=="}


async def test_cash_is_read_from_base_units() -> None:
    """A million of them is one dollar."""
    rest, transport = rest_with(always(200, text_of_file("balance_allowance")))
    assert await rest.collateral(2) == Decimal(1)
    assert transport.asked[0].query == {
        "asset_type": "COLLATERAL",
        "signature_type": "2",
    }


async def test_a_balance_of_another_shape_is_no_answer() -> None:
    """It is not zero."""
    rest, _ = rest_with(always(200, {"balance": None}))
    with pytest.raises(OutcomeUnknownError):
        await rest.collateral(0)


async def test_positions_come_from_all_pages_and_keep_their_digits() -> None:
    """A float would lose shares in the sixth place."""
    first = message("data_api_v2_positions")["data"][0]
    text = json.dumps(first, default=str).replace('"400000.0"', "0.1234567")

    def script(asked: Asked) -> Reply:
        assert asked.query["user"] == "0xme"
        more = '{"has_more":true,"next_cursor":"abc"}'
        if "cursor" not in asked.query:
            return Reply(200, f'{{"data":[{text}],"pagination":{more}}}')
        assert asked.query["cursor"] == "abc"
        return Reply(200, text_of_file("data_api_v2_positions"))

    rest, _ = rest_with(script)
    rows = await rest.positions("0xme")
    assert len(rows) == 3
    assert rows[0]["current_size"] == Decimal("0.1234567")


async def test_the_older_list_of_positions_is_read_too() -> None:
    """A bare list, one page."""
    rest, _ = rest_with(always(200, text_of_file("data_api_v1_positions")))
    assert len(await rest.positions("0xme")) == 4


@pytest.mark.parametrize(
    "body",
    [
        [{"asset": "1"}] * 500,
        {"data": [], "pagination": {"has_more": True, "next_cursor": None}},
    ],
)
async def test_positions_that_are_cut_short_are_no_answer(body: Any) -> None:
    """A first start would take over less than the wallet holds."""
    rest, _ = rest_with(always(200, body))
    with pytest.raises(OutcomeUnknownError):
        await rest.positions("0xme")


@pytest.mark.parametrize("body", ["1795351965", '"1795351965"'])
async def test_the_venues_time_is_read(body: str) -> None:
    """With it our clock is compared."""
    rest, _ = rest_with(always(200, body))
    assert await rest.server_time() == 1_795_351_965


@pytest.mark.parametrize("body", ["<html>", "{}", '"soon"'])
async def test_who_cannot_tell_the_time_is_not_the_venue(body: str) -> None:
    """The first question of a start, and its clearest refusal."""
    rest, _ = rest_with(always(200, body))
    with pytest.raises(VenueRejectedError) as caught:
        await rest.server_time()
    assert caught.value.code == "not_the_venue"


async def test_an_unreachable_host_is_named_by_its_reason() -> None:
    """Not by a traceback."""
    refused = httpx2.ConnectError("x")
    refused.__cause__ = ConnectionRefusedError(111, "Connection refused")
    rest, _ = rest_with(lambda _: refused)
    with pytest.raises(OutcomeUnknownError, match="Connection refused"):
        await rest.server_time()


async def test_a_market_is_learned_from_its_token() -> None:
    """Its fee curve decides what a taker's fill costs."""

    def script(asked: Asked) -> Reply:
        if asked.path.startswith("/markets-by-token/"):
            return Reply(200, text_of_file("markets_by_token"))
        return Reply(200, text_of_file("clob_market_info"))

    rest, _ = rest_with(script)
    market = await rest.market_of_token("5211")
    assert market.fee_rate == Decimal("0.05")
    assert market.yes_token.startswith("5211")
    assert market.tick_size == Decimal("0.01")


async def test_a_market_of_another_shape_is_no_answer() -> None:
    """Nothing is guessed about money."""
    rest, _ = rest_with(always(200, {"condition_id": "0x1"}))
    with pytest.raises(OutcomeUnknownError):
        await rest.market_of_token("5211")
