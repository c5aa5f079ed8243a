"""Cancels, look-ups, balances and the heartbeat: what belongs to one API key."""

from typing import Any, Final

from executors.exchange.engine import Canceled, Refused, TradeFilter
from executors.exchange.venue import Call, Venue, refuse
from executors.exchange.wire import Headers, Refusal, Response, answer, parse
from executors.protocol import (
    END_CURSOR,
    EXCHANGE_V1,
    EXCHANGE_V1_NEG_RISK,
    EXCHANGE_V2,
    EXCHANGE_V2_NEG_RISK,
    EXCHANGE_V3,
    cursor_at,
    offset_of,
)
from ledger.errors import InvalidInputError

_MAX_CANCELS: Final = 3000
_ORDER_ID_LENGTH: Final = 66
_OPEN: Final = {"LIVE", "DELAYED"}
_WALLET_KINDS: Final = {"0", "1", "2", "3"}


async def create_key(venue: Venue, call: Call) -> Response:
    """POST /auth/api-key."""
    address, nonce = _proven(venue, call)
    account = venue.accounts.create(address, nonce)
    venue.fund_key(address)
    return answer(account.credentials)


async def derive_key(venue: Venue, call: Call) -> Response:
    """GET /auth/derive-api-key."""
    address, nonce = _proven(venue, call)
    account = venue.accounts.derive(address, nonce)
    venue.fund_key(address)
    return answer(account.credentials)


async def list_keys(venue: Venue, call: Call) -> Response:
    """GET /auth/api-keys."""
    return answer({"apiKeys": venue.accounts.keys_of(call.owner.address)})


async def delete_key(venue: Venue, call: Call) -> Response:
    """DELETE /auth/api-key."""
    venue.accounts.forget(call.owner)
    return answer("OK")


async def closed_only(venue: Venue, call: Call) -> Response:
    """GET /auth/ban-status/closed-only."""
    wallets = venue.accounts.wallets_of(call.owner)
    return answer({"closed_only": bool(wallets & venue.closed_only)})


async def tier(venue: Venue, _call: Call) -> Response:
    """GET /v1/user/rate-limit-tier."""
    limits = venue.limits
    return answer({"tier": "Unlimited" if limits is None else limits.tier.name})


async def cancel_order(venue: Venue, call: Call) -> Response:
    """DELETE /order."""
    data = parse(call.request.body, "Invalid orderID")
    name = data.get("orderID") if isinstance(data, dict) else None
    return _cancel(venue, call, [_order_id(name)])


async def cancel_orders(venue: Venue, call: Call) -> Response:
    """DELETE /orders."""
    data = parse(call.request.body)
    if not isinstance(data, list):
        raise Refusal(400, "Invalid order payload")
    if len(data) > _MAX_CANCELS:
        text = f"Too many orders in payload, max allowed: {_MAX_CANCELS}"
        raise Refusal(400, text)
    return _cancel(venue, call, [_order_id(name) for name in data])


async def cancel_all(venue: Venue, call: Call) -> Response:
    """DELETE /cancel-all."""
    owner = call.owner.api_key
    headers = _limit(venue, call, 1 + len(venue.exchange.orders(owner)))
    return _canceled(venue, venue.exchange.cancel_all(owner), headers)


async def cancel_market(venue: Venue, call: Call) -> Response:
    """DELETE /cancel-market-orders."""
    data = parse(call.request.body)
    if not isinstance(data, dict):
        raise Refusal(400, "Invalid order payload")
    headers = _limit(venue, call, 1)
    result = venue.exchange.cancel_market(
        call.owner.api_key,
        market=str(data.get("market") or ""),
        asset_id=str(data.get("asset_id") or ""),
    )
    return _canceled(venue, result, headers)


async def orders(venue: Venue, call: Call) -> Response:
    """GET /data/orders: the open ones; one that has ended only by its id."""
    query = call.request.query
    rows = venue.exchange.orders(
        call.owner.api_key,
        order_id=query.get("id", ""),
        market=query.get("market", ""),
        asset_id=query.get("asset_id", ""),
    )
    return _page(venue, call, [row for row in rows if not venue.is_hidden(row["id"])])


async def order(venue: Venue, call: Call) -> Response:
    """GET /data/order/{id}: `null` for one that has ended, as clients have seen."""
    name = _order_id(call.tail)
    row = venue.exchange.order(name)
    owner = call.owner.api_key
    if row is None or row["owner"] != owner or venue.is_hidden(name):
        raise Refusal(404, "Order not found")
    return answer(row if row["status"] in _OPEN else None)


async def trades(venue: Venue, call: Call) -> Response:
    """GET /data/trades: newest first."""
    query = call.request.query
    wanted = TradeFilter(
        trade_id=query.get("id", ""),
        market=query.get("market", ""),
        asset_id=query.get("asset_id", ""),
        maker_address=query.get("maker_address", ""),
        after=_seconds(query.get("after")),
        before=_seconds(query.get("before")),
    )
    return _page(venue, call, venue.exchange.trades(call.owner.api_key, wanted))


async def balance(venue: Venue, call: Call) -> Response:
    """GET /balance-allowance, and its /update: base units as text."""
    query = call.request.query
    kind = query.get("signature_type", "0")
    if kind not in _WALLET_KINDS:
        raise Refusal(400, "Invalid signature type")
    token = query.get("token_id") or None
    if query.get("asset_type") == "COLLATERAL":
        token = None
    elif token is None:
        raise Refusal(400, "assetId invalid")
    wallet = venue.accounts.wallet(call.owner.address, int(kind))
    held = venue.exchange.balance(wallet, token)
    return answer(
        {
            "balance": str(held.balance),
            "allowances": {
                contract: str(held.neg_risk if is_neg_risk else held.standard)
                for contract, is_neg_risk in _contracts(venue)
            },
        }
    )


async def heartbeat(venue: Venue, call: Call) -> Response:
    """POST /v1/heartbeats: from the first one on, silence cancels every order."""
    data = parse(call.request.body)
    given = data.get("heartbeat_id") if isinstance(data, dict) else None
    beat = venue.exchange.heartbeat(call.owner.api_key, str(given or ""))
    venue.wake()
    told = {"heartbeat_id": beat.heartbeat_id}
    if not beat.accepted:
        raise Refusal(400, {"error_msg": "Invalid Heartbeat ID", **told})
    return answer(told)


def _proven(venue: Venue, call: Call) -> tuple[str, int]:
    return venue.accounts.prove(call.request.headers, venue.now_ms() // 1000)


def _cancel(venue: Venue, call: Call, names: list[str]) -> Response:
    headers = _limit(venue, call, len(names))
    result = venue.exchange.cancel(call.owner.api_key, names)
    return _canceled(venue, result, headers)


def _canceled(venue: Venue, result: Canceled | Refused, headers: Headers) -> Response:
    venue.wake()
    if isinstance(result, Refused):
        raise refuse(result)
    return answer(
        {"canceled": result.canceled, "not_canceled": dict(result.not_canceled)},
        headers=headers,
    )


def _limit(venue: Venue, call: Call, amount: int) -> Headers:
    if venue.limits is None:
        return ()
    return venue.limits.on_cancels(call.owner.address, amount, venue.now_ms())


def _order_id(name: Any) -> str:
    if isinstance(name, str) and len(name) == _ORDER_ID_LENGTH and name[:2] == "0x":
        return name
    raise Refusal(400, "Invalid orderID")


def _seconds(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        raise Refusal(400, "invalid timestamp") from None


def _page(venue: Venue, call: Call, rows: list[dict[str, Any]]) -> Response:
    size = venue.config.page_size
    try:
        start = offset_of(call.request.query.get("next_cursor", ""))
    except InvalidInputError:
        raise Refusal(400, "invalid next_cursor") from None
    page = rows[start : start + size] if start >= 0 else []
    more = start >= 0 and start + size < len(rows)
    return answer(
        {
            "limit": size,
            "next_cursor": cursor_at(start + size) if more else END_CURSOR,
            "count": len(page),
            "data": page,
        }
    )


def _contracts(venue: Venue) -> tuple[tuple[str, bool], ...]:
    if venue.config.protocol == "v1":
        return (EXCHANGE_V1, False), (EXCHANGE_V1_NEG_RISK, True)
    return (EXCHANGE_V2, False), (EXCHANGE_V2_NEG_RISK, True), (EXCHANGE_V3, False)
