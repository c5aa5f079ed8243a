"""The one file that holds a ledger: its tables, its guards, its identity."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ledger.errors import ForeignFileError, IntegrityError, StoreError
from ledger.store.connection import StoreOptions, opening_error, raw_connection

APPLICATION_ID: Final = 0x4F4C4447  # "OLDG", so that `file` can name the format
SCHEMA_VERSION: Final = 1
DEFAULT_NAME: Final = "ledger.db"

# The position is explicit: an implicit rowid may be renumbered by VACUUM.
_TABLES: Final = (
    """CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  originator_id TEXT NOT NULL,
  originator_version INTEGER NOT NULL,
  topic TEXT NOT NULL,
  state BLOB NOT NULL,
  recorded_us INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  hash BLOB NOT NULL,
  UNIQUE (originator_id, originator_version)
) STRICT""",
    """CREATE TABLE intents (
  strategy TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  order_id TEXT NOT NULL,
  venue_order_id TEXT NOT NULL,
  PRIMARY KEY (strategy, idempotency_key)
) STRICT, WITHOUT ROWID""",
    """CREATE UNIQUE INDEX intents_venue_order_id ON intents (venue_order_id)
  WHERE venue_order_id <> ''""",
    """CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE checkpoints (
  position INTEGER PRIMARY KEY,
  hash BLOB NOT NULL,
  state_version INTEGER NOT NULL,
  state BLOB NOT NULL,
  digest BLOB NOT NULL
) STRICT""",
)


def _append_only(table: str, action: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'append-only'); END"
    )


# The epoch is read from the table, not from memory: a writer that was
# overtaken learns of it from its own next insert.
_FENCE: Final = """CREATE TRIGGER events_fence BEFORE INSERT ON events
  WHEN NEW.epoch <> (SELECT value FROM meta WHERE key = 'epoch')
  BEGIN SELECT RAISE(ABORT, 'fenced'); END"""
_TRIGGERS: Final = (
    _append_only("events", "UPDATE"),
    _append_only("events", "DELETE"),
    _append_only("intents", "UPDATE"),
    _append_only("intents", "DELETE"),
    _FENCE,
)


def is_ledger(path: Path, options: StoreOptions) -> bool:
    """Whether the file is a ledger we can read; false if it is still empty.

    Nothing is changed: a file that is not ours stays as it is.

    Raises:
        ForeignFileError: it is something else, or of a newer version.
        IntegrityError: it is damaged.
    """
    connection = raw_connection(path, options, read_only=True)
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    except sqlite3.Error as error:
        raise opening_error(path, error) from error
    finally:
        connection.close()
    if (application, version, tables) == (0, 0, 0):
        return False
    if application != APPLICATION_ID:
        msg = f"{path} is a SQLite database, but not a ledger"
        raise ForeignFileError(msg)
    if version > SCHEMA_VERSION:
        msg = (
            f"{path} has schema version {version}, this software reads up to "
            f"{SCHEMA_VERSION}: upgrade the software"
        )
        raise ForeignFileError(msg)
    return True


def create(connection: sqlite3.Connection, entropy: Callable[[int], bytes]) -> None:
    """Create everything in one transaction: there is no half a ledger."""
    meta = {
        "schema_version": SCHEMA_VERSION,
        "ledger_id": entropy(16).hex(),
        "epoch": 0,
    }
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in (*_TABLES, *_TRIGGERS):
            connection.execute(statement)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def check(path: Path, connection: sqlite3.Connection) -> None:
    """Compare tables, index and triggers with what `create` makes.

    Raises:
        IntegrityError: one was dropped, added or changed.
    """
    # Our own statements are kept verbatim; SQLite's own indexes have no text.
    rows = connection.execute(
        "SELECT CAST(sql AS BLOB) FROM sqlite_schema WHERE sql IS NOT NULL "
        "AND name NOT LIKE 'sqlite_%'"
    )
    found = {sql.decode(errors="replace") for (sql,) in rows}
    if found != {*_TABLES, *_TRIGGERS}:
        msg = f"{path}: tables or triggers differ from schema version {SCHEMA_VERSION}"
        raise IntegrityError(msg)


def read_meta(path: Path, connection: sqlite3.Connection) -> tuple[str, int]:
    """The ledger's id (32 hex digits) and its current epoch.

    Raises:
        IntegrityError: one is missing or unreadable.
    """
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    try:
        ledger_id, epoch = meta["ledger_id"], meta["epoch"]
        bytes.fromhex(ledger_id)
    except (KeyError, TypeError, ValueError):
        msg = f"{path}: the ledger's id or epoch is missing or damaged"
        raise IntegrityError(msg) from None
    if not isinstance(epoch, int):
        msg = f"{path}: the epoch is not a number"
        raise IntegrityError(msg)
    return ledger_id, epoch


def next_epoch(connection: sqlite3.Connection) -> int:
    """Begin a new epoch, which fences off every writer before us."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch'")
        row = connection.execute(
            "SELECT value FROM meta WHERE key = 'epoch'"
        ).fetchone()
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    epoch: int = row[0]
    return epoch


def missing(path: Path) -> StoreError:
    """The error for a ledger that is not there."""
    return StoreError(f"there is no ledger at {path}")
