"""The processes of the live demo: an exchange, and a ledger that is killed."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from ledger.errors import StoreError, VenueError
from service.demo_live_trader import SETTLE_SEC, TraderPlan

LOG_NAME: Final = "processes.log"
"""What both processes wrote, in the folder of the demo."""

_START_SEC: Final = 30.0
_LOOK_SEC: Final = 0.1
_MOST_STARTS: Final = 6
_END_SEC: Final = SETTLE_SEC + 10


@contextmanager
def exchange(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run a local exchange; gives its ready file.

    Raises:
        VenueError: it does not start.
    """
    ready = folder / "exchange.json"
    ready.unlink(missing_ok=True)
    command = ["exchange", "--port", "0", "--ready-file", str(ready), *arguments]
    process = _started(folder, "service", *command)
    try:
        _await(lambda: ready.exists() or process.poll() is not None)
        if not ready.exists():
            msg = f"the exchange does not start; see {folder / LOG_NAME}"
            raise VenueError(msg)
        yield json.loads(ready.read_text())
    finally:
        _end(process)


class Trader:
    """The ledger's process, started again whenever it has ended by itself.

    `starts` counts all of them, `kills` those that were ended by SIGKILL.
    """

    def __init__(self, folder: Path, plan: TraderPlan) -> None:
        self._folder = folder
        self._plan = msgspec.json.encode(plan).decode()
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.kills = 0

    def start(self) -> None:
        """Start it, if it does not run.

        Raises:
            StoreError: it ended by itself again and again.
        """
        if self._process is not None and self._process.poll() is None:
            return
        if self.starts - self.kills >= _MOST_STARTS:
            msg = f"the ledger does not stay up; see {self._folder / LOG_NAME}"
            raise StoreError(msg)
        self.starts += 1
        self._process = _started(self._folder, "service.demo_live_trader", self._plan)

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self._process is not None, "start it first"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.kills += 1

    def finish(self) -> bool:
        """Have it hear everything out and end; whether nothing was left open."""
        assert self._process is not None, "start it first"
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_END_SEC) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            self.end()

    def end(self) -> None:
        """End it, if it still runs."""
        if self._process is not None:
            _end(self._process)


def wait_while_up(trader: Trader, seconds: float) -> None:
    """Let time pass; a trader that ends by itself is started again."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        trader.start()
        time.sleep(min(left, _LOOK_SEC))


def _started(folder: Path, module: str, *arguments: str) -> "subprocess.Popen[bytes]":
    with (folder / LOG_NAME).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 -- our own modules
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _await(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + _START_SEC
    while not is_so() and time.monotonic() < until:
        time.sleep(_LOOK_SEC)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
