"""Cancelling through the manager, and what it does when the venue is vague."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    LookedUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
)
from ledger.intent import UserFill
from ledger.manager import ManagerConfig
from ledger.order import Order
from ledger.values import OrderStatus
from tests.integration.manager.scripted import (
    OTHER_MARKET,
    Desk,
    intent,
    settle_down,
)

LIVE = PostAnswered(outcome=PostOutcome.LIVE)
CANCELED = CancelAnswered(outcome=CancelOutcome.CANCELED)
NOT_CANCELED = CancelAnswered(
    outcome=CancelOutcome.NOT_CANCELED, text="already canceled or matched"
)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.open()
    yield made
    await made.kill()


async def placed(desk: Desk, **changes: object) -> Order:
    desk.venue.post_answers.put(LIVE)
    order = (await desk.manager.place(intent(**changes))).order
    assert order is not None
    return order


async def test_a_cancel_is_on_disk_before_it_is_sent(desk: Desk) -> None:
    """After a crash the ledger must know that it asked."""
    order = await placed(desk)
    head = desk.journal.store.head
    call = desk.start(desk.manager.cancel(order.order_id))
    await settle_down()
    assert desk.venue.cancels == [order.venue_order_id]
    assert desk.journal.store.head == head + 1
    desk.venue.cancel_answers.put(CANCELED)
    result = await call
    assert result.success
    assert result.order is not None
    assert result.order.status is OrderStatus.CANCELLED


async def test_concurrent_cancels_share_one_request(desk: Desk) -> None:
    """One mutation per order at a time."""
    order = await placed(desk)
    calls = [desk.start(desk.manager.cancel(order.order_id)) for _ in range(5)]
    await settle_down()
    desk.venue.cancel_answers.put(CANCELED)
    results = await asyncio.gather(*calls)
    assert all(result.success for result in results)
    assert len(desk.venue.cancels) == 1


async def test_a_done_order_cannot_be_cancelled(desk: Desk) -> None:
    """The venue is not asked about what is known."""
    order = await placed(desk)
    desk.venue.cancel_answers.put(CANCELED)
    await desk.manager.cancel(order.order_id)
    again = await desk.manager.cancel(order.order_id)
    assert again.error is not None
    assert again.error.code == "refused"
    assert len(desk.venue.cancels) == 1


async def test_a_refused_cancel_is_followed_by_a_look_up(desk: Desk) -> None:
    """ "Already canceled or matched" may mean either; only the order tells."""
    order = await placed(desk)
    desk.venue.is_probed = True
    desk.venue.cancel_answers.put(NOT_CANCELED)
    desk.venue.lookups.put(LookedUp(found=LookupFound.CANCELED))
    result = await desk.manager.cancel(order.order_id)
    assert result.success
    assert result.order is not None
    assert result.order.status is OrderStatus.CANCELLED


async def test_a_cancel_that_lost_to_a_fill_says_so(desk: Desk) -> None:
    """The strategy asked to be out and is in: that is no success."""
    order = await placed(desk)
    call = desk.start(desk.manager.cancel(order.order_id))
    await settle_down()
    await desk.manager.on_fill(
        UserFill(
            trade_id="t1",
            order_id=order.venue_order_id,
            size=Decimal(100),
            price=Decimal("0.40"),
        )
    )
    desk.venue.cancel_answers.put(NOT_CANCELED)
    result = await call
    assert result.error is not None
    assert result.error.code == "already_filled"
    assert result.order is not None
    assert result.order.status is OrderStatus.MATCHED


async def test_silence_leaves_the_order_open(tmp_path: Path) -> None:
    """An unanswered cancel proves nothing; the order stays exposure."""
    desk = Desk(tmp_path, config=ManagerConfig(cancel_timeout_ms=20))
    await desk.open()
    order = await placed(desk)
    result = await desk.manager.cancel(order.order_id)
    assert result.error is not None
    assert result.error.code == "outcome_unknown"
    assert desk.journal.order(order.order_id).status is OrderStatus.PLACED
    assert desk.journal.state.reserved_cash > 0
    await desk.kill()


async def test_a_cancel_is_asked_again_after_a_restart(desk: Desk) -> None:
    """The wish is in the log; whether the venue ever heard it is not."""
    order = await placed(desk)
    desk.start(desk.manager.cancel(order.order_id))
    await settle_down()
    manager = await desk.restart()
    desk.start(manager.recover())
    await settle_down()
    assert desk.venue.cancels == [order.venue_order_id] * 2
    desk.venue.cancel_answers.put(CANCELED)  # for the call that died
    desk.venue.cancel_answers.put(CANCELED)
    await settle_down()
    assert desk.journal.order(order.order_id).status is OrderStatus.CANCELLED


async def test_cancel_all_takes_only_what_was_named(desk: Desk) -> None:
    """Stopping one strategy or one market must not touch the others."""
    mine = await placed(desk, idempotency_key="a")
    other_market = await placed(
        desk, idempotency_key="b", market_id=OTHER_MARKET.market_id
    )
    other_strategy = await placed(desk, strategy="s2", idempotency_key="c")
    for _ in range(3):
        desk.venue.cancel_answers.put(CANCELED)
    results = await desk.manager.cancel_all(mine.market_id, "s1")
    assert [r.order.order_id for r in results if r.order] == [mine.order_id]
    results = await desk.manager.cancel_all(strategy="s2")
    assert [r.order.order_id for r in results if r.order] == [other_strategy.order_id]
    results = await desk.manager.cancel_all()
    assert [r.order.order_id for r in results if r.order] == [other_market.order_id]
    assert await desk.manager.cancel_all() == []
