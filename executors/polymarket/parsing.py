"""What the venue says of orders and trades, in every shape that was seen.

Tolerant of spellings, unknown fields and lists; exact in numbers.
What cannot be read is a `Quarantined`, a value and not an exception, because one
bad message must not end a stream.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from executors.polymarket.answers import decoded
from executors.protocol import order_status, trade_status
from ledger.decide import (
    LookedUp,
    LookupFound,
    OrderEnded,
    PostAnswered,
    PostOutcome,
)
from ledger.errors import InvalidInputError
from ledger.events import ObservedOrder, ObservedPosition
from ledger.intent import UserFill
from ledger.market import Market, taker_fee
from ledger.values import (
    MAX_AMOUNT,
    MICRO,
    ONE,
    ZERO,
    EndReason,
    Outcome,
    Role,
    Side,
    canonical,
    decimal_from,
    rounded,
)
from ledger.venue import VenueFact

BASE_UNITS: Final = 1_000_000

_KEEP_ALIVE: Final = ("PING", "PONG")
_ORDER_TYPES: Final = ("PLACEMENT", "UPDATE", "CANCELLATION")
_FIRST_MILLISECONDS: Final = 100_000_000_000
"""A Unix time from here on counts milliseconds: as seconds it is the year 5138."""

_MOST_TEXT: Final = 100

Message = Mapping[str, Any]


class Quarantined(NamedTuple):
    """What could not be read, and why; `token_id` if its market is not known."""

    reason: str
    raw: str
    token_id: str = ""


class Parsed(NamedTuple):
    """What one frame said, in its order, and what in it could not be read."""

    facts: tuple[VenueFact, ...]
    quarantined: tuple[Quarantined, ...] = ()


class UnreadableError(ValueError):
    """The message breaks the venue's format; `token_id` if its market is missing."""

    def __init__(self, reason: str, *, token_id: str = "") -> None:
        super().__init__(reason)
        self.token_id = token_id


class Reader:
    """Reads messages as one account sees them.

    Args:
        api_key: The account's API key, which the venue calls `owner`.
        funder: The address that holds the money.
        market_of: The market of a token; a taker's fee follows from its curve,
            because no message carries what was charged.
        size_of: The signed shares of an order, as far as they are known: against
            them a size in base units is noticed.
    """

    def __init__(
        self,
        *,
        api_key: str,
        funder: str,
        market_of: Callable[[str], Market | None],
        size_of: Callable[[str], Decimal | None],
    ) -> None:
        self._api_key = api_key.lower()
        self._funder = funder.lower()
        self._market_of = market_of
        self._size_of = size_of

    def frame(self, text: str) -> Parsed:
        """Read one frame: a message, a list of messages, or a keep-alive."""
        if text.strip() in _KEEP_ALIVE:
            return Parsed(())
        body = decoded(text)
        if body is None:
            return Parsed((), (Quarantined("not JSON", text),))
        facts: list[VenueFact] = []
        bad: list[Quarantined] = []
        for one in body if isinstance(body, list) else (body,):
            try:
                facts.extend(self._facts(one))
            except UnreadableError as error:
                raw = msgspec.json.encode(one, enc_hook=str).decode()
                bad.append(Quarantined(str(error), raw, error.token_id))
        return Parsed(tuple(facts), tuple(bad))

    def fills(self, trade: Message) -> list[UserFill]:
        """Read our part of a trade: several fills if it took several orders.

        Raises:
            UnreadableError: it cannot be read, or no part of it is ours.
        """
        try:
            return self._fills(trade)
        except InvalidInputError as error:
            raise UnreadableError(str(error)) from None

    def looked_up(self, order: Message) -> LookedUp:
        """Read an order as the answer to a look-up.

        Raises:
            UnreadableError: it cannot be read.
        """
        read = order_status(_text(order, "status"))
        if read is None:
            msg = f"status: {_cut(order['status'])} is not known"
            raise UnreadableError(msg)
        matched = self._size_matched(order)
        return LookedUp(found=read.found, reason=read.reason, size_matched=matched)

    def observed(self, order: Message) -> ObservedOrder:
        """Read an open order as it is listed.

        Raises:
            UnreadableError: it cannot be read.
        """
        name = _text(order, "id").lower()
        size = _number(order, "original_size")
        self._check_unit(name, size)
        return ObservedOrder(
            venue_order_id=name,
            market_id=_text(order, "market"),
            token_id=_text(order, "asset_id"),
            side=_side(order),
            price=_number(order, "price"),
            size=size,
            size_matched=self._size_matched(order) or ZERO,
        )

    def _facts(self, message: object) -> Iterator[VenueFact]:
        if not isinstance(message, dict):
            msg = "not an object"
            raise UnreadableError(msg)
        kind, event = message.get("type"), message.get("event_type")
        if event == "trade" or (event is None and kind == "TRADE"):
            for fill in self.fills(message):
                yield VenueFact(venue_order_id=fill.order_id, fact=fill)
        elif event == "order" or (event is None and kind in _ORDER_TYPES):
            yield self._order_fact(message)
        else:
            msg = f"event_type: {_cut(event)} is not known"
            raise UnreadableError(msg)

    def _order_fact(self, message: Message) -> VenueFact:
        name, status = _text(message, "id").lower(), _text(message, "status")
        read = order_status(status)
        if read is None:
            msg = f"status: {_cut(status)} is not known"
            raise UnreadableError(msg)
        is_ended = read.found is LookupFound.CANCELED
        if is_ended or message.get("type") == "CANCELLATION":
            ended = OrderEnded(
                reason=read.reason if is_ended else EndReason.CANCELLED,
                text=status[:_MOST_TEXT],
                size_matched=self._matched_at_end(message),
            )
            return VenueFact(venue_order_id=name, fact=ended)
        outcome = PostOutcome.LIVE
        if status.upper().endswith("DELAYED"):
            outcome = PostOutcome.DELAYED
        elif read.found is LookupFound.MATCHED:
            outcome = PostOutcome.MATCHED
        return VenueFact(venue_order_id=name, fact=PostAnswered(outcome=outcome))

    def _matched_at_end(self, message: Message) -> Decimal | None:
        """What was matched of an order that ended, if the message can be true.

        A captured cancellation claims all of it, and no trade.
        """
        matched = self._size_matched(message)
        claims_all = matched and matched == _optional(message, "original_size")
        return None if claims_all and not message.get("associate_trades") else matched

    def _size_matched(self, order: Message) -> Decimal | None:
        matched = _optional(order, "size_matched")
        size = _optional(order, "original_size")
        if size is not None:
            self._check_unit(_text(order, "id").lower(), size)
        return matched

    def _check_unit(self, order_id: str, size: Decimal) -> None:
        signed = self._size_of(order_id)
        if signed and size >= signed * BASE_UNITS:
            msg = f"size: {size:f} looks like base units of the signed {signed:f}"
            raise UnreadableError(msg)

    def _fills(self, trade: Message) -> list[UserFill]:
        status = trade_status(_text(trade, "status"))
        if status is None:
            msg = f"status: {_cut(trade['status'])} is not known"
            raise UnreadableError(msg)
        entries = self._our_entries(trade)
        if self._are_we_taker(trade, has_entries=bool(entries)):
            entries = [self._taker_entry(trade), *entries]
        if not entries:
            msg = "no part of this trade is ours"
            raise UnreadableError(msg)
        name, tx_hash = _text(trade, "id"), trade.get("transaction_hash")
        return [
            UserFill(
                trade_id=name,
                order_id=entry.order_id,
                size=entry.size,
                price=entry.price,
                fee=entry.fee,
                role=entry.role,
                status=status,
                venue_time=_venue_time(trade),
                tx_hash=tx_hash if isinstance(tx_hash, str) else "",
            )
            for entry in entries
        ]

    def _are_we_taker(self, trade: Message, *, has_entries: bool) -> bool:
        told = trade.get("trader_side")
        if told in ("TAKER", "MAKER"):
            return bool(told == "TAKER")
        return self._is_ours(trade) and not has_entries

    def _is_ours(self, entry: Message) -> bool:
        owner, address = entry.get("owner"), entry.get("maker_address")
        # The venue writes addresses in more than one case.
        return (isinstance(owner, str) and owner.lower() == self._api_key) or (
            isinstance(address, str) and address.lower() == self._funder
        )

    def _taker_entry(self, trade: Message) -> "_Entry":
        token_id = _text(trade, "asset_id")
        market = self._market_of(token_id)
        if market is None:
            msg = "asset_id: its market is not known"
            raise UnreadableError(msg, token_id=token_id)
        name = _text(trade, "taker_order_id").lower()
        size, price = _number(trade, "size"), _number(trade, "price")
        self._check_unit(name, size)
        fee = taker_fee(size, price, market.fee_rate, market.fee_exponent)
        return _Entry(name, size, _price(price), canonical(fee), Role.TAKER)

    def _our_entries(self, trade: Message) -> list["_Entry"]:
        """Our orders among the makers; never the trade's own price and side.

        A taker that buys NO matches our BUY of YES: only the entry is about us.
        """
        makers = trade.get("maker_orders") or []
        if not isinstance(makers, list):
            msg = "maker_orders: not a list"
            raise UnreadableError(msg)
        found: dict[str, _Entry] = {}
        for maker in makers:
            if not isinstance(maker, dict) or not self._is_ours(maker):
                continue
            name = _text(maker, "order_id").lower()
            size, price = _number(maker, "matched_amount"), _number(maker, "price")
            self._check_unit(name, size)
            entry = _Entry(name, size, _price(price), ZERO, Role.MAKER)
            found[name] = entry.joined(found.get(name))
        return list(found.values())


class _Entry(NamedTuple):
    """Our part of a trade."""

    order_id: str
    size: Decimal
    price: Decimal
    fee: Decimal
    role: Role

    def joined(self, other: "_Entry | None") -> "_Entry":
        """One entry for an order that a trade took twice."""
        if other is None:
            return self
        size = self.size + other.size
        money = self.size * self.price + other.size * other.price
        return self._replace(size=size, price=_price(money / size))


def position_of(
    row: Message, market_of: Callable[[str], Market | None]
) -> ObservedPosition | None:
    """Read a row of the Data API, either version; `None` if nothing is held.

    Raises:
        UnreadableError: it cannot be read.
    """
    is_new = "current_size" in row
    token_id = _text(row, "token_id" if is_new else "asset")
    size = _number(row, "current_size" if is_new else "size")
    if size < ZERO:
        msg = "size: below 0"
        raise UnreadableError(msg)
    # An index of floats: what lies beyond the token's resolution is noise.
    shares = canonical(size // MICRO * MICRO)
    if not shares:
        return None
    market = market_of(token_id)
    outcome = None if market is None else market.outcome_of(token_id)
    if market is None or outcome is None:
        market_id = _text(row, "condition_id" if is_new else "conditionId")
        index = row.get("outcome_index" if is_new else "outcomeIndex")
        if index not in (0, 1):
            msg = f"outcome_index: {_cut(index)} is not known"
            raise UnreadableError(msg)
        outcome = Outcome.NO if index else Outcome.YES
    else:
        market_id = market.market_id
    return ObservedPosition(market_id=market_id, outcome=outcome, size=shares)


def _price(price: Decimal) -> Decimal:
    """An average may have more places than an amount on chain."""
    exact = rounded(price)
    if not ZERO < exact < ONE:
        msg = f"price: {_cut(price)} does not lie between 0 and 1"
        raise UnreadableError(msg)
    return canonical(exact)


def _venue_time(trade: Message) -> int | None:
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


def _side(message: Message) -> Side:
    try:
        return Side(_text(message, "side").upper())
    except ValueError:
        msg = f"side: {_cut(message['side'])} is not known"
        raise UnreadableError(msg) from None


def _text(message: Message, field: str) -> str:
    value = message.get(field)
    if not isinstance(value, str) or not value:
        msg = f"{field}: missing"
        raise UnreadableError(msg)
    return value


def _number(message: Message, field: str) -> Decimal:
    number = _optional(message, field)
    if number is None:
        msg = f"{field}: missing"
        raise UnreadableError(msg)
    return number


def _optional(message: Message, field: str) -> Decimal | None:
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
        msg = f"{field}: {_cut(value)} is out of range"
        raise UnreadableError(msg)
    return canonical(number)


def _cut(value: object) -> str:
    return repr(value)[:_MOST_TEXT]
