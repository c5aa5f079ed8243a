"""What the demo can run on: a price series, recorded books, an account's history."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Final

import msgspec

import examples.data
from examples.strategy import PriceTick
from examples.temporal_arbitrage import Window
from executors.market_data import (
    Frame,
    Quarantine,
    ResolvedMarket,
    Tick,
    infer_markets,
    load_markets,
    load_ticks,
    read_recording,
)
from executors.market_data.files import STDIN, cells_of, read_lines
from executors.market_data.generator import generate_frames, windows_of
from ledger.errors import InvalidInputError, RecordingError
from ledger.market import Market

BUNDLED: Final = Path(examples.data.__file__).with_name("btc_ticks.csv")
"""Twenty minutes of an invented price, one tick a second."""

_SECONDS: Final = (300, 900)
"""Windows of 5 and of 15 minutes share a close, as at the venue."""

_OUTCOME_COLUMNS: Final = {"stake_eur", "entry_price", "exit_price", "pnl_neto_eur"}


class Source(msgspec.Struct, kw_only=True):
    """One stretch of market: frames in order, the markets in them, outside prices.

    `start_ms` is where recorded time begins; `steps` how many frames or prices
    are to come, for the progress.
    `problems` are what could not be read; the rest is there all the same.
    """

    title: str
    markets: list[Market]
    frames: Iterable[Frame]
    start_ms: int
    steps: int
    windows: dict[str, Window] = {}
    ticks: list[PriceTick] = []
    problems: list[str] = []


class Files(msgspec.Struct, kw_only=True):
    """Named files by what they hold; see `sorted_out`."""

    frames: list[Path] = []
    ticks: list[Path] = []
    markets: list[Path] = []
    histories: list[Path] = []
    outcomes: list[Path] = []


def series_source(
    ticks_path: Path, markets_path: Path | None, *, seed: int, most: int | None = None
) -> Source:
    """Made-up books around a price series.

    Args:
        ticks_path: The prices.
        markets_path: Window markets; cut from the series where absent.
        seed: The books follow from it.
        most: At most so many markets, the earliest first.

    Raises:
        RecordingError: a file cannot be read, or no market lies in the series.
    """
    aside = Quarantine()
    ticks = load_ticks(ticks_path, quarantine=aside)
    if markets_path is None:
        windows = [w for s in _SECONDS for w in windows_of(ticks, seconds=s)]
    else:
        windows = load_markets(markets_path, quarantine=aside)
    windows = [window for window in windows if _is_covered(window, ticks)]
    windows = sorted(windows, key=lambda w: (w.start_sec, w.end_sec))[:most]
    if not windows:
        msg = f"{markets_path or ticks_path}: no market lies within the prices"
        raise RecordingError(msg)
    first = min(window.start_sec for window in windows) * 1_000
    last = max(window.end_sec for window in windows) * 1_000
    used = [tick for tick in ticks if first <= tick.ts_ms <= last]
    rng = Random(f"{seed}/market")  # noqa: S311 -- repeatable on purpose
    return Source(
        title=f"books made up around {len(used)} prices of {ticks_path.name}",
        markets=[window.market for window in windows],
        frames=generate_frames(windows, used, rng=rng),
        start_ms=used[0].ts_ms,
        steps=len(used),
        windows=_asked(windows, used),
        ticks=[PriceTick(tick.ts_ms, tick.price) for tick in used],
        problems=_problems(aside),
    )


def _is_covered(window: ResolvedMarket, ticks: Sequence[Tick]) -> bool:
    return (
        ticks[0].ts_ms <= window.start_sec * 1_000
        and window.end_sec * 1_000 <= ticks[-1].ts_ms
    )


def _asked(
    windows: Iterable[ResolvedMarket], ticks: Iterable[Tick]
) -> dict[str, Window]:
    """Strike and times by market; without a strike nobody knows what is asked."""
    at = {tick.ts_ms: tick.price for tick in ticks}
    found = {}
    for window in windows:
        strike = window.strike or at.get(window.start_sec * 1_000)
        if strike is not None:
            found[window.market.market_id] = Window(
                strike=strike,
                start_ms=window.start_sec * 1_000,
                end_ms=window.end_sec * 1_000,
            )
    return found


def recorded_source(path: Path) -> Source:
    """Recorded frames of one file.

    Raises:
        RecordingError: it holds no frame at all, or not even the first can be
            read.
    """
    aside, problems = Quarantine(), []
    frames: list[Frame] = []
    try:
        for frame in read_recording(path, quarantine=aside):
            frames.append(frame)  # noqa: PERF402 -- what was read must survive
    except RecordingError as error:
        if all(frame.gap for frame in frames):
            raise
        problems.append(str(error))
    # A line that is a frame may still say nothing that can be used.
    for frame in frames:
        for message in frame.parsed()[1][:1]:
            aside.add(message)
    return Source(
        title=f"{len(frames)} recorded frames of {_name(path)}",
        markets=infer_markets(frames),
        frames=frames,
        start_ms=frames[0].received_ms,
        steps=len(frames),
        problems=[*problems, *_problems(aside)],
    )


def _name(path: Path) -> str:
    return "standard input" if str(path) == STDIN else path.name


def _problems(aside: Quarantine) -> list[str]:
    if not aside.count:
        return []
    reasons = ", ".join(f"{n} x {reason}" for reason, n in aside.reasons.most_common(3))
    where = aside.samples[0].source
    said = "1 line was" if aside.count == 1 else f"{aside.count} lines were"
    return [f"{said} put aside, such as {where}: {reasons}"]


def sorted_out(paths: Iterable[Path]) -> Files:
    """Tell files by their content; a folder stands for everything in it.

    Raises:
        InvalidInputError: there is no such file.
        RecordingError: a file cannot be read, or is empty.
    """
    found = Files()
    for path in paths:
        if str(path) != STDIN and not path.exists():
            field = "recording"
            raise InvalidInputError(field, f"{path} does not exist")
        for file in _files(path):
            _kind(found, file).append(file)
    return found


def _files(path: Path) -> list[Path]:
    if str(path) == STDIN or not path.is_dir():
        return [path]
    inside = sorted(p for p in path.rglob("*") if p.is_file())
    return [p for p in inside if not p.name.startswith((".", "README"))]


def _kind(found: Files, path: Path) -> list[Path]:
    """The list that a file belongs to, by its first line."""
    if str(path) == STDIN:
        return found.frames  # it can be read only once
    first = next(read_lines(path), None)
    text = "" if first is None else (first.text or "")
    if first is not None and not text.startswith(("{", "[")):
        return _kind_of_table(found, set(cells_of(first)))
    return _kind_of_row(found, text)


def _kind_of_table(found: Files, columns: set[str]) -> list[Path]:
    if columns >= _OUTCOME_COLUMNS:
        return found.outcomes
    has_price = columns & {"full_accuracy_value", "price", "value"}
    has_time = columns & {"feed_ts_ms", "ts_ms"}
    return found.ticks if has_price and has_time else found.frames


def _kind_of_row(found: Files, text: str) -> list[Path]:
    try:
        row = json.loads(text)
    except ValueError:
        return found.frames
    row = row[0] if isinstance(row, list) and row else row
    if isinstance(row, dict) and "transactionHash" in row and "type" in row:
        return found.histories
    if isinstance(row, dict) and "start_sec" in row and "end_sec" in row:
        return found.markets
    return found.frames
