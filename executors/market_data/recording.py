"""Recorded frames of the market channel, in every wrapper we know of.

The wrapper is told from the content of each line:

* `{"sequence", "received_ms", "frame"}`: ours, written by `Recorder`; a line
  with `gap` instead of `frame` marks a break;
* `{"feed_frame_sequence", "receive_wall_ms", "payload_sha256", "payload"}`;
* `{"t", "dir", "data"}`: a whole connection, of which `recv` counts;
* a bare frame per line, PING and PONG included;
* a table of polled tops or asks (see `tables`).
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from executors.market_data.files import Line, read_lines
from executors.market_data.frames import (
    RAW_LIMIT,
    Frame,
    FrameError,
    Quarantine,
    decode_json,
    frame_error,
)
from executors.market_data.tables import rows_to_frames, table_of
from executors.market_data.times import unix_ms_of_text
from ledger.errors import RecordingError

_BARE_TEXTS: Final = ("PING", "PONG")
_MESSAGE_KEYS: Final = ("event_type", "bids", "asks")


class _Entry(NamedTuple):
    """What one line holds: a frame's text, or why frames may be missing."""

    received_ms: int
    text: str = ""
    gap: str = ""
    sequence: int | None = None
    sha256: str | None = None


class _LineError(ValueError):
    """The line holds nothing that we can use."""


def read_recording(
    path: str | Path,
    *,
    quarantine: Quarantine | None = None,
    stdin: BinaryIO | None = None,
) -> Iterator[Frame]:
    """Read the frames of a recording, one after the other.

    Args:
        path: A plain or gzip file, a folder that holds exactly one, or "-" for
            standard input.
        quarantine: Takes the lines that hold no frame; the rest is still read.
        stdin: What "-" stands for; the process's own if absent.

    Yields:
        Frames, and a break (`Frame.gap`) where a number is missing, a checksum
        is wrong, or a connection begins anew.

    Raises:
        RecordingError: the file cannot be read (to its end), or holds no frame;
            the text names path and line.
    """
    aside = Quarantine() if quarantine is None else quarantine
    lines = read_lines(path, stdin=stdin)
    first = next(lines, None)
    if first is None:
        msg = f"{path}:1: the recording is empty"
        raise RecordingError(msg)
    table = table_of(first)
    reader = _Reader(aside)
    frames = (
        reader.frames(first, lines)
        if table is None
        else rows_to_frames(table, lines, aside)
    )
    found = False
    before = aside.count
    for frame in frames:
        found = found or not frame.gap
        yield frame
    if not found:
        bad = aside.count - before
        reason = aside.samples[-1].reason if bad else "no frame"
        msg = f"{path}:{first.number}: no market frame in it: {bad} lines ({reason})"
        raise RecordingError(msg)


class _Reader:
    """Walks the lines of one recording and remembers where it stands."""

    def __init__(self, aside: Quarantine) -> None:
        self._aside = aside
        self._last: int | None = None
        self._count = 0
        self._now_ms = 0

    def frames(self, first: Line, rest: Iterator[Line]) -> Iterator[Frame]:
        yield from self._of_line(first)
        for line in rest:
            yield from self._of_line(line)

    def _of_line(self, line: Line) -> Iterator[Frame]:
        try:
            entry = self._entry(line)
        except ValueError as error:
            self._aside.add(
                frame_error(str(error), line.text or "", source=line.source)
            )
            return
        if entry is None:
            return
        self._now_ms = entry.received_ms
        if missing := self._missing(entry.sequence):
            yield self._frame(line, gap=missing)
        if entry.gap:
            yield self._frame(line, gap=entry.gap)
        elif _is_damaged(entry):
            # The text cannot be trusted, so what it changed is unknown.
            self._aside.add(_damaged(entry, line))
            yield self._frame(line, gap="a frame is damaged")
        else:
            yield self._frame(line, text=entry.text)

    def _frame(self, line: Line, *, text: str = "", gap: str = "") -> Frame:
        self._count += 1
        return Frame(
            sequence=self._count if self._last is None else self._last,
            received_ms=self._now_ms,
            text=text,
            source=line.source,
            gap=gap,
        )

    def _missing(self, sequence: int | None) -> str:
        """Say which numbers are missing; a repeated number is a repeated frame."""
        last, self._last = self._last, sequence
        if sequence is None or last is None or sequence in (last, last + 1):
            return ""
        if sequence < last:
            return f"numbering begins anew at {sequence}"
        return f"frames {last + 1} to {sequence - 1} are missing"

    def _entry(self, line: Line) -> _Entry | None:
        if line.text is None:
            raise _LineError(line.problem)
        if line.text.strip() in _BARE_TEXTS:
            return _Entry(self._now_ms, line.text)
        record = decode_json(line.text)
        if isinstance(record, dict):
            if "payload" in record:
                return _numbered(record)
            if "dir" in record:
                return self._connection(record)
            if "received_ms" in record:
                return _own(record)
        return self._bare(record, line.text)

    def _connection(self, record: Mapping[str, Any]) -> _Entry | None:
        at_ms = unix_ms_of_text(record.get("t"))
        if record["dir"] == "recv":
            return _Entry(at_ms, _text(record, "data"))
        if record["dir"] == "open" and self._count:
            return _Entry(at_ms, gap="a connection was opened")
        return None

    def _bare(self, record: object, text: str) -> _Entry:
        """A frame without a wrapper: its own time stands in for the receiver's."""
        messages = record if isinstance(record, list) else [record]
        if messages and not any(map(_is_message, messages)):
            msg = "not a market frame"
            raise _LineError(msg)
        stamps = [m.get("timestamp") for m in messages if isinstance(m, dict)]
        times = [int(s) for s in stamps if isinstance(s, str) and s.isdecimal()]
        return _Entry(max(times, default=self._now_ms), text)


def _is_message(record: object) -> bool:
    return isinstance(record, dict) and not record.keys().isdisjoint(_MESSAGE_KEYS)


def _own(record: Mapping[str, Any]) -> _Entry:
    at_ms, sequence = _number(record, "received_ms"), None
    if record.get("sequence") is not None:
        sequence = _number(record, "sequence")
    if "gap" in record:
        return _Entry(at_ms, gap=_text(record, "gap") or "unknown", sequence=sequence)
    return _Entry(at_ms, _text(record, "frame"), sequence=sequence)


def _numbered(record: Mapping[str, Any]) -> _Entry:
    return _Entry(
        _number(record, "receive_wall_ms"),
        _text(record, "payload"),
        sequence=_number(record, "feed_frame_sequence"),
        sha256=_text(record, "payload_sha256")
        if record.get("payload_sha256")
        else None,
    )


def _is_damaged(entry: _Entry) -> bool:
    if entry.sha256 is None:
        return False
    digest = hashlib.sha256(entry.text.encode("utf-8", "surrogatepass")).hexdigest()
    return digest != entry.sha256.lower()


def _damaged(entry: _Entry, line: Line) -> FrameError:
    return FrameError(
        reason="checksum differs", raw=entry.text[:RAW_LIMIT], source=line.source
    )


def _number(record: Mapping[str, Any], field: str) -> int:
    value = record.get(field)
    if type(value) is not int or value < 0:
        msg = f"{field}: must be a whole number"
        raise _LineError(msg)
    return value


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str):
        msg = f"{field}: must be text"
        raise _LineError(msg)
    return value
