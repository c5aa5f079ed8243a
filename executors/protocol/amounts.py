"""Exact amounts of what is signed, from `Decimal` to base units (10^-6)."""

from decimal import Decimal

from executors import rules
from executors.rules import Amounts
from ledger.values import Side

__all__ = ["Amounts", "market_amounts", "order_amounts"]


def order_amounts(
    *, side: Side, price: Decimal, size: Decimal, tick: Decimal
) -> Amounts:
    """Amounts of a limit order: BUY gives pUSD for shares, SELL the reverse.

    `size` is in shares and is rounded down to 2 places.

    Raises:
        VenueRejectedError: the tick size is unknown, the price is off its grid,
            or nothing is left of the size.
    """
    return rules.order_amounts(side, price, size, tick)


def market_amounts(
    *, side: Side, price: Decimal, amount: Decimal, tick: Decimal
) -> Amounts:
    """Amounts of a market order: `amount` is pUSD for a BUY, shares for a SELL.

    Raises:
        VenueRejectedError: as for `order_amounts`.
    """
    raise NotImplementedError
