"""Lines of a recording, wherever they are: a file, gzip, or standard input."""

import csv
import gzip
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from ledger.errors import RecordingError

STDIN: Final = "-"
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""A longer line is put aside unread; the largest frame seen has 0.4 MB."""

_GZIP_MAGIC: Final = b"\x1f\x8b"


class Line(NamedTuple):
    """One line without its end; `text` is `None` if it is too long or not UTF-8."""

    number: int
    source: str
    text: str | None
    problem: str = ""


def read_lines(path: str | Path, *, stdin: BinaryIO | None = None) -> Iterator[Line]:
    """Read the lines of a recording; empty ones are left out.

    Args:
        path: A plain or gzip file, a folder that holds exactly one, or "-".
        stdin: What "-" stands for; the process's own if absent.

    Raises:
        RecordingError: it cannot be opened, or ends in the middle (after every
            line before that was yielded).
    """
    name, number = str(path), 0
    try:
        with _opened(path, stdin) as raw:
            name = "stdin" if name == STDIN else Path(raw.name).name
            for data in _bounded(_plain(raw)):
                number += 1
                if data.strip():
                    yield _line(data, number, f"{name}:{number}")
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}:{number + 1}: cannot be read: {_text_of(error)}"
        raise RecordingError(msg) from error


def cells_of(line: Line) -> list[str]:
    """Split a line of a table; a quoted cell may not span lines.

    Raises:
        ValueError: it cannot be split.
    """
    try:
        return next(csv.reader([line.text or ""]), [])
    except csv.Error:
        msg = "not a table row"
        raise ValueError(msg) from None


def row_of(line: Line, columns: Sequence[str]) -> dict[str, str]:
    """A line of a table under its column names.

    Raises:
        ValueError: it cannot be split, or has another number of cells.
    """
    cells = cells_of(line)
    if len(cells) != len(columns):
        raise ValueError(line.problem or "row: wrong number of columns")
    return dict(zip(columns, cells, strict=True))


def _text_of(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _opened(
    path: str | Path, stdin: BinaryIO | None
) -> AbstractContextManager[BinaryIO]:
    if str(path) == STDIN:
        return nullcontext(sys.stdin.buffer if stdin is None else stdin)
    place = Path(path)
    if place.is_dir():
        files = [entry for entry in sorted(place.iterdir()) if entry.is_file()]
        if len(files) != 1:
            msg = f"{path}:1: the folder holds {len(files)} files; name one of them"
            raise RecordingError(msg)
        place = files[0]
    return place.open("rb")


def _plain(raw: BinaryIO) -> BinaryIO:
    """Look through gzip, by content: a pipe has no name to go by."""
    peekable = raw if hasattr(raw, "peek") else None
    if peekable is None:
        start = raw.read(2)
        raw.seek(0)
    else:
        start = peekable.peek(2)[:2]
    return cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if start == _GZIP_MAGIC else raw


def _bounded(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of at most `MAX_LINE_BYTES` and one byte; the rest of a line is lost."""
    while data := stream.readline(MAX_LINE_BYTES + 1):
        yield data
        while len(data) > MAX_LINE_BYTES and not data.endswith(b"\n"):
            if not (data := stream.readline(MAX_LINE_BYTES + 1)):
                return


def _line(data: bytes, number: int, source: str) -> Line:
    if len(data) > MAX_LINE_BYTES:
        return Line(number, source, None, "line too long")
    try:
        text = data.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        return Line(number, source, None, "not UTF-8")
    return Line(number, source, text.rstrip("\r\n"))
