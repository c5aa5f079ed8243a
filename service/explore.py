"""SQL over the read models in a browser, under /explore, where Datasette is installed.

It sees one file, the read models, and that only to read: neither the log nor the
tokens, and not the state that the read models go on from.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from projections import MODELS
from service import tokens
from service.http.gate import require
from service.http.problems import Problem
from service.places import read_models_path
from service.web.site import HEADERS

if TYPE_CHECKING:
    from service.web.asking import Ask
    from service.web.site import Dashboard

PATH: Final = "/explore"
BASE: Final = f"{PATH}/"
DATABASE: Final = "read_models"

CSP: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Datasette's pages hold scripts and styles; they load nothing by script."""

_HEADERS: Final = {**HEADERS, "Content-Security-Policy": CSP}
_OWN: Final = {name.lower().encode() for name in _HEADERS} | {b"set-cookie"}
_KEPT_FROM_IT: Final = {b"authorization", b"cookie"}

_SETTINGS: Final = {
    "allow_download": False,  # the file holds the state to go on from as well
    "base_url": BASE,
    "num_sql_threads": 2,
    # A reader holds up whoever writes the rows, who gives up after 5 s.
    "sql_time_limit_ms": 1000,
    "suggest_facets": False,  # a query per column and page, beside the trading
}
_BUSY_SECONDS: Final = 5
_LONGEST_CELL: Final = 10_000_000
_HIDDEN: Final = ("progress", "state")

_T = TypeVar("_T")

_UNITS: Final = {
    "pUSD": (
        "cash cash_ledger cash_venue cost fee fees free_cash net paid paid_with_fees"
        " realized_pnl received reserved_cash"
    ),
    "pUSD per share": "avg_price payout price",
    "shares": (
        "bought filled pending_shares remaining requested_size reserved_shares settled"
        " settled_shares shares size sold"
    ),
    "in the log": "position",
    "per million": "failure_ppm",
}
"""What the numbers of a column count."""


def is_installed() -> bool:
    """Whether the extra `explore` is there; nothing is imported."""
    return find_spec("datasette") is not None


def add_to(site: "Dashboard") -> None:
    """Add the paths; what makes the pages is loaded when somebody first asks."""

    async def enter(_: "Ask") -> Response:
        if not is_installed():
            raise _not_installed()
        return RedirectResponse(BASE, 303)

    site.add(PATH, enter)
    site.app.mount(PATH, Explorer(site))


class Explorer:
    """Everything below /explore/: behind the gate, for whoever may read."""

    def __init__(self, site: "Dashboard") -> None:
        self._site = site
        self._path = read_models_path(site.runtime.opened.data)
        self._app: ASGIApp | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        try:
            app = await self._admit(scope)
        except Problem as problem:
            sorry = self._site.sorry(Request(scope), problem)
            sorry.headers.update(HEADERS)
            await sorry(scope, receive, send)
            return
        # Datasette has no use for a token, so it is not shown one.
        headers = [pair for pair in scope["headers"] if pair[0] not in _KEPT_FROM_IT]
        await app({**scope, "headers": headers}, receive, partial(_send, send))

    async def _admit(self, scope: Scope) -> ASGIApp:
        """What answers a request.

        Raises:
            Problem: it is not installed, not allowed or not there.
        """
        require(scope.get("caller"), tokens.Scope.READ)
        if not is_installed():
            raise _not_installed()
        if scope["method"] not in {"GET", "HEAD"}:
            raise Problem(405, "method_not_allowed", "pages here are only read")
        if not _is_page(scope):
            raise Problem(404, "not_found", "there is no such page")
        if not self._path.exists():
            raise Problem(503, "not_ready", "the read models are not built yet")
        async with self._making:
            if self._app is None:
                self._app = await _make(self._path)
        return self._app


def _is_page(scope: Scope) -> bool:
    """Whether a path shows rows: pages about the process itself tell too much."""
    # As Datasette does it: it looks at what was sent, not at what that stands for.
    sent: bytes = scope.get("raw_path") or scope["path"].encode()
    route = sent.partition(b"?")[0]
    inner = route.removeprefix(BASE.encode())
    is_inside = inner != route
    return is_inside and (inner.startswith(b"-/static/") or not inner.startswith(b"-/"))


async def _send(send: Send, message: Message) -> None:
    """Send with our headers in place of those of the same name."""
    if message["type"] == "http.response.start":
        kept = [pair for pair in message["headers"] if pair[0].lower() not in _OWN]
        own = [(name.encode(), text.encode()) for name, text in _HEADERS.items()]
        message = {**message, "headers": [*kept, *own]}
    await send(message)


def _not_installed() -> Problem:
    return Problem(
        404,
        "not_installed",
        "the SQL explorer is not installed",
        hint="run `make explore`, or `pip install 'order-ledger[explore]'`,"
        " then start the service again",
    )


async def _make(path: Path) -> ASGIApp:
    """Datasette on one file."""
    # It takes most of a second, during which the loop has other things to do.
    await asyncio.to_thread(_load)
    from datasette.app import Datasette
    from datasette.database import Database

    # The package has no types.
    class Models(Database):  # type: ignore[misc]
        """The file as it is now: a rebuild puts another one in its place."""

        async def execute_fn(self, fn: Callable[[sqlite3.Connection], _T]) -> _T:
            """Run in a thread, with a connection that is kept no longer."""

            def work() -> _T:
                with closing(connect(path)) as connection:
                    return fn(connection)

            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.ds.executor, work)

    datasette = Datasette(settings=_SETTINGS, metadata=_metadata())
    datasette.remove_database("_memory")
    datasette.add_database(Models(datasette, path=str(path)), name=DATABASE)
    await datasette.invoke_startup()
    app: ASGIApp = datasette.app()
    return app


def _load() -> None:
    """Load the package, and leave out what would say or do more than it should."""
    import datasette.app  # noqa: F401 -- the slow part
    from datasette.plugins import DEFAULT_PLUGINS, pm

    # Every page that is not there would print the variables of this process; and
    # where nothing was raised, that fails.
    pm.get_plugin("datasette.handle_exception").rich = None
    # Other extensions that happen to be installed may write, or look around.
    for name, plugin in pm.list_name_plugin():
        if name not in DEFAULT_PLUGINS:
            pm.unregister(plugin)


def connect(path: Path) -> sqlite3.Connection:
    """Open the read models for somebody else's SQL: to read rows, nothing more."""
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
    )
    connection.row_factory = sqlite3.Row
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_CELL)
    connection.set_authorizer(_authorize)
    return connection


def _authorize(
    action: int, first: str | None, second: str | None, _: str | None, __: str | None
) -> int:
    if action == sqlite3.SQLITE_ATTACH:
        return sqlite3.SQLITE_DENY  # another file, such as the log
    if action == sqlite3.SQLITE_READ:
        table, column = (first or "").lower(), (second or "").lower()
        if (table, column) == _HIDDEN:
            return sqlite3.SQLITE_IGNORE  # it reads as NULL
        if table == "sqlite_dbpage":
            return sqlite3.SQLITE_DENY  # the bytes of the file
    return sqlite3.SQLITE_OK


# --- what the pages say ----------------------------------------------------------


def _metadata() -> dict[str, Any]:
    units = {name: unit for unit, names in _UNITS.items() for name in names.split()}
    tables: dict[str, dict[str, Any]] = {
        model.name: {"columns": dict(_described(model.columns, units))}
        for model in MODELS.values()
    }
    tables["progress"] = {"hidden": True}
    database = {
        "description": "Rebuilt from the log at any time. Sizes are shares, money is"
        " pUSD, both as decimal text: CAST(size AS REAL) to sort or add up roughly.",
        "queries": _QUERIES,
        "tables": tables,
    }
    return {"title": "Read models", "databases": {DATABASE: database}}


def _described(
    columns: Iterable[str], units: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for name in columns:
        if name.endswith("_us"):
            yield name, "microseconds since 1970, UTC"
        elif name in units:
            yield name, units[name]


def _utc(column: str) -> str:
    return f"datetime({column} / 1000000, 'unixepoch')"


_BY_STRATEGY: Final = "(:strategy = '' OR strategy = :strategy)"

_QUERIES: Final = {
    "newest_orders": {
        "title": "Newest orders",
        "description": "Sizes in shares, prices in pUSD per share, times in UTC."
        " Leave the strategy empty for all of them.",
        "sql": f"SELECT order_id, {_utc('requested_us')} AS requested_utc, strategy,"  # noqa: S608 -- our own text
        " market_id, outcome, side, size, price, status, done_reason, filled,"
        " avg_price, fees, refusal_text"
        f" FROM orders WHERE {_BY_STRATEGY}"
        " ORDER BY order_id DESC LIMIT 500",
    },
    "newest_fills": {
        "title": "Newest fills",
        "description": "Sizes in shares, prices in pUSD per share, fees in pUSD."
        " Leave the strategy empty for all of them.",
        "sql": f"SELECT trade_id, {_utc('first_us')} AS first_seen_utc, order_id,"  # noqa: S608 -- our own text
        " strategy, market_id, outcome, side, size, price, fee, role, settlement"
        f" FROM fills WHERE {_BY_STRATEGY}"
        " ORDER BY position DESC LIMIT 500",
    },
    "largest_positions": {
        "title": "Positions by cost",
        "description": "Shares, and cost, fees and profit in pUSD."
        " Leave the strategy empty for all of them.",
        "sql": "SELECT strategy, market_id, outcome, shares, settled_shares,"  # noqa: S608 -- our own text
        " pending_shares, avg_price, cost, fees, realized_pnl, payout"
        f" FROM positions WHERE {_BY_STRATEGY}"
        " ORDER BY abs(CAST(cost AS REAL)) DESC LIMIT 500",
    },
    "drifts_by_state": {
        "title": "Drifts, the open ones first",
        "description": "Where the ledger and the venue disagree, or did.",
        "sql": f"SELECT drift_id, {_utc('opened_us')} AS opened_utc,"  # noqa: S608 -- our own text
        f" {_utc('acknowledged_us')} AS acknowledged_utc,"
        f" {_utc('closed_us')} AS closed_utc, kind, subject, detail, times, note,"
        " reason FROM drifts ORDER BY closed_us IS NOT NULL, opened_us DESC LIMIT 500",
    },
}
