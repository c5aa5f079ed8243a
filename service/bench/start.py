"""How long a start takes, and how much memory it needs, by the log's size."""

import asyncio
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from service.bench import desk, logs


def measure(
    folder: Path, *, small: int, large: int, rounds: int
) -> dict[str, dict[str, float]]:
    """Start on a small and a large log in turns, each in its own process.

    Returns:
        `start` with seconds, sizes and ratio, `memory` with MiB and ratio.
    """
    for name, events in (("small", small), ("large", large)):
        logs.write_log(folder / name, events=events, checkpoint=True)
    runs = {"small": list[dict[str, float]](), "large": list[dict[str, float]]()}
    for _ in range(rounds):
        for name, found in runs.items():
            found.append(_child(folder / name))
    seconds = {
        name: median(r["seconds"] for r in found) for name, found in runs.items()
    }
    mib = {name: median(r["mib"] for r in found) for name, found in runs.items()}
    return {
        "start": {
            "events_small": runs["small"][0]["events"],
            "events_large": runs["large"][0]["events"],
            "open_orders": runs["large"][0]["open_orders"],
            "small_s": round(seconds["small"], 4),
            "large_s": round(seconds["large"], 4),
            "ratio": round(seconds["large"] / seconds["small"], 3),
        },
        "memory": {
            "small_mib": round(mib["small"], 1),
            "large_mib": round(mib["large"], 1),
            "ratio": round(mib["large"] / mib["small"], 3),
        },
    }


def _child(folder: Path) -> dict[str, float]:
    ran = subprocess.run(  # noqa: S603 - our own module, our own folder
        [sys.executable, "-m", "service.bench.start", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(ran.stdout)
    return found


async def _start(folder: Path) -> dict[str, float]:
    from ledger.manager import Journal

    started = time.perf_counter()
    journal = Journal(desk.open_store(folder), account="bench", threaded=True)
    seconds = time.perf_counter() - started
    found = {
        "seconds": seconds,
        "events": journal.state.position,
        "open_orders": len(journal.state.orders),
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    # No checkpoint at the end: the next round must start from the same place.
    await journal.writer.close()
    journal.store.close()
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_start(Path(sys.argv[1])))))
