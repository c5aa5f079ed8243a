"""Batches and dry runs over HTTP: all or nothing, and nothing at all."""

import asyncio
from typing import Any

import pytest

from tests.integration.http.running import MARKET, Service, an_intent, keyed
from tests.integration.http.test_intents import requests_in


def pair(**changes: Any) -> dict[str, Any]:
    """Both legs of a pair, the second one changed."""
    right = an_intent(outcome="NO", price="0.5") | changes
    return {"intents": [an_intent(), right]}


@pytest.mark.parametrize("query", ["", "?wait=placed"])
async def test_the_legs_of_a_pair_are_recorded_together(
    service: Service, query: str
) -> None:
    """Half a pair is a bet that nobody wanted."""
    commits: list[int] = []
    service.opened.journal.on_recorded.append(
        lambda events: commits.append(len(events))
    )
    async with service.client("submit") as client:
        answer = await client.post(
            f"/v1/intents:batch{query}", json=pair(), headers=keyed("p")
        )
    assert answer.status_code == (200 if query else 202), answer.text
    items = answer.json()["items"]
    assert [item["success"] for item in items] == [True, True]
    assert [item["order"]["outcome"] for item in items] == ["YES", "NO"]
    assert requests_in(service) == ["p/0", "p/1"]
    assert commits[0] == 4  # both requested and signed, in one commit


async def test_a_pair_with_a_bad_leg_is_refused_whole(service: Service) -> None:
    """What risk refuses in one leg must not leave the other one alone."""
    async with service.client("submit") as client:
        answer = await client.post(
            "/v1/intents:batch?wait=placed",
            json=pair(size="100000"),
            headers=keyed("p"),
        )
    codes = [item["error"]["code"] for item in answer.json()["items"]]
    assert codes[0] == "batch_refused"
    assert codes[1] != "batch_refused"
    statuses = {item["order"]["status"] for item in answer.json()["items"]}
    assert statuses == {"REJECTED"}
    assert service.opened.paper.venue.open_orders() == ()


async def test_legs_count_against_the_same_limits(service: Service) -> None:
    """Each alone would fit the cash; both together do not."""
    legs = [an_intent(size="1500"), an_intent(size="1500", price="0.39")]
    async with service.client("submit") as client:
        answer = await client.post(
            "/v1/intents:batch", json={"intents": legs}, headers=keyed("p")
        )
    assert {item["success"] for item in answer.json()["items"]} == {False}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"price": 0.5}, "intents[1].price"),
        ({"price": "0.505"}, "intents.1.price"),
        ({"market_id": "0xunknown"}, "intents.1.market_id"),
        ({"time_in_force": "FOK"}, "intents.1.post_only"),
    ],
)
async def test_a_wrong_leg_is_named_and_nothing_recorded(
    service: Service, changes: dict[str, Any], field: str
) -> None:
    """Which of fifty is wrong?"""
    async with service.client("submit") as client:
        answer = await client.post(
            "/v1/intents:batch", json=pair(**changes), headers=keyed("p")
        )
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field
    assert requests_in(service) == []


async def test_a_repeated_batch_is_the_same_orders(service: Service) -> None:
    """A retry of a pair must not make two pairs, nor overlap with the first."""
    async with service.client("submit") as client:

        async def post(body: dict[str, Any]) -> Any:
            return await client.post(
                "/v1/intents:batch?wait=placed", json=body, headers=keyed("p")
            )

        first, again = await asyncio.gather(post(pair()), post(pair()))
        hrefs = [[i["href"] for i in a.json()["items"]] for a in (first, again)]
        assert hrefs[0] == hrefs[1]
        for other in (
            pair(size="21"),
            {"intents": pair()["intents"][:1]},
            {"intents": [*pair()["intents"], an_intent()]},
        ):
            answer = await post(other)
            assert answer.status_code == 409, answer.text
    assert requests_in(service) == ["p/0", "p/1"]


@pytest.mark.parametrize("intents", [[], [{}], [an_intent()] * 51, {}, "x"])
async def test_a_batch_has_bounds(service: Service, intents: object) -> None:
    """One commit holds others up; it must not be endless."""
    async with service.client("submit") as client:
        answer = await client.post(
            "/v1/intents:batch", json={"intents": intents}, headers=keyed("p")
        )
    assert answer.status_code == 422


async def test_a_dry_run_decides_and_records_nothing(service: Service) -> None:
    """A strategy can ask what the limits leave, without a trace in the log."""
    before = service.opened.store.head
    async with service.client("submit") as client:

        async def ask(**changes: Any) -> Any:
            answer = await client.post(
                "/v1/intents?dry_run=true",
                json=an_intent(**changes),
                headers=keyed("d"),
            )
            assert answer.status_code == 200, answer.text
            return answer.json()

        good = await ask(price="0.46", time_in_force="FAK", post_only=False)
        assert (good["approved"], good["size"]) == (True, "20")
        assert good["evidence"]["effective_price"] == "0.46"
        dear = await ask(size="100000")
        assert (dear["approved"], dear["by"]) == (False, "risk")
        thin = await ask(price="0.5", size="1600", time_in_force="FAK", post_only=False)
        assert (thin["approved"], thin["by"]) == (False, "slippage")
        wrong = await client.post(
            "/v1/intents?dry_run=true",
            json=an_intent(market_id="0xunknown"),
            headers=keyed("d"),
        )
        assert wrong.status_code == 422
    assert service.opened.store.head == before
    assert MARKET.market_id
