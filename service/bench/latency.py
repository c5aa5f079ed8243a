"""One strategy alone: a place against as many bare commits."""

import asyncio
import sqlite3
import time
from pathlib import Path

from service.bench import desk, floor

_COMMITS_PER_PLACE = 2
"""What was asked and will be sent; then what was answered."""


def measure(folder: Path, *, places: int) -> dict[str, float]:
    """Alternate one place and its bare commits; compare p50 and p99.

    Returns:
        Milliseconds of both and their ratios.
    """
    return asyncio.run(_measure(folder, places))


async def _measure(folder: Path, places: int) -> dict[str, float]:
    bare_times: list[float] = []
    place_times: list[float] = []
    async with desk.open_manager(folder / "ledger") as manager:
        bare = _bare(folder / "bare.db")
        for number in range(places):
            started = time.perf_counter()
            result = await manager.place(desk.intent("alone", number))
            place_times.append(time.perf_counter() - started)
            assert result.success
            started = time.perf_counter()
            _bare_commits(bare, number)
            bare_times.append(time.perf_counter() - started)
        bare.close()
    return {
        "places": places,
        "bare_p50_ms": round(_percentile(bare_times, 50) * 1000, 3),
        "bare_p99_ms": round(_percentile(bare_times, 99) * 1000, 3),
        "place_p50_ms": round(_percentile(place_times, 50) * 1000, 3),
        "place_p99_ms": round(_percentile(place_times, 99) * 1000, 3),
        "p50_ratio": round(
            _percentile(place_times, 50) / _percentile(bare_times, 50), 3
        ),
        "p99_ratio": round(
            _percentile(place_times, 99) / _percentile(bare_times, 99), 3
        ),
    }


def _bare(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(
        "CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT,"
        " version INTEGER, topic TEXT, state BLOB, UNIQUE (stream, version))"
    )
    return db


def _bare_commits(db: sqlite3.Connection, number: int) -> None:
    stream = f"order-{number:036d}"
    commits = (
        floor.placement_rows(stream, "alone", number),
        [floor.placed_row(stream)],
    )
    assert len(commits) == _COMMITS_PER_PLACE
    for rows in commits:
        db.execute("BEGIN IMMEDIATE")
        db.executemany(
            "INSERT INTO events (stream, version, topic, state) VALUES (?,?,?,?)", rows
        )
        db.execute("COMMIT")


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
