"""Noticing that the process which wanted this one has gone."""

import asyncio
import os
from pathlib import Path
from typing import Final

_EVERY_SEC: Final = 1.0


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    while _lives(pid):  # noqa: ASYNC110 -- the system tells nobody
        await asyncio.sleep(_EVERY_SEC)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True  # no such folder on this system
    return stat.rpartition(")")[2].split()[0] != "Z"
