"""A backup is a ledger of its own, whole and verified."""

import stat
from pathlib import Path

import pytest

from ledger.errors import StoreError
from tests.integration.store.samples import noted, opened, ordered


def test_a_backup_of_a_live_ledger_has_everything(tmp_path: Path) -> None:
    """Copying the file alone would lose what is still in the WAL."""
    target = tmp_path / "copy.db"
    with opened(tmp_path / "ledger.db") as store:
        store.append([ordered(n) for n in range(1, 30)])
        report = store.backup(target)
        assert report == store.verify(full=True)
        store.append([noted(1)])
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with opened(target, writer=False) as copy:
        assert (copy.head, copy.head_hash.hex()) == (58, report.hash)


def test_a_backup_can_take_over(tmp_path: Path) -> None:
    """After the disk is lost, the backup becomes the ledger."""
    with opened(tmp_path / "ledger.db") as store:
        store.append([noted(1)])
        store.backup(tmp_path / "copy.db")
    with opened(tmp_path / "copy.db") as copy:
        copy.append([noted(2)])
        assert copy.verify(full=True).is_sound


def test_a_backup_never_overwrites(tmp_path: Path) -> None:
    """The older backup may be the good one."""
    target = tmp_path / "copy.db"
    with opened(tmp_path / "ledger.db") as store:
        target.write_text("precious")
        with pytest.raises(StoreError, match="exists already"):
            store.backup(target)
        with pytest.raises(StoreError, match="cannot be opened"):
            store.backup(tmp_path / "none" / "copy.db")
    assert target.read_text() == "precious"
