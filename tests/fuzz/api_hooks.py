# mypy: disable-error-code="import-not-found,untyped-decorator"
"""What the fuzzer needs to know to get past the first look at an identifier.

`API_KNOWN` holds, as JSON, an order and a market that are there.
"""

import json
import os
from typing import Any

import schemathesis

KNOWN: dict[str, str] = json.loads(os.environ.get("API_KNOWN", "{}"))


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """Half of all orders asked for are there."""
    if path_parameters and "order_id" in path_parameters:
        order_id = str(path_parameters["order_id"])
        if len(order_id) % 2 == 0:
            path_parameters["order_id"] = KNOWN["order_id"]
    return path_parameters


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """A stream that follows the log never ends: the fuzzer reads what is there."""
    if context.operation.path == "/v1/events":
        query = dict(query or {})
        if query.get("follow", True) in {True, "true", "1", None}:
            query["follow"] = "false"
    if query and "timeout_ms" in query and isinstance(query["timeout_ms"], int):
        query["timeout_ms"] = min(query["timeout_ms"], 50)
    return query


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Most intents are for a market that is there."""
    market_id = body.get("market_id") if isinstance(body, dict) else None
    if isinstance(market_id, str) and len(market_id) % 4:
        body["market_id"] = KNOWN["market_id"]
    return body
