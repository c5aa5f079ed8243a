"""From a request to an order: durable before it is answered, whoever hangs up.

An intent is answered when the commit that holds it has returned.
What follows, the post and its answer, goes on by itself; who wants to know more
waits for it, or follows the events.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar

import structlog

from ledger import events as ev
from ledger.errors import UnknownOrderError
from ledger.intent import OrderIntent
from ledger.manager import OrderResult
from ledger.order import Order, snapshot
from ledger.recorded import NewEvent
from service.runtime import Runtime

_T = TypeVar("_T")

_log = structlog.get_logger("service.http")

_ORDER_PREFIX: Final = ev.order_stream("")
_MOST_UNDER_WAY: Final = 5_000
"""Placements at once; beyond it, callers are asked to come back."""

Recorded = asyncio.Future[Order]


class Intake:
    """Places intents for requests, and tells who waits what was recorded."""

    def __init__(self, runtime: Runtime) -> None:
        self._opened = runtime.opened
        self._journal = runtime.opened.journal
        self._waiting: dict[tuple[str, str], Recorded] = {}
        self._closing: dict[str, list[asyncio.Future[None]]] = {}
        self._under_way: set[asyncio.Task[Any]] = set()
        self._journal.on_recorded.append(self._note)

    @property
    def is_full(self) -> bool:
        """Whether so much is under way that nothing more should come."""
        return len(self._under_way) >= _MOST_UNDER_WAY

    def start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Let a command run to its end, whatever becomes of the request."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Whoever waits hears of it as well; after an answer nobody does.
            _log.warning("command.failed", error=str(task.exception()))

    async def shielded(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of a command that runs to its end, whoever hangs up."""
        return await asyncio.shield(self.start(work))

    async def drain(self) -> None:
        """Wait until every command that was begun has ended."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def place(self, intent: OrderIntent) -> tuple[asyncio.Task[OrderResult], Recorded]:
        """Begin to place an intent.

        Returns:
            The placement, and the order as it was when it became durable; what
            was there before, or could not be recorded, resolves the first only.
        """
        recorded, keys = self._expected([intent])
        task = self.start(self._opened.manager.place(intent))
        if keys:
            task.add_done_callback(lambda _: self._waiting.pop(keys[0], None))
        return task, recorded[0]

    def place_batch(
        self, intents: Sequence[OrderIntent]
    ) -> tuple[asyncio.Task[list[OrderResult]], list[Recorded]]:
        """As `place`, for several intents that are recorded together."""
        recorded, keys = self._expected(intents)
        task = self.start(self._opened.manager.place_batch(intents))

        def forget(_: object) -> None:
            for key in keys:
                self._waiting.pop(key, None)

        task.add_done_callback(forget)
        return task, recorded

    def _expected(
        self, intents: Sequence[OrderIntent]
    ) -> tuple[list[Recorded], list[tuple[str, str]]]:
        """Futures of what will be recorded, and the keys that they stand under.

        Only the first to come with a key makes the order; others wait for it.
        """
        loop = asyncio.get_running_loop()
        found: list[Recorded] = []
        keys = []
        for intent in intents:
            future: Recorded = loop.create_future()
            key = (intent.strategy, intent.idempotency_key)
            if self._waiting.setdefault(key, future) is future:
                keys.append(key)
            found.append(future)
        return found, keys

    async def closed(self, order_id: str) -> None:
        """Wait until nothing more is expected of an order."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._closing.setdefault(order_id, [])
        waiting.append(future)
        try:
            if not await self._is_closed(order_id):
                await future
        finally:
            waiting.remove(future)
            if not waiting:
                self._closing.pop(order_id, None)

    async def _is_closed(self, order_id: str) -> bool:
        order = self._journal.order(order_id)
        await self._journal.durable()  # memory may be ahead of the disk
        return order.is_closed

    def _note(self, events: Sequence[NewEvent]) -> None:
        """Called after each commit, before whoever waits for it runs on."""
        if self._waiting:
            for stream, version, event in events:
                if version == 1 and type(event) is ev.OrderRequested:
                    self._note_requested(stream[len(_ORDER_PREFIX) :], event)
        if self._closing:
            for new in events:
                self._note_closed(new.stream)

    def _note_requested(self, order_id: str, event: ev.OrderRequested) -> None:
        found = self._waiting.get((event.strategy, event.idempotency_key))
        if found is not None and not found.done():
            # Now memory is exactly what was committed; a moment later it may not be.
            found.set_result(snapshot(self._journal.order(order_id)))

    def _note_closed(self, stream: str) -> None:
        waiting = self._closing.get(stream.removeprefix(_ORDER_PREFIX))
        if not waiting:
            return
        try:
            order = self._journal.order(stream.removeprefix(_ORDER_PREFIX))
        except UnknownOrderError:
            return
        if order.is_closed:
            for future in waiting:
                if not future.done():
                    future.set_result(None)
