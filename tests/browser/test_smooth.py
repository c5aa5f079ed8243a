"""A log of 100,000 events is as quick to look at as a small one."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from service.bench.logs import write_log
from tests.browser.smooth import Times, longest_frame, steps
from tests.browser.stage import Stage

pytestmark = pytest.mark.slow

EVENTS = 100_000
WITHIN_MS = 100
ROUNDS = 4
"""The quickest round counts: others may be using the machine."""


@pytest.fixture(scope="module")
def large(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page on a long log whose past was read once; and the service's address."""
    folder = tmp_path_factory.mktemp("large") / "log"
    write_log(folder, events=EVENTS, checkpoint=False)
    with Stage(folder) as stage:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(stage.login())
        page.goto(stage.url + "/audit?as_of=50000")
        page.wait_for_selector("html[data-ready]")
        warm = "async () => (await (await fetch('/audit/warm')).json()).warm"
        until = time.monotonic() + 120
        while not page.evaluate(warm):
            assert time.monotonic() < until
            page.wait_for_timeout(500)
        yield page, stage.url
        page.close()


def quickest(page: Any, first: int, by: int) -> Times:
    """The best of some rounds of slider steps."""
    found = []
    for number in range(ROUNDS):
        start = first + number * by * 9
        found.append(steps(page, [start + by * n for n in range(1, 9)]))
    best = min(found)
    print(f"steps by {by}: {best.median:.0f} ms, worst {best.worst:.0f}")
    return best


@pytest.mark.parametrize("by", [1, 137, 2_503])
def test_a_step_of_the_slider_is_answered_within_100_ms(large: Any, by: int) -> None:
    """A slider that lags behind the hand is not used."""
    page, url = large
    page.goto(url + "/audit?as_of=10000")
    page.wait_for_selector("html[data-ready]")
    assert quickest(page, 10_000, by).median <= WITHIN_MS


@pytest.mark.parametrize("path", ["/orders", "/fills", "/audit"])
def test_scrolling_never_waits_100_ms_for_a_frame(large: Any, path: str) -> None:
    """Long lists are cut into pages, so that none is long."""
    page, url = large
    page.goto(url + path)
    page.wait_for_selector("html[data-ready]")
    longest = min(longest_frame(page) for _ in range(ROUNDS))
    print(f"{path}: longest frame {longest:.0f} ms")
    assert longest <= WITHIN_MS
    assert page.locator("tbody tr").count() <= 100
