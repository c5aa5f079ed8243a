"""What the pages say, without a browser."""

import asyncio
import csv
import io
import re

import pytest

from ledger.values import text_of
from service.web import asking
from service.web.pages.overview import figures
from tests.integration.web.serving import MARKET, Served


async def test_the_mode_is_on_every_page(served: Served) -> None:
    """Nobody may take play for money, or money for play."""
    async with served.browser("read") as browser:
        for path in ("/overview", "/orders", "/audit", "/system"):
            text = (await browser.get(path)).text
            mode = re.search(r'id="mode".*?</div>', text, re.DOTALL)
            assert mode
            assert "Paper" in mode[0]
            assert "Normal" in mode[0]


async def test_a_past_page_says_so_and_shows_what_was_known(served: Served) -> None:
    """The banner is what keeps a person from acting on old figures."""
    before = served.opened.store.head
    order_id = await served.place()
    async with served.browser("read") as browser:
        now = (await browser.get("/orders")).text
        past = (await browser.get(f"/orders?as_of={before}")).text
        assert order_id in now
        assert "This is the past" not in now
        assert order_id not in past
        assert f"position <span data-position>{before}</span>" in past
        assert "This is the past" in past
        assert f"/positions?as_of={before}" in past  # the moment holds on every page


async def test_a_moment_that_has_not_come_is_not_shown(served: Served) -> None:
    """A wrong number must not look like an empty ledger."""
    async with served.browser("read") as browser:
        assert (await browser.get("/orders?as_of=999999")).status_code == 404
        assert (await browser.get("/orders?as_of=soon")).status_code == 422
        assert (await browser.get("/orders?status=LOST")).status_code == 422
        assert (await browser.get("/orders?cursor=xx")).status_code == 422


async def test_what_others_wrote_is_escaped(served: Served) -> None:
    """A note is text from another program; it must not become part of the page."""
    await served.place(note="<script>alert(1)</script>", strategy="tester")
    async with served.browser("read") as browser:
        rows = await browser.get("/orders")
        order_id = re.findall(r'title="([0-9a-f-]{36})"', rows.text)[0]
        text = (await browser.get(f"/orders/{order_id}")).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text


async def test_the_signed_order_is_on_no_page(served: Served) -> None:
    """Whoever has it can post it."""
    order_id = await served.place()
    async with served.browser("read") as browser:
        for path in (f"/orders/{order_id}", f"/story/{order_id}", "/audit"):
            text = (await browser.get(path)).text
            assert "order.prepared" in text
            assert "signed_order" not in text


async def test_an_unknown_order_is_not_found(served: Served) -> None:
    """And the page says where to go from there."""
    async with served.browser("read") as browser:
        answer = await browser.get("/orders/nothing")
        assert answer.status_code == 404
        assert "/overview" in answer.text


@pytest.mark.parametrize(
    ("wanted", "is_found"),
    [("will-it", True), ("TESTER", True), ("0xcdcd", True), ("absent", False)],
)
async def test_a_search_finds_orders_by_what_people_remember(
    served: Served, wanted: str, *, is_found: bool
) -> None:
    """Nobody remembers a whole id."""
    order_id = await served.place()
    async with served.browser("read") as browser:
        text = (await browser.get("/orders", params={"q": wanted})).text
        assert (order_id in text) is is_found


async def test_a_market_is_picked_by_its_slug(served: Served) -> None:
    """People know the slug; the log knows the id."""
    order_id = await served.place()
    async with served.browser("read") as browser:
        for name in (MARKET.slug, MARKET.market_id):
            assert order_id in (await browser.get(f"/orders?market={name}")).text
        assert order_id not in (await browser.get("/orders?market=other")).text


@pytest.mark.parametrize(
    "name",
    ["orders", "fills", "positions", "pnl", "drifts", "reconciliation", "events"],
)
async def test_every_table_leaves_as_csv_and_json(served: Served, name: str) -> None:
    """The same rows in both forms."""
    await served.place(size="20", price="0.47")
    await served.drift()
    async with served.browser("read") as browser:
        rows = (await browser.get(f"/export/{name}.json")).json()["items"]
        text = (await browser.get(f"/export/{name}.csv")).text
        assert len(list(csv.DictReader(io.StringIO(text)))) == len(rows)
        assert (await browser.get("/export/passwords.csv")).status_code == 404
        assert (await browser.get(f"/export/{name}.exe")).status_code == 404


async def test_a_cell_is_never_a_formula(served: Served) -> None:
    """A spreadsheet would run what a strategy wrote."""
    await served.place(idempotency_key="=cmd|calc")
    async with served.browser("read") as browser:
        text = (await browser.get("/export/orders.csv")).text
        rows = list(csv.DictReader(io.StringIO(text)))
        assert rows[0]["idempotency_key"] == "'=cmd|calc"


async def test_the_equity_line_ends_where_the_account_is(served: Served) -> None:
    """A plot that disagrees with the figures above it is worse than none."""
    await served.place(size="20", price="0.47")
    async with served.browser("read") as browser:
        told = (await browser.get("/overview/plot.json")).json()
        assert told["whole"]
        state = served.opened.journal.state
        held = sum(line.position.totals.cost for line in state.holdings.values())
        assert told["equity"][-1] == text_of(state.cash + held)
        first = told["position"][0]
        past = (await browser.get(f"/overview/plot.json?as_of={first}")).json()
        assert past["position"] == [first]


async def test_the_stream_tells_how_far_the_log_is(served: Served) -> None:
    """It is what keeps an open page current."""
    import msgspec

    from service.web.live import NewsStream

    head = served.opened.store.head
    frame = NewsStream(served.site)._frame(head)
    told = msgspec.json.decode(frame.partition(b"data: ")[2])
    assert told["position"] == head
    assert told["drifts"] == 0


async def test_audit_and_overview_tell_the_same(served: Served) -> None:
    """They come by their figures on two ways; money has one truth."""
    await served.place()
    await served.place(size="20", price="0.47")
    for _ in range(500):  # until the fill is on disk
        position, told = await served.site.views.read(
            None, lambda rows: figures(rows, {})
        )
        if told["open_count"] == 1:
            break
        await asyncio.sleep(0.01)
    found = served.site.moments.figures(position)
    same = ("open_count", "unknown", "held_count", "cost", "pending", "net", "fees")
    assert {name: found[name] for name in same} == {name: told[name] for name in same}
    assert found["open_count"] == 1
    assert found["pending"] == 20
    assert text_of(found["cash"]) == told["account"]["cash"]
    assert text_of(found["free_cash"]) == told["account"]["free_cash"]


async def test_a_market_shows_where_our_orders_stand(served: Served) -> None:
    """Also at prices where the book shows nobody."""
    await served.place(price="0.43", post_only=True)
    async with served.browser("read") as browser:
        text = (await browser.get("/markets")).text
        ladder = text.partition('class="ladder"')[2].partition("</table>")[0]
        row = ladder.partition('class="bid">0.43')[2].partition("</tr>")[0]
        assert ">20</span>" in row


async def test_a_page_does_not_hurry_a_busy_ledger(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks on must not slow the orders down."""
    runtime = served.site.runtime
    await served.place()
    await runtime.catch_up()

    async def never() -> int:
        raise AssertionError("the read models were hurried")

    monkeypatch.setattr(runtime, "catch_up", never)
    monkeypatch.setattr(asking, "FAR", -1)
    async with served.browser("read") as browser:
        answer = await browser.get("/orders")
        assert answer.status_code == 200
        assert f'data-position="{runtime.models.position}"' in answer.text
