"""Requests and how their answers are read: the same for both clients."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

import msgspec

from ledger.api import PositionView
from ledger.errors import IdempotencyConflictError
from ledger.intent import OrderIntent
from ledger.manager import OrderError, OrderResult
from ledger.order import Order
from ledger.values import Outcome, text_of
from service.client.errors import ProblemDetails, error_of, is_result, problem_from
from service.client.orders import order_of, position_of, result_of

_T = TypeVar("_T")

MOST_ROWS: Final = 500
_ERROR: Final = 400
_KEY: Final = "Idempotency-Key"


class Call(Generic[_T]):
    """One request, and what its answer means.

    `may_repeat` is true where doing it twice is doing it once.
    """

    def __init__(
        self,
        method: str,
        path: str,
        read: Callable[[Any], _T],
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        may_repeat: bool = True,
        on_problem: Callable[[ProblemDetails], _T] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.params = {k: v for k, v in (params or {}).items() if v is not None}
        self.content = None if body is None else msgspec.json.encode(body)
        self.headers = {"Content-Type": "application/json", **(headers or {})}
        self.may_repeat = may_repeat
        self._read = read
        self._on_problem = on_problem

    def result(self, status: int, content: bytes) -> _T:
        """What an answer means.

        Raises:
            LedgerError: the error that the ledger would raise, or `ApiError`.
        """
        if status < _ERROR:
            return self._read(msgspec.json.decode(content))
        found = problem_from(status, content)
        if self._on_problem is not None:
            return self._on_problem(found)
        raise error_of(found)


def place(intent: OrderIntent, *, wait: str, timeout_ms: int) -> Call[OrderResult]:
    """Place one intent; its key makes it safe to repeat."""
    return Call(
        "POST",
        "/v1/intents",
        result_of,
        params={"wait": wait, "timeout_ms": timeout_ms},
        body=_body(intent),
        headers={_KEY: intent.idempotency_key},
        on_problem=_failure,
    )


def _body(intent: OrderIntent) -> dict[str, Any]:
    found = intent.model_dump(
        mode="json", exclude={"idempotency_key"}, exclude_defaults=True
    )
    if intent.expires_at is not None:
        at = intent.expires_at.astimezone(UTC)
        found["expires_at"] = at.isoformat().replace("+00:00", "Z")
    return found


def _failure(found: ProblemDetails) -> OrderResult:
    """A placement answers where the manager of this process would."""
    if not is_result(found):
        raise error_of(found)
    field = "" if found.field == "Idempotency-Key" else found.field
    code = found.code
    if isinstance(error_of(found), IdempotencyConflictError):
        field = "idempotency_key"
    error = OrderError(code=code, text=found.detail, field=field)
    return OrderResult(success=False, error=error)


def cancel(order_id: str) -> Call[OrderResult]:
    """Cancel one order."""

    def failed(found: ProblemDetails) -> OrderResult:
        if found.code != "unknown_order":
            raise error_of(found)
        error = OrderError(code=found.code, text=found.detail, field="order_id")
        return OrderResult(success=False, error=error)

    return Call(
        "POST", f"/v1/orders/{order_id}:cancel", result_of, body={}, on_problem=failed
    )


def cancel_all(market_id: str | None, strategy: str | None) -> Call[list[OrderResult]]:
    """Cancel every open order, of one market or strategy if given."""
    wanted = {"market_id": market_id, "strategy": strategy}
    return Call(
        "POST",
        "/v1/orders:cancel",
        lambda found: [result_of(answer) for answer in found["items"]],
        body={name: value for name, value in wanted.items() if value is not None},
    )


def order(order_id: str, as_of: int | datetime | None) -> Call[Order]:
    """One order with its trades."""
    return Call(
        "GET", f"/v1/orders/{order_id}", order_of, params={"as_of": when(as_of)}
    )


def rows(path: str, params: Mapping[str, Any], cursor: str | None) -> Call[Any]:
    """One page of rows."""
    return Call(
        "GET",
        path,
        lambda found: found,
        params={"limit": MOST_ROWS, **params, "cursor": cursor},
    )


def position(strategy: str, market_id: str, outcome: Outcome) -> Call[PositionView]:
    """The strategy's shares of one outcome."""

    def read(found: Any) -> PositionView:
        row = next((r for r in found["items"] if r["outcome"] == outcome), None)
        return position_of(row, strategy, market_id, outcome)

    params = {"strategy": strategy, "market_id": market_id}
    return Call("GET", "/v1/positions", read, params=params)


def merge(strategy: str, market_id: str, size: Decimal) -> Call[None]:
    """Turn complete pairs into pUSD."""
    return Call(
        "POST",
        "/v1/account/merge",
        lambda _: None,
        body={"strategy": strategy, "market_id": market_id, "size": text_of(size)},
        may_repeat=False,
    )


def redeem(strategy: str, market_id: str, outcome: Outcome) -> Call[Decimal]:
    """Turn settled shares of a resolved outcome into pUSD."""
    return Call(
        "POST",
        "/v1/account/redeem",
        lambda found: Decimal(found["payout"]),
        body={"strategy": strategy, "market_id": market_id, "outcome": str(outcome)},
        may_repeat=False,
    )


def health() -> Call[dict[str, Any]]:
    """How the ledger and each of its loops is doing."""
    return Call("GET", "/v1/health", dict)


def when(as_of: int | datetime | None) -> str | None:
    """A position or time as the service reads it."""
    if isinstance(as_of, datetime):
        return as_of.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return None if as_of is None else str(as_of)
