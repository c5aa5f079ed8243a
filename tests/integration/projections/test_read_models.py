"""The file: crashes, strangers in its place, swaps under a reader's eyes."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import AbstractContextManager, closing
from pathlib import Path
from threading import Event, Thread

import pytest

from ledger.errors import InvalidInputError, LockHeldError, StoreError
from ledger.store import LedgerStore, WriterLock
from ledger.values import Settlement
from projections import ReadModels
from projections.read_models import DEFAULT_NAME
from projections.tables import Tables
from tests.integration.projections.histories import ACCOUNT, History, opened


@pytest.fixture
def history() -> History:
    """Three orders of two strategies, two of them filled."""
    history = History()
    for strategy in ("alpha", "beta", "alpha"):
        number = history.order(strategy=strategy)
        if strategy == "alpha":
            trade = history.fill(number, fee="0.01")
            history.settle(number, trade, Settlement.CONFIRMED)
    return history


@pytest.fixture
def full(store: LedgerStore, history: History) -> LedgerStore:
    """The ledger with that history."""
    history.write(store)
    return store


def rebuilt(store: LedgerStore, folder: Path) -> bytes:
    with ReadModels(folder / "fresh.db", ACCOUNT) as models:
        models.rebuild(store)
        return models.dump()


def changed(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


class TestCatchUp:
    def test_nothing_new_is_nothing_to_do(
        self, full: LedgerStore, models: ReadModels
    ) -> None:
        """It is called every second."""
        assert models.catch_up(full) == full.head
        assert models.catch_up(full) == 0

    def test_progress_is_told(self, full: LedgerStore, models: ReadModels) -> None:
        """A rebuild of a year's log wants a progress bar."""
        told: list[tuple[int, int]] = []
        models.rebuild(full, lambda *at: told.append(at), batch=5)
        assert told == [(5, 10), (10, 10)]

    def test_no_file_is_position_nought(self, models: ReadModels) -> None:
        """Whoever compares positions sees that everything is missing."""
        assert models.position == 0

    def test_a_late_word_on_an_order_that_left_memory(
        self, store: LedgerStore, models: ReadModels
    ) -> None:
        """After a restart, closed orders are on disk only; their rows go on."""
        history = History()
        number = history.order()
        trade = history.fill(number)
        history.settle(number, trade, Settlement.CONFIRMED, at=1)
        history.write(store)
        models.catch_up(store)
        models.close()
        history.requests.clear()
        history.settle(number, trade, Settlement.FAILED, at=2)
        history.write(store)
        models.catch_up(store)
        [row] = models.query("orders")
        assert (row["status"], row["filled"]) == ("FAILED", "0")

    def test_two_catch_up_the_same_file(
        self, store: LedgerStore, history: History, models: ReadModels
    ) -> None:
        """The service and a command line may both try; nothing counts twice."""
        with ReadModels(models.path, ACCOUNT) as other:
            for request in history.requests:
                store.append([request])
                models.catch_up(store)
                other.catch_up(store)
                other.catch_up(store)
            assert models.dump() == rebuilt(store, models.path.parent)

    def test_being_overtaken_in_the_middle_counts_nothing_twice(
        self,
        store: LedgerStore,
        history: History,
        models: ReadModels,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The other one commits between our fold and our transaction."""
        store.append(history.requests[:1])
        models.catch_up(store)
        store.append(history.requests[1:])
        writing = Tables.writing
        with ReadModels(models.path, ACCOUNT) as other:

            def overtaken(tables: Tables) -> AbstractContextManager[None]:
                monkeypatch.setattr(Tables, "writing", writing)
                assert other.catch_up(store) > 0
                return writing(tables)

            monkeypatch.setattr(Tables, "writing", overtaken)
            assert models.catch_up(store) == 0
        assert models.position == store.head
        assert models.dump() == rebuilt(store, models.path.parent)


class TestCrash:
    @pytest.mark.parametrize("method", ["write", "move_progress"])
    def test_a_failure_inside_a_batch_changes_nothing(
        self,
        store: LedgerStore,
        history: History,
        models: ReadModels,
        monkeypatch: pytest.MonkeyPatch,
        method: str,
    ) -> None:
        """Rows without their position would be counted again, or never."""
        store.append(history.requests[:2])
        models.catch_up(store)
        before = models.dump()
        store.append(history.requests[2:])
        plain = getattr(Tables, method)

        def broken(tables: Tables, *args: object) -> None:
            plain(tables, *args)
            raise RuntimeError

        with monkeypatch.context() as patched:
            patched.setattr(Tables, method, broken)
            with pytest.raises(RuntimeError):
                models.catch_up(store)
        assert models.dump() == before
        models.catch_up(store)
        assert models.position == store.head
        assert models.dump() == rebuilt(store, models.path.parent)

    def test_a_killed_process_leaves_whole_batches(
        self, full: LedgerStore, models: ReadModels
    ) -> None:
        """`kill -9` in a transaction: the next start undoes it and goes on."""
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED, str(full.path), str(models.path)],
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        assert killed.returncode == -9
        assert Path(f"{models.path}-journal").exists()
        models.catch_up(full)
        assert models.dump() == rebuilt(full, models.path.parent)

    def test_what_an_interrupted_rebuild_left_is_cleared_away(
        self, full: LedgerStore, models: ReadModels
    ) -> None:
        """A half-built file is nobody's data."""
        beside = models.path.with_name(models.path.name + ".building")
        beside.write_bytes(b"half")
        models.rebuild(full)
        assert models.position == full.head
        assert not beside.exists()


_KILLED = """
import os, signal, sys
from pathlib import Path
from projections import ReadModels
from projections.tables import Tables
from ledger.store import LedgerStore

store = LedgerStore.open(Path(sys.argv[1]), clock_us=lambda: 0, writer=False)
models = ReadModels(Path(sys.argv[2]), "main")
read, store.read = store.read, lambda *a, **k: read(*a, **{**k, "upto": 4})
models.catch_up(store)
store.read = read
plain = Tables.write

def write(tables, *args):
    tables.connection.execute("PRAGMA cache_size=1")
    tables.connection.execute("PRAGMA cache_spill=1")
    plain(tables, *args)
    tables.connection.execute("UPDATE orders SET refusal_text = hex(zeroblob(90000))")
    os.kill(os.getpid(), signal.SIGKILL)

Tables.write = write
models.catch_up(store)
"""


class TestStrangers:
    @pytest.mark.parametrize(
        "damage",
        [
            b"this is no database, though it is long enough to look at" * 100,
            b"",
        ],
    )
    def test_what_is_no_database_is_replaced(
        self, full: LedgerStore, models: ReadModels, damage: bytes
    ) -> None:
        """The file is disposable: damage costs a rebuild and nothing else."""
        models.path.write_bytes(damage)
        assert models.catch_up(full) == full.head
        assert models.dump() == rebuilt(full, models.path.parent)

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE progress SET version = '0.0'",
            "UPDATE progress SET ledger_id = 'another'",
            "UPDATE progress SET account = 'another'",
            "UPDATE progress SET mark = 'order-x/1/1'",
            "DELETE FROM progress",
            "DROP TABLE progress",
        ],
    )
    def test_rows_of_another_log_or_version_are_replaced(
        self, full: LedgerStore, models: ReadModels, change: str
    ) -> None:
        """Going on from somebody else's rows would be quietly wrong."""
        models.catch_up(full)
        models.close()
        changed(models.path, "UPDATE orders SET strategy = 'wrong'", change)
        assert models.catch_up(full) == full.head
        assert models.dump() == rebuilt(full, models.path.parent)

    def test_rows_beyond_the_end_of_the_log_are_replaced(
        self, history: History, models: ReadModels, tmp_path: Path
    ) -> None:
        """A ledger restored from a backup is shorter than its read models."""
        path = tmp_path / "ledger2.db"
        with opened(path) as store:
            store.append(history.requests[:2])
            store.backup(tmp_path / "backup.db")
            store.append(history.requests[2:])
            models.catch_up(store)
        shutil.copy(tmp_path / "backup.db", path)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        with opened(path) as store:
            models.catch_up(store)
            assert models.position == store.head
            assert models.dump() == rebuilt(store, tmp_path)

    def test_another_ledger_given_to_the_same_object_is_noticed(
        self, full: LedgerStore, models: ReadModels, tmp_path: Path
    ) -> None:
        """An open file proves nothing about the log that is handed in next."""
        models.catch_up(full)
        with LedgerStore.open(tmp_path / "two.db", clock_us=lambda: 0) as other:
            models.catch_up(other)
            assert models.position == 0
            assert models.query("orders") == []

    def test_a_file_that_stays_busy_is_not_built_anew(
        self,
        store: LedgerStore,
        history: History,
        models: ReadModels,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Somebody else is writing it: that is no damage."""
        monkeypatch.setattr("projections.read_models._BUSY_MS", 1)
        models.catch_up(store)
        models.close()
        before = models.path.stat().st_ino
        history.write(store)
        with closing(sqlite3.connect(models.path)) as busy:
            busy.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError, match="locked"):
                models.catch_up(store)
        assert models.path.stat().st_ino == before

    def test_a_state_of_another_version_costs_a_replay(
        self, store: LedgerStore, history: History, models: ReadModels
    ) -> None:
        """The rows are still right; only the shortcut is lost."""
        store.append(history.requests[:3])
        models.catch_up(store)
        models.close()
        changed(models.path, "UPDATE progress SET state = x'00'")
        store.append(history.requests[3:])
        assert models.catch_up(store) == sum(
            len(request.events) for request in history.requests[3:]
        )
        assert models.dump() == rebuilt(store, models.path.parent)


class TestSwap:
    def test_a_reader_of_the_old_file_goes_on(
        self, store: LedgerStore, history: History, models: ReadModels
    ) -> None:
        """A long export must not break because somebody rebuilt."""
        store.append(history.requests[:1])
        models.catch_up(store)
        with closing(sqlite3.connect(models.path)) as old:
            old.execute("BEGIN")
            count = "SELECT count(*) FROM orders"
            assert old.execute(count).fetchone() == (1,)
            store.append(history.requests[1:])
            models.rebuild(store)
            assert old.execute(count).fetchone() == (1,)
        assert len(models.query("orders")) == 3

    def test_a_snapshot_holds_nobody_up(
        self, store: LedgerStore, history: History, models: ReadModels
    ) -> None:
        """Comparing a large ledger takes minutes, and trading goes on."""
        store.append(history.requests[:1])
        models.catch_up(store)
        with models.snapshot() as old:
            store.append(history.requests[1:])
            models.catch_up(store)
            assert len(old.query("orders")) == 1
        assert len(models.query("orders")) == 3

    def test_a_rebuild_is_seen_by_everybody_at_once(
        self, store: LedgerStore, history: History, models: ReadModels
    ) -> None:
        """Also by readers in other processes, who keep the file open."""
        store.append(history.requests[:1])
        models.catch_up(store)
        with ReadModels(models.path, ACCOUNT) as other:
            assert len(other.query("orders")) == 1
            store.append(history.requests[1:])
            models.rebuild(store)
            assert len(other.query("orders")) == 3
            assert len(models.query("orders")) == 3

    def test_queries_and_catching_up_go_on_during_a_rebuild(
        self, full: LedgerStore, models: ReadModels
    ) -> None:
        """A rebuild of a large log must not stop the service."""
        models.catch_up(full)
        is_building, may_finish = Event(), Event()

        def wait(*_: int) -> None:
            is_building.set()
            assert may_finish.wait(30)

        thread = Thread(target=lambda: models.rebuild(full, wait))
        thread.start()
        try:
            assert is_building.wait(30)
            assert len(models.query("orders")) == 3
            assert models.catch_up(full) == 0
        finally:
            may_finish.set()
            thread.join()
        assert models.position == full.head

    def test_two_rebuilds_at_once_are_refused(
        self, full: LedgerStore, models: ReadModels
    ) -> None:
        """They would write into one file."""
        with (
            WriterLock(models.path.with_name(f"{DEFAULT_NAME}.building.lock")),
            pytest.raises(LockHeldError),
        ):
            models.rebuild(full)

    def test_nothing_is_swapped_under_a_writer(
        self, full: LedgerStore, models: ReadModels, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its journal would be taken for the new file's, and spoil it."""
        monkeypatch.setattr("projections.read_models._BUSY_MS", 1)
        models.catch_up(full)
        before = models.path.stat().st_ino
        with closing(sqlite3.connect(models.path)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked"):
                models.rebuild(full)
        assert models.path.stat().st_ino == before
        assert not models.path.with_name(f"{DEFAULT_NAME}.building").exists()

    def test_a_folder_that_cannot_be_written_is_named(
        self, full: LedgerStore, tmp_path: Path
    ) -> None:
        """Whoever cannot write falls back on the log."""
        models = ReadModels(tmp_path / "absent" / "models.db", ACCOUNT)
        with models, pytest.raises(StoreError):
            models.catch_up(full)

    def test_the_file_is_private(self, full: LedgerStore, models: ReadModels) -> None:
        """It tells all positions; the ledger itself is private, too."""
        models.catch_up(full)
        assert models.path.stat().st_mode & 0o077 == 0


class TestQuery:
    @pytest.fixture
    def ready(self, full: LedgerStore, models: ReadModels) -> ReadModels:
        """Three orders, the second of another strategy."""
        models.catch_up(full)
        return models

    def test_filters_narrow(self, ready: ReadModels) -> None:
        """A filter that is passed over shows other people's orders."""
        assert len(ready.query("orders", {"strategy": "beta"})) == 1
        assert len(ready.query("orders", {"strategy": ("alpha", "beta")})) == 3
        assert len(ready.query("orders", {"done_reason": None})) == 1
        assert len(ready.query("fills", {"live": True, "side": "BUY"})) == 2
        assert ready.query("orders", {"strategy": ()}) == []

    def test_since_is_a_least_value(self, ready: ReadModels) -> None:
        """`--since` takes what happened at that very moment, too."""
        times = [row["requested_us"] for row in ready.query("orders")]
        assert len(ready.query("orders", since={"requested_us": times[1]})) == 2

    def test_pages_follow_each_other_without_gaps(self, ready: ReadModels) -> None:
        """A row between two pages would never be seen."""
        whole = [row["order_id"] for row in ready.query("orders")]
        [first] = ready.query("orders", limit=1)
        rest = ready.query("orders", after=first["order_id"])
        assert [row["order_id"] for row in rest] == whole[1:]
        back = ready.query("orders", after=(whole[2],), newest_first=True)
        assert [row["order_id"] for row in back] == [whole[1], whole[0]]

    def test_keys_of_several_columns_page_as_well(self, ready: ReadModels) -> None:
        """Fills are named by two columns."""
        first, second = ready.query("fills")
        key = (first["order_id"], first["trade_id"])
        assert ready.query("fills", after=key) == [second]

    def test_no_rows_is_a_limit(self, ready: ReadModels) -> None:
        """A limit of nought is not "no limit"."""
        assert ready.query("orders", limit=0) == []

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("nothing", {}),
            ("progress", {}),
            ("orders", {"where": {"nothing": 1}}),
            ("orders", {"where": {"1=1 --": 1}}),
            ("orders", {"since": {"nothing": 1}}),
            ("orders", {"limit": -1}),
            ("fills", {"after": "one"}),
        ],
    )
    def test_what_cannot_be_asked_is_named(
        self, ready: ReadModels, name: str, options: dict[str, object]
    ) -> None:
        """Names go into SQL, so only known ones may."""
        with pytest.raises(InvalidInputError):
            ready.query(name, **options)  # type: ignore[arg-type]

    def test_asking_before_there_is_a_file(self, models: ReadModels) -> None:
        """No file is not the same as no orders."""
        with pytest.raises(StoreError, match="catch up first"):
            models.query("orders")

    def test_asking_a_damaged_file(self, ready: ReadModels) -> None:
        """The error is ours, so that the command line knows its exit code."""
        ready.close()
        ready.path.write_bytes(b"no database at all, and long enough" * 100)
        with pytest.raises(StoreError):
            ready.query("orders")
