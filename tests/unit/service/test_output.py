"""The same rows in every form, exact and harmless."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from ledger.values import Side
from service.output import Form, cell, plain, write_object, write_rows

ROWS = [
    {
        "id": "o1",
        "size": Decimal("10.50"),
        "side": Side.BUY,
        "at": datetime(2026, 9, 24, 14, 3, 22, tzinfo=UTC),
        "note": None,
    },
    {"id": "o2", "size": Decimal("1E+2"), "side": Side.SELL, "live": True},
]
COLUMNS = ("id", "size", "side", "at", "note", "live")


def written(form: Form, rows: Any = ROWS, **options: Any) -> str:
    stream = io.StringIO()
    write_rows(rows, COLUMNS, form, stream=stream, **options)
    return stream.getvalue()


EXPECTED = [
    {
        "id": "o1",
        "size": "10.5",
        "side": "BUY",
        "at": "2026-09-24T14:03:22Z",
        "note": None,
        "live": None,
    },
    {
        "id": "o2",
        "size": "100",
        "side": "SELL",
        "at": None,
        "note": None,
        "live": True,
    },
]


def test_json_and_json_lines_say_the_same() -> None:
    """Numbers are text: a reader in another language must not round them."""
    assert json.loads(written(Form.JSON)) == EXPECTED
    lines = written(Form.JSONL).splitlines()
    assert [json.loads(line) for line in lines] == EXPECTED


def test_csv_has_its_head_even_without_rows() -> None:
    """A script that reads columns by name must not break on a quiet day."""
    assert written(Form.CSV, []) == "id,size,side,at,note,live\n"
    assert written(Form.JSON, []) == "[]\n"
    assert written(Form.JSONL, []) == ""
    rows = list(csv.DictReader(io.StringIO(written(Form.CSV))))
    assert rows[0]["size"] == "10.5"
    assert rows[0]["note"] == ""
    assert rows[1]["live"] == "true"


def test_a_table_is_aligned_plain_text() -> None:
    """Piped into a file or a mail it must still be readable."""
    assert written(Form.TABLE, shown=("id", "size", "live")) == (
        "id  size  live\no1  10.5\no2   100  yes\n"
    )


def test_a_table_on_a_terminal_has_the_same_cells() -> None:
    """Colour and lines are decoration; cells that look like markup are data."""
    rows = [{"id": "[red]x[/red]", "size": Decimal(1)}]
    text = written(Form.TABLE, rows, shown=("id", "size"), color=True)
    assert "[red]x[/red]" in text


@pytest.mark.parametrize("form", Form)
def test_control_characters_do_not_reach_a_terminal_raw(form: Form) -> None:
    """A note or an error text from outside could rewrite the screen."""
    text = written(form, [{"id": "a\x1b[2Jb"}])
    if form is not Form.CSV:  # which goes to programs, byte for byte
        assert "\x1b" not in text


def test_one_thing_is_lines_or_an_object() -> None:
    """People read lines, programs read JSON; absent values are not shown."""
    stream = io.StringIO()
    write_object(
        {"status": Side.BUY, "code": None, "ok": False}, Form.TABLE, stream=stream
    )
    assert stream.getvalue() == "status  BUY\nok      no\n"
    stream = io.StringIO()
    write_object({"a": Decimal("0.10")}, Form.JSONL, stream=stream)
    assert stream.getvalue() == '{"a": "0.1"}\n'
    stream = io.StringIO()
    write_object({"a": {"b": 1}, "c": [1]}, Form.CSV, stream=stream)
    assert stream.getvalue() == 'a,c\n"{""b"": 1}",[1]\n'


def test_times_are_utc() -> None:
    """Logs of machines in different zones are compared line by line."""
    zone = timezone(timedelta(hours=2))
    at = datetime(2026, 9, 24, 16, 0, 0, 5, tzinfo=zone)
    assert plain(at) == "2026-09-24T14:00:00.000005Z"
    assert cell({"a": [Decimal("1.0")]}) == '{"a": ["1"]}'
