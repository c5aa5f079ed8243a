"""What operators do over HTTP: halt, acknowledge, move money, look at health."""

from decimal import Decimal
from typing import Any

import httpx2
import pytest

from ledger import events as ev
from ledger.errors import StoreFailedError
from tests.integration.http.running import MARKET, Service, an_intent, keyed


async def post(client: httpx2.AsyncClient, path: str, **body: Any) -> httpx2.Response:
    """One command."""
    return await client.post(f"/v1/{path}", json=body)


async def test_a_halted_ledger_takes_no_intent_until_it_is_resumed(
    service: Service,
) -> None:
    """The big red button must work, and leave a trace of who pressed it."""
    async with service.client("operate", "submit") as client:
        halted = await post(client, "halt", reason="something smells")
        assert halted.json()["mode"] == "halted"
        answer = await client.post(
            "/v1/intents?wait=placed", json=an_intent(), headers=keyed("a")
        )
        assert answer.json()["error"]["code"] == "halted"
        assert (await post(client, "resume", reason="fine again")).status_code == 200
        answer = await client.post(
            "/v1/intents?wait=placed", json=an_intent(), headers=keyed("b")
        )
        assert answer.json()["success"]
    (event,) = service.opened.store.read(topics=["ledger.halted.v1"])
    assert event.event.actor == "t0"


async def test_reducing_only_refuses_to_buy(service: Service) -> None:
    """Between trading and halting there is a way to get out."""
    async with service.client("operate", "submit") as client:
        await post(client, "reduce-only", reason="end of day")
        answer = await client.post(
            "/v1/intents?wait=placed", json=an_intent(), headers=keyed("a")
        )
    assert not answer.json()["success"]


async def test_a_drift_is_acknowledged_once_it_is_there(service: Service) -> None:
    """A person says: I have seen it, and why it may stay."""
    desk = service.opened.manager.desk
    await desk.open_drift("orphan_fill", "t1/0xabc", {"size": "5"})
    async with service.client("operate", "read") as client:
        unknown = await post(client, "drifts/nothing:acknowledge", note="x")
        assert unknown.status_code == 404
        page = (await client.get("/v1/reconciliation")).json()
        (drift,) = page["drifts"]
        answer = await client.post(
            f"/v1/drifts/{drift['drift_id'].replace('/', '%2F')}:acknowledge",
            json={"note": "known"},
        )
        assert answer.status_code == 200, answer.text
        page = (await client.get("/v1/reconciliation")).json()
        assert page["drifts"][0]["note"] == "known"


async def test_money_and_pairs_move(service: Service) -> None:
    """What happens beside orders belongs into the same log."""
    async with service.client("admin") as client:
        answer = await post(client, "account/deposit", amount="250.5", reason="top-up")
        assert answer.status_code == 200
        for wrong in ("250\n", "0", "1e3", 5):
            answer = await post(client, "account/deposit", amount=wrong, reason="x")
            assert answer.status_code == 422, wrong
        move = {"strategy": "tester", "market_id": MARKET.market_id, "size": "30"}
        assert (await post(client, "account/split", **move)).status_code == 200
        assert (await post(client, "account/merge", **move)).status_code == 200
        too_much = await post(client, "account/merge", **move)
        assert too_much.status_code == 409
        unknown = await post(client, "account/split", **{**move, "market_id": "0x"})
        assert unknown.status_code == 422
        unresolved = {**move, "outcome": "YES"}
        del unresolved["size"]
        assert (await post(client, "account/redeem", **unresolved)).status_code == 409
        await service.opened.manager.account.resolve_market(
            MARKET.market_id, Decimal(1)
        )
        redeemed = await post(client, "account/redeem", **unresolved)
        assert redeemed.json()["payout"] == "0"
    topics = [recorded.event.TOPIC for recorded in service.opened.store.read()]
    for kind in (ev.PositionSplit, ev.PositionMerged):
        assert topics.count(kind.TOPIC) == 1


async def test_health_and_metrics_are_told(service: Service) -> None:
    """A dashboard and an alarm need numbers."""
    async with service.client("read") as client:
        health = (await client.get("/v1/health")).json()
        assert health["status"] == "ok"
        assert health["tasks"]["facts"]["state"] == "running"
        metrics = await client.get("/metrics")
        assert "order_ledger_" in metrics.text


async def test_a_full_disk_is_not_ready(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks before sending must hear what an intent would be answered."""
    monkeypatch.setattr(service.runtime, "_free_mb", 0)
    async with service.client("submit") as client:
        ready = await client.get("/v1/ready")
        assert ready.status_code == 503
        assert "disk" in ready.json()["reason"]
        answer = await client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
        assert answer.status_code == 503
        assert answer.json()["code"] == "disk_full"


async def test_a_log_that_takes_no_more_is_not_ready(service: Service) -> None:
    """A supervisor must see it; nobody may be told that an order is safe."""
    journal = service.opened.journal
    journal.failed = StoreFailedError("disk full")
    async with service.client("admin") as client:
        ready = await client.get("/v1/ready")
        assert ready.status_code == 503
        for query in ("", "?wait=placed"):
            answer = await client.post(
                f"/v1/intents{query}", json=an_intent(), headers=keyed("a")
            )
            assert answer.status_code == 503
            assert answer.json()["code"] == "store_failed"
        assert (await client.get("/v1/orders")).status_code == 200
    journal.failed = None
