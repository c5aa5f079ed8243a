"""Data on standard output, talk on standard error.

Rows leave as a table, JSON, JSON lines or CSV; the same rows in every form.
"""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from io import StringIO
from typing import Any, Final, TextIO

Row = Mapping[str, Any]

_RIGHT: Final = frozenset("0123456789-.")
_GAP: Final = "  "


class Form(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def plain(value: Any) -> Any:
    """A value as JSON has it: exact numbers as text, times in UTC, labels as words."""
    if isinstance(value, Decimal):
        # Imported here: the shell reads only the names of the forms at its start.
        from ledger.values import text_of

        return text_of(value)
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def time_text(at: datetime) -> str:
    """A time the one way we write it: UTC, with as many digits as it has."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def cell(value: Any) -> str:
    """A value in a table: one line that a terminal cannot take for an order to it."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else "\ufffd" for c in str(value))


def write_rows(
    rows: Sequence[Row],
    columns: Sequence[str],
    form: Form,
    *,
    stream: TextIO | None = None,
    shown: Sequence[str] | None = None,
    color: bool = False,
) -> None:
    """Write rows to standard output.

    Args:
        rows: What to write.
        columns: Every column, in order; the head of CSV even without rows.
        form: In which form.
        stream: Where to, if not to standard output.
        shown: The columns of a table; all of them if absent.
        color: Whether a table may use colour and lines, as on a terminal.
    """
    stream = stream or sys.stdout
    if form is Form.JSON:
        picked = [_picked(row, columns) for row in rows]
        stream.write(json.dumps(picked, ensure_ascii=False, indent=1) + "\n")
    elif form is Form.JSONL:
        for row in rows:
            line = json.dumps(_picked(row, columns), ensure_ascii=False)
            stream.write(line + "\n")
    elif form is Form.CSV:
        stream.write(_csv(rows, columns))
    elif color:
        _rich_table(rows, shown or columns, stream)
    else:
        _text_table(rows, shown or columns, stream)


def write_object(values: Row, form: Form, *, stream: TextIO | None = None) -> None:
    """Write one thing: an object in JSON, lines of name and value for people."""
    stream = stream or sys.stdout
    if form is Form.CSV:
        stream.write(_csv([values], list(values)))
    elif form is Form.TABLE:
        width = max(map(len, values), default=0)
        for name, value in values.items():
            if value is not None:
                stream.write(f"{name:<{width}}{_GAP}{cell(value)}".rstrip() + "\n")
    else:
        indent = 1 if form is Form.JSON else None
        text = json.dumps(plain(values), ensure_ascii=False, indent=indent)
        stream.write(text + "\n")


def _picked(row: Row, columns: Iterable[str]) -> dict[str, Any]:
    return {column: plain(row.get(column)) for column in columns}


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> str:
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        picked = _picked(row, columns)
        # As JSON writes them: a boolean is true or false in every form for programs.
        writer.writerow(
            json.dumps(v) if isinstance(v, bool | dict | list) else v
            for v in picked.values()
        )
    return buffer.getvalue()


def _text_table(rows: Sequence[Row], columns: Sequence[str], stream: TextIO) -> None:
    table = [[cell(row.get(column)) for column in columns] for row in rows]
    right = [_is_number(line[place] for line in table) for place in range(len(columns))]
    widths = [
        max(len(column), *(len(line[place]) for line in table), 0)
        for place, column in enumerate(columns)
    ]
    for line in ([*columns], *table):
        cells = (
            text.rjust(width) if is_right else text.ljust(width)
            for text, width, is_right in zip(line, widths, right, strict=True)
        )
        stream.write(_GAP.join(cells).rstrip() + "\n")


def _rich_table(rows: Sequence[Row], columns: Sequence[str], stream: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        is_right = _is_number(cell(row.get(column)) for row in rows)
        table.add_column(
            column, justify="right" if is_right else "left", overflow="fold"
        )
    for row in rows:
        # As text: what stands in brackets is data here, not markup.
        table.add_row(*(Text(cell(row.get(column))) for column in columns))
    Console(file=stream, highlight=False).print(table)


def _is_number(cells: Iterable[str]) -> bool:
    filled = [text for text in cells if text]
    return bool(filled) and all(_RIGHT.issuperset(text) for text in filled)
