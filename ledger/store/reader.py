"""The reading half of the log: whole, by stream, by key, by time."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ledger.errors import IntegrityError
from ledger.events import decode
from ledger.recorded import Identity, Recorded
from ledger.store.connection import StoreOptions, connect, opening_error

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_END: Final = (1 << 63) - 1
_SELECT_READ: Final = (
    "SELECT position, originator_id, originator_version, recorded_us, topic, state "
    "FROM events WHERE "
)


class LogReader:
    """Reads one ledger's file, on connections that cannot write."""

    def __init__(self, path: Path, options: StoreOptions) -> None:
        """Open an existing ledger.

        Raises:
            StoreError: see `connect`.
        """
        self.path: Final = path
        # Two connections, so that a look-up on the order path never waits for
        # a long read, and its statements stay prepared.
        self._reader = connect(path, options, read_only=True)
        self._lookup = connect(path, options, read_only=True)

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
        self._lookup.close()

    @property
    def head(self) -> int:
        """The last position; 0 if there is no event."""
        row = self._fetch("SELECT max(position) FROM events", ())
        return row[0] or 0

    def read(
        self,
        after: int = 0,
        *,
        upto: int | None = None,
        topics: Sequence[str] = (),
        batch: int = 1000,
    ) -> Iterator[Recorded]:
        """Every event behind a position, in order, decoded and validated.

        Rows are fetched `batch` at a time, each in a short transaction of its
        own, so that a slow reader never holds up the writer.

        Raises:
            IntegrityError: an event cannot be read; its position is named.
        """
        statement = (
            f"{_SELECT_READ} position > ? AND position <= ? {_among(topics)} "
            "ORDER BY position LIMIT ?"
        )
        last = _END if upto is None else upto
        while rows := self._fetch_all(statement, (after, last, *topics, batch)):
            try:
                events = [
                    Recorded(position, stream, version, us, decode(topic, state))
                    for position, stream, version, us, topic, state in rows
                ]
            except (TypeError, ValueError):
                # One by one, so that whatever precedes the bad one is given out.
                yield from map(_recorded, rows)
            else:
                yield from events
            if len(rows) < batch:
                return
            after = rows[-1][0]

    def read_stream(self, stream: str, after_version: int = 0) -> list[Recorded]:
        """The events of one stream behind a version, in order.

        Raises:
            IntegrityError: an event cannot be read; its position is named.
        """
        statement = (
            f"{_SELECT_READ} originator_id = ? AND originator_version > ? "
            "ORDER BY originator_version"
        )
        return list(map(_recorded, self._fetch_all(statement, (stream, after_version))))

    def find_intent(self, strategy: str, key: str) -> Identity | None:
        """The identity under a strategy's key, however old."""
        row = self._look_up(
            "SELECT * FROM intents WHERE strategy = ? AND idempotency_key = ?",
            (strategy, key),
        )
        return None if row is None else Identity(*row)

    def find_by_venue_id(self, venue_order_id: str) -> str | None:
        """The order id that belongs to a venue's order id."""
        row = self._look_up(
            "SELECT order_id FROM intents "
            "WHERE venue_order_id = ? AND venue_order_id <> ''",
            (venue_order_id,),
        )
        return None if row is None else str(row[0])

    def position_at(self, at: datetime) -> int:
        """The last position that was recorded at or before a time; 0 if none."""
        wanted = unix_us(at)
        low, high = 0, self.head
        while low < high:
            middle = (low + high + 1) // 2
            row = self._fetch(
                "SELECT recorded_us FROM events WHERE position = ?", (middle,)
            )
            if row is None:
                msg = f"position {middle} is missing"
                raise IntegrityError(msg, position=middle)
            low, high = (middle, high) if row[0] <= wanted else (low, middle - 1)
        return low

    def _fetch(self, statement: str, values: Sequence[object]) -> Any:
        rows = self._fetch_all(statement, values)
        return rows[0] if rows else None

    def _look_up(self, statement: str, values: Sequence[object]) -> Any:
        try:
            return self._lookup.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise opening_error(self.path, error) from error

    def _fetch_all(self, statement: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise opening_error(self.path, error) from error


def unix_us(at: datetime) -> int:
    """A time in Unix microseconds, exactly.

    Raises:
        TypeError: the time has no zone.
    """
    return (at - _EPOCH) // _MICROSECOND


def _recorded(row: tuple[int, str, int, int, str, bytes]) -> Recorded:
    position, stream, version, recorded_us, topic, state = row
    try:
        return Recorded(position, stream, version, recorded_us, decode(topic, state))
    except (TypeError, ValueError) as error:
        msg = f"the event at position {position} cannot be read: {error}"
        raise IntegrityError(msg, position=position) from error


def _among(topics: Sequence[str]) -> str:
    return f"AND topic IN ({','.join('?' * len(topics))})" if topics else ""
