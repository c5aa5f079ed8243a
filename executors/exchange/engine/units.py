"""Base units (10^-6) into amounts and text, and the rounding of money."""

from decimal import Decimal

from executors.exchange.engine.types import UNIT
from ledger.values import text_of


def decimal_of(units: int) -> Decimal:
    """Base units as pUSD, shares, or a price."""
    return Decimal(units).scaleb(-6)


def text(units: int) -> str:
    """Base units as plain decimal text: 1500000 is "1.5"."""
    return text_of(decimal_of(units))


def floor_cost(shares: int, price: int) -> int:
    """What shares cost at a price, rounded down: what a maker pays."""
    return shares * price // UNIT


def ceil_cost(shares: int, price: int) -> int:
    """What shares cost at a price, rounded up: what a maker gets, or reserves."""
    return -(-shares * price // UNIT)


def seconds_text(unix_ms: int) -> str:
    """Unix seconds as the venue writes them."""
    return str(unix_ms // 1000)
