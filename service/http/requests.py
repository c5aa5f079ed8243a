"""What every handler reads of a request, and how it answers."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final, TypeVar

from fastapi import Depends, Request
from fastapi.responses import Response

from ledger.errors import InvalidInputError
from ledger.values import decimal_from
from service.http.gate import require
from service.http.problems import Problem
from service.http.rows import encode
from service.http.schemas import Body, decode
from service.tokens import Scope, Token

_B = TypeVar("_B", bound=Body)

JSON: Final = "application/json"


def caller_of(request: Request, scope: Scope) -> Token:
    """Whose request it is.

    Raises:
        Problem: 403 without the scope.
    """
    return require(request.scope.get("caller"), scope)


def needs(scope: Scope) -> Any:
    """A dependency that refuses callers without a scope, before anything else."""

    async def check(request: Request) -> None:
        caller_of(request, scope)

    return Depends(check)


def body_of(request: Request, kind: type[_B]) -> _B:
    """The request's body, decoded.

    Raises:
        Problem: 400, 415 or 422.
    """
    check_json(request.headers.get("content-type", JSON))
    return decode(kind, request.scope.get("body", b""))


def check_json(content_type: str) -> None:
    """Refuse a body that says it is something else.

    Raises:
        Problem: 415.
    """
    if content_type == JSON:
        return
    if content_type.partition(";")[0].strip().lower() != JSON:
        text = f"the body must be {JSON}"
        raise Problem(415, "media_type", text, field="Content-Type")


def strategy_for(caller: Token, asked: str | None) -> str:
    """The strategy that a command is for: the one asked for, or the token's own.

    Raises:
        Problem: 403 for a strategy that the token does not cover, 422 if none is
            named at all.
    """
    if asked is None:
        if not caller.strategy:
            text = "is required: the token is bound to none"
            raise Problem(422, "invalid_input", text, field="strategy")
        return caller.strategy
    if not caller.covers(asked):
        text = f"the token {caller.name!r} is for the strategy {caller.strategy!r}"
        raise Problem(403, "strategy", text, field="strategy")
    return asked


def exact(field: str, text: str) -> Decimal:
    """A number of a request.

    Raises:
        InvalidInputError: it is none; a pattern lets a line break at its end pass.
    """
    try:
        return decimal_from(text)
    except ValueError as error:
        raise InvalidInputError(field, str(error)) from None


def answer(
    content: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A JSON answer."""
    return Response(encode(content), status, headers, JSON)


Handler = Callable[..., Awaitable[Response]]
