"""Who gets in, and what a browser is told to refuse."""

import asyncio
import re

import pytest

from service.http.gate import COOKIE
from service.web.session import LINK_SECONDS, Sessions
from service.web.site import CSP
from tests.integration.web.serving import BASE, Served

PAGES = (
    "/overview",
    "/orders",
    "/positions",
    "/fills",
    "/reconciliation",
    "/markets",
    "/audit",
    "/system",
    "/overview/plot.json",
    "/export/orders.csv",
    "/live",
)
ORIGIN = {"Origin": BASE}


def mark_in(text: str) -> str:
    """The mark that the forms of a page carry."""
    found = re.search(r'name="mark" value="([0-9a-f]{64})"', text)
    assert found
    return found[1]


@pytest.mark.parametrize("path", PAGES)
async def test_whoever_is_unknown_is_asked_to_log_in(served: Served, path: str) -> None:
    """A path that forgot to ask would show the money to every user of the machine."""
    async with served.browser() as browser:
        answer = await browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=")


@pytest.mark.parametrize("path", [p for p in PAGES if p != "/live"])
async def test_every_page_is_sent_with_a_strict_policy(
    served: Served, path: str
) -> None:
    """One injected script could place orders in the owner's name."""
    async with served.browser("read") as browser:
        answer = await browser.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == CSP
        assert "unsafe" not in CSP
        assert answer.headers["cache-control"] == "no-store"
        assert "style=" not in answer.text or "json" in path


async def test_the_bare_address_leads_to_the_overview_and_opens_nothing(
    served: Served,
) -> None:
    """People type the address; a path that is open must not open all below it."""
    async with served.browser() as browser:
        answer = await browser.get("/")
        assert answer.headers["location"] == "/overview"
        assert (await browser.get("/v1/orders")).status_code == 401
        assert (await browser.get("/metrics")).status_code == 401


async def test_a_token_is_kept_out_of_reach_of_scripts(served: Served) -> None:
    """The cookie is as good as the token."""
    async with served.browser() as browser:
        form = {"token": served.token("read"), "next": "/orders"}
        answer = await browser.post("/login", data=form, headers=ORIGIN)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/orders"
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(COOKIE)
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\e"])
async def test_nobody_is_sent_elsewhere_after_logging_in(
    served: Served, wanted: str
) -> None:
    """A link to our login page must not end on somebody else's."""
    async with served.browser() as browser:
        form = {"token": served.token("read"), "next": wanted}
        answer = await browser.post("/login", data=form, headers=ORIGIN)
        assert answer.headers["location"] == "/overview"


async def test_a_wrong_token_does_not_log_in(served: Served) -> None:
    """And the page says so."""
    async with served.browser() as browser:
        form = {"token": "olt_wrong"}
        answer = await browser.post("/login", data=form, headers=ORIGIN)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "unknown" in answer.text


async def test_nobody_logs_in_by_a_token_file_that_is_broken(served: Served) -> None:
    """The form must say no, not fall over."""
    text = served.token("read")
    async with served.browser() as browser:
        served.site.tokens.path.write_text("{")
        await asyncio.sleep(0.3)
        answer = await browser.post("/login", data={"token": text}, headers=ORIGIN)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers


async def test_a_login_link_works_once(served: Served) -> None:
    """It stands in a terminal and in the history of a browser."""
    token = served.token("read")
    async with served.browser() as browser:
        bearer = {"Authorization": f"Bearer {token}"}
        path = (await browser.post("/login/link", headers=bearer)).json()["path"]
        first = await browser.get(path)
        assert first.status_code == 303
        assert token in first.headers["set-cookie"]
        browser.cookies.clear()
        assert (await browser.get(path)).status_code == 410
        assert (await browser.post("/login/link")).status_code == 401


def test_a_login_link_grows_old() -> None:
    """A link that was never used must not wait for somebody else."""
    now = 0.0
    sessions = Sessions(lambda: now)
    code = sessions.link("token").rpartition("/")[2]
    now = LINK_SECONDS + 1
    assert sessions.redeem(code) is None


async def test_a_form_needs_its_mark_and_its_origin(served: Served) -> None:
    """A page of another site can make a browser send our cookie with a form."""
    await served.drift()
    form = {"drift_id": "order:0x1", "note": "seen"}
    path = "/reconciliation/acknowledge"
    async with served.browser("read", "operate") as browser:
        mark = mark_in((await browser.get("/reconciliation")).text)
        bare = await browser.post(path, data=form, headers=ORIGIN)
        assert bare.status_code == 403
        elsewhere = await browser.post(
            path, data={**form, "mark": mark}, headers={"Origin": "http://evil.example"}
        )
        assert elsewhere.status_code == 403
        missing = await browser.post(path, data={**form, "mark": mark})
        assert missing.headers["location"].startswith("/login")
        drift = served.opened.journal.state.drifts["order:0x1"]
        assert not drift.acknowledged
        good = await browser.post(path, data={**form, "mark": mark}, headers=ORIGIN)
        assert good.headers["location"] == "/reconciliation"
        assert served.opened.journal.state.drifts["order:0x1"].acknowledged


async def test_a_reader_may_look_and_change_nothing(served: Served) -> None:
    """A token for a screen on the wall must not halt the trading."""
    await served.drift()
    async with served.browser("read") as browser:
        page = await browser.get("/reconciliation")
        assert "/reconciliation/acknowledge" not in page.text
        mark = mark_in((await browser.get("/system")).text)
        form = {"mark": mark, "mode": "halted"}
        answer = await browser.post("/system/mode", data=form, headers=ORIGIN)
        assert answer.status_code == 403
        assert served.opened.journal.state.mode == "normal"


async def test_an_operator_halts_from_the_page(served: Served) -> None:
    """The quickest way to stop is the one in sight."""
    async with served.browser("read", "operate") as browser:
        mark = mark_in((await browser.get("/system")).text)
        form = {"mark": mark, "mode": "halted", "reason": "looks wrong"}
        answer = await browser.post("/system/mode", data=form, headers=ORIGIN)
        assert answer.status_code == 303
        assert served.opened.journal.state.mode == "halted"
        assert "looks wrong" in (await browser.get("/system")).text
        form["mode"] = "nonsense"
        answer = await browser.post("/system/mode", data=form, headers=ORIGIN)
        assert answer.status_code == 422


async def test_logging_out_forgets_the_token(served: Served) -> None:
    """On a machine that others use as well."""
    async with served.browser("read") as browser:
        answer = await browser.post("/logout", headers=ORIGIN)
        assert "Max-Age=0" in answer.headers["set-cookie"]
