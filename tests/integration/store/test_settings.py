"""What makes an answer durable is asserted, not hoped for."""

import sqlite3
import stat
from pathlib import Path

import pytest

from ledger.errors import StoreError
from ledger.store import StoreOptions, connection
from tests.integration.store.samples import opened


def settings(connected: sqlite3.Connection) -> dict[str, object]:
    names = (
        "journal_mode",
        "synchronous",
        "foreign_keys",
        "busy_timeout",
        "wal_autocheckpoint",
    )
    return {n: connected.execute(f"PRAGMA {n}").fetchone()[0] for n in names}


def test_the_writer_flushes_every_commit(tmp_path: Path) -> None:
    """WAL with synchronous=NORMAL would lose answered commits on power loss."""
    options = StoreOptions(busy_timeout_ms=1234, wal_autocheckpoint=77, ballast_bytes=0)
    with opened(tmp_path / "ledger.db", options=options) as store:
        assert settings(store._datastore.writer) == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 1234,
            "wal_autocheckpoint": 77,
        }


def test_readers_never_checkpoint_and_cannot_write(tmp_path: Path) -> None:
    """Two connections that checkpoint at once can meet SQLite's WAL-reset race."""
    with opened(tmp_path / "ledger.db") as store:
        for reader in (store._reader, store._lookup):
            assert settings(reader)["wal_autocheckpoint"] == 0
            assert settings(reader)["synchronous"] == 2
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.execute("DELETE FROM meta")


def test_a_setting_that_does_not_take_refuses_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build of SQLite that ignores a pragma must not look like a safe one."""
    monkeypatch.setattr(connection, "_configure", lambda *_: None)
    with pytest.raises(StoreError, match=r"keeps \w+ at \w+, \w+ is needed"):
        opened(tmp_path / "ledger.db")


def test_nobody_else_can_read_a_new_ledger(tmp_path: Path) -> None:
    """The log holds signed orders."""
    path = tmp_path / "data" / "ledger.db"
    with opened(path):
        files = sorted(path.parent.iterdir())
        assert len(files) == 4  # database, lock, WAL and its index
        assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
