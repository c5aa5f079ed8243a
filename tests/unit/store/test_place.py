"""Where a ledger may live: which disks, which SQLite."""

import sys
from pathlib import Path

import pytest

from ledger.errors import StoreError
from ledger.store import lock, sqlite_warnings
from ledger.store.lock import WriterLock, file_system_of, is_network

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
tmpfs /run tmpfs rw 0 0
/dev/vdb /srv/data/local xfs rw 0 0
server:/export /srv/data ext3 rw 0 0
server:/export /srv/data nfs4 rw 0 0
sshfs /home/u/with\\040space fuse.sshfs rw 0 0
odd line
"""


@pytest.mark.parametrize(
    ("folder", "kind", "refused"),
    [
        ("/var/lib", "ext4", False),
        ("/srv/data", "nfs4", True),
        ("/srv/data/ledgers", "nfs4", True),
        ("/srv/database", "ext4", False),
        ("/srv/data/local/x", "xfs", False),
        ("/home/u/with space/x", "fuse.sshfs", True),
    ],
)
def test_the_innermost_mount_decides(folder: str, kind: str, *, refused: bool) -> None:
    """Locks on network file systems are promises that nobody keeps."""
    assert file_system_of(Path(folder), MOUNTS) == kind
    assert is_network(kind) is refused


def test_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writers on two machines would each believe to be alone."""
    mounts = tmp_path / "mounts"
    mounts.write_text("server:/x / nfs rw 0 0\n")
    monkeypatch.setattr(lock, "_MOUNTS", mounts)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(StoreError, match=r"network file system \(nfs\)"):
        WriterLock(tmp_path / "ledger.db.lock")


def test_an_unknown_platform_is_given_the_benefit_of_the_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where mounts cannot be listed, the lock itself must do."""
    monkeypatch.setattr(lock, "_MOUNTS", tmp_path / "none")
    WriterLock(tmp_path / "ledger.db.lock").release()
    monkeypatch.setattr(sys, "platform", "plan9")
    WriterLock(tmp_path / "ledger.db.lock").release()


@pytest.mark.parametrize(
    ("version", "warned"),
    [
        ((3, 36, 0), "too old"),
        ((3, 40, 1), "race"),
        ((3, 44, 5), "race"),
        ((3, 44, 6), ""),
        ((3, 45, 0), "race"),
        ((3, 50, 6), "race"),
        ((3, 50, 7), ""),
        ((3, 51, 2), "race"),
        ((3, 51, 3), ""),
        ((3, 52, 0), ""),
    ],
)
def test_versions_of_sqlite_with_known_faults_are_named(
    version: tuple[int, ...], warned: str
) -> None:
    """The operator decides, but must be able to know."""
    warnings = sqlite_warnings(version)
    assert len(warnings) == bool(warned)
    assert all(warned in w for w in warnings)
