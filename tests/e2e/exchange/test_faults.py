"""Every kind of fault, once, over a real socket."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from tests.unit.exchange_api.trader import Trader


class ExchangeTime:
    """The exchange's clock, as its client sees it; it can be moved on."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._ahead: float = exchange.state()["now_ms"] / 1000 - time.time()

    def __call__(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass at the exchange, and nowhere else."""
        self._exchange.admin("/advance", {"ms": int(seconds * 1000)})
        self._ahead += seconds


@pytest.fixture
def clock(exchange: Any) -> ExchangeTime:
    """Time, without waiting for it."""
    return ExchangeTime(exchange)


@pytest.fixture
async def trader(exchange: Any, clock: ExchangeTime) -> AsyncIterator[Trader]:
    """The first wallet, logged in; the exchange is clean before and after."""
    exchange.admin("/faults", method="DELETE")
    exchange.admin("/mode", {"mode": "normal"})
    async with httpx2.AsyncClient(base_url=exchange.base, timeout=10) as http:
        trader = Trader(http, exchange.wallet(0)[1], clock)
        trader._salt = time.time_ns() // 1000
        await trader.login()
        yield trader
        exchange.admin("/faults", method="DELETE")
        exchange.admin("/mode", {"mode": "normal"})
        await trader.call("DELETE", "/cancel-all")


def _plan(exchange: Any, kind: str, on: str = "POST /order", **more: Any) -> None:
    exchange.admin("/faults", {"faults": [{"kind": kind, "on": on, "nth": 1, **more}]})


def _raw_post(exchange: Any, trader: Trader, body: str) -> bytes:
    """Post over a bare socket and give every byte that came back."""
    headers = trader.headers("POST", "/order", body)
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    request = (
        "POST /order HTTP/1.1\r\nhost: localhost\r\n"
        + "".join(lines)
        + f"content-length: {len(body)}\r\n\r\n{body}"
    )
    with socket.create_connection(("127.0.0.1", exchange.port), timeout=5) as wire:
        wire.sendall(request.encode())
        got = b""
        while chunk := wire.recv(65536):
            got += chunk
            if b'"success"' in got:
                break
        return got


async def test_a_lost_answer_closes_without_a_byte_and_the_order_exists(
    exchange: Any, trader: Trader
) -> None:
    """This is the gap the ledger is for: no answer, and yet an order."""
    _plan(exchange, "answer_lost")
    name, order = trader.order(exchange.token(), "0.40")
    got = await asyncio.to_thread(_raw_post, exchange, trader, trader.body(order))
    assert got == b""
    [row] = await trader.find(name)
    assert row["status"] == "LIVE"
    assert exchange.state()["faults"]["answer_lost"] >= 1


async def test_a_lost_request_closes_without_a_byte_and_there_is_no_order(
    exchange: Any, trader: Trader
) -> None:
    """To the client it looks the same as a lost answer."""
    _plan(exchange, "request_lost")
    name, order = trader.order(exchange.token(), "0.40")
    got = await asyncio.to_thread(_raw_post, exchange, trader, trader.body(order))
    assert got == b""
    assert await trader.find(name) == []
    got = await asyncio.to_thread(_raw_post, exchange, trader, trader.body(order))
    assert b'"status":"live"' in got


async def test_a_server_error_after_acceptance(exchange: Any, trader: Trader) -> None:
    """A 5xx proves nothing."""
    _plan(exchange, "error_after_accept", status=502, text="bad gateway")
    name, order = trader.order(exchange.token(), "0.40")
    answer = await trader.post(order)
    assert (answer.status_code, answer.json()) == (502, {"error": "bad gateway"})
    assert await trader.find(name)


async def test_an_unreadable_answer_after_acceptance(
    exchange: Any, trader: Trader
) -> None:
    """A 200 with a page in it proves nothing either."""
    _plan(exchange, "unreadable")
    name, order = trader.order(exchange.token(), "0.40")
    answer = await trader.post(order)
    assert answer.status_code == 200
    assert answer.text.startswith("<html>")
    assert await trader.find(name)


async def test_a_refusal_that_the_plan_words(exchange: Any, trader: Trader) -> None:
    """Any documented error can be practised."""
    _plan(exchange, "refused", status=400, text="invalid expiration")
    name, order = trader.order(exchange.token(), "0.40")
    answer = await trader.post(order)
    assert answer.json() == {"error": "invalid expiration"}
    assert await trader.find(name) == []


async def test_a_restart_is_too_early_and_then_takes_only_post_only(
    exchange: Any, trader: Trader, clock: ExchangeTime
) -> None:
    """Cancels and post-only orders work before the rest does."""
    _plan(exchange, "restart", seconds=100, post_only_seconds=100)
    _, order = trader.order(exchange.token(), "0.40")
    answer = await trader.post(order)
    assert answer.status_code == 425
    assert answer.json() == {"error": "service not ready"}
    assert int(answer.headers["Retry-After"]) >= 1
    clock.advance(101)
    answer = await trader.post(order)
    assert answer.status_code == 503
    assert answer.json()["code"] == "post_only_mode"
    gently = trader.body(order, post_only=True)
    assert (await trader.call("POST", "/order", gently)).json()["status"] == "live"
    clock.advance(100)
    _, order = trader.order(exchange.token(), "0.41")
    assert (await trader.post(order)).json()["status"] == "live"


async def test_too_many_requests_tell_when_to_come_back(
    exchange: Any, trader: Trader
) -> None:
    """A client that does not wait is refused again."""
    _plan(exchange, "rate_limited", seconds=3)
    _, order = trader.order(exchange.token(), "0.40")
    answer = await trader.post(order)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert answer.headers["Poly-RateLimit-Tier"] == "Standard"
    assert (await trader.post(order)).status_code == 200


async def test_a_slow_answer_comes_after_the_order_exists(
    exchange: Any, trader: Trader
) -> None:
    """Whoever gave up waiting has an order all the same."""
    _plan(exchange, "slow", seconds=3600)
    name, order = trader.order(exchange.token(), "0.40")
    body = trader.body(order)
    with pytest.raises(httpx2.ReadTimeout):
        await trader.http.post(
            "/order",
            content=body,
            headers=trader.headers("POST", "/order", body),
            timeout=0.5,
        )
    assert await trader.find(name)


async def test_a_duplicate_is_refused_or_by_a_fault_accepted(
    exchange: Any, trader: Trader
) -> None:
    """The ledger must be right in both worlds, and there is one order in both."""
    name, order = trader.order(exchange.token(), "0.40")
    assert (await trader.post(order)).status_code == 200
    again = await trader.post(order)
    assert again.json() == {"error": f"order {name} is invalid. Duplicated."}
    _plan(exchange, "duplicate_accepted")
    assert (await trader.post(order)).json()["orderID"] == name
    orders = exchange.state()["orders"]
    assert [o["id"] for o in orders].count(name) == 1


async def test_an_order_becomes_visible_only_later(
    exchange: Any, trader: Trader, clock: ExchangeTime
) -> None:
    """Absence at a look-up is no proof of absence."""
    _plan(exchange, "visible_after", seconds=100)
    name, order = trader.order(exchange.token(), "0.40")
    assert (await trader.post(order)).status_code == 200
    assert await trader.find(name) == []
    answer = await trader.call("GET", f"/data/order/{name}")
    assert (answer.status_code, answer.json()) == (404, {"error": "Order not found"})
    clock.advance(101)
    assert await trader.find(name)


async def test_positions_may_be_stale(
    exchange: Any, trader: Trader, clock: ExchangeTime
) -> None:
    """The index trails the chain: what it does not show may be there."""
    token = exchange.token(2)
    _, sale = trader.order(token, "0.50", 10, "SELL")
    await trader.post(sale)
    buyer = Trader(trader.http, exchange.wallet(1)[1], clock)
    await buyer.login()
    _, bid = buyer.order(token, "0.50", 10)
    assert (await buyer.post(bid)).json()["status"] == "matched"
    clock.advance(60)

    async def held() -> object:
        answer = await trader.http.get(f"/v2/positions?user={buyer.key.address}")
        rows = answer.json()["data"]
        return {row["token_id"]: row["current_size"] for row in rows}.get(token)

    now = await held()
    _plan(exchange, "stale_positions", "GET /v2/positions", seconds=3600)
    assert await held() != now
    assert await held() == now


async def test_a_wipe_drops_every_open_order(exchange: Any, trader: Trader) -> None:
    """It has happened at a cut-over."""
    name, order = trader.order(exchange.token(), "0.40")
    await trader.post(order)
    _plan(exchange, "wipe", "GET /time")
    await trader.http.get("/time")
    [row] = await trader.find(name)
    assert row["status"].startswith("CANCELED")


# --- streams


async def _frames(exchange: Any, trader: Trader, orders: int = 3) -> list[str]:
    """Post orders while listening, and give the frames that came."""
    async with connect(exchange.ready["ws_user_url"]) as stream:
        await stream.send(trader.subscription())
        await stream.send("PING")
        assert await stream.recv() == "PONG"
        for _ in range(orders):
            _, order = trader.order(exchange.token(), "0.30")
            await trader.post(order)
        frames: list[str] = []
        while True:
            try:
                frame = await asyncio.wait_for(stream.recv(), timeout=0.6)
            except TimeoutError:
                return frames
            frames.append(str(frame))


def _ids(frames: list[str]) -> list[str]:
    return [json.loads(frame)["id"] for frame in frames]


async def test_frames_are_dropped(exchange: Any, trader: Trader) -> None:
    """Nothing tells the client that one is missing."""
    assert len(await _frames(exchange, trader)) == 3
    _plan(exchange, "drop", "user")
    assert len(await _frames(exchange, trader)) == 2


async def test_frames_are_repeated(exchange: Any, trader: Trader) -> None:
    """The same event twice is one event."""
    _plan(exchange, "repeat", "user")
    first, second, *_ = await _frames(exchange, trader)
    assert first == second


async def test_frames_are_reordered(exchange: Any, trader: Trader) -> None:
    """An event may arrive after one that happened later."""
    _plan(exchange, "reorder", "user")
    stamps = [
        int(json.loads(frame)["timestamp"])
        for frame in await _frames(exchange, trader, 2)
    ]
    assert stamps[0] > stamps[1]


async def test_frames_are_batched_into_lists(exchange: Any, trader: Trader) -> None:
    """A frame may be a list, in the order in which things happened."""
    _plan(exchange, "batch", "user")
    [frame] = await _frames(exchange, trader, 2)
    assert len(json.loads(frame)) == 2


async def test_a_silent_stream_answers_no_ping(
    exchange: Any, trader: Trader, clock: ExchangeTime
) -> None:
    """Only a watchdog notices a connection that is dead but open."""
    _plan(exchange, "silence", "user", seconds=100)
    async with connect(exchange.ready["ws_user_url"]) as stream:
        await stream.send(trader.subscription())
        _, order = trader.order(exchange.token(), "0.30")
        await trader.post(order)
        await stream.send("PING")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.recv(), timeout=0.4)
        clock.advance(101)
        await stream.send("PING")
        assert await stream.recv() == "PONG"


async def test_a_stream_is_cut_without_a_farewell(
    exchange: Any, trader: Trader
) -> None:
    """A network that goes away does not say goodbye."""
    _plan(exchange, "disconnect", "user")
    async with connect(exchange.ready["ws_user_url"]) as stream:
        await stream.send(trader.subscription())
        await stream.send("PING")
        assert await stream.recv() == "PONG"
        _, order = trader.order(exchange.token(), "0.30")
        await trader.post(order)
        with pytest.raises(ConnectionClosedError) as caught:
            await asyncio.wait_for(stream.recv(), timeout=5)
        assert caught.value.rcvd is None
