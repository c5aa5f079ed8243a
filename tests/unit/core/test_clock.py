"""Ids that grow with time, from a seeded source of chance."""

from datetime import datetime, timedelta
from random import Random
from uuid import RFC_4122, UUID

from ledger.clock import OrderIds
from tests.unit.core.stories import START


def test_an_id_is_a_uuid_of_version_7() -> None:
    """Other systems must be able to store it as a UUID."""
    uuid = UUID(OrderIds(Random(7)).next(START))
    assert (uuid.version, uuid.variant) == (7, RFC_4122)


def test_an_id_carries_its_milliseconds() -> None:
    """An order's age can be read from its id alone."""
    at = START + timedelta(milliseconds=123, microseconds=999)
    millis = UUID(OrderIds(Random(7)).next(at)).int >> 80
    assert millis == int(START.timestamp()) * 1000 + 123


def test_the_same_seed_gives_the_same_ids() -> None:
    """A replayed run must be byte-equal."""
    first, second = OrderIds(Random(7)), OrderIds(Random(7))
    assert [first.next(START) for _ in range(5)] == [
        second.next(START) for _ in range(5)
    ]


def test_another_seed_gives_other_ids() -> None:
    """Two ledgers must not meet in one id."""
    assert OrderIds(Random(7)).next(START) != OrderIds(Random(8)).next(START)


def test_ids_grow_within_one_millisecond() -> None:
    """Ids out of order cost the store's index 4 to 7 times the time."""
    ids = OrderIds(Random(7))
    made = [ids.next(START) for _ in range(10_000)]  # more than a sequence holds
    assert made == sorted(set(made))


def test_a_full_sequence_borrows_the_next_millisecond() -> None:
    """The 4096th id after the first no longer fits in the 12 bits."""
    ids = OrderIds(Random(7))
    made = [UUID(ids.next(START)).int for _ in range(4098)]
    start = int(START.timestamp()) * 1000
    assert [number >> 80 for number in made[-3:]] == [start, start + 1, start + 1]
    assert [(number >> 64) & 0xFFF for number in made[-3:]] == [0xFFF, 0, 1]


def test_a_new_millisecond_starts_a_new_sequence() -> None:
    """The sequence orders ids within one millisecond and says no more."""
    ids = OrderIds(Random(7))
    ids.next(START)
    ids.next(START)
    number = UUID(ids.next(START + timedelta(milliseconds=1))).int
    assert (number >> 64) & 0xFFF == 0


def test_ids_grow_though_the_clock_steps_back() -> None:
    """A corrected clock must not file a new order among yesterday's."""
    ids = OrderIds(Random(7))
    steps: list[datetime] = [START, START - timedelta(hours=1), START]
    made = [ids.next(at) for at in steps]
    assert made == sorted(set(made))


def test_all_chance_of_an_id_is_the_sources() -> None:
    """62 random bits keep two processes of one millisecond apart."""
    tail = UUID(OrderIds(Random(7)).next(START)).int & ((1 << 62) - 1)
    assert tail == Random(7).getrandbits(62)
