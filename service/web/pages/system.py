"""The machine room: read models, the log, verification, settings."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi.responses import RedirectResponse, Response

from config import config_hash
from ledger.errors import LedgerError
from ledger.values import TradingMode
from projections import MODELS, Table
from service.http.operate import Operator
from service.http.schemas import ModeChange
from service.http.views import Rows
from service.places import ledger_path, read_models_path
from service.tokens import Scope
from service.web.asking import Ask, form_of
from service.web.format import flat

if TYPE_CHECKING:
    from pathlib import Path

    from service.web.site import Dashboard


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


def add_to(site: "Dashboard") -> None:
    """Add the paths."""
    runtime = site.runtime
    jobs = {"rebuild": Job("rebuild"), "verify": Job("verify")}
    errands: set[asyncio.Task[None]] = set()
    operator = Operator(runtime)

    def rebuild(job: Job) -> str:
        count = runtime.models.rebuild(site.store, job.report)
        return f"{count:,} events taken in anew"

    def verify(job: Job) -> str:
        head = site.store.head
        report = site.store.verify(
            full=True, progress=lambda done: job.report(done, head)
        )
        job.is_bad = not report.is_sound
        if report.is_sound:
            return f"{report.events:,} events, chain intact, head {report.hash[:16]}"
        return "; ".join(report.problems[:5])

    def begin(name: str, work: Callable[[Job], str]) -> None:
        job = jobs[name]
        if job.is_running:
            return
        task = asyncio.create_task(job.run(work, site.now_us))
        errands.add(task)
        task.add_done_callback(errands.discard)

    async def show(ask: Ask) -> Response:
        def work(rows: Rows) -> dict[str, Any]:
            return {
                "choices": site.choices(rows),
                "system": rows.query("system", newest_first=True, limit=12),
            }

        position, found = await ask.read(work)
        opened = runtime.opened
        data = opened.data
        settings = flat(opened.settings.redacted())
        return await site.page(
            ask,
            "system.html",
            position,
            **found,
            jobs=jobs,
            models=_models(),
            files=_files([ledger_path(data), read_models_path(data)]),
            settings=settings,
            config_hash=config_hash(opened.settings),
            ledger_id=site.store.ledger_id,
            head_hash=site.store.head_hash.hex(),
        )

    async def start_rebuild(_: Ask) -> Response:
        begin("rebuild", rebuild)
        return RedirectResponse("/system", 303)

    async def start_verify(_: Ask) -> Response:
        begin("verify", verify)
        return RedirectResponse("/system", 303)

    async def change_mode(ask: Ask) -> Response:
        form = form_of(ask.request)
        reason = form.get("reason", "").strip()[:500] or "from the dashboard"
        mode = (
            TradingMode(form["mode"]) if form.get("mode") in list(TradingMode) else None
        )
        if mode is not None:
            await operator.change_mode(mode, ModeChange(reason=reason), ask.caller.name)
        return RedirectResponse("/system", 303)

    site.add("/system", show)
    site.act("/system/rebuild", start_rebuild, Scope.OPERATE)
    site.act("/system/verify", start_verify, Scope.OPERATE)
    site.act("/system/mode", change_mode, Scope.OPERATE)


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
