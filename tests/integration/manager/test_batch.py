"""Several intents at once: one commit, all or none, and a crash in between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledger.decide import PostAnswered, PostOutcome
from ledger.errors import (
    IdempotencyConflictError,
    InvalidInputError,
    VenueRejectedError,
)
from ledger.intent import OrderIntent
from ledger.values import OrderStatus
from ledger.venue import PlacementRequest, PreparedOrder
from tests.integration.manager.scripted import Desk, intent, settle_down

LIVE = PostAnswered(outcome=PostOutcome.LIVE)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A ledger whose venue answers what the test says."""
    made = Desk(tmp_path)
    await made.open()
    yield made
    await made.kill()


def pair() -> list[OrderIntent]:
    """Both legs of a pair."""
    return [intent(), intent(idempotency_key="k2", outcome="NO")]


async def test_nothing_is_posted_before_both_legs_are_on_disk(desk: Desk) -> None:
    """A crash between two commits would leave half a pair."""
    placing = desk.start(desk.manager.place_batch(pair()))
    await settle_down()
    assert len(desk.venue.posts) == 2
    for key in ("k1", "k2"):
        assert desk.journal.store.find_intent("s1", key) is not None
    for _ in range(2):
        desk.venue.post_answers.put(LIVE)
    results = await placing
    assert [r.success for r in results] == [True, True]


async def test_a_crash_after_the_commit_leaves_both_legs_to_be_found(
    desk: Desk,
) -> None:
    """After it, each leg is an order like any other: looked up, never forgotten."""
    desk.venue.is_cut_off = True
    desk.start(desk.manager.place_batch(pair()))
    await settle_down()
    manager = await desk.restart()
    assert [order.idempotency_key for order in manager.open_orders()] == ["k1", "k2"]


async def test_a_leg_that_cannot_be_signed_refuses_all(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue's rules are only known when the order is made."""
    whole = desk.venue.prepare

    async def prepare(request: PlacementRequest) -> PreparedOrder:
        if request.outcome == "NO":
            raise VenueRejectedError("too small", code="min_size")
        return await whole(request)

    monkeypatch.setattr(desk.venue, "prepare", prepare)
    results = await desk.manager.place_batch(pair())
    assert [r.error.code for r in results if r.error] == ["batch_refused", "min_size"]
    assert {r.order.status for r in results if r.order} == {OrderStatus.REJECTED}
    assert desk.venue.posts == []
    assert desk.journal.state.exposure.reserved_cash == 0


async def test_the_same_batch_again_is_the_same_orders(desk: Desk) -> None:
    """Once per key holds for batches too, also for two at the same time."""
    placing = [desk.start(desk.manager.place_batch(pair())) for _ in range(3)]
    await settle_down()
    for _ in range(2):
        desk.venue.post_answers.put(LIVE)
    found = await asyncio.gather(*placing)
    ids = [[r.order.order_id for r in results if r.order] for results in found]
    assert ids[0] == ids[1] == ids[2]
    assert len(desk.venue.posts) == 2
    with pytest.raises(IdempotencyConflictError):
        await desk.manager.place_batch([intent(), intent(idempotency_key="new")])


async def test_a_batch_and_its_leg_alone_do_not_overlap(desk: Desk) -> None:
    """Whoever places one of the keys meanwhile gets the batch's order."""
    batch = desk.start(desk.manager.place_batch(pair()))
    alone = desk.start(desk.manager.place(intent()))
    await settle_down()
    for _ in range(2):
        desk.venue.post_answers.put(LIVE)
    results, one = await batch, await alone
    assert one.deduplicated
    assert one.order is not None
    assert one.order.order_id == results[0].order.order_id


async def test_two_legs_with_one_key_are_a_mistake(desk: Desk) -> None:
    """They could not be told apart afterwards."""
    with pytest.raises(InvalidInputError):
        await desk.manager.place_batch([intent(), intent()])
