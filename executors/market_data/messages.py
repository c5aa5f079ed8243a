"""One message of the market channel, already decoded, into facts.

Two shapes of `price_change` exist: the older one names one token and lists
`changes`, the newer one lists `price_changes` that each name their token.
A `book` without `event_type` is the answer of the public REST endpoint.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from executors.market_data.facts import (
    BestBidAsk,
    BookSnapshot,
    Fact,
    Ignored,
    LastTrade,
    LevelChange,
    MarketResolved,
    PriceChange,
    TickSizeChange,
)
from ledger.book import Level
from ledger.values import (
    MAX_AMOUNT,
    MAX_PLACES,
    ONE,
    ZERO,
    Side,
    decimal_from,
    places_of,
)

Message = Mapping[str, Any]

_MAX_TEXT: Final = 128
_MAX_TIME_DIGITS: Final = 14  # up to the year 5138: microseconds stand out
_MAX_LEVELS: Final = 100_000  # the finest grid has 9,999 prices


class MessageError(ValueError):
    """The message breaks the venue's format; `token_id` if only one book is hit."""

    def __init__(self, field: str, reason: str, *, token_id: str = "") -> None:
        super().__init__(f"{field}: {reason}")
        self.token_id = token_id


def is_about_book(message: Message) -> bool:
    """Whether losing this message means losing track of a book."""
    kind = message.get("event_type")
    return kind in ("book", "price_change") or (kind is None and _has_levels(message))


def facts_of(message: Message) -> Iterator[Fact | MessageError]:
    """Read one message.

    Yields:
        Its facts; for a `price_change` also an error per token whose entries
        cannot be read, so that the other tokens' entries count.

    Raises:
        MessageError: nothing of it can be read.
    """
    kind = message.get("event_type")
    if kind is None and _has_levels(message):
        kind = "book"
    if not isinstance(kind, str) or not kind:
        field = "event_type"
        raise MessageError(field, "missing")
    if kind == "price_change":
        yield from _price_changes(message)
    elif reader := _READERS.get(kind):
        yield reader(message)
    else:
        yield Ignored(kind[:_MAX_TEXT])


def _has_levels(message: Message) -> bool:
    return "asset_id" in message and bool(message.keys() & {"bids", "asks"})


# --- messages ---------------------------------------------------------------------


def _book(message: Message) -> BookSnapshot:
    return BookSnapshot(
        market_id=_text(message, "market"),
        token_id=_text(message, "asset_id"),
        timestamp_ms=_time(message),
        bids=_levels(message, "bids", "buys"),
        asks=_levels(message, "asks", "sells"),
        hash=_optional_text(message, "hash"),
        tick_size=_optional(message, "tick_size", _tick),
        last_trade_price=_optional(message, "last_trade_price", _any_price),
    )


def _price_changes(message: Message) -> Iterator[PriceChange | MessageError]:
    market_id, timestamp_ms = _text(message, "market"), _time(message)
    for token_id, entries in _entries_by_token(message).items():
        try:
            levels = tuple(map(_level_change, entries))
            last = entries[-1]
            yield PriceChange(
                market_id=market_id,
                token_id=token_id,
                timestamp_ms=timestamp_ms,
                levels=levels,
                hash=_optional_text({**message, **last}, "hash"),
                best_bid=_optional(last, "best_bid", _any_price),
                best_ask=_optional(last, "best_ask", _any_price),
            )
        except MessageError as error:
            error.token_id = token_id
            yield error


def _entries_by_token(message: Message) -> dict[str, list[Message]]:
    """Entries of either shape under their token, in the order of the frame."""
    if "price_changes" in message:
        entries = _list(message, "price_changes")
        tokens = [_text(entry, "asset_id") for entry in entries]
    else:
        entries = _list(message, "changes")
        tokens = [_text(message, "asset_id")] * len(entries)
    grouped: dict[str, list[Message]] = {}
    for token_id, entry in zip(tokens, entries, strict=True):
        grouped.setdefault(token_id, []).append(entry)
    return grouped


def _level_change(entry: Message) -> LevelChange:
    return LevelChange(
        _side(entry), _number(entry, "price", _price), _number(entry, "size", _size)
    )


def _last_trade(message: Message) -> LastTrade:
    return LastTrade(
        market_id=_text(message, "market"),
        token_id=_text(message, "asset_id"),
        timestamp_ms=_time(message),
        price=_number(message, "price", _any_price),
        size=_number(message, "size", _size),
        side=_side(message),
        fee_rate_bps=_optional(message, "fee_rate_bps", _amount),
        tx_hash=_optional_text(message, "transaction_hash"),
    )


def _tick_size_change(message: Message) -> TickSizeChange:
    return TickSizeChange(
        market_id=_text(message, "market"),
        token_id=_text(message, "asset_id"),
        timestamp_ms=_time(message),
        old=_optional(message, "old_tick_size", _tick),
        new=_number(message, "new_tick_size", _tick),
    )


def _best_bid_ask(message: Message) -> BestBidAsk:
    return BestBidAsk(
        market_id=_text(message, "market"),
        token_id=_text(message, "asset_id"),
        timestamp_ms=_time(message),
        best_bid=_optional(message, "best_bid", _any_price),
        best_ask=_optional(message, "best_ask", _any_price),
    )


def _market_resolved(message: Message) -> MarketResolved:
    return MarketResolved(
        market_id=_text(message, "market"),
        timestamp_ms=_time(message),
        winning_token=_text(message, "winning_asset_id"),
        winning_outcome=_optional_text(message, "winning_outcome"),
        token_ids=_texts(message, "assets_ids"),
        outcomes=_texts(message, "outcomes"),
    )


_READERS: Final[Mapping[str, Callable[[Message], Fact]]] = {
    "book": _book,
    "last_trade_price": _last_trade,
    "tick_size_change": _tick_size_change,
    "best_bid_ask": _best_bid_ask,
    "market_resolved": _market_resolved,
}


# --- fields -----------------------------------------------------------------------


def _text(message: Message, field: str) -> str:
    value = message.get(field)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise MessageError(field, f"must be text of 1 to {_MAX_TEXT} characters")
    return value


def _optional_text(message: Message, field: str) -> str:
    return _text(message, field) if message.get(field) else ""


def _texts(message: Message, field: str) -> tuple[str, ...]:
    values = message.get(field) or []
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise MessageError(field, "must be a list of texts")
    return tuple(values)


def _list(message: Message, field: str) -> list[Message]:
    values = message.get(field)
    if not isinstance(values, list) or len(values) > _MAX_LEVELS:
        raise MessageError(field, "must be a list")
    if not all(isinstance(value, dict) for value in values):
        raise MessageError(field, "must be a list of objects")
    return values


def _time(message: Message) -> int:
    """Unix milliseconds: digits as text, or a JSON integer."""
    value = message.get("timestamp")
    if isinstance(value, str) and value.isdecimal() and len(value) <= _MAX_TIME_DIGITS:
        value = int(value)
    # An exact type, because True is an int too.
    if type(value) is not int or not 0 <= value < 10**_MAX_TIME_DIGITS:
        field = "timestamp"
        raise MessageError(field, "must be Unix milliseconds")
    return value


def _side(message: Message) -> Side:
    value = message.get("side")
    if value not in ("BUY", "SELL"):
        field = "side"
        raise MessageError(field, "must be BUY or SELL")
    return Side(value)


def _levels(message: Message, field: str, old_field: str) -> tuple[Level, ...]:
    """Levels of one side; documentation of 2024 called them buys and sells."""
    name = old_field if field not in message and old_field in message else field
    levels = tuple(
        Level(_number(entry, "price", _price), _number(entry, "size", _size))
        for entry in _list(message, name)
    )
    if len({price for price, _ in levels}) < len(levels):
        raise MessageError(name, "names a price twice")
    return levels


Rule = Callable[[Decimal], str]
"""Says what is wrong with a number; empty if nothing is."""


def _number(message: Message, field: str, rule: Rule) -> Decimal:
    if field not in message:
        raise MessageError(field, "missing")
    try:
        number = decimal_from(message[field])
    except ValueError as error:
        raise MessageError(field, str(error)) from None
    if wrong := rule(number):
        raise MessageError(field, wrong)
    return number


def _optional(message: Message, field: str, rule: Rule) -> Decimal | None:
    """A number that may be absent, null or empty: a fresh book has no trade."""
    if message.get(field) in (None, ""):
        return None
    return _number(message, field, rule)


def _any_price(number: Decimal) -> str:
    """A price as told, which may be an average or an end of the scale."""
    return "" if ZERO <= number <= ONE else "must lie in [0, 1]"


def _price(number: Decimal) -> str:
    return _any_price(number) or _places(number)


def _size(number: Decimal) -> str:
    return _amount(number) or _places(number)


def _amount(number: Decimal) -> str:
    return "" if ZERO <= number < MAX_AMOUNT else "must be at least 0 and below 10^12"


def _tick(number: Decimal) -> str:
    return "" if ZERO < number < ONE else "must lie between 0 and 1"


def _places(number: Decimal) -> str:
    # More digits than the chain knows would make sums over a book inexact.
    if places_of(number) > MAX_PLACES:
        return f"must have at most {MAX_PLACES} decimal places"
    return ""
