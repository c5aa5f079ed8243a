"""Who gets which frame, and what the in-loop world loses."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from executors.exchange.faults import FaultRule
from executors.exchange.inloop import (
    IN_LOOP_MARKET_WS,
    IN_LOOP_USER_WS,
    InLoopSocket,
    StreamClosed,
)
from tests.unit.exchange_api.trader import Trader
from tests.unit.exchange_api.world import World, in_world


async def _listen(world: World, subscription: str) -> InLoopSocket:
    stream = await world.connect(IN_LOOP_USER_WS)
    await stream.send(subscription)
    return stream


async def _heard(stream: InLoopSocket) -> list[Any]:
    """Every frame that comes until nothing more does."""
    heard: list[Any] = []
    while True:
        try:
            heard.append(json.loads(await asyncio.wait_for(stream.recv(), 5)))
        except TimeoutError:
            return heard


def _with_markets(trader: Trader, *markets: str) -> str:
    return json.dumps(json.loads(trader.subscription()) | {"markets": markets})


def test_a_stream_carries_the_events_of_its_own_key_alone() -> None:
    """Somebody else's fill booked as one's own would be money that is not there."""

    async def play(world: World) -> Any:
        first, second = await world.trader(0), await world.trader(1)
        stream = await _listen(world, second.subscription())
        await first.post(first.order(world.token(), "0.40")[1])
        return await _heard(stream)

    assert in_world(play) == []


def test_a_stream_can_be_narrowed_to_markets_and_changed() -> None:
    """The subscription decides, and it can be changed without a new connection."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        one, two, *_ = (m.condition_id for m in world.app.exchange.markets())
        stream = await _listen(world, _with_markets(trader, one))
        change = {"markets": [two], "operation": "subscribe"}

        async def post_both() -> list[str]:
            for market in (0, 1):
                order = trader.order(world.token(market), "0.40", neg_risk=market == 1)[
                    1
                ]
                await trader.post(order)
            return [frame["market"] for frame in await _heard(stream)]

        only = await post_both()
        await stream.send(json.dumps(change))
        both = await post_both()
        await stream.send(json.dumps(change | {"operation": "unsubscribe"}))
        return only == [one], both == [one, two], await post_both() == [one]

    assert in_world(play) == (True, True, True)


def test_the_right_key_with_a_wrong_secret_gets_nothing() -> None:
    """An API key is no secret: it stands in every trade as the owner."""

    async def play(world: World) -> None:
        trader = await world.trader()
        frame = json.loads(trader.subscription())
        frame["auth"]["secret"] = "AAAA"
        stream = await _listen(world, json.dumps(frame))
        with pytest.raises(StreamClosed):
            await stream.recv()

    in_world(play)


def test_the_market_channel_begins_with_books_and_goes_on_with_changes() -> None:
    """A reader can only apply changes to a book it was shown."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        stream = await world.connect(IN_LOOP_MARKET_WS)
        tokens = [world.token()]
        await stream.send(json.dumps({"type": "market", "assets_ids": tokens}))
        [first] = json.loads(await stream.recv())
        await trader.post(trader.order(world.token(), "0.40")[1])
        await trader.post(trader.order(world.token(1), "0.40", neg_risk=True)[1])
        later = await _heard(stream)
        return first["event_type"], [frame["event_type"] for frame in later]

    assert in_world(play) == ("book", ["price_change"])


def test_a_frame_that_means_nothing_is_answered_so() -> None:
    """Ignoring it would look like a subscription that worked."""

    async def play(world: World) -> Any:
        stream = await world.connect(IN_LOOP_USER_WS)
        await stream.send("{")
        return await stream.recv()

    assert in_world(play) == "INVALID OPERATION"


def test_a_closed_stream_takes_and_gives_nothing() -> None:
    """Both directions must fail, or a reader waits for ever."""

    async def play(world: World) -> None:
        stream = await world.connect(IN_LOOP_USER_WS)
        await stream.close()
        with pytest.raises(StreamClosed):
            await stream.recv()
        with pytest.raises(StreamClosed):
            await stream.send("PING")
        with pytest.raises(ConnectionRefusedError):
            await world.connect("ws://any/ws/nothing")

    in_world(play)


@pytest.mark.parametrize(
    ("kind", "exists"),
    [
        ("request_lost", False),
        ("answer_lost", True),
        ("refused", False),
        ("rate_limited", False),
        ("error_after_accept", True),
        ("unreadable", True),
        ("restart", False),
    ],
)
def test_a_fault_happens_before_or_after_the_order_exists(
    kind: Any, exists: bool
) -> None:
    """On which side of acceptance a fault lies is what the ledger has to find out."""

    async def play(world: World) -> bool:
        trader = await world.trader()
        name, order = trader.order(world.token(), "0.40")
        try:
            answer = await trader.post(order)
            assert not answer.text.startswith("{") or answer.status_code != 200
        except httpx2.RemoteProtocolError:
            pass
        return bool(await trader.find(name))

    rule = FaultRule(kind=kind, on="POST /order", nth=1)
    assert in_world(play, faults=(rule,)) is exists


def test_an_order_that_has_ended_is_null_by_its_own_route() -> None:
    """Clients have taken that `null` for an order that never was."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        name, order = trader.order(world.token(), "0.40")
        await trader.post(order)
        await trader.call("DELETE", "/cancel-all")
        answer = await trader.call("GET", f"/data/order/{name}")
        return answer.status_code, answer.json(), len(await trader.find(name))

    assert in_world(play) == (200, None, 1)


def test_the_old_positions_hide_what_is_under_a_share() -> None:
    """A small position that is not shown is still a position."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        body = {"address": trader.key.address, "shares": {world.token(): "-99.5"}}
        funded = await world.http.post("/admin/fund", content=json.dumps(body))
        assert funded.status_code == 200
        await world.clock.sleep(60)
        seen = []
        for query in ("", "&sizeThreshold=0"):
            path = f"/positions?user={trader.key.address}{query}"
            rows = (await world.http.get(path)).json()
            seen.append(world.token() in {row["asset"] for row in rows})
        return seen

    assert in_world(play) == [False, True]
