"""The loop of virtual time: one seed, one run."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.simloop import LoopClock, StuckError, simulate

ROOT = Path(__file__).parents[3]


async def _trace(clock: LoopClock) -> list[str]:
    """What five workers do who sleep the same time and meet at every step."""
    seen: list[str] = []

    async def work(name: str) -> None:
        for step in range(4):
            await clock.sleep(1)
            seen.append(f"{name}{step}")

    await asyncio.gather(*(work(name) for name in "abcde"))
    return seen


def test_one_seed_gives_one_order_of_events() -> None:
    """A failure that cannot be run again cannot be understood."""
    assert simulate(7, _trace) == simulate(7, _trace)


def test_the_order_does_not_depend_on_the_hashes_of_the_process() -> None:
    """A seed printed by one machine must mean the same on the next."""
    code = (
        "from tests.unit.exchange_api.test_simloop import _trace\n"
        "from tests.tools.simloop import simulate\n"
        "print(''.join(simulate(7, _trace)))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert runs == {"".join(simulate(7, _trace)) + "\n"}


def test_other_seeds_give_other_orders() -> None:
    """If this fails, asyncio no longer lets the loop choose who runs first."""
    assert len({tuple(simulate(seed, _trace)) for seed in range(20)}) > 10


def test_an_hour_passes_without_waiting() -> None:
    """Settlement takes minutes; a suite of such runs may not."""

    async def main(clock: LoopClock) -> float:
        before = clock.now()
        await asyncio.wait_for(clock.sleep(3600), timeout=4000)
        return (clock.now() - before).total_seconds()

    assert simulate(1, main) == pytest.approx(3600)


def test_waiting_for_nobody_is_reported_not_endless() -> None:
    """A deadlock must be a red test, not a hanging one."""

    async def main(_clock: LoopClock) -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError):
        simulate(1, main)


def test_a_wait_that_only_a_ticking_task_keeps_alive_ends_too() -> None:
    """An exchange always has a timer, so its deadlocks would tick on for ever."""

    async def tick(clock: LoopClock) -> None:
        while True:
            await clock.sleep(60)

    async def main(clock: LoopClock) -> None:
        ticking = asyncio.create_task(tick(clock))
        await asyncio.Event().wait()
        ticking.cancel()

    with pytest.raises(StuckError, match="virtual seconds"):
        simulate(1, main)


def test_threads_are_refused() -> None:
    """When a thread ends is not the seed's to decide."""

    async def main(_clock: LoopClock) -> None:
        await asyncio.to_thread(int)

    with pytest.raises(RuntimeError, match="thread"):
        simulate(1, main)
