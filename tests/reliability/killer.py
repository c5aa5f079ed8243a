"""Writing processes that are killed at a random instant, again and again.

Each child opens the ledger, appends, and acknowledges over a pipe after the
append returned.
The parent kills it, and in the end compares what was acknowledged with what
is stored.
Forking costs a tenth of starting an interpreter, which is what makes hundreds
of kills affordable.
"""

import asyncio
import os
import random
import signal
import struct
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ledger.events import LedgerHalted
from ledger.recorded import NewEvent
from ledger.store import AppendRequest, GroupCommit, LedgerStore, StoreOptions

# Checkpoints of the WAL are hit often, so that kills land inside them too.
OPTIONS = StoreOptions(wal_autocheckpoint=20, ballast_bytes=0)
AT = datetime(2026, 9, 22, 12, tzinfo=UTC)
PER_CYCLE = 1_000_000
CHECKPOINT_EVERY = 10  # cycles
LONGEST_LIFE = 0.006  # seconds between the first append and the kill, at first
MOST_LIFE = 0.2
FEW, MANY = 2, 12  # acknowledgements of one life

Acknowledge = Callable[[int], None]
Child = Callable[[LedgerStore, Iterator[int], Acknowledge], None]


def opened(path: Path, *, writer: bool = True) -> LedgerStore:
    return LedgerStore.open(path, clock_us=lambda: 0, writer=writer, options=OPTIONS)


def request(number: int, version: int) -> AppendRequest:
    event = LedgerHalted(at=AT, reason=str(number))
    return AppendRequest([NewEvent(f"halts-{number // PER_CYCLE}", version, event)])


def append_directly(
    store: LedgerStore, numbers: Iterator[int], acknowledge: Acknowledge
) -> None:
    for version, number in enumerate(numbers, 1):
        store.append([request(number, version)])
        acknowledge(number)


def append_in_groups(
    store: LedgerStore, numbers: Iterator[int], acknowledge: Acknowledge
) -> None:
    async def caller(writer: GroupCommit, version: int, number: int) -> None:
        await writer.append(request(number, version))
        acknowledge(number)

    async def run() -> None:
        writer = GroupCommit(store, threaded=True)
        version = 0
        while True:
            group = [(version + n, next(numbers)) for n in range(1, 8)]
            version += len(group)
            await asyncio.gather(*(caller(writer, *each) for each in group))

    asyncio.run(run())


def acknowledge_too_early(
    store: LedgerStore, numbers: Iterator[int], acknowledge: Acknowledge
) -> None:
    """A planted bug: the answer goes out before the commit has returned."""
    for version, number in enumerate(numbers, 1):
        acknowledge(number)
        store.append([request(number, version)])


class Outcome(NamedTuple):
    """What is left after all kills.

    `lost` were acknowledged and are not stored; `extra` are stored and were
    never acknowledged, at most the requests under way at each kill.
    """

    kills: int
    acknowledged: int
    lost: set[int]
    extra: set[int]
    problems: list[str]
    positions_are_gapless: bool


def run(path: Path, *, kills: int, children: list[Child], seed: int) -> Outcome:
    """Kill `kills` writers of one ledger, then read what they have left."""
    rng = random.Random(seed)
    acknowledged: set[int] = set()
    longest = LONGEST_LIFE
    for cycle in range(kills):
        child = children[cycle % len(children)]
        told = _cycle(path, cycle, child, rng.random() * longest)
        acknowledged |= told
        # Disks differ and are shared: kills must fall among commits, not before
        # the first one.
        if len(told) < FEW:
            longest = min(longest * 1.2, MOST_LIFE)
        elif len(told) > MANY:
            longest *= 0.9
    with opened(path, writer=False) as store:
        stored: list[int] = []
        positions: list[int] = []
        for recorded in store.read():
            assert isinstance(recorded.event, LedgerHalted)
            stored.append(int(recorded.event.reason))
            positions.append(recorded.position)
        problems = store.verify(full=True).problems
    assert len(stored) == len(set(stored))
    return Outcome(
        kills,
        len(acknowledged),
        acknowledged - set(stored),
        set(stored) - acknowledged,
        problems,
        positions == list(range(1, len(positions) + 1)),
    )


def _cycle(path: Path, cycle: int, child: Child, life: float) -> set[int]:
    answers, answer_to = os.pipe()
    ready, ready_to = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _be_a_child(path, cycle, child, answer_to, ready_to)
        except BaseException:  # noqa: BLE001 - a fork must not run the tests on
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(answer_to)
    os.close(ready_to)
    is_ready = os.read(ready, 1) == b"g"
    time.sleep(life)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with open(answers, "rb") as pipe:  # noqa: PTH123 - a descriptor, not a path
        data = pipe.read()
    os.close(ready)
    assert is_ready, f"the writer of cycle {cycle} could not open the ledger"
    assert os.WTERMSIG(status) == signal.SIGKILL, "the writer ended by itself"
    return {number for (number,) in struct.iter_unpack("<q", data)}


def _be_a_child(
    path: Path, cycle: int, child: Child, answer_to: int, ready_to: int
) -> None:
    store = opened(path)
    first = cycle * PER_CYCLE
    os.write(ready_to, b"g")
    if cycle % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1 and store.head:
        # Keeps later starts short, and is itself a place to be killed in.
        store.save_checkpoint(store.head, b"state")
    child(
        store,
        iter(range(first, first + PER_CYCLE)),
        lambda number: _write(answer_to, number),
    )


def _write(descriptor: int, number: int) -> None:
    os.write(descriptor, struct.pack("<q", number))
