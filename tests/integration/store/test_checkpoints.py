"""Checkpoints shorten the start, and testify against a cut or rewritten log."""

import sqlite3
from pathlib import Path

import pytest

from ledger.errors import IntegrityError, StoreError
from ledger.store import LedgerStore
from tests.integration.store.samples import noted, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def filled(path: Path, *, checkpoints: tuple[int, ...]) -> None:
    """Ten events, with a checkpoint at each position named."""
    with opened(path) as store:
        store.append([noted(n) for n in range(1, 11)])
        for position in checkpoints:
            store.save_checkpoint(position, b"state at %d" % position)


def edited(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    kept = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger'"
    ).fetchall()
    for table in ("events", "intents"):
        for action in ("update", "delete"):
            connection.execute(f"DROP TRIGGER {table}_no_{action}")
    for statement in statements:
        connection.execute(statement)
    for (sql,) in kept:
        if "append-only" in sql:
            connection.execute(sql)
    connection.close()


def loaded(path: Path, version: int = 1) -> tuple[tuple[int, bytes] | None, list[str]]:
    with opened(path, writer=False) as store:
        return store.load_checkpoint(state_version=version), store.problems


def test_the_newest_checkpoint_is_loaded_and_two_are_kept(path: Path) -> None:
    """One may be damaged; more than two only take room."""
    filled(path, checkpoints=(3, 5, 9))
    assert loaded(path) == ((9, b"state at 9"), [])
    connection = sqlite3.connect(path)
    kept = connection.execute("SELECT position FROM checkpoints").fetchall()
    connection.close()
    assert kept == [(5,), (9,)]


def test_a_state_of_another_version_is_passed_over(path: Path) -> None:
    """New code folds anew instead of misreading an old state."""
    filled(path, checkpoints=(5,))
    assert loaded(path, version=2) == (None, [])
    with opened(path) as store:
        store.save_checkpoint(7, b"new", state_version=2)
    assert loaded(path, version=2) == ((7, b"new"), [])
    assert loaded(path, version=1) == ((5, b"state at 5"), [])


def test_a_checkpoint_needs_an_event_to_rest_on(path: Path) -> None:
    """A state ahead of the log would skip the events that come next."""
    filled(path, checkpoints=())
    with opened(path) as store, pytest.raises(StoreError, match="position 11"):
        store.save_checkpoint(11, b"")


@pytest.mark.parametrize("column", ["state", "digest", "hash"])
def test_a_damaged_checkpoint_is_passed_over_and_named(path: Path, column: str) -> None:
    """It only saves time; the log itself is the truth."""
    filled(path, checkpoints=(5, 9))
    edited(path, f"UPDATE checkpoints SET {column} = x'00' WHERE position = 9")
    state, problems = loaded(path)
    assert state == (5, b"state at 5")
    assert problems == ["the checkpoint at position 9 is damaged"]
    with opened(path) as store:
        assert store.problems == problems


def test_a_cut_tail_contradicts_the_checkpoint(path: Path) -> None:
    """The chain alone cannot see that its end is missing."""
    filled(path, checkpoints=(9,))
    edited(path, "DELETE FROM events WHERE position > 6")
    with pytest.raises(IntegrityError, match="ends before") as caught:
        opened(path)
    assert caught.value.position == 7
    with opened(path, writer=False) as store:
        assert store.load_checkpoint() is None
        assert [r.position for r in store.read()] == list(range(1, 7))
        assert store.verify(full=True).first_bad == 7


def test_a_rewritten_log_contradicts_the_checkpoint(path: Path) -> None:
    """Whoever recomputes the whole chain must forge the checkpoints as well."""
    filled(path, checkpoints=(9,))
    other = path.with_name("other.db")
    with opened(other) as store:
        store.append([noted(n, "another story") for n in range(1, 11)])
    copied = "INSERT INTO events SELECT * FROM other.events"
    epoch = "UPDATE meta SET value = 1 WHERE key = 'epoch'"
    attach = f"ATTACH '{other}' AS other"
    edited(path, attach, "DELETE FROM events", epoch, copied)
    with pytest.raises(
        IntegrityError, match="contradicts its checkpoint at position 9"
    ):
        opened(path)


def test_only_the_tail_is_verified_at_the_start(path: Path) -> None:
    """A start must not take longer because the log is older."""
    filled(path, checkpoints=(3, 8))
    with opened(path) as store:
        assert store.verify(full=False).events == 2
        assert store.verify(full=True).events == 10


def test_a_tail_that_was_changed_refuses_the_writer(path: Path) -> None:
    """Trading on a log that contradicts itself would make it worse."""
    filled(path, checkpoints=(8,))
    edited(path, "UPDATE events SET recorded_us = recorded_us + 1 WHERE position = 9")
    with pytest.raises(IntegrityError, match="position 9 was changed") as caught:
        opened(path)
    assert caught.value.position == 9
    with opened(path, writer=False) as store:
        assert store.epoch == 1
        assert isinstance(store, LedgerStore)
