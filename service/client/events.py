"""The event stream: read line by line, each position once."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

MEDIA_TYPE: Final = "text/event-stream"


class LedgerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the log; `event` holds its own fields, numbers as text.

    `order_id`, `strategy` and `market_id` are empty where it concerns none.
    """

    position: int
    stream: str
    version: int
    recorded_at: datetime
    topic: str
    order_id: str = ""
    strategy: str = ""
    market_id: str = ""
    event: dict[str, Any] = {}


_decode: Final = msgspec.json.Decoder(LedgerEvent).decode


class StreamReader:
    """Turns pieces of an event stream into events; remembers where to go on.

    What came before is passed over, so that a reconnection repeats nothing.
    """

    def __init__(self, after: int | None) -> None:
        self.position = after
        self._rest = b""
        self._data: list[bytes] = []
        self._id = b""

    def begin(self) -> None:
        """A new connection: what was left unfinished comes again."""
        self._rest, self._data, self._id = b"", [], b""

    def feed(self, piece: bytes) -> Iterator[LedgerEvent]:
        """The events that a piece completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            event = self._line(line)
            if event is not None:
                yield event

    def _line(self, line: bytes) -> LedgerEvent | None:
        if line.startswith(b"data: "):
            self._data.append(line[6:])
        elif line.startswith(b"id: "):
            self._id = line[4:]
        elif not line:
            return self._dispatch()
        return None

    def _dispatch(self) -> LedgerEvent | None:
        data, self._data = self._data, []
        name, self._id = self._id, b""
        is_known = self.position is not None and name and int(name) <= self.position
        if name and not is_known:
            self.position = int(name)
        if not data or is_known:
            return None
        return _decode(b"\n".join(data))
