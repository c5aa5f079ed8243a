"""The venue's market channel, live, as the same frames that a recording holds.

The stream has no replay and no sequence numbers, so a lost connection is a gap in
the frames, and after each connect the books are asked for anew.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from random import Random
from typing import Final

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidProxy,
    InvalidURI,
    WebSocketException,
)

from executors.market_data.frames import Frame
from executors.market_data.rest import PublicRest, quiet_network_loggers
from executors.market_data.times import unix_ms
from ledger.clock import Clock
from ledger.errors import VenueError

_MAX_FRAME_BYTES: Final = 16 * 1024 * 1024  # one answer may hold hundreds of books
_BOOKS_AT_ONCE: Final = 8
_MAX_DOUBLINGS: Final = 16

log = structlog.get_logger(__name__)


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the channel is, and the seconds of a connection's life.

    `url` is such as "wss://ws-subscriptions-clob.polymarket.com/ws/market".
    A `PING` goes out every `ping_interval_sec`; with nothing heard for
    `silence_sec` the connection counts as dead.
    A new one is tried after `backoff_base_sec`, doubled per failure in a row up to
    `backoff_max_sec`, of which a random half is left out.

    Source:
        The venue's documentation asks for PING every 10 s; 30 s of silence is the
        watchdog that its own clients adopted.
    """

    url: str
    ping_interval_sec: float = 10
    silence_sec: float = 30
    connect_timeout_sec: float = 10
    backoff_base_sec: float = 0.5
    backoff_max_sec: float = 30
    trust_env: bool = True


class _SilentError(OSError):
    """Nothing was heard for too long, not even the answer to a PING."""


class LiveFeed:
    """An endless stream of frames about some tokens.

    Args:
        settings: See there.
        token_ids: What to subscribe to.
        rest: Where fresh books come from; without it only the channel's own.
        clock: Receive times, deadlines and the wait between attempts.
        rng: The jitter of that wait.
    """

    def __init__(
        self,
        settings: LiveSettings,
        token_ids: Iterable[str],
        *,
        rest: PublicRest | None,
        clock: Clock,
        rng: Random,
    ) -> None:
        quiet_network_loggers()
        self._tokens = tuple(dict.fromkeys(token_ids))
        self._rest = rest
        self._clock = clock
        self._rng = rng
        self._settings = settings
        self._sequence = 0
        self._failures = 0
        self._wanted: dict[str, None] = {}

    def refresh(self, token_id: str) -> None:
        """Ask for a fresh book of one token, for instance after it diverged.

        It is fetched before the next frame is waited for.
        """
        self._wanted[token_id] = None

    def __aiter__(self) -> AsyncIterator[Frame]:
        """Same as `frames`."""
        return self.frames()

    async def frames(self) -> AsyncGenerator[Frame]:
        """Connect, and connect again, until the caller stops asking.

        Yields:
            Frames numbered from 1; a `gap` at the start and whenever the
            connection is lost, fresh books after each connect.

        Raises:
            VenueError: the address can never work.
        """
        yield self._frame(gap="the feed starts")
        while True:
            try:
                async with (
                    self._connection() as socket,
                    aclosing(self._session(socket)) as frames,
                ):
                    async for frame in frames:
                        yield frame
            except (InvalidURI, InvalidProxy) as error:
                raise VenueError(str(error)) from error
            except (OSError, WebSocketException) as error:
                reason = _reason(error)
            wait_sec = self._backoff_sec()
            log.warning("feed.lost", reason=reason, wait_ms=int(wait_sec * 1000))
            yield self._frame(gap=f"connection lost: {reason}")
            await self._clock.sleep(wait_sec)

    def _connection(self) -> connect:
        return connect(
            self._settings.url,
            open_timeout=self._settings.connect_timeout_sec,
            close_timeout=1,
            ping_interval=None,  # the venue wants its own PING, as text
            max_size=_MAX_FRAME_BYTES,
            proxy=True if self._settings.trust_env else None,
        )

    async def _session(self, socket: ClientConnection) -> AsyncGenerator[Frame]:
        """One connection, until it fails; never returns on its own."""
        await socket.send(_subscription(self._tokens))
        log.info("feed.connected", tokens=len(self._tokens))
        self._wanted = dict.fromkeys(self._tokens)
        ping_at = self._clock.monotonic() + self._settings.ping_interval_sec
        silent_at = self._clock.monotonic() + self._settings.silence_sec
        while True:
            for book in await self._wanted_books():
                yield self._frame(book)
            text = await self._received(socket, until=min(ping_at, silent_at))
            if text is not None:
                self._failures = 0
                yield self._frame(text)
                # The caller's own time is not the venue's silence.
                silent_at = self._clock.monotonic() + self._settings.silence_sec
            now = self._clock.monotonic()
            if now >= silent_at:
                msg = "silence"
                raise _SilentError(msg)
            if now >= ping_at:
                await socket.send("PING")
                ping_at = now + self._settings.ping_interval_sec

    async def _received(self, socket: ClientConnection, *, until: float) -> str | None:
        """The next frame; `None` if none came before that monotonic time."""
        wait_sec = max(0.0, until - self._clock.monotonic())
        try:
            async with asyncio.timeout(wait_sec):
                data = await socket.recv()
        except TimeoutError:
            return None
        # What is not UTF-8 is no frame either, and is put aside where it is parsed.
        return data if isinstance(data, str) else data.decode(errors="replace")

    async def _wanted_books(self) -> list[str]:
        """Fetch every book that was asked for; one that fails is only logged."""
        wanted, self._wanted = list(self._wanted), {}
        if self._rest is None or not wanted:
            return []
        gate = asyncio.Semaphore(_BOOKS_AT_ONCE)
        texts = await asyncio.gather(
            *(_book(self._rest, token_id, gate) for token_id in wanted)
        )
        return [text for text in texts if text]

    def _frame(self, text: str = "", *, gap: str = "") -> Frame:
        self._sequence += 1
        return Frame(
            sequence=self._sequence,
            received_ms=unix_ms(self._clock.now()),
            text=text,
            source="live",
            gap=gap,
        )

    def _backoff_sec(self) -> float:
        doublings = min(self._failures, _MAX_DOUBLINGS)
        self._failures += 1
        full: float = self._settings.backoff_base_sec * 2**doublings
        # Jitter, so that many clients do not come back in the same instant.
        bounded = min(full, self._settings.backoff_max_sec)
        return bounded * (1 + self._rng.random()) / 2


async def _book(rest: PublicRest, token_id: str, gate: asyncio.Semaphore) -> str:
    async with gate:
        try:
            return await rest.book_text(token_id)
        except VenueError as error:
            # The channel sends books of its own, so this one may still come.
            log.warning("feed.book_missing", token_id=token_id, reason=str(error))
            return ""


def _subscription(tokens: tuple[str, ...]) -> str:
    message = {
        "assets_ids": list(tokens),
        "type": "market",
        "custom_feature_enabled": True,
    }
    return json.dumps(message)


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionClosed):
        return f"closed with code {error.rcvd.code}" if error.rcvd else "cut off"
    return str(error) or type(error).__name__
