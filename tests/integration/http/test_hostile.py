"""What a hostile or broken client sends: refused by name, and nothing recorded."""

import asyncio
import json
from typing import Any, Final

import pytest

from tests.integration.http.running import (
    MARKET,
    Service,
    an_intent,
    keyed,
    listening,
)

HUGE: Final = "x" * 10_000_000
NOT_NUMBERS: Final[tuple[Any, ...]] = (
    *(None, True, 0.4, 1, [], {}, [["0.4"]], {"$gt": 0}),
    *("", " ", "NaN", "Infinity", "-0.4", "+0.4", "1e-1", "1e400", "0x1", "0,4"),
    *("\u0660.\u0664", "0.4\n", "0.4\u0000", "0.40000000000000000000001", "1", "0"),
    *("9" * 5000, "0." + "0" * 5000 + "1", "'; DROP TABLE events; --", "\U0001f600"),
)
NOT_JSON: Final = (
    b"",
    b"{",
    b"\x00",
    b"\xff\xfe{}",
    b'{"price": NaN}',
    b'{"price": 1e400}',
    b'{"price": "\\ud800"}',
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'{"size": "1", "size": "2"}',
    b"[]",
    b'"text"',
    b"null",
    b"1e99999999",
)
PATHS: Final = (
    "/v1/orders/../../etc/passwd",
    "/v1/orders/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/v1/orders/..%5c..%5cledger.db",
    "/..%2f..%2ftokens.json",
    "/static/..%2f..%2f..%2ftokens.json",
    "/v1/orders/%00",
    "/v1/orders/" + "x" * 5000,
    "/v1/orders/%ff%fe/timeline",
    "//evil.example/v1/orders",
    "/V1/ORDERS",
)


def check_refused(answer: Any, *statuses: int) -> None:
    """A problem that helps: what, where, and what to do."""
    assert answer.status_code in statuses, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["code"]
    assert told["hint"]
    assert len(answer.content) < 2000  # what was sent does not come back


@pytest.mark.parametrize("query", ["", "?wait=placed", "?dry_run=true"])
@pytest.mark.parametrize("name", ["size", "price"])
async def test_what_is_no_number_is_refused(
    service: Service, name: str, query: str
) -> None:
    """A price that is guessed at is money that moves by accident."""
    head = service.opened.store.head
    async with service.client("submit") as client:
        for value in NOT_NUMBERS:
            if name == "size" and value == "1":
                continue  # a number, if a small one
            body = an_intent() | {name: value}
            answer = await client.post(
                f"/v1/intents{query}", json=body, headers=keyed("a")
            )
            check_refused(answer, 422)
            assert answer.json()["field"] == name, value
    assert service.opened.store.head == head


@pytest.mark.parametrize(
    "path", ["intents", "intents:batch", "halt", "account/split", "account/deposit"]
)
async def test_what_is_no_json_object_is_refused(service: Service, path: str) -> None:
    """Also if it is deep, torn, in another encoding, or says one thing twice."""
    head = service.opened.store.head
    async with service.client("admin") as client:
        for content in NOT_JSON:
            answer = await client.post(
                f"/v1/{path}", content=content, headers=keyed("a")
            )
            check_refused(answer, 400, 422)
            assert answer.json()["field"], content[:20]
    assert service.opened.store.head == head


@pytest.mark.parametrize("field", sorted(an_intent()))
async def test_a_text_of_ten_megabytes_is_cut_off(service: Service, field: str) -> None:
    """Before anybody decodes it."""
    head = service.opened.store.head
    async with service.client("submit") as client:
        body = an_intent() | {field: HUGE}
        answer = await client.post("/v1/intents", json=body, headers=keyed("a"))
    check_refused(answer, 413)
    assert service.opened.store.head == head


async def test_a_long_text_within_the_limit_is_refused_by_its_field(
    service: Service,
) -> None:
    """The log keeps what it takes for ever."""
    head = service.opened.store.head
    async with service.client("submit") as client:
        for field in (*an_intent(), "note", "correlation_id", "expires_at", "other"):
            body = an_intent() | {field: "x" * 60_000}
            answer = await client.post("/v1/intents", json=body, headers=keyed("a"))
            check_refused(answer, 422)
        key = {"Idempotency-Key": "k" * 60_000}
        answer = await client.post("/v1/intents", json=an_intent(), headers=key)
        check_refused(answer, 422)
    assert service.opened.store.head == head


@pytest.mark.parametrize("path", PATHS)
async def test_no_path_leads_out_of_the_api(service: Service, path: str) -> None:
    """Neither to a file nor to a defect."""
    async with listening(service) as url:
        answer = await raw(
            url, request("GET", path, service.token("read"), connection="close")
        )
    status = int(answer.split(b" ", 2)[1])
    assert status in {400, 404}, answer[:200]
    assert b"root:" not in answer
    assert b"sha256" not in answer


def request(
    method: str,
    path: str,
    token: str,
    body: bytes = b"",
    **headers: str,
) -> bytes:
    """The bytes of a request."""
    told = {
        "Host": "127.0.0.1",
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": "a",
        **headers,
    }
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in told.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def raw(url: str, *pieces: bytes, ends: bool = False) -> bytes:
    """Send bytes; everything that comes back until the other side closes."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if ends:
            writer.close()
            return b""
        async with asyncio.timeout(30):
            return await reader.read()
    finally:
        writer.close()


def posted(body: bytes, token: str, **headers: str) -> bytes:
    """A placement with headers of our choice."""
    return request("POST", "/v1/intents", token, body, **headers)


async def test_broken_requests_end_their_connection_and_nothing_else(
    service: Service,
) -> None:
    """Half-sent, contradictory or malformed: the next client must not notice."""
    head = service.opened.store.head
    body = json.dumps(an_intent()).encode()
    token = service.token("submit", "read")
    size = str(len(body))
    async with listening(service) as url:
        await raw(url, posted(body[:20], token, Content_Length=size), ends=True)
        for bad in (
            posted(body, token, Content_Length="-5"),
            posted(body, token, Content_Length="five"),
            posted(body, token, Transfer_Encoding="chunked", Connection="close"),
            posted(b"zz\r\n" + body, token, Transfer_Encoding="chunked"),
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET /v1/orders HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        ):
            answer = await raw(url, bad)
            status = answer.split(b" ", 2)[1:2]
            assert status in ([b"400"], [b"403"], []), (bad[:80], answer[:200])
        good = await raw(url, request("GET", "/v1/health", token, Connection="close"))
    assert good.startswith(b"HTTP/1.1 200 ")
    assert service.opened.store.head == head


async def test_a_body_that_drips_is_given_up(service: Service) -> None:
    """One byte now and then must not hold a place for ever."""
    service.app.gate._body_seconds = 0.2
    head = service.opened.store.head
    token = service.token("submit")
    async with listening(service) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(posted(b"", token, Content_Length="5000"))

        async def drip() -> None:
            while True:
                writer.write(b" ")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        answer = await reader.read(4096)
        dripping.cancel()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"body_too_slow" in answer
    assert service.opened.store.head == head


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1@evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://evil.example#127.0.0.1"},
        {"Origin": ""},
    ],
)
async def test_a_command_from_elsewhere_is_refused(
    service: Service, headers: dict[str, str]
) -> None:
    """A page in the owner's browser reaches loopback too."""
    head = service.opened.store.head
    async with service.client("submit") as client:
        answer = await client.post(
            "/v1/intents", json=an_intent(), headers=keyed("a") | headers
        )
    check_refused(answer, 403)
    assert answer.json()["field"] == next(iter(headers))
    assert service.opened.store.head == head


async def test_one_wrong_leg_spoils_the_batch_and_is_named(service: Service) -> None:
    """Half a pair is a bet."""
    head = service.opened.store.head
    async with service.client("submit") as client:
        for wrong in ({"price": "1e400"}, {"size": HUGE[:30_000]}, {"side": "HOLD"}):
            legs = [an_intent(), an_intent() | wrong]
            answer = await client.post(
                "/v1/intents:batch", json={"intents": legs}, headers=keyed("a")
            )
            check_refused(answer, 422)
            assert next(iter(wrong)) in answer.json()["field"]
        many = [an_intent(note=str(n), market_id=MARKET.market_id) for n in range(51)]
        answer = await client.post(
            "/v1/intents:batch", json={"intents": many}, headers=keyed("a")
        )
        check_refused(answer, 422)
    assert service.opened.store.head == head
