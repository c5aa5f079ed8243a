"""Following the log over HTTP: exact resume, no gap, no repeat, no secret."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from ledger.events import encode
from service.http.events import EventStream, Following
from service.http.hub import BLOCK, Hub
from tests.integration.http.running import Service, an_intent, keyed, listening


async def posted(service: Service, count: int, **changes: Any) -> None:
    """Place resting orders, all at once."""
    async with service.client("submit") as client:
        await asyncio.gather(
            *(
                client.post(
                    "/v1/intents?wait=placed",
                    json=an_intent(**changes),
                    headers=keyed(f"{changes.get('strategy', '')}{number}"),
                )
                for number in range(count)
            )
        )


def events_in(text: str) -> list[dict[str, Any]]:
    """The events of a stream, their ids checked."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in lines:
            event = json.loads(lines["data"])
            assert lines["id"] == str(event["position"])
            found.append(event)
    return found


async def read(service: Service, query: str, **headers: str) -> list[dict[str, Any]]:
    """Everything up to the head."""
    async with service.client("read") as client:
        answer = await client.get(f"/v1/events?follow=false{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events_in(answer.text)


async def test_a_replay_gives_the_whole_log(service: Service) -> None:
    """What a follower builds from the stream must equal what the log says."""
    await posted(service, 300)
    found = await read(service, "&after=0")
    head = service.opened.store.head
    assert head > BLOCK
    assert [event["position"] for event in found] == list(range(1, head + 1))
    for event, recorded in zip(found, service.opened.store.read(), strict=True):
        own = json.loads(encode(recorded.event))
        own.pop("signed_order", None)
        assert event["event"] == own
        assert event["topic"] == recorded.event.TOPIC
        assert event["stream"] == recorded.stream


async def test_the_signed_order_never_leaves(service: Service) -> None:
    """Whoever has it can post it."""
    await posted(service, 3)
    async with service.client("read") as client:
        stream = await client.get("/v1/events?follow=false&after=0")
        assert "signed_order" not in stream.text
        assert "maker_amount" in stream.text
        for order in (await client.get("/v1/orders")).json()["items"]:
            for path in ("", "/timeline"):
                answer = await client.get(f"/v1/orders/{order['order_id']}{path}")
                assert "signed" not in answer.text.replace("signed 20 shares", "")


@pytest.mark.parametrize("where", ["after", "Last-Event-ID"])
async def test_a_follower_goes_on_exactly_where_it_was(
    service: Service, where: str
) -> None:
    """A gap loses a fill, a repeat books it twice."""
    await posted(service, 5)
    whole = await read(service, "&after=0")
    for place in (1, 7, len(whole) - 1, len(whole)):
        if where == "after":
            rest = await read(service, f"&after={place}")
        else:
            rest = await read(service, "&after=0", **{"Last-Event-ID": str(place)})
        assert rest == whole[place:]


async def test_events_are_filtered(service: Service) -> None:
    """One strategy wants its own events, with the order's whole story."""
    await posted(service, 3)
    await posted(service, 2, strategy="other")
    whole = await read(service, "&after=0")
    mine = await read(service, "&after=0&strategy=other")
    assert mine == [event for event in whole if event["strategy"] == "other"]
    assert len(mine) == 2 * 3
    order_id = mine[0]["order_id"]
    one = await read(service, f"&after=0&order_id={order_id}")
    assert one == [event for event in whole if event["order_id"] == order_id]
    fills = await read(service, "&after=0&topic=order.placed.&topic=cash.")
    assert {event["topic"] for event in fills} == {"order.placed.v1", "cash.moved.v1"}
    market = mine[0]["market_id"]
    listed = await read(service, f"&after=0&market_id={market}")
    assert listed[0]["topic"] == "market.listed.v1"


async def test_live_events_follow_the_replay(service: Service) -> None:
    """The seam between replay and live is where events get lost."""
    hub: Hub = service.app.state.hub
    await posted(service, 20)
    seen: list[int] = []
    position = 0
    writing = asyncio.create_task(posted(service, 200, strategy="live"))
    while not writing.done() or position < hub.head:
        for event in await hub.behind(position):
            seen.append(event.position)
            position = event.position
        if position == hub.head:
            await hub.news(position, 0.05)
    assert seen == list(range(1, hub.head + 1))


async def test_followers_share_one_copy(service: Service) -> None:
    """Twenty followers must not cost twenty times the work."""
    hub: Hub = service.app.state.hub
    await posted(service, 20)
    first, second = await hub.behind(0), await hub.behind(0)
    assert all(a.frame is b.frame for a, b in zip(first, second, strict=True))


class SlowClient:
    """Takes so many messages, and then no more."""

    def __init__(self, takes: int) -> None:
        self.left = takes
        self.messages: list[MutableMapping[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        """Never leaves."""
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """What uvicorn does when the socket's buffer is full: it waits."""
        if self.left == 0:
            await asyncio.Event().wait()
        self.left -= 1
        self.messages.append(message)


async def test_a_client_that_takes_nothing_is_cut_off(service: Service) -> None:
    """It must cost neither memory nor a place; and it loses nothing."""
    hub: Hub = service.app.state.hub
    await posted(service, 200)
    client = SlowClient(3)
    stream = EventStream(hub, Following(after=0), 0, stall_seconds=0.05)
    cut: list[bool] = []
    scope = {"abort": lambda: cut.append(True)}
    await asyncio.wait_for(stream(scope, client.receive, client.send), 10)
    assert cut == [True]
    assert hub.followers == 0
    text = b"".join(m.get("body", b"") for m in client.messages).decode()
    seen = events_in(text)
    rest = await read(service, f"&after={seen[-1]['position']}")
    assert [event["position"] for event in seen + rest] == list(range(1, hub.head + 1))


async def test_a_stream_ends_when_the_service_does(service: Service) -> None:
    """A follower that is not let go would hold up the shutdown."""
    token = service.token("read")
    async with listening(service) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"GET /v1/events HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        await reader.readuntil(b"id: ")
        service.app.state.hub.close()
        # The mark that ends a body: a connection that broke would not have it.
        await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 10)
        writer.close()


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("after=999999", {}, 404),
        ("after=-1", {}, 422),
        ("after=x", {}, 422),
        ("surprise=1", {}, 422),
        ("topic=$", {}, 422),
        ("", {"Last-Event-ID": "999999"}, 404),
        ("", {"Last-Event-ID": "x"}, 422),
        ("", {"Last-Event-ID": "-1"}, 422),
    ],
)
async def test_a_place_that_is_none_is_refused(
    service: Service, query: str, headers: dict[str, str], status: int
) -> None:
    """To begin somewhere else would be a gap that nobody sees."""
    async with service.client("read") as client:
        answer = await client.get(f"/v1/events?{query}", headers=headers)
    assert answer.status_code == status
    assert answer.json()["field"]
