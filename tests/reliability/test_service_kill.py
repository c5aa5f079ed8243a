"""The whole service killed under load, again and again.

Many connections post intents and do not come back for an answer; the process is
killed in the middle of it and started again on the same folder.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from ledger.events import OrderRequested
from ledger.store import LedgerStore
from service.client import LedgerClient, SyncLedgerClient
from service.places import ledger_path, unix_us
from tests.e2e.service.process import SECONDS, started

KILLS: Final = int(os.environ.get("SERVICE_KILLS", "3"))
CONNECTIONS: Final = 24
ACCEPTED: Final = 150
"""Answers of one life before it may be killed."""

BUNDLED: Final = ("--bundled", "--speed", "0.01")


class Desk:
    """Posts intents over many connections, once each, and keeps what was answered."""

    def __init__(self, url: str, token: str, market_id: str) -> None:
        self.accepted: dict[str, str] = {}
        self.unanswered: set[str] = set()
        self._market_id = market_id
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            limits=httpx2.Limits(max_connections=CONNECTIONS),
            timeout=SECONDS,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def post(self, key: str) -> dict[str, Any]:
        answer = await self._http.post(
            "/v1/intents",
            headers={"Idempotency-Key": key},
            json={
                "strategy": "tester",
                "market_id": self._market_id,
                "outcome": "YES",
                "side": "BUY",
                "size": "5",
                "price": "0.01",
                "post_only": True,
            },
        )
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def trade(self, life: int, connection: int) -> None:
        """Post one intent after the other until the line breaks."""
        with suppress(httpx2.TransportError):
            for number in range(1_000_000):
                key = f"{life}-{connection}-{number}"
                self.unanswered.add(key)
                answer = await self.post(key)
                self.accepted[key] = answer["order"]["order_id"]
                self.unanswered.discard(key)


class Follower:
    """Follows everything, through every restart."""

    def __init__(self, client: LedgerClient) -> None:
        self.positions: list[int] = []
        self._client = client

    async def run(self) -> None:
        async with aclosing(self._client.follow(after=0)) as events:
            async for event in events:
                self.positions.append(event.position)

    async def reach(self, position: int) -> None:
        for _ in range(SECONDS * 20):
            if self.positions and self.positions[-1] >= position:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(self.positions[-1:])


@asynccontextmanager
async def following(client: LedgerClient) -> AsyncIterator[Follower]:
    follower = Follower(client)
    task = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def orders_in(folder: Path) -> dict[str, list[str]]:
    """The streams of each key, as the log has them."""
    found: dict[str, list[str]] = {}
    with LedgerStore.open(ledger_path(folder), clock_us=unix_us, writer=False) as store:
        assert store.verify(full=True).is_sound
        for recorded in store.read(topics=[OrderRequested.TOPIC]):
            assert isinstance(recorded.event, OrderRequested)
            key = recorded.event.idempotency_key
            found.setdefault(key, []).append(recorded.stream.removeprefix("order-"))
    return found


def market_in(url: str, token: str) -> str:
    """A market that the service lists."""
    with SyncLedgerClient(url, token) as client:
        for event in client.follow(after=0, topic="market.listed."):
            return event.market_id
    raise AssertionError


async def check_log(folder: Path, desk: Desk) -> None:
    """What was answered is there, under the id that was named, each once."""
    found = await asyncio.to_thread(orders_in, folder)
    assert {key: [name] for key, name in desk.accepted.items()}.items() <= found.items()
    assert Counter(map(len, found.values())).keys() == {1}
    assert found.keys() <= desk.accepted.keys() | desk.unanswered


@pytest.mark.slow
async def test_what_was_answered_survives_every_kill_each_once(tmp_path: Path) -> None:
    """P1 and P2 over HTTP: an answer is a promise, and repeating asks no twice.

    One follower lives through it all, and hears every event exactly once.
    """
    rng = random.Random(20260924)
    port = "0"
    async with asyncio.timeout(SECONDS * (KILLS + 1)):
        with started(tmp_path, *BUNDLED) as first:
            url = await asyncio.to_thread(first.wait_ready)
            token, port = first.token, url.rpartition(":")[2]
            market_id = await asyncio.to_thread(market_in, url, token)
        desk = Desk(url, token, market_id)
        async with LedgerClient(url, token) as client, following(client) as follower:
            for life in range(KILLS):
                with started(tmp_path, *BUNDLED, "--port", port) as process:
                    await asyncio.to_thread(process.wait_ready)
                    enough = len(desk.accepted) + ACCEPTED
                    trading = [
                        asyncio.create_task(desk.trade(life, connection))
                        for connection in range(CONNECTIONS)
                    ]
                    while len(desk.accepted) < enough:  # noqa: ASYNC110 -- its tasks fill it
                        await asyncio.sleep(0.001)
                    await asyncio.sleep(rng.random() * 0.3)
                    await asyncio.to_thread(process.end, signal.SIGKILL)
                    await asyncio.gather(*trading)
                await check_log(tmp_path, desk)
            with started(tmp_path, *BUNDLED, "--port", port) as process:
                await asyncio.to_thread(process.wait_ready)
                await repeat(desk)
                await follower.reach((await client.health())["position"])
                await asyncio.to_thread(process.end)
        await desk.close()
    assert len(desk.accepted) >= KILLS * ACCEPTED
    assert not desk.unanswered
    await check_log(tmp_path, desk)
    assert follower.positions == list(range(1, follower.positions[-1] + 1))


async def repeat(desk: Desk) -> None:
    """Ask again for everything, the answered and the unanswered."""
    for key, order_id in desk.accepted.items():
        answer = await desk.post(key)
        assert answer["deduplicated"]
        assert answer["order"]["order_id"] == order_id
    for key in sorted(desk.unanswered):
        desk.accepted[key] = (await desk.post(key))["order"]["order_id"]
    desk.unanswered.clear()
