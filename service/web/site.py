"""The dashboard as a whole: what pages share, who may see them, and how they are sent."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from ledger.errors import LedgerError
from ledger.market import Market
from projections import micros
from service.http.gate import require
from service.http.hub import Hub
from service.http.problems import Problem, problem_of
from service.http.views import Rows, Views
from service.places import account_of
from service.runtime import Runtime
from service.tokens import Scope, Token, Tokens
from service.web.asking import Ask, distinct, form_of
from service.web.format import short
from service.web.moments import Moments
from service.web.render import Pages
from service.web.series import Series
from service.web.session import Sessions, token_of

HOME: Final = "/overview"

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: forms would lose their Origin, which the gate asks for.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_STATIC: Final = Path(__file__).parent / "static"
_SERIES_SECONDS: Final = 0.25
_CHOICES: Final = 200
_WARM_STEP: Final = 1_000
"""The past is read in pieces: whoever asks meanwhile does not wait for all of it."""

Page = Callable[[Ask], Awaitable[Response]]


class Dashboard:
    """What every page draws from."""

    def __init__(self, app: FastAPI, runtime: Runtime) -> None:
        self.app = app
        self.runtime = runtime
        self.views: Views = app.state.views
        self.hub: Hub = app.state.hub
        self.tokens: Tokens = app.state.tokens
        self.sessions = Sessions()
        self.pages = Pages(self)
        self.store = runtime.opened.store
        self._series = Series(
            self.store,
            account_of(runtime.opened.settings),
            goes_on=lambda: runtime.is_accepting,
        )
        self.moments = Moments(
            self.store, account_of(runtime.opened.settings), self._series
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="series")
        self._warming: asyncio.Future[None] | None = None
        self._growing: asyncio.Future[None] | None = None

    # --- what pages ask for ----------------------------------------------------

    @property
    def markets(self) -> dict[str, Market]:
        """The markets that the ledger lists, by id."""
        return self.runtime.opened.journal.state.markets

    def market_id(self, text: str) -> str:
        """The id of a market by id or slug; the text itself if it is neither."""
        if not text or text in self.markets:
            return text
        for market in self.markets.values():
            if text == market.slug:
                return market.market_id
        return text

    def market_name(self, market_id: str) -> str:
        """What people call a market: its slug, or its id cut short."""
        market = self.markets.get(market_id)
        if market is not None and market.slug:
            return market.slug
        return short(market_id)

    def time_at(self, position: int) -> int:
        """When a position was recorded, Unix microseconds; 0 for the beginning."""
        for recorded in self.store.read(after=position - 1, upto=position):
            return recorded.recorded_us
        return 0

    def choices(self, rows: Rows) -> dict[str, list[str]]:
        """What the filter bar offers."""
        known = rows.query("pnl", limit=_CHOICES * 5)
        found = known + rows.query("open_orders", limit=_CHOICES)
        names = dict.fromkeys(
            [*self.markets, *distinct(found, "market_id")][-_CHOICES:]
        )
        return {
            "strategies": distinct(found, "strategy")[:_CHOICES],
            "markets": [self._pick(name) for name in names],
        }

    def _pick(self, market_id: str) -> str:
        market = self.markets.get(market_id)
        return market.slug if market is not None and market.slug else market_id

    def now_us(self) -> int:
        """The ledger's clock in Unix microseconds."""
        return micros(self.runtime.opened.clock.now())

    def warm(self) -> None:
        """Read the whole past once, beside everything else."""
        self.grow()
        if self._warming is None:
            self._warming = asyncio.ensure_future(self._warm())

    @property
    def is_warm(self) -> bool:
        """Whether any past moment is a short way from a known one."""
        is_read = self._warming is not None and self._warming.done()
        return is_read and self._series.position == self.store.head

    async def _warm(self) -> None:
        head, step = self.store.head, _WARM_STEP
        for position in (*range(step, head, step), head):
            if not self.runtime.is_accepting:
                return  # the service is stopping
            await self.views.read(position, lambda _: None)

    async def series(self, position: int) -> tuple[Series, bool]:
        """The equity line, brought up as far as a moment allows; whether it is whole."""
        await asyncio.wait({self.grow()}, timeout=_SERIES_SECONDS)
        return self._series, self._series.position >= position

    def grow(self) -> "asyncio.Future[None]":
        """Go on reading the log for the equity line, beside everything else."""
        loop = asyncio.get_running_loop()
        if self._growing is None or self._growing.done():
            self._growing = loop.run_in_executor(self._thread, self._series.catch_up)
        return self._growing

    def login_link(self, token: str) -> str:
        """A path that logs in whoever opens it first, with a token."""
        return self.sessions.link(token)

    # --- routes ----------------------------------------------------------------

    def add(self, path: str, page: Page, scope: Scope = Scope.READ) -> None:
        """Serve a page to whoever has the scope; others are asked to log in."""

        async def respond(request: Request) -> Response:
            caller = request.scope.get("caller")
            if caller is None:
                return self.to_login(request)
            return await self.guarded(request, caller, page, scope)

        self.open(path, respond, ["GET", "HEAD"])

    def act(self, path: str, action: Page, scope: Scope = Scope.OPERATE) -> None:
        """Serve a form: it must carry the mark of the session it was shown in."""

        async def respond(request: Request) -> Response:
            caller = request.scope.get("caller")
            if caller is None:
                return self.to_login(request)

            async def checked(ask: Ask) -> Response:
                mark = form_of(request).get("mark", "")
                self.sessions.check(token_of(request), mark)
                return await action(ask)

            return await self.guarded(request, caller, checked, scope)

        self.open(path, respond, ["POST"])

    def open(
        self,
        path: str,
        respond: Callable[[Request], Awaitable[Response]],
        methods: list[str],
    ) -> None:
        """Serve a path to everybody; `respond` itself looks who it is."""

        async def sent(request: Request) -> Response:
            response = await respond(request)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        self.app.add_route(path, sent, methods=methods, include_in_schema=False)
        public: set[str] = self.app.state.public
        fixed, brace, _ = path.partition("{")
        public.add(fixed if brace else path)

    async def guarded(
        self, request: Request, caller: Token, page: Page, scope: Scope
    ) -> Response:
        """A page, or a page that says why there is none."""
        try:
            require(caller, scope)
            return await page(Ask(self, request, caller))
        except (LedgerError, Problem) as error:
            return self.sorry(request, problem_of(error))

    def sorry(self, request: Request, problem: Problem) -> Response:
        """A page that says what is wrong and what to do."""
        text = self.pages.bare("error.html", problem=problem, path=request.url.path)
        return HTMLResponse(text, problem.status)

    def to_login(self, request: Request) -> Response:
        """Ask who it is, and come back afterwards."""
        wanted = request.url.path
        if request.url.query:
            wanted += f"?{request.url.query}"
        if request.method == "POST":
            wanted = HOME
        return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)

    async def page(
        self, ask: Ask, template: str, position: int, **content: Any
    ) -> Response:
        """A page with everything around it."""
        head = self.store.head
        chrome: dict[str, Any] = {
            "ask": ask,
            "where": ask.where,
            "position": position,
            "head": head,
            "at_us": self.time_at(position) if ask.is_past else None,
            "now_us": self.now_us(),
            "health": self.runtime.health(),
            "mark": self.sessions.mark(token_of(ask.request)),
            "may_operate": ask.caller.allows(Scope.OPERATE) and not ask.is_past,
        }
        return HTMLResponse(self.pages.full(template, **chrome, **content))


def mount(app: FastAPI, runtime: Runtime) -> Dashboard:
    """Add the dashboard to an application.

    Args:
        app: What `create_app` gave.
        runtime: The ledger and its loops.
    """
    from service.web import routes

    site = Dashboard(app, runtime)
    app.state.dashboard = site
    static = StaticFiles(directory=_STATIC)
    app.mount("/static", static, name="static")
    app.state.public.add("/static/")
    routes.add_to(site)
    return site
