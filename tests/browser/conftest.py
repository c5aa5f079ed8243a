"""A stage and a browser for every test, started once.

They need playwright, which lives in an environment of its own (`make test-web`), and a
Chromium of the system's.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.browsing import chromium, launched
from tests.browser.stage import Stage, staged


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium."""
    pytest.importorskip("playwright", reason="run `make test-web`")
    if chromium() is None:
        pytest.skip("no Chromium is installed; name one with CHROMIUM=/path")
    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def stage(
    browser: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """The service on the demo's log."""
    with staged(tmp_path_factory.mktemp("stage") / "demo") as found:
        yield found


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    """A fresh profile."""
    found = browser.new_context(viewport={"width": 1440, "height": 900})
    yield found
    found.close()


@pytest.fixture
def page(context: Any, stage: Stage) -> Iterator[Any]:
    """A page that is logged in; it fails the test for what no page may do.

    No error on the console, no exception, and no request to anybody else.
    """
    found = context.new_page()
    wrong: list[str] = []
    expected: list[str] = []
    found.expected = expected

    def note_message(message: Any) -> None:
        if message.type == "error":
            wrong.append(message.text)

    def note_request(request: Any) -> None:
        if not request.url.startswith((stage.url, "data:")):
            wrong.append(f"asked {request.url}")

    found.on("console", note_message)
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("request", note_request)
    found.goto(stage.login())
    found.wait_for_selector("html[data-ready]")
    yield found
    assert [text for text in wrong if not any(e in text for e in expected)] == []
