"""The current state of every order, closed ones included."""

from collections.abc import Iterator

from ledger.exposure import reservation_of
from ledger.order import Order
from ledger.recorded import Recorded
from ledger.state import LedgerState
from ledger.values import ZERO
from projections.base import ABSENT, PLAIN, Kept, Row, Table, micros, text
from projections.touched import Touched


def _rows(_: LedgerState, touched: Touched, __: Kept) -> Iterator[Row]:
    for order, last in touched.orders.values():
        yield _row(order, last)


def _row(order: Order, last: Recorded) -> Row:
    reason = order.done_reason
    refusal = order.refusal
    by, code, why = ("", "", "") if refusal is None else _refusal(order)
    remaining = cash = shares = ZERO
    if reason is None:
        remaining = order.size - order.filled
        held = reservation_of(order)
        cash, shares = held.cash, held.sells
    return (
        order.order_id,
        order.strategy,
        order.idempotency_key,
        order.market_id,
        order.token_id,
        PLAIN[order.outcome],
        PLAIN[order.side],
        text(order.requested_size),
        text(order.size),
        text(order.price),
        PLAIN[order.time_in_force],
        1 if order.post_only else 0,
        ABSENT if order.expires_at is None else micros(order.expires_at),
        micros(order.requested_at),
        PLAIN[order.status],
        PLAIN[order.phase] if reason is None else "DONE",
        ABSENT if reason is None else PLAIN[reason],
        order.venue_order_id,
        1 if order.is_outcome_unknown else 0,
        1 if order.is_cancel_requested else 0,
        by,
        code,
        why,
        text(order.filled),
        text(order.settled),
        text(remaining),
        _avg_price(order),
        text(order.cost),
        text(order.fees),
        text(cash),
        text(shares),
        last.recorded_us,
        last.position,
    )


def _refusal(order: Order) -> tuple[str, str, str]:
    assert order.refusal is not None
    return order.refusal.by, order.refusal.code, order.refusal.text


def _avg_price(order: Order) -> str:
    if len(order.trades) == 1 and order.filled:
        # The average of one fill is its price; a division would cost more.
        return text(next(iter(order.trades.values())).price)
    average = order.avg_price
    return ABSENT if average is None else text(average)


ORDERS = Table(
    name="orders",
    columns={
        "order_id": str,
        "strategy": str,
        "idempotency_key": str,
        "market_id": str,
        "token_id": str,
        "outcome": str,
        "side": str,
        "requested_size": str,
        "size": str,
        "price": str,
        "time_in_force": str,
        "post_only": bool,
        "expires_us": int,
        "requested_us": int,
        "status": str,
        "phase": str,
        "done_reason": str,
        "venue_order_id": str,
        "outcome_unknown": bool,
        "cancel_requested": bool,
        "refused_by": str,
        "refusal_code": str,
        "refusal_text": str,
        "filled": str,
        "settled": str,
        "remaining": str,
        "avg_price": str,
        "cost": str,
        "fees": str,
        "reserved_cash": str,
        "reserved_shares": str,
        "updated_us": int,
        "position": int,
    },
    key=("order_id",),
    rows=_rows,
    absent=frozenset({"expires_us", "done_reason", "avg_price"}),
    index=("order_id", "phase <> 'DONE'"),
)
"""One row per order.

Sizes are shares, `price` and `avg_price` pUSD per share, `cost`, `fees` and
`reserved_cash` pUSD.
`filled`, `cost` and `fees` count live fills only; `cost` is the exact product of
size and price, which positions cut to 6 places.
`requested_us` and `expires_us` are the intent's own times; `position` is that of
the order's last event.
"""
