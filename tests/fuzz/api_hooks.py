# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator"
"""What the fuzzer needs to know to get past the first look at an identifier.

`KNOWN` holds what is there: orders, markets, drifts, cursors.
`API_KNOWN` fills it, as JSON, where the fuzzer runs from its own command line.
"""

import json
import os
import re
from datetime import datetime
from typing import Any, Final

import requests
import schemathesis

KNOWN: Final[dict[str, list[str]]] = json.loads(os.environ.get("API_KNOWN", "{}"))

_TRUE: Final = {True, "true", "True", "1", "yes", "on", "t", "y", None}
_MARKET_ID: Final = re.compile(r"[!-~]{1,100}")
_URL: Final = "http://127.0.0.1/"
_FEW_MS: Final = 50
_MOST_MS: Final = 60_000


def _picked(name: str, drawn: str) -> str:
    """Something that is there for two of three drawn values, the same each time."""
    known = KNOWN.get(name, [])
    if not known or len(drawn) % 3 == 0:
        return drawn
    return known[sum(drawn.encode("utf-8", "replace")) % len(known)]


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Most orders and drifts that are asked for are there."""
    for name in ("order_id", "drift_id"):
        if path_parameters and name in path_parameters:
            path_parameters[name] = _picked(name, str(path_parameters[name]))
    return path_parameters


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """An empty list leaves no trace in an address: what is wrong must be sent."""
    return all(
        requests.Request("GET", _URL, params={name: value}).prepare().url != _URL
        for name, value in (query or {}).items()
    )


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Most filters and cursors lead somewhere."""
    for name in ("market_id", "order_id"):
        wanted = query.get(name) if query else None
        if isinstance(wanted, str) and _MARKET_ID.fullmatch(wanted):
            query[name] = _picked(name, wanted)
    cursor = query.get("cursor") if query else None
    if isinstance(cursor, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,400}", cursor):
        query["cursor"] = _picked("cursor", cursor)
    return query


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Most bodies are about a strategy and a market that are there."""
    if not isinstance(body, dict):
        return body
    intents = body.get("intents")
    for part in [body, *(intents if isinstance(intents, list) else [])]:
        market_id = part.get("market_id") if isinstance(part, dict) else None
        if isinstance(market_id, str) and _MARKET_ID.fullmatch(market_id):
            part["market_id"] = _picked("market_id", market_id)
            if part.get("strategy") is None:
                part["strategy"] = "tester"
            _make_possible(part)
    return body


def _make_possible(part: dict[str, Any]) -> None:
    """Put a well-formed price on the market's grid, and an expiry where one fits."""
    price, size = part.get("price"), part.get("size")
    if isinstance(price, str) and re.fullmatch(r"0\.[0-9]{3,6}", price):
        part["price"] = f"0.{int(price[2:4]) % 98 + 1:02d}"
    if isinstance(size, str) and re.fullmatch(r"[1-9][0-9]{3,11}(\.[0-9]{1,6})?", size):
        part["size"] = size[:2]
    if part.get("time_in_force") == "GTD":
        part["expires_at"] = "2100-01-01T00:00:00Z"
    elif _is_time(part.get("expires_at")):
        del part["expires_at"]
    if part.get("time_in_force") in {"FAK", "FOK"} and part.get("post_only") is True:
        part["post_only"] = False


def _is_time(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Nobody waits."""
    query = dict(case.query or {})
    if context.operation.path == "/v1/events":
        follow = query.get("follow")
        if isinstance(follow, bool | int | str | None) and follow in _TRUE:
            query["follow"] = "false"  # one that follows the log never ends
    timeout_ms = query.get("timeout_ms")
    if isinstance(timeout_ms, int) and _FEW_MS < timeout_ms <= _MOST_MS:
        query["timeout_ms"] = _FEW_MS
    if query != (case.query or {}):
        case.query = query
