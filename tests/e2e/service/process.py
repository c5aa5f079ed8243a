"""A service in a process of its own, as an operator runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
SECONDS: Final = 60
FAST: Final = (
    "log.level=error",
    "paper.submit_latency_ms=0",
    "paper.cancel_latency_ms=0",
    "paper.initial_cash=1000000",
    "risk.account.max_open_orders=100000",
)


class Process:
    """One run of `order-ledger run`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.ready = folder / "ready.json"
        command = [sys.executable, "-m", "service", "run", "--data", str(folder)]
        command += ["--port", "0", "--ready-file", str(self.ready), *arguments]
        for setting in FAST:
            command += ["--set", setting]
        self.child = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
        )

    def wait_ready(self) -> str:
        """The address, once it listens."""
        for _ in range(SECONDS * 20):
            if self.ready.exists():
                told = json.loads(self.ready.read_text())
                if told["pid"] == self.child.pid:
                    return str(told["url"])
            if self.child.poll() is not None:
                raise AssertionError(self.child.communicate()[1])
            time.sleep(0.05)
        msg = "the service does not listen"
        raise AssertionError(msg)

    @property
    def token(self) -> str:
        """The token that the first start has made."""
        return (self.folder / "token").read_text().strip()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; exit code and standard error."""
        if self.child.poll() is None:
            os.kill(self.child.pid, number)
        _, errors = self.child.communicate(timeout=SECONDS)
        return self.child.returncode, errors


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Process]:
    """A service that is ended, whatever happens."""
    process = Process(folder, *arguments)
    try:
        yield process
    finally:
        process.end(signal.SIGKILL)
