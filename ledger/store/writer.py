"""Group commit: everything that waits goes into one transaction."""

import asyncio
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Final, Protocol

from ledger.errors import StoreError, StoreFailedError
from ledger.store.store import AppendRequest

MOST_PER_TRANSACTION: Final = 1000
"""Requests; beyond it one transaction would keep its first caller waiting."""


class Appends(Protocol):
    """What group commit needs of a store."""

    def append(self, requests: Sequence[AppendRequest]) -> None:
        """Record all requests in one transaction; durable on return."""
        ...


_Outcome = Exception | None
_Batch = list[tuple[AppendRequest, asyncio.Future[None]]]
"""Requests, and who waits for each."""


class GroupCommit:
    """Turns many waiting appends into few commits, in the order they came.

    Call it from one event loop only. A caller is answered after the commit
    that holds its events has returned, never before; a caller that was
    cancelled meanwhile has still had its events recorded.
    """

    def __init__(
        self,
        store: Appends,
        *,
        threaded: bool,
        on_committed: Callable[[list[AppendRequest]], None] | None = None,
        on_failure: Callable[[StoreFailedError], None] | None = None,
    ) -> None:
        """Prepare; with `threaded`, start the one thread that writes.

        Args:
            store: Where to append; from now on nobody else may.
            threaded: Commit in a thread, while the next group gathers;
                otherwise at the end of the loop's current round, which is
                deterministic.
            on_committed: Told the recorded requests after each commit, before
                their callers run on.
            on_failure: Told once, when the store accepts nothing any more.
        """
        self.failed: StoreFailedError | None = None
        self._store = store
        self._on_committed = on_committed
        self._on_failure = on_failure
        self._waiting: _Batch = []
        # Set while a commit is scheduled or under way.
        self._is_busy = False
        self._is_closed = False
        self._idle_waiters: list[asyncio.Future[None]] = []
        self._handed_over: SimpleQueue[
            tuple[asyncio.AbstractEventLoop, _Batch] | None
        ] = SimpleQueue()
        self._thread: Thread | None = None
        if threaded:
            self._thread = Thread(target=self._work, name="ledger-writer", daemon=True)
            self._thread.start()

    def append(self, request: AppendRequest) -> asyncio.Future[None]:
        """Queue one request; await the result to know that it is durable.

        Raises, when awaited:
            ConcurrentWriteError: a stream has an event of that version already.
            DuplicateKeyError: the identity's key or venue id was used before.
            StoreFailedError: nothing is accepted any more; `FencedError` if
                another writer took over.
            StoreError: this writer was closed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if self._is_closed or self.failed is not None:
            future.set_exception(self.failed or StoreError("the writer is closed"))
            return future
        self._waiting.append((request, future))
        if not self._is_busy:
            self._is_busy = True
            # Not at once: whoever else runs in this round joins the group.
            loop.call_soon(self._start_commit, loop)
        return future

    async def drain(self) -> None:
        """Wait until nothing is queued or under way."""
        while self._is_busy:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle_waiters.append(future)
            await future

    async def close(self) -> None:
        """Finish what is queued, accept nothing more, end the thread."""
        self._is_closed = True
        await self.drain()
        if self._thread is not None:
            self._handed_over.put(None)
            self._thread.join()
            self._thread = None

    def _start_commit(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._waiting[:MOST_PER_TRANSACTION]
        del self._waiting[:MOST_PER_TRANSACTION]
        if self._thread is None:
            self._finish(loop, batch, _commit(self._store, batch))
        else:
            self._handed_over.put((loop, batch))

    def _work(self) -> None:
        while (handed := self._handed_over.get()) is not None:
            loop, batch = handed
            outcomes = _commit(self._store, batch)
            try:
                loop.call_soon_threadsafe(self._finish, loop, batch, outcomes)
            except RuntimeError:
                # The loop was closed under us: there is nobody left to answer.
                return

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: _Batch,
        outcomes: Sequence[_Outcome],
    ) -> None:
        for (_, future), error in zip(batch, outcomes, strict=True):
            _resolve(future, error)
            if isinstance(error, StoreFailedError):
                self._fail(error)
        if self._waiting:
            loop.call_soon(self._start_commit, loop)
        else:
            self._is_busy = False
            self._release_idle_waiters()
        if self._on_committed is not None:
            pairs = zip(batch, outcomes, strict=True)
            recorded = [request for (request, _), error in pairs if error is None]
            if recorded:
                self._on_committed(recorded)

    def _fail(self, error: StoreFailedError) -> None:
        if self.failed is not None:
            return
        self.failed = error
        for _, future in self._waiting:
            _resolve(future, error)
        self._waiting.clear()
        if self._on_failure is not None:
            self._on_failure(error)

    def _release_idle_waiters(self) -> None:
        waiters, self._idle_waiters = self._idle_waiters, []
        for waiter in waiters:
            _resolve(waiter, None)


def _resolve(future: asyncio.Future[None], error: _Outcome) -> None:
    if future.done():
        # Its caller was cancelled; the events are recorded all the same.
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _commit(store: Appends, batch: _Batch) -> list[_Outcome]:
    """Record a group; if one request spoils it, each has its own commit."""
    requests = [request for request, _ in batch]
    try:
        store.append(requests)
    except StoreFailedError as error:
        return [error] * len(batch)
    except Exception as error:  # noqa: BLE001 - goes to the caller who is waiting
        if len(batch) == 1:
            return [error]
        return [_outcome(store, request) for request in requests]
    return [None] * len(batch)


def _outcome(store: Appends, request: AppendRequest) -> _Outcome:
    try:
        store.append([request])
    except Exception as error:  # noqa: BLE001 - goes to the caller who is waiting
        return error
    return None
