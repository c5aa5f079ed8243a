"""A browser for tests and pictures: the system's Chromium, offline."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

ARGUMENTS = ("--disable-background-networking", "--disable-component-update")


def chromium() -> str | None:
    """Where Chromium is: CHROMIUM in the environment, or on the path."""
    return os.environ.get("CHROMIUM") or next(
        filter(
            None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
        ),
        None,
    )


@contextmanager
def launched() -> Iterator[Any]:
    """A browser, headless."""
    # By name: the type checker runs where it is not installed.
    sync_playwright = import_module("playwright.sync_api").sync_playwright

    arguments = list(ARGUMENTS)
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), headless=True, args=arguments
        )
        try:
            yield browser
        finally:
            browser.close()
