"""Examples for the API's description: requests and answers as they are."""

from typing import Any, Final

_MARKET: Final = "0x5f65177b394277fd294cd75650044e32ba009a95022d88a0c1d565897d72f8f1"
_ASSET: Final = (
    "4394372887385518214471608448209527405727552777602031099972143344338178308080"
)
_ORDER: Final = "019a9c3e-7d5f-7000-8a54-0f9d0d1b7c11"

INTENT: Final[dict[str, Any]] = {
    "strategy": "pair_arb",
    "market_id": _MARKET,
    "outcome": "YES",
    "side": "BUY",
    "size": "20",
    "price": "0.45",
    "time_in_force": "GTC",
    "post_only": True,
    "note": "left leg",
}
BATCH: Final = {
    "intents": [INTENT, INTENT | {"outcome": "NO", "price": "0.52", "note": "right"}]
}
_STATE: Final[dict[str, Any]] = {
    "order_id": _ORDER,
    "strategy": "pair_arb",
    "idempotency_key": "window-17-yes",
    "market_id": _MARKET,
    "token_id": _ASSET,
    "outcome": "YES",
    "side": "BUY",
    "requested_size": "20",
    "size": "20",
    "price": "0.45",
    "time_in_force": "GTC",
    "post_only": True,
    "expires_at": None,
    "requested_at": "2026-09-24T14:03:22.118000Z",
    "status": "PARTIAL_FILL",
    "phase": "WORKING",
    "done_reason": None,
    "venue_order_id": "0x5c1d0b6d0c2f3a3a1c5b3a7d4f5e6b7a8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5",
    "outcome_unknown": False,
    "cancel_requested": False,
    "refused_by": "",
    "refusal_code": "",
    "refusal_text": "",
    "filled": "5",
    "settled": "0",
    "remaining": "15",
    "avg_price": "0.45",
    "cost": "2.25",
    "fees": "0",
    "reserved_cash": "6.75",
    "reserved_shares": "0",
}
ANSWER: Final = {
    "success": True,
    "deduplicated": False,
    "order": _STATE | {"trades": []},
    "error": None,
    "href": f"/v1/orders/{_ORDER}",
}
ANSWERS: Final = {"items": [ANSWER]}
_TRADE: Final = {
    "trade_id": "paper-1-7",
    "size": "5",
    "price": "0.45",
    "fee": "0",
    "role": "maker",
    "settlement": "MATCHED",
    "live": True,
    "tx_hash": "",
    "first_at": "2026-09-24T14:03:25.042000Z",
    "updated_at": "2026-09-24T14:03:25.042000Z",
    "position": 121,
}
_ROW: Final = _STATE | {"updated_at": "2026-09-24T14:03:25.042000Z", "position": 121}
ORDERS: Final = {"position": 121, "items": [_ROW], "next": None}
ORDER: Final = _ROW | {"trades": [_TRADE], "as_of": 121}
TIMELINE: Final = {
    "position": 121,
    "items": [
        {
            "position": 118,
            "version": 1,
            "at": "2026-09-24T14:03:22.118000Z",
            "recorded_at": "2026-09-24T14:03:22.118412Z",
            "topic": "order.requested.v1",
            "actor": "pair_arb",
            "source": "command",
            "correlation_id": _ORDER,
            "causation": "",
            "summary": f"BUY 20 YES of {_MARKET} at 0.45, GTC, post-only",
            "status": "PENDING",
        }
    ],
    "next": None,
}
FILLS: Final = {
    "position": 121,
    "items": [
        {
            "order_id": _ORDER,
            "strategy": "pair_arb",
            "market_id": _MARKET,
            "outcome": "YES",
            "side": "BUY",
        }
        | _TRADE
    ],
    "next": None,
}
POSITIONS: Final = {
    "position": 121,
    "items": [
        {
            "account": "paper",
            "strategy": "pair_arb",
            "market_id": _MARKET,
            "outcome": "YES",
            "shares": "5",
            "settled_shares": "0",
            "pending_shares": "5",
            "avg_price": "0.45",
            "cost": "2.25",
            "fees": "0",
            "realized_pnl": "0",
            "bought": "5",
            "sold": "0",
            "unexplained": "0",
            "payout": None,
            "sellable": "0",
            "open_buys": "15",
        }
    ],
    "next": None,
}
RECONCILIATION: Final = {
    "position": 121,
    "items": [
        {
            "position": 119,
            "recorded_at": "2026-09-24T14:03:23.000000Z",
            "as_of_at": "2026-09-24T14:03:23.000000Z",
            "complete": True,
            "open_orders": 1,
            "positions": 0,
            "order_diffs": 0,
            "position_diffs": 0,
            "cash_ledger": "1000",
            "cash_venue": "1000",
        }
    ],
    "diffs": [],
    "drifts": [],
    "next": None,
}
RISK: Final = {
    "position": 121,
    "account": {
        "account": "paper",
        "mode": "normal",
        "cash": "997.75",
        "reserved_cash": "6.75",
        "free_cash": "991",
    },
    "reservations": [],
    "pnl": [],
    "limits": {"resize": False, "check_cash": True},
}
DECISION: Final = {
    "approved": True,
    "size": "20",
    "by": "",
    "code": "",
    "text": "",
    "evidence": {"effective_price": "0.45", "slippage_bps": "0"},
}
DONE: Final = {"position": 122, "mode": "halted", "drift_id": None, "payout": None}
READY: Final = {"ready": True, "reason": ""}
HEALTH: Final = {"status": "ok", "mode": "normal", "position": 121}
