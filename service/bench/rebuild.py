"""Rebuilding every projection, against merely reading and decoding."""

import time
from pathlib import Path
from statistics import median

from projections.read_models import ReadModels
from service.bench import desk, logs


def measure(folder: Path, *, events: int, rounds: int) -> dict[str, float]:
    """Alternate reading and rebuilding one log; take medians.

    Returns:
        Events per second of both and their ratio.
    """
    logs.write_log(folder / "log", events=events, checkpoint=False)
    reads, rebuilds = [], []
    with desk.open_store(folder / "log") as store:
        for _ in range(rounds):
            started = time.perf_counter()
            for _stored in store.read():
                pass
            reads.append(time.perf_counter() - started)
            models = ReadModels(folder / "read_models.db", "bench")
            started = time.perf_counter()
            models.rebuild(store)
            rebuilds.append(time.perf_counter() - started)
            models.close()
        count = store.head
    read_rate, rebuild_rate = count / median(reads), count / median(rebuilds)
    return {
        "events": count,
        "read_decode_events_per_s": round(read_rate),
        "rebuild_events_per_s": round(rebuild_rate),
        "ratio": round(rebuild_rate / read_rate, 3),
    }
