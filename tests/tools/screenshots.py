"""Takes a picture of every page of the dashboard.

    python -m tests.tools.screenshots [FOLDER]

The pictures go to docs/images unless a folder is named.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.browser.browsing import launched
from tests.browser.stage import Stage, staged

ROOT: Final = Path(__file__).parents[2]
_SIZE: Final = {"width": 1440, "height": 900}

PAGES: Final = {
    "overview": "/overview",
    "orders": "/orders",
    "positions": "/positions",
    "fills": "/fills",
    "reconciliation": "/reconciliation",
    "markets": "/markets",
    "audit": "/audit",
    "past": "/audit?as_of=300",
    "system": "/system",
}
DARK: Final = ("overview", "order")


def order_of(stage: Stage) -> str:
    """An order with a story: the one whose fill failed on chain."""
    rows = stage.site.runtime.models.query("orders", {"status": "FAILED"})
    return str(rows[0]["order_id"])


def take(page: Any, folder: Path, name: str, url: str) -> None:
    """One picture of what is in the window."""
    page.goto(url)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(700)
    page.screenshot(path=str(folder / f"{name}.png"))
    print(folder / f"{name}.png")


def main() -> None:
    """Take them all."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        staged(Path(data) / "demo") as stage,
        launched() as browser,
    ):
        pages = PAGES | {"order": f"/orders/{order_of(stage)}"}
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport=_SIZE, color_scheme=scheme)
            page = context.new_page()
            if scheme == "light":
                take_login(page, folder, stage)
            page.goto(stage.login())
            for name, path in pages.items():
                if scheme == "light":
                    take(page, folder, name, stage.url + path)
                elif name in DARK:
                    take(page, folder, f"{name}-dark", stage.url + path)
            context.close()


def take_login(page: Any, folder: Path, stage: Stage) -> None:
    """The page for whoever is not known yet."""
    page.goto(stage.url + "/login")
    page.screenshot(path=str(folder / "login.png"))


if __name__ == "__main__":
    main()
