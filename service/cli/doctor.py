"""Is everything as it should be? Each answer is a line: ok, warn or fail.

Nothing is changed, not even a lock is tried: a writer may be starting beside us.
"""

import os
import re
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, NamedTuple

from config import ConfigError, Settings, config_hash
from ledger.errors import LedgerError, StoreError
from ledger.store import LedgerStore, disk_free_mb, sqlite_warnings
from ledger.values import TradingMode
from projections import ReadModels
from service.places import (
    account_in,
    ledger_path,
    read_models_path,
    software_version,
    unix_us,
)

OK: Final = "ok"
WARN: Final = "warn"
FAIL: Final = "fail"

_PACKAGES: Final = ("eventsourcing", "msgspec", "pydantic", "sqlite-utils", "typer")
_OLDEST_PYTHON: Final = (3, 11)
_OWNER: Final = re.compile(r"pid (\d+) on (\S+)")
_SKEW: Final = timedelta(seconds=1)
_MADE_LATER: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Check(NamedTuple):
    """One answer."""

    check: str
    status: str
    detail: str


def examine(data: Path, load: Callable[[], Settings]) -> Iterator[Check]:
    """Run every check that can be run.

    Args:
        data: The ledger's folder.
        load: Loads the settings, or raises `ConfigError`.
    """
    yield from _versions()
    settings = Settings()
    try:
        settings = load()
        yield Check("config", OK, f"hash {config_hash(settings)[:12]}")
    except ConfigError as error:
        yield Check("config", FAIL, "; ".join(error.lines()))
    yield from _disk(data, settings)
    yield from _folder(data)
    yield from _lock(ledger_path(data))
    if ledger_path(data).exists():
        yield from _ledger(data, settings)
    else:
        yield Check("ledger", WARN, f"there is none at {ledger_path(data)} yet")
    if not settings.execution.paper_trading:
        from service.cli.doctor_live import examine_frames, examine_venue

        yield from examine_frames(data)
        yield from examine_venue(settings)


def _versions() -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    is_old = sys.version_info < _OLDEST_PYTHON
    yield Check("python", FAIL if is_old else OK, python)
    yield Check("order-ledger", OK, software_version())
    for name in _PACKAGES:
        try:
            yield Check(name, OK, version(name))
        except PackageNotFoundError:
            yield Check(name, FAIL, "is not installed")
    import sqlite3

    warnings = sqlite_warnings()
    text = "; ".join(warnings) or sqlite3.sqlite_version
    yield Check("sqlite", WARN if warnings else OK, text)


def _disk(data: Path, settings: Settings) -> Iterator[Check]:
    free, limits = disk_free_mb(data.absolute()), settings.store
    status = OK if free >= limits.min_free_mb_warn else WARN
    if free < limits.min_free_mb_halt:
        status = FAIL
    yield Check("disk", status, f"{free} MB free")


def _folder(data: Path) -> Iterator[Check]:
    if not data.is_dir():
        yield Check("data", WARN, f"{data} does not exist yet")
        return
    mode = stat.S_IMODE(data.stat().st_mode)
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Check("data", FAIL, f"{data} cannot be read and written by this user")
    elif mode & 0o077:
        yield Check("data", WARN, f"{data} is open to others (mode {mode:04o})")
    else:
        yield Check("data", OK, f"{data} (mode {mode:04o})")
    for file in sorted(data.glob(ledger_path(data).name + "*")):
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            text = f"{file.name} is open to others (mode {mode:04o})"
            yield Check("files", WARN, text)


def _lock(path: Path) -> Iterator[Check]:
    lock = path.with_name(path.name + ".lock")
    try:
        owner = lock.read_text(errors="replace").strip()
    except OSError:
        owner = ""
    if not owner:
        yield Check("writer", OK, "none")
        return
    found = _OWNER.match(owner)
    if found and found[2] == socket.gethostname() and not _is_alive(int(found[1])):
        yield Check("writer", WARN, f"ended without closing: {owner}")
    else:
        yield Check("writer", OK, owner)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ledger(data: Path, settings: Settings) -> Iterator[Check]:
    try:
        store = LedgerStore.open(ledger_path(data), clock_us=unix_us, writer=False)
    except StoreError as error:
        yield Check("ledger", FAIL, f"{error.code}: {error}")
        return
    with store:
        try:
            yield from _log(store)
            yield _models(store, data, settings)
            if not settings.execution.paper_trading:
                from service.cli.doctor_live import examine_open

                yield from examine_open(store, settings)
        except LedgerError as error:
            yield Check("ledger", FAIL, f"{error.code}: {error}")


def _log(store: LedgerStore) -> Iterator[Check]:
    head, hashed = store.head, store.head_hash.hex()
    text = f"position {head}, hash {hashed[:16]}, writer epoch {store.epoch}"
    yield Check("ledger", OK, text)
    report = store.verify(full=False)
    problem = report.problems[0] if report.problems else ""
    text = problem or f"{report.events} events since the last checkpoint are sound"
    yield Check("chain", FAIL if problem else OK, text)
    yield _clock(store, head)
    modes = {
        "ledger.halted.v1": TradingMode.HALTED,
        "ledger.reduce_only.v1": TradingMode.REDUCE_ONLY,
        "ledger.resumed.v1": TradingMode.NORMAL,
    }
    mode = TradingMode.NORMAL
    for stored in store.read(topics=tuple(modes)):
        mode = modes[stored.event.TOPIC]
    yield Check("mode", OK if mode is TradingMode.NORMAL else WARN, str(mode))


def _clock(store: LedgerStore, head: int) -> Check:
    now = datetime.now(UTC)
    if now < _MADE_LATER:
        return Check("clock", FAIL, f"{now:%FT%TZ} is before this software was made")
    last = next(iter(store.read(after=head - 1)), None) if head else None
    if last is not None:
        recorded = datetime.fromtimestamp(last.recorded_us // 1_000_000, UTC)
        if recorded - now > _SKEW:
            text = f"{now:%FT%TZ}, the last event is from {recorded:%FT%TZ}"
            return Check("clock", WARN, f"is behind the log: {text}")
    return Check("clock", OK, f"{now:%FT%TZ}")


def _models(store: LedgerStore, data: Path, settings: Settings) -> Check:
    path = read_models_path(data)
    if not path.exists():
        return Check("read models", OK, "none yet; a reading command makes them")
    with ReadModels(path, account_in(store, settings)) as kept:
        position = kept.position
    text = f"at position {position}, {store.head - position} events behind the log"
    return Check("read models", OK if position else WARN, text)
