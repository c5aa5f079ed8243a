"""Exact amounts of what is signed, from `Decimal` to base units (10^-6)."""

from decimal import Decimal
from typing import Final

from executors import rules
from executors.rules import Amounts
from ledger.errors import VenueRejectedError
from ledger.market import TICKS
from ledger.values import ONE, ZERO, Side, places_of, text_of

__all__ = ["Amounts", "market_amounts", "order_amounts"]

_FINEST: Final = min(TICKS)


def order_amounts(
    *, side: Side, price: Decimal, size: Decimal, tick: Decimal
) -> Amounts:
    """Amounts of a limit order: BUY gives pUSD for shares, SELL the reverse.

    `size` is in shares and is rounded down to 2 places; nothing else is rounded,
    so the implied price is the limit itself.

    Raises:
        VenueRejectedError: code tick_size for an unknown tick or a price off its
            grid, min_size if nothing is left of the size.
    """
    _check_price(price, tick)
    amounts = rules.order_amounts(side, price, size, tick)
    if amounts.size <= ZERO:
        msg = f"Size ({text_of(size)}) is less than what can be signed"
        raise VenueRejectedError(msg, code="min_size")
    return amounts


def market_amounts(
    *, side: Side, price: Decimal, amount: Decimal, tick: Decimal
) -> Amounts:
    """Amounts of a market order: `amount` is pUSD for a BUY, shares for a SELL.

    `amount` is rounded down to 2 places, the shares of a BUY to 2 more than the
    tick has. The implied price of a BUY is then never below its limit, or asks at
    the limit could not be taken, and never as high as the next price of any tick.

    Raises:
        VenueRejectedError: as for `order_amounts`; code amounts if so small a
            BUY cannot keep its limit.

    Source:
        polymarket-client 0.14.0; compared in tests.
    """
    if side is Side.SELL:
        return order_amounts(side=side, price=price, size=amount, tick=tick)
    _check_price(price, tick)
    money = rules.signed_size(amount)
    shares = _floor_quotient(money, price, ONE.scaleb(-places_of(tick) - 2))
    if not shares or money >= (price + _FINEST) * shares:
        msg = f"invalid amounts, {text_of(money)} pUSD cannot keep {text_of(price)}"
        raise VenueRejectedError(msg, code="amounts")
    return Amounts(shares, rules.base_units(money), rules.base_units(shares))


def _floor_quotient(money: Decimal, price: Decimal, step: Decimal) -> Decimal:
    """Divide and round down in one step: a rounded quotient could be too high."""
    return (money // (price * step)) * step


def _check_price(price: Decimal, tick: Decimal) -> None:
    if tick in TICKS and tick <= price <= ONE - tick and not price % tick:
        return
    msg = f"Price ({text_of(price)}) breaks minimum tick size rule: {text_of(tick)}"
    raise VenueRejectedError(msg, code="tick_size")
