"""The operator's routes: time, money, markets, and what tests compare."""

import json
from decimal import Decimal
from typing import Any

from tests.unit.exchange_api.world import World, in_world


async def _tell(world: World, path: str, **body: Any) -> Any:
    answer = await world.http.post(f"/admin/{path}", content=json.dumps(body))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _state(world: World) -> Any:
    return (await world.http.get("/admin/state")).json()


def test_the_state_holds_orders_trades_and_balances() -> None:
    """Ledger and exchange are compared by it, so it must be complete."""

    async def play(world: World) -> None:
        seller, buyer = await world.trader(0), await world.trader(1)
        sold, ask = seller.order(world.token(3 - 1), "0.50", side="SELL")
        bought, bid = buyer.order(world.token(3 - 1), "0.50")
        await seller.post(ask)
        await buyer.post(bid)
        gone, order = buyer.order(world.token(), "0.10")
        await buyer.post(order)
        await buyer.call("DELETE", "/cancel-all")
        await _tell(world, "advance", ms=60_000)
        state = await _state(world)
        assert [o["id"] for o in state["orders"]] == [sold, bought, gone]
        [trade] = state["trades"]
        assert (trade["status"], trade["taker_order_id"]) == ("CONFIRMED", bought)
        held = state["balances"][buyer.key.address.lower()]
        assert held["shares"][world.token(2)] == "110"
        # 5 pUSD, and a fee of 10 * 0.07 * 0.5 * 0.5.
        assert held["cash"] == str(Decimal("1000") - 5 - Decimal("0.175"))

    in_world(play)


def test_the_clock_can_be_moved_on_but_not_back() -> None:
    """Waiting for a settlement, or an expiry, should take no time."""

    async def play(world: World) -> Any:
        before = int((await world.http.get("/time")).text)
        await _tell(world, "advance", ms=3_600_000)
        after = int((await world.http.get("/time")).text)
        back = await world.http.post("/admin/advance", content='{"ms": -1}')
        return after - before, back.status_code

    assert in_world(play) == (3600, 400)


def test_delays_and_rates_can_change_while_it_runs() -> None:
    """A test may want its first trade to settle and its second to fail."""

    async def play(world: World) -> Any:
        told = await _tell(world, "config", failure_rate="1", mined_ms=10)
        wrong = await world.http.post("/admin/config", content='{"sed": 1}')
        fixed = await world.http.post("/admin/config", content='{"seed": 1}')
        return (
            told["failure_rate"],
            told["mined_ms"],
            {
                wrong.status_code,
                fixed.status_code,
            },
        )

    assert in_world(play) == ("1", 10, {400})


def test_money_can_be_given_and_its_use_limited() -> None:
    """Both reasons for `not enough balance / allowance` can be practised."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        address = trader.key.address
        await _tell(world, "fund", address=address, cash="5", shares={})
        state = await _state(world)
        await _tell(world, "allowance", address=address, amount="1")
        answer = await trader.post(trader.order(world.token(), "0.40")[1])
        return state["balances"][address.lower()]["cash"], answer.json()["error"]

    cash, error = in_world(play)
    assert cash == "1005"
    assert error.startswith("not enough balance / allowance")


def test_a_resolved_market_ends_its_orders() -> None:
    """Whatever rests there can never fill any more."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        name, order = trader.order(world.token(), "0.40")
        await trader.post(order)
        market = world.app.exchange.markets()[0]
        await _tell(
            world, "resolve", market=market.condition_id, winner=market.tokens[0]
        )
        return (await trader.find(name))[0]["status"]

    assert in_world(play) == "CANCELED_MARKET_RESOLVED"


def test_a_market_can_get_a_finer_tick() -> None:
    """An order on the old grid must be refused with the venue's words."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        market = world.app.exchange.markets()[0]
        described = {
            "condition_id": market.condition_id,
            "tokens": list(market.tokens),
            "tick_size": "0.1",
        }
        await _tell(world, "market", **described)
        return (await trader.post(trader.order(world.token(), "0.45")[1])).json()

    assert "breaks minimum tick size rule: 0.1" in in_world(play)["error"]


def test_streams_can_be_cut_and_orders_wiped() -> None:
    """The two accidents that no rule has to wait for."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        await trader.post(trader.order(world.token(), "0.40")[1])
        stream = await world.connect("ws://any/ws/user")
        await stream.send(trader.subscription())
        cut = await _tell(world, "disconnect", channel="user")
        wiped = await _tell(world, "wipe")
        return cut["disconnected"], wiped["wiped"], (await _state(world))["streams"]

    assert in_world(play) == (1, 1, 0)
