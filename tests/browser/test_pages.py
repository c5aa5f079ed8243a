"""The dashboard in a real browser, on a service with recorded data."""

import asyncio
from typing import Any

import pytest

from service.tokens import Scope
from tests.browser.stage import MARKETS, Stage

pytestmark = pytest.mark.slow

PAGES = {
    "/overview": "Overview",
    "/orders": "Orders",
    "/positions": "Positions",
    "/fills": "Fills",
    "/reconciliation": "Reconciliation",
    "/markets": "Markets",
    "/audit": "Audit",
    "/system": "System",
}


def go(page: Any, stage: Stage, path: str) -> None:
    """Open a page and wait until it is alive."""
    page.goto(stage.url + path)
    page.wait_for_selector("html[data-ready]")


def order_ids(page: Any) -> list[str]:
    """The orders that a table shows."""
    links = page.locator("#orders tbody td:first-child a")
    return [str(link.get_attribute("title")) for link in links.all()]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_comes_alive_without_an_error(
    page: Any, stage: Stage, path: str
) -> None:
    """A page that logs errors or asks somebody else is broken or leaks."""
    go(page, stage, path)
    assert page.locator("h1").inner_text() == PAGES[path]
    assert page.locator("#mode").is_visible()
    page.wait_for_selector("#badge.on")
    page.wait_for_timeout(300)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_without_script(
    browser: Any, stage: Stage, path: str
) -> None:
    """Who reads on a phone with script off still sees the money."""
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(stage.login())
        page.goto(stage.url + path)
        assert page.locator("h1").inner_text() == PAGES[path]
        assert page.locator("main table tbody tr, main .tile").count() > 0
    finally:
        context.close()


def test_nobody_sees_anything_without_a_token(context: Any, stage: Stage) -> None:
    """Loopback is no protection from other users of the machine."""
    page = context.new_page()
    page.goto(stage.url + "/positions")
    assert "/login" in page.url
    page.fill("input[name=token]", "olt_wrong")
    page.click("button.main")
    assert "unknown" in page.locator("[role=alert]").inner_text()
    page.fill("input[name=token]", stage.token)
    page.click("button.main")
    page.wait_for_selector("h1:has-text('Positions')")
    assert page.evaluate("document.cookie") == ""  # out of reach of scripts


def test_an_order_appears_within_a_second_of_its_event(page: Any, stage: Stage) -> None:
    """Who watches must not have to reload."""
    go(page, stage, "/orders?status=open")
    page.wait_for_selector("#badge.on")
    page.wait_for_timeout(800)
    order_id = stage.do(stage.place(0, price="0.39", post_only=True))
    link = f'a[title="{order_id}"]'
    page.wait_for_selector(link, timeout=1_000)
    stage.do(stage.opened.manager.cancel(order_id))
    page.wait_for_selector(link, state="detached", timeout=1_000)


def test_filters_and_search_live_in_the_url(page: Any, stage: Stage) -> None:
    """A view can be kept, shared and reloaded."""
    go(page, stage, "/orders")
    with page.expect_navigation():
        page.select_option("select[name=status]", "FAILED")
    assert "status=FAILED" in page.url
    chips = page.locator("#orders tbody .chip.FAILED").count()
    assert chips == page.locator("#orders tbody tr").count() > 0
    wanted = order_ids(page)[0]
    page.keyboard.press("/")
    page.keyboard.type(wanted[-8:])
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert order_ids(page) == [wanted]


def test_pages_of_a_list_meet_without_gap_or_repeat(page: Any, stage: Stage) -> None:
    """An order that falls between two pages is an order nobody sees."""
    go(page, stage, "/orders?strategy=pair_arb")
    seen = order_ids(page)
    page.click("a[rel=next]")
    page.wait_for_selector("html[data-ready]")
    seen += order_ids(page)
    assert len(set(seen)) == len(seen)
    assert seen == sorted(seen, reverse=True)


def test_an_order_tells_its_story_and_keeps_its_signature(
    page: Any, stage: Stage
) -> None:
    """Audit needs every event and its cause; the signed order stays inside."""
    go(page, stage, "/orders?status=FAILED")
    page.locator("#orders tbody a").first.click()
    page.wait_for_selector("html[data-ready]")
    rows = page.locator(".story tbody tr")
    assert rows.count() == page.locator(".story .lane .bar").count() >= 4
    rows.last.locator("a:has-text('cause')").click()
    assert "#e" in page.url
    details = page.locator(".story details")
    for at in range(details.count()):
        details.nth(at).locator("summary").click()
        assert details.nth(at).locator("pre").is_visible()
    text = page.content()
    assert "venue_order_id" in text
    assert "signed_order" not in text


def test_the_slider_shows_every_page_as_it_was(page: Any, stage: Stage) -> None:
    """Audit means to see what was known at that moment, and to know that it is past."""
    go(page, stage, "/audit?as_of=300")
    before = page.locator("main .tile .v").all_inner_texts()
    page.locator("#slider").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('#page[data-position="301"]')
    assert "as_of=301" in page.url
    assert "301" in page.locator("#travel").inner_text()
    page.evaluate(
        "(n) => { const s = document.querySelector('#slider'); s.value = n;"
        " s.dispatchEvent(new Event('input', {bubbles: true})); }",
        700,
    )
    page.wait_for_selector('#page[data-position="700"]')
    assert page.locator("main .tile .v").all_inner_texts() != before
    page.click("#nav a:has-text('Orders')")
    page.wait_for_selector("html[data-ready]")
    assert "as_of=700" in page.url
    assert "This is the past" in page.locator("#travel").inner_text()
    page.keyboard.press("l")
    page.wait_for_selector("#badge.on")
    assert "as_of" not in page.url


def test_the_slider_leads_from_live_into_the_past(page: Any, stage: Stage) -> None:
    """Nobody may mistake a past page for a live one."""
    go(page, stage, "/audit")
    assert not page.locator("#travel.past").count()
    page.locator("#slider").focus()
    page.keyboard.press("PageDown")
    page.wait_for_selector("#travel.past")
    assert "as_of=" in page.url


def test_a_drift_is_acknowledged_by_a_person(page: Any, stage: Stage) -> None:
    """A disagreement must stop being news once somebody has looked at it."""
    stage.do(stage.drift("order:0xacknowledge"))
    go(page, stage, "/reconciliation")
    row = page.locator("#drifts tbody tr", has=page.locator("form")).first
    row.locator("input[name=note]").fill("seen at the venue")
    row.locator("button").click()
    page.wait_for_selector("#drifts .chip:has-text('Acknowledged')")
    assert "seen at the venue" in page.locator("#drifts").inner_text()


def test_a_forged_form_changes_nothing(page: Any, stage: Stage) -> None:
    """What a page of ours did not show, nobody can send with our cookie."""
    go(page, stage, "/system")
    page.expected.append("403")
    status = page.evaluate(
        "async () => (await fetch('/system/mode', {method: 'POST', body:"
        " new URLSearchParams({mode: 'halted', mark: 'forged'})})).status"
    )
    assert status == 403
    assert stage.opened.journal.state.mode == "normal"


def test_dark_mode_is_chosen_and_kept(page: Any, stage: Stage) -> None:
    """A choice that is lost with the next page is no choice."""

    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = background()
    page.keyboard.press("t")
    dark = background()
    assert dark != light
    go(page, stage, "/orders")
    assert background() == dark


def test_incognito_hides_every_amount(page: Any, stage: Stage) -> None:
    """Screens are shared; what one holds is nobody's business."""
    page.keyboard.press("i")
    go(page, stage, "/positions")
    colors = page.evaluate(
        "[...document.querySelectorAll('.amt')].map(e => getComputedStyle(e).color)"
    )
    assert colors
    assert set(colors) == {"rgba(0, 0, 0, 0)"}


def test_keys_lead_everywhere(page: Any, stage: Stage) -> None:
    """People who trade do not reach for the mouse."""
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    with page.expect_navigation():
        page.keyboard.press("r")
    page.wait_for_selector("html[data-ready]")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    wanted = order_ids(page)[0]
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert wanted in page.url


def test_tables_leave_as_csv_and_json(page: Any, stage: Stage) -> None:
    """Numbers belong to whoever owns the money, in the program of their choice."""
    go(page, stage, "/orders?status=FAILED")
    with page.expect_download() as csv:
        page.locator("main a:has-text('CSV')").first.click()
    lines = csv.value.path().read_text().splitlines()
    assert lines[0].startswith("order_id,strategy")
    assert len(lines) - 1 == page.locator("#orders tbody tr").count()


def test_a_market_shows_its_book_and_our_orders(page: Any, stage: Stage) -> None:
    """Where we stand in the queue is the first question of a market maker."""
    go(page, stage, f"/markets?market={MARKETS[0].slug}")
    assert page.locator(".ladder").count() == 2
    assert page.locator(".ladder .own:not(:empty)").count() >= 2


def test_the_read_models_are_rebuilt_from_a_button(page: Any, stage: Stage) -> None:
    """They are disposable, so throwing them away must be easy."""
    go(page, stage, "/system")
    page.click("button:has-text('Rebuild')")
    for _ in range(40):
        go(page, stage, "/system")
        if page.locator("text=taken in anew").count():
            break
        page.wait_for_timeout(250)
    assert page.locator("text=taken in anew").count() == 1


def test_a_revoked_token_ends_an_open_page(
    context: Any, page: Any, stage: Stage
) -> None:
    """Whoever lost the right to look must not go on looking."""
    text, token = stage.site.tokens.create(
        "guest", [Scope.READ], now=stage.opened.clock.now()
    )
    guest = context.new_page()
    guest.goto(stage.url + stage.site.login_link(text))
    guest.wait_for_selector("#badge.on")
    stage.site.tokens.revoke(token.token_id)
    guest.wait_for_timeout(400)
    stage.do(stage.place(0, price="0.38", post_only=True))
    guest.wait_for_selector("input[name=token]", timeout=5_000)
    assert "/login" in guest.url


def test_the_badge_says_when_the_service_is_away(page: Any, stage: Stage) -> None:
    """A page that looks live and is not costs money."""
    go(page, stage, "/overview")
    page.wait_for_selector("#badge.on")
    page.expected += ["ERR_", "Failed to load"]
    page.route("**/live", lambda route: route.abort())
    stage.do(_drop_followers(stage))
    page.wait_for_selector("#badge.off", timeout=5_000)
    page.unroute("**/live")
    page.wait_for_selector("#badge.on", timeout=10_000)


async def _drop_followers(stage: Stage) -> None:
    """End every stream, as a restart would."""
    stage.site.hub.is_closed = True
    stage.site.hub._wake()
    await asyncio.sleep(0.4)
    stage.site.hub.is_closed = False
