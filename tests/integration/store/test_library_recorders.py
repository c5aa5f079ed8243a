"""The event store library's own test cases, run against our recorders.

They come unmodified; only what they leave to a recorder's author is filled in:
how one is created, and that our stream ids are text.
"""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from eventsourcing.persistence import EventStore
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    RecorderTestCase,
)

from ledger.events import LedgerHalted
from ledger.store import (
    LedgerDatastore,
    LedgerMapper,
    SQLiteLedgerRecorder,
    SQLiteLedgerStreamRecorder,
    StreamEvent,
)
from tests.integration.store.samples import AT, OPTIONS, clock_us


def join_threads_except(known: list[threading.Thread]) -> None:
    for thread in threading.enumerate():
        if thread not in known:
            thread.join(10)


class OurRecorders(RecorderTestCase):
    """Creates recorders over fresh files, and cleans them up."""

    recorder_class: type[SQLiteLedgerRecorder] = SQLiteLedgerRecorder

    def create_recorder(self) -> SQLiteLedgerRecorder:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name, "ledger.db")
        path.touch()
        datastore = LedgerDatastore(path, OPTIONS)
        self.addCleanup(datastore.close)
        # The cases leave their reading threads to end by themselves; closing a
        # connection under one of them would crash the interpreter.
        self.addCleanup(join_threads_except, threading.enumerate())
        recorder = self.recorder_class(datastore, clock_us=clock_us)
        recorder.create_table()
        return recorder

    def new_originator_id(self) -> str:
        return str(uuid4())


class TestStreamRecorder(OurRecorders, AggregateRecorderTestCase):
    """Streams: atomic inserts, version conflicts, selection."""

    recorder_class = SQLiteLedgerStreamRecorder


class TestApplicationRecorder(OurRecorders, ApplicationRecorderTestCase):
    """Positions: contiguous, selectable, with many threads at once."""


class TestPositionsDoNotInterleave(
    OurRecorders, NonInterleavingNotificationIDsBaseCase
):
    """One insert's events stay together however many threads insert."""


# Collected as base classes, they would run without a recorder.
del (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    RecorderTestCase,
    OurRecorders,
)


def test_the_librarys_event_store_reads_back_what_it_put(tmp_path: Path) -> None:
    """Tools written for the library can work on a ledger."""
    path = tmp_path / "ledger.db"
    path.touch()
    datastore = LedgerDatastore(path, OPTIONS)
    recorder = SQLiteLedgerRecorder(datastore, clock_us=clock_us)
    recorder.create_table()
    event = StreamEvent("system", 1, LedgerHalted(at=AT, reason="test"))
    store = EventStore(LedgerMapper(), recorder)
    recordings = store.put([event])
    assert [r.notification.id for r in recordings] == [1]
    assert list(store.get("system")) == [event]
    datastore.close()


@pytest.fixture(autouse=True)
def _quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """The library's cases print their timings."""
