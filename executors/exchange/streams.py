"""The user and the market channel: subscriptions, frames, and what goes wrong there."""

import asyncio
from typing import Any, Final, Literal

import msgspec

from executors.exchange.auth import Account
from executors.exchange.engine import Audience, Message
from executors.exchange.inloop import StreamClosed
from executors.exchange.venue import Venue
from executors.exchange.wire import text
from executors.protocol import Credentials

Channel = Literal["user", "market"]

_HOLD_SEC: Final = 0.2
"""A frame that waits for the next one is sent alone after so long."""

_QUEUE: Final = 100_000


class StreamSession:
    """One client's connection to a channel.

    Nothing is sent before the client has subscribed; there is no replay, no
    snapshot of orders and no sequence number.
    """

    def __init__(self, venue: Venue, channel: Channel) -> None:
        self._venue = venue
        self.channel: Final = channel
        self.account: Account | None = None
        self._everything = False
        self._names: set[str] = set()
        self._subscribed = False
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUE)
        self._held: list[Message] = []
        self._batching = False
        self._flush: asyncio.Task[None] | None = None
        self._silent_until_ms = 0
        self.abrupt = False
        self.closed = False

    async def receive(self, message: str) -> None:
        """Take a frame of the client: a subscription, a change of it, or PING.

        Raises:
            StreamClosed: the connection has ended.
        """
        if self.closed:
            raise StreamClosed
        if message == "PING":
            if not self._is_silent():
                self._put("PONG")
            return
        try:
            data: Any = msgspec.json.decode(message)
        except msgspec.DecodeError:
            data = None
        if not isinstance(data, dict):
            self._put("INVALID OPERATION")
        elif "operation" in data:
            self._change(data)
        elif data.get("type") == self.channel:
            self._subscribe(data)
        else:
            self._put("INVALID OPERATION")

    async def next_frame(self) -> str:
        """Wait for a frame to the client.

        Raises:
            StreamClosed: the connection has ended.
        """
        if self.closed and self._queue.empty():
            raise StreamClosed
        frame = await self._queue.get()
        if frame is None:
            raise StreamClosed
        return frame

    def close(self) -> None:
        """End the connection; frames that wait are lost with it."""
        if self.closed:
            return
        self.closed = True
        if self._flush is not None:
            self._flush.cancel()
        while not self._queue.empty():
            self._queue.get_nowait()
        self._put(None)

    def offer(self, audience: Audience, message: Message) -> None:
        """Send a message, if the client subscribed to it and nothing goes wrong."""
        if self.closed or not self._wants(audience):
            return
        faults = self._venue.plan.on_frame(self.channel)
        if silence := faults.get("silence"):
            self._silent_until_ms = self._venue.now_ms() + int(silence.lasts * 1000)
        if "disconnect" in faults:
            self.abrupt = True
            self.close()
            return
        if "drop" in faults or self._is_silent():
            return
        if "batch" in faults or "reorder" in faults:
            self._batching = self._batching or "batch" in faults
            self._hold(message)
            return
        self._release(message)
        if "repeat" in faults:
            self._put(text(message))

    def _wants(self, audience: Audience) -> bool:
        if not self._subscribed or audience.channel != self.channel:
            return False
        if audience.channel == "market":
            return audience.token_id in self._names
        if self.account is None or audience.owner != self.account.api_key:
            return False
        return self._everything or audience.market.lower() in self._names

    def _subscribe(self, data: dict[str, Any]) -> None:
        if self.channel == "user":
            self.account = self._named(data.get("auth"))
            if self.account is None:
                # The venue closes a connection whose credentials are wrong.
                self.close()
                return
            self._everything = "markets" not in data or not data["markets"]
            self._names = {name.lower() for name in _names(data.get("markets"))}
        else:
            self._names = set(_names(data.get("assets_ids")))
        self._subscribed = True
        self._show_books(self._names)

    def _named(self, auth: object) -> Account | None:
        try:
            credentials = msgspec.convert(auth, Credentials)
        except msgspec.ValidationError:
            return None
        return self._venue.accounts.named(credentials)

    def _change(self, data: dict[str, Any]) -> None:
        user = self.channel == "user"
        names = set(_names(data.get("markets" if user else "assets_ids")))
        if user:
            names = {name.lower() for name in names}
        if data["operation"] == "unsubscribe":
            self._names -= names
        elif data["operation"] == "subscribe":
            self._names |= names
            self._show_books(names)

    def _show_books(self, tokens: set[str]) -> None:
        """Begin every token of the market channel with its whole book."""
        if self.channel != "market":
            return
        found = (self._venue.exchange.book(token) for token in sorted(tokens))
        books = [row | {"event_type": "book"} for row in found if row is not None]
        if books:
            self._put(text(books))

    def _hold(self, message: Message) -> None:
        self._held.append(message)
        if self._flush is None:
            self._flush = asyncio.get_running_loop().create_task(self._flush_later())

    async def _flush_later(self) -> None:
        await self._venue.clock.sleep(_HOLD_SEC)
        self._flush = None
        self._release()

    def _release(self, *newest: Message) -> None:
        """Send what was held: in one list as it happened, or after the newest."""
        held, as_list = self._held, self._batching
        self._held, self._batching = [], False
        if as_list:
            self._put(text([*held, *newest]))
            return
        for message in (*newest, *held):
            self._put(text(message))

    def _is_silent(self) -> bool:
        return self._venue.now_ms() < self._silent_until_ms

    def _put(self, frame: str | None) -> None:
        if self._queue.full():
            # A reader this slow is cut off, as the venue does.
            self._queue.get_nowait()
            self.abrupt = True
            self.closed = True
            frame = None
        self._queue.put_nowait(frame)


class Streams:
    """Every open connection of both channels."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._sessions: list[StreamSession] = []

    def open(self, channel: Channel) -> StreamSession:
        """Open a connection."""
        session = StreamSession(self._venue, channel)
        self._sessions = [s for s in self._sessions if not s.closed]
        self._sessions.append(session)
        return session

    def publish(self, audience: Audience, message: Message) -> None:
        """Offer a message to every connection."""
        for session in self._sessions:
            session.offer(audience, message)

    def count(self) -> int:
        """How many connections are open."""
        return sum(not session.closed for session in self._sessions)

    def disconnect(self, channel: str = "") -> int:
        """End connections without a farewell; tells how many."""
        meant = [
            s for s in self._sessions if not s.closed and channel in {"", s.channel}
        ]
        for session in meant:
            session.abrupt = True
            session.close()
        return len(meant)


def _names(data: object) -> list[str]:
    return [str(name) for name in data] if isinstance(data, list) else []
