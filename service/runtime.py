"""The running ledger: everything that goes on beside the commands.

`order-ledger run` and long-lived strategies use it; one command does without.
Each kind of work is one task.  A task that ends by itself halts the ledger,
because from then on nobody follows what it followed, and `health` says so.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from ledger.errors import LedgerError
from ledger.store import disk_free_mb
from ledger.values import TradingMode
from projections import ReadModels
from service.announcing import Announcer, OnEvents
from service.bootstrap import OpenLedger
from service.following import follow
from service.places import account_of, read_models_path

_log = structlog.get_logger("service.runtime")

_ASK_AGAIN_SEC: Final = 5.0
_ORDERS_LOOKED_AT_PER_SEC: Final = 10_000
_OVERDUE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How often each task looks; seconds.

    `catch_up_share` is the most of the time that the read models may take:
    under load they fall behind instead of slowing the orders down.
    """

    checks: float = 1.0
    reconcile: float = 60.0
    catch_up: float = 0.2
    catch_up_share: float = 0.25
    disk: float = 10.0


@dataclass(slots=True, kw_only=True)
class TaskHealth:
    """How one task fares; `error` says why it ended, empty while it runs."""

    name: str
    state: str = "starting"
    error: str = ""
    last_ok: datetime | None = None


class Runtime:
    """Runs one open ledger until it is stopped.

    `opened` is the ledger with its manager, executor and store; `models` are
    its read models, kept up by a task.
    """

    def __init__(
        self,
        opened: OpenLedger,
        *,
        intervals: Intervals | None = None,
        threaded: bool = True,
    ) -> None:
        """Take over an open ledger; nothing runs before `start`.

        Args:
            opened: The ledger; `stop` closes it.
            intervals: How often each task looks.
            threaded: Whether the read models are kept in a thread.
        """
        self.opened = opened
        self.models = ReadModels(
            read_models_path(opened.data), account_of(opened.settings)
        )
        self.is_accepting = False
        self.failed: asyncio.Future[str] | None = None
        execution = opened.settings.execution
        self._intervals = intervals or Intervals(
            reconcile=execution.reconcile_interval_sec
        )
        self._news = Announcer(opened.journal)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._health: dict[str, TaskHealth] = {}
        self._behind = asyncio.Event()
        self._started_at: datetime | None = None
        self._reconciled: dict[str, Any] = {"at": None, "answered": None, "found": 0}
        self._free_mb = disk_free_mb(opened.data)
        self._modelled = 0
        self._threaded = threaded

    # --- life ------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to follow the venue, to check, to compare and to keep models.

        Intents may be placed from when it returns.
        """
        self.failed = asyncio.get_running_loop().create_future()
        self._started_at = self.opened.clock.now()
        await self._news.begin()
        self._news.listeners.append(lambda _positions, _topics: self._behind.set())
        self._behind.set()
        for name, work in (
            ("facts", self._follow),
            ("checks", self._check),
            ("reconcile", self._reconcile),
            ("read_models", self._keep_models),
            ("disk", self._watch_disk),
        ):
            self._health[name] = TaskHealth(name=name)
            self._tasks[name] = asyncio.create_task(self._run(name, work), name=name)
        self.is_accepting = True

    async def stop(self, *, cancel_all: bool = False) -> None:
        """Take no more intents, end the tasks, bring the models up, close.

        With `cancel_all`, every open order is cancelled first.
        """
        self.is_accepting = False
        try:
            if cancel_all and self.opened.journal.failed is None:
                await self.opened.manager.cancel_all(actor="system")
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(
                *self._tasks.values(), *self._errands, return_exceptions=True
            )
            self._news.end()
            try:
                await self.catch_up()
            except LedgerError as error:
                _log.warning("read_models.behind", text=str(error))
            self.models.close()
            await self.opened.close()

    async def wait_failed(self) -> str:
        """Wait until a task has ended by itself; why."""
        assert self.failed is not None, "start it first"
        return await asyncio.shield(self.failed)

    # --- what others ask ---------------------------------------------------------

    def on_events(self, callback: OnEvents) -> Callable[[], None]:
        """Have `callback` called after commits, in the event loop, in order.

        It is told the positions that became durable since the last call,
        without gap or repeat, and one topic for each.  It must not block.

        Returns:
            What ends the subscription.
        """
        self._news.listeners.append(callback)
        return lambda: self._news.listeners.remove(callback)

    async def catch_up(self) -> int:
        """Bring the read models up to the log's head; the position reached."""
        await self._catch_up()
        return self._modelled

    async def _catch_up(self) -> float:
        """Bring the read models up; the CPU seconds that it took."""
        if self._threaded:
            return await asyncio.to_thread(self._catch_up_here)
        return self._catch_up_here()

    def _catch_up_here(self) -> float:
        began = time.thread_time()
        self.models.catch_up(self.opened.store)
        self._modelled = self.models.position
        return time.thread_time() - began

    def refusal(self) -> str:
        """Why no intent should be taken at the moment; empty if one may be.

        The trading mode is not among the reasons: the ledger records what it
        refuses for that.
        """
        if not self.is_accepting:
            return "the ledger is starting or stopping"
        if not self.opened.is_compared:
            return "the venue has not said yet what it holds"
        if self.opened.journal.failed is not None:
            return f"the log takes no more: {self.opened.journal.failed}"
        if self._free_mb < self.opened.settings.store.min_free_mb_halt:
            return f"only {self._free_mb} MB of disk are free"
        return self.opened.executor.unavailable()

    def health(self) -> dict[str, Any]:
        """How the ledger fares, as plain JSON types.

        `status` is "ok", "degraded" (something needs a look), "halted" (no new
        orders) or "failed" (the log takes no more, or a task ended).
        """
        opened, state = self.opened, self.opened.journal.state
        head = opened.store.head
        unknown = sum(1 for o in state.orders.values() if o.is_outcome_unknown)
        return {
            "status": self._status(),
            "mode": str(state.mode),
            "refusal": self.refusal(),
            "account": state.account,
            "paper_trading": opened.settings.execution.paper_trading,
            "started_at": _text(self._started_at),
            "at": _text(opened.clock.now()),
            "position": head,
            "epoch": opened.store.epoch,
            "orders": {"open": len(state.orders), "outcome_unknown": unknown},
            "drifts": len(state.drifts),
            "overdue_checks": opened.manager.overdue_checks(_OVERDUE),
            "venue": self._venue_health(),
            "reconciled": dict(self._reconciled),
            "read_models": {
                "position": self._modelled,
                "lag": max(head - self._modelled, 0),
            },
            "disk_free_mb": self._free_mb,
            "log_failure": str(opened.journal.failed or ""),
            "tasks": {
                name: {
                    "state": task.state,
                    "error": task.error,
                    "last_ok": _text(task.last_ok),
                }
                for name, task in self._health.items()
            },
        }

    def _venue_health(self) -> dict[str, Any]:
        """What the executor says of itself; a simulated venue has nothing to say."""
        ask = getattr(self.opened.executor, "health", None)
        if ask is None:
            return {}
        return {
            name: _text(value) if isinstance(value, datetime) else value
            for name, value in ask().items()
        }

    def _status(self) -> str:
        state = self.opened.journal.state
        if self.opened.journal.failed is not None or any(
            task.error for task in self._health.values()
        ):
            return "failed"
        if state.mode is TradingMode.HALTED:
            return "halted"
        if self.refusal() or state.drifts or state.mode is not TradingMode.NORMAL:
            return "degraded"
        return "ok"

    # --- the tasks ---------------------------------------------------------------

    async def _run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        health = self._health[name]
        health.state = "running"
        try:
            await work()
            reason = "ended by itself"
        except asyncio.CancelledError:
            health.state = "stopped"
            raise
        except Exception as error:  # noqa: BLE001 -- whatever it was, it is the end
            _log.exception("task.failed", task=name)
            reason = f"{type(error).__name__}: {error}"
        health.state, health.error = "failed", reason
        await self._halt(f"task {name}: {reason}")
        if self.failed is not None and not self.failed.done():
            self.failed.set_result(f"{name}: {reason}")

    async def _halt(self, reason: str) -> None:
        """Stop new orders; without a working log there is nothing to record."""
        if self.opened.journal.state.mode is TradingMode.HALTED:
            return
        try:
            await self.opened.manager.account.set_mode(
                TradingMode.HALTED, reason, actor="system"
            )
        except LedgerError as error:
            _log.error("halt.not_recorded", reason=reason, text=str(error))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the task that wants it."""
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _did(self, name: str) -> None:
        self._health[name].last_ok = self.opened.clock.now()

    async def _follow(self) -> None:
        """Record what the venue says."""
        await follow(self.opened.executor, self.opened.manager, self._applied)

    def _applied(self, error: Exception | None) -> None:
        self._did("facts")
        if error is not None:
            # Nobody should trade on what is not known.
            name = type(error).__name__
            self._later(self._halt(f"a fact could not be recorded: {name}"))

    async def _check(self) -> None:
        """Ask about every order that is open and due."""
        while True:
            orders = len(self.opened.journal.state.orders)
            # Looking through very many takes time that the orders need.
            pause = max(self._intervals.checks, orders / _ORDERS_LOOKED_AT_PER_SEC)
            await self.opened.clock.sleep(pause)
            await self.opened.manager.resolve_due()
            self._did("checks")

    async def _reconcile(self) -> None:
        """Compare with the venue, at once and then on a timer."""
        while True:
            result = await self.opened.compare()
            self._reconciled = {
                "at": _text(result.reconciled_at),
                "answered": result.answered,
                "found": len(result.mismatches),
            }
            self._did("reconcile")
            pause = self._intervals.reconcile
            if not self.opened.is_compared:
                pause = min(pause, _ASK_AGAIN_SEC)  # nobody may trade meanwhile
            await self.opened.clock.sleep(pause)

    async def _keep_models(self) -> None:
        while True:
            await self._behind.wait()
            self._behind.clear()
            took = await self._catch_up()
            self._did("read_models")
            pause = took * (1 / self._intervals.catch_up_share - 1)
            await self.opened.clock.sleep(max(self._intervals.catch_up, pause))

    async def _watch_disk(self) -> None:
        while True:
            self._free_mb = disk_free_mb(self.opened.data)
            limits = self.opened.settings.store
            if self._free_mb < limits.min_free_mb_halt:
                await self._halt(f"only {self._free_mb} MB of disk are free")
            elif self._free_mb < limits.min_free_mb_warn:
                _log.warning("disk.low", free_mb=self._free_mb)
            self._did("disk")
            await self.opened.clock.sleep(self._intervals.disk)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
