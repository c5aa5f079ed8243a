"""Rows of JSON from a file in any of the wrappings people keep them in."""

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from executors.market_data.files import STDIN, Line, read_lines
from ledger.errors import RecordingError

_MOST_ROWS: Final = 1_000_000


def records(
    path: str | Path, *, stdin: BinaryIO | None = None
) -> Iterator[tuple[str, object]]:
    """Read a file of JSON rows.

    Args:
        path: JSON lines, a JSON list, or a page `{"data": [...]}`; plain or gzip;
            a folder that holds one such file; or "-".
        stdin: What "-" stands for; the process's own if absent.

    Yields:
        Every row with its place; for one that cannot be read, a `ValueError` that
        says why.

    Raises:
        RecordingError: the file cannot be opened, is empty, or is no JSON as a
            whole.
    """
    name = "stdin" if str(path) == STDIN else str(path)
    lines = list(_bounded(name, read_lines(path, stdin=stdin)))
    if not lines:
        msg = f"{name}:1: the file is empty"
        raise RecordingError(msg)
    whole = _whole(name, lines)
    if whole is not None:
        yield from _listed(f"{name}: row", whole)
        return
    for line in lines:
        where = f"{name}:{line.number}"
        try:
            record = _line(line)
        except ValueError as error:
            yield where, ValueError(f"is no JSON: {error}")
        else:
            yield from _listed(f"{where}: row", record) or ((where, record),)


def _bounded(name: str, lines: Iterable[Line]) -> Iterator[Line]:
    for count, line in enumerate(lines):
        if count >= _MOST_ROWS:
            msg = f"{name}:{line.number}: more than {_MOST_ROWS} lines; split the file"
            raise RecordingError(msg)
        yield line


def _listed(name: str, record: object) -> list[tuple[str, object]]:
    """The rows of a list or a page; none if it is neither."""
    rows = record.get("data") if isinstance(record, dict) else record
    if not isinstance(rows, list):
        return []
    return [(f"{name} {number}", row) for number, row in enumerate(rows, 1)]


def _whole(name: str, lines: Sequence[Line]) -> object:
    """The file as one document, if it is one that spans lines; else `None`."""
    is_list = (lines[0].text or "").lstrip().startswith("[")
    text = "\n" * (lines[0].number - 1) + "\n".join(line.text or "" for line in lines)
    if not is_list and (len(lines) == 1 or _is_json(lines[0])):
        return None
    try:
        document = _loads(text)
    except ValueError as error:
        if not is_list:
            return None
        place = getattr(error, "lineno", 1)
        msg = f"{name}:{place}: is no JSON: {getattr(error, 'msg', error)}"
        raise RecordingError(msg) from None
    return document


def _is_json(line: Line) -> bool:
    try:
        _line(line)
    except ValueError:
        return False
    return True


def _line(line: Line) -> object:
    if line.text is None:
        raise ValueError(line.problem)
    return _loads(line.text)


def _loads(text: str) -> object:
    """Read JSON without ever passing a number through a float."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        msg = "is nested too deep"
        raise ValueError(msg) from None


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is not a number"
    raise ValueError(msg)
