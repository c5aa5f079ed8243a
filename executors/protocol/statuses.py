"""What the venue's status texts mean, whatever their prefix or prose."""

from typing import Final, NamedTuple

from ledger.decide import LookupFound
from ledger.values import EndReason, Settlement

_ORDER_PREFIX: Final = "ORDER_STATUS_"
_TRADE_PREFIX: Final = "TRADE_STATUS_"
_CANCELED: Final = "CANCELED"


class StatusRead(NamedTuple):
    """An order's status; `reason` is why it ended, and says nothing while LIVE."""

    found: LookupFound
    reason: EndReason


_ORDERS: Final = {
    "LIVE": StatusRead(LookupFound.LIVE, EndReason.VENUE),
    "DELAYED": StatusRead(LookupFound.LIVE, EndReason.VENUE),
    # Placed on the book after its delay passed without a match.
    "UNMATCHED": StatusRead(LookupFound.LIVE, EndReason.VENUE),
    "MATCHED": StatusRead(LookupFound.MATCHED, EndReason.FILLED),
    "INVALID": StatusRead(LookupFound.CANCELED, EndReason.VENUE),
    _CANCELED: StatusRead(LookupFound.CANCELED, EndReason.CANCELLED),
}

_CANCELED_BECAUSE: Final = {
    "MARKET_RESOLVED": EndReason.MARKET_RESOLVED,
    "EXPIRED": EndReason.EXPIRED,
    "FULLY FILLED": EndReason.KILLED,
    "FOUND TO MATCH": EndReason.KILLED,
}
"""Part of the text after CANCELED; anything else is the venue's own doing."""

_TRADES: Final = {status.value: status for status in Settlement} | {
    "MATCHED_NOT_BROADCASTED": Settlement.MATCHED
}


def order_status(text: str) -> StatusRead | None:
    """Read an order's status as REST or the stream spell it.

    Returns:
        None for a text that nothing is known about.

    Source:
        Venue documentation (user channel, OpenAPI) and captured messages; the
        text after CANCELED may be prose.
    """
    status = text.strip().upper().removeprefix(_ORDER_PREFIX)
    known = _ORDERS.get(status)
    if known is not None or not status.startswith(_CANCELED):
        return known
    for part, reason in _CANCELED_BECAUSE.items():
        if part in status:
            return StatusRead(LookupFound.CANCELED, reason)
    return StatusRead(LookupFound.CANCELED, EndReason.VENUE)


def trade_status(text: str) -> Settlement | None:
    """Read a trade's status as REST or the stream spell it.

    Returns:
        None for a text that nothing is known about.
    """
    return _TRADES.get(text.strip().upper().removeprefix(_TRADE_PREFIX))
