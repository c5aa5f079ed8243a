"""Errors as `application/problem+json`: a code, the field, and what to do next."""

from typing import Any, Final, NamedTuple

import msgspec

from ledger import errors
from ledger.manager import OrderError

MEDIA_TYPE: Final = "application/problem+json"

_encode: Final = msgspec.json.Encoder().encode


class Problem(Exception):  # noqa: N818 -- an answer, not a defect
    """An answer that is not the one that was asked for.

    `field` names the place in the request; `hint` is the next thing to do.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str = "",
        hint: str = "",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.hint = hint or HINTS.get(code, _HINTS_BY_STATUS.get(status, ""))
        self.headers = headers

    def content(self) -> dict[str, Any]:
        """The members of the document."""
        return {
            "type": "about:blank",
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "field": self.field,
            "hint": self.hint,
        }

    def body(self) -> bytes:
        """The document."""
        return _encode(self.content())


TITLES: Final = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "Conflict",
    411: "Length required",
    413: "Too large",
    415: "Not JSON",
    422: "Invalid",
    429: "Too many",
    500: "Defect",
    503: "Not available",
}

HINTS: Final = {
    "unknown_order": "GET /v1/orders lists the orders of this ledger",
    "idempotency_conflict": "give the new intent a key of its own",
    "idempotency_key": "send the header Idempotency-Key, 1 to 120 printable characters",
    "unknown_market": "orders are possible in markets that the ledger lists",
    "unknown_strategy": "add it to `strategies` in the settings, or leave that empty",
    "not_ready": "nothing was recorded; try again in a moment",
    "shutting_down": "nothing was recorded; try again when the service is back",
    "store_failed": "check the disk with `order-ledger doctor`, then start again",
    "disk_full": "free some disk space; reading still works",
    "position_not_reached": "leave as_of out to read the newest state",
    "body_too_large": "a request body may have 64 kB",
    "body_too_slow": "send the whole body at once",
    "host": "use the address that the service printed when it started",
    "origin": "requests from other sites are refused",
}

_HINTS_BY_STATUS: Final = {
    400: "see /openapi.json for what the request must look like",
    401: "send `Authorization: Bearer TOKEN`; `order-ledger token create` makes one",
    403: "use a token with that scope; `order-ledger token create --help`",
    404: "see /openapi.json for what there is",
    405: "see /openapi.json for what there is",
    408: "send the whole body at once",
    409: "nothing was recorded; GET what it is about, and decide again",
    413: "send less at once",
    415: "send Content-Type: application/json",
    422: "nothing was recorded; correct the request and send it again",
    429: "nothing was recorded; try again in a moment",
    500: "this is a defect; the service's log shows where it happened",
    503: "nothing was recorded; see /v1/health",
}


class _Rule(NamedTuple):
    kind: type[Exception]
    status: int


_RULES: Final = (
    _Rule(errors.UnknownOrderError, 404),
    _Rule(errors.IdempotencyConflictError, 409),
    _Rule(errors.InvalidInputError, 422),
    _Rule(errors.CommandRefusedError, 409),
    _Rule(errors.NotReadyError, 503),
    _Rule(errors.VenueRejectedError, 409),
    _Rule(errors.VenueError, 503),
    _Rule(errors.StoreError, 503),
)
"""From the most special kind to the most general: the first that fits counts."""

_STATUS_OF_CODE: Final = {
    "idempotency_conflict": 409,
    "not_ready": 503,
    "position_not_reached": 404,
    "store_failed": 503,
    "unknown_order": 404,
}


def problem_of(error: Exception) -> Problem:
    """What an error means to whoever sent the request."""
    if isinstance(error, Problem):
        return error
    for rule in _RULES:
        if isinstance(error, rule.kind):
            code = getattr(error, "code", "error")
            return Problem(
                _STATUS_OF_CODE.get(code, rule.status),
                code,
                getattr(error, "reason", str(error)),
                field=getattr(error, "field", ""),
            )
    return Problem(500, "unexpected", type(error).__name__)


def problem_of_result(error: OrderError) -> Problem:
    """The same for an error that an answer carries: nothing was recorded."""
    status = _STATUS_OF_CODE.get(error.code, 422)
    return Problem(status, error.code, error.text, field=error.field)
