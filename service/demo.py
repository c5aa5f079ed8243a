"""The demo: two strategies trade a market through the ledger, then it proves itself.

Progress is for standard error, the tables and the proof for standard output.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import msgspec

from config import Settings, load_settings
from examples.pair_arbitrage import PairArbitrage
from examples.temporal_arbitrage import TemporalArbitrage
from ledger.errors import InvalidInputError, RecordingError
from ledger.values import ZERO, decimal_from
from projections.read_models import ReadModels
from service.activity import read_activity
from service.bootstrap import (
    PAPER_ACCOUNT,
    read_models_path,
    unix_us,
)
from service.demo_folder import prepared
from service.demo_outcomes import Outcomes, read_outcomes
from service.demo_proof import Proof, prove
from service.demo_sources import (
    BUNDLED,
    Files,
    Source,
    recorded_source,
    series_source,
    sorted_out,
)
from service.demo_tables import write_report
from service.importer import ImportReport, import_activity
from service.recorded_time import merged
from service.session import Pace, SessionCounts, open_session

if TYPE_CHECKING:
    from rich.console import Console

_CATCH_UP_EVERY: Final = 2_000
_FAILURES: Final = Decimal("0.04")
"""Share of trades that fail on chain: rare at the venue, but worth seeing."""

Progress = Callable[[int], None]


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo runs on and where.

    Without `recordings` and `ticks` it is the bundled series.
    `data` is the folder of the ledger; absent, `data/demo`, where each run
    replaces the one before.
    A named folder that holds a ledger is refused; with `fresh` it is replaced if
    an earlier demo made it, and never otherwise.
    `speed` is "max" or how many times as fast as it was recorded.
    `most_markets` bounds the markets of a price series.
    """

    recordings: tuple[Path, ...] = ()
    ticks: Path | None = None
    markets: Path | None = None
    seed: int = 1
    data: Path | None = None
    speed: str = "max"
    fresh: bool = False
    most_markets: int | None = None
    settings: Settings | None = None


class DemoReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did; `problems` of its input, while `proof` is about the ledger."""

    titles: tuple[str, ...]
    data: Path
    counts: SessionCounts
    imports: tuple[ImportReport, ...]
    outcomes: tuple[Outcomes, ...]
    problems: tuple[str, ...]
    proof: Proof
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 if all is well, 4 if the proof fails, 1 if input could not be read."""
        if not self.proof.holds:
            return 4
        return 1 if self.problems else 0


def run_demo(
    options: DemoOptions,
    console: "Console | None" = None,
    *,
    stdout: TextIO | None = None,
) -> DemoReport:
    """Run the demo and print what it did.

    Args:
        options: What to run on.
        console: Where progress is shown; nowhere if absent.
        stdout: Where the tables go; standard output if absent.

    Raises:
        InvalidInputError: an option is wrong, or the folder is not ours to use.
        RecordingError: there is nothing to run on.
        ConfigError, LockHeldError, StoreError: as `service.session.open_session`.
    """
    started = time.monotonic()
    pace = _pace(options.speed)
    files = _files(options)
    sources = _sources(files, options)
    data = prepared(options.data, fresh=options.fresh)
    run = _Run(_settings(options), data, options.seed, pace)
    with _shown(console, sum(source.steps for source in sources)) as progress:
        asyncio.run(run.play(files, sources, progress))
        proof = prove(data, clock_us=unix_us)
    report = DemoReport(
        titles=tuple(_titles(files, sources)),
        data=data,
        counts=run.counts,
        imports=tuple(run.imports),
        outcomes=tuple(read_outcomes(path) for path in files.outcomes),
        problems=tuple(text for source in sources for text in source.problems),
        proof=proof,
        seconds=time.monotonic() - started,
    )
    write_report(report, stdout or sys.stdout)
    return report


_NOTHING: Final = Source(title="", markets=[], frames=(), start_ms=0, steps=0)
"""To trade on nothing is to open the ledger, and to compare it with the venue."""


class _Run:
    """One run over all its sources, in one ledger, one session after the other."""

    def __init__(
        self, settings: Settings, data: Path, seed: int, pace: Callable[[], Pace] | None
    ) -> None:
        self.counts = SessionCounts()
        self.imports: list[ImportReport] = []
        self._imported_ms = 0
        self._settings = settings
        self._data = data
        self._seed = seed
        self._pace = pace
        self._kept = ReadModels(read_models_path(data), PAPER_ACCOUNT)

    async def play(
        self, files: Files, sources: Sequence[Source], progress: Progress
    ) -> None:
        try:
            for path in files.histories:
                await self._import(path)
            before = 0
            for source in sources or (_NOTHING,):
                await self._trade(source, before, progress)
                before += source.steps
        finally:
            self._kept.close()

    async def _trade(self, source: Source, before: int, progress: Progress) -> None:
        """Let both strategies trade one source, in a session of its own."""
        session = await open_session(
            self._settings,
            self._data,
            strategies=(PairArbitrage(), TemporalArbitrage(source.windows)),
            markets=source.markets,
            start_ms=source.start_ms or self._imported_ms,
            seed=self._seed,
            pace=None if self._pace is None else self._pace(),
        )
        counts, store = session.counts, session.ledger.store

        def on_step() -> None:
            progress(before + (counts.ticks if source.ticks else counts.frames))
            if store.head - self._kept.position >= _CATCH_UP_EVERY:
                self._kept.catch_up(store)

        try:
            items = merged(source.frames, source.ticks)
            await session.run(items, on_progress=on_step)
            await session.finish()
            self._kept.catch_up(store)
            self.counts = self.counts.plus(counts)
        finally:
            await session.close()

    async def _import(self, path: Path) -> None:
        """Bring a history in, with a start of its own, at the time of its end."""
        rows = read_activity(path)
        self._imported_ms = int(rows[-1].at.timestamp()) * 1_000 if rows else 0
        session = await open_session(
            self._settings,
            self._data,
            strategies=(),
            markets=(),
            start_ms=self._imported_ms,
            seed=self._seed,
        )
        try:
            self.imports.append(await import_activity(path, session.ledger.manager))
        finally:
            await session.close()


# Options


def _files(options: DemoOptions) -> Files:
    if options.markets is not None and options.ticks is None:
        field = "markets"
        raise InvalidInputError(field, "needs a price series: --ticks FILE")
    files = sorted_out(options.recordings)
    if options.ticks is not None:
        files.ticks.append(options.ticks)
    if options.markets is not None:
        files.markets.append(options.markets)
    if len(files.ticks) > 1 or len(files.markets) > 1:
        field = "ticks"
        raise InvalidInputError(field, "more than one price series or list of markets")
    if files == Files():
        files.ticks.append(BUNDLED)
    return files


def _sources(files: Files, options: DemoOptions) -> list[Source]:
    """What there is to trade on, the earliest first."""
    found = [recorded_source(path) for path in files.frames]
    if files.ticks:
        markets = files.markets[0] if files.markets else None
        found.append(
            series_source(
                files.ticks[0], markets, seed=options.seed, most=options.most_markets
            )
        )
    elif files.markets:
        msg = f"{files.markets[0]}: markets alone; give the prices that settled them"
        raise RecordingError(msg)
    return sorted(found, key=lambda source: source.start_ms)


def _titles(files: Files, sources: Sequence[Source]) -> Iterator[str]:
    yield from (source.title for source in sources)
    yield from (f"the history in {path.name}" for path in files.histories)
    yield from (f"the finished bets in {path.name}" for path in files.outcomes)


def _settings(options: DemoOptions) -> Settings:
    settings = options.settings or load_settings()
    if settings.paper.settlement_failure_rate:
        return settings
    paper = settings.paper.model_copy(update={"settlement_failure_rate": _FAILURES})
    return settings.model_copy(update={"paper": paper})


def _pace(speed: str) -> Callable[[], Pace] | None:
    """Makes the waiting that lets recorded time pass `speed` times as fast."""
    if speed == "max":
        return None
    try:
        factor = decimal_from(speed)
    except ValueError:
        factor = ZERO
    if factor <= ZERO:
        field = "speed"
        raise InvalidInputError(field, f"{speed!r} is neither max nor a number above 0")
    return lambda: _paced(factor)


def _paced(factor: Decimal) -> Pace:
    begun: list[tuple[int, float]] = []

    async def wait(recorded_ms: int) -> None:
        if not begun:
            begun.append((recorded_ms, time.monotonic()))
        first_ms, started = begun[0]
        due = started + float((recorded_ms - first_ms) / factor / 1_000)
        await asyncio.sleep(max(0, due - time.monotonic()))

    return wait


@contextmanager
def _shown(console: "Console | None", total: int) -> Iterator[Progress]:
    """A progress bar on the console, if there is one."""
    if console is None:
        yield lambda _: None
        return
    from rich.progress import Progress as Bar

    with Bar(console=console, transient=True) as bar:
        task = bar.add_task("trading", total=total or None)
        yield lambda done: bar.update(task, completed=done)
