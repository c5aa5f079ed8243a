"""Benchmarks: ratios against a baseline of the same run, on this machine."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

SECTIONS: Final = ("throughput", "place_latency", "rebuild", "start", "memory", "api")
"""All but `api` run by default: that one starts the service."""


def run_bench(
    *,
    only: str | None = None,
    quick: bool = False,
    folder: Path | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run all sections, or one.

    Args:
        only: A name of `SECTIONS`.
        quick: Smaller counts: under a minute in all.
        folder: Where the files go, on the disk that is to be measured; a
            temporary folder if absent.
        note: Told what is being measured.

    Returns:
        One entry per section, as the README shows.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    with tempfile.TemporaryDirectory(dir=folder, prefix="bench-") as made:
        return _run(Path(made), only, quick=quick, note=note)


def _run(
    folder: Path, only: str | None, *, quick: bool, note: Callable[[str], None]
) -> dict[str, Any]:
    from service.bench import latency, start, throughput

    found: dict[str, Any] = {}
    if only in (None, "throughput"):
        note("throughput: the full path against the floor")
        orders, rounds = (2_000, 3) if quick else (20_000, 5)
        found["throughput"] = throughput.measure(
            folder / "throughput", orders=orders, rounds=rounds
        )
    if only in (None, "place_latency"):
        note("place_latency: one strategy alone against bare commits")
        places = 1_000 if quick else 5_000
        found["place_latency"] = latency.measure(folder / "latency", places=places)
    if only in (None, "rebuild"):
        from service.bench import rebuild

        note("rebuild: all projections against reading and decoding")
        events, rounds = (50_000, 3) if quick else (500_000, 3)
        found["rebuild"] = rebuild.measure(
            folder / "rebuild", events=events, rounds=rounds
        )
    if only == "api":
        from service.bench import api

        note("api: intents and events over HTTP, against the same in one process")
        intents, rounds = (3_000, 1) if quick else (10_000, 3)
        found["api"] = api.measure(folder / "api", intents=intents, rounds=rounds)
    if only in (None, "start", "memory"):
        note("start and memory: a large log against a small one")
        large = 100_000 if quick else 1_000_000
        sizes = start.measure(folder / "start", small=10_000, large=large, rounds=5)
        names = ("start", "memory") if only is None else (only,)
        found.update({name: sizes[name] for name in names})
    return found
