"""`POST /v1/intents`, one or several, and `?dry_run=true`."""

import asyncio
import re
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Final, Literal

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from msgspec.structs import asdict, replace
from pydantic import BaseModel, ConfigDict

from ledger.errors import IdempotencyConflictError, InvalidInputError
from ledger.intent import OrderIntent
from ledger.manager import OrderResult
from ledger.order import Order, snapshot
from ledger.values import text_of
from service.http import examples, schemas
from service.http.docs import gives, held, ref, takes
from service.http.gate import Send, require, send_body
from service.http.intake import Intake, Recorded
from service.http.problems import Problem, problem_of, problem_of_result
from service.http.requests import (
    answer,
    body_of,
    caller_of,
    check_json,
    strategy_for,
)
from service.http.rows import Record, encode, order_row
from service.http.schemas import MOST_WAIT_MS, WAIT_MS, Batch, Intent, decode
from service.runtime import Runtime
from service.tokens import Scope, Token

_log = structlog.get_logger("service.http")

_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Names the intent within its strategy, forever.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,120}$"},
    "examples": {"example": {"value": "window-17-yes"}},
}
_KEY_FORM: Final = re.compile(r"[!-~]+")
_LONGEST_KEY: Final = 120
"""Shorter than the ledger's own: legs of a batch add their number."""

_JSON: Final = b"application/json"
_CONTENT_TYPE: Final = (b"content-type", _JSON)
_DEFECT: Final = 500


class Waiting(BaseModel):
    """How long a command is waited for."""

    model_config = ConfigDict(extra="forbid")

    wait: Literal["recorded", "placed", "final"] = "recorded"
    timeout_ms: Annotated[int, Query(ge=1, le=MOST_WAIT_MS)] = WAIT_MS


class Placing(Waiting):
    """How one intent is placed."""

    dry_run: bool = False


def check_open(runtime: Runtime, intake: Intake) -> None:
    """Refuse while nothing can be recorded or sent.

    Raises:
        Problem: 503.
    """
    failed = runtime.opened.journal.failed
    if failed is not None:
        raise Problem(503, failed.code, str(failed))
    refusal = runtime.refusal()
    if refusal:
        code = "disk_full" if "disk" in refusal else "not_ready"
        retry = ((b"retry-after", b"1"),)
        raise Problem(503, code, refusal, headers=retry)
    if intake.is_full:
        retry = ((b"retry-after", b"1"),)
        raise Problem(429, "busy", "too many orders are under way", headers=retry)


def key_of(key: str | None, longest: int = _LONGEST_KEY) -> str:
    """The header `Idempotency-Key`, checked.

    Raises:
        Problem: 400 without it, 422 for one that cannot be kept.
    """
    field = "Idempotency-Key"
    if key is None:
        raise Problem(400, "idempotency_key", "the header is required", field=field)
    if len(key) > longest or not _KEY_FORM.fullmatch(key):
        text = f"must be 1 to {longest} printable characters without spaces"
        raise Problem(422, "idempotency_key", text, field=field)
    return key


def intent_of(body: Intent, caller: Token, key: str) -> OrderIntent:
    """The intent that a request's body stands for.

    Raises:
        Problem: 403 for a strategy of another token.
        InvalidInputError: names the first wrong field.
    """
    fields: dict[str, Any] = {k: v for k, v in asdict(body).items() if v is not None}
    fields["strategy"] = strategy_for(caller, body.strategy)
    fields["idempotency_key"] = key
    return OrderIntent.parse(fields)


def recorded_answer(order: Order) -> Record:
    """The answer about an order that was just recorded, before its post."""
    refusal = order.refusal
    found: Record = {"success": refusal is None, "deduplicated": False}
    found["order"] = order_row(order)
    found["error"] = None
    if refusal is not None:
        found["error"] = {"code": refusal.code, "text": refusal.text, "field": ""}
    found["href"] = href(order.order_id)
    return found


def result_answer(result: OrderResult) -> Record:
    """A command's result as an answer."""
    order, error = result.order, result.error
    return {
        "success": result.success,
        "deduplicated": result.deduplicated,
        "order": None if order is None else order_row(order),
        "error": None if error is None else asdict(error),
        "href": "" if order is None else href(order.order_id),
    }


def href(order_id: str) -> str:
    """Where an order is."""
    return f"/v1/orders/{order_id}"


def refuse_unrecorded(result: OrderResult) -> None:
    """Turn an answer that recorded nothing into the problem it is.

    Raises:
        Problem: 409, 422 or 503.
    """
    error = result.error
    if error is not None and (
        result.order is None or error.code == "idempotency_conflict"
    ):
        raise problem_of_result(error)


class Placer:
    """Places the intents of requests."""

    def __init__(self, runtime: Runtime, intake: Intake) -> None:
        self._runtime = runtime
        self._intake = intake
        self._journal = runtime.opened.journal

    def intent(self, caller: Token, key: str | None, body: Intent) -> OrderIntent:
        """The intent of a request, if it may be placed now.

        Raises:
            Problem: 400, 403, 422, 429 or 503.
            InvalidInputError: names the first wrong field.
        """
        intent = intent_of(body, caller, key_of(key))
        check_open(self._runtime, self._intake)
        return intent

    async def shortcut(
        self, scope: MutableMapping[str, Any], body: bytes, send: Send
    ) -> None:
        """`POST /v1/intents` without a query, past all routing.

        Raises:
            Problem: whatever is wrong.
        """
        caller = require(scope["caller"], Scope.SUBMIT)
        headers = dict(scope["headers"])
        key = headers.get(b"idempotency-key")
        check_json(headers.get(b"content-type", _JSON).decode("latin-1"))
        try:
            name = None if key is None else key.decode("latin-1")
            intent = self.intent(caller, name, decode(Intent, body))
            content = await self.recorded(intent)
        except Problem:
            raise
        except Exception as error:
            problem = problem_of(error)
            if problem.status == _DEFECT:
                _log.exception("request.failed", path="/v1/intents")
            raise problem from error
        location = (b"location", content["href"].encode())
        found = encode(content)
        direct = scope.get("direct")
        if direct is None or not direct.answer(202, (_CONTENT_TYPE, location), found):
            await send_body(send, 202, found, _JSON, location)

    async def recorded(self, intent: OrderIntent) -> Record:
        """Place one intent; the answer as soon as it is durable.

        Raises:
            Problem: nothing was recorded.
        """
        task, recorded = self._intake.place(intent)
        await first(task, recorded)
        if recorded.done():
            return recorded_answer(recorded.result())
        result = task.result()
        refuse_unrecorded(result)
        return result_answer(result)

    async def place(self, intent: OrderIntent, waiting: Waiting) -> Response:
        """Record one intent and wait as long as was asked for."""
        if waiting.wait == "recorded":
            return _answered(await self.recorded(intent), 202)
        task, recorded = self._intake.place(intent)
        try:
            async with asyncio.timeout(waiting.timeout_ms / 1000):
                result = await asyncio.shield(task)
                if waiting.wait == "final" and result.order is not None:
                    refuse_unrecorded(result)
                    await self._intake.closed(result.order.order_id)
                    result = await self._renewed(result)
        except TimeoutError:
            return await self._still_going(task, recorded)
        return self._finished(result, 200)

    def preview(self, intent: OrderIntent) -> Response:
        """What would be decided about an intent; nothing is recorded.

        Raises:
            InvalidInputError, NotReadyError: it would not even be recorded.
        """
        found = self._runtime.opened.manager.preview(intent)
        content = asdict(found)
        del content["verdict"]
        return answer(
            {**content, "approved": found.approved, "size": text_of(found.size)}
        )

    async def place_batch(
        self, caller: Token, key: str | None, batch: Batch, waiting: Waiting
    ) -> Response:
        """Record several intents in one commit, or none of them.

        Raises:
            Problem: as `intent`.
            InvalidInputError, IdempotencyConflictError: nothing was recorded.
        """
        name = key_of(key)
        intents = [
            _numbered(number, body, caller, name)
            for number, body in enumerate(batch.intents)
        ]
        check_open(self._runtime, self._intake)
        self._check_length(intents[0].strategy, name, len(intents))
        task, recorded = self._intake.place_batch(intents)
        status = 202
        if waiting.wait == "recorded":
            await first(task, recorded[-1])
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(waiting.timeout_ms / 1000):
                    results = await asyncio.shield(task)
                    if waiting.wait == "final":
                        await self._all_closed(results)
                    status = 200
            await first(task, recorded[-1])
        if not task.done():
            items = [recorded_answer(future.result()) for future in recorded]
            return answer({"items": items}, 202)
        renewed = [await self._renewed(result) for result in task.result()]
        return answer({"items": [result_answer(r) for r in renewed]}, status)

    def _check_length(self, strategy: str, key: str, length: int) -> None:
        """Refuse a batch that is the beginning of one that was placed before.

        Raises:
            IdempotencyConflictError: the key belongs to more intents.
        """
        beyond = leg_key(key, length)
        known = self._journal.find_intent(strategy, beyond)
        if known is not None:
            raise IdempotencyConflictError(key, known.order_id)

    async def _all_closed(self, results: Sequence[OrderResult]) -> None:
        for result in results:
            if result.order is not None:
                await self._intake.closed(result.order.order_id)

    async def _still_going(
        self, task: "asyncio.Task[OrderResult]", recorded: Recorded
    ) -> Response:
        """What is known when the time is up; an intent is on disk by then."""
        await first(task, recorded)
        if task.done():
            result = task.result()
            refuse_unrecorded(result)
            return self._finished(await self._renewed(result), 202)
        return _answered(recorded_answer(recorded.result()), 202)

    async def _renewed(self, result: OrderResult) -> OrderResult:
        """The result with the order as it stands on disk now."""
        assert result.order is not None
        order = snapshot(self._journal.order(result.order.order_id))
        await self._journal.durable()  # memory is ahead of it
        return replace(result, order=order)

    def _finished(self, result: OrderResult, status: int) -> Response:
        refuse_unrecorded(result)
        return _answered(result_answer(result), status)


def leg_key(key: str, number: int) -> str:
    """The key of one leg of a batch, counted from 0."""
    return f"{key}/{number}"


def _numbered(number: int, body: Intent, caller: Token, key: str) -> OrderIntent:
    """One leg of a batch; what is wrong with it names its number."""
    try:
        return intent_of(body, caller, leg_key(key, number))
    except InvalidInputError as error:
        field = f"intents.{number}.{error.field}"
        raise InvalidInputError(field, error.reason, code=error.code) from None


async def first(task: "asyncio.Task[Any]", recorded: Recorded) -> None:
    """Wait for whichever comes first; neither is cancelled with the caller."""
    if task.done() or recorded.done():
        return
    waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(_: object) -> None:
        if not waker.done():
            waker.set_result(None)

    task.add_done_callback(wake)
    recorded.add_done_callback(wake)
    await waker


def _answered(content: Record, status: int) -> Response:
    headers = {"Location": content["href"]} if content["href"] else None
    return answer(content, status, headers)


def router(placer: Placer) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    responses = gives(
        schemas.Answer,
        examples.ANSWER,
        statuses=(200, 202),
        also=(404, 408, 409, 413, 415, 429, 503),
        headers={"Location": "where the order is"},
    )
    content = responses[200]["content"]["application/json"]
    responses[200]["content"] = {
        "application/json": {
            "schema": {"anyOf": [content["schema"], ref(schemas.Decision)]},
            "examples": {**content["examples"], "dry_run": held(examples.DECISION)},
        }
    }

    @routes.post(
        "/v1/intents",
        operation_id="place",
        responses=responses,
        response_model=None,
        openapi_extra=takes(Intent, examples.INTENT, parameters=[_KEY]),
    )
    async def place(request: Request, how: Annotated[Placing, Query()]) -> Response:
        """Place one order, once per key."""
        caller = caller_of(request, Scope.SUBMIT)
        key = request.headers.get("idempotency-key")
        intent = placer.intent(caller, key, body_of(request, Intent))
        if how.dry_run:
            return placer.preview(intent)
        return await placer.place(intent, how)

    @routes.post(
        "/v1/intents:batch",
        operation_id="placeBatch",
        responses=gives(
            schemas.Answers,
            examples.ANSWERS,
            statuses=(200, 202),
            also=(404, 408, 409, 413, 415, 429, 503),
        ),
        response_model=None,
        openapi_extra=takes(Batch, examples.BATCH, parameters=[_KEY]),
    )
    async def place_batch(
        request: Request, how: Annotated[Waiting, Query()]
    ) -> Response:
        """Place several orders in one commit, or none: the legs of a pair."""
        caller = caller_of(request, Scope.SUBMIT)
        key = request.headers.get("idempotency-key")
        batch = body_of(request, Batch)
        return await placer.place_batch(caller, key, batch, how)

    return routes
