"""The answer to a command as a row, and as an exit code."""

from typing import Any, Final

from ledger.manager import OrderResult
from service.bootstrap import OpenLedger
from service.cli.failures import Exit, Failure

COLUMNS: Final = (
    "order_id",
    "status",
    "success",
    "deduplicated",
    "filled",
    "remaining",
    "avg_price",
    "fees",
    "code",
    "text",
    "field",
)
TIMELINE: Final = "the order's timeline has the evidence: `order-ledger order ID`"
_NOT_USAGE: Final = frozenset({"idempotency_conflict", "unknown_order"})
_OUTCOME_UNKNOWN: Final = frozenset({"outcome_unknown", "cancel_refused"})


def row_of(opened: OpenLedger, result: OrderResult) -> dict[str, Any]:
    """One answer; the order as it stands now, not as it stood when answered."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"success": result.success, "deduplicated": result.deduplicated}
    if result.order is not None:
        order = opened.journal.order(result.order.order_id)
        row |= {
            "order_id": order.order_id,
            "status": order.status,
            "filled": order.filled,
            "remaining": order.remaining,
            "avg_price": order.avg_price,
            "fees": order.fees,
        }
    if result.error is not None:
        error = result.error
        row |= {"code": error.code, "text": error.text, "field": error.field or None}
    return row


def raise_for(result: OrderResult, hint: str) -> None:
    """End with the exit code that the answer deserves.

    `hint` is for an order that is there; without one there is nothing to look at.
    """
    if result.success or result.error is None:
        return
    error = result.error
    refusal = result.order.refusal if result.order else None
    is_venue = refusal is not None and refusal.by == "venue"
    code = Exit.FAILED
    if is_venue or error.code in _OUTCOME_UNKNOWN:
        code = Exit.VENUE
    elif error.field and error.code not in _NOT_USAGE:
        code = Exit.USAGE
    if error.code == "unknown_order":
        hint = "`order-ledger orders` lists the orders of this ledger"
    elif result.order is None and hint == TIMELINE:
        hint = "nothing was recorded; correct the input and try again"
    raise Failure(code, error.code, error.text, hint=hint)


def advice(result: OrderResult, *, has_book: bool) -> str:
    """The one thing to do next."""
    code = result.error.code if result.error else ""
    if code == "no_market_data" and not has_book:
        return "give --book a recording; without one only --post-only orders pass"
    if code == "unknown_market":
        return "list it with --market-file, or give --book a recording that has it"
    if code == "outcome_unknown":
        again = "any later command looks it up"
        if not has_book:
            again = "repeat the command with --book, so that it can go out"
        return f"it may exist and counts in full; {again}"
    return TIMELINE
