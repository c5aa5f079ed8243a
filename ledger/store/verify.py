"""Does the log still say what was written? Recompute and compare."""

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from ledger.errors import IntegrityError
from ledger.events import OrderPrepared, OrderRequested
from ledger.store import schema
from ledger.store.chain import first_hash, link
from ledger.store.checkpoint import checkpoints
from ledger.store.connection import StoreOptions, connect

_BATCH: Final = 2000
_MOST_PROBLEMS: Final = 20  # the first one matters; a damaged file may have millions
_STREAM: Final = b"order-"

Progress = Callable[[int], None]
_T = TypeVar("_T")


class VerifyReport(NamedTuple):
    """What verification found.

    `events` is how many were recomputed, `head` the last position, `hash` its
    hash in hex.
    `first_bad` is the first position that is wrong, `None` if none is known;
    `problems` are sentences, empty if all is well.
    """

    events: int
    head: int
    first_bad: int | None
    problems: list[str]
    hash: str

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


class _End(NamedTuple):
    position: int
    hash: bytes


class Verifier:
    """One pass over one file, on a connection of its own."""

    def __init__(self, path: Path, options: StoreOptions, ledger_id: str) -> None:
        """Prepare to read; the file stays untouched."""
        self._path = path
        self._options = options
        self._ledger_id = ledger_id
        self._problems: list[str] = []
        self._first_bad: int | None = None
        self._end = _End(0, b"")

    def run(self, *, full: bool, progress: Progress | None = None) -> VerifyReport:
        """Recompute the chain since the last checkpoint, or all of it.

        With `full`, the identities, the numbering of every stream and
        SQLite's own structure are checked as well.
        """
        connection = connect(self._path, self._options, read_only=True)
        # As bytes: what was hashed are bytes, and damaged ones may be no text.
        connection.text_factory = bytes
        with closing(connection):
            start = self._end = self._start(connection, full=full)
            try:
                self._walk(connection, progress)
            except sqlite3.DatabaseError as error:
                bad = self._end.position + 1
                self._report(f"position {bad} cannot be read: {error}", bad)
            if full:
                self._check_all(connection)
        head = self._end.position
        events, end_hash = head - start.position, bytes(self._end.hash).hex()
        return VerifyReport(events, head, self._first_bad, self._problems, end_hash)

    def _check_all(self, connection: sqlite3.Connection) -> None:
        try:
            # One moment for all of it: the writer may go on meanwhile.
            connection.execute("BEGIN")
            self._check_streams(connection)
            self._check_identities(connection)
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._report(f"the file cannot be read: {error}", None)
        self._check_structure(connection)

    def _report(self, problem: str, position: int | None) -> None:
        if position is not None and (
            self._first_bad is None or position < self._first_bad
        ):
            self._first_bad = position
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append(problem)

    def _start(self, connection: sqlite3.Connection, *, full: bool) -> _End:
        start = _End(0, first_hash(self._ledger_id))
        try:
            stored = checkpoints(connection)
            head = connection.execute("SELECT max(position) FROM events").fetchone()[0]
        except sqlite3.DatabaseError as error:
            self._report(f"the checkpoints cannot be read: {error}", None)
            return start
        for bad in (c for c in stored if c.problem):
            # A damaged checkpoint says nothing about the log; a whole one does.
            place = min(bad.position, (head or 0) + 1) if bad.is_whole else None
            self._report(bad.problem, place)
        sound = [c for c in stored if not c.problem]
        return start if full or not sound else _End(sound[0].position, sound[0].hash)

    def _walk(self, connection: sqlite3.Connection, progress: Progress | None) -> None:
        position, previous = self._end
        while rows := connection.execute(
            "SELECT position, originator_id, originator_version, topic, recorded_us, "
            "epoch, state, hash FROM events WHERE position > ? "
            "ORDER BY position LIMIT ?",
            (position, _BATCH),
        ).fetchall():
            for place, *body, stored in rows:
                if place != position + 1:
                    self._report(
                        f"position {position + 1} is missing before {place}",
                        position + 1,
                    )
                if not _is_linked(previous, place, body, stored):
                    self._report(f"the event at position {place} was changed", place)
                # Go on from what is stored, to find further changes behind it.
                position, previous = place, stored
            self._end = _End(position, previous)
            if progress is not None:
                progress(position)

    def _check_streams(self, connection: sqlite3.Connection) -> None:
        for stream, versions, first, last in connection.execute(
            "SELECT originator_id, count(*), min(originator_version), "
            "max(originator_version) FROM events GROUP BY originator_id "
            "HAVING min(originator_version) <> 1 OR max(originator_version) <> count(*)"
        ):
            self._report(
                f"stream {_text(stream)} has {versions} events "
                f"numbered {first} to {last}",
                None,
            )

    def _check_identities(self, connection: sqlite3.Connection) -> None:
        requested = prepared = 0
        for position, stream, state in connection.execute(
            "SELECT position, originator_id, state FROM events WHERE topic = ?",
            (OrderRequested.TOPIC,),
        ):
            requested += 1
            self._check_requested(connection, position, stream, state)
        for position, stream, state in connection.execute(
            "SELECT position, originator_id, state FROM events WHERE topic = ?",
            (OrderPrepared.TOPIC,),
        ):
            prepared += 1
            self._check_prepared(connection, position, stream, state)
        # Account activity has a key and no order.
        rows, with_venue_id = connection.execute(
            "SELECT count(*), count(nullif(venue_order_id, '')) FROM intents "
            "WHERE order_id <> ''"
        ).fetchone()
        if (rows, with_venue_id) != (requested, prepared):
            self._report(
                f"{rows} identities, {with_venue_id} of them with a venue id, for "
                f"{requested} requested and {prepared} prepared orders",
                None,
            )

    def _check_requested(
        self, connection: sqlite3.Connection, position: int, stream: bytes, state: bytes
    ) -> None:
        event = _decoded(_requested, state)
        row = (
            event
            and connection.execute(
                "SELECT fingerprint, order_id FROM intents "
                "WHERE strategy = ? AND idempotency_key = ?",
                (event.strategy, event.idempotency_key),
            ).fetchone()
        )
        order_id = stream.removeprefix(_STREAM)
        if not event or row != (event.fingerprint.encode(), order_id):
            self._report(
                f"the identity of the order requested at {position} differs", position
            )

    def _check_prepared(
        self, connection: sqlite3.Connection, position: int, stream: bytes, state: bytes
    ) -> None:
        event = _decoded(_prepared, state)
        row = (
            event
            and connection.execute(
                "SELECT order_id FROM intents WHERE venue_order_id = ? AND venue_order_id <> ''",
                (event.venue_order_id,),
            ).fetchone()
        )
        if not event or row != (stream.removeprefix(_STREAM),):
            self._report(
                f"the venue id of the order prepared at {position} differs", position
            )

    def _check_structure(self, connection: sqlite3.Connection) -> None:
        try:
            rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
        except sqlite3.DatabaseError as error:
            rows = [(str(error).encode(),)]
        for (text,) in rows:
            if text != b"ok":
                self._report(f"SQLite: {_text(text)}", None)
        try:
            schema.check(self._path, connection)
        except (IntegrityError, sqlite3.DatabaseError) as error:
            self._report(str(error), None)


_requested: Final = msgspec.json.Decoder(OrderRequested).decode
_prepared: Final = msgspec.json.Decoder(OrderPrepared).decode


def _decoded(decode: Callable[[bytes], _T], state: bytes) -> _T | None:
    try:
        return decode(state)
    except (ValueError, TypeError):
        return None


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _is_linked(
    previous: bytes, position: int, body: list[object], stored: object
) -> bool:
    try:
        return link(previous, position, *body) == stored  # type: ignore[arg-type]
    except (struct.error, TypeError):
        # A damaged row may hold anything in any column.
        return False
