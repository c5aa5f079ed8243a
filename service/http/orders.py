"""Cancelling: `POST /v1/orders/{id}:cancel` and `POST /v1/orders:cancel`."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.http import examples, schemas
from service.http.docs import gives, takes
from service.http.intake import Intake
from service.http.intents import result_answer
from service.http.problems import Problem
from service.http.requests import answer, body_of, caller_of
from service.runtime import Runtime
from service.tokens import Scope


def router(runtime: Runtime, intake: Intake) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    opened = runtime.opened
    also = (404, 408, 409, 413, 415, 503)

    def documented(kind: Any, example: Any) -> dict[str, Any]:
        return {"responses": gives(kind, example, also=also)}

    # Before the one with an id, which would take it for an order's.
    @routes.post(
        "/v1/orders:cancel",
        operation_id="cancelMany",
        openapi_extra=takes(
            schemas.CancelMany, {"strategy": "pair_arb"}, is_optional=True
        ),
        **documented(schemas.Answers, examples.ANSWERS),
    )
    async def cancel_many(request: Request) -> Response:
        """Cancel every open order, of one market or strategy if given."""
        caller = caller_of(request, Scope.CANCEL)
        wanted = body_of(request, schemas.CancelMany)
        strategy = wanted.strategy or caller.strategy or None
        if strategy is not None and not caller.covers(strategy):
            text = f"the token {caller.name!r} is for the strategy {caller.strategy!r}"
            raise Problem(403, "strategy", text, field="strategy")
        work = opened.manager.cancel_all(wanted.market_id, strategy, actor=caller.name)
        results = await intake.shielded(work)
        return answer({"items": [result_answer(result) for result in results]})

    @routes.post(
        "/v1/orders/{order_id}:cancel",
        operation_id="cancel",
        openapi_extra=takes(schemas.Cancel, {"reason": "requested"}, is_optional=True),
        **documented(schemas.Answer, examples.ANSWER),
    )
    async def cancel(request: Request, order_id: str) -> Response:
        """Cancel one order; answered when the venue has."""
        caller = caller_of(request, Scope.CANCEL)
        reason = body_of(request, schemas.Cancel).reason
        order = opened.journal.order(order_id)  # unknown ones end here
        if not caller.covers(order.strategy):
            text = f"the token {caller.name!r} is for the strategy {caller.strategy!r}"
            raise Problem(403, "strategy", text, field="order_id")
        work = opened.manager.cancel(order_id, reason=reason, actor=caller.name)
        return answer(result_answer(await intake.shielded(work)))

    return routes
