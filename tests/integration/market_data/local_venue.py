"""A local stand-in for the venue's public side: REST and the market channel."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from time import monotonic
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

Script = Callable[[ServerConnection], Awaitable[None]]
START = datetime(2027, 1, 15, 8, tzinfo=UTC)


class TestClock:
    """Counts receive times, waits for nobody, and remembers the waits."""

    __test__ = False

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.ahead_sec = 0.0
        self._ticks = 0

    def now(self) -> datetime:
        self._ticks += 1
        return START + timedelta(milliseconds=self._ticks)

    def monotonic(self) -> float:
        return monotonic() + self.ahead_sec

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class LocalVenue:
    """Answers what it was told to; each connection plays the next script.

    `answers` maps a path with its query to what the endpoint says: an object, a
    status, or a list of them to be given one after the other.
    """

    def __init__(self, *scripts: Script, answers: dict[str, Any] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[str] = []
        self.subscriptions: list[dict[str, Any]] = []
        self.heard: list[str | bytes] = []
        self.port = 0
        self._scripts: Iterator[Script] = iter(scripts)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/market"

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def channel(self, socket: ServerConnection) -> None:
        self.subscriptions.append(json.loads(await socket.recv()))
        await next(self._scripts, silence)(socket)

    def endpoint(self, socket: ServerConnection, request: Request) -> Response | None:
        if request.path.startswith("/ws/"):
            return None
        self.asked.append(request.path)
        answer = self.answers.get(request.path, HTTPStatus.NOT_FOUND)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, HTTPStatus):
            return socket.respond(answer, json.dumps({"error": "as told"}))
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return socket.respond(HTTPStatus.OK, text)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["LocalVenue"]:
        async with serve(
            self.channel,
            "127.0.0.1",
            0,
            process_request=self.endpoint,
            ping_interval=None,
            close_timeout=0.1,
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            yield self


async def silence(socket: ServerConnection) -> None:
    """Say nothing until the other side gives up."""
    await socket.wait_closed()


def says(*texts: str | bytes) -> Script:
    """Send these and then nothing more."""

    async def script(socket: ServerConnection) -> None:
        for text in texts:
            await socket.send(text)
        await socket.wait_closed()

    return script


def says_and_leaves(*texts: str) -> Script:
    """Send these and cut the connection without a word."""

    async def script(socket: ServerConnection) -> None:
        for text in texts:
            await socket.send(text)
        socket.transport.close()

    return script


async def answers_pings(socket: ServerConnection) -> None:
    """Do nothing but keep the connection alive."""
    async for text in socket:
        if text == "PING":
            await socket.send("PONG")
