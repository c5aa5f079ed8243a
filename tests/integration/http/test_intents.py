"""Placing over HTTP: durable before it is answered, and once per key."""

import asyncio

import pytest

from ledger.events import OrderRequested
from tests.integration.http.running import MARKET, Service, an_intent, keyed


def requests_in(service: Service) -> list[str]:
    """The keys of every intent in the log."""
    return [
        recorded.event.idempotency_key
        for recorded in service.opened.store.read()
        if isinstance(recorded.event, OrderRequested)
    ]


async def test_an_intent_is_on_disk_when_it_is_answered(service: Service) -> None:
    """An answer that a crash could take back is worth nothing."""
    async with service.client("submit") as client:
        answer = await client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["href"]
    assert requests_in(service) == ["a"]


async def test_the_answer_leads_to_the_order(service: Service) -> None:
    """A strategy that gets no link cannot follow what it has sent."""
    async with service.client("submit", "read") as client:
        answer = await client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
        order = await client.get(answer.json()["href"])
    assert order.status_code == 200
    assert order.json()["idempotency_key"] == "a"
    assert order.json()["price"] == "0.4"


@pytest.mark.parametrize("query", ["", "?wait=placed"])
async def test_the_same_key_is_the_same_order(service: Service, query: str) -> None:
    """A client that lost an answer asks again; it must not buy twice."""
    async with service.client("submit") as client:
        path = f"/v1/intents{query}"
        first = await client.post(path, json=an_intent(), headers=keyed("a"))
        again = await client.post(path, json=an_intent(), headers=keyed("a"))
    assert not first.json()["deduplicated"]
    assert again.json()["deduplicated"]
    assert again.json()["href"] == first.json()["href"]
    assert requests_in(service) == ["a"]


async def test_many_at_once_with_one_key_are_one_order(service: Service) -> None:
    """Retries overlap when a service is slow: that is when they come."""
    async with service.client("submit") as client:
        answers = await asyncio.gather(
            *(
                client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
                for _ in range(20)
            )
        )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["href"] for answer in answers}) == 1
    assert sum(not answer.json()["deduplicated"] for answer in answers) == 1
    assert requests_in(service) == ["a"]


async def test_the_same_key_with_another_intent_is_a_conflict(service: Service) -> None:
    """Whoever reuses a key by mistake must hear of it."""
    async with service.client("submit") as client:
        await client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
        answer = await client.post(
            "/v1/intents", json=an_intent(size="21"), headers=keyed("a")
        )
    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_conflict"
    assert requests_in(service) == ["a"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"price": 0.4}, "price"),
        ({"price": "1.5"}, "price"),
        ({"price": "NaN"}, "price"),
        ({"price": "1e-1"}, "price"),
        ({"price": {"a": 1}}, "price"),
        ({"price": [True]}, "price"),
        ({"price": "0." + "1" * 10_000}, "price"),
        ({"price": "0.405"}, "price"),
        ({"price": "0.4\n"}, "price"),
        ({"size": "20\n"}, "size"),
        ({"max_slippage_bps": "20\n"}, "max_slippage_bps"),
        ({"size": "0"}, "size"),
        ({"size": "-5"}, "size"),
        ({"size": 20}, "size"),
        ({"size": "0.0000001"}, "size"),
        ({"side": "HOLD"}, "side"),
        ({"outcome": "MAYBE"}, "outcome"),
        ({"strategy": "no spaces"}, "strategy"),
        ({"strategy": None}, "strategy"),
        ({"market_id": "0xunknown"}, "market_id"),
        ({"post_only": "true"}, "post_only"),
        ({"time_in_force": "GTD"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"time_in_force": "FOK"}, "post_only"),
        ({"surprise": 1}, "body"),
    ],
)
@pytest.mark.parametrize("query", ["", "?wait=placed"])
async def test_wrong_input_names_its_field_and_records_nothing(
    service: Service, changes: dict[str, object], field: str, query: str
) -> None:
    """A hint without a place costs its reader an hour."""
    async with service.client("submit") as client:
        answer = await client.post(
            f"/v1/intents{query}", json=an_intent(**changes), headers=keyed("a")
        )
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["field"] == field
    assert problem["code"]
    assert problem["hint"]
    assert requests_in(service) == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 20_000, b'"\\ud800"']
)
async def test_what_is_no_intent_is_refused(service: Service, body: bytes) -> None:
    """Anything may arrive at a port."""
    async with service.client("submit") as client:
        headers = {**keyed("a"), "Content-Type": "application/json"}
        answer = await client.post("/v1/intents", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.json()["code"]


async def test_an_intent_needs_a_key(service: Service) -> None:
    """Without one nobody could tell a retry from a second order."""
    async with service.client("submit") as client:
        answer = await client.post("/v1/intents", json=an_intent())
        assert answer.status_code == 400
        assert answer.json()["field"] == "Idempotency-Key"
        answer = await client.post(
            "/v1/intents", json=an_intent(), headers=keyed("x" * 200)
        )
        assert answer.status_code == 422


async def test_a_refused_intent_is_answered_with_the_reason(service: Service) -> None:
    """A refusal is recorded, so that the log tells what a strategy tried."""
    async with service.client("submit") as client:
        answer = await client.post(
            "/v1/intents", json=an_intent(size="100000"), headers=keyed("a")
        )
    assert answer.status_code == 202
    assert not answer.json()["success"]
    assert answer.json()["error"]["code"]
    assert answer.json()["order"]["status"] == "REJECTED"


async def test_waiting_for_the_end_gives_the_end(service: Service) -> None:
    """Who waits for an order to be final must not get it half way."""
    intent = an_intent(price="0.5", time_in_force="FAK", post_only=False)
    async with service.client("submit") as client:
        answer = await client.post(
            "/v1/intents?wait=final&timeout_ms=20000", json=intent, headers=keyed("a")
        )
    assert answer.status_code == 200, answer.text
    order = answer.json()["order"]
    assert order["status"] == "CONFIRMED"
    assert order["filled"] == order["settled"] == "20"
    assert order["avg_price"] == "0.46"


async def test_waiting_ends_when_its_time_is_up(service: Service) -> None:
    """A resting order may never be final; its caller wants an answer all the same."""
    async with service.client("submit") as client:
        answer = await client.post(
            "/v1/intents?wait=final&timeout_ms=50", json=an_intent(), headers=keyed("a")
        )
    assert answer.status_code == 202
    assert answer.json()["order"]["status"] in {"PENDING", "PLACED"}


async def test_a_token_places_for_its_own_strategy_only(service: Service) -> None:
    """One strategy must not spend another one's limits."""
    async with service.client("submit", strategy="mine") as client:
        other = await client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
        assert other.status_code == 403
        assert other.json()["field"] == "strategy"
        own = await client.post(
            "/v1/intents", json=an_intent(strategy=None), headers=keyed("a")
        )
        assert own.json()["order"]["strategy"] == "mine"
        mine = own.json()["order"]["order_id"]
    async with service.client("cancel", strategy="other") as client:
        assert (await client.post(f"/v1/orders/{mine}:cancel")).status_code == 403
        many = await client.post("/v1/orders:cancel", json={})
        assert many.json()["items"] == []
        asked = await client.post("/v1/orders:cancel", json={"strategy": "mine"})
        assert asked.status_code == 403


async def test_an_order_is_cancelled(service: Service) -> None:
    """The way out must work as well as the way in."""
    async with service.client("submit", "cancel") as client:
        placed = await client.post(
            "/v1/intents?wait=placed", json=an_intent(), headers=keyed("a")
        )
        answer = await client.post(f"{placed.json()['href']}:cancel")
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"]
        assert answer.json()["order"]["status"] == "CANCELLED"
        unknown = await client.post("/v1/orders/nothing:cancel")
        assert unknown.status_code == 404


async def test_open_orders_of_a_market_are_cancelled_together(service: Service) -> None:
    """In an emergency nobody wants to name every order."""
    async with service.client("submit", "cancel") as client:
        for key in "abc":
            await client.post(
                "/v1/intents?wait=placed", json=an_intent(), headers=keyed(key)
            )
        none = await client.post("/v1/orders:cancel", json={"market_id": "0xother"})
        assert none.json()["items"] == []
        answer = await client.post(
            "/v1/orders:cancel", json={"market_id": MARKET.market_id}
        )
    assert [item["success"] for item in answer.json()["items"]] == [True] * 3


async def test_nothing_is_taken_while_the_service_stops(service: Service) -> None:
    """An intent that comes too late must not be lost between two starts."""
    service.runtime.is_accepting = False
    async with service.client("submit") as client:
        answer = await client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert requests_in(service) == []
