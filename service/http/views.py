"""Read models for requests: at the log's head, or as of a position or time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from ledger.errors import InvalidInputError
from projections import Record
from service.http.past import Past
from service.http.problems import Problem
from service.places import account_of
from service.runtime import Runtime

_T = TypeVar("_T")

_TRIES: Final = 3
_MOST_DIGITS: Final = 18


class Rows(Protocol):
    """Kept read models and past ones answer alike; as `projections.Tables.query`."""

    @property
    def query(self) -> Callable[..., list[Record]]:
        """Rows of one read model."""
        ...


class Views:
    """What pages and requests read.

    Work runs in threads, never in the event loop.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._store = runtime.opened.store
        self._catching_up: asyncio.Task[int] | None = None
        # The past has a thread of its own: its connections stay in it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="past")
        self._past: Past | None = None

    async def close(self) -> None:
        """Forget the past."""
        await self._in_past(self._forget)
        self._thread.shutdown()

    def position_of(self, as_of: str | None) -> int | None:
        """The position that `as_of` means; `None` for the head, whatever it is.

        Raises:
            InvalidInputError: it is neither a position nor a time with a zone.
            Problem: 404, the log has not reached it.
        """
        if as_of is None:
            return None
        field = "as_of"
        if as_of.isascii() and as_of.isdigit() and len(as_of) <= _MOST_DIGITS:
            position, head = int(as_of), self._store.head
            if position > head:
                text = f"the log ends at position {head}"
                raise Problem(404, "position_not_reached", text, field=field)
            return position
        try:
            at = datetime.fromisoformat(as_of)
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
            return self._store.position_at(at)
        except (ValueError, OverflowError):
            reason = "must be a position or a time such as 2026-09-24T14:03:22Z"
            raise InvalidInputError(field, reason) from None

    async def read(
        self, position: int | None, work: Callable[[Rows], _T]
    ) -> tuple[int, _T]:
        """Do some reading as of one position, the head if absent.

        Args:
            position: What `position_of` gave.
            work: Reads; it runs in a thread, perhaps more than once.

        Returns:
            The position that what was read holds for, and what was read.

        Raises:
            StoreError: the read models cannot be read.
        """
        if position is None:
            await self._catch_up()
            return await asyncio.to_thread(self._read_head, work)
        return position, await self._in_past(lambda: work(self._tables_at(position)))

    def _read_head(self, work: Callable[[Rows], _T]) -> tuple[int, _T]:
        models = self._runtime.models
        for _ in range(_TRIES):
            before = models.position
            found = work(models)
            if models.position == before:
                break
        return before, found

    async def warm(self) -> None:
        """Fold the log once, so that the first look at the past is a quick one."""
        head = self._store.head
        await self._in_past(lambda: self._tables_at(head))

    async def _catch_up(self) -> None:
        """Take in everything that was durable when this was called."""
        wanted = self._store.head
        while self._runtime.models.position < wanted:
            if self._catching_up is None or self._catching_up.done():
                self._catching_up = asyncio.ensure_future(self._runtime.catch_up())
            await asyncio.shield(self._catching_up)

    async def _in_past(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _tables_at(self, position: int) -> Rows:
        if self._past is None:
            account = account_of(self._runtime.opened.settings)
            self._past = Past(self._store, account)
        return self._past.at(position)

    def _forget(self) -> None:
        if self._past is not None:
            self._past.close()
            self._past = None
