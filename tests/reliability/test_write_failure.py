"""When a write fails, we stop: nothing is acknowledged any more."""

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import StoreFailedError
from ledger.store import LedgerStore, StoreOptions
from tests.integration.store.samples import noted, opened, ordered

BALLAST = StoreOptions(ballast_bytes=1_000_000)


def in_child(work: Callable[[], str]) -> str:
    """What a forked process returns: its limits end with it."""
    answers, answer_to = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(answer_to, work().encode())
        except BaseException as error:  # noqa: BLE001 - a fork must not run on
            os.write(answer_to, repr(error).encode())
        finally:
            os._exit(0)
    os.close(answer_to)
    with open(answers, encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
        answer = pipe.read()
    os.waitpid(pid, 0)
    return answer


def until_failure(path: Path) -> str:
    """Append until a write fails; how many were acknowledged, and what came."""
    with opened(path) as store:
        acknowledged = 0
        try:
            for number in range(1, 10_000):
                store.append([ordered(number)])
                acknowledged = number
        except StoreFailedError:
            readable = sum(1 for _ in store.read())
            later = "accepted"
            try:
                store.append([noted(1)])
            except StoreFailedError:
                later = "refused"
            return f"{acknowledged} {readable} {later}"
        return "no failure"


def append_many(store: LedgerStore) -> None:
    for number in range(1, 10_000):
        store.append([ordered(number)])


@pytest.mark.parametrize("limit", [150_000, 250_000, 400_000])
def test_a_file_that_may_not_grow_stops_the_writer(tmp_path: Path, limit: int) -> None:
    """The kernel refuses a write in the middle of a commit, for real."""
    path = tmp_path / "ledger.db"
    opened(path).close()

    def limited() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return until_failure(path)

    acknowledged, readable, later = in_child(limited).split()
    assert int(acknowledged) > 0
    assert int(readable) == 2 * int(acknowledged)
    assert later == "refused"
    with opened(path) as store:
        assert store.head == 2 * int(acknowledged)
        assert store.verify(full=True).is_sound
        store.append([noted(1)])


def test_a_full_database_stops_the_writer_and_frees_the_ballast(
    tmp_path: Path,
) -> None:
    """Whoever comes next can record the halt and the cancels."""
    path = tmp_path / "ledger.db"
    with opened(path, options=BALLAST) as store:
        assert (tmp_path / "ledger.db.ballast").exists()
        pages = store._datastore.writer.execute("PRAGMA page_count").fetchone()[0]
        store._datastore.writer.execute(f"PRAGMA max_page_count = {pages + 20}")
        with pytest.raises(StoreFailedError, match="full"):
            append_many(store)
        acknowledged = store.head
        assert acknowledged > 20
        assert not (tmp_path / "ledger.db.ballast").exists()
        with pytest.raises(StoreFailedError):
            store.append([noted(1)])
        with pytest.raises(StoreFailedError):
            store.save_checkpoint(1, b"")
        assert sum(1 for _ in store.read()) == acknowledged
        assert store.find_intent("arb", "key-1") is not None
        assert store.verify(full=True).is_sound
    with opened(path) as store:
        assert store.head == acknowledged
        store.append([noted(1)])


def test_a_checkpoint_that_cannot_be_written_stops_the_writer(tmp_path: Path) -> None:
    """After one failed flush, no other flush of this process can be believed."""
    with opened(tmp_path / "ledger.db") as store:
        store.append([noted(1)])
        pages = store._datastore.writer.execute("PRAGMA page_count").fetchone()[0]
        store._datastore.writer.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreFailedError):
            store.save_checkpoint(1, bytes(100_000))
        with pytest.raises(StoreFailedError):
            store.append([noted(2)])
        assert store.load_checkpoint() is None
