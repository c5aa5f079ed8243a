"""A restart knows every order, asks about the open ones, sends none twice."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from ledger.decide import LookedUp, LookupFound, PostAnswered, PostOutcome
from ledger.intent import UserFill
from ledger.order import Order
from ledger.values import OrderStatus, Settlement
from ledger.venue import VenueTrades
from tests.integration.manager.scripted import START, Desk, intent, settle_down

LIVE = PostAnswered(outcome=PostOutcome.LIVE)
NOWHERE = LookedUp(found=LookupFound.NONE)
NO_TRADES = VenueTrades(as_of=START, fills=())


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.open()
    yield made
    await made.kill()


async def lost(desk: Desk, *, is_sent: bool) -> Order:
    """An order whose process died before, or after, the post went out."""
    desk.venue.is_cut_off = not is_sent
    desk.start(desk.manager.place(intent()))
    await settle_down()
    await desk.restart()
    desk.venue.is_cut_off = False
    desk.venue.is_probed = True
    [order] = desk.journal.state.orders.values()
    return order


async def test_an_unanswered_order_is_looked_up_before_anything_is_sent(
    desk: Desk,
) -> None:
    """The post went out and filled while nobody was there to hear it."""
    order = await lost(desk, is_sent=True)
    fill = UserFill(
        trade_id="t1",
        order_id=order.venue_order_id,
        size=Decimal(100),
        price=Decimal("0.40"),
        status=Settlement.CONFIRMED,
    )
    desk.venue.sweeps.put(VenueTrades(as_of=START, fills=(fill,)))
    await desk.manager.recover()
    assert desk.journal.order(order.order_id).status is OrderStatus.CONFIRMED
    assert len(desk.venue.posts) == 1


async def test_an_order_the_venue_never_had_is_posted_once_with_the_same_id(
    desk: Desk,
) -> None:
    """The crash fell between the commit and the post."""
    order = await lost(desk, is_sent=False)
    desk.venue.sweeps.put(NO_TRADES)
    desk.venue.lookups.put(NOWHERE)
    desk.venue.post_answers.put(LIVE)
    await desk.manager.recover()
    assert desk.venue.posts == [order.venue_order_id]
    assert desk.journal.order(order.order_id).status is OrderStatus.PLACED


async def test_silence_sends_nothing(desk: Desk) -> None:
    """Only answered questions count: the order stays unknown and reserved."""
    order = await lost(desk, is_sent=False)
    desk.venue.is_probed = False
    await desk.manager.recover()
    known = desk.journal.order(order.order_id)
    assert known.is_outcome_unknown
    assert not desk.venue.posts
    assert desk.journal.state.reserved_cash > 0


async def test_an_old_order_is_not_posted_again(desk: Desk) -> None:
    """After half a minute its price is history."""
    order = await lost(desk, is_sent=False)
    desk.clock.pass_by(31)
    desk.venue.sweeps.put(NO_TRADES)
    desk.venue.lookups.put(NOWHERE)
    await desk.manager.recover()
    assert not desk.venue.posts
    assert desk.journal.order(order.order_id).status is OrderStatus.PENDING


async def test_absence_is_concluded_only_after_a_minute_of_empty_answers(
    desk: Desk,
) -> None:
    """The venue shows fresh orders late; giving up early could buy twice."""
    order = await lost(desk, is_sent=False)
    desk.clock.pass_by(31)
    for _ in range(3):
        desk.venue.sweeps.put(NO_TRADES)
        desk.venue.lookups.put(NOWHERE)
    await desk.manager.recover()
    desk.clock.pass_by(59)
    await desk.manager.resolve_open()
    assert desk.journal.order(order.order_id).status is OrderStatus.PENDING
    desk.clock.pass_by(1)
    await desk.manager.resolve_open()
    assert desk.journal.order(order.order_id).status is OrderStatus.FAILED
    assert desk.journal.state.reserved_cash == 0


async def test_an_incomplete_sweep_proves_no_absence(desk: Desk) -> None:
    """A missing page may hold the fill."""
    order = await lost(desk, is_sent=False)
    desk.venue.sweeps.put(VenueTrades(as_of=START, fills=(), complete=False))
    desk.venue.lookups.put(NOWHERE)
    await desk.manager.recover()
    known = desk.journal.order(order.order_id)
    assert known.is_outcome_unknown
    assert not desk.venue.posts


async def test_the_first_sweep_reads_back_to_the_oldest_order(desk: Desk) -> None:
    """Later ones go on from it: a fill before it would be heard of by nobody."""
    desk.venue.post_answers.put(LIVE)
    oldest = (await desk.manager.place(intent())).order
    assert oldest is not None
    desk.clock.pass_by(600)
    desk.venue.post_answers.put(PostAnswered(outcome=PostOutcome.UNKNOWN))
    await desk.manager.place(intent(idempotency_key="k2"))
    desk.venue.is_probed = False
    await desk.manager.recover()
    asked = []

    async def trades(since: datetime) -> VenueTrades:
        asked.append(since)
        return VenueTrades(as_of=desk.clock.now(), fills=())

    desk.venue.get_trades = trades  # type: ignore[method-assign]
    desk.clock.pass_by(5)
    await desk.manager.resolve_due()
    assert min(asked) <= oldest.requested_at


async def test_what_settles_is_followed_up_after_a_restart(desk: Desk) -> None:
    """A trade that was confirmed while we were away is found by the sweep."""
    desk.venue.post_answers.put(LIVE)
    order = (await desk.manager.place(intent())).order
    assert order is not None
    fill = UserFill(
        trade_id="t1",
        order_id=order.venue_order_id,
        size=Decimal(100),
        price=Decimal("0.40"),
    )
    await desk.manager.on_fill(fill)
    manager = await desk.restart()
    desk.venue.is_probed = True
    confirmed = msgspec.structs.replace(fill, status=Settlement.CONFIRMED)
    desk.venue.sweeps.put(VenueTrades(as_of=START, fills=(confirmed,)))
    await manager.recover()
    assert desk.journal.order(order.order_id).status is OrderStatus.CONFIRMED


async def test_the_sweep_reaches_back_before_the_oldest_open_order(
    desk: Desk,
) -> None:
    """The venue's clock may be behind ours."""
    await lost(desk, is_sent=False)
    asked: list[timedelta] = []

    async def get_trades(since: object) -> VenueTrades:
        assert not isinstance(since, str)
        asked.append(START - since)  # type: ignore[operator]
        return NO_TRADES

    desk.venue.get_trades = get_trades  # type: ignore[method-assign]
    desk.venue.lookups.put(NOWHERE)
    desk.venue.post_answers.put(LIVE)
    await desk.manager.recover()
    assert asked == [timedelta(seconds=60)]


async def test_a_refused_second_post_says_nothing_of_a_first_that_was_cut_short(
    desk: Desk,
) -> None:
    """Even where nobody had written down that its outcome is unknown."""
    order = await lost(desk, is_sent=False)
    assert not order.is_outcome_unknown
    desk.venue.sweeps.put(NO_TRADES)
    desk.venue.lookups.put(NOWHERE)
    for _ in range(4):
        desk.venue.post_answers.put(PostAnswered(outcome=PostOutcome.NOT_PROCESSED))
    await desk.manager.resolve_open()
    assert desk.journal.order(order.order_id).status is OrderStatus.PENDING
