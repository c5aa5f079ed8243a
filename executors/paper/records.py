"""What the paper venue keeps: its settings, orders and trades."""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

import msgspec

from executors.rules import GTD_EARLY
from ledger.decide import LookedUp, LookupFound
from ledger.events import ObservedOrder
from ledger.intent import UserFill
from ledger.position import in_micros
from ledger.values import (
    ONE,
    ZERO,
    EndReason,
    Outcome,
    Role,
    Settlement,
    Side,
    TimeInForce,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

GTD_EARLY_MS: Final = GTD_EARLY // _MILLISECOND
"""The venue ends a GTD order this long before its expiration."""


class PaperConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the paper venue behaves; everything random follows from `seed`.

    `initial_cash` is in pUSD; rates are shares of trades from 0 to 1.
    Settlement delays count from the match, in milliseconds, and up to
    `settlement_jitter_ms` is added to each step.
    `queue_position` is where a new resting order joins its price level.
    `run` distinguishes the trade ids of one start of the ledger from another's.
    `max_finished_orders` bounds how many finished orders a look-up still finds.
    """

    seed: int = 1
    initial_cash: Decimal = Decimal("1000")
    mined_delay_ms: int = 2_000
    confirmed_delay_ms: int = 5_000
    settlement_jitter_ms: int = 0
    failure_rate: Decimal = ZERO
    retry_rate: Decimal = ZERO
    submit_latency_ms: int = 0
    cancel_latency_ms: int = 0
    queue_position: Literal["back", "front"] = "back"
    run: int = 1
    max_finished_orders: int = 100_000

    def __post_init__(self) -> None:
        if not (ZERO <= self.failure_rate <= ONE and ZERO <= self.retry_rate <= ONE):
            msg = "failure_rate and retry_rate must lie between 0 and 1"
            raise ValueError(msg)
        if not 0 <= self.mined_delay_ms <= self.confirmed_delay_ms:
            msg = "confirmed_delay_ms must not be below mined_delay_ms"
            raise ValueError(msg)
        if (
            min(
                self.settlement_jitter_ms,
                self.submit_latency_ms,
                self.cancel_latency_ms,
            )
            < 0
        ):
            msg = "delays must not be below 0"
            raise ValueError(msg)


class PaperOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order as the paper venue takes it; `expiration_ms` in Unix milliseconds."""

    order_id: str
    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    price: Decimal
    size: Decimal
    time_in_force: TimeInForce
    post_only: bool = False
    expiration_ms: int | None = None

    @property
    def venue_order_id(self) -> str:
        """The id this order has at the paper venue."""
        return venue_order_id(self.order_id)

    @property
    def yes_side(self) -> Side:
        """The side in the book of YES: buying NO is selling YES."""
        return self.side if self.outcome is Outcome.YES else self.side.opposite

    @property
    def yes_price(self) -> Decimal:
        """The limit in the book of YES, pUSD per share."""
        return self.own_price(self.price)

    def own_price(self, yes_price: Decimal) -> Decimal:
        """Translate between the book of YES and this token's; its own inverse."""
        return yes_price if self.outcome is Outcome.YES else ONE - yes_price


class SignedPaperOrder(PaperOrder, frozen=True, kw_only=True):
    """The whole text that is posted; amounts in base units (10^-6)."""

    maker_amount: int
    taker_amount: int


class PaperTrade(msgspec.Struct, kw_only=True):
    """One match of one of our orders on its way through settlement.

    `fee` is in pUSD; `steps` are what is still to come, each with its delay in
    milliseconds after the step before.
    """

    trade_id: str
    venue_order_id: str
    token_id: str
    side: Side
    size: Decimal
    price: Decimal
    fee: Decimal
    role: Role
    status: Settlement
    status_ms: int
    steps: list[tuple[int, Settlement]]
    tx_hash: str = ""

    @property
    def notional(self) -> Decimal:
        """Shares times price in pUSD, cut to 6 places, before the fee."""
        return in_micros(self.size * self.price)

    def as_fill(self) -> UserFill:
        """The trade as a witness reports it, in its present state."""
        return UserFill(
            trade_id=self.trade_id,
            order_id=self.venue_order_id,
            size=self.size,
            price=self.price,
            fee=self.fee,
            role=self.role,
            status=self.status,
            venue_time=self.status_ms,
            tx_hash=self.tx_hash,
        )


class PaperRecord(msgspec.Struct, kw_only=True):
    """An order as the venue has it.

    `ahead` is the shares that stand before it at its price, `None` until a book
    tells; `seen_drop` is what a shrinking level took off `ahead` at `drop_ms`.
    """

    order: PaperOrder
    matched: Decimal = ZERO
    ended: EndReason | None = None
    ahead: Decimal | None = None
    seen_drop: Decimal = ZERO
    drop_ms: int = 0
    trades: list[PaperTrade] = []

    @property
    def remaining(self) -> Decimal:
        """Shares not matched yet."""
        return self.order.size - self.matched

    @property
    def is_open(self) -> bool:
        """Whether the order may still match."""
        return self.ended is None and self.remaining > ZERO

    def as_looked_up(self) -> LookedUp:
        """What a look-up by id answers."""
        if self.ended is not None:
            return LookedUp(
                found=LookupFound.CANCELED,
                size_matched=self.matched,
                reason=self.ended,
            )
        found = LookupFound.LIVE if self.remaining else LookupFound.MATCHED
        return LookedUp(found=found, size_matched=self.matched)

    def as_observed(self) -> ObservedOrder:
        """The order in a list of open orders."""
        return ObservedOrder(
            venue_order_id=self.order.venue_order_id,
            market_id=self.order.market_id,
            token_id=self.order.token_id,
            side=self.order.side,
            price=self.order.price,
            size=self.order.size,
            size_matched=self.matched,
        )

    @property
    def is_finished(self) -> bool:
        """Whether neither the book nor the chain owes another word."""
        return not self.is_open and all(t.status.is_final for t in self.trades)


@lru_cache(maxsize=4096)  # asked several times on an order's way
def venue_order_id(order_id: str) -> str:
    """The paper venue's id of one of our orders: the same whenever asked."""
    return digest("order", order_id)


def digest(*parts: str) -> str:
    """A 0x-prefixed 32-byte id that follows from its parts alone."""
    return "0x" + hashlib.sha256("/".join(("paper", *parts)).encode()).hexdigest()


def ms_of(at: datetime) -> int:
    """Unix milliseconds of an aware time, rounded down."""
    return (at - _EPOCH) // _MILLISECOND


def time_of(ms: int) -> datetime:
    """The aware time of Unix milliseconds."""
    return _EPOCH + ms * _MILLISECOND
