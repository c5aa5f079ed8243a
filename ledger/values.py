"""Exact values and the vocabulary of the order's life.

Numbers are `Decimal` with at most 6 places, the resolution of both outcome
tokens and pUSD on chain.
They travel as strings; a float is refused where it enters, never rounded where
it lands.
"""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
MICRO: Final = Decimal("0.000001")
"""The smallest amount of shares or pUSD that exists on chain."""

MAX_PLACES: Final = 6
MAX_AMOUNT: Final = Decimal("1000000000000")
"""Exclusive bound of any size or amount: 18 digits fit the default context."""

_MIN_AMOUNT: Final = -MAX_AMOUNT
_MAX_TEXT: Final = 32
_MAX_EXPONENT: Final = 1000


class Side(StrEnum):
    """Direction of an order or a fill, seen from our account."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        """The side that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Outcome(StrEnum):
    """One of the two tokens of a market; YES is the market's first token."""

    YES = "YES"
    NO = "NO"

    @property
    def complement(self) -> "Outcome":
        """The other token of the same market."""
        return Outcome.NO if self is Outcome.YES else Outcome.YES


class TimeInForce(StrEnum):
    """How long an order may work at the venue."""

    GTC = "GTC"
    GTD = "GTD"
    FOK = "FOK"
    FAK = "FAK"

    @property
    def rests(self) -> bool:
        """Whether an unfilled remainder goes to the book."""
        return self in (TimeInForce.GTC, TimeInForce.GTD)


class OrderStatus(StrEnum):
    """The one label derived from order phase and trade settlement."""

    PENDING = "PENDING"
    PLACED = "PLACED"
    MATCHED = "MATCHED"
    PARTIAL_FILL = "PARTIAL_FILL"
    MINED = "MINED"
    CONFIRMED = "CONFIRMED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


class Phase(StrEnum):
    """The order axis: what the order is doing at the venue."""

    PENDING = "PENDING"
    WORKING = "WORKING"
    DONE = "DONE"


class EndReason(StrEnum):
    """Why a done order is done."""

    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    KILLED = "killed"
    MARKET_RESOLVED = "market_resolved"
    VENUE = "venue"
    REJECTED = "rejected"
    NEVER_PLACED = "never_placed"


class Settlement(StrEnum):
    """The settlement axis of one trade; CONFIRMED and FAILED are final."""

    MATCHED = "MATCHED"
    RETRYING = "RETRYING"
    MINED = "MINED"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Whether the chain has spoken its last word on the trade."""
        return self in (Settlement.CONFIRMED, Settlement.FAILED)


class Role(StrEnum):
    """Whether our order made or took the liquidity of a trade."""

    MAKER = "maker"
    TAKER = "taker"


class TradingMode(StrEnum):
    """What the ledger accepts at all."""

    NORMAL = "normal"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


def decimal_from(value: object) -> Decimal:
    """Read an exact number through the one door there is.

    Args:
        value: A `Decimal`, an `int`, or plain decimal text such as "0.45".

    Returns:
        A finite `Decimal`, unrounded.

    Raises:
        ValueError: `value` is a float, a bool, not a number, not finite, text
            with an exponent or more than 32 characters, or so far from 1 that
            no arithmetic should meet it.
    """
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, bool) or not isinstance(value, int | str):
        kind = type(value).__name__
        msg = f"must be a decimal number as text, not {kind}"
        raise ValueError(msg)
    else:
        text = str(value) if isinstance(value, str) or abs(value) < MAX_AMOUNT else ""
        if not 0 < len(text) <= _MAX_TEXT or not text.isascii():
            msg = f"must be a decimal number of at most {_MAX_TEXT} characters"
            raise ValueError(msg)
        if not text.lstrip("-").replace(".", "", 1).isdigit():
            msg = "must be a plain decimal number such as 0.45"
            raise ValueError(msg)
        try:
            number = Decimal(text)
        except InvalidOperation:
            msg = "must be a plain decimal number such as 0.45"
            raise ValueError(msg) from None
    if not number.is_finite():
        msg = "must be a finite number"
        raise ValueError(msg)
    if number and abs(number.adjusted()) > _MAX_EXPONENT:
        # A JSON number may say 1e99999999: as an int that is gigabytes.
        msg = "must be a number of ordinary size"
        raise ValueError(msg)
    return number


def places_of(number: Decimal) -> int:
    """Count the decimal places that carry information (0.500 has one)."""
    exponent = number.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def canonical(number: Decimal) -> Decimal:
    """Strip trailing zeros without falling into exponent notation."""
    # Adding 0 makes a whole number of 1E+2, and 0 of -0.
    return number.normalize() + ZERO


def text_of(number: Decimal) -> str:
    """Write a number the one way it is written everywhere: plain, no zeros."""
    return f"{canonical(number):f}"


def rounded(number: Decimal) -> Decimal:
    """Round to 6 places, half to even: for averages, which are not amounts."""
    return number.quantize(MICRO, rounding=ROUND_HALF_EVEN)


def _bounded(value: object, low: Decimal, high: Decimal, bounds: str) -> Decimal:
    number = decimal_from(value)
    if not low < number < high:
        raise ValueError(bounds)
    rest = number % MICRO
    if rest:
        msg = f"must have at most {MAX_PLACES} decimal places"
        raise ValueError(msg)
    # The rest has as many places as the longer of the two: zeros are cut off.
    return number if rest.same_quantum(MICRO) else number.quantize(MICRO)


def price_from(value: object) -> Decimal:
    """Read a price: pUSD per share, strictly between 0 and 1."""
    return _bounded(value, ZERO, ONE, "must lie between 0 and 1")


def shares_from(value: object) -> Decimal:
    """Read a size: outcome shares, above 0, at most 6 places."""
    return _bounded(value, ZERO, MAX_AMOUNT, "must be above 0 and below 10^12")


def money_from(value: object) -> Decimal:
    """Read a signed amount of pUSD with at most 6 places."""
    return _bounded(value, _MIN_AMOUNT, MAX_AMOUNT, "must be below 10^12")


def _schema(description: str, pattern: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": pattern, "description": description}
    )


_AS_TEXT: Any = PlainSerializer(text_of, return_type=str, when_used="json")
_UNSIGNED = r"^[0-9]{1,12}(\.[0-9]{1,6})?$"

Price = Annotated[
    Decimal,
    PlainValidator(price_from),
    _AS_TEXT,
    _schema("pUSD per share, strictly between 0 and 1", r"^0?\.[0-9]{1,6}$"),
]
"""pUSD per share, strictly between 0 and 1."""

Shares = Annotated[
    Decimal,
    PlainValidator(shares_from),
    _AS_TEXT,
    _schema("outcome shares, above 0", _UNSIGNED),
]
"""Outcome shares, above 0; 6 places are the token's on-chain resolution."""

Money = Annotated[
    Decimal,
    PlainValidator(money_from),
    _AS_TEXT,
    _schema("signed amount of pUSD", r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$"),
]
"""Signed amount of pUSD with at most 6 places."""
