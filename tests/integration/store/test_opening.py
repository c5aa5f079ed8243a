"""Opening: what is there, whose it is, and who has it."""

import fcntl
import os
import sqlite3
from pathlib import Path

import pytest

from ledger.errors import (
    ForeignFileError,
    IntegrityError,
    LockHeldError,
    StoreError,
)
from tests.integration.store.samples import noted, opened, ordered


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def changed(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_each_writer_begins_an_epoch_of_one_ledger(path: Path) -> None:
    """The epoch tells whose event it is, the id which ledger it is."""
    with opened(path) as first:
        assert (first.epoch, first.ledger_id) == (1, bytes(range(16)).hex())
    with opened(path) as second:
        assert (second.epoch, second.ledger_id) == (2, first.ledger_id)
    with opened(path, writer=False) as reader:
        assert reader.epoch == 2


def test_a_second_writer_is_told_who_has_the_ledger(path: Path) -> None:
    """The operator must be able to find the process that is in the way."""
    with opened(path), pytest.raises(LockHeldError) as caught:
        opened(path)
    assert f"pid {os.getpid()} on " in caught.value.owner
    assert "since 2026-09-22T12:00:00Z" in caught.value.owner
    opened(path).close()


def test_a_lock_on_a_deleted_file_is_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted between open and lock, it would be held beside the real one."""
    lock_file = path.with_name("ledger.db.lock")
    real = fcntl.flock
    calls: list[int] = []

    def deleted_under_us(descriptor: int, operation: int) -> None:
        if not calls:
            lock_file.unlink()
        calls.append(operation)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", deleted_under_us)
    with opened(path), pytest.raises(LockHeldError):
        opened(path)
    assert len(calls) == 3


def test_a_reader_needs_no_lock_and_sees_what_is_durable(path: Path) -> None:
    """Looking at a ledger never disturbs the process that trades."""
    with opened(path) as store, opened(path, writer=False) as reader:
        store.append([noted(1)])
        assert (reader.head, reader.head_hash) == (1, store.head_hash)
        store.append([noted(2)])
        assert [r.version for r in reader.read()] == [1, 2]
        with pytest.raises(StoreError, match="reading only"):
            reader.append([noted(3)])


def test_a_reader_creates_nothing(path: Path) -> None:
    """A mistyped folder must not become an empty ledger."""
    with pytest.raises(StoreError, match=r"no ledger at .*ledger\.db"):
        opened(path, writer=False)
    assert list(path.parent.iterdir()) == []


def test_a_file_left_empty_by_a_crash_becomes_a_ledger(path: Path) -> None:
    """Killed between creating the file and its tables, the next start goes on."""
    path.touch()
    with pytest.raises(StoreError, match="no ledger"):
        opened(path, writer=False)
    with opened(path) as store:
        assert store.head == 0


@pytest.mark.parametrize("writer", [True, False])
def test_a_foreign_file_is_refused_and_left_alone(path: Path, *, writer: bool) -> None:
    """Whatever it is, it belongs to somebody."""
    path.write_bytes(b"not a database at all, but long enough to be one\n" * 50)
    before = path.read_bytes()
    with pytest.raises(ForeignFileError, match="not a SQLite database"):
        opened(path, writer=writer)
    assert path.read_bytes() == before
    path.unlink()
    changed(path, "CREATE TABLE theirs (x)")
    with pytest.raises(ForeignFileError, match="not a ledger"):
        opened(path, writer=writer)
    with sqlite3.connect(path) as theirs:
        assert theirs.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    theirs.close()


@pytest.mark.parametrize("writer", [True, False])
def test_a_newer_schema_is_refused(path: Path, *, writer: bool) -> None:
    """An old program would misread, or lack, what the new one added."""
    opened(path).close()
    changed(path, "PRAGMA user_version = 2")
    with pytest.raises(ForeignFileError, match=r"version 2.*upgrade"):
        opened(path, writer=writer)


def test_a_ledger_without_its_guards_is_not_written_to(path: Path) -> None:
    """Somebody has removed a trigger; whatever they did next went unhindered."""
    opened(path).close()
    changed(path, "DROP TRIGGER events_no_update")
    with pytest.raises(IntegrityError, match="triggers differ"):
        opened(path)
    with opened(path, writer=False) as reader:
        assert not reader.verify(full=True).is_sound


@pytest.mark.parametrize(
    "value", ["NULL", "'no hex'", "7"], ids=["none", "text", "number"]
)
def test_a_ledger_without_its_identity_is_damaged(path: Path, value: str) -> None:
    """The id is where the hash chain begins."""
    opened(path).close()
    change = f"UPDATE meta SET value = {value} WHERE key = 'ledger_id'"
    changed(
        path,
        "DELETE FROM meta WHERE key = 'ledger_id'" if value == "NULL" else change,
    )
    with pytest.raises(IntegrityError, match="id or epoch"):
        opened(path)
    with pytest.raises(IntegrityError, match="id or epoch"):
        opened(path, writer=False)


def test_a_malformed_database_is_an_integrity_error(path: Path) -> None:
    """Damage has a name of its own: the file is kept, a backup is fetched."""
    with opened(path) as store:
        store.append([ordered(n) for n in range(1, 40)])
    data = bytearray(path.read_bytes())
    data[100:4096] = bytes(3996)
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="damaged"):
        opened(path)


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    """A file in the way is an error with a name, not a traceback."""
    (tmp_path / "data").touch()
    with pytest.raises(StoreError, match="cannot be created"):
        opened(tmp_path / "data" / "sub" / "ledger.db")
    with pytest.raises(StoreError, match="cannot be opened"):
        opened(tmp_path)


def test_a_clean_close_leaves_one_file_and_the_lock(path: Path) -> None:
    """Whoever copies the file of a closed ledger has all of it."""
    with opened(path) as store:
        store.append([noted(1)])
    assert sorted(f.name for f in path.parent.iterdir()) == [
        "ledger.db",
        "ledger.db.lock",
    ]
