"""For operators: the trading mode, drifts, account activity, health, metrics."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ledger import events as ev
from ledger.values import TradingMode, text_of
from service.http import examples, schemas
from service.http.docs import gives, problem, ref, takes
from service.http.problems import Problem
from service.http.requests import (
    answer,
    body_of,
    caller_of,
    exact,
    needs,
    strategy_for,
)
from service.runtime import Runtime
from service.tokens import Scope, Token

_MODES: Final = {
    "halt": (TradingMode.HALTED, "Take no more intents until somebody resumes."),
    "reduce-only": (TradingMode.REDUCE_ONLY, "Take only intents that reduce."),
    "resume": (TradingMode.NORMAL, "Take intents again; counters begin anew."),
}


class Operator:
    """What an operator's commands do to the ledger."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._manager = runtime.opened.manager
        self._journal = runtime.opened.journal

    def done(self, **told: Any) -> Response:
        """What was recorded."""
        state = self._journal.state
        content = {"position": self._journal.store.head, "mode": state.mode}
        return answer({**content, "drift_id": None, "payout": None, **told})

    async def change_mode(
        self, mode: TradingMode, change: schemas.ModeChange, actor: str
    ) -> Response:
        """Halt, allow only reducing orders, or resume."""
        await self._manager.account.set_mode(mode, change.reason, actor=actor)
        return self.done()

    async def acknowledge(self, drift_id: str, note: str, actor: str) -> Response:
        """Record that a person has seen a drift."""
        if drift_id not in self._journal.state.drifts:
            text = f"no open drift {drift_id!r}"
            raise Problem(404, "unknown_drift", text, field="drift_id")
        event = ev.DriftAcknowledged(
            at=self._runtime.opened.clock.now(),
            actor=actor,
            drift_id=drift_id,
            note=note,
        )
        await self._journal.append_to(ev.RECONCILIATION_STREAM, event)
        return self.done(drift_id=drift_id)

    async def pair(
        self, what: Callable[..., Any], move: schemas.PairMove, caller: Token
    ) -> Response:
        """Split or merge for one strategy."""
        strategy = strategy_for(caller, move.strategy)
        await what(strategy, move.market_id, exact("size", move.size))
        return self.done()

    async def redeem(self, wanted: schemas.Redemption, caller: Token) -> Response:
        """Redeem for one strategy."""
        strategy = strategy_for(caller, wanted.strategy)
        payout = await self._manager.account.redeem(
            strategy, wanted.market_id, wanted.outcome
        )
        return self.done(payout=text_of(payout))

    async def move_cash(self, move: schemas.CashMove, actor: str) -> Response:
        """Record pUSD that came in or went out."""
        await self._manager.account.move_cash(
            exact("amount", move.amount), move.reason, actor=actor
        )
        return self.done()


def _mover(request: Request) -> Token:
    """Whoever may move shares: a strategy its own, an operator any."""
    try:
        return caller_of(request, Scope.SUBMIT)
    except Problem:
        return caller_of(request, Scope.OPERATE)


def router(runtime: Runtime) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    operator = Operator(runtime)
    done = gives(schemas.Done, examples.DONE, also=(404, 408, 409, 413, 415, 503))

    for path, (mode, text) in _MODES.items():
        _add_mode(routes, operator, path, mode, text)

    @routes.post(
        "/v1/drifts/{drift_id:path}:acknowledge",
        operation_id="acknowledgeDrift",
        responses=done,
        openapi_extra=takes(
            schemas.Acknowledgement, {"note": "known, see mail"}, is_optional=True
        ),
    )
    async def acknowledge(request: Request, drift_id: str) -> Response:
        """Say that a drift was seen and may stay."""
        caller = caller_of(request, Scope.OPERATE)
        note = body_of(request, schemas.Acknowledgement).note
        return await operator.acknowledge(drift_id, note, caller.name)

    pair = {"strategy": "pair_arb", "market_id": "0xabc", "size": "20"}

    @routes.post(
        "/v1/account/split",
        operation_id="split",
        responses=done,
        openapi_extra=takes(schemas.PairMove, pair),
    )
    async def split(request: Request) -> Response:
        """Turn pUSD into complete pairs of a strategy."""
        caller = _mover(request)
        move = body_of(request, schemas.PairMove)
        return await operator.pair(runtime.opened.manager.account.split, move, caller)

    @routes.post(
        "/v1/account/merge",
        operation_id="merge",
        responses=done,
        openapi_extra=takes(schemas.PairMove, pair),
    )
    async def merge(request: Request) -> Response:
        """Turn complete pairs of a strategy into pUSD."""
        caller = _mover(request)
        move = body_of(request, schemas.PairMove)
        return await operator.pair(runtime.opened.manager.account.merge, move, caller)

    @routes.post(
        "/v1/account/redeem",
        operation_id="redeem",
        responses=done,
        openapi_extra=takes(
            schemas.Redemption,
            {"strategy": "pair_arb", "market_id": "0xabc", "outcome": "YES"},
        ),
    )
    async def redeem(request: Request) -> Response:
        """Turn settled shares of a resolved outcome into pUSD."""
        caller = _mover(request)
        return await operator.redeem(body_of(request, schemas.Redemption), caller)

    @routes.post(
        "/v1/account/deposit",
        operation_id="deposit",
        responses=done,
        openapi_extra=takes(
            schemas.CashMove, {"amount": "100", "reason": "top-up of September"}
        ),
    )
    async def deposit(request: Request) -> Response:
        """Record pUSD that came in, or went out if it is negative."""
        caller = caller_of(request, Scope.OPERATE)
        return await operator.move_cash(body_of(request, schemas.CashMove), caller.name)

    _add_health(routes, runtime)
    return routes


def _add_mode(
    routes: APIRouter, operator: Operator, path: str, mode: TradingMode, text: str
) -> None:
    @routes.post(
        f"/v1/{path}",
        operation_id=path.replace("-o", "O"),
        description=text,
        responses=gives(schemas.Done, examples.DONE, also=(408, 413, 415, 503)),
        openapi_extra=takes(schemas.ModeChange, {"reason": "maintenance"}),
    )
    async def change(request: Request) -> Response:
        caller = caller_of(request, Scope.OPERATE)
        body = body_of(request, schemas.ModeChange)
        return await operator.change_mode(mode, body, caller.name)


def _add_health(routes: APIRouter, runtime: Runtime) -> None:
    @routes.get(
        "/v1/health",
        operation_id="getHealth",
        dependencies=[needs(Scope.READ)],
        responses=gives(None, examples.HEALTH),
    )
    async def health() -> Response:
        """How the ledger and each of its loops is doing."""
        return answer(runtime.health())

    ready_answer = {
        "description": "Not ready",
        "content": {"application/json": {"schema": ref(schemas.Ready)}},
    }

    @routes.get(
        "/v1/ready",
        operation_id="getReady",
        responses={**gives(schemas.Ready, examples.READY), 503: ready_answer},
    )
    async def ready() -> Response:
        """Whether intents are taken; needs no token."""
        reason = runtime.refusal()
        if runtime.opened.journal.failed is not None:
            reason = "the log takes no more"  # why names files; anybody may ask
        is_up = not reason
        return answer({"ready": is_up, "reason": reason}, 200 if is_up else 503)

    @routes.get(
        "/metrics",
        operation_id="getMetrics",
        dependencies=[needs(Scope.READ)],
        response_model=None,
        responses={
            200: {
                "description": "Prometheus text",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
            **{status: problem(status) for status in (400, 401, 403)},
        },
    )
    async def metrics() -> Response:
        """Counters for Prometheus."""
        text = runtime.opened.metrics.render()
        return Response(text, media_type="text/plain; version=0.0.4")
