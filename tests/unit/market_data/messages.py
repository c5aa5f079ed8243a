"""Messages of the market channel, written short."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
DATA = REPOSITORY / "tests" / "data" / "recordings"
SHARED = REPOSITORY.parent / "shared" / "recordings"
FIXTURES = REPOSITORY.parent / "shared" / "fixtures" / "polymarket"

MARKET = "0xm"
YES = "yes"
NO = "no"
START_MS = 1_800_000_000_000

Levels = Sequence[tuple[str, str]]


def book(
    bids: Levels = (("0.4", "10"),),
    asks: Levels = (("0.6", "10"),),
    *,
    token: str = YES,
    at: int = 0,
    **fields: Any,
) -> dict[str, Any]:
    """A snapshot, `at` milliseconds after the start."""
    return {
        "event_type": "book",
        "market": MARKET,
        "asset_id": token,
        "timestamp": str(START_MS + at),
        "bids": [{"price": price, "size": size} for price, size in bids],
        "asks": [{"price": price, "size": size} for price, size in asks],
        "hash": f"{token}{at}",
        **fields,
    }


def entry(
    side: str, price: str, size: str, *, token: str = YES, **fields: Any
) -> dict[str, Any]:
    """One entry of a change in the newer shape."""
    return {"asset_id": token, "side": side, "price": price, "size": size, **fields}


def change(*entries: dict[str, Any], at: int = 1) -> dict[str, Any]:
    """A change in the newer shape."""
    return {
        "event_type": "price_change",
        "market": MARKET,
        "timestamp": str(START_MS + at),
        "price_changes": list(entries),
    }


def trade(
    price: str, size: str, *, side: str = "BUY", at: int = 1, **fields: Any
) -> dict[str, Any]:
    """A trade of the YES token."""
    return {
        "event_type": "last_trade_price",
        "market": MARKET,
        "asset_id": YES,
        "timestamp": str(START_MS + at),
        "price": price,
        "size": size,
        "side": side,
        **fields,
    }


def text(*messages: dict[str, Any]) -> str:
    """A frame: one message stands alone, several stand in a list."""
    return json.dumps(messages[0] if len(messages) == 1 else list(messages))
