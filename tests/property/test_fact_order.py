"""Facts in any order, more than once, from several witnesses: one state."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations, permutations
from random import Random

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    DustSeen,
    LookedUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
    TradesSwept,
)
from ledger.order import END_RANK
from ledger.values import EndReason, Settlement
from tests.property.order_model import end_reason, expected, summary
from tests.unit.core.conformance import check_invariants
from tests.unit.core.stories import (
    DELAYED,
    LIVE,
    REFUSED,
    UNKNOWN,
    confirmed,
    ended,
    fill,
    given,
    known,
    mined,
    settle,
    voided,
)

S = Settlement
PROVISIONAL = (S.RETRYING, S.MINED)
FINAL = (S.CONFIRMED, S.FAILED)
KILLED = PostAnswered(outcome=PostOutcome.KILLED)
FOUND_LIVE = LookedUp(found=LookupFound.LIVE)
FOUND_MATCHED = LookedUp(found=LookupFound.MATCHED, size_matched=Decimal("100"))
FOUND_CANCELED = LookedUp(found=LookupFound.CANCELED)
FOUND_NONE = LookedUp(found=LookupFound.NONE)
DUST = DustSeen(tolerance=Decimal("0.01"))

SETS: dict[str, Sequence[object]] = {
    "delayed, then live, two fills, the first settles": (
        DELAYED,
        LIVE,
        fill("t1", "60", at=10),
        fill("t2", "40", at=11),
        mined("t1", 20),
        confirmed("t1", 30),
    ),
    "one trade by every provisional state, with times": (
        fill("t1", at=10),
        fill("t1", status=S.RETRYING, at=20),
        fill("t1", status=S.MINED, at=30),
        settle("t1", S.RETRYING, 40),
        mined("t1", 50),
    ),
    "one trade by every provisional state, without times": (
        fill("t1"),
        fill("t1", status=S.RETRYING),
        mined("t1"),
        mined("t1", 5),
        settle("t1", S.RETRYING, 9),
    ),
    "confirmed by several witnesses, some without the hash": (
        fill("t1", at=10),
        confirmed("t1"),
        confirmed("t1", tx="0xaa"),
        confirmed("t1", 30),
        confirmed("t1", 30, "0xbb"),
        fill("t1", status=S.CONFIRMED, at=30, tx_hash="0xaa"),
    ),
    "confirmed and failed, contradicting": (
        fill("t1", at=10),
        mined("t1", 15),
        confirmed("t1", 20),
        voided("t1", 20),
        confirmed("t1", 30),
        voided("t1"),
    ),
    "cancelled while it fills": (
        LIVE,
        fill("t1", "20"),
        fill("t2", "30"),
        ended(EndReason.CANCELLED),
        ended(EndReason.EXPIRED),
        CancelAnswered(outcome=CancelOutcome.CANCELED),
    ),
    "refused, yet there is a fill that fails": (
        UNKNOWN,
        REFUSED,
        fill("t1", "50"),
        voided("t1"),
        FOUND_NONE,
        TradesSwept(),
    ),
    "looked up as live, matched and cancelled": (
        UNKNOWN,
        FOUND_LIVE,
        FOUND_MATCHED,
        FOUND_CANCELED,
        FOUND_NONE,
        fill("t1"),
    ),
    "closed with dust, one fill void": (
        DUST,
        fill("t1", "60"),
        fill("t2", "39.995"),
        mined("t1"),
        voided("t2"),
        LIVE,
    ),
    "closed with dust and cancelled": (
        DUST,
        DustSeen(tolerance=Decimal("0.001")),
        fill("t1", "99.999"),
        ended(EndReason.VENUE),
        confirmed("t1"),
    ),
    "filled beyond its size": (
        LIVE,
        fill("t1", "80"),
        fill("t2", "80"),
        voided("t1", 5),
        confirmed("t2", 5),
        ended(EndReason.KILLED),
    ),
}

POOL: tuple[object, ...] = (
    *(LIVE, DELAYED, REFUSED, UNKNOWN, KILLED, DUST),
    *(FOUND_LIVE, FOUND_MATCHED, FOUND_CANCELED, FOUND_NONE, TradesSwept()),
    PostAnswered(outcome=PostOutcome.MATCHED),
    *(CancelAnswered(outcome=outcome) for outcome in CancelOutcome),
    *(ended(reason) for reason in END_RANK),
    *(fill("t1", "60", status=S.MATCHED, at=at) for at in (None, 10, 40)),
    *(settle("t1", status, at) for status in PROVISIONAL for at in (None, 20, 30)),
    *(settle("t1", status, at) for status in FINAL for at in (None, 50, 60)),
    fill("t1", "60", status=S.CONFIRMED, at=60, tx_hash="0xaa"),
    *(fill("t2", "39.995", "0.39", fee="0.01", status=status) for status in S),
    *(fill("t2", "39.995", "0.39", fee="0.01", status=status, at=7) for status in S),
    fill("t3", "0.005", "0.1"),
    confirmed("t3", 9),
    fill("t4", "80"),
    voided("t4", 9),
    mined("t5"),
)


@pytest.mark.parametrize("facts", SETS.values(), ids=SETS)
def test_every_permutation_gives_the_same_state(facts: Sequence[object]) -> None:
    """Stream, look-up and sweep race; the race must not decide the books."""
    first = given(*facts).order
    for arrival in permutations(facts):
        story = given(*arrival)
        assert known(story.order) == known(first), arrival
        assert story.when(*facts).order == story.order, "a repeated fact was news"
        check_invariants(story.order)
    assert summary(first) == expected(first.size, facts)
    assert first.ended == end_reason(facts)


@pytest.mark.parametrize("facts", SETS.values(), ids=SETS)
def test_every_part_of_the_facts_has_its_label(facts: Sequence[object]) -> None:
    """The label is shown after each fact, not only when all have arrived."""
    for count in range(len(facts) + 1):
        for some in combinations(facts, count):
            order = given(*some).order
            assert summary(order) == expected(order.size, some), some


@for_all(
    st.lists(st.sampled_from(POOL), max_size=14), st.randoms(use_true_random=False)
)
def test_repeated_and_shuffled_facts_give_the_same_state(
    facts: list[object], chance: Random
) -> None:
    """A reconnect replays the day in another order and with repetitions."""
    once = list({id(fact): fact for fact in facts}.values())
    shuffled = [*facts, *chance.sample(once, len(once))]
    chance.shuffle(shuffled)
    story = given(*shuffled)
    assert known(story.order) == known(given(*once).order)
    for fact in once:
        assert story.when(fact).news == []
    check_invariants(story.order)


@for_all(st.lists(st.sampled_from(POOL), max_size=14))
def test_state_is_what_the_set_of_facts_says(facts: list[object]) -> None:
    """An independent reading of the tables must come to the same label."""
    order = given(*facts).order
    assert summary(order) == expected(order.size, facts)
    assert order.ended == end_reason(facts)


@for_all(st.lists(st.sampled_from(POOL), max_size=14))
def test_the_log_alone_gives_the_state(facts: list[object]) -> None:
    """After a crash there is nothing but the bytes that were written."""
    given(*facts).restart()
