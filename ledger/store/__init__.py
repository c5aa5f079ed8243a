"""The durable log: one SQLite file, one writer, every event chained."""

from ledger.store.codec import LedgerMapper, StreamEvent
from ledger.store.connection import StoreOptions, sqlite_warnings
from ledger.store.disk import disk_free_mb
from ledger.store.lock import WriterLock
from ledger.store.recorder import (
    LedgerDatastore,
    SQLiteLedgerRecorder,
    SQLiteLedgerStreamRecorder,
)
from ledger.store.schema import DEFAULT_NAME, SCHEMA_VERSION
from ledger.store.store import AppendRequest, LedgerStore
from ledger.store.verify import VerifyReport
from ledger.store.writer import GroupCommit

__all__ = [
    "DEFAULT_NAME",
    "SCHEMA_VERSION",
    "AppendRequest",
    "GroupCommit",
    "LedgerDatastore",
    "LedgerMapper",
    "LedgerStore",
    "SQLiteLedgerRecorder",
    "SQLiteLedgerStreamRecorder",
    "StoreOptions",
    "StreamEvent",
    "VerifyReport",
    "WriterLock",
    "disk_free_mb",
    "sqlite_warnings",
]
