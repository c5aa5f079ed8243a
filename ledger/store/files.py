"""The ledger's files: created private, and their names made durable."""

import os
from pathlib import Path

from ledger.errors import StoreError


def beside(path: Path, suffix: str) -> Path:
    """The companion of the ledger's file, such as its lock."""
    return path.with_name(path.name + suffix)


def make_folder(folder: Path) -> None:
    """Create the folder for its owner alone, unless it exists.

    Raises:
        StoreError: it cannot be created.
    """
    if folder.is_dir():
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync(folder.parent)
    except OSError as error:
        msg = f"{folder} cannot be created: {error.strerror}"
        raise StoreError(msg) from error


def make_file(path: Path) -> None:
    """Create the file for its owner alone, unless it exists.

    Before SQLite would, so that nobody else can read it even for a moment.

    Raises:
        StoreError: it cannot be opened for writing.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        msg = f"{path} cannot be opened for writing: {error.strerror}"
        raise StoreError(msg) from error


def sync(path: Path) -> None:
    """Flush a file, or a folder: its names, not only their content, must stay."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
