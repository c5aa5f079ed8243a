"""One life of the ledger's process inside a test's loop, and its sudden end.

A process is all tasks that carry its life in their context.
It dies between two steps: from that instant nothing of it reaches disk or wire,
whatever its tasks still do before they are cancelled.
Requests that had left go on without it, as they would on a real wire.
"""

import asyncio
from collections import Counter
from collections.abc import Container, Coroutine, Sequence
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar

import httpx2

from executors.exchange.inloop import ExchangeTransport
from executors.polymarket.executor import RealExecutor
from ledger.decide import PostAnswered, PostOutcome
from ledger.errors import StoreFailedError
from ledger.store import AppendRequest, LedgerStore
from ledger.venue import PlacementRequest, PreparedOrder

T = TypeVar("T")

STEPS: Final = (
    "before signing",
    "after signing",
    "before a commit",
    "after a commit",
    "before a post leaves",
    "before a post's answer is read",
    "after a post's answer was classified",
    "before a cancel leaves",
    "before a cancel's answer is read",
    "before a look-up leaves",
    "before a look-up's answer is read",
)
"""Where a process may die; together they lie between any two steps of placing."""


class Life:
    """One process: its tasks, its store, and where it is to die.

    `ended` is set once every task of it is gone.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_dead = False
        self.died_at = ""
        self.second_posts = 0
        self.ended = asyncio.Event()
        self.store: LedgerStore | None = None
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._fatal: tuple[str, int] | None = None
        self._seen: Counter[str] = Counter()

    def dies(self, step: str, after: int) -> None:
        """Die when a step is reached for the `after`-th time from now."""
        self._seen.clear()
        self._fatal = (step, after)

    def reaches(self, step: str) -> bool:
        """Take note of a step; whether the process is dead by now."""
        if not self.is_dead:
            self._seen[step] += 1
            if self._fatal is not None:
                fatal, count = self._fatal
                if step == fatal and self._seen[step] >= count:
                    self.die(step)
        return self.is_dead

    async def step(self, step: str) -> None:
        """Reach a step; the dead wait there until they are cancelled."""
        if self.reaches(step):
            await asyncio.get_running_loop().create_future()

    def die(self, step: str) -> None:
        """End at once: what is not on disk by now will never be."""
        if self.is_dead:
            return
        self.is_dead, self.died_at = True, step
        if self.store is not None:
            self.store.close()
        context = copy_context()
        context.run(LIFE.set, None)
        asyncio.get_running_loop().create_task(self._bury(), context=context)

    async def _bury(self) -> None:
        while tasks := [task for task in self._tasks if not task.done()]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)
        self.ended.set()

    def own(self, task: asyncio.Task[Any]) -> None:
        """Count a task among those that die with the process."""
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def call(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Have the process do something; `None` if it died over it."""
        if self.is_dead:
            work.close()
            return None
        context = copy_context()
        context.run(LIFE.set, self)
        task = asyncio.get_running_loop().create_task(work, context=context)
        await asyncio.wait([task])
        # The dead tell nothing, even what they had just found out.
        if self.is_dead or task.cancelled():
            if not task.cancelled():
                task.exception()
            return None
        return task.result()


LIFE: Final[ContextVar[Life | None]] = ContextVar("LIFE", default=None)
"""The process that a task belongs to."""


def task_factory(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any],
    *,
    context: Context | None = None,
    **others: Any,
) -> asyncio.Task[Any]:
    """Make tasks that their process knows of."""
    task = asyncio.Task(work, loop=loop, context=context, **others)
    life = LIFE.get() if context is None else context.get(LIFE)
    if life is not None:
        life.own(task)
        if life.is_dead:
            task.cancel()
    return task


def mortal_store(life: Life, store: LedgerStore) -> None:
    """Have a store take nothing from the dead."""
    append = store.append

    def appended(requests: Sequence[AppendRequest]) -> None:
        if life.reaches("before a commit"):
            raise StoreFailedError("the process is dead")
        append(requests)
        if life.reaches("after a commit"):
            raise StoreFailedError("the process is dead")

    store.append = appended  # type: ignore[method-assign]
    life.store = store


class MortalTransport(ExchangeTransport):
    """The wire of one process."""

    def __init__(self, life: Life, app: Any, **more: Any) -> None:
        super().__init__(app, **more)
        self._life = life

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry one request; what has left is not the process's any more."""
        what = _what(request)
        await self._life.step(f"before a {what} leaves")
        token = LIFE.set(None)
        try:
            return await super().handle_async_request(request)
        finally:
            LIFE.reset(token)
            await self._life.step(f"before a {what}'s answer is read")


def _what(request: httpx2.Request) -> str:
    if request.url.path in {"/order", "/orders"}:
        return {"POST": "post", "DELETE": "cancel"}.get(request.method, "look-up")
    return "look-up" if request.url.path.startswith("/data/") else "request"


class MortalExecutor(RealExecutor):
    """The live executor of a process that may die around every call."""

    life: Life
    placed: Container[str] = ()

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        """Sign, or die before or after it."""
        await self.life.step("before signing")
        prepared = await super().prepare(request)
        await self.life.step("after signing")
        return prepared

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        """Post, or die; what is at the exchange by now is a second post."""
        self.life.second_posts += prepared.venue_order_id in self.placed
        answer = await super().submit(prepared)
        await self.life.step("after a post's answer was classified")
        return answer


class Resigning(MortalExecutor):
    """A planted bug: what was not answered is signed and sent anew."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._asked: dict[str, PlacementRequest] = {}

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        prepared = await super().prepare(request)
        self._asked[prepared.venue_order_id] = request
        return prepared

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        answer = await super().submit(prepared)
        request = self._asked.get(prepared.venue_order_id)
        if answer.outcome is PostOutcome.UNKNOWN and request is not None:
            answer = await super().submit(await super().prepare(request))
        return answer


class Rejecting(MortalExecutor):
    """A planted bug: no answer is taken for a refusal."""

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        answer = await super().submit(prepared)
        if answer.outcome is PostOutcome.UNKNOWN:
            return PostAnswered(
                outcome=PostOutcome.REFUSED, code="timeout", text="no answer"
            )
        return answer


class Hasty(MortalExecutor):
    """A planted bug: the order leaves before it is on record."""

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        prepared = await super().prepare(request)
        await super().submit(prepared)
        return prepared
