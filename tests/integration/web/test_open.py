"""`order-ledger open` against a service that listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from service.cli.failures import Exit, Failure
from service.cli.open import link_of
from service.http.server import ApiServer, ServeOptions, listen, url_of, uvicorn_config
from tests.integration.web.serving import Served


@asynccontextmanager
async def listening(served: Served) -> AsyncIterator[str]:
    """Let the dashboard be reached over a real socket; its address."""
    options = ServeOptions(port=0)
    listener = listen(options)
    server = ApiServer(uvicorn_config(served.site.app, options))
    serving = asyncio.create_task(server.serve([listener]))
    await server.is_up.wait()
    try:
        yield url_of(listener, is_encrypted=False)
    finally:
        served.site.hub.close()
        server.should_exit = True
        await serving


async def test_a_link_from_the_terminal_logs_in_once(served: Served) -> None:
    """The token itself must not end in a history or a screenshot."""
    token = served.token("read")
    async with listening(served) as url:
        link = await asyncio.to_thread(link_of, url, token)
        assert token not in link
        async with httpx2.AsyncClient(follow_redirects=True) as browser:
            page = await browser.get(link)
            assert page.status_code == 200
            assert "<h1>Overview</h1>" in page.text
        async with httpx2.AsyncClient() as other:
            assert (await other.get(link)).status_code == 410


async def test_a_wrong_token_is_refused_with_a_hint(served: Served) -> None:
    """The service of another folder knows other tokens."""
    async with listening(served) as url:
        with pytest.raises(Failure) as failure:
            await asyncio.to_thread(link_of, url, "olt_other")
    assert failure.value.code == "refused"
    assert "--token-file" in failure.value.hint


@pytest.mark.parametrize(
    ("url", "code", "exit_code"),
    [
        ("http://127.0.0.1:1", "not_running", Exit.FAILED),
        ("ftp://127.0.0.1", "url", Exit.USAGE),
        ("8080", "url", Exit.USAGE),
    ],
)
def test_an_address_that_leads_nowhere_is_said_plainly(
    url: str, code: str, exit_code: Exit
) -> None:
    """One line and what to do next, never a traceback."""
    with pytest.raises(Failure) as failure:
        link_of(url, "olt_any")
    assert failure.value.code == code
    assert failure.value.exit_code == exit_code


async def test_the_stream_of_news_tells_of_an_event_at_once(served: Served) -> None:
    """An open page is current, or it says that it is not."""
    async with (
        listening(served) as url,
        httpx2.AsyncClient(
            base_url=url, cookies={"order_ledger_token": served.token("read")}
        ) as browser,
        browser.stream("GET", "/live") as stream,
    ):
        lines: Any = stream.aiter_lines()
        head = served.opened.store.head
        assert await _next_id(lines) == head
        await served.place()
        assert await _next_id(lines) > head


async def _next_id(lines: Any) -> int:
    async for line in lines:
        if line.startswith("id: "):
            return int(line.removeprefix("id: "))
    raise AssertionError(line)
