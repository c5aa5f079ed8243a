"""Builds everything a writing process needs, in one place, from the settings."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import structlog

from config import ConfigError, Settings, config_hash
from config.errors import ConfigProblem
from executors.market_data import BookKeeper
from executors.paper import PaperExecutor
from ledger import events as ev
from ledger.clock import Clock
from ledger.errors import CommandRefusedError
from ledger.manager import Journal, OrderManager, Reconciler
from ledger.risk import RiskManager
from ledger.slippage import SlippageGuard
from ledger.store import LedgerStore, StoreOptions, disk_free_mb
from service.logs import configure_once
from service.metrics import PrometheusMetrics
from service.places import (
    PAPER_ACCOUNT,
    account_of,
    ledger_path,
    read_models_path,
    software_version,
    unix_us,
)
from service.restoring import restore
from service.translate import (
    manager_config,
    paper_config,
    risk_config,
    slippage_config,
)

__all__ = [
    "PAPER_ACCOUNT",
    "PAPER_DEPOSIT",
    "OpenLedger",
    "SystemClock",
    "account_of",
    "ledger_path",
    "open_ledger",
    "read_models_path",
    "refuse_unbuilt",
    "software_version",
    "unix_us",
]

PAPER_DEPOSIT: Final = "paper deposit"

_log = structlog.get_logger("service.bootstrap")


class SystemClock:
    """The machine's clock; nothing else in the project reads it."""

    def now(self) -> datetime:
        """The wall clock, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards, for durations."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


@dataclass(slots=True, kw_only=True)
class OpenLedger:
    """One ledger, open for writing, and everything around it."""

    settings: Settings
    data: Path
    clock: Clock
    store: LedgerStore
    journal: Journal
    executor: PaperExecutor
    books: BookKeeper
    manager: OrderManager
    reconciler: Reconciler
    metrics: PrometheusMetrics

    def ensure_room(self) -> None:
        """Refuse new orders while the disk is almost full.

        Raises:
            CommandRefusedError: less is free than `store.min_free_mb_halt`.
        """
        free, limits = disk_free_mb(self.data), self.settings.store
        if free < limits.min_free_mb_halt:
            msg = f"{free} MB of disk are free, {limits.min_free_mb_halt} are needed"
            raise CommandRefusedError(msg)
        if free < limits.min_free_mb_warn:
            _log.warning("disk.low", free_mb=free)

    async def deliver(self) -> int:
        """Let the paper venue's time pass and record what it says; how many facts."""
        self.executor.advance()
        facts = self.executor.take_facts()
        for fact in facts:
            await self.manager.apply(fact)
        return len(facts)

    async def settle(self, seconds: float, *, order_id: str = "") -> None:
        """Go on delivering for a time, or until an order is closed."""
        until = self.clock.monotonic() + seconds
        await self.deliver()
        while (left := until - self.clock.monotonic()) > 0:
            if order_id and self.journal.order(order_id).is_closed:
                return
            await self.clock.sleep(min(left, 0.05))
            await self.deliver()

    async def close(self) -> None:
        """Finish what is waiting, keep a checkpoint, let the next writer in."""
        await self.executor.close()
        await self.journal.close()


async def open_ledger(
    settings: Settings,
    data: Path,
    *,
    clock: Clock | None = None,
    rng: Random | None = None,
    clock_us: Callable[[], int] = unix_us,
    entropy: Callable[[int], bytes] = os.urandom,
    threaded: bool = True,
    funded: bool = True,
) -> OpenLedger:
    """Open a ledger for writing, creating it if it is not there.

    Logs go to standard error as `log` says, unless logging is set up already.

    Args:
        settings: The validated settings.
        data: The folder of the ledger and its read models.
        clock: The machine's, if absent.
        rng: For order ids and jitter; seeded by the machine, if absent.
        clock_us: The store's clock, Unix microseconds.
        entropy: Gives random bytes, for the id of a new ledger.
        threaded: Whether commits happen on a thread of their own.
        funded: Whether a paper account without money gets its initial cash.

    Raises:
        ConfigError: the settings ask for something that is not built.
        LockHeldError: another process writes this ledger.
        IntegrityError: the log contradicts itself.
        StoreError: the files cannot be used.
    """
    refuse_unbuilt(settings)
    configure_once(settings.log.level, settings.log.format)
    clock = clock or SystemClock()
    options = StoreOptions(
        busy_timeout_ms=settings.store.busy_timeout_ms,
        # Never `clock_us`: whoever waits for the lock lives in real time.
        started_us=unix_us(),
    )
    store = LedgerStore.open(
        ledger_path(data), clock_us=clock_us, entropy=entropy, options=options
    )
    try:
        journal = Journal(
            store,
            account=account_of(settings),
            threaded=threaded,
            checkpoint_every=settings.store.checkpoint_every_events,
        )
    except BaseException:
        store.close()
        raise
    opened = _assemble(settings, data, clock, rng or Random(), journal)  # noqa: S311 -- ids, not secrecy
    try:
        await _begin(opened, funded=funded)
    except BaseException:
        await opened.close()
        raise
    return opened


def refuse_unbuilt(settings: Settings) -> None:
    """Refuse settings that are valid and ask for what this version does not have.

    Raises:
        ConfigError: names each such setting.
    """
    problems = []
    if not settings.execution.paper_trading:
        message = "must be true: this version trades on paper only"
        problems.append(ConfigProblem("settings", "execution.paper_trading", message))
    if problems:
        raise ConfigError(problems)


def _assemble(
    settings: Settings, data: Path, clock: Clock, rng: Random, journal: Journal
) -> OpenLedger:
    execution = settings.execution
    executor = PaperExecutor(paper_config(settings, run=journal.store.epoch), clock)
    books = BookKeeper()
    metrics = PrometheusMetrics()
    manager = OrderManager(
        journal,
        executor,
        books,
        risk=RiskManager(risk_config(settings.risk)),
        slippage=SlippageGuard(slippage_config(settings)),
        clock=clock,
        rng=rng,
        config=manager_config(settings),
        metrics=metrics,
    )
    reconciler = Reconciler(
        manager.desk, position_tolerance=execution.position_tolerance
    )
    return OpenLedger(
        settings=settings,
        data=data,
        clock=clock,
        store=journal.store,
        journal=journal,
        executor=executor,
        books=books,
        manager=manager,
        reconciler=reconciler,
        metrics=metrics,
    )


async def _begin(opened: OpenLedger, *, funded: bool) -> None:
    """Record the start, give the venue its memory back, resolve what is open."""
    event = ev.LedgerOpened(
        at=opened.clock.now(),
        software_version=software_version(),
        config_hash=config_hash(opened.settings),
        mode="paper",
        epoch=opened.store.epoch,
    )
    await opened.journal.append_to(ev.SYSTEM_STREAM, event)
    if funded:
        deposit = ev.CashMoved(
            at=opened.clock.now(),
            amount=opened.settings.paper.initial_cash,
            reason=PAPER_DEPOSIT,
        )
        # Once in a ledger's life: the key is found without reading the log.
        await opened.manager.account.record(deposit, key=PAPER_DEPOSIT)
    restore(opened.executor, opened.journal.state, opened.clock.now())
    await opened.deliver()
    await opened.manager.recover()
    await opened.deliver()
