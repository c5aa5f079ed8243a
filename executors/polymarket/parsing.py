"""What the venue says of orders and trades, in every shape that was seen.

Tolerant of spellings, unknown fields and lists; exact in numbers.
What cannot be read is a `Quarantined`, a value and not an exception, because one
bad message must not end a stream.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from executors.polymarket.answers import decoded
from executors.polymarket.fields import (
    Message,
    UnreadableError,
    number_field,
    optional_number,
    price_of,
    shortened,
    side_of,
    text_field,
    venue_time,
)
from executors.protocol import order_status, trade_status
from ledger.decide import (
    LookedUp,
    LookupFound,
    OrderEnded,
    PostAnswered,
    PostOutcome,
)
from ledger.errors import InvalidInputError
from ledger.events import ObservedOrder
from ledger.intent import UserFill
from ledger.market import Market, taker_fee
from ledger.values import ZERO, EndReason, Role, canonical
from ledger.venue import VenueFact

BASE_UNITS: Final = 1_000_000

_KEEP_ALIVE: Final = ("PING", "PONG")
_NEVER_REST: Final = ("FAK", "FOK")
_ORDER_TYPES: Final = ("PLACEMENT", "UPDATE", "CANCELLATION")
_MOST_TEXT: Final = 100


class Quarantined(NamedTuple):
    """What could not be read, and why; `token_id` if its market is not known."""

    reason: str
    raw: str
    token_id: str = ""


class Parsed(NamedTuple):
    """What one frame said, in its order, and what in it could not be read."""

    facts: tuple[VenueFact, ...]
    quarantined: tuple[Quarantined, ...] = ()


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
        read = order_status(text_field(order, "status"))
        if read is None:
            msg = f"status: {shortened(order['status'])} is not known"
            raise UnreadableError(msg)
        matched = self._size_matched(order)
        reason = _end_reason(order, read.reason)
        return LookedUp(found=read.found, reason=reason, size_matched=matched)

    def observed(self, order: Message) -> ObservedOrder:
        """Read an open order as it is listed.

        Raises:
            UnreadableError: it cannot be read.
        """
        name = text_field(order, "id").lower()
        size = number_field(order, "original_size")
        self._check_unit(name, size)
        return ObservedOrder(
            venue_order_id=name,
            market_id=text_field(order, "market"),
            token_id=text_field(order, "asset_id"),
            side=side_of(order),
            price=number_field(order, "price"),
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
            msg = f"event_type: {shortened(event)} is not known"
            raise UnreadableError(msg)

    def _order_fact(self, message: Message) -> VenueFact:
        name, status = text_field(message, "id").lower(), text_field(message, "status")
        read = order_status(status)
        if read is None:
            msg = f"status: {shortened(status)} is not known"
            raise UnreadableError(msg)
        is_ended = read.found is LookupFound.CANCELED
        if is_ended or message.get("type") == "CANCELLATION":
            reason = read.reason if is_ended else EndReason.CANCELLED
            ended = OrderEnded(
                reason=_end_reason(message, reason),
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
        claims_all = matched and matched == optional_number(message, "original_size")
        return None if claims_all and not message.get("associate_trades") else matched

    def _size_matched(self, order: Message) -> Decimal | None:
        matched = optional_number(order, "size_matched")
        size = optional_number(order, "original_size")
        if size is not None:
            self._check_unit(text_field(order, "id").lower(), size)
        return matched

    def _check_unit(self, order_id: str, size: Decimal) -> None:
        signed = self._size_of(order_id)
        if signed and size >= signed * BASE_UNITS:
            msg = f"size: {size:f} looks like base units of the signed {signed:f}"
            raise UnreadableError(msg)

    def _fills(self, trade: Message) -> list[UserFill]:
        status = trade_status(text_field(trade, "status"))
        if status is None:
            msg = f"status: {shortened(trade['status'])} is not known"
            raise UnreadableError(msg)
        entries = self._our_entries(trade)
        if self._are_we_taker(trade, has_entries=bool(entries)):
            entries = [self._taker_entry(trade), *entries]
        if not entries:
            msg = "no part of this trade is ours"
            raise UnreadableError(msg)
        name, tx_hash = text_field(trade, "id"), trade.get("transaction_hash")
        return [
            UserFill(
                trade_id=name,
                order_id=entry.order_id,
                size=entry.size,
                price=entry.price,
                fee=entry.fee,
                role=entry.role,
                status=status,
                venue_time=venue_time(trade),
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
        token_id = text_field(trade, "asset_id")
        market = self._market_of(token_id)
        if market is None:
            msg = "asset_id: its market is not known"
            raise UnreadableError(msg, token_id=token_id)
        name = text_field(trade, "taker_order_id").lower()
        size, price = number_field(trade, "size"), number_field(trade, "price")
        self._check_unit(name, size)
        fee = taker_fee(size, price, market.fee_rate, market.fee_exponent)
        return _Entry(name, size, price_of(price), canonical(fee), Role.TAKER)

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
            name = text_field(maker, "order_id").lower()
            size, price = (
                number_field(maker, "matched_amount"),
                number_field(maker, "price"),
            )
            self._check_unit(name, size)
            entry = _Entry(name, size, price_of(price), ZERO, Role.MAKER)
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
        return self._replace(size=size, price=price_of(money / size))


def _end_reason(order: Message, told: EndReason) -> EndReason:
    """Why an order ended: what may not rest is killed, at nobody's wish.

    The venue calls the rest of such an order canceled, in an update.
    """
    is_killed = order.get("order_type") in _NEVER_REST or order.get("type") == "UPDATE"
    return EndReason.KILLED if is_killed and told is EndReason.CANCELLED else told
