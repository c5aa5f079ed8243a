"""The read models kept in a file beside the log: catch up, rebuild, query.

The file is disposable: rows, the position they stand for and the state to go on
from are committed together, and a file that does not fit the log is built anew.

It uses a rollback journal, not WAL: a WAL file belongs to a name, and would be
applied to whatever is swapped in under that name.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final, Self

from ledger.errors import StoreError
from ledger.state import LedgerState
from ledger.store import LedgerStore, WriterLock
from projections.base import Cell
from projections.catalogue import VERSION
from projections.folding import advance, new_state
from projections.loading import BATCH, load
from projections.tables import Filter, Progress, Record, Tables, is_current
from projections.touched import Touched, fold, mark_of

DEFAULT_NAME: Final = "read_models.db"

ProgressReport = Callable[[int, int], None]
"""Told the position reached and the head of the log."""

_BUSY_MS: Final = 5000
_BATCH: Final = 20_000
_STATE_EVERY: Final = 10_000
"""Events after which the fold's state is stored again: a start replays the rest."""


class ReadModels:
    """The read models of one ledger in one file.

    Several processes may catch up the same file; of two, one finds the work
    done.
    Queries, catching up and a rebuild may come from different threads.
    """

    def __init__(
        self, path: Path, account: str, *, state_every: int = _STATE_EVERY
    ) -> None:
        """Name the file; nothing is opened or made before the first use.

        Args:
            path: The read models' own file.
            account: The account that the ledger trades.
            state_every: Events after which the fold's state is stored again.
        """
        self.path = path
        self.account = account
        self._state_every = state_every
        self._writing = RLock()
        self._reading = RLock()
        self._writer: _Open | None = None
        self._reader: _Open | None = None
        self._ledger_id = ""
        self._state: LedgerState | None = None

    def close(self) -> None:
        """Close the file."""
        with self._writing, self._reading:
            self._forget()
            if self._reader is not None:
                self._reader.tables.close()
                self._reader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- writing -------------------------------------------------------------

    def catch_up(
        self,
        store: LedgerStore,
        *,
        batch: int = _BATCH,
        progress: ProgressReport | None = None,
    ) -> int:
        """Take in every event behind the rows; build the file anew if need be.

        Each batch is one transaction.

        Returns:
            The number of events taken in.

        Raises:
            IntegrityError: the log cannot be read.
            StoreError: the file cannot be written, or is busy for too long.
        """
        with self._writing:
            while True:
                try:
                    if not self._is_fit(store):
                        small = min(batch, BATCH)
                        return self.rebuild(store, progress, batch=small)
                    return self._catch_up(store, batch, progress)
                except _OvertakenError:
                    continue  # the other one's work is not done twice
                except sqlite3.Error as error:
                    msg = f"{self.path} cannot be written: {error}"
                    raise StoreError(msg) from error

    def _catch_up(
        self, store: LedgerStore, batch: int, progress: ProgressReport | None
    ) -> int:
        assert self._writer is not None
        tables, applied = self._writer.tables, 0
        try:
            state = self._resume(tables, store)
            events = store.read(after=state.position) if state else iter(())
            while state is not None:
                touched = Touched()
                count = fold(state, islice(events, batch), touched)
                if not count:
                    break
                self._commit(tables, store.ledger_id, state, touched)
                applied += count
                if progress is not None:
                    progress(state.position, store.head)
        except BaseException:
            # Memory may be ahead of the file now: begin again from the file.
            self._forget()
            raise
        return applied

    def _commit(
        self, tables: Tables, ledger_id: str, state: LedgerState, touched: Touched
    ) -> None:
        with tables.writing():
            known = tables.progress()
            if known is None or known.position != touched.after:
                raise _OvertakenError
            tables.write(state, touched)
            if state.position - known.state_position >= self._state_every:
                tables.save_progress(_progress(ledger_id, state, touched.mark))
            else:
                tables.move_progress(state.position, touched.mark)

    def rebuild(
        self,
        store: LedgerStore,
        progress: ProgressReport | None = None,
        *,
        batch: int = BATCH,
    ) -> int:
        """Build the file anew beside the old one, then swap them.

        Whoever reads the old file meanwhile goes on with it.

        Returns:
            The number of events taken in.

        Raises:
            LockHeldError: another process is rebuilding this file.
            IntegrityError: the log cannot be read.
            StoreError: the file cannot be written.
        """
        beside = self.path.with_name(self.path.name + ".building")
        lock = WriterLock(beside.with_name(beside.name + ".lock"))
        try:
            beside.unlink(missing_ok=True)
            state = self._build(beside, store, batch, progress)
            self._swap(beside)
        except (OSError, sqlite3.Error) as error:
            msg = f"{beside} cannot be written: {error}"
            raise StoreError(msg) from error
        finally:
            beside.unlink(missing_ok=True)
            lock.release()
        return state.position

    def _build(
        self,
        beside: Path,
        store: LedgerStore,
        batch: int,
        progress: ProgressReport | None,
    ) -> LedgerState:
        def report(position: int) -> None:
            if progress is not None:
                progress(position, store.head)

        state = new_state(store, self.account)
        tables = Tables(_create(beside))
        try:
            tables.create()
            with tables.atomic():
                mark = load(tables, state, store.read(), batch=batch, report=report)
                tables.create_indexes()
                tables.save_progress(_progress(store.ledger_id, state, mark))
        finally:
            tables.close()
        _sync(beside)
        return state

    def _swap(self, beside: Path) -> None:
        with self._writing, self._reading:
            self._forget()
            with _nobody_writes(self.path):
                beside.replace(self.path)
            _sync(self.path.parent)

    # --- the state to go on from ---------------------------------------------

    def _is_fit(self, store: LedgerStore) -> bool:
        """Whether the file holds rows of this ledger that can be gone on from."""
        is_same = self._ledger_id == store.ledger_id
        if self._writer is not None and is_same and self._writer.is_named(self.path):
            return True
        self._forget()
        if not self.path.exists():
            return False
        try:
            opened = _Open(self.path, read_only=False)
        except sqlite3.Error:
            return False
        is_fit = False
        try:
            is_fit = self._belongs(opened.tables.progress(), store)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise  # busy for too long is no reason to build anew
        except sqlite3.DatabaseError:
            pass  # no database, or none of ours
        finally:
            if not is_fit:
                opened.tables.close()
        if is_fit:
            self._writer, self._ledger_id = opened, store.ledger_id
        return is_fit

    def _belongs(self, found: Progress | None, store: LedgerStore) -> bool:
        if found is None or not is_current(
            found, ledger_id=store.ledger_id, account=self.account
        ):
            return False
        if found.position == 0:
            return True
        last = list(store.read(after=found.position - 1, upto=found.position))
        return bool(last) and mark_of(last[0]) == found.mark

    def _resume(self, tables: Tables, store: LedgerStore) -> LedgerState | None:
        """The state that the rows stand for; `None` if there is nothing to do."""
        found = tables.progress()
        assert found is not None
        if found.position == store.head:
            return None
        state = self._state
        if state is None or state.position != found.position:
            state = new_state(store, self.account)
            state.restore(found.state)  # one of another version leaves it empty
            advance(state, store, found.position)
            self._state = state
        return state

    def _forget(self) -> None:
        self._state = None
        if self._writer is not None:
            self._writer.tables.close()
            self._writer = None

    # --- reading -------------------------------------------------------------

    @property
    def position(self) -> int:
        """The last position that the rows hold; 0 if there is no usable file."""
        with self._reading:
            try:
                return self._tables().position
            except (sqlite3.DatabaseError, StoreError):
                return 0

    def query(  # noqa: PLR0913 -- as `Tables.query`
        self,
        name: str,
        where: Mapping[str, Filter] | None = None,
        *,
        since: Mapping[str, int] | None = None,
        after: Sequence[Cell] | Cell = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Record]:
        """Rows of one read model, as `Tables.query`.

        Raises:
            StoreError: there is no file yet, or it cannot be read.
        """
        with self._reading:
            try:
                return self._tables().query(
                    name,
                    where,
                    since=since,
                    after=after,
                    limit=limit,
                    newest_first=newest_first,
                )
            except sqlite3.Error as error:
                msg = f"{self.path} cannot be read: {error}"
                raise StoreError(msg) from error

    def dump(self) -> bytes:
        """Every stored row as canonical text: equal logs give equal bytes.

        Raises:
            StoreError: as `query`.
        """
        with self.snapshot() as tables:
            return tables.dump()

    def lines(self) -> Iterator[bytes]:
        """The lines of `dump`, one row at a time and as of one moment."""
        with self.snapshot() as tables:
            yield from tables.lines()

    @contextmanager
    def snapshot(self) -> Iterator[Tables]:
        """A private copy of the rows as of one moment; it holds nobody up.

        Raises:
            StoreError: there is no file yet, or it cannot be read.
        """
        copy = sqlite3.connect("", isolation_level=None)
        try:
            opened = _Open(self.path, read_only=True)
            try:
                opened.tables.connection.backup(copy)
            except sqlite3.Error as error:
                msg = f"{self.path} cannot be read: {error}"
                raise StoreError(msg) from error
            finally:
                opened.tables.close()
            yield Tables(copy)
        finally:
            copy.close()

    def _tables(self) -> Tables:
        # Before every read: a connection to a file that was swapped out would
        # take the new file's journal for its own.
        if self._reader is not None and not self._reader.is_named(self.path):
            self._reader.tables.close()
            self._reader = None
        if self._reader is None:
            self._reader = _Open(self.path, read_only=True)
        return self._reader.tables


class _Open:
    """Open tables, and which file they are."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        if not path.exists():
            msg = f"{path} does not exist; catch up first"
            raise StoreError(msg)
        self._identity = _identity(path)
        self.tables = Tables(_connect(path, read_only=read_only))

    def is_named(self, path: Path) -> bool:
        """Whether the path still leads to this file."""
        return _identity(path) == self._identity


class _OvertakenError(Exception):
    """Another process took in the same events first."""


def _progress(ledger_id: str, state: LedgerState, mark: str) -> Progress:
    return Progress(
        version=VERSION,
        ledger_id=ledger_id,
        account=state.account,
        position=state.position,
        mark=mark,
        state_position=state.position,
        state=state.dump(),
    )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rw"
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
    )


def _create(path: Path) -> sqlite3.Connection:
    """A new file that is written once and read by nobody before it is whole."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = _connect(path, read_only=False)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def _nobody_writes(path: Path) -> Iterator[None]:
    """Hold the old file's write lock: its journal must not outlive it."""
    if not path.exists():
        yield
        return
    connection = _connect(path, read_only=False)
    try:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            raise  # busy, or not ours to write
        except sqlite3.DatabaseError:
            # No database at all: what lies beside it belongs to nobody.
            for suffix in ("-journal", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        yield
    finally:
        connection.close()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
