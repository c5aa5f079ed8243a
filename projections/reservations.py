"""What open orders and unknown outcomes hold back."""

from projections.base import View

RESERVATIONS = View(
    name="reservations",
    columns={
        "order_id": str,
        "strategy": str,
        "market_id": str,
        "outcome": str,
        "side": str,
        "cash": str,
        "shares": str,
        "outcome_unknown": bool,
        "requested_us": int,
    },
    key=("order_id",),
    select=(
        "SELECT order_id, strategy, market_id, outcome, side, "
        "reserved_cash AS cash, reserved_shares AS shares, "
        "outcome_unknown, requested_us FROM orders WHERE phase <> 'DONE' "
        "AND (reserved_cash <> '0' OR reserved_shares <> '0')"
    ),
)
"""One row per order that locks `cash` (pUSD, a BUY) or `shares` (a SELL)."""
