"""Room on the disk: how much is left, and the ballast for when none is."""

import os
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 100 * 1024 * 1024
"""What must stay free beside the ballast; below it new orders halt anyway."""

_ZEROS: Final = bytes(1024 * 1024)


def disk_free_mb(path: Path) -> int:
    """Free space in whole MB (10^6 bytes) where `path`, or its folder, lies."""
    return _free_bytes(path) // 1_000_000


def _free_bytes(path: Path) -> int:
    while not path.exists():
        path = path.parent
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize


class Ballast:
    """A file that holds space which is given back when the disk is full."""

    def __init__(self, path: Path, size: int) -> None:
        """Name the file and its size in bytes; nothing is created yet."""
        self.path = path
        self._size = size

    def create(self) -> bool:
        """Create the file if it is missing and space allows; tell if it is there."""
        if self._size == 0:
            return False
        if self.path.exists() and self.path.stat().st_size == self._size:
            return True
        if _free_bytes(self.path) < self._size + RESERVE_BYTES:
            return False
        try:
            self._fill()
        except OSError:
            # Not having it is survivable; half of one would only take space.
            self.path.unlink(missing_ok=True)
            return False
        return True

    def _fill(self) -> None:
        descriptor = os.open(
            self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, self._size)
            else:
                for start in range(0, self._size, len(_ZEROS)):
                    os.write(descriptor, _ZEROS[: self._size - start])
        finally:
            os.close(descriptor)

    def release(self) -> bool:
        """Give the space back; tell if there was any."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True
