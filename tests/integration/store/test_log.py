"""Appending and reading: what goes in comes out, in order."""

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.errors import IntegrityError
from ledger.events import LedgerHalted, OrderPrepared, OrderRequested, order_stream
from ledger.recorded import Identity
from ledger.store import LedgerStore
from tests.integration.store.samples import (
    AT,
    AT_US,
    FINGERPRINT,
    noted,
    opened,
    order_id,
    ordered,
    venue_id,
)


@pytest.fixture
def store(tmp_path: Path) -> LedgerStore:
    return opened(tmp_path / "ledger.db")


@pytest.fixture(autouse=True)
def _closed(store: LedgerStore) -> object:
    yield
    store.close()


def test_events_come_back_as_they_went_in(store: LedgerStore) -> None:
    """Replay is only as good as the reading."""
    requests = [ordered(n) for n in range(1, 200)]
    store.append(requests[:1])
    store.append(requests[1:])
    given = [event for request in requests for event in request.events]
    for batch in (1, 7, 1000):
        read = list(store.read(batch=batch))
        assert [(r.stream, r.version, r.event) for r in read] == given
        assert [r.position for r in read] == list(range(1, len(given) + 1))


def test_an_append_of_nothing_changes_nothing(store: LedgerStore) -> None:
    """A repeated command decides on no events at all."""
    store.append([])
    assert (store.head, list(store.read())) == (0, [])


def test_a_part_of_the_log_can_be_read(store: LedgerStore) -> None:
    """Projections go on where they stopped, and as of an earlier position."""
    store.append([ordered(n) for n in range(1, 6)])
    assert [r.position for r in store.read(after=8)] == [9, 10]
    assert [r.position for r in store.read(after=2, upto=4)] == [3, 4]
    kinds = store.read(topics=[OrderPrepared.TOPIC], batch=2)
    assert [r.position for r in kinds] == [2, 4, 6, 8, 10]
    both = [OrderRequested.TOPIC, LedgerHalted.TOPIC]
    assert [r.position for r in store.read(after=1, topics=both)] == [3, 5, 7, 9]


def test_a_stream_can_be_read_alone(store: LedgerStore) -> None:
    """An order's timeline is its stream."""
    store.append([ordered(1), ordered(2)])
    read = store.read_stream(order_stream(order_id(2)))
    assert [(r.position, r.version) for r in read] == [(3, 1), (4, 2)]
    later = store.read_stream(order_stream(order_id(2)), after_version=1)
    assert [r.version for r in later] == [2]
    assert store.read_stream("order-none") == []


def test_recorded_time_never_runs_backwards(store: LedgerStore) -> None:
    """A clock that steps back must not reorder history."""
    for version, minutes in enumerate((0, 5, 3, 6), 1):
        store.append([noted(version, minutes=minutes)])
    times = [(r.recorded_us - AT_US) // 60_000_000 for r in store.read()]
    assert times == [0, 5, 5, 6]
    assert [r.event.at for r in store.read()][2] == AT + timedelta(minutes=3)


def test_a_time_finds_the_last_position_before_it(store: LedgerStore) -> None:
    """What did we believe at 14:03? The answer starts with a position."""
    minutes = (0, 5, 5, 9, 12)
    assert store.position_at(AT) == 0
    for version, minute in enumerate(minutes, 1):
        store.append([noted(version, minutes=minute)])
    for asked in range(-1, 14):
        expected = sum(minute <= asked for minute in minutes)
        assert store.position_at(AT + timedelta(minutes=asked)) == expected


def test_an_intent_is_found_by_its_key_and_its_venue_id(store: LedgerStore) -> None:
    """Deduplication has no expiry; the venue knows orders by its own id only."""
    store.append([ordered(1)])
    expected = Identity("arb", "key-1", FINGERPRINT, order_id(1), venue_id(1))
    assert store.find_intent("arb", "key-1") == expected
    assert store.find_intent("other", "key-1") is None
    assert store.find_intent("arb", "key-2") is None
    assert store.find_by_venue_id(venue_id(1)) == order_id(1)
    assert store.find_by_venue_id(venue_id(2)) is None


def test_refused_intents_share_no_venue_id(store: LedgerStore) -> None:
    """An order that was never signed has none, and many such orders exist."""
    for number in (1, 2):
        request = ordered(number)
        assert request.identity is not None
        identity = request.identity._replace(venue_order_id="")
        store.append([request._replace(events=request.events[:1], identity=identity)])
    assert store.find_by_venue_id("") is None
    assert store.verify(full=True).is_sound


def test_an_unreadable_event_is_named_after_the_readable_ones(
    store: LedgerStore,
) -> None:
    """Whatever precedes the damage can still be exported."""
    store.append([noted(n) for n in range(1, 4)])
    connection = sqlite3.connect(store.path, isolation_level=None)
    connection.execute("DROP TRIGGER events_no_update")
    connection.execute("UPDATE events SET state = x'7b' WHERE position = 3")
    connection.close()
    read = store.read()
    assert [next(read).position, next(read).position] == [1, 2]
    with pytest.raises(IntegrityError, match="position 3") as caught:
        next(read)
    assert caught.value.position == 3


def test_head_and_hash_survive_a_restart(store: LedgerStore) -> None:
    """The next writer links to the last event, not to its own beginning."""
    store.append([ordered(1)])
    head, digest = store.head, store.head_hash
    store.close()
    with opened(store.path) as again:
        assert (again.head, again.head_hash) == (head, digest)
        again.append([ordered(2)])
        assert again.verify(full=True) == (4, 4, None, [], again.head_hash.hex())
