"""Who may come in: tokens, hosts, origins, and bodies within their bounds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from service.http.server import open_tokens
from service.tokens import Tokens
from tests.integration.http.running import Service, an_intent, keyed, listening

READS = (
    "/v1/orders",
    "/v1/open-orders",
    "/v1/orders/x",
    "/v1/orders/x/timeline",
    "/v1/fills",
    "/v1/positions",
    "/v1/reconciliation",
    "/v1/risk",
    "/v1/health",
    "/v1/events?follow=false",
    "/metrics",
)
COMMANDS = {
    "/v1/intents": "submit",
    "/v1/orders:cancel": "cancel",
    "/v1/orders/x:cancel": "cancel",
    "/v1/halt": "operate",
    "/v1/resume": "operate",
    "/v1/reduce-only": "operate",
    "/v1/drifts/x:acknowledge": "operate",
    "/v1/account/deposit": "operate",
    "/v1/account/split": "submit",
    "/v1/account/merge": "submit",
    "/v1/account/redeem": "submit",
}


@pytest.mark.parametrize("path", [*READS, *COMMANDS, "/", "/nothing", "/static/x"])
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic YTpi", "Bearer", ""])
async def test_nothing_is_open_without_a_token(
    service: Service, path: str, header: str | None
) -> None:
    """Every program on this machine reaches the port; few may use it."""
    headers = {} if header is None else {"Authorization": header}
    method = "POST" if path in COMMANDS else "GET"
    async with service.client() as client:
        answer = await client.request(method, path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_readiness_and_the_description_are_open(service: Service) -> None:
    """A supervisor has no token, and neither says anything about money."""
    async with service.client() as client:
        assert (await client.get("/v1/ready")).json()["ready"]
        assert (await client.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize("path", READS)
async def test_a_token_without_reading_reads_nothing(
    service: Service, path: str
) -> None:
    """A strategy that may only submit must not see the others' positions."""
    async with service.client("submit", "cancel", "operate") as client:
        answer = await client.get(path)
    assert answer.status_code == 403
    assert answer.json()["hint"]


@pytest.mark.parametrize("path", COMMANDS)
async def test_a_token_that_reads_changes_nothing(service: Service, path: str) -> None:
    """A dashboard's token that leaks must not trade."""
    before = service.opened.store.head
    async with service.client("read") as client:
        answer = await client.post(path, json={}, headers=keyed("a"))
    assert answer.status_code == 403
    assert service.opened.store.head == before


async def test_a_revoked_token_is_refused(service: Service) -> None:
    """Revoking is what one does when a token has leaked: it cannot wait."""
    async with service.client("read") as client:
        assert (await client.get("/v1/orders")).status_code == 200
        Tokens(service.tokens.path).revoke("t0")  # as another process would
        await asyncio.sleep(0.3)
        assert (await client.get("/v1/orders")).status_code == 401


async def test_a_token_file_that_breaks_lets_nobody_in(service: Service) -> None:
    """It must neither be a defect of the service nor leave revoked tokens in."""
    async with service.client("read") as client:
        assert (await client.get("/v1/orders")).status_code == 200
        service.tokens.path.write_text("{")
        await asyncio.sleep(0.3)
        for _ in range(3):
            answer = await client.get("/v1/orders")
            assert answer.status_code == 401
            assert str(service.tokens.path) not in answer.text


async def test_a_stream_ends_with_its_token(service: Service) -> None:
    """A leaked token that is revoked must not go on following the log."""
    text = service.token("read")
    name = next(token.name for token in service.tokens)
    async with listening(service) as url, service.client("submit") as client:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"GET /v1/events HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {text}\r\n\r\n".encode()
        )
        await reader.readuntil(b"id: ")
        service.tokens.revoke(name)
        await client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
        rest = await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 10)
        assert b"data:" not in rest
        writer.close()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
async def test_another_name_for_this_machine_is_refused(
    service: Service, host: str
) -> None:
    """A page whose name is made to lead here would otherwise be our own."""
    async with service.client("read") as client:
        answer = await client.get("/v1/orders", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["field"] == "Host"


async def test_pages_of_other_sites_are_refused(service: Service) -> None:
    """A browser sends requests for any page that it shows."""
    async with service.client("read") as client:
        for origin in ("https://evil.example", "null", "http://127.0.0.1:81"):
            answer = await client.get("/v1/orders", headers={"Origin": origin})
            assert answer.status_code == 403, origin
        own = await client.get("/v1/orders", headers={"Origin": "http://127.0.0.1"})
    assert own.status_code == 200


async def test_a_browsers_cookie_reads_but_commands_only_from_our_pages(
    service: Service,
) -> None:
    """A form on another site would send the cookie along."""
    cookie = {"Cookie": f"a=b; order_ledger_token={service.token('admin')}"}
    async with service.client() as client:
        assert (await client.get("/v1/orders", headers=cookie)).status_code == 200
        reason = {"reason": "test"}
        forged = await client.post("/v1/halt", json=reason, headers=cookie)
        assert forged.status_code == 401
        own = {**cookie, "Origin": "http://127.0.0.1"}
        assert (
            await client.post("/v1/halt", json=reason, headers=own)
        ).status_code == 200


async def test_a_body_that_is_too_long_is_cut_off(service: Service) -> None:
    """Memory is not for whoever sends the most."""
    big = b'{"note": "' + b"x" * 70_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    async with service.client("submit") as client:
        for content in (big, pieces()):
            answer = await client.post(
                "/v1/intents", content=content, headers=keyed("a")
            )
            assert answer.status_code == 413
            assert answer.json()["code"] == "body_too_large"


async def test_a_body_that_does_not_come_is_given_up(service: Service) -> None:
    """A half-sent request must not hold a place for ever."""
    service.app.gate._body_seconds = 0.05
    token = service.token("submit")
    async with listening(service) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST /v1/intents HTTP/1.1\r\nHost: {host}\r\nContent-Length: 50\r\n"
            f"Authorization: Bearer {token}\r\n\r\n{{".encode()
        )
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_body_must_say_that_it_is_json(service: Service) -> None:
    """A form of another site can post anything else without asking."""
    async with service.client("submit") as client:
        headers = {**keyed("a"), "Content-Type": "text/plain"}
        for query in ("", "?wait=placed"):
            answer = await client.post(
                f"/v1/intents{query}", content=b"{}", headers=headers
            )
            assert answer.status_code == 415


async def test_a_tokens_text_is_nowhere_on_disk(service: Service) -> None:
    """A copy of the data folder must not be a key to the service."""
    text = service.token("admin")
    async with service.client("submit") as client:
        await client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
    for path in service.opened.data.iterdir():
        # The read models' journal comes and goes meanwhile.
        with contextlib.suppress(FileNotFoundError):
            assert text.encode() not in path.read_bytes()


async def test_the_first_start_makes_one_private_token(service: Service) -> None:
    """Never open, and never so closed that nobody gets in."""
    folder = service.opened.data
    tokens, made = open_tokens(folder)
    assert made == folder / "token"
    assert made.stat().st_mode & 0o777 == 0o600
    assert tokens.find(made.read_text().strip()) is not None
    assert open_tokens(folder)[1] is None


async def test_headers_that_do_not_come_end_the_connection(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand half-open requests would otherwise be a thousand places taken."""
    monkeypatch.setattr("service.http.server.HEADER_SECONDS", 0.05)
    async with listening(service) as url:
        host, port = url.removeprefix("http://").split(":")
        for start in (b"", b"GET /v1/ready HTTP/1.1\r\nHo"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(start)
            with contextlib.suppress(ConnectionResetError):  # as good an end
                assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
