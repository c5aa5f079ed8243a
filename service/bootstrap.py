"""Builds everything a writing process needs, in one place, from the settings.

A start takes the lock, folds the log, lets the executor check what it trades with,
resolves what is open, compares with the venue, and only then takes intents.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import structlog

from config import ConfigError, Settings
from config.errors import ConfigProblem
from executors.market_data import BookKeeper
from executors.paper import PaperExecutor
from ledger import events as ev
from ledger.clock import Clock
from ledger.errors import CommandRefusedError
from ledger.manager import Journal, OrderManager, Reconciler, ReconciliationResult
from ledger.risk import RiskManager
from ledger.slippage import SlippageGuard
from ledger.store import LedgerStore, StoreOptions, disk_free_mb
from ledger.venue import ExecutorInterface
from service.following import follow
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
from service.starting import OPENING_CASH, PAPER_DEPOSIT, WALLET, begin
from service.translate import (
    manager_config,
    paper_config,
    risk_config,
    slippage_config,
)

__all__ = [
    "OPENING_CASH",
    "PAPER_ACCOUNT",
    "PAPER_DEPOSIT",
    "WALLET",
    "ExecutorOf",
    "OpenLedger",
    "SystemClock",
    "account_of",
    "ledger_path",
    "open_ledger",
    "read_models_path",
    "refuse_unusable",
    "software_version",
    "unix_us",
]

PATIENCE_SEC: Final = 0.5
"""What the venue lists may be on its way to us by another road."""

ExecutorOf = Callable[[Settings, Clock, Path, Journal], ExecutorInterface]
"""Builds an executor for a ledger that is open."""

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
    executor: ExecutorInterface
    books: BookKeeper
    manager: OrderManager
    reconciler: Reconciler
    metrics: PrometheusMetrics
    is_compared: bool = True
    following: asyncio.Task[None] | None = None

    @property
    def is_paper(self) -> bool:
        """Whether fills are simulated."""
        return self.settings.execution.paper_trading

    @property
    def paper(self) -> PaperExecutor:
        """The paper venue; only where `is_paper`."""
        assert isinstance(self.executor, PaperExecutor), "trades for real"
        return self.executor

    def ensure_room(self) -> None:
        """Refuse new orders while the disk is almost full.

        Raises:
            CommandRefusedError: less is free than `store.min_free_mb_halt`, or
                the venue's word on what it holds is still missing.
        """
        if not self.is_compared:
            msg = "the venue has not said yet what it holds; nothing was compared"
            raise CommandRefusedError(msg)
        free, limits = disk_free_mb(self.data), self.settings.store
        if free < limits.min_free_mb_halt:
            msg = f"{free} MB of disk are free, {limits.min_free_mb_halt} are needed"
            raise CommandRefusedError(msg)
        if free < limits.min_free_mb_warn:
            _log.warning("disk.low", free_mb=free)

    async def deliver(self) -> int:
        """Let the paper venue's time pass and record what it says; how many facts.

        A real venue speaks for itself, see `follow`.
        """
        if not self.is_paper:
            return 0
        self.paper.advance()
        facts = self.paper.take_facts()
        for fact in facts:
            await self.manager.apply(fact)
        return len(facts)

    def follow(self) -> None:
        """Begin to record what a real venue says, until `close`."""
        if self.following is None and not self.is_paper:
            self.following = asyncio.create_task(follow(self.executor, self.manager))

    async def compare(self) -> ReconciliationResult:
        """Compare with the venue; from the first answer on intents are taken."""
        result = await self.reconciler.reconcile(patience=PATIENCE_SEC)
        self.is_compared = self.is_compared or result.answered
        return result

    async def settle(self, seconds: float, *, order_id: str = "") -> None:
        """Go on listening for a time, or until an order is closed."""
        until = self.clock.monotonic() + seconds
        await self.deliver()
        while (left := until - self.clock.monotonic()) > 0:
            if order_id and self.journal.order(order_id).is_closed:
                return
            await self.clock.sleep(min(left, 0.05))
            await self.deliver()
            if not self.is_paper:
                await self.manager.resolve_due()

    async def close(self) -> None:
        """Finish what is waiting, keep a checkpoint, let the next writer in."""
        if self.following is not None:
            self.following.cancel()
            with suppress(asyncio.CancelledError):
                await self.following
            self.following = None
        try:
            await self.executor.close()
        finally:
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
    executor_of: ExecutorOf | None = None,
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
        executor_of: Builds the executor, instead of the one that the settings
            name.

    Raises:
        ConfigError: the settings cannot be used with this ledger.
        VenueError: the venue refuses what is configured, or does not answer.
        LockHeldError: another process writes this ledger.
        IntegrityError: the log contradicts itself.
        StoreError: the files cannot be used.
    """
    if executor_of is None:
        refuse_unusable(settings)
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
    try:
        _refuse_other_account(journal, data)
        executor = (executor_of or _executor)(settings, clock, data, journal)
    except BaseException:
        await journal.close()
        raise
    opened = _assemble(
        settings,
        data,
        clock,
        rng or Random(),  # noqa: S311 -- ids, not secrecy
        journal,
        executor,
    )
    try:
        await begin(opened, funded=funded)
    except BaseException:
        await opened.close()
        raise
    return opened


def refuse_unusable(settings: Settings) -> None:
    """Refuse settings that are valid and cannot trade, before anything is made.

    Raises:
        ConfigError: names each thing that is missing.
    """
    if not settings.execution.paper_trading:
        from service.live_executor import refuse_unusable as refuse

        refuse(settings)


def _refuse_other_account(journal: Journal, data: Path) -> None:
    """Refuse to mix play and money, or two wallets, in one log.

    Raises:
        ConfigError: the ledger is of another account than the settings'.
    """
    ours = ev.account_stream(journal.state.account)
    begin = ev.account_stream("")
    others = {s for s in journal.state.versions if s.startswith(begin)} - {ours}
    if not others:
        return
    names = ", ".join(sorted(stream.removeprefix(begin) for stream in others))
    message = (
        f"asks for account {journal.state.account}, but the ledger in {data} is that"
        f" of {names}; give another --data"
    )
    raise ConfigError([ConfigProblem("settings", "polymarket.funder", message)])


def _executor(
    settings: Settings, clock: Clock, data: Path, journal: Journal
) -> ExecutorInterface:
    """The executor that the settings name."""
    if settings.execution.paper_trading:
        return PaperExecutor(paper_config(settings, run=journal.store.epoch), clock)
    from service.live_executor import live_executor

    markets = journal.state.markets.values()
    return live_executor(settings, clock=clock, data=data, markets=markets)


def _assemble(
    settings: Settings,
    data: Path,
    clock: Clock,
    rng: Random,
    journal: Journal,
    executor: ExecutorInterface,
) -> OpenLedger:
    execution = settings.execution
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
