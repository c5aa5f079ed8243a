"""What the command API answers, and what it is configured with."""

from decimal import Decimal
from typing import Protocol

import msgspec

from ledger.book import OrderBook
from ledger.decide import PostAnswered
from ledger.errors import InvalidInputError, LedgerError
from ledger.order import Order
from ledger.values import EndReason


class OrderError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a command did not succeed: a stable code, a sentence, the field."""

    code: str
    text: str
    field: str = ""

    @classmethod
    def of(cls, error: LedgerError) -> "OrderError":
        """The same as data."""
        field = error.field if isinstance(error, InvalidInputError) else ""
        return cls(code=error.code, text=str(error), field=field)


class OrderResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to one command.

    `success` of a `place` means that the venue took the order and its outcome
    is known, a killed FOK included; `order` is its state at that moment.
    Error codes: `unknown_market`, `unknown_strategy`, `invalid_price`,
    `expired`, `idempotency_conflict`, `store_failed`, `not_ready` (nothing was
    recorded); the code of a refusal by risk, slippage or the venue; and
    `outcome_unknown` (the order may exist and counts in full).
    """

    success: bool
    order: Order | None = None
    deduplicated: bool = False
    error: OrderError | None = None


class ManagerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the manager handles orders; times in milliseconds.

    An intent older than `order_timeout_ms` is not posted any more.
    A trade that has not settled after `settlement_alarm_ms` is raised as a drift.
    `dust_tolerance` is in shares.
    `strategies` are the known ones; empty means any.
    """

    order_timeout_ms: int = 30_000
    cancel_timeout_ms: int = 10_000
    max_retry_attempts: int = 3
    retry_base_delay_ms: int = 100
    absence_spread_ms: int = 60_000
    settlement_alarm_ms: int = 600_000
    dust_tolerance: Decimal = Decimal("0.01")
    strategies: frozenset[str] = frozenset()


class BookSource(Protocol):
    """Where decisions read the order book of a token."""

    def book(self, token_id: str) -> OrderBook | None:
        """The current book; `None` when it is unknown, stale or out of step."""
        ...


def failure(error: LedgerError, order: Order | None = None) -> OrderResult:
    """The answer that a refused command gets."""
    return OrderResult(success=False, order=order, error=OrderError.of(error))


def cancel_result(order: Order) -> OrderResult:
    """The answer to a cancel of an order that is done by now."""
    if order.done_reason is EndReason.FILLED:
        error = OrderError(code="already_filled", text="the order filled first")
        return OrderResult(success=False, order=order, error=error)
    return OrderResult(success=True, order=order)


def result_of(order: Order, answer: PostAnswered | None = None) -> OrderResult:
    """What a placement's answer is, from the order's state alone."""
    reason = order.done_reason
    if reason in (EndReason.REJECTED, EndReason.NEVER_PLACED):
        refusal = order.refusal
        code = refusal.code if refusal else "never_placed"
        text = refusal.text if refusal else "the venue never had the order"
        error = OrderError(code=code, text=text)
        return OrderResult(success=False, order=order, error=error)
    if reason is None and not order.is_accepted:
        text = answer.text if answer is not None else ""
        error = OrderError(code="outcome_unknown", text=text or "not known yet")
        return OrderResult(success=False, order=order, error=error)
    return OrderResult(success=True, order=order)
