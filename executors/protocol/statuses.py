"""What the venue's status texts mean, whatever their prefix or prose."""

from typing import NamedTuple

from ledger.decide import LookupFound
from ledger.values import EndReason, Settlement


class StatusRead(NamedTuple):
    """An order's status; `reason` is why it ended, and says nothing while LIVE."""

    found: LookupFound
    reason: EndReason


def order_status(text: str) -> StatusRead | None:
    """Read an order status of REST or stream; None if the text is unknown."""
    raise NotImplementedError


def trade_status(text: str) -> Settlement | None:
    """Read a trade status of REST or stream; None if the text is unknown."""
    raise NotImplementedError
