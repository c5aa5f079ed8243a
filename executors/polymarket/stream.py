"""The venue's user stream: one connection after another, every frame handed on.

The stream has no replay and no sequence numbers: what was missed must come from
REST, so each connect and each loss is told to the caller.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final, NoReturn, Protocol

import structlog
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidURI,
    WebSocketException,
)

from executors.market_data.rest import quiet_network_loggers
from executors.polymarket.settings import StreamSettings
from executors.protocol import Credentials
from ledger.clock import Clock
from ledger.errors import VenueError

_MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
_MAX_DOUBLINGS: Final = 16
_KEEP_ALIVE: Final = ("PING", "PONG")

log = structlog.get_logger(__name__)


class Socket(Protocol):
    """One open connection; a closed one raises an `OSError` of some kind."""

    async def send(self, message: str) -> None:
        """Send one text frame."""
        ...

    async def recv(self) -> str | bytes:
        """Wait for the next frame."""
        ...

    async def close(self) -> None:
        """Close; harmless when closed."""
        ...


Connect = Callable[[str], Awaitable[Socket]]
"""Opens a connection to an address."""

LOST: Final = (OSError, EOFError, WebSocketException)
"""What a connection that is gone may raise."""


class StreamListener(Protocol):
    """Who is told what the stream brings."""

    def on_frame(self, text: str) -> None:
        """One frame, as it came."""
        ...

    def on_gap(self, reason: str) -> None:
        """From here on something may be missing."""
        ...

    def on_connected(self) -> None:
        """Subscribed; what was missed can be asked for now."""
        ...


class _SilentError(OSError):
    """Nothing was heard for too long, not even the answer to a PING."""


def websocket_connect(settings: StreamSettings, *, trust_env: bool) -> Connect:
    """Open real connections; the environment may name a proxy if trusted."""
    quiet_network_loggers()  # at DEBUG they print the secret of the subscription

    async def connect(url: str) -> Socket:
        return await open_socket(
            url,
            open_timeout=settings.connect_timeout_sec,
            close_timeout=1,
            ping_interval=None,  # the venue wants its own PING, as text
            max_size=_MAX_FRAME_BYTES,
            proxy=True if trust_env else None,
        )

    return connect


class UserStream:
    """Reads the account's stream until it is cancelled.

    `is_connected` is true from the subscription to the loss.
    """

    def __init__(  # noqa: PLR0913 -- its ports
        self,
        url: str,
        settings: StreamSettings,
        credentials: Credentials,
        listener: StreamListener,
        *,
        connect: Connect,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._url = url
        self._settings = settings
        self._credentials = credentials
        self._listener = listener
        self._connect = connect
        self._clock = clock
        self._rng = rng
        self._failures = 0
        self.is_connected = False

    async def run(self) -> NoReturn:
        """Connect, and connect again.

        Raises:
            VenueError: the address can never work.
        """
        while True:
            try:
                await self._connection()
            except (InvalidURI, InvalidProxy) as error:
                raise VenueError(str(error)) from error
            except LOST as error:
                reason = _reason(error)
            finally:
                self.is_connected = False
            wait_sec = self._backoff_sec()
            log.warning("user_stream.lost", reason=reason, wait_ms=int(wait_sec * 1000))
            self._listener.on_gap(f"connection lost: {reason}")
            await self._clock.sleep(wait_sec)

    async def _connection(self) -> NoReturn:
        """One connection, until it fails; never returns on its own."""
        async with asyncio.timeout(self._settings.connect_timeout_sec):
            socket = await self._connect(self._url)
        try:
            await socket.send(subscription(self._credentials))
            log.info("user_stream.connected")
            self.is_connected = True
            self._listener.on_connected()
            await self._read(socket)
        finally:
            await _closed(socket)

    async def _read(self, socket: Socket) -> NoReturn:
        settings, monotonic = self._settings, self._clock.monotonic
        ping_at = monotonic() + settings.ping_interval_sec
        silent_at = monotonic() + settings.silence_sec
        while True:
            text = await self._received(socket, until=min(ping_at, silent_at))
            now = monotonic()
            if text is not None:
                self._failures = 0
                silent_at = now + settings.silence_sec
                if text.strip() not in _KEEP_ALIVE:
                    self._listener.on_frame(text)
            if now >= silent_at:
                msg = "silence"
                raise _SilentError(msg)
            if now >= ping_at:
                await socket.send("PING")
                ping_at = now + settings.ping_interval_sec

    async def _received(self, socket: Socket, *, until: float) -> str | None:
        """The next frame; `None` if none came before that monotonic time."""
        wait_sec = max(0.0, until - self._clock.monotonic())
        try:
            async with asyncio.timeout(wait_sec):
                data = await socket.recv()
        except TimeoutError:
            return None
        return data if isinstance(data, str) else data.decode(errors="replace")

    def _backoff_sec(self) -> float:
        doublings = min(self._failures, _MAX_DOUBLINGS)
        self._failures += 1
        full: float = self._settings.backoff_base_sec * 2**doublings
        # Jitter, so that many clients do not come back in the same instant.
        bounded = min(full, self._settings.backoff_max_sec)
        return bounded * (1 + self._rng.random()) / 2


def subscription(credentials: Credentials) -> str:
    """Ask for everything about the account, in every market."""
    auth = {
        "apiKey": credentials.api_key,
        "secret": credentials.secret,
        "passphrase": credentials.passphrase,
    }
    return json.dumps({"type": "user", "auth": auth})


async def _closed(socket: Socket) -> None:
    try:
        await socket.close()
    except LOST:
        log.debug("user_stream.close_failed")


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionClosed):
        return f"closed with code {error.rcvd.code}" if error.rcvd else "cut off"
    return str(error)[:200] or type(error).__name__
