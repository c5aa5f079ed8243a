"""The writer's lock: one process per ledger, for as long as it lives."""

import fcntl
import os
import re
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ledger.errors import LockHeldError, StoreError

_NETWORK_TYPES: Final = frozenset(
    (
        "9p",
        "afs",
        "ceph",
        "cifs",
        "fuse",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    )
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_MOUNTS: Final = Path("/proc/mounts")
_OWNER_BYTES: Final = 512


class WriterLock:
    """An exclusive `flock` on `<ledger>.lock`, which names its owner inside.

    `flock`, never `lockf`: a POSIX lock vanishes when any other descriptor of
    the file is closed.
    The file stays when the lock is released: deleting it would let two
    processes lock two files of one name.
    """

    def __init__(self, path: Path, *, started_us: int = 0) -> None:
        """Take the lock or fail at once.

        Args:
            path: The lock file.
            started_us: Since when the owner has it, Unix microseconds of the wall
                clock: a person compares it with a watch.

        Raises:
            LockHeldError: another process has it.
            StoreError: the file is on a network file system or unwritable.
        """
        _refuse_network(path)
        self.path = path
        self._descriptor = _acquire(path)
        started = datetime.fromtimestamp(started_us // 1_000_000, UTC)
        owner = f"pid {os.getpid()} on {socket.gethostname()} since {started:%FT%TZ}\n"
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, owner.encode(), 0)

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _acquire(path: Path) -> int:
    while True:
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still_named(descriptor, path):
                return descriptor
        except BlockingIOError:
            owner = os.pread(descriptor, _OWNER_BYTES, 0).decode(errors="replace")
            os.close(descriptor)
            # The owner writes its name just after it got the lock.
            raise LockHeldError(str(path), owner.strip() or "just starting") from None
        except BaseException:
            os.close(descriptor)
            raise
        # Somebody deleted the file between our open and our lock.
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        msg = f"{path} cannot be opened: {error.strerror}"
        raise StoreError(msg) from error


def _is_still_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _refuse_network(path: Path) -> None:
    if not sys.platform.startswith("linux"):
        return
    try:
        mounts = _MOUNTS.read_text(errors="replace")
    except OSError:
        return
    kind = file_system_of(path.parent.resolve(), mounts)
    if is_network(kind):
        msg = f"{path.parent} is on a network file system ({kind}): locks fail there"
        raise StoreError(msg)


def is_network(kind: str) -> bool:
    """Whether a file system type is one that locks and WAL cannot rely on."""
    return kind in _NETWORK_TYPES or kind.startswith("fuse.")


def file_system_of(folder: Path, mounts: str) -> str:
    """The type of the file system that holds a folder; "" if unknown.

    Args:
        folder: An absolute path without symbolic links.
        mounts: The text of /proc/mounts; later lines cover earlier ones.
    """
    depth, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, folder, type
            continue
        point = Path(_OCTAL.sub(lambda m: chr(int(m[1], 8)), fields[1]))
        if folder.is_relative_to(point) and len(point.parts) >= depth:
            depth, kind = len(point.parts), fields[2]
    return kind
