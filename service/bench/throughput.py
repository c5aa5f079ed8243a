"""Orders per second and CPU per order, against the floor, in one run."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from service.bench import desk, floor

_STRATEGIES = 100


def measure(folder: Path, *, orders: int, rounds: int) -> dict[str, float]:
    """Alternate floor and ledger, `orders` each, and take medians.

    Returns:
        Orders per second, CPU microseconds per order, and their ratio.
    """
    per_strategy = max(1, orders // _STRATEGIES)
    count = per_strategy * _STRATEGIES
    floors, ledgers = [], []
    for number in range(rounds):
        (folder / f"floor-{number}").mkdir(parents=True)
        floors.append(asyncio.run(_floor(folder / f"floor-{number}", per_strategy)))
        ledgers.append(asyncio.run(_ledger(folder / f"ledger-{number}", per_strategy)))
    floor_rate = median(count / wall for wall, _ in floors)
    ledger_rate = median(count / wall for wall, _ in ledgers)
    floor_cpu = median(cpu / count * 1e6 for _, cpu in floors)
    ledger_cpu = median(cpu / count * 1e6 for _, cpu in ledgers)
    return {
        "orders": count,
        "rounds": rounds,
        "floor_orders_per_s": round(floor_rate, 1),
        "ledger_orders_per_s": round(ledger_rate, 1),
        "ratio": round(ledger_rate / floor_rate, 3),
        "floor_cpu_us": round(floor_cpu, 1),
        "ledger_cpu_us": round(ledger_cpu, 1),
        "cpu_ratio": round(ledger_cpu / floor_cpu, 3),
    }


async def _timed(run: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Wall and CPU seconds of one run, with a clean heap before it."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    await run()
    return time.perf_counter() - wall, time.process_time() - cpu


async def _floor(folder: Path, orders: int) -> tuple[float, float]:
    log = floor.FloorLog(folder / "floor.db")
    try:
        return await _timed(
            lambda: floor.run_orders(log, strategies=_STRATEGIES, orders=orders)
        )
    finally:
        log.close()


async def _ledger(folder: Path, orders: int) -> tuple[float, float]:
    async with desk.open_manager(folder) as manager:
        return await _timed(
            lambda: desk.run_orders(manager, strategies=_STRATEGIES, orders=orders)
        )
