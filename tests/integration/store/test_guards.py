"""Rules that the database itself enforces, whoever writes to it."""

import sqlite3
import struct
from pathlib import Path

import pytest
from eventsourcing.persistence import StoredEvent

from ledger.errors import (
    ConcurrentWriteError,
    DuplicateKeyError,
    FencedError,
    StoreError,
    StoreFailedError,
)
from ledger.recorded import NewEvent
from ledger.store import AppendRequest, schema
from tests.integration.store.samples import noted, opened, ordered


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET state = x'00'",
        "DELETE FROM events",
        "UPDATE intents SET venue_order_id = ''",
        "DELETE FROM intents",
        "INSERT OR REPLACE INTO events SELECT * FROM events",
    ],
)
def test_the_log_is_append_only(tmp_path: Path, statement: str) -> None:
    """A slip in a maintenance script must not be able to edit history."""
    with opened(tmp_path / "ledger.db") as store:
        store.append([ordered(1)])
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store._datastore.writer.execute(statement)


def test_a_version_is_recorded_once(tmp_path: Path) -> None:
    """Two decisions on one state: the second must be decided again."""
    with opened(tmp_path / "ledger.db") as store:
        store.append([noted(1)])
        with pytest.raises(ConcurrentWriteError):
            store.append([noted(2), noted(1)])
        assert [r.version for r in store.read()] == [1]


@pytest.mark.parametrize("second", [ordered(2, key="key-1"), ordered(1, key="other")])
def test_a_key_and_a_venue_id_are_recorded_once(
    tmp_path: Path, second: AppendRequest
) -> None:
    """One intent never becomes two orders, whatever memory has forgotten."""
    events = [NewEvent(f"{e.stream}b", e.version, e.event) for e in second.events]
    with opened(tmp_path / "ledger.db") as store:
        store.append([ordered(1)])
        with pytest.raises(DuplicateKeyError):
            store.append([AppendRequest(events, second.identity)])
        assert store.head == 2


def test_positions_stay_gapless_after_a_conflict(tmp_path: Path) -> None:
    """Readers take a missing position for a lost event."""
    with opened(tmp_path / "ledger.db") as store:
        store.append([noted(1)])
        for _ in range(3):
            with pytest.raises(ConcurrentWriteError):
                store.append([noted(2), noted(3), noted(1)])
        store.append([noted(2)])
        assert [r.position for r in store.read()] == [1, 2]
        assert store.verify(full=True).is_sound


def test_every_write_takes_the_lock_at_its_start(tmp_path: Path) -> None:
    """A transaction that upgrades in its middle can fail after it has read."""
    with opened(tmp_path / "ledger.db") as store:
        seen: list[str] = []
        store._datastore.writer.set_trace_callback(seen.append)
        store.append([noted(1)])
        store._recorder.insert_events([StoredEvent("s", 1, "topic", b"state")])
        store.save_checkpoint(1, b"state")
        begun = [text for text in seen if text.startswith("BEGIN")]
        assert begun == ["BEGIN IMMEDIATE"] * 3


def test_an_overtaken_writer_is_fenced(tmp_path: Path) -> None:
    """A process that slept through its own replacement must not write again."""
    with opened(tmp_path / "ledger.db") as store:
        store.append([noted(1)])
        # As a second writer would that got past the lock.
        other = sqlite3.connect(store.path, isolation_level=None)
        schema.next_epoch(other)
        other.close()
        with pytest.raises(FencedError):
            store.append([noted(2)])
        with pytest.raises(FencedError):
            store.append([noted(2)])
        assert isinstance(store.failure, StoreFailedError)
        assert [r.position for r in store.read()] == [1]


def test_a_writer_past_lock_and_epoch_stops_us(tmp_path: Path) -> None:
    """Whoever took our next position does not know the rules: stop, do not race."""
    with opened(tmp_path / "ledger.db") as store:
        store.append([noted(1)])
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute(
            "INSERT INTO events SELECT 2, 'x', 1, topic, state, recorded_us, epoch, "
            "hash FROM events"
        )
        other.close()
        with pytest.raises(StoreFailedError, match=r"events\.position"):
            store.append([noted(2)])
        assert store.failure is not None


def test_a_bad_value_is_the_callers_error_only(tmp_path: Path) -> None:
    """A slip of one caller must not stop everybody's trading."""
    with opened(tmp_path / "ledger.db") as store:
        event = noted(1).events[0].event
        identity = ordered(1).identity
        assert identity is not None
        nameless = identity._replace(fingerprint=None)  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="NOT NULL"):
            store.append([AppendRequest(ordered(1).events, nameless)])
        for version in (-1, 1 << 63):
            with pytest.raises((struct.error, OverflowError)):
                store.append([AppendRequest([NewEvent("system", version, event)])])
        assert store.failure is None
        store.append([noted(1)])
        assert store.verify(full=True).is_sound
