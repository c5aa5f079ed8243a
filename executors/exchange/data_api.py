"""The Data API: positions and activity, which trail what has settled."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from executors.exchange.venue import Call, Venue
from executors.exchange.wire import Refusal, Response, answer
from ledger.values import decimal_from

_V1_NAMES: Final = {
    "proxy_wallet": "proxyWallet",
    "token_id": "asset",
    "condition_id": "conditionId",
    "current_size": "size",
    "avg_price": "avgPrice",
    "entry_cost_usdc": "initialValue",
    "current_value": "currentValue",
    "unrealized_pnl": "cashPnl",
    "percent_pnl": "percentPnl",
    "total_size": "totalBought",
    "realized_pnl": "realizedPnl",
    "percent_realized_pnl": "percentRealizedPnl",
    "current_price": "curPrice",
    "redeemable": "redeemable",
    "mergeable": "mergeable",
    "title": "title",
    "slug": "slug",
    "icon": "icon",
    "event_slug": "eventSlug",
    "outcome": "outcome",
    "outcome_index": "outcomeIndex",
    "opposite_outcome": "oppositeOutcome",
    "opposite_token_id": "oppositeAsset",
    "end_date": "endDate",
    "negative_risk": "negativeRisk",
}
_V1_LIMIT: Final = 500


async def positions(venue: Venue, call: Call) -> Response:
    """GET /v2/positions."""
    rows = _positions(venue, call)
    query = call.request.query
    if status := query.get("status"):
        rows = [row for row in rows if row["status"] == status]
    return _page(call, rows)


async def positions_v1(venue: Venue, call: Call) -> Response:
    """GET /positions: under one share a position is not shown unless asked for."""
    least = _number(call.request.query.get("sizeThreshold", "1"))
    rows = [
        {ours: row[theirs] for theirs, ours in _V1_NAMES.items() if theirs in row}
        for row in _positions(venue, call)
        if Decimal(str(row["current_size"])) >= least
    ]
    return answer(rows[:_V1_LIMIT])


async def activity(venue: Venue, call: Call) -> Response:
    """GET /v2/activity: newest first."""
    rows = venue.exchange.activity(_user(call))
    query = call.request.query
    if kinds := query.get("type"):
        wanted = set(kinds.split(","))
        rows = [row for row in rows if row["type"] in wanted]
    start, end = (
        _number(query.get("start", "0")),
        _number(query.get("end", "9999999999")),
    )
    return _page(call, [row for row in rows if start <= row["timestamp"] <= end])


async def value(venue: Venue, call: Call) -> Response:
    """GET /v2/value: of all positions."""
    rows = _positions(venue, call)
    total = sum((Decimal(str(row["current_value"])) for row in rows), Decimal(0))
    return answer({"data": {"proxy_wallet": _user(call), "value": total}})


def _positions(venue: Venue, call: Call) -> list[dict[str, Any]]:
    """Rows as old as the exchange's lag, or as a fault makes them older still."""
    exchange, user = venue.exchange, _user(call)
    stale = call.faults.get("stale_positions")
    if stale is None:
        return exchange.positions(user)
    usual = exchange.config
    lag_ms = usual.data_lag_ms + int(stale.lasts * 1000)
    exchange.configure(msgspec.structs.replace(usual, data_lag_ms=lag_ms))
    try:
        return exchange.positions(user)
    finally:
        exchange.configure(usual)


def _user(call: Call) -> str:
    user = call.request.query.get("user", "")
    if not user.startswith("0x"):
        raise Refusal(400, "required query param 'user' not provided")
    return user


def _number(text: str) -> Decimal:
    try:
        return decimal_from(text)
    except ValueError:
        raise Refusal(400, "invalid number") from None


def _page(call: Call, rows: list[dict[str, Any]]) -> Response:
    query = call.request.query
    size = max(1, min(1000, int(_number(query.get("limit", "100")))))
    start = int(_number(query.get("cursor") or "0"))
    more = start + size < len(rows)
    cursor = str(start + size) if more else None
    return answer(
        {
            "data": rows[start : start + size],
            "pagination": {"has_more": more, "next_cursor": cursor},
        }
    )
