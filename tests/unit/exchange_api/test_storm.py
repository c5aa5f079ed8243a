"""Every fault at once: the exchange itself must stay right, and repeatable."""

import asyncio
from collections import Counter
from random import Random
from typing import Any, get_args

import httpx2
import pytest
import structlog

from executors.exchange.engine import ExchangeConfig
from executors.exchange.faults import FaultRule, RequestKind, StreamKind
from executors.exchange.inloop import IN_LOOP_USER_WS, StreamClosed
from ledger.values import decimal_from
from tests.unit.exchange_api.trader import Trader
from tests.unit.exchange_api.world import World, in_world

RARE = {"wipe": 0.01, "restart": 0.01, "disconnect": 0.05, "silence": 0.05}
PLAN = tuple(
    FaultRule(
        kind=kind,
        probability=RARE.get(kind, 0.1),
        seconds=0.5,
        post_only_seconds=0.5,
    )
    for kind in (*get_args(RequestKind), *get_args(StreamKind))
)
ENGINE = ExchangeConfig(
    seed=3,
    mined_ms=200,
    confirmed_ms=200,
    settlement_jitter_ms=300,
    failure_rate=decimal_from("0.1"),
    retry_rate=decimal_from("0.1"),
    data_lag_ms=500,
)


async def _listen(world: World, trader: Trader, heard: Counter[str]) -> None:
    while True:
        stream = await world.connect(IN_LOOP_USER_WS)
        try:
            await stream.send(trader.subscription())
            while True:
                heard[await stream.recv()] += 1
        except StreamClosed:
            await world.clock.sleep(0.1)


async def _trade(world: World, trader: Trader, chance: Random) -> set[str]:
    """Post orders, some of them again; gives every id that was ever sent."""
    sent = set()
    for _ in range(40):
        price = f"0.{chance.randrange(45, 56)}"
        side = chance.choice(("BUY", "SELL"))
        name, order = trader.order(world.token(), price, side=side)
        sent.add(name)
        for _attempt in range(chance.randrange(1, 4)):
            try:
                await trader.post(order)
                await trader.find(name)
            except (httpx2.HTTPError, LookupError, ValueError):
                await world.clock.sleep(0.2)
    return sent


async def _storm(world: World) -> Any:
    chance = Random(1)
    traders = []
    for number in (0, 1):
        trader = Trader(world.http, world.wallets[number].private_key, world.now)
        while not trader.credentials.api_key:
            try:
                await trader.login()
            except (httpx2.HTTPError, ValueError):
                await world.clock.sleep(0.1)
        traders.append(trader)
    heard: Counter[str] = Counter()
    listening = [asyncio.create_task(_listen(world, t, heard)) for t in traders]
    sent = set[str]().union(
        *await asyncio.gather(*(_trade(world, t, chance) for t in traders))
    )
    await world.clock.sleep(60)
    for task in listening:
        task.cancel()
    state = (await world.http.get("/admin/state")).json()
    return sent, state, dict(heard)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_storm_of_faults_breaks_nothing_and_repeats(seed: int) -> None:
    """Any difference that a run finds must be the ledger's, not the exchange's."""
    with structlog.testing.capture_logs() as logs:
        sent, state, heard = in_world(_storm, seed=seed, faults=PLAN, engine=ENGINE)
    assert [log for log in logs if log["log_level"] == "error"] == []
    names = [order["id"] for order in state["orders"]]
    assert len(names) == len(set(names)) > 40
    assert set(names) <= sent
    assert set(state["faults"]) == {rule.kind for rule in PLAN}
    assert {trade["status"] for trade in state["trades"]} == {"CONFIRMED", "FAILED"}
    again = in_world(_storm, seed=seed, faults=PLAN, engine=ENGINE)
    assert (sent, state, heard) == again


def test_money_is_neither_made_nor_lost() -> None:
    """What a FAILED trade took back, and what fees took, must add up."""

    async def play(world: World) -> Any:
        _, state, _ = await _storm(world)
        return state

    state = in_world(play, faults=PLAN, engine=ENGINE)
    held = list(state["balances"].values())
    tokens = {token for wallet in held for token in wallet["shares"]}
    assert tokens
    for token in tokens:
        shares = [decimal_from(w["shares"].get(token, "0")) for w in held]
        # 100 each to begin with; one outcome alone is traded, so none is minted.
        assert sum(shares) == 200
