"""Cancels: what ends, and what the venue says of everything else."""

from collections.abc import Iterable

from executors.exchange.engine.clearing import Clearing
from executors.exchange.engine.records import CANCELED, DELAYED, MATCHED, Order
from executors.exchange.engine.types import Canceled

ALREADY_MATCHED = "order already matched"
NOT_FOUND = "order can't be found - already canceled or matched"
IN_DELAY = "order is in its matching delay and can't be canceled"


def cancel(clearing: Clearing, owner: str, ids: Iterable[str]) -> Canceled:
    """Cancel orders by id; an id named twice counts once."""
    answer = Canceled([], {})
    for order_id in dict.fromkeys(ids):
        order = clearing.orders.get(order_id)
        reason = _why_not(order, owner)
        if reason or order is None:
            answer.not_canceled[order_id] = reason
            continue
        clearing.end(order, CANCELED)
        answer.canceled.append(order_id)
    return answer


def _why_not(order: Order | None, owner: str) -> str:
    if order is None or order.owner != owner:
        return NOT_FOUND
    if order.status == MATCHED:
        return ALREADY_MATCHED
    if order.status == DELAYED:
        return IN_DELAY
    return "" if order.is_open else NOT_FOUND
