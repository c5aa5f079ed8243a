"""Records what the venue says on its own; facts that come together share commits."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from ledger.manager import OrderManager
from ledger.venue import ExecutorInterface, VenueFact

_log = structlog.get_logger("service.following")

MOST_IN_FLIGHT: Final = 512
"""Facts being recorded at once: they share commits, and memory stays bounded."""

OnApplied = Callable[[Exception | None], None]
"""Told after each fact; the error, if it could not be recorded."""


async def follow(
    executor: ExecutorInterface,
    manager: OrderManager,
    on_applied: OnApplied = lambda _: None,
) -> None:
    """Record facts until the executor has no more, or the task is cancelled.

    A fact that cannot be recorded does not end it: the next one may be fine, and
    a sweep brings this one again.
    """
    in_flight: set[asyncio.Task[None]] = set()

    async def record(fact: VenueFact) -> None:
        error: Exception | None = None
        try:
            await manager.apply(fact)
        except Exception as caught:  # noqa: BLE001 -- one fact must not end them all
            _log.exception("fact.failed", venue_order_id=fact.venue_order_id)
            error = caught
        on_applied(error)

    try:
        async for fact in executor.facts():
            # Not one after the other: each would wait for a commit of its own.
            # State moves in the order in which the tasks begin, which is this.
            task = asyncio.create_task(record(fact))
            in_flight.add(task)
            task.add_done_callback(in_flight.discard)
            if len(in_flight) >= MOST_IN_FLIGHT:
                await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # What was handed over is recorded even when the listening ends.
        if in_flight:
            await asyncio.wait(in_flight)
