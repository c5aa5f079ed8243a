"""What a client raises: the ledger's own errors where there is one, else `ApiError`."""

from collections.abc import Callable
from typing import Final

import msgspec

from ledger.errors import (
    CommandRefusedError,
    IdempotencyConflictError,
    InvalidInputError,
    LedgerError,
    NotReadyError,
    StoreFailedError,
    UnknownOrderError,
    VenueError,
)


class ApiError(CommandRefusedError):
    """The service refused the request itself, such as its token.

    `status` is the HTTP status, `hint` what the service says to do next.
    """

    def __init__(self, status: int, code: str, text: str, *, hint: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.hint = hint


class UnreachableError(VenueError):
    """The service did not answer in time; a command may have been carried out."""

    code = "unreachable"


class ProblemDetails(msgspec.Struct, kw_only=True):
    """The document of an error."""

    status: int
    code: str
    detail: str
    field: str = ""
    hint: str = ""


_INVALID: Final = frozenset({404, 422})
_REFUSED: Final = 409
_UNAVAILABLE: Final = 503


def problem_from(status: int, body: bytes) -> ProblemDetails:
    """The document of an answer that is an error; made up if there is none."""
    try:
        return msgspec.json.decode(body, type=ProblemDetails)
    except msgspec.MsgspecError:
        return ProblemDetails(status=status, code="http", detail=f"status {status}")


def error_of(found: ProblemDetails) -> LedgerError:
    """The error that the ledger would have raised in this process."""
    special = _SPECIAL.get(found.code)
    if special is not None:
        return special(found.detail)
    if found.status == _UNAVAILABLE:
        return NotReadyError(found.detail)
    if found.status in _INVALID:
        return InvalidInputError(found.field or "body", found.detail, code=found.code)
    if found.status == _REFUSED:
        error = CommandRefusedError(found.detail)
        error.code = found.code
        return error
    return ApiError(found.status, found.code, found.detail, hint=found.hint)


_STORE_FAILED: Final = frozenset({"store_failed", "fenced"})


class RemoteConflictError(IdempotencyConflictError):
    """The same, with the service's words instead of our own."""

    def __init__(self, text: str) -> None:
        InvalidInputError.__init__(self, "idempotency_key", text)
        self.order_id = ""


_SPECIAL: Final[dict[str, Callable[[str], LedgerError]]] = {
    "fenced": StoreFailedError,
    "idempotency_conflict": RemoteConflictError,
    "store_failed": StoreFailedError,
    "unknown_order": UnknownOrderError,
}


def is_result(found: ProblemDetails) -> bool:
    """Whether a placement answers with it, instead of raising it."""
    is_down = found.status == _UNAVAILABLE and found.code not in _STORE_FAILED
    return is_down or found.status in {*_INVALID, _REFUSED}
