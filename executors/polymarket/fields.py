"""Fields of the venue's messages: text, numbers and times, exact or not at all."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from ledger.values import (
    MAX_AMOUNT,
    ONE,
    ZERO,
    Side,
    canonical,
    decimal_from,
    rounded,
)

_FIRST_MILLISECONDS: Final = 100_000_000_000
"""A Unix time from here on counts milliseconds: as seconds it is the year 5138."""

_MOST_TEXT: Final = 100

Message = Mapping[str, Any]


class UnreadableError(ValueError):
    """The message breaks the venue's format; `token_id` if its market is missing."""

    def __init__(self, reason: str, *, token_id: str = "") -> None:
        super().__init__(reason)
        self.token_id = token_id


def price_of(price: Decimal) -> Decimal:
    """An average may have more places than an amount on chain."""
    exact = rounded(price)
    if not ZERO < exact < ONE:
        msg = f"price: {shortened(price)} does not lie between 0 and 1"
        raise UnreadableError(msg)
    return canonical(exact)


def venue_time(trade: Message) -> int | None:
    """The status's time in Unix milliseconds.

    `last_update` first: stream and REST both have it, so that one status has
    one time whoever tells it.
    """
    for field in ("last_update", "timestamp", "match_time", "matchtime"):
        value = trade.get(field)
        try:
            moment = int(decimal_from(value))
        except ValueError:
            continue
        if 0 < moment < _FIRST_MILLISECONDS:
            return moment * 1000
        if 0 < moment < _FIRST_MILLISECONDS * 1000:
            return moment
    return None


def side_of(message: Message) -> Side:
    """Direction, in any case."""
    side = text_field(message, "side")
    try:
        return Side(side.upper())
    except ValueError:
        msg = f"side: {shortened(side)} is not known"
        raise UnreadableError(msg) from None


def text_field(message: Message, field: str) -> str:
    """Text that must be there and not empty."""
    value = message.get(field)
    if not isinstance(value, str) or not value:
        msg = f"{field}: missing"
        raise UnreadableError(msg)
    return value


def number_field(message: Message, field: str) -> Decimal:
    """A number that must be there."""
    number = optional_number(message, field)
    if number is None:
        msg = f"{field}: missing"
        raise UnreadableError(msg)
    return number


def optional_number(message: Message, field: str) -> Decimal | None:
    """A number as text or JSON number; empty text is what the venue has not."""
    value = message.get(field)
    if value is None or value == "":
        return None
    try:
        number = decimal_from(value)
    except ValueError as error:
        msg = f"{field}: {error}"
        raise UnreadableError(msg) from None
    if abs(number) >= MAX_AMOUNT:
        msg = f"{field}: {shortened(value)} is out of range"
        raise UnreadableError(msg)
    return canonical(number)


def shortened(value: object) -> str:
    """Somebody's value as it can stand in a reason."""
    return repr(value)[:_MOST_TEXT]
