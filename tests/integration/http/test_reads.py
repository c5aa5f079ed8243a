"""Reading over HTTP: the present, the past, pages, and whose position it is."""

from typing import Any

import httpx2
import pytest

from projections import tables_as_of
from service.http.past import Past
from service.http.rows import order_row, shown
from tests.integration.http.running import MARKET, Service, an_intent, keyed

PATHS = ("orders", "open-orders", "fills", "positions", "reconciliation", "risk")


async def traded(client: httpx2.AsyncClient, count: int = 5) -> list[str]:
    """Place orders, every second of which fills; their ids."""
    found = []
    for number in range(count):
        intent = an_intent()
        if number % 2:
            intent = an_intent(price="0.5", time_in_force="FAK", post_only=False)
        answer = await client.post(
            f"/v1/intents?wait={'final' if number % 2 else 'placed'}",
            json=intent,
            headers=keyed(f"k{number}"),
        )
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["order"]["order_id"])
    return found


async def get(client: httpx2.AsyncClient, path: str, **params: Any) -> Any:
    """A good answer."""
    answer = await client.get(f"/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_was_answered_can_be_read_at_once(service: Service) -> None:
    """A strategy that places and looks must find what it placed."""
    async with service.client("submit", "read") as client:
        for number in range(10):
            answer = await client.post(
                "/v1/intents", json=an_intent(), headers=keyed(str(number))
            )
            page = await get(client, "open-orders", limit=500)
            ids = {row["order_id"] for row in page["items"]}
            assert answer.json()["order"]["order_id"] in ids


@pytest.mark.parametrize("path", PATHS)
async def test_every_read_tells_its_position(service: Service, path: str) -> None:
    """Two answers can be compared only if each says what it holds for."""
    async with service.client("submit", "read") as client:
        await traded(client)
        answer = await client.get(f"/v1/{path}")
        position = answer.json()["position"]
        assert answer.headers["etag"] == f'"{position}"'
        assert position == service.opened.store.head
        again = await client.get(
            f"/v1/{path}", headers={"If-None-Match": f'"{position}"'}
        )
        assert again.status_code == 304
        assert again.content == b""


@pytest.mark.parametrize("path", PATHS)
async def test_the_past_stays_what_it_was(service: Service, path: str) -> None:
    """An audit that gives another answer tomorrow is none."""
    async with service.client("submit", "read") as client:
        await traded(client)
        before = await get(client, path)
        await client.post("/v1/intents", json=an_intent(), headers=keyed("later"))
        then = await get(client, path, as_of=before["position"])
        assert then == before
        empty = await get(client, path, as_of=0)
        assert not empty.get("items")


@pytest.mark.parametrize("bound", [{"most_copies": 4}, {"most_bytes": 1_000_000}])
async def test_the_past_equals_a_fold_of_the_log(
    service: Service, bound: dict[str, int]
) -> None:
    """Copies on the way make it fast; they must not make it wrong."""
    async with service.client("submit", "read") as client:
        await traded(client, 20)
    store, head = service.opened.store, service.opened.store.head
    past = Past(store, "paper", every=7, **bound)
    try:
        for position in [*range(0, head + 1, 5), *range(head, 0, -9), head]:
            with tables_as_of(store, position, account="paper") as expected:
                assert past.at(position).dump() == expected.dump(), position
        assert 0 < len(past._copies) <= 8
    finally:
        past.close()


async def test_a_time_is_a_position_too(service: Service) -> None:
    """People remember when something happened, not at which position."""
    async with service.client("submit", "read") as client:
        ids = await traded(client)
        story = await get(client, f"orders/{ids[-1]}/timeline")
        first = story["items"][0]
        page = await get(client, "orders", as_of=first["recorded_at"])
        assert page["position"] >= first["position"]
        assert (await get(client, "orders", as_of="2020-01-01T00:00:00Z"))[
            "items"
        ] == []


@pytest.mark.parametrize("as_of", ["x", "-1", "1.5", "2026-13-01T00:00:00Z", "now"])
async def test_a_moment_that_is_none_is_refused(service: Service, as_of: str) -> None:
    """An answer for some other moment would be worse than none."""
    async with service.client("read") as client:
        answer = await client.get("/v1/orders", params={"as_of": as_of})
    assert answer.status_code == 422
    assert answer.json()["field"] == "as_of"


async def test_a_position_that_is_not_reached_is_not_found(service: Service) -> None:
    """The future is not empty: it is not there."""
    async with service.client("read") as client:
        for path in PATHS:
            answer = await client.get(f"/v1/{path}", params={"as_of": "999999"})
            assert answer.status_code == 404
            assert answer.json()["code"] == "position_not_reached"


@pytest.mark.parametrize("newest_first", [False, True])
async def test_pages_give_every_row_once(service: Service, newest_first: bool) -> None:
    """A reader that misses a page misses money."""
    async with service.client("submit", "read") as client:
        ids = await traded(client, 7)
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await get(
                client, "orders", limit=2, newest_first=newest_first, **cursor
            )
            found += [row["order_id"] for row in page["items"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
    assert found == sorted(ids, reverse=newest_first)


async def test_rows_are_filtered(service: Service) -> None:
    """Several strategies share a ledger; each wants its own rows."""
    async with service.client("submit", "read") as client:
        ids = await traded(client, 4)
        other = an_intent(strategy="other")
        await client.post("/v1/intents", json=other, headers=keyed("o"))
        mine = await get(client, "orders", strategy="tester")
        assert {row["order_id"] for row in mine["items"]} == set(ids)
        done = await get(client, "orders", status="CONFIRMED")
        assert {row["order_id"] for row in done["items"]} == {ids[1], ids[3]}
        assert (await get(client, "orders", market_id="0xother"))["items"] == []
        fills = await get(client, "fills", order_id=ids[1])
        assert [row["order_id"] for row in fills["items"]] == [ids[1]]


@pytest.mark.parametrize(
    "query",
    [
        {"surprise": "1"},
        {"limit": "0"},
        {"limit": "x"},
        {"limit": "100000"},
        {"status": "SOMETHING"},
        {"cursor": "!!"},
        {"cursor": "abc"},
        {"strategy": "a b"},
    ],
)
async def test_a_wrong_query_is_refused(
    service: Service, query: dict[str, str]
) -> None:
    """A filter that is misspelt must not widen the answer."""
    async with service.client("read") as client:
        answer = await client.get("/v1/orders", params=query)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == next(iter(query))


async def test_an_order_tells_its_trades_and_its_story(service: Service) -> None:
    """What happened, why, and on whose word: that is what a ledger is for."""
    async with service.client("submit", "read") as client:
        ids = await traded(client, 2)
        order = await get(client, f"orders/{ids[1]}")
        assert order["status"] == "CONFIRMED"
        assert [trade["settlement"] for trade in order["trades"]] == ["CONFIRMED"]
        story = await get(client, f"orders/{ids[1]}/timeline")
        topics = [entry["topic"] for entry in story["items"]]
        assert topics[0] == "order.requested.v1"
        assert topics[-1] == "fill.confirmed.v1"
        page = await get(client, f"orders/{ids[1]}/timeline", limit=2)
        rest = await get(client, f"orders/{ids[1]}/timeline", cursor=page["next"])
        assert page["items"] + rest["items"] == story["items"]
        foreign = await get(client, "orders", limit=1)
        refused = await client.get(
            f"/v1/orders/{ids[1]}/timeline", params={"cursor": foreign["next"]}
        )
        assert refused.status_code == 422
        assert refused.json()["field"] == "cursor"
        missing = await client.get("/v1/orders/nothing")
        assert missing.status_code == 404
        assert (await client.get("/v1/orders/nothing/timeline")).status_code == 404
        early = await client.get(f"/v1/orders/{ids[1]}", params={"as_of": 1})
        assert early.status_code == 404


async def test_positions_tell_what_open_orders_may_still_do(service: Service) -> None:
    """A strategy that does not count its open orders buys twice what it wants."""
    async with service.client("submit", "read") as client:
        await traded(client, 2)
        sale = an_intent(side="SELL", size="5", price="0.9")
        sold = await client.post(
            "/v1/intents?wait=placed", json=sale, headers=keyed("s")
        )
        assert sold.json()["success"], sold.text
        page = await get(client, "positions", strategy="tester")
        (row,) = page["items"]
        assert row["shares"] == "20"
        assert row["sellable"] == "15"
        assert row["open_buys"] == "20"


async def test_an_answer_and_the_read_model_show_an_order_alike(
    service: Service,
) -> None:
    """One shape: a client must not learn two."""
    async with service.client("submit", "read") as client:
        ids = await traded(client, 4)
        await get(client, "orders")
    for order_id in ids:
        order = service.opened.journal.order(order_id)
        (row,) = service.runtime.models.query("orders", {"order_id": order_id})
        expected = shown(row)
        del expected["updated_at"], expected["position"]
        mine = order_row(order)
        trades = mine.pop("trades")
        assert mine == expected
        fills = service.runtime.models.query("fills", {"order_id": order_id})
        assert [t["trade_id"] for t in trades] == [f["trade_id"] for f in fills]


async def test_risk_tells_what_is_held_back(service: Service) -> None:
    """Cash that is spoken for is not free."""
    async with service.client("submit", "read") as client:
        await traded(client, 1)
        risk = await get(client, "risk")
    assert risk["account"]["reserved_cash"] == "8"
    assert [row["cash"] for row in risk["reservations"]] == ["8"]
    assert risk["limits"]["account"]["max_open_orders"] == 1000
    assert MARKET.market_id == risk["reservations"][0]["market_id"]
