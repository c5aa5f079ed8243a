"""What stops a post, and what the answer to a second one proves of the first."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ledger import events as ev
from ledger.decide import (
    DUPLICATED,
    ID_MISMATCH,
    LookedUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
)
from ledger.errors import StoreFailedError
from ledger.order import Order
from ledger.recorded import NewEvent
from ledger.values import EndReason, OrderStatus, TimeInForce, TradingMode
from ledger.venue import VenueFact, VenueTrades
from tests.integration.manager.scripted import START, Desk, intent

LOST = PostAnswered(outcome=PostOutcome.UNKNOWN, text="timeout")
KILLED = PostAnswered(outcome=PostOutcome.KILLED, code="fak_killed", text="no orders")
LATER = PostAnswered(outcome=PostOutcome.NOT_PROCESSED, code="restarting", text="425")
MISMATCH = PostAnswered(
    outcome=PostOutcome.UNKNOWN, code=ID_MISMATCH, text="the venue names another"
)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.open()
    made.venue.is_probed = True
    yield made
    await made.kill()


async def killed_when_posted_again(desk: Desk) -> Order:
    """A FAK order whose first answer was lost, and whose second post was killed."""
    desk.venue.post_answers.put(LOST)
    order = (await desk.manager.place(intent(time_in_force=TimeInForce.FAK))).order
    assert order is not None
    desk.venue.sweeps.put(VenueTrades(as_of=START, fills=()))
    desk.venue.lookups.put(LookedUp(found=LookupFound.NONE))
    desk.venue.post_answers.put(KILLED)
    desk.clock.pass_by(3)
    await desk.manager.resolve_open()
    assert len(desk.venue.posts) == 2
    return desk.journal.order(order.order_id)


async def test_a_kill_of_a_repost_does_not_end_an_order_that_may_have_filled(
    desk: Desk,
) -> None:
    """The lost post may have bought: its cash stays reserved until a look-up."""
    order = await killed_when_posted_again(desk)
    assert order.status is OrderStatus.PENDING
    assert order.is_outcome_unknown
    assert desk.journal.state.reserved_cash > 0
    desk.venue.sweeps.put(VenueTrades(as_of=START, fills=()))
    ended = LookedUp(found=LookupFound.CANCELED, reason=EndReason.KILLED)
    desk.venue.lookups.put(ended)
    desk.clock.pass_by(10)
    await desk.manager.resolve_open()
    assert desk.journal.order(order.order_id).status is OrderStatus.CANCELLED
    assert desk.journal.state.reserved_cash == 0


async def test_an_order_that_the_venue_refused_again_is_not_posted_a_third_time(
    desk: Desk,
) -> None:
    """What it would not have then, it might take later, when nobody wants it."""
    await killed_when_posted_again(desk)
    desk.venue.sweeps.put(VenueTrades(as_of=START, fills=()))
    desk.venue.lookups.put(LookedUp(found=LookupFound.NONE))
    desk.clock.pass_by(10)
    await desk.manager.resolve_open()
    assert len(desk.venue.posts) == 2


async def test_an_order_that_the_venue_calls_a_duplicate_is_never_given_up(
    desk: Desk,
) -> None:
    """It was taken; while no list shows it, what it may have bought is reserved."""
    desk.venue.post_answers.put(LOST)
    order = (await desk.manager.place(intent())).order
    assert order is not None
    for answer in (PostAnswered(outcome=PostOutcome.UNKNOWN, code=DUPLICATED), LATER):
        desk.venue.post_answers.put(answer)
    for _ in range(20):
        desk.venue.sweeps.put(VenueTrades(as_of=START, fills=()))
        desk.venue.lookups.put(LookedUp(found=LookupFound.NONE))
        desk.clock.pass_by(10)
        await desk.manager.resolve_open()
    assert len(desk.venue.posts) == 2
    assert desk.journal.order(order.order_id).status is OrderStatus.PLACED
    assert desk.journal.state.reserved_cash > 0


async def test_nothing_is_posted_again_once_the_log_has_failed(desk: Desk) -> None:
    """An answer that cannot be recorded must not be asked for."""

    async def failing(seconds: float) -> None:
        desk.journal.failed = StoreFailedError("no disk")
        desk.clock.at += timedelta(seconds=seconds)

    desk.clock.sleep = failing  # type: ignore[method-assign]
    desk.venue.post_answers.put(LATER)
    with pytest.raises(StoreFailedError):
        await desk.manager.place(intent())
    assert len(desk.venue.posts) == 1


@pytest.mark.parametrize("mode", [TradingMode.HALTED, TradingMode.REDUCE_ONLY])
async def test_a_buy_that_waits_for_its_retry_is_not_posted_in_another_mode(
    desk: Desk, mode: TradingMode
) -> None:
    """Whoever stops buying does not expect an order to leave half a minute later."""

    async def stopping(seconds: float) -> None:
        desk.clock.pass_by(seconds)
        await desk.manager.account.set_mode(mode, "enough")

    desk.clock.sleep = stopping  # type: ignore[method-assign]
    desk.venue.post_answers.put(LATER)
    result = await desk.manager.place(intent())
    assert len(desk.venue.posts) == 1
    assert result.order is not None
    assert result.order.status is OrderStatus.REJECTED


async def test_a_mismatch_halts_before_its_answer_is_recorded(desk: Desk) -> None:
    """A kill between the two would trade on after the restart."""
    seen: list[type[ev.Event]] = []

    def record(events: object) -> None:
        assert isinstance(events, tuple | list)
        seen.extend(type(one.event) for one in events if isinstance(one, NewEvent))

    desk.journal.on_recorded.append(record)
    desk.venue.post_answers.put(MISMATCH)
    await desk.manager.place(intent())
    assert seen[-2:] == [ev.LedgerHalted, ev.OrderOutcomeUnknown]


async def test_a_mismatch_that_comes_too_late_for_its_caller_halts_all_the_same(
    desk: Desk,
) -> None:
    """The next process knows nothing of it unless the log does."""
    desk.venue.post_answers.put(LOST)
    order = (await desk.manager.place(intent())).order
    assert order is not None
    late = VenueFact(venue_order_id=order.venue_order_id, fact=MISMATCH, source="post")
    await desk.manager.apply(late)
    assert desk.journal.state.mode is TradingMode.HALTED
