"""Which order a strategy's key belongs to."""

from projections.base import View

IDEMPOTENCY = View(
    name="idempotency",
    columns={
        "strategy": str,
        "idempotency_key": str,
        "order_id": str,
        "requested_us": int,
    },
    key=("strategy", "idempotency_key"),
    select="SELECT strategy, idempotency_key, order_id, requested_us FROM orders",
)
"""One row per key ever used; the store holds the binding copy."""
