"""The exchange inside a test: the same code, no sockets, virtual time."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from executors.exchange.engine import ExchangeConfig
from executors.exchange.faults import FaultRule
from executors.exchange.inloop import IN_LOOP_USER_WS, StreamClosed
from executors.exchange.venue import AppConfig
from tests.unit.exchange_api.world import World, in_world


async def _match(world: World) -> tuple[str, str]:
    """Let the second wallet buy from the first; gives both order ids."""
    seller, buyer = await world.trader(0), await world.trader(1)
    sold, ask = seller.order(world.token(), "0.50", side="SELL")
    bought, bid = buyer.order(world.token(), "0.50")
    await seller.post(ask)
    assert (await buyer.post(bid)).json()["status"] == "matched"
    return sold, bought


def test_a_trade_settles_in_virtual_time() -> None:
    """A minute of settlement must not take a minute to test."""

    async def play(world: World) -> list[str]:
        await _match(world)
        buyer = await world.trader(1)
        seen = []
        for _ in range(3):
            answer = await buyer.call("GET", "/data/trades")
            seen.append(answer.json()["data"][0]["status"])
            await world.clock.sleep(31)
        return seen

    slow = ExchangeConfig(mined_ms=30_000, confirmed_ms=30_000)
    assert in_world(play, engine=slow) == ["MATCHED", "MINED", "CONFIRMED"]


def test_the_trade_is_on_the_stream_before_the_post_is_answered() -> None:
    """The ledger must take a fill of an order it has no answer for yet."""

    async def play(world: World) -> bool:
        seller, buyer = await world.trader(0), await world.trader(1)
        stream = await world.connect(IN_LOOP_USER_WS)
        await stream.send(buyer.subscription())
        _, ask = seller.order(world.token(), "0.50", side="SELL")
        await seller.post(ask)
        _, bid = buyer.order(world.token(), "0.50")
        answer = asyncio.create_task(buyer.post(bid))
        await stream.recv()
        is_early = not answer.done()
        await answer
        return is_early

    assert in_world(play)


def test_a_client_that_gives_up_leaves_an_order_behind() -> None:
    """A timeout is not a refusal."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        name, order = trader.order(world.token(), "0.40")
        with pytest.raises(httpx2.ReadTimeout):
            await trader.post(order)
        return await trader.find(name)

    slow = FaultRule(kind="slow", on="POST /order", seconds=60)
    assert [row["status"] for row in in_world(play, faults=(slow,))] == ["LIVE"]


def test_a_lost_answer_is_a_broken_connection() -> None:
    """The same exception that a real socket gives."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        name, order = trader.order(world.token(), "0.40")
        with pytest.raises(httpx2.RemoteProtocolError):
            await trader.post(order)
        return await trader.find(name)

    assert in_world(play, faults=(FaultRule(kind="answer_lost", on="POST /order"),))


def test_one_seed_gives_one_history() -> None:
    """Ids, trades, frames and faults: all of it, or a failure cannot be replayed."""

    async def play(world: World) -> Any:
        trader = await world.trader(1)
        stream = await world.connect(IN_LOOP_USER_WS)
        await stream.send(trader.subscription())
        await _match(world)
        await world.clock.sleep(60)
        frames = []
        while not world.app.streams._sessions[0]._queue.empty():
            frames.append(await stream.recv())
        return frames

    faults = (
        FaultRule(kind="repeat", on="user", probability=0.5),
        FaultRule(kind="reorder", on="user", probability=0.5),
    )
    first, again = (in_world(play, faults=faults) for _ in range(2))
    assert first == again
    assert len(first) > 3


def test_a_matching_delay_is_waited_out_or_reported() -> None:
    """Short delays hold the answer back, long ones answer `delayed`."""

    async def play(world: World) -> Any:
        seller, buyer = await world.trader(0), await world.trader(1)
        _, ask = seller.order(world.token(), "0.50", side="SELL")
        await seller.post(ask)
        before = world.clock.monotonic()
        _, bid = buyer.order(world.token(), "0.50")
        told = (await buyer.post(bid)).json()
        return told["status"], round(world.clock.monotonic() - before, 1)

    assert in_world(play, taker_delay_ms=250) == ("matched", 0.3)
    assert in_world(play, taker_delay_ms=3000) == ("delayed", 0.0)


def test_an_armed_heartbeat_that_stops_cancels_everything() -> None:
    """A dead bot must not leave orders in the book."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        name, order = trader.order(world.token(), "0.40")
        await trader.post(order)
        body = '{"heartbeat_id":""}'
        await trader.call("POST", "/v1/heartbeats", body)
        await world.clock.sleep(30)
        return (await trader.find(name))[0]["status"]

    assert in_world(play).startswith("CANCELED")


def test_lists_come_in_pages() -> None:
    """A reader who stops at the first page misses orders."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        for _ in range(5):
            await trader.post(trader.order(world.token(), "0.40")[1])
        cursor, sizes = "MA==", []
        while cursor != "LTE=":
            answer = await trader.call(
                "GET", "/data/orders", query=f"?next_cursor={cursor}"
            )
            page = answer.json()
            sizes.append((page["count"], len(page["data"])))
            cursor = page["next_cursor"]
        return sizes

    assert in_world(play, app=AppConfig(page_size=2)) == [(2, 2), (2, 2), (1, 1)]


def test_a_stream_with_wrong_credentials_is_closed() -> None:
    """Silence would look like a quiet market."""

    async def play(world: World) -> None:
        stream = await world.connect(IN_LOOP_USER_WS)
        auth = {"apiKey": "a", "secret": "b", "passphrase": "c"}
        await stream.send(json.dumps({"type": "user", "auth": auth}))
        with pytest.raises(StreamClosed):
            await stream.recv()

    in_world(play)


def test_nobody_sees_the_orders_of_another() -> None:
    """Reading somebody else's order would adopt it."""

    async def play(world: World) -> Any:
        first, second = await world.trader(0), await world.trader(1)
        name, order = first.order(world.token(), "0.40")
        await first.post(order)
        answer = await second.call("GET", f"/data/order/{name}")
        body = json.dumps({"orderID": name})
        canceled = (await second.call("DELETE", "/order", body)).json()
        return answer.status_code, await second.find(name), canceled["canceled"]

    assert in_world(play) == (404, [], [])


def test_auto_fund_pays_every_wallet_of_a_new_key_once() -> None:
    """Any bot can begin at once, whichever wallet kind it uses."""

    async def play(world: World) -> Any:
        from tests.unit.exchange_api.trader import Trader

        newcomer = Trader(world.http, "0x" + "11" * 32, world.now)
        await newcomer.login()
        await newcomer.login()
        told = []
        for kind in range(4):
            query = f"?asset_type=COLLATERAL&signature_type={kind}"
            answer = await newcomer.call("GET", "/balance-allowance", query=query)
            told.append(answer.json()["balance"])
        return told

    funds = AppConfig(auto_fund=5_000_000)
    assert in_world(play, app=funds) == ["5000000"] * 4
