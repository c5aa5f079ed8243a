"""Raw text of the venue's market channel into facts: tolerant and exact.

Tolerant: unknown fields and message types pass, numbers come as text or as JSON
numbers, a message stands alone or in a list.
Exact: a number never becomes a float.
What cannot be read is a `FrameError`, a value and not an exception, because one
bad frame must not end a stream.
"""

from collections import Counter, deque
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from executors.market_data.facts import Fact, Gap, Ignored
from executors.market_data.messages import (
    Message,
    MessageError,
    facts_of,
    is_about_book,
)
from executors.market_data.times import moment_of

RAW_LIMIT: Final = 200
"""Characters of a bad frame that are kept."""

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_UNREADABLE: Final = (ValueError, ArithmeticError, RecursionError)
_KEEP_ALIVE: Final = ("PING", "PONG")


class FrameError(msgspec.Struct, frozen=True, kw_only=True):
    """Why something recorded or received was put aside.

    `raw` holds its first 200 characters, `source` where it came from.
    If `book_lost`, it was about the book of `token_id` (of every token of
    `market_id` if that is empty), which can no longer be trusted.
    """

    reason: str
    raw: str
    source: str = ""
    market_id: str = ""
    token_id: str = ""
    book_lost: bool = False


class Parsed(NamedTuple):
    """What one frame said, in its order, and what in it could not be read."""

    facts: tuple[Fact, ...]
    errors: tuple[FrameError, ...]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame as it arrived, or (`gap` set, no text) a break in the stream.

    `received_ms` is Unix milliseconds by the receiver's clock, `sequence` the
    recorder's number, `source` a place such as "frames.jsonl.gz:12".
    """

    sequence: int
    received_ms: int
    text: str = ""
    source: str = ""
    gap: str = ""

    def parsed(self) -> Parsed:
        """The facts of this frame; a break is a `Gap`."""
        if self.gap:
            return Parsed((Gap(self.gap),), ())
        return parse_frame(self.text, source=self.source)


class Quarantine:
    """What could not be read: counted by reason, the latest hundred kept."""

    __slots__ = ("count", "reasons", "samples")

    def __init__(self) -> None:
        self.count = 0
        self.reasons: Counter[str] = Counter()
        self.samples: deque[FrameError] = deque(maxlen=100)

    def add(self, error: FrameError) -> None:
        """Put one aside."""
        self.count += 1
        self.reasons[error.reason] += 1
        self.samples.append(error)


class RecordedTime:
    """The clock of a replay: the newest receive time, which never goes back."""

    __slots__ = ("now_ms",)

    def __init__(self, start_ms: int = 0) -> None:
        self.now_ms = start_ms

    def advance(self, frame: Frame) -> int:
        """Move to the time of a frame; an earlier one leaves the clock alone."""
        self.now_ms = max(self.now_ms, frame.received_ms)
        return self.now_ms

    def now(self) -> datetime:
        """The same moment, UTC."""
        return moment_of(self.now_ms)

    def monotonic(self) -> float:
        """The same moment in seconds, for durations."""
        return self.now_ms / 1000


def decode_json(text: str | bytes) -> Any:
    """Decode JSON; numbers become `int` or `Decimal`.

    Raises:
        ValueError: not JSON, nested too deeply, or holding a number that no
            `Decimal` can carry.
    """
    try:
        return _DECODER.decode(text)
    except _UNREADABLE:
        msg = "not JSON"
        raise ValueError(msg) from None


def parse_frame(text: str, *, source: str = "") -> Parsed:
    """Read one frame: a message, a list of messages, or a keep-alive.

    Args:
        text: The frame as it came.
        source: Where it came from, for the errors.

    Returns:
        Facts and errors; a list with one bad message still gives the others,
        and a change that carries two tokens gives two facts.
    """
    stripped = text.strip()
    if stripped in _KEEP_ALIVE:
        return Parsed((Ignored(stripped),), ())
    facts: list[Fact] = []
    errors: list[FrameError] = []
    try:
        decoded = decode_json(stripped)
    except ValueError as error:
        return Parsed((), (frame_error(str(error), text, source=source),))
    for message in decoded if isinstance(decoded, list) else (decoded,):
        try:
            if not isinstance(message, dict):
                errors.append(frame_error("not an object", text, source=source))
                continue
            for item in facts_of(message):
                if isinstance(item, MessageError):
                    errors.append(_message_error(item, message, text, source))
                else:
                    facts.append(item)
        except MessageError as error:
            errors.append(_message_error(error, message, text, source))
    return Parsed(tuple(facts), tuple(errors))


def frame_error(reason: str, raw: str, *, source: str = "") -> FrameError:
    """Put something aside that is about no book in particular."""
    return FrameError(reason=reason, raw=raw[:RAW_LIMIT], source=source)


def _message_error(
    error: MessageError, message: Message, text: str, source: str
) -> FrameError:
    market_id, token_id = message.get("market"), message.get("asset_id")
    return FrameError(
        reason=str(error),
        raw=text[:RAW_LIMIT],
        source=source,
        market_id=market_id if isinstance(market_id, str) else "",
        token_id=error.token_id or (token_id if isinstance(token_id, str) else ""),
        book_lost=is_about_book(message),
    )
