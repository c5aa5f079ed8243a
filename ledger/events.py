"""The facts the log is made of: past tense, immutable, no storage inside.

A class names itself once, in `TOPIC`; stored names survive any move or rename.
A changed meaning is a new class with a new topic, and the old one stays
readable.
The encoding is JSON by msgspec: every number a string, unknown fields refused.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final

import msgspec

from ledger.market import Market
from ledger.values import (
    MAX_AMOUNT,
    MAX_PLACES,
    MICRO,
    ONE,
    ZERO,
    EndReason,
    Outcome,
    Role,
    Settlement,
    Side,
    TimeInForce,
)

SYSTEM_STREAM: Final = "system"
RECONCILIATION_STREAM: Final = "reconciliation"


def order_stream(order_id: str) -> str:
    """The stream of one order."""
    return f"order-{order_id}"


def account_stream(account: str) -> str:
    """The stream of one account: what moves shares and cash outside orders."""
    return f"account-{account}"


class Event(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False
):
    """What every event carries.

    Events hold no references to each other, so the collector need not look.

    `at` is the injected clock's UTC time.
    `actor` is who acted: a strategy, "system", "reconciler", "operator".
    `source` is on whose word: command, post, stream, lookup, sweep, paper,
    import, inferred.
    `correlation_id` ties events of one intent together; `causation` names the
    command or the evidence.
    """

    TOPIC: ClassVar[str] = ""

    at: datetime
    actor: str = "system"
    source: str = "command"
    correlation_id: str = ""
    causation: str = ""


def _check_price_and_size(price: Decimal, size: Decimal) -> None:
    if not ZERO < price < ONE:
        msg = f"price {price} is not between 0 and 1"
        raise ValueError(msg)
    if not size > ZERO:
        msg = f"size {size} is not above 0"
        raise ValueError(msg)


def _check_size(size: Decimal) -> None:
    if not size > ZERO:
        msg = f"size {size} is not above 0"
        raise ValueError(msg)


def _check_amounts(**amounts: Decimal) -> None:
    """Refuse what no chain can hold; one bad number would spoil every sum."""
    for name, amount in amounts.items():
        # Finite comes first: NaN cannot be compared, infinity not divided.
        if not isinstance(amount, Decimal) or not amount.is_finite():
            msg = f"{name}: {amount} is not a finite decimal number"
            raise ValueError(msg)
        if abs(amount) >= MAX_AMOUNT or amount % MICRO:
            msg = (
                f"{name}: {amount} is not below 10^12"
                f" with at most {MAX_PLACES} decimal places"
            )
            raise ValueError(msg)


class OrderEvent(Event, frozen=True, kw_only=True, gc=False):
    """An event of one order's stream."""


class OrderRequested(OrderEvent, frozen=True, kw_only=True, gc=False):
    """A strategy's intent was received; it stays here as it was given.

    `fee_rate` is the market's taker fee rate at that time.
    """

    TOPIC: ClassVar[str] = "order.requested.v1"

    strategy: str
    idempotency_key: str
    fingerprint: str
    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    size: Decimal
    price: Decimal
    time_in_force: TimeInForce
    post_only: bool = False
    expires_at: datetime | None = None
    max_slippage_bps: Decimal | None = None
    fee_rate: Decimal = ZERO
    note: str = ""

    def __post_init__(self) -> None:
        _check_price_and_size(self.price, self.size)


class OrderRefused(OrderEvent, frozen=True, kw_only=True, gc=False):
    """We refused the intent; `evidence` is the limit and the value it met."""

    TOPIC: ClassVar[str] = "order.refused.v1"

    by: str
    code: str
    text: str
    evidence: dict[str, str] = {}


class OrderResized(OrderEvent, frozen=True, kw_only=True, gc=False):
    """Risk capped the size; the intent stays as received."""

    TOPIC: ClassVar[str] = "order.resized.v1"

    size: Decimal
    requested_size: Decimal
    code: str
    text: str

    def __post_init__(self) -> None:
        _check_size(self.size)


class OrderPrepared(OrderEvent, frozen=True, kw_only=True, gc=False):
    """The order is signed; its venue id is known before anything is sent.

    `size` is what was signed, in shares; `maker_amount` and `taker_amount` are
    the signed base units (10^-6).
    `signed_order` is the complete order and never leaves the process.
    """

    TOPIC: ClassVar[str] = "order.prepared.v1"

    venue_order_id: str
    size: Decimal
    maker_amount: int
    taker_amount: int
    signed_order: str
    evidence: dict[str, str] = {}

    def __post_init__(self) -> None:
        _check_size(self.size)


class OrderOutcomeUnknown(OrderEvent, frozen=True, kw_only=True, gc=False):
    """The post's answer proves nothing; the order may exist."""

    TOPIC: ClassVar[str] = "order.outcome_unknown.v1"

    reason: str


class OrderReposted(OrderEvent, frozen=True, kw_only=True, gc=False):
    """The stored bytes go out again: nobody who was asked had the order.

    Earlier probes prove nothing about this post.
    """

    TOPIC: ClassVar[str] = "order.reposted.v1"


class OrderProbed(OrderEvent, frozen=True, kw_only=True, gc=False):
    """An answered question about an unproven order found nothing.

    `probe` is "lookup" (by order id) or "sweep" (of all trades).
    """

    TOPIC: ClassVar[str] = "order.probed.v1"

    probe: str


class OrderPlaced(OrderEvent, frozen=True, kw_only=True, gc=False):
    """The venue has the order: on its book, matching, or in a matching delay."""

    TOPIC: ClassVar[str] = "order.placed.v1"

    delayed: bool = False


class OrderRejected(OrderEvent, frozen=True, kw_only=True, gc=False):
    """The venue refused the order."""

    TOPIC: ClassVar[str] = "order.rejected.v1"

    code: str
    text: str


class FillMatched(OrderEvent, frozen=True, kw_only=True, gc=False):
    """A trade matched this order off chain; nothing has moved yet.

    `size` in shares, `price` in pUSD per share, `fee` in pUSD.
    `venue_time` is the venue's own timestamp in Unix milliseconds.
    """

    TOPIC: ClassVar[str] = "fill.matched.v1"

    trade_id: str
    strategy: str
    market_id: str
    outcome: Outcome
    side: Side
    size: Decimal
    price: Decimal
    fee: Decimal
    role: Role
    venue_time: int | None = None
    tx_hash: str = ""

    def __post_init__(self) -> None:
        _check_price_and_size(self.price, self.size)


class SettlementEvent(OrderEvent, frozen=True, kw_only=True, gc=False):
    """How far one trade of this order has settled on chain."""

    SETTLEMENT: ClassVar[Settlement] = Settlement.MATCHED

    trade_id: str
    venue_time: int | None = None
    tx_hash: str = ""


class FillMined(SettlementEvent, frozen=True, kw_only=True, gc=False):
    """The trade is in a block, which may still be reorganised."""

    TOPIC: ClassVar[str] = "fill.mined.v1"
    SETTLEMENT: ClassVar[Settlement] = Settlement.MINED


class FillRetrying(SettlementEvent, frozen=True, kw_only=True, gc=False):
    """The transaction failed and is being sent again."""

    TOPIC: ClassVar[str] = "fill.retrying.v1"
    SETTLEMENT: ClassVar[Settlement] = Settlement.RETRYING


class FillConfirmed(SettlementEvent, frozen=True, kw_only=True, gc=False):
    """The trade is final on chain."""

    TOPIC: ClassVar[str] = "fill.confirmed.v1"
    SETTLEMENT: ClassVar[Settlement] = Settlement.CONFIRMED


class FillVoided(SettlementEvent, frozen=True, kw_only=True, gc=False):
    """The trade will never settle: the fill is void."""

    TOPIC: ClassVar[str] = "fill.voided.v1"
    SETTLEMENT: ClassVar[Settlement] = Settlement.FAILED


class OrderCancelRequested(OrderEvent, frozen=True, kw_only=True, gc=False):
    """Somebody wants the order cancelled; the venue has not answered yet."""

    TOPIC: ClassVar[str] = "order.cancel_requested.v1"

    reason: str = "requested"


class OrderCancelRefused(OrderEvent, frozen=True, kw_only=True, gc=False):
    """The venue did not cancel; ambiguous until a look-up decides."""

    TOPIC: ClassVar[str] = "order.cancel_refused.v1"

    text: str


class OrderCancelled(OrderEvent, frozen=True, kw_only=True, gc=False):
    """The venue says the order no longer works.

    `size_matched` is what the venue says was matched, if it said so.
    """

    TOPIC: ClassVar[str] = "order.cancelled.v1"

    reason: EndReason
    text: str = ""
    size_matched: Decimal | None = None


class OrderDustClosed(OrderEvent, frozen=True, kw_only=True, gc=False):
    """The venue closed the order as matched with a residue left unfilled.

    `tolerance` is the largest residue that counts as dust, in shares.
    """

    TOPIC: ClassVar[str] = "order.dust_closed.v1"

    tolerance: Decimal


class OrderNeverPlaced(OrderEvent, frozen=True, kw_only=True, gc=False):
    """Proven by absence: the venue never had the order and it is not re-sent.

    `probes` are the answered probes, as "probe at time".
    """

    TOPIC: ClassVar[str] = "order.never_placed.v1"

    probes: tuple[str, ...]


class AccountEvent(Event, frozen=True, kw_only=True, gc=False):
    """An event of the account: what moves shares or cash outside orders.

    Its numbers are finite, below 10^12, and have at most 6 places; a `ValueError`
    names the one that is not.
    """


class PositionTraded(AccountEvent, frozen=True, kw_only=True, gc=False):
    """A trade that was not made through this ledger.

    `amount` is the pUSD paid or received for the shares, `fee` apart from it.
    """

    TOPIC: ClassVar[str] = "position.traded.v1"

    strategy: str
    market_id: str
    outcome: Outcome
    side: Side
    size: Decimal
    price: Decimal
    amount: Decimal
    fee: Decimal = ZERO
    tx_hash: str = ""

    def __post_init__(self) -> None:
        _check_amounts(
            size=self.size, price=self.price, amount=self.amount, fee=self.fee
        )
        _check_size(self.size)


class PositionSplit(AccountEvent, frozen=True, kw_only=True, gc=False):
    """`size` pUSD became `size` shares of both outcomes."""

    TOPIC: ClassVar[str] = "position.split.v1"

    strategy: str
    market_id: str
    size: Decimal
    tx_hash: str = ""

    def __post_init__(self) -> None:
        _check_amounts(size=self.size)
        _check_size(self.size)


class PositionMerged(AccountEvent, frozen=True, kw_only=True, gc=False):
    """`size` shares of both outcomes became `size` pUSD."""

    TOPIC: ClassVar[str] = "position.merged.v1"

    strategy: str
    market_id: str
    size: Decimal
    tx_hash: str = ""

    def __post_init__(self) -> None:
        _check_amounts(size=self.size)
        _check_size(self.size)


class PositionRedeemed(AccountEvent, frozen=True, kw_only=True, gc=False):
    """`size` shares of a resolved outcome became `payout` pUSD, possibly 0."""

    TOPIC: ClassVar[str] = "position.redeemed.v1"

    strategy: str
    market_id: str
    outcome: Outcome
    size: Decimal
    payout: Decimal
    tx_hash: str = ""

    def __post_init__(self) -> None:
        _check_amounts(size=self.size, payout=self.payout)
        _check_size(self.size)


class PositionTransferred(AccountEvent, frozen=True, kw_only=True, gc=False):
    """Shares came in (positive) or went out (negative) without payment."""

    TOPIC: ClassVar[str] = "position.transferred.v1"

    strategy: str
    market_id: str
    outcome: Outcome
    size: Decimal
    cost: Decimal = ZERO
    tx_hash: str = ""

    def __post_init__(self) -> None:
        _check_amounts(size=self.size, cost=self.cost)


class MarketResolved(AccountEvent, frozen=True, kw_only=True, gc=False):
    """The market is decided; payouts are pUSD per share and sum to 1."""

    TOPIC: ClassVar[str] = "market.resolved.v1"

    market_id: str
    yes_payout: Decimal
    no_payout: Decimal

    def __post_init__(self) -> None:
        _check_amounts(yes_payout=self.yes_payout, no_payout=self.no_payout)
        lower = min(self.yes_payout, self.no_payout)
        if self.yes_payout + self.no_payout != ONE or lower < ZERO:
            msg = "payouts must not be negative and must sum to 1"
            raise ValueError(msg)


class CashMoved(AccountEvent, frozen=True, kw_only=True, gc=False):
    """pUSD came in (positive) or went out (negative): deposit, rebate, …"""

    TOPIC: ClassVar[str] = "cash.moved.v1"

    amount: Decimal
    reason: str

    def __post_init__(self) -> None:
        _check_amounts(amount=self.amount)


class ObservedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One open order as the venue lists it."""

    venue_order_id: str
    market_id: str
    token_id: str
    side: Side
    price: Decimal
    size: Decimal
    size_matched: Decimal


class ObservedPosition(msgspec.Struct, frozen=True, kw_only=True):
    """One holding as the venue reports it, in shares."""

    market_id: str
    outcome: Outcome
    size: Decimal


class ReconciliationEvent(Event, frozen=True, kw_only=True, gc=False):
    """An event of the comparison with the venue."""


class VenueObserved(ReconciliationEvent, frozen=True, kw_only=True, gc=False):
    """What the venue said at `as_of`: a witness, not a correction.

    A part that was not asked for is `None`; `complete` is false when the
    answer may lack rows, so that absence in it proves nothing.
    `position_tolerance` in shares and `grace_ms` (an order younger than that
    need not be listed yet) are the rules of the comparison, so that the
    differences replay.
    """

    TOPIC: ClassVar[str] = "venue.observed.v1"

    as_of: datetime
    complete: bool
    open_orders: tuple[ObservedOrder, ...] | None = None
    positions: tuple[ObservedPosition, ...] | None = None
    cash: Decimal | None = None
    position_tolerance: Decimal = Decimal("0.01")
    grace_ms: int = 5000


class DriftOpened(ReconciliationEvent, frozen=True, kw_only=True, gc=False):
    """The ledger and a witness disagree.

    `drift_id` is stable for one subject, so that a drift opens once.
    """

    TOPIC: ClassVar[str] = "drift.opened.v1"

    drift_id: str
    kind: str
    subject: str
    detail: dict[str, str] = {}


class DriftAcknowledged(ReconciliationEvent, frozen=True, kw_only=True, gc=False):
    """A person has seen the drift and says why it may stay."""

    TOPIC: ClassVar[str] = "drift.acknowledged.v1"

    drift_id: str
    note: str = ""


class DriftClosed(ReconciliationEvent, frozen=True, kw_only=True, gc=False):
    """The disagreement is gone."""

    TOPIC: ClassVar[str] = "drift.closed.v1"

    drift_id: str
    reason: str = ""


class SystemEvent(Event, frozen=True, kw_only=True, gc=False):
    """An event of the ledger itself."""


class LedgerOpened(SystemEvent, frozen=True, kw_only=True, gc=False):
    """A writer took the ledger over."""

    TOPIC: ClassVar[str] = "ledger.opened.v1"

    software_version: str
    config_hash: str
    mode: str
    epoch: int


class LedgerHalted(SystemEvent, frozen=True, kw_only=True, gc=False):
    """No intent is accepted until somebody resumes."""

    TOPIC: ClassVar[str] = "ledger.halted.v1"

    reason: str


class LedgerReduceOnly(SystemEvent, frozen=True, kw_only=True, gc=False):
    """Only intents that reduce a position are accepted."""

    TOPIC: ClassVar[str] = "ledger.reduce_only.v1"

    reason: str


class LedgerResumed(SystemEvent, frozen=True, kw_only=True, gc=False):
    """Intents are accepted again; counters of the circuit breaker restart."""

    TOPIC: ClassVar[str] = "ledger.resumed.v1"

    reason: str


class MarketListed(SystemEvent, frozen=True, kw_only=True, gc=False):
    """A market became known, or the venue changed its rules (its tick)."""

    TOPIC: ClassVar[str] = "market.listed.v1"

    market: Market


def _leaves(cls: type[Event]) -> Iterator[type[Event]]:
    if "TOPIC" in cls.__dict__ and cls.TOPIC:
        yield cls
    for sub in cls.__subclasses__():
        yield from _leaves(sub)


EVENT_TYPES: Final[dict[str, type[Event]]] = {c.TOPIC: c for c in _leaves(Event)}
"""Every readable topic and its class, oldest versions included."""

_encode: Final = msgspec.json.Encoder(decimal_format="string").encode
_decoders: Final[dict[str, Any]] = {
    topic: msgspec.json.Decoder(cls).decode for topic, cls in EVENT_TYPES.items()
}


def encode(event: Event) -> bytes:
    """Encode an event's own fields as JSON; the topic is stored beside it."""
    return _encode(event)


def decode(topic: str, state: bytes) -> Event:
    """Read an event back, validating every field.

    Raises:
        ValueError: unknown topic, unknown or missing field, or a bad value.
    """
    decoder = _decoders.get(topic)
    if decoder is None:
        msg = f"unknown topic {topic!r}"
        raise ValueError(msg)
    try:
        event: Event = decoder(state)
    except InvalidOperation:  # a NaN where a number is compared
        msg = f"{topic}: a number is not finite"
        raise ValueError(msg) from None
    return event
