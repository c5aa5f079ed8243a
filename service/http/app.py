"""The application: every route of the API, behind the gate."""

from collections.abc import Collection
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from ledger.errors import LedgerError
from service.http import events, intents, operate, orders, reads
from service.http.docs import document
from service.http.gate import LOOPBACK_HOSTS, PUBLIC, Gate
from service.http.hub import Hub
from service.http.intake import Intake
from service.http.problems import MEDIA_TYPE, Problem, problem_of
from service.http.views import Views
from service.places import software_version
from service.runtime import Runtime
from service.tokens import Tokens

TITLE: Final = "order-ledger"
_DEFECT: Final = 500

_log = structlog.get_logger("service.http")


class Application(FastAPI):
    """Every request passes the gate before anything else looks at it."""

    gate: Gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await self.gate(scope, receive, send)

    async def behind_gate(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request that may pass."""
        await super().__call__(scope, receive, send)


def create_app(
    runtime: Runtime,
    tokens: Tokens,
    *,
    hosts: Collection[str] = LOOPBACK_HOSTS,
) -> Application:
    """Build the application around a running ledger.

    Pages may be mounted on it: everything below needs a token but the paths in
    `app.state.public`, a set that may be added to (a path that ends in a slash
    stands for everything below it).
    The caller's `Token` is `request.scope["caller"]`.

    Args:
        runtime: The ledger and its loops, started.
        tokens: Who may ask.
        hosts: The names under which the service is reached, without ports.
    """
    app = Application(
        title=TITLE,
        version=software_version(),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.state.tokens = tokens
    app.state.public = set(PUBLIC)
    placer = _add_routes(app, runtime)
    app.gate = Gate(
        app.behind_gate,
        tokens=tokens,
        hosts=hosts,
        public=app.state.public,
        shortcuts={"/v1/intents": placer.shortcut},
    )
    for kind in (LedgerError, Problem):
        app.add_exception_handler(kind, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_problem)
    document(app)
    return app


def _add_routes(app: FastAPI, runtime: Runtime) -> intents.Placer:
    intake, hub, views = Intake(runtime), Hub(runtime), Views(runtime)
    placer = intents.Placer(runtime, intake)
    app.state.intake, app.state.hub, app.state.views = intake, hub, views
    for routes in (
        intents.router(placer),
        orders.router(runtime, intake),
        reads.router(runtime, views),
        events.router(hub),
        operate.router(runtime),
    ):
        app.include_router(routes)
    return placer


async def close_app(app: FastAPI) -> None:
    """Let followers go, and finish every command that was begun."""
    app.state.hub.close()
    await app.state.intake.drain()
    await app.state.views.close()


def respond(problem: Problem) -> Response:
    """A problem as a response."""
    headers = {name.decode(): value.decode() for name, value in problem.headers}
    return JSONResponse(
        problem.content(), problem.status, media_type=MEDIA_TYPE, headers=headers
    )


async def _on_problem(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status == _DEFECT:
        _log.error("request.failed", path=request.url.path, kind=type(error).__name__)
    return respond(problem)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return respond(_invalid(error.errors()))


def _invalid(found: Any) -> Problem:
    """The first thing that is wrong; the input itself is not repeated."""
    first = found[0]
    where = [str(part) for part in first["loc"][1:]]
    place = str(first["loc"][0])
    field = ".".join(where)[:100] or place
    text = str(first["msg"]).removeprefix("Value error, ")
    return Problem(422, "invalid_input", text, field=field)


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = tuple(
        (name.lower().encode(), value.encode())
        for name, value in (error.headers or {}).items()
    )
    codes = {404: "not_found", 405: "method_not_allowed"}
    code = codes.get(error.status_code, "http")
    return respond(Problem(error.status_code, code, str(error.detail), headers=headers))
