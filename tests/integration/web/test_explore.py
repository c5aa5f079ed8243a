"""SQL over the read models: who gets in, and what stays out of reach."""

import asyncio
import re
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from service import explore
from service.explore import BASE, CSP, connect
from service.explore_pages import DATABASE
from service.places import ledger_path, read_models_path
from service.tokens import FILE_NAME
from tests.integration.web.serving import Served

ROWS = f"{BASE}{DATABASE}"

needs_datasette = pytest.mark.skipif(
    not explore.is_installed(),
    reason="Datasette is not installed: pip install -r requirements/explore.txt",
)
pytestmark = [
    # What other people's modules do when they are loaded is not ours to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


async def caught_up(served: Served) -> None:
    """Wait until the read models hold everything."""
    while served.site.runtime.models.position < served.opened.store.head:  # noqa: ASYNC110 -- another thread writes
        await asyncio.sleep(0.005)


async def rows(browser: httpx2.AsyncClient, sql: str) -> list[Any]:
    """What somebody's SQL gives."""
    answer = await browser.get(f"{ROWS}.json", params={"sql": sql})
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["rows"]
    return found


# --- without the extra -------------------------------------------------------------


@pytest.mark.parametrize("path", ["/explore", "/explore/", "/explore/read_models"])
async def test_without_the_extra_it_says_how_to_get_it(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A bare 404 would send people looking for a mistake of theirs."""
    monkeypatch.setattr(explore, "find_spec", lambda _: None)
    async with served.browser("read") as browser:
        answer = await browser.get(path)
        assert answer.status_code == 404
        assert "make explore" in answer.text
        assert "order-ledger[explore]" in answer.text
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "/explore" not in (await browser.get("/system")).text


async def test_with_the_extra_the_system_page_leads_there(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody guesses an address."""
    monkeypatch.setattr(explore, "find_spec", lambda _: object())
    async with served.browser("read") as browser:
        assert 'href="/explore/"' in (await browser.get("/system")).text
        answer = await browser.get("/explore")
        assert (answer.status_code, answer.headers["location"]) == (303, BASE)


# --- who gets in -------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "read_models", "read_models/orders.json"])
async def test_nobody_gets_in_without_a_token_that_may_read(
    served: Served, path: str
) -> None:
    """Whatever is mounted behind the gate must not open a second door."""
    async with served.browser() as stranger:
        assert (await stranger.get("/explore")).status_code == 303
        assert (await stranger.get(BASE + path)).status_code == 401
    async with served.browser("submit") as other:
        assert (await other.get(BASE + path)).status_code == 403


async def test_what_makes_the_pages_is_shown_no_token(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other people's code, and its extensions, need not know who may trade."""
    seen: list[set[bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append({name for name, _ in scope["headers"]})
        headers = {"set-cookie": "a=b", "cache-control": "max-age=5"}
        await PlainTextResponse("rows", headers=headers)(scope, receive, send)

    async def make(_: Path) -> ASGIApp:
        return app

    monkeypatch.setattr(explore, "find_spec", lambda _: object())
    monkeypatch.setattr(explore, "_make", make)
    await caught_up(served)
    async with served.browser("read") as browser:
        token = dict(browser.cookies)["order_ledger_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        answer = await browser.get(BASE, headers=bearer)
        assert answer.text == "rows"
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"] == CSP
        assert (await browser.get(f"{BASE}-/databases.json")).status_code == 404
    assert len(seen) == 1
    assert not seen[0] & {b"cookie", b"authorization"}


# --- what SQL may reach ------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders",
        "CREATE TABLE more (a)",
        "PRAGMA user_version = 7",
        "ATTACH DATABASE ':memory:' AS other",
    ],
)
async def test_the_connection_can_only_read_the_one_file(
    served: Served, tmp_path: Path, sql: str
) -> None:
    """Read models that somebody edited would show money that is not there."""
    await caught_up(served)
    with closing(connect(read_models_path(tmp_path))) as connection:
        with pytest.raises(sqlite3.Error, match=r"readonly|not authorized"):
            connection.execute(sql)
        assert connection.execute("SELECT count(*) FROM orders").fetchone()[0] == 0


async def test_the_state_to_go_on_from_is_never_shown(
    served: Served, tmp_path: Path
) -> None:
    """It is the ledger's own memory in bulk, and no read model."""
    await caught_up(served)
    with closing(connect(read_models_path(tmp_path))) as connection:
        sql = "SELECT position, state FROM progress"
        position, state = connection.execute(sql).fetchone()
        assert position > 0
        assert state is None


async def test_read_models_hold_no_signed_order(served: Served, tmp_path: Path) -> None:
    """Whoever has a signed order can send it to the venue."""
    await served.place()
    await caught_up(served)
    signed = [
        getattr(found.event, "signed_order", "")
        for found in served.opened.store.read()
        if getattr(found.event, "signed_order", "")
    ]
    raw = read_models_path(tmp_path).read_bytes()
    assert b"signed_order" not in raw
    assert all(text.encode() not in raw for text in signed)


# --- with the real package ---------------------------------------------------------


@needs_datasette
async def test_the_prepared_queries_show_what_was_traded(served: Served) -> None:
    """They are what most people will ever use of it."""
    order_id = await served.place(price=Decimal("0.5"))
    await served.drift()
    await caught_up(served)
    expected = {
        "newest_orders": order_id,
        "newest_fills": order_id,
        "largest_positions": "tester",
        "drifts_by_state": "order:0x1",
    }
    async with served.browser("read") as browser:
        index = (await browser.get(ROWS)).text
        for name, text in expected.items():
            page = await browser.get(f"{ROWS}/{name}")
            assert page.status_code == 200
            assert text in page.text, name
            assert f'href="{ROWS}/{name}"' in index
            other = await browser.get(f"{ROWS}/{name}.json?strategy=nobody")
            assert bool(other.json()["rows"]) == (name == "drifts_by_state")


@needs_datasette
async def test_pages_name_the_units_and_load_nothing_from_elsewhere(
    served: Served,
) -> None:
    """A page that fetched from another site would tell it who looks at what."""
    await caught_up(served)
    async with served.browser("read") as browser:
        for path in (BASE, ROWS, f"{ROWS}/orders", f"{ROWS}?sql=select+1"):
            answer = await browser.get(path)
            assert answer.status_code == 200
            assert answer.headers.get_list("content-security-policy") == [CSP]
            assert answer.headers.get_list("cache-control") == ["no-store"]
            assert "set-cookie" not in answer.headers
            loaded = re.findall(r'(?:src|rel="stylesheet" href)="([^"]+)"', answer.text)
            assert loaded
            for address in loaded:
                assert address.startswith(f"{BASE}-/static/")
                assert (await browser.get(address)).status_code == 200
        assert "pUSD per share" in (await browser.get(f"{ROWS}/orders")).text
    assert "http" not in CSP
    assert "*" not in CSP


@needs_datasette
async def test_a_rebuild_in_the_meantime_is_seen(served: Served) -> None:
    """A connection to the file that was swapped out would show the past for good."""
    async with served.browser("read") as browser:
        await caught_up(served)
        assert await rows(browser, "SELECT count(*) FROM orders") == [[0]]
        models = served.site.runtime.models
        for number in range(1, 4):
            await asyncio.to_thread(models.rebuild, served.opened.store)
            await served.place()
            await caught_up(served)
            assert await rows(browser, "SELECT count(*) FROM orders") == [[number]]


@needs_datasette
@pytest.mark.parametrize(
    "path",
    [
        "-/databases.json",
        "-/versions",
        "-/settings.json",
        "-/threads.json",
        "-/actor.json",
        "-/permissions",
        "%2D/databases.json",
        "./-/databases.json",
        "/-/databases.json",
        "-/static/../databases.json",
        "-/static/%2e%2e/%2e%2e/app.py",
        "_internal",
        "_internal/databases.json",
        "_memory",
        "read_models.db",
        "read_models/progress/1/state.blob",
        "ledger",
    ],
)
async def test_nothing_but_rows_is_shown(
    served: Served, tmp_path: Path, path: str
) -> None:
    """Pages about the process tell where its files lie."""
    await caught_up(served)
    async with served.browser("admin") as browser:
        answer = await browser.get(BASE + path)
        assert answer.status_code in {302, 403, 404}, answer.text
        assert str(tmp_path) not in answer.text


@needs_datasette
async def test_sql_from_a_browser_reaches_no_secret(
    served: Served, tmp_path: Path
) -> None:
    """Reading rows is not reading tokens, the log, or the ledger's memory."""
    await caught_up(served)
    async with served.browser("read") as browser:
        token = dict(browser.cookies)["order_ledger_token"]
        assert await rows(browser, "SELECT state FROM progress") == [[None]]
        for name in (ledger_path(tmp_path), tmp_path / FILE_NAME):
            sql = f"ATTACH DATABASE '{name}' AS other"
            answer = await browser.get(f"{ROWS}.json", params={"sql": sql})
            assert answer.status_code == 400
        for path in (BASE, ROWS, f"{ROWS}/progress", f"{ROWS}/orders"):
            text = (await browser.get(path)).text
            assert token not in text
            assert str(tmp_path) not in text


@needs_datasette
async def test_a_missing_file_is_said_plainly(served: Served, tmp_path: Path) -> None:
    """Read models are disposable: somebody will have disposed of them."""
    served.site.runtime.is_accepting = False
    async with served.browser("read") as browser:
        await caught_up(served)
        assert (await browser.get(ROWS)).status_code == 200
        read_models_path(tmp_path).unlink()
        answer = await browser.get(ROWS)
        assert answer.status_code == 503
        assert "not built yet" in answer.text


@needs_datasette
async def test_it_is_only_read(served: Served) -> None:
    """A form of its own would be a way to write that no scope guards."""
    async with served.browser("admin") as browser:
        origin = {"Origin": "http://127.0.0.1"}
        answer = await browser.post(ROWS, headers=origin, content=b"sql=select")
        assert answer.status_code == 405
