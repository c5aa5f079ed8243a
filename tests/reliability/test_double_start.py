"""Two processes, one ledger: exactly one of them writes."""

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from ledger.errors import LockHeldError
from ledger.store import LedgerStore, schema
from tests.reliability.killer import opened, request

HOLD = 0.05  # seconds; shorter, and the second may rightly win after the first left


def start(path: Path, barrier: int, report: int) -> int:
    """Fork a process that opens the ledger once the barrier falls."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.read(barrier, 1)
        try:
            with opened(path):
                os.write(report, f"won {os.getpid()}\n".encode())
                time.sleep(HOLD)
        except LockHeldError as error:
            os.write(report, f"lost {error.owner}\n".encode())
    finally:
        os._exit(0)


def race(path: Path) -> tuple[list[int], list[str]]:
    """Start two processes at once; their pids and what they report."""
    barrier, barrier_to = os.pipe()
    reports, report_to = os.pipe()
    pids = [start(path, barrier, report_to) for _ in range(2)]
    os.close(report_to)
    os.write(barrier_to, b"gg")
    with open(reports, encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
        lines = sorted(pipe.read().splitlines())
    for pid in pids:
        os.waitpid(pid, 0)
    for descriptor in (barrier, barrier_to):
        os.close(descriptor)
    return pids, lines


def test_of_two_starts_exactly_one_wins(tmp_path: Path) -> None:
    """Two writers would send every order twice."""
    path = tmp_path / "ledger.db"
    for number in range(1, 21):
        pids, (lost, won) = race(path)
        assert won in [f"won {pid}" for pid in pids]
        winner = won.removeprefix("won ")
        assert f"pid {winner} on " in lost or "just starting" in lost
        with opened(path, writer=False) as store:
            assert store.epoch == number


def test_a_killed_writer_frees_the_ledger(tmp_path: Path) -> None:
    """A crash at night must not need a person to delete a lock file."""
    path = tmp_path / "ledger.db"
    for _ in range(5):
        ready, ready_to = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                store = opened(path)
                os.write(ready_to, b"g")
                time.sleep(60)
                store.close()
            finally:
                os._exit(1)
        os.close(ready_to)
        assert os.read(ready, 1) == b"g"
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        opened(path).close()


def test_deleting_the_lock_file_does_not_free_the_ledger_for_good(
    tmp_path: Path,
) -> None:
    """Where the lock is got round, the epoch still stops the older writer."""
    path = tmp_path / "ledger.db"
    with opened(path) as first:
        first.append([request(1, 1)])
        Path(f"{path}.lock").unlink()
        with opened(path) as second:
            second.append([request(2, 2)])
            fenced = _refusal(first)
            second.append([request(3, 3)])
            assert second.verify(full=True).is_sound
    assert fenced == "FencedError"


def _refusal(store: LedgerStore) -> str:
    try:
        store.append([request(9, 9)])
    except Exception as error:  # noqa: BLE001 - its name is the result
        return type(error).__name__
    return "none"


def test_an_old_epoch_is_refused_by_the_file_itself(tmp_path: Path) -> None:
    """Even a program that knows nothing of locks meets the trigger."""
    path = tmp_path / "ledger.db"
    with opened(path) as store:
        store.append([request(1, 1)])
        connection = sqlite3.connect(path, isolation_level=None)
        schema.next_epoch(connection)
        copy = (
            "INSERT INTO events SELECT position + 1, 'x', 1, topic, state, "
            "recorded_us, epoch, hash FROM events"
        )
        with pytest.raises(sqlite3.IntegrityError, match="fenced"):
            connection.execute(copy)
        connection.close()
