"""Group commit: many callers, few commits, nobody answered too early."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event

import pytest

from ledger.errors import (
    ConcurrentWriteError,
    DuplicateKeyError,
    FencedError,
    StoreError,
    StoreFailedError,
)
from ledger.events import LedgerHalted
from ledger.recorded import NewEvent
from ledger.store import AppendRequest, GroupCommit

THREADED = pytest.mark.parametrize("threaded", [False, True], ids=["inline", "thread"])


def request(text: str) -> AppendRequest:
    event = LedgerHalted(at=datetime(2026, 9, 22, tzinfo=UTC), reason=text)
    return AppendRequest([NewEvent("system", 1, event)])


def texts(requests: Sequence[AppendRequest]) -> list[str]:
    return [r.events[0].event.reason for r in requests]  # type: ignore[attr-defined]


class FakeStore:
    """Keeps what it was given, and fails as it is told.

    `refused` are the texts that spoil a group; with `gate` every append waits
    until the gate is open.
    """

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.refused: dict[str, Exception] = {}
        self.gate: Event | None = None
        self.entered = Event()
        self.failure: StoreFailedError | None = None

    def append(self, requests: Sequence[AppendRequest]) -> None:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        for text in texts(requests):
            if text in self.refused:
                error = self.refused[text]
                if isinstance(error, StoreFailedError):
                    self.failure = error
                raise error
        self.groups.append(texts(requests))

    @property
    def stored(self) -> list[str]:
        return [text for group in self.groups for text in group]


async def results(futures: Sequence[asyncio.Future[None]]) -> list[str]:
    answers = await asyncio.gather(*futures, return_exceptions=True)
    return ["ok" if a is None else type(a).__name__ for a in answers]


@THREADED
async def test_everything_that_waits_goes_into_one_commit(*, threaded: bool) -> None:
    """One flush for a hundred callers is what makes flushing affordable."""
    store = FakeStore()
    writer = GroupCommit(store, threaded=threaded)
    names = [str(n) for n in range(100)]
    assert set(await results([writer.append(request(n)) for n in names])) == {"ok"}
    assert store.groups == [names]
    await writer.close()


async def test_what_comes_during_a_commit_joins_the_next_one() -> None:
    """The thread writes one group while the next one gathers."""
    store = FakeStore()
    store.gate = Event()
    writer = GroupCommit(store, threaded=True)
    first = writer.append(request("1"))
    await until(store.entered.is_set)
    others = [writer.append(request(n)) for n in "234"]
    await asyncio.sleep(0)
    assert not any(f.done() for f in (first, *others))
    store.gate.set()
    assert await results([first, *others]) == ["ok"] * 4
    assert store.groups == [["1"], ["2", "3", "4"]]
    await writer.close()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - a thread sets it
        await asyncio.sleep(0)


@THREADED
async def test_nobody_is_answered_before_the_commit_returned(*, threaded: bool) -> None:
    """An answer is a promise that the events survive a power cut."""
    store = FakeStore()
    writer = GroupCommit(store, threaded=threaded)
    seen: list[bool] = []

    async def caller(name: str) -> None:
        await writer.append(request(name))
        seen.append(name in store.stored)

    await asyncio.gather(*(caller(str(n)) for n in range(20)))
    assert seen == [True] * 20
    await writer.close()


@THREADED
async def test_a_transaction_has_a_bound(*, threaded: bool) -> None:
    """A burst must not keep its first caller waiting for all of it."""
    store = FakeStore()
    writer = GroupCommit(store, threaded=threaded)
    names = [str(n) for n in range(2500)]
    await results([writer.append(request(n)) for n in names])
    assert [len(group) for group in store.groups] == [1000, 1000, 500]
    assert store.stored == names
    await writer.close()


@THREADED
@pytest.mark.parametrize(
    "error", [DuplicateKeyError("x"), ConcurrentWriteError("x"), TypeError("x")]
)
async def test_only_the_offender_gets_a_conflict(
    error: Exception, *, threaded: bool
) -> None:
    """One strategy's repeated key must not reject the others' orders."""
    store = FakeStore()
    store.refused = {"2": error}
    writer = GroupCommit(store, threaded=threaded)
    futures = [writer.append(request(n)) for n in "1234"]
    expected = ["ok", type(error).__name__, "ok", "ok"]
    assert await results(futures) == expected
    assert store.groups == [["1"], ["3"], ["4"]]
    assert writer.failed is None
    await writer.close()


@THREADED
@pytest.mark.parametrize("kind", [StoreFailedError, FencedError])
async def test_a_failed_store_stops_everything(
    kind: type[StoreFailedError], *, threaded: bool
) -> None:
    """After a failed flush nobody knows what is on disk: no more answers."""
    store = FakeStore()
    store.refused = {"2": kind("disk")}
    told: list[StoreError] = []
    writer = GroupCommit(store, threaded=threaded, on_failure=told.append)
    names = [str(n) for n in range(1100)]
    futures = [writer.append(request(n)) for n in names]
    assert set(await results(futures)) == {kind.__name__}
    assert await results([writer.append(request("later"))]) == [kind.__name__]
    assert told == [writer.failed]
    assert store.groups == []
    await writer.close()


async def test_a_failure_between_retries_fails_the_rest() -> None:
    """The conflict came first, then the disk: who was retried before is safe."""
    store = FakeStore()
    store.refused = {"2": DuplicateKeyError("x"), "3": StoreFailedError("disk")}
    writer = GroupCommit(store, threaded=False)
    answers = await results([writer.append(request(n)) for n in "1234"])
    failed = StoreFailedError.__name__
    assert answers == ["ok", DuplicateKeyError.__name__, failed, failed]
    assert store.stored == ["1"]
    await writer.close()


@THREADED
async def test_a_cancelled_caller_loses_nothing(*, threaded: bool) -> None:
    """Its events were handed in: they are recorded, and the others unharmed."""
    store = FakeStore()
    writer = GroupCommit(store, threaded=threaded)
    tasks = [asyncio.ensure_future(writer.append(request(n))) for n in ("1", "2", "3")]
    tasks[1].cancel()
    answers = await results(tasks)
    assert answers == ["ok", "CancelledError", "ok"]
    assert store.groups == [["1", "2", "3"]]
    await writer.close()


@THREADED
async def test_listeners_hear_what_was_recorded_and_only_that(
    *, threaded: bool
) -> None:
    """A feed must never announce an event that a crash could take back."""
    store = FakeStore()
    store.refused = {"2": DuplicateKeyError("x")}
    heard: list[str] = []
    writer = GroupCommit(
        store, threaded=threaded, on_committed=lambda r: heard.extend(texts(r))
    )
    await results([writer.append(request(n)) for n in "123"])
    await results([writer.append(request(n)) for n in "45"])
    assert heard == store.stored == ["1", "3", "4", "5"]
    await writer.close()


@THREADED
async def test_draining_waits_for_everything(*, threaded: bool) -> None:
    """A checkpoint and a shutdown need the log to hold still."""
    store = FakeStore()
    writer = GroupCommit(store, threaded=threaded)
    await writer.drain()
    futures = [writer.append(request(str(n))) for n in range(1500)]
    await asyncio.gather(writer.drain(), writer.drain())
    assert all(f.done() for f in futures)
    await writer.close()


@THREADED
async def test_closing_finishes_and_then_refuses(*, threaded: bool) -> None:
    """Nothing that was accepted is dropped on the way out."""
    store = FakeStore()
    writer = GroupCommit(store, threaded=threaded)
    waiting = writer.append(request("1"))
    await writer.close()
    await writer.close()
    assert (await results([waiting]), store.stored) == (["ok"], ["1"])
    with pytest.raises(StoreError, match="closed"):
        await writer.append(request("2"))


async def test_without_a_thread_a_commit_ends_the_round() -> None:
    """The simulator replays a run exactly: no thread, no other order."""
    store = FakeStore()
    writer = GroupCommit(store, threaded=False)
    future = writer.append(request("1"))
    assert store.stored == []
    await asyncio.sleep(0)
    assert (store.stored, future.done()) == (["1"], True)
    await writer.close()


def test_a_loop_that_is_gone_ends_the_thread() -> None:
    """A crashed service must not hang on a thread that answers nobody."""
    store = FakeStore()
    store.gate = Event()

    async def start() -> GroupCommit:
        writer = GroupCommit(store, threaded=True)
        writer.append(request("1"))
        await asyncio.sleep(0)
        await until(store.entered.is_set)
        return writer

    loop = asyncio.new_event_loop()
    writer = loop.run_until_complete(start())
    loop.close()
    store.gate.set()
    assert writer._thread is not None
    writer._thread.join(10)
    assert not writer._thread.is_alive()
    assert store.stored == ["1"]
