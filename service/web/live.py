"""What keeps an open page current: a stream that says how far the log is.

It carries no events, so a busy ledger costs a page nothing: news that come faster
than a page can show them are told once.
"""

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec
from fastapi.responses import Response

from service.http.events import MEDIA_TYPE, MOST_FOLLOWERS, PING_SECONDS
from service.http.gate import Receive, Send
from service.http.problems import Problem
from service.web.asking import Ask

if TYPE_CHECKING:
    from service.web.site import Dashboard

GATHER_SECONDS: Final = 0.2
"""News are told so often, at most."""

_STALL_SECONDS: Final = 10.0


class NewsStream(Response):
    """Tells one page how far the log is, until it goes or the service stops."""

    media_type = MEDIA_TYPE

    def __init__(self, site: "Dashboard") -> None:
        self.status_code = 200
        self.background = None
        self._site = site
        self.init_headers({"X-Accel-Buffering": "no"})

    async def __call__(
        self, _: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Stream."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        streaming = asyncio.ensure_future(self._stream(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        self._site.hub.followers += 1
        try:
            await asyncio.wait(
                (streaming, leaving), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._site.hub.followers -= 1
            leaving.cancel()
            streaming.cancel()
            with suppress(asyncio.CancelledError, TimeoutError):
                await streaming

    async def _stream(self, send: Send) -> None:
        hub = self._site.hub
        while not hub.is_closed:
            head = hub.head
            await self._send(send, self._frame(head))
            await asyncio.sleep(GATHER_SECONDS)
            # A ping is a frame like any other: lag and status change by themselves.
            await hub.news(head, PING_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _frame(self, head: int) -> bytes:
        health = self._site.runtime.health()
        told = {
            "position": head,
            "lag": health["read_models"]["lag"],
            "status": health["status"],
            "mode": health["mode"],
            "drifts": health["drifts"],
        }
        return b"retry: 1000\nid: %d\ndata: %b\n\n" % (head, msgspec.json.encode(told))

    async def _send(self, send: Send, data: bytes) -> None:
        async with asyncio.timeout(_STALL_SECONDS):
            await send({"type": "http.response.body", "body": data, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def add_to(site: "Dashboard") -> None:
    """Add the path."""

    async def news(_: Ask) -> Response:
        if site.hub.followers >= MOST_FOLLOWERS:
            raise Problem(429, "busy", "too many clients follow the log")
        return NewsStream(site)

    site.add("/live", news)
