"""Room on the disk, kept for the moment when there is none."""

import os
from pathlib import Path

import pytest

from ledger.store import StoreOptions, disk, disk_free_mb
from tests.integration.store.samples import opened

OPTIONS = StoreOptions(ballast_bytes=100_000)


def test_the_ballast_is_real_space_that_can_be_given_back(tmp_path: Path) -> None:
    """A sparse file would hold nothing that could be freed."""
    path = tmp_path / "ledger.db"
    ballast = tmp_path / "ledger.db.ballast"
    with opened(path, options=OPTIONS) as store:
        assert ballast.stat().st_size == 100_000
        assert ballast.stat().st_blocks * 512 >= 100_000
        assert store.release_ballast()
        assert not ballast.exists()
        assert not store.release_ballast()
    with opened(path, options=OPTIONS):
        assert ballast.exists()


def test_a_nearly_full_disk_is_left_without_ballast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking the last space would bring about what it guards against."""
    monkeypatch.setattr(disk, "_free_bytes", lambda _: 100_000)
    with opened(tmp_path / "ledger.db", options=OPTIONS):
        assert not (tmp_path / "ledger.db.ballast").exists()


def test_a_ballast_that_cannot_be_written_is_not_left_in_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger works without it."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with opened(tmp_path / "ledger.db", options=OPTIONS):
        assert not (tmp_path / "ledger.db.ballast").exists()


def test_a_platform_without_preallocation_writes_the_ballast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS has no `posix_fallocate`."""
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with opened(tmp_path / "ledger.db", options=StoreOptions(ballast_bytes=2_500_000)):
        assert (tmp_path / "ledger.db.ballast").stat().st_size == 2_500_000


def test_free_space_is_known_before_the_folder_exists(tmp_path: Path) -> None:
    """The check comes before the first start as well."""
    assert disk_free_mb(tmp_path / "data" / "ledger.db") == pytest.approx(
        disk_free_mb(tmp_path), abs=100
    )
