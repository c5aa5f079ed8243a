"""Rows of read models and orders of memory, in the one shape that the API has."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from ledger.exposure import reservation_of
from ledger.order import Order, Trade
from projections.base import text

Record = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WITHOUT_ZONE: Final = -len("+00:00")

encode: Final = msgspec.json.Encoder(decimal_format="string").encode
"""JSON bytes of rows and of the structs in `service.http.schemas`."""


def shown(row: Mapping[str, Any]) -> Record:
    """A row of a read model with its times as text instead of microseconds."""
    return {
        (f"{name[:-3]}_at" if name.endswith("_us") else name): (
            time_of_us(value) if name.endswith("_us") and value is not None else value
        )
        for name, value in row.items()
    }


def time_of_us(us: int) -> str:
    """Unix microseconds as a time in UTC."""
    return time_text(_EPOCH + timedelta(microseconds=us))


def time_text(at: datetime) -> str:
    """A time the one way we write it: UTC, with as many digits as it has."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return f"{at.isoformat()[:_WITHOUT_ZONE]}Z"


def order_row(order: Order) -> Record:
    """An order of memory as the read model `orders` has it, with its trades.

    What only the log knows is left out: `updated_at` and `position`.
    """
    reason, refusal = order.done_reason, order.refusal
    held = reservation_of(order)
    return {
        "order_id": order.order_id,
        "strategy": order.strategy,
        "idempotency_key": order.idempotency_key,
        "market_id": order.market_id,
        "token_id": order.token_id,
        "outcome": order.outcome,
        "side": order.side,
        "requested_size": text(order.requested_size),
        "size": text(order.size),
        "price": text(order.price),
        "time_in_force": order.time_in_force,
        "post_only": order.post_only,
        "expires_at": _time(order.expires_at),
        "requested_at": _time(order.requested_at),
        "status": order.status,
        "phase": order.phase,
        "done_reason": reason,
        "venue_order_id": order.venue_order_id,
        "outcome_unknown": order.is_outcome_unknown,
        "cancel_requested": order.is_cancel_requested,
        "refused_by": refusal.by if refusal else "",
        "refusal_code": refusal.code if refusal else "",
        "refusal_text": refusal.text if refusal else "",
        "filled": text(order.filled),
        "settled": text(order.settled),
        "remaining": text(order.remaining),
        "avg_price": _number(order.avg_price),
        "cost": text(order.cost),
        "fees": text(order.fees),
        "reserved_cash": text(held.cash),
        "reserved_shares": text(held.sells),
        "trades": [trade_row(trade) for trade in order.trades.values()],
    }


def trade_row(trade: Trade) -> Record:
    """A trade of memory as the read model `fills` has it, without its times."""
    return {
        "trade_id": trade.trade_id,
        "size": text(trade.size),
        "price": text(trade.price),
        "fee": text(trade.fee),
        "role": trade.role,
        "settlement": trade.settlement,
        "live": trade.is_live,
        "tx_hash": trade.tx_hash,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)


def _number(number: Decimal | None) -> str | None:
    return None if number is None else text(number)
