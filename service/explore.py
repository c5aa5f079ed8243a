"""SQL over the read models in a browser, under /explore, where Datasette is installed.

It sees one file, the read models, and that only to read: neither the log nor the
tokens, and not the state that the read models go on from.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import tokens
from service.explore_pages import DATABASE, metadata
from service.http.gate import require
from service.http.problems import Problem
from service.places import read_models_path
from service.web.site import HEADERS

if TYPE_CHECKING:
    from service.web.asking import Ask
    from service.web.site import Dashboard

PATH: Final = "/explore"
BASE: Final = f"{PATH}/"

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

    datasette = Datasette(settings=_SETTINGS, metadata=metadata())
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
