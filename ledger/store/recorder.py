"""The event store library's recorders over the ledger's own table.

Every event enters the file through `_insert` here, whichever way it came.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import Any, Final, NamedTuple

from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTransaction,
)

from ledger.errors import StoreError
from ledger.recorded import Identity
from ledger.store import schema
from ledger.store.chain import first_hash, link, topic_bytes
from ledger.store.connection import StoreOptions, connect

_LARGEST: Final = 64


def _inserts(table: str, columns: int) -> dict[int, str]:
    # One statement for many rows gives the interpreter lock away once, not per
    # row: a busy event loop would take it each time and keep it for milliseconds.
    row = f"({','.join('?' * columns)})"
    return {
        1 << n: f"INSERT INTO {table} VALUES {','.join([row] * (1 << n))}"  # noqa: S608
        for n in range(_LARGEST.bit_length())
    }


_EVENT_COLUMNS: Final = 8
_IDENTITY_COLUMNS: Final = len(Identity._fields)
_INSERT_EVENTS: Final = _inserts("events", _EVENT_COLUMNS)
_INSERT_IDENTITIES: Final = _inserts("intents", _IDENTITY_COLUMNS)
_END: Final = (1 << 63) - 1
_Execute = Callable[[str, Sequence[Any]], object]
_SELECT_TAIL: Final = (
    "SELECT position, hash, recorded_us FROM events ORDER BY position DESC LIMIT 1"
)


Entry = tuple[str, int, str, bytes, int]
"""One encoded event: stream, version, topic, state, Unix microseconds."""


class Tail(NamedTuple):
    """The end of the log: what the next event is linked to."""

    position: int
    hash: bytes
    recorded_us: int


class _ImmediateTransaction(SQLiteTransaction):
    """Takes the write lock at its start, not somewhere in its middle."""

    def __enter__(self) -> SQLiteCursor:
        cursor = self.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        return cursor


class _WriterConnection(SQLiteConnection):
    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        with _ImmediateTransaction(self, commit=commit) as cursor, cursor:
            yield cursor


class _ReaderPool(SQLiteConnectionPool):
    """Connections that cannot write."""

    def __init__(self, path: Path, options: StoreOptions) -> None:
        super().__init__(db_name=str(path))
        self._path = path
        self._options = options

    def _create_connection(self) -> SQLiteConnection:
        connection = connect(self._path, self._options, read_only=True)
        connection.row_factory = sqlite3.Row
        return SQLiteConnection(connection, max_age=None)


class LedgerDatastore(SQLiteDatastore):
    """One read-write connection, and any number that only read."""

    def __init__(
        self, path: Path, options: StoreOptions, *, writer: bool = True
    ) -> None:
        """Open an existing file; without `writer` nothing can be appended.

        Raises:
            StoreError: see `connect`.
        """
        super().__init__(str(path), originator_id_type="text")
        self.path = path
        self.options = options
        self.pool = _ReaderPool(path, options)
        self.write_lock = RLock()
        self._writer: _WriterConnection | None = None
        if writer:
            connection = connect(path, options, read_only=False)
            self._writer = _WriterConnection(connection, max_age=None)

    @property
    def writer(self) -> sqlite3.Connection:
        """The one connection that writes; hold `write_lock` while using it."""
        return self._writing()._sqlite_conn  # noqa: SLF001 - our own subclass

    def _writing(self) -> _WriterConnection:
        if self._writer is None:
            msg = f"{self.path} is open for reading only"
            raise StoreError(msg)
        return self._writer

    @contextmanager
    def get_connection(self, *, commit: bool) -> Iterator[SQLiteConnection]:
        """Lend a reader, or the writer for as long as its lock is held."""
        if commit:
            with self.write_lock:
                yield self._writing()
        else:
            with super().get_connection(commit=False) as connection:
                yield connection

    def close(self) -> None:
        """Close readers first, so that the writer leaves one clean file."""
        super().close()
        writer, self._writer = getattr(self, "_writer", None), None
        if writer is not None:
            writer.close()


class SQLiteLedgerRecorder(SQLiteApplicationRecorder):
    """Records events at explicit, gapless positions, linked into a hash chain."""

    def __init__(
        self, datastore: LedgerDatastore, *, clock_us: Callable[[], int]
    ) -> None:
        """Call `create_table` or `load` next.

        Args:
            datastore: Where the events live.
            clock_us: Unix microseconds, for events that carry no time of
                their own, which are those of the library's interface.
        """
        super().__init__(datastore, events_table_name="events")
        self.ledger_datastore: Final = datastore
        self.select_max_notification_id_statement = "SELECT MAX(position) FROM events"
        self._clock_us = clock_us
        self.ledger_id = ""
        self.epoch = 0
        self.tail = Tail(0, b"", 0)
        self._staged = self.tail

    def construct_create_table_statements(self) -> list[str]:
        """None: the ledger's schema is created as a whole."""
        return []

    def create_table(self, entropy: Callable[[int], bytes] = bytes) -> None:
        """Create the ledger's schema in an empty file.

        `entropy` gives so many bytes for the ledger's id; by default, zeros.
        """
        with self.ledger_datastore.write_lock:
            schema.create(self.ledger_datastore.writer, entropy)
            self.load(self.ledger_datastore.writer)

    def identify(self, connection: sqlite3.Connection) -> None:
        """Read who this ledger is: enough to read its log, wherever that ends.

        Raises:
            IntegrityError: its identity is damaged.
        """
        path = self.ledger_datastore.path
        self.ledger_id, self.epoch = schema.read_meta(path, connection)
        self.tail = Tail(0, first_hash(self.ledger_id), 0)

    def load(self, connection: sqlite3.Connection) -> None:
        """Read who this ledger is and where its log ends.

        Raises:
            IntegrityError: its identity is damaged.
        """
        self.identify(connection)
        row = connection.execute(_SELECT_TAIL).fetchone()
        if row is not None:
            self.tail = Tail(*row)

    def append(
        self, entries: Iterable[Entry], identities: Sequence[Identity] = ()
    ) -> None:
        """Write events and identities in one transaction; durable on return.

        Raises:
            sqlite3.Error: nothing was recorded if it is a constraint error;
                after any other one it may have been.
        """
        with self.ledger_datastore.write_lock:
            values, tail = self._linked(entries)
            connection = self.ledger_datastore.writer
            try:
                connection.execute("BEGIN IMMEDIATE")
                _insert(connection.execute, values)
                _insert_identities(connection.execute, identities)
                connection.execute("COMMIT")
            except BaseException:
                # What matters is the first error; a rollback may fail as well.
                with suppress(sqlite3.Error):
                    connection.rollback()
                raise
            self.tail = tail

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Write the library's events and return their positions."""
        with self.ledger_datastore.write_lock:
            positions = super().insert_events(stored_events, **kwargs)
            # Only now: a transaction that failed must leave the tail alone.
            self.tail = self._staged
        return positions

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **_: Any
    ) -> Sequence[int] | None:
        now = self._clock_us()
        values, self._staged = self._linked(
            (str(s.originator_id), s.originator_version, s.topic, s.state, now)
            for s in stored_events
        )
        _insert(c.execute, values)
        return values[::_EVENT_COLUMNS]

    def _linked(self, entries: Iterable[Entry]) -> tuple[list[Any], Tail]:
        position, digest, recorded_us = self.tail
        epoch = self.epoch
        values: list[Any] = []
        for stream, version, topic, state, at_us in entries:
            position += 1
            # The log's own time never runs backwards, even if the clock does.
            recorded_us = max(recorded_us, at_us)
            digest = link(
                digest,
                position,
                stream.encode(),
                version,
                topic_bytes(topic),
                recorded_us,
                epoch,
                state,
            )
            values += (
                position,
                stream,
                version,
                topic,
                state,
                recorded_us,
                epoch,
                digest,
            )
        return values, Tail(position, digest, recorded_us)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """List events by position; bounds are inclusive unless told otherwise."""
        conditions, values = ["position <= ?"], [stop if stop is not None else _END]
        if start is not None:
            conditions.append("position >= ?")
            values.append(start if inclusive_of_start else start + 1)
        if topics:
            conditions.append(f"topic IN ({','.join('?' * len(topics))})")
        statement = (
            "SELECT originator_id, originator_version, topic, state, position "  # noqa: S608 - placeholders only
            f"FROM events WHERE {' AND '.join(conditions)} ORDER BY position LIMIT ?"
        )
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(statement, (*values, *topics, limit))
            return [Notification(*row) for row in cursor.fetchall()]


class SQLiteLedgerStreamRecorder(SQLiteLedgerRecorder):
    """The same, for callers that know streams only: positions are not returned."""

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> None:
        super()._insert_events(c, stored_events, **kwargs)


def _insert(execute: _Execute, values: list[Any]) -> None:
    _insert_rows(execute, _INSERT_EVENTS, _EVENT_COLUMNS, values)


def _insert_identities(execute: _Execute, identities: Sequence[Identity]) -> None:
    values = list(chain.from_iterable(identities))
    _insert_rows(execute, _INSERT_IDENTITIES, _IDENTITY_COLUMNS, values)


def _insert_rows(
    execute: _Execute, statements: dict[int, str], columns: int, values: list[Any]
) -> None:
    start, left = 0, len(values) // columns
    while left:
        count = min(_LARGEST, 1 << (left.bit_length() - 1))
        stop = start + count * columns
        execute(statements[count], values[start:stop])
        start, left = stop, left - count
