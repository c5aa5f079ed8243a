"""The machine room: read models, the log, verification, settings."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import RedirectResponse, Response

from config import config_hash
from ledger.errors import InvalidInputError, LedgerError
from ledger.values import TradingMode
from projections import MODELS, Table
from service.explore import is_installed
from service.http.views import Rows
from service.places import ledger_path, read_models_path
from service.web.asking import Ask, form_of
from service.web.format import flat

if TYPE_CHECKING:
    from pathlib import Path

    from service.web.site import Dashboard


_REASON: Final = 200


class Job:
    """Something that takes a while, in a thread; one at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_running = False
        self.done = 0
        self.total = 0
        self.result = ""
        self.is_bad = False
        self.finished_us: int | None = None

    def report(self, done: int, total: int) -> None:
        """How far it is."""
        self.done, self.total = done, total

    async def run(
        self, work: Callable[["Job"], str], now_us: Callable[[], int]
    ) -> None:
        """Do it; what went wrong is kept for the page."""
        self.is_running, self.is_bad, self.result = True, False, ""
        try:
            self.result = await asyncio.to_thread(work, self)
        except (LedgerError, OSError) as error:
            self.is_bad, self.result = True, str(error)
        finally:
            self.is_running = False
            self.finished_us = now_us()


class Jobs:
    """The two things that take a while."""

    def __init__(self, site: "Dashboard") -> None:
        self._site = site
        self._errands: set[asyncio.Task[None]] = set()
        self.rebuild = Job("rebuild")
        self.verify = Job("verify")

    def begin_rebuild(self) -> None:
        """Build the read models anew, beside the old ones."""
        self._begin(self.rebuild, self._rebuilt)

    def begin_verify(self) -> None:
        """Recompute the whole chain."""
        self._begin(self.verify, self._verified)

    def _begin(self, job: Job, work: Callable[[Job], str]) -> None:
        if job.is_running:
            return
        job.is_running = True
        task = asyncio.create_task(job.run(work, self._site.now_us))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _rebuilt(self, job: Job) -> str:
        count = self._site.runtime.models.rebuild(self._site.store, job.report)
        return f"{count:,} events taken in anew"

    def _verified(self, job: Job) -> str:
        store = self._site.store
        head = store.head
        report = store.verify(full=True, progress=lambda done: job.report(done, head))
        job.is_bad = not report.is_sound
        if report.is_sound:
            return f"{report.events:,} events, chain intact, head {report.hash[:16]}"
        return "; ".join(report.problems[:5])


def add_to(site: "Dashboard") -> None:
    """Add the paths."""
    jobs = Jobs(site)

    async def show(ask: Ask) -> Response:
        def work(rows: Rows) -> dict[str, Any]:
            return {
                "choices": site.choices(rows),
                "system": rows.query("system", newest_first=True, limit=12),
            }

        position, found = await ask.read(work)
        return await site.page(
            ask, "system.html", position, **found, jobs=jobs, **_state(site)
        )

    async def start_rebuild(_: Ask) -> Response:
        jobs.begin_rebuild()
        return RedirectResponse("/system", 303)

    async def start_verify(_: Ask) -> Response:
        jobs.begin_verify()
        return RedirectResponse("/system", 303)

    async def change_mode(ask: Ask) -> Response:
        form = form_of(ask.request)
        if form.get("mode") not in list(TradingMode):
            field = "mode"
            raise InvalidInputError(field, f"must be one of {', '.join(TradingMode)}")
        reason = form.get("reason", "").strip()[:_REASON] or "from the dashboard"
        await site.runtime.opened.manager.account.set_mode(
            TradingMode(form["mode"]), reason, actor=ask.caller.name
        )
        return RedirectResponse("/system", 303)

    site.add("/system", show)
    site.act("/system/rebuild", start_rebuild)
    site.act("/system/verify", start_verify)
    site.act("/system/mode", change_mode)


def _state(site: "Dashboard") -> dict[str, Any]:
    opened = site.runtime.opened
    data, settings = opened.data, opened.settings
    return {
        "models": _models(),
        "has_explorer": is_installed(),
        "files": _files([ledger_path(data), read_models_path(data)]),
        "settings": flat(settings.redacted()),
        "config_hash": config_hash(settings),
        "ledger_id": site.store.ledger_id,
        "head_hash": site.store.head_hash.hex(),
    }


def _models() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "kind": "table" if isinstance(model, Table) else "view",
            "columns": len(model.columns),
        }
        for name, model in MODELS.items()
    ]


def _files(paths: "list[Path]") -> list[dict[str, Any]]:
    return [
        {"name": path.name, "size": path.stat().st_size}
        for path in paths
        if path.exists()
    ]
