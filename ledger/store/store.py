"""The ledger's log in one SQLite file: append, read, look up, verify."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, NoReturn, Self

from ledger.errors import (
    ConcurrentWriteError,
    DuplicateKeyError,
    FencedError,
    IntegrityError,
    StoreError,
    StoreFailedError,
)
from ledger.events import encode
from ledger.recorded import Identity, NewEvent
from ledger.store import checkpoint, schema
from ledger.store.connection import (
    StoreOptions,
    connect,
    opening_error,
    primary_code,
)
from ledger.store.disk import Ballast
from ledger.store.files import beside, make_file, make_folder, sync
from ledger.store.lock import WriterLock
from ledger.store.reader import LogReader, unix_us
from ledger.store.recorder import Entry, LedgerDatastore, SQLiteLedgerRecorder
from ledger.store.verify import Progress, Verifier, VerifyReport

_DEFAULTS: Final = StoreOptions()


class AppendRequest(NamedTuple):
    """Events that are recorded together or not at all, and their identity.

    `others` are further identities, where the events are of several orders.
    """

    events: Sequence[NewEvent]
    identity: Identity | None = None
    others: Sequence[Identity] = ()


class LedgerStore(LogReader):
    """The log of one ledger. Open it with `LedgerStore.open`.

    One thread at a time may append; reads may run beside it from any thread.
    Close it last: no thread may still be reading then.
    """

    def __init__(
        self, recorder: SQLiteLedgerRecorder, lock: WriterLock | None, ballast: Ballast
    ) -> None:
        """Take over what `open` has opened and checked."""
        datastore = recorder.ledger_datastore
        super().__init__(datastore.path, datastore.options)
        self.problems: list[str] = []
        self._options = datastore.options
        self._datastore = datastore
        self._recorder = recorder
        self._lock = lock
        self._ballast = ballast
        self._failure: StoreFailedError | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock_us: Callable[[], int],
        entropy: Callable[[int], bytes] = os.urandom,
        writer: bool = True,
        options: StoreOptions = _DEFAULTS,
    ) -> Self:
        """Open a ledger; the writer creates what is missing.

        Args:
            path: The database file.
            clock_us: Unix microseconds.
            entropy: Gives so many random bytes, for the id of a new ledger.
            writer: Take the lock, begin a new epoch and verify the log since
                the last checkpoint; otherwise only read, and change nothing.
            options: How the file is used.

        Raises:
            LockHeldError: another process writes this ledger.
            ForeignFileError: the file is no ledger, or of a newer version.
            IntegrityError: the log contradicts itself; it can still be opened
                for reading.
            StoreError: the file cannot be opened, or is not there to be read.
        """
        if not writer:
            return cls._open_reader(path, clock_us, options)
        make_folder(path.parent)
        started_us = options.started_us
        if started_us is None:
            started_us = clock_us()
        lock = WriterLock(beside(path, ".lock"), started_us=started_us)
        try:
            return cls._open_writer(path, clock_us, entropy, options, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _open_reader(
        cls, path: Path, clock_us: Callable[[], int], options: StoreOptions
    ) -> Self:
        if not path.exists() or not schema.is_ledger(path, options):
            raise schema.missing(path)
        datastore = LedgerDatastore(path, options, writer=False)
        recorder = SQLiteLedgerRecorder(datastore, clock_us=clock_us)
        store = cls(recorder, None, Ballast(beside(path, ".ballast"), 0))
        try:
            recorder.identify(store._reader)
        except sqlite3.Error as error:
            store.close()
            raise opening_error(path, error) from error
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _open_writer(
        cls,
        path: Path,
        clock_us: Callable[[], int],
        entropy: Callable[[int], bytes],
        options: StoreOptions,
        lock: WriterLock,
    ) -> Self:
        make_file(path)
        is_new = not schema.is_ledger(path, options)
        datastore = LedgerDatastore(path, options)
        try:
            recorder = SQLiteLedgerRecorder(datastore, clock_us=clock_us)
            if is_new:
                recorder.create_table(entropy)
                sync(path.parent)
            schema.check(path, datastore.writer)
            recorder.load(datastore.writer)
            problems = _verify_tail(path, options, recorder.ledger_id)
            recorder.epoch = schema.next_epoch(datastore.writer)
            ballast = Ballast(beside(path, ".ballast"), options.ballast_bytes)
            ballast.create()
            store = cls(recorder, lock, ballast)
            store.problems += problems
        except sqlite3.Error as error:
            datastore.close()
            raise opening_error(path, error) from error
        except BaseException:
            datastore.close()
            raise
        return store

    def close(self) -> None:
        """Close every connection and let the next writer in."""
        super().close()
        self._datastore.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def head(self) -> int:
        """The last position; 0 if there is no event."""
        if self._lock is not None:
            return self._recorder.tail.position
        return super().head

    @property
    def head_hash(self) -> bytes:
        """The hash of the last event: it stands for the whole log."""
        if self._lock is not None:
            return self._recorder.tail.hash
        row = self._fetch("SELECT hash FROM events ORDER BY position DESC LIMIT 1", ())
        return row[0] if row else self._recorder.tail.hash

    @property
    def epoch(self) -> int:
        """How many writers have opened this ledger, this one included."""
        return self._recorder.epoch

    @property
    def ledger_id(self) -> str:
        """The ledger's own id, 32 hex digits."""
        return self._recorder.ledger_id

    @property
    def failure(self) -> StoreFailedError | None:
        """Why nothing is accepted any more; `None` while all is well."""
        return self._failure

    def append(self, requests: Sequence[AppendRequest]) -> None:
        """Record all requests in one transaction, in order; durable on return.

        Raises:
            ConcurrentWriteError: a stream has an event of that version already.
            DuplicateKeyError: an identity's key or venue id was used before.
            FencedError: another writer took over; nothing more is accepted.
            StoreFailedError: a write failed now or earlier; the events may or
                may not be on disk, and nothing more is accepted.
        """
        self._refuse_if_failed()
        entries: list[Entry] = [
            (stream, version, event.TOPIC, encode(event), unix_us(event.at))
            for request in requests
            for stream, version, event in request.events
        ]
        identities = [r.identity for r in requests if r.identity is not None]
        identities += [other for r in requests for other in r.others]
        try:
            self._recorder.append(entries, identities)
        except sqlite3.Error as error:
            self._raise_for(error)

    def _refuse_if_failed(self) -> None:
        if self._failure is not None:
            raise type(self._failure)(str(self._failure)) from self._failure

    def _raise_for(self, error: sqlite3.Error) -> NoReturn:
        text = str(error)
        if primary_code(error) == sqlite3.SQLITE_CONSTRAINT:
            is_taken = text.startswith("UNIQUE")
            if is_taken and "events.originator_id" in text:
                raise ConcurrentWriteError(text) from error
            if is_taken and "intents." in text:
                raise DuplicateKeyError(text) from error
            if text == "fenced":
                self._failure = FencedError(
                    f"another writer took over {self.path}; this one must stop"
                )
                raise self._failure from error
            if not is_taken:
                raise StoreError(text) from error
            # A position that is taken: somebody writes past lock and epoch.
        if primary_code(error) == sqlite3.SQLITE_FULL:
            # Room for whoever comes next: this writer stops in any case.
            self._ballast.release()
        self._failure = StoreFailedError(f"a write to {self.path} failed: {text}")
        raise self._failure from error

    def save_checkpoint(
        self, position: int, state: bytes, *, state_version: int = 1
    ) -> None:
        """Keep a folded state that holds everything up to `position`.

        Raises:
            StoreError: there is no event at that position.
            StoreFailedError: the write failed; nothing more is accepted.
        """
        self._refuse_if_failed()
        row = self._fetch("SELECT hash FROM events WHERE position = ?", (position,))
        if row is None:
            msg = f"no event at position {position} to rest a checkpoint on"
            raise StoreError(msg)
        with self._datastore.write_lock:
            try:
                checkpoint.save(
                    self._datastore.writer, position, row[0], state_version, state
                )
            except sqlite3.Error as error:
                self._raise_for(error)

    def release_ballast(self) -> bool:
        """Give the ballast's space back; tell if there was any."""
        return self._ballast.release()

    def load_checkpoint(self, *, state_version: int = 1) -> tuple[int, bytes] | None:
        """The newest sound checkpoint of that version: its position and state.

        One that is damaged, or that the log contradicts, is passed over and
        named in `problems`.
        """
        try:
            kept = checkpoint.checkpoints(self._reader)
        except sqlite3.DatabaseError as error:
            self._note(f"the checkpoints cannot be read: {error}")
            return None
        for stored in kept:
            if stored.problem:
                self._note(stored.problem)
            elif stored.state_version == state_version:
                return stored.position, stored.state
        return None

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def verify(self, *, full: bool, progress: Progress | None = None) -> VerifyReport:
        """Recompute the hash chain since the last checkpoint, or all of it.

        `full` also compares the identities with the events and checks SQLite's
        own structure.
        `progress` is told the position reached, a few thousand events at a time.
        """
        return Verifier(self.path, self._options, self.ledger_id).run(
            full=full, progress=progress
        )

    def backup(self, target: Path) -> VerifyReport:
        """Copy the ledger, while it may be written to, and verify the copy.

        Raises:
            StoreError: the target exists or cannot be written.
        """
        if target.exists():
            msg = f"{target} exists already"
            raise StoreError(msg)
        make_file(target)
        try:
            # Not the reader: whoever reads meanwhile would wait for all of it.
            with closing(connect(self.path, self._options, read_only=True)) as source:
                source.execute("VACUUM INTO ?", (str(target),))
            # Opening it as a writer would puts the copy into WAL mode as well.
            connect(target, self._options, read_only=False).close()
            sync(target)
            sync(target.parent)
        except sqlite3.Error as error:
            target.unlink(missing_ok=True)
            msg = f"{target} cannot be written: {error}"
            raise StoreError(msg) from error
        return Verifier(target, self._options, self.ledger_id).run(full=True)


def _verify_tail(path: Path, options: StoreOptions, ledger_id: str) -> list[str]:
    report = Verifier(path, options, ledger_id).run(full=False)
    if report.first_bad is not None:
        msg = f"{path}: {report.problems[0]}; open it read-only and verify it"
        raise IntegrityError(msg, position=report.first_bad)
    # What is left are checkpoints damaged by themselves: no word against the log.
    return report.problems
