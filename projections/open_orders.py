"""Orders that may still match."""

from projections.base import View
from projections.orders import ORDERS

OPEN_ORDERS = View(
    name="open_orders",
    columns=ORDERS.columns,
    key=("order_id",),
    select="SELECT * FROM orders WHERE phase <> 'DONE'",
)
"""The rows of `orders` that are pending or working, unknown outcomes included."""
