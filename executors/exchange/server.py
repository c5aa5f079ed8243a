"""The exchange on loopback sockets: HTTP and WebSockets by uvicorn.

A lost answer really closes its connection without a byte, and a lost stream ends
without a closing handshake, which no framework above the protocol can do.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any, Final, cast
from urllib.parse import parse_qsl

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)

from executors.exchange.api import ExchangeApp
from executors.exchange.inloop import StreamClosed
from executors.exchange.streams import StreamSession
from executors.exchange.wire import Lost, Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TRANSPORT: Final = "exchange.transport"
_BACKLOG: Final = 1024


class _Http(HttpToolsProtocol):
    """Lets the application reach the connection that a request came by."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = self.app_state | {_TRANSPORT: transport}
        super().connection_made(transport)


class _WebSocket(WebSocketsSansIOProtocol):
    """As `_Http`, for streams."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.app_state = self.app_state | {_TRANSPORT: transport}
        super().connection_made(transport)


class AsgiExchange:
    """The exchange as an ASGI application."""

    def __init__(self, app: ExchangeApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one stream to its end."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._stream(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(
            method=scope["method"],
            path=scope["path"],
            query=dict(
                parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
            ),
            headers={
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in scope["headers"]
            },
            body=await _body(receive),
        )
        response = await self._app.handle(request)
        if isinstance(response, Lost):
            await _hang_up(scope, receive)
            return
        length = (b"content-length", str(len(response.body)).encode())
        headers = [(n.encode(), v.encode()) for n, v in response.headers]
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [*headers, length],
            }
        )
        await send({"type": "http.response.body", "body": response.body})

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        session = self._app.open_stream(scope["path"])
        if session is None:
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        reader = asyncio.create_task(_read(session, receive))
        try:
            while True:
                frame = await session.next_frame()
                await send({"type": "websocket.send", "text": frame})
        except StreamClosed:
            if session.abrupt:
                _abort(scope)
            elif not reader.done():
                await send({"type": "websocket.close", "code": 1000})
        except OSError:
            pass  # the client left while a frame was on its way
        finally:
            session.close()
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader


class _Server(uvicorn.Server):
    """Tells when it listens, and leaves signals to whoever started it."""

    on_listening: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_listening()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ExchangeServer:
    """A listening exchange: `serve` until `stop`."""

    def __init__(self, app: ExchangeApp, *, host: str = "127.0.0.1", port: int = 0):
        self._app = app
        # With its protocol named, asyncio turns Nagle's algorithm off; without, an
        # answer would wait 40 ms for the client's acknowledgement.
        self._socket = socket.socket(
            socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._server = _Server(
            uvicorn.Config(
                AsgiExchange(app),
                http=_Http,
                ws=_WebSocket,
                ws_ping_interval=None,  # the venue's PING is a text of the client
                ws_per_message_deflate=False,
                lifespan="off",
                access_log=False,
                log_level="warning",
                backlog=_BACKLOG,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    @property
    def base(self) -> str:
        """Its address, `http://host:port`."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{host}:{port}"

    async def serve(self, on_listening: Callable[[], None]) -> None:
        """Serve until stopped."""
        self._server.on_listening = on_listening
        async with self._app.running():
            await self._server.serve([self._socket])

    def stop(self) -> None:
        """Stop soon."""
        self._server.should_exit = True


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection and wait for that, lest the server writes an answer."""
    cast(asyncio.Transport, scope["state"][_TRANSPORT]).close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _abort(scope: Scope) -> None:
    cast(asyncio.Transport, scope["state"][_TRANSPORT]).abort()


async def _read(session: StreamSession, receive: Receive) -> None:
    """Hand the client's frames on; end the session when the client leaves."""
    try:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            await session.receive(message.get("text") or "")
    except StreamClosed:
        pass
    finally:
        session.close()
