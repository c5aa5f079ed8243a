"""The exchange inside a test's event loop: no sockets, the caller's clock.

`ExchangeTransport` stands in for the network of an HTTP client, `connector` for
the one of a stream reader.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import parse_qsl, urlsplit

import httpx2

from executors.exchange.wire import Lost, Request, Response

IN_LOOP_URL: Final = "http://exchange.test"
"""Any address will do as the base: only paths are looked at."""

IN_LOOP_USER_WS: Final = "ws://exchange.test/ws/user"
IN_LOOP_MARKET_WS: Final = "ws://exchange.test/ws/market"


class Session(Protocol):
    """One client's connection to a stream, seen from the client."""

    async def receive(self, message: str) -> None:
        """Take a frame of the client."""
        ...

    async def next_frame(self) -> str:
        """Wait for a frame to the client; `StreamClosed` when it has ended."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class App(Protocol):
    """What answers requests and opens streams; `ExchangeApp` is it."""

    async def handle(self, request: Request) -> Response | Lost:
        """Answer one request."""
        ...

    def open_stream(self, path: str) -> Session | None:
        """Open `/ws/user` or `/ws/market`; `None` for any other path."""
        ...


class StreamClosed(ConnectionError):  # noqa: N818 -- an ending, as the client sees it
    """The stream has ended, with or without a farewell."""


class ExchangeTransport(httpx2.AsyncBaseTransport):
    """Carries requests of an `httpx2.AsyncClient` into an exchange.

    `latency` seconds pass before the exchange sees a request, and once more before
    the client sees the answer.
    A client that gives up waiting does not stop the exchange: what it has begun, it
    ends.
    """

    def __init__(
        self,
        app: App,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        latency: float = 0.0005,
    ) -> None:
        self._app = app
        self._sleep = sleep
        self._latency = latency
        self._running: set[asyncio.Task[Response | Lost]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer as a server at the other end of a wire would.

        Raises:
            httpx2.ReadTimeout: no answer within the client's patience.
            httpx2.RemoteProtocolError: the connection ended without an answer.
        """
        asked = await _read(request)
        task = asyncio.create_task(self._travel(asked))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        patience = request.extensions.get("timeout", {}).get("read")
        done, _ = await asyncio.wait({task}, timeout=patience)
        if not done:
            msg = "no answer in time"
            raise httpx2.ReadTimeout(msg, request=request)
        answered = task.result()
        if isinstance(answered, Lost):
            raise httpx2.RemoteProtocolError(answered.reason, request=request)
        return httpx2.Response(
            answered.status,
            headers=list(answered.headers),
            content=answered.body,
            request=request,
        )

    async def _travel(self, asked: Request) -> Response | Lost:
        await self._sleep(self._latency)
        answered = await self._app.handle(asked)
        await self._sleep(self._latency)
        return answered


async def _read(request: httpx2.Request) -> Request:
    return Request(
        method=request.method,
        path=request.url.path,
        query=dict(parse_qsl(request.url.query.decode(), keep_blank_values=True)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.aread(),
    )


class InLoopSocket:
    """The client's end of a stream: `send`, `recv` and `close` of a WebSocket."""

    def __init__(
        self,
        session: Session,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        latency: float = 0.0005,
    ) -> None:
        self._session = session
        self._sleep = sleep
        self._latency = latency

    async def send(self, message: str) -> None:
        """Send one text frame.

        Raises:
            StreamClosed: the stream has ended.
        """
        await self._sleep(self._latency)
        await self._session.receive(message)

    async def recv(self) -> str:
        """Wait for the next frame.

        Raises:
            StreamClosed: the stream has ended.
        """
        return await self._session.next_frame()

    async def close(self) -> None:
        """Close; harmless when closed."""
        self._session.close()


def connector(
    app: App,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    latency: float = 0.0005,
) -> Callable[[str], Awaitable[InLoopSocket]]:
    """Make a function that opens a stream at an address whose path names it."""

    async def connect(url: str) -> InLoopSocket:
        await sleep(latency)
        session = app.open_stream(urlsplit(url).path)
        if session is None:
            msg = f"no stream at {url}"
            raise ConnectionRefusedError(msg)
        return InLoopSocket(session, sleep, latency)

    return connect
