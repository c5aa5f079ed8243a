"""Orders and results out of what the service answers."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from ledger.api import PositionView
from ledger.manager import OrderError, OrderResult
from ledger.order import Order, Refusal, Trade
from ledger.values import (
    ZERO,
    EndReason,
    Outcome,
    Phase,
    Role,
    Settlement,
    Side,
    TimeInForce,
)

_UNTIMED: Final = {
    Settlement.MATCHED: 0,
    Settlement.RETRYING: 1,
    Settlement.MINED: 2,
}
_NOT_ENDED: Final = (EndReason.FILLED, EndReason.REJECTED, EndReason.NEVER_PLACED)

Row = Mapping[str, Any]


def order_of(row: Row) -> Order:
    """The order behind a row; its label and amounts follow from it as they should.

    What the service does not tell is left empty: the fingerprint, the correlation
    id, the venue's times.
    Without trades in the row, a closed order's label may be less far than it is.
    """
    trades = {t["trade_id"]: _trade(t) for t in row.get("trades", ())}
    size, filled = Decimal(row["size"]), Decimal(row["filled"])
    reason = EndReason(row["done_reason"]) if row["done_reason"] else None
    matched = sum((t.size for t in trades.values()), ZERO) if trades else filled
    refused = row["refused_by"]
    return Order(
        order_id=row["order_id"],
        strategy=row["strategy"],
        idempotency_key=row["idempotency_key"],
        fingerprint="",
        correlation_id="",
        market_id=row["market_id"],
        token_id=row["token_id"],
        outcome=Outcome(row["outcome"]),
        side=Side(row["side"]),
        requested_size=Decimal(row["requested_size"]),
        size=size,
        price=Decimal(row["price"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        post_only=row["post_only"],
        expires_at=_time(row["expires_at"]),
        requested_at=datetime.fromisoformat(row["requested_at"]),
        venue_order_id=row["venue_order_id"],
        refusal=Refusal(refused, row["refusal_code"], row["refusal_text"])
        if refused
        else None,
        is_outcome_unknown=row["outcome_unknown"],
        is_placed=row["phase"] == Phase.WORKING,
        is_never_placed=reason is EndReason.NEVER_PLACED,
        is_cancel_requested=row["cancel_requested"],
        ended=reason if reason is not None and reason not in _NOT_ENDED else None,
        dust=max(size - matched, ZERO) if reason is EndReason.FILLED else ZERO,
        trades=trades,
        matched=matched,
        filled=filled,
        cost=Decimal(row["cost"]),
        fees=Decimal(row["fees"]),
        settled=Decimal(row["settled"]),
        unsettled=sum(1 for trade in trades.values() if not trade.is_final),
    )


def _trade(row: Row) -> Trade:
    settlement = Settlement(row["settlement"])
    return Trade(
        trade_id=row["trade_id"],
        size=Decimal(row["size"]),
        price=Decimal(row["price"]),
        fee=Decimal(row["fee"]),
        role=Role(row["role"]),
        untimed=_UNTIMED.get(settlement, 0),
        confirmed_at=0 if settlement is Settlement.CONFIRMED else None,
        voided_at=0 if settlement is Settlement.FAILED else None,
        tx_hash=row["tx_hash"],
    )


def result_of(answer: Row) -> OrderResult:
    """The result behind an answer to a command."""
    order, error = answer["order"], answer["error"]
    return OrderResult(
        success=answer["success"],
        order=None if order is None else order_of(order),
        deduplicated=answer["deduplicated"],
        error=None if error is None else OrderError(**error),
    )


def position_of(
    row: Row | None, strategy: str, market_id: str, outcome: Outcome
) -> PositionView:
    """The view behind a row of positions; an empty one if there is none."""
    if row is None:
        return PositionView(strategy=strategy, market_id=market_id, outcome=outcome)
    average = row["avg_price"]
    return PositionView(
        strategy=strategy,
        market_id=market_id,
        outcome=outcome,
        shares=Decimal(row["shares"]),
        sellable=Decimal(row["sellable"]),
        open_buys=Decimal(row["open_buys"]),
        avg_price=None if average is None else Decimal(average),
        realized_pnl=Decimal(row["realized_pnl"]),
        fees=Decimal(row["fees"]),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
