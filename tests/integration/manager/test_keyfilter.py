"""The filter of used keys: it may be wrong in one direction only."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.manager.keyfilter import Hashes, KeyFilter, hashes_of
from tests.integration.manager.desk import WitnessDesk
from tests.integration.manager.scripted import intent

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
PAIRS = st.tuples(NAMES, NAMES)
BEYOND_THE_FIRST_LAYER = 140_000


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[WitnessDesk]:
    made = WitnessDesk(tmp_path)
    await made.open()
    yield made
    await made.kill()


def numbered(number: int) -> Hashes:
    return hashes_of("s1", f"key-{number}")


@for_all(st.lists(PAIRS, max_size=50), st.booleans())
def test_an_added_key_is_never_denied(
    pairs: list[tuple[str, str]], is_reloaded: bool
) -> None:
    """A "no" for a used key would buy twice; that is the one thing it may not do."""
    keys = KeyFilter()
    for pair in pairs:
        keys.add(hashes_of(*pair))
    if is_reloaded:
        keys = KeyFilter(keys.dump())
    assert all(keys.add(hashes_of(*pair)) for pair in pairs)


def test_growing_forgets_nothing_and_stays_precise() -> None:
    """A ledger of years: every old key is known, one new key in 100 is looked up."""
    keys = KeyFilter()
    for number in range(BEYOND_THE_FIRST_LAYER):
        keys.add(numbered(number))
    grown = KeyFilter(keys.dump())
    for filtered in (keys, grown):
        assert all(filtered.add(numbered(n)) for n in range(0, 140_000, 7))
    wrong = sum(keys.add(hashes_of("s2", f"key-{n}")) for n in range(10_000))
    assert 0 < wrong < 100


def test_a_repeated_key_takes_no_room() -> None:
    """A bot that retries for ever must not fill the filter."""
    keys = KeyFilter()
    keys.add(numbered(1))
    before = keys.dump()
    for _ in range(1_000):
        keys.add(numbered(1))
    assert keys.dump() == before


@for_all(PAIRS, PAIRS)
def test_pairs_are_told_apart_by_both_their_parts(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    """Strategy "a" with key "bc" is not strategy "ab" with key "c"."""
    assert (hashes_of(*one) == hashes_of(*other)) is (one == other)


async def test_a_false_alarm_falls_back_to_the_table(desk: WitnessDesk) -> None:
    """A "maybe" decides nothing: a new key must be placed all the same."""
    desk.journal._keys.add(hashes_of("s1", "k1"))
    assert desk.journal.find_intent("s1", "k1") is None
    order = await desk.place(idempotency_key="k1")
    again = await desk.manager.place(intent(idempotency_key="k1"))
    assert again.deduplicated
    assert again.order is not None
    assert again.order.order_id == order.order_id
