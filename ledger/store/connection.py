"""Connections to the ledger's file: opened one way, with settings read back."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.errors import ForeignFileError, IntegrityError, StoreError

FULL: Final = 2
_MASK: Final = 0xFF  # the primary code within an extended SQLite error code
_STRICT_TABLES: Final = (3, 37, 0)
_RESET_RACE_FIXED: Final = ((3, 44, 6), (3, 50, 7), (3, 51, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """How the file is used.

    `busy_timeout_ms` is how long SQLite waits for another connection's lock.
    `wal_autocheckpoint` is the log size in pages after which the writer moves
    it into the main file.
    `ballast_bytes` is the size of the file that is deleted when the disk is
    full; 0 does without.
    `started_us` is when the writer began by the wall clock, in Unix microseconds,
    for whoever finds the lock taken; absent, the store's clock, which may be
    simulated, stands in.
    """

    busy_timeout_ms: int = 2000
    wal_autocheckpoint: int = 1000
    ballast_bytes: int = 16 * 1024 * 1024
    started_us: int | None = None


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; -1 when the error did not come from SQLite."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & _MASK


def opening_error(path: Path, error: sqlite3.Error) -> StoreError:
    """What an error while opening means to the caller."""
    match primary_code(error):
        case sqlite3.SQLITE_NOTADB:
            return ForeignFileError(f"{path} is not a SQLite database")
        case sqlite3.SQLITE_CORRUPT:
            return IntegrityError(f"{path} is damaged: {error}")
        case _:
            return StoreError(f"{path} cannot be opened: {error}")


def connect(
    path: Path, options: StoreOptions, *, read_only: bool
) -> sqlite3.Connection:
    """Open the file and assert that every setting took.

    Autocommit mode: transactions are begun explicitly, by the writer alone.
    A reader neither writes nor checkpoints.

    Raises:
        StoreError: the file cannot be opened, or a setting did not take.
        ForeignFileError: it is not a SQLite database.
        IntegrityError: it is damaged.
    """
    connection = raw_connection(path, options, read_only=read_only)
    try:
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
        _configure(connection, 0 if read_only else options.wal_autocheckpoint)
        _assert_settings(path, connection, options, read_only=read_only)
    except sqlite3.Error as error:
        connection.close()
        raise opening_error(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def raw_connection(
    path: Path, options: StoreOptions, *, read_only: bool
) -> sqlite3.Connection:
    """Open an existing file and change nothing, not even a setting."""
    if sqlite3.sqlite_version_info < _STRICT_TABLES:
        msg = f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed"
        raise StoreError(msg)
    mode = "ro" if read_only else "rw"
    try:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            # Each connection has one user at a time; it need not be one thread.
            check_same_thread=False,
            timeout=options.busy_timeout_ms / 1000,
        )
    except sqlite3.Error as error:
        raise opening_error(path, error) from error


def _configure(connection: sqlite3.Connection, checkpoint_pages: int) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # Without it INSERT OR REPLACE would delete past the append-only triggers.
    connection.execute("PRAGMA recursive_triggers = ON")
    # What a foreign hand put into the schema must not run functions.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")


def _assert_settings(
    path: Path,
    connection: sqlite3.Connection,
    options: StoreOptions,
    *,
    read_only: bool,
) -> None:
    expected = {
        "journal_mode": "wal",
        "synchronous": FULL,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "trusted_schema": 0,
        "busy_timeout": options.busy_timeout_ms,
        "wal_autocheckpoint": 0 if read_only else options.wal_autocheckpoint,
    }
    for name, value in expected.items():
        actual = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if actual != value:
            msg = f"{path}: SQLite keeps {name} at {actual}, {value} is needed"
            raise StoreError(msg)


def sqlite_warnings(
    version: tuple[int, ...] = sqlite3.sqlite_version_info,
) -> list[str]:
    """What an operator should know about this SQLite; empty when all is well.

    Source:
        https://sqlite.org/wal.html, "The WAL-reset bug": versions 3.7.0 to
        3.51.2, fixed in 3.51.3 and in the branches 3.50.7 and 3.44.6.
    """
    name = ".".join(map(str, version))
    if version < _STRICT_TABLES:
        return [f"SQLite {name} is too old: 3.37 or newer is needed"]
    fixed = version >= _RESET_RACE_FIXED[-1] or any(
        version[:2] == branch[:2] and version >= branch for branch in _RESET_RACE_FIXED
    )
    if fixed:
        return []
    race = (
        f"SQLite {name} has a rare race when two connections write or checkpoint "
        "at once (fixed in 3.51.3, 3.50.7 and 3.44.6); only the writer's "
        "connection does either here, so do not write to the file by other means"
    )
    return [race]
