"""Logs say what happened and never what must stay secret."""

import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import structlog

from service.logs import HIDDEN, configure

KEY = "0x" + "a1" * 32


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def logged(form: str, level: str = "info", **fields: Any) -> str:
    stream = io.StringIO()
    configure(level, form, stream=stream)  # type: ignore[arg-type]
    structlog.get_logger("t").info("order_placed", **fields)
    return stream.getvalue()


def test_json_is_one_object_per_line() -> None:
    """A collector reads lines."""
    record = json.loads(logged("json", size=Decimal("1.50"), order_id="o1"))
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "event": "order_placed",
        "level": "info",
        "size": "1.5",
        "order_id": "o1",
    }


def test_less_grave_records_are_dropped() -> None:
    """Debug lines in production cost disk and attention."""
    assert not logged("json", "warning")


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "fields",
    [
        {"private_key": "short"},
        {"api_key": "k"},
        {"API_SECRET": "hidden words"},
        {"signature": "0xfe"},
        {"signed_order": '{"maker": 1}'},
        {"Authorization": "Bearer abc"},
        {"headers": {"authorization": "Bearer abc"}},
        {"batch": [{"passphrase": "open sesame"}]},
        {"some_key": KEY},
        {"signer": KEY},
    ],
)
def test_secrets_are_hidden(form: str, fields: dict[str, Any]) -> None:
    """One log line with a key in it empties the account."""
    text = logged(form, **fields)
    assert HIDDEN in text
    for leaked in ("short", "Bearer", "sesame", "maker", "hidden words", KEY):
        assert leaked not in text


def test_what_only_looks_like_a_key_stays() -> None:
    """Transactions, markets and orders are 64 hex digits too: logs without them
    explain nothing.
    """
    text = logged("json", tx_hash=KEY, market_id=KEY, idempotency_key="a-1")
    assert text.count(KEY) == 2
    assert '"a-1"' in text


@pytest.mark.parametrize("form", ["json", "console"])
def test_tracebacks_carry_no_local_variables(form: str) -> None:
    """The frame that failed may hold the key it was signing with."""
    stream = io.StringIO()
    configure("info", form, stream=stream)  # type: ignore[arg-type]

    def sign(material: str) -> None:
        raise RuntimeError(str(len(material)))

    try:
        sign(KEY)
    except RuntimeError:
        structlog.get_logger("t").exception("order_failed")
    assert "RuntimeError" in stream.getvalue()
    assert KEY not in stream.getvalue()


def test_a_value_nested_without_end_is_cut() -> None:
    """A log line must never be what stops the process."""
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    assert "..." in logged("json", deep=deep)


def test_network_libraries_are_quiet() -> None:
    """They log every frame, with headers."""
    configure()
    assert logging.getLogger("websockets").level == logging.WARNING
    assert logging.getLogger("httpx").level == logging.WARNING
