"""Races and half-known outcomes: where orders were doubled or money let go."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from ledger import events as ev
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    LookedUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
)
from ledger.errors import StoreFailedError, VenueRejectedError
from ledger.intent import UserFill
from ledger.order import Order
from ledger.recorded import NewEvent
from ledger.store import AppendRequest
from ledger.values import OrderStatus, Settlement, TradingMode
from ledger.venue import PreparedOrder, VenueTrades
from tests.integration.manager.scripted import START, Desk, intent, settle_down

LIVE = PostAnswered(outcome=PostOutcome.LIVE)
UNKNOWN = PostAnswered(outcome=PostOutcome.UNKNOWN, text="timeout")
REFUSED = PostAnswered(outcome=PostOutcome.REFUSED, code="balance", text="no cash")
LATER = PostAnswered(outcome=PostOutcome.NOT_PROCESSED, code="restarting", text="425")
NOWHERE = LookedUp(found=LookupFound.NONE)
NO_TRADES = VenueTrades(as_of=START, fills=())
NOT_CANCELED = CancelAnswered(
    outcome=CancelOutcome.NOT_CANCELED, text="Order not found or already canceled"
)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.open()
    made.venue.is_probed = True
    yield made
    await made.kill()


async def unknown(desk: Desk, key: str = "k1") -> Order:
    """An order whose post was not answered."""
    desk.venue.post_answers.put(UNKNOWN)
    order = (await desk.manager.place(intent(idempotency_key=key))).order
    assert order is not None
    return order


async def placed(desk: Desk) -> Order:
    desk.venue.post_answers.put(LIVE)
    order = (await desk.manager.place(intent())).order
    assert order is not None
    return order


def nothing_found(desk: Desk, rounds: int = 1) -> None:
    for _ in range(rounds):
        desk.venue.sweeps.put(NO_TRADES)
        desk.venue.lookups.put(NOWHERE)


def fill(order: Order, **changes: object) -> UserFill:
    content: dict[str, object] = {
        "trade_id": "t1",
        "order_id": order.venue_order_id,
        "size": Decimal(10),
        "price": Decimal("0.40"),
    }
    return UserFill(**(content | changes))  # type: ignore[arg-type]


class TestSecondPost:
    @pytest.mark.parametrize("answer", [REFUSED, LATER])
    async def test_its_refusal_does_not_end_the_first(
        self, desk: Desk, answer: PostAnswered
    ) -> None:
        """The first post may be filling while the second is turned away."""
        order = await unknown(desk)
        nothing_found(desk)
        for _ in range(4):
            desk.venue.post_answers.put(answer)
        await desk.manager.resolve_open()
        known = desk.journal.order(order.order_id)
        assert known.status is OrderStatus.PENDING
        assert known.is_outcome_unknown
        assert desk.journal.state.reserved_cash > 0
        after = await desk.manager.on_fill(fill(known, size=Decimal(100)))
        assert after is not None
        assert after.status is OrderStatus.MATCHED

    async def test_it_is_in_the_log_before_it_is_sent(self, desk: Desk) -> None:
        """An audit must tell how often the bytes went out."""
        order = await unknown(desk)
        nothing_found(desk)
        desk.venue.post_answers.put(LIVE)
        await desk.manager.resolve_open()
        stored = desk.journal.store.read_stream(ev.order_stream(order.order_id))
        topics = [s.event.TOPIC for s in stored]
        assert topics[-2:] == ["order.reposted.v1", "order.placed.v1"]
        assert desk.venue.posts == [order.venue_order_id] * 2

    async def test_absence_is_counted_anew_from_it(self, desk: Desk) -> None:
        """The venue shows an order up to 40 s late: old probes prove nothing."""
        order = await unknown(desk)
        for seconds in (1, 28):
            desk.clock.pass_by(seconds)
            nothing_found(desk)
            desk.venue.post_answers.put(UNKNOWN)
            await desk.manager.resolve_open()
        assert len(desk.venue.posts) == 3
        for seconds in (32, 27):
            desk.clock.pass_by(seconds)
            nothing_found(desk)
            await desk.manager.resolve_open()
        assert desk.journal.order(order.order_id).status is OrderStatus.PENDING
        desk.clock.pass_by(60)
        nothing_found(desk)
        await desk.manager.resolve_open()
        assert desk.journal.order(order.order_id).status is OrderStatus.FAILED

    async def test_two_rounds_at_once_send_one(self, desk: Desk) -> None:
        """A timer that overtakes itself must not double the mutation."""
        await unknown(desk)
        nothing_found(desk)
        rounds = [desk.start(desk.manager.resolve_open()) for _ in range(2)]
        await settle_down()
        assert len(desk.venue.posts) == 2
        desk.venue.post_answers.put(LIVE)
        desk.venue.sweeps.put(NO_TRADES)
        desk.venue.lookups.put(LookedUp(found=LookupFound.LIVE))
        await asyncio.gather(*rounds)
        assert len(desk.venue.posts) == 2

    async def test_only_an_order_that_was_looked_up_is_judged(self, desk: Desk) -> None:
        """A sweep from before its request says nothing of an order."""
        await unknown(desk)
        desk.venue.sweeps.put(NO_TRADES)
        running = desk.start(desk.manager.resolve_open())
        await settle_down()
        second = await unknown(desk, "k2")
        desk.venue.lookups.put(LookedUp(found=LookupFound.LIVE))
        await running
        assert desk.journal.order(second.order_id).probes == ()
        assert desk.venue.posts.count(second.venue_order_id) == 1


class TestUnwanted:
    async def test_a_cancelled_unknown_order_is_never_sent_again(
        self, desk: Desk
    ) -> None:
        """ "Not found" refuses nothing: the wish to be out stays."""
        order = await unknown(desk)
        desk.venue.cancel_answers.put(NOT_CANCELED)
        desk.venue.lookups.put(NOWHERE)
        await desk.manager.cancel(order.order_id)
        nothing_found(desk)
        await desk.manager.resolve_open()
        assert len(desk.venue.posts) == 1
        assert desk.journal.order(order.order_id).is_cancel_requested

    async def test_a_cancel_during_a_retry_stops_it(self, desk: Desk) -> None:
        """The order was proven not to be there, and nobody wants it any more."""
        calls: list[asyncio.Task[object]] = []

        async def sleep(seconds: float) -> None:
            order_id = next(iter(desk.journal.state.orders))
            calls.append(desk.start(desk.manager.cancel(order_id)))
            await settle_down()

        desk.clock.sleep = sleep  # type: ignore[method-assign]
        desk.venue.post_answers.put(LATER)
        result = await desk.manager.place(intent())
        assert len(desk.venue.posts) == 1
        assert result.order is not None
        assert result.order.status is OrderStatus.REJECTED
        await asyncio.gather(*calls)
        assert not desk.venue.cancels

    async def test_a_halt_while_signing_keeps_the_order_back(self, desk: Desk) -> None:
        """The person who pulled the plug sees nothing leave afterwards."""
        prepare = desk.venue.prepare

        async def slow(request: object) -> PreparedOrder:
            await desk.manager.account.set_mode(TradingMode.HALTED, "test")
            return await prepare(request)  # type: ignore[arg-type]

        desk.venue.prepare = slow  # type: ignore[method-assign]
        result = await desk.manager.place(intent())
        assert result.error is not None
        assert result.error.code == "halted"
        assert not desk.venue.posts

    async def test_a_halted_ledger_posts_nothing_again(self, desk: Desk) -> None:
        """Finding out goes on; sending does not."""
        await unknown(desk)
        await desk.manager.account.set_mode(TradingMode.HALTED, "test")
        nothing_found(desk)
        await desk.manager.resolve_open()
        assert len(desk.venue.posts) == 1

    async def test_an_expired_order_is_not_posted_again(self, desk: Desk) -> None:
        """The venue would refuse it, and the strategy has moved on."""
        desk.venue.post_answers.put(UNKNOWN)
        await desk.manager.place(
            intent(time_in_force="GTD", expires_at="2026-11-01T12:00:05Z")
        )
        desk.clock.pass_by(6)
        nothing_found(desk)
        await desk.manager.resolve_open()
        assert len(desk.venue.posts) == 1


class TestFailures:
    @pytest.mark.parametrize(
        "error", [ConnectionResetError(), RuntimeError("a bug of ours")]
    )
    async def test_an_exception_while_posting_is_an_unknown_outcome(
        self, desk: Desk, error: Exception
    ) -> None:
        """No failure of ours says what the venue did with the bytes."""
        desk.venue.post_answers.put(error)
        result = await desk.manager.place(intent())
        assert result.error is not None
        assert result.error.code == "outcome_unknown"
        assert desk.journal.state.usage("account").failures == 1

    async def test_an_exception_while_cancelling_leaves_the_order_open(
        self, desk: Desk
    ) -> None:
        """The same for a cancel."""
        order = await placed(desk)
        desk.venue.cancel_answers.put(VenueRejectedError("no"))
        desk.venue.lookups.put(LookedUp(found=LookupFound.LIVE))
        result = await desk.manager.cancel(order.order_id)
        assert result.error is not None
        assert result.error.code == "outcome_unknown"
        assert desk.journal.order(order.order_id).status is OrderStatus.PLACED

    async def test_text_that_cannot_be_stored_is_mended(self, desk: Desk) -> None:
        """What a venue says must not be able to stop the ledger."""
        order = await placed(desk)
        desk.venue.is_probed = False
        desk.venue.cancel_answers.put(
            CancelAnswered(outcome=CancelOutcome.CANCELED, text="\udcff" * 1000)
        )
        result = await desk.manager.cancel(order.order_id, reason="\udcff")
        assert result.success
        assert desk.journal.failed is None
        assert desk.journal.store.verify(full=True).is_sound

    async def test_memory_that_differs_from_the_log_stops_the_ledger(
        self, desk: Desk
    ) -> None:
        """Going on would write a stream with a hole."""
        order = await placed(desk)
        bad = ev.OrderCancelRequested(at=START, actor="\udcff")
        stream = ev.order_stream(order.order_id)
        with pytest.raises(StoreFailedError, match="memory and log differ"):
            await desk.journal.append([NewEvent(stream, order.version + 1, bad)])
        with pytest.raises(StoreFailedError):
            await desk.manager.on_fill(fill(order))
        with pytest.raises(StoreFailedError):
            await desk.manager.place(intent())

    async def test_a_repeated_fact_is_answered_after_the_first_is_on_disk(
        self, desk: Desk
    ) -> None:
        """ "Known" must not mean "on its way"."""
        order = await placed(desk)
        head = desk.journal.store.head
        first = desk.start(desk.manager.on_fill(fill(order)))
        second = desk.start(desk.manager.on_fill(fill(order)))
        await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        assert desk.journal.store.head == head + 1
        await asyncio.gather(first, second)

    async def test_facts_about_an_order_from_disk_do_not_overtake_each_other(
        self, desk: Desk
    ) -> None:
        """Two witnesses speak at once of an order that had left memory."""
        order = await placed(desk)
        await desk.manager.on_fill(fill(order, size=Decimal(100)))
        await desk.manager.on_chain_confirmation(
            order.order_id, "t1", "0xhash", Settlement.CONFIRMED
        )
        await desk.journal.checkpoint()
        await desk.restart()
        await asyncio.gather(
            desk.manager.on_fill(fill(order, size=Decimal(99), venue_time=5)),
            desk.manager.on_chain_confirmation(
                order.order_id, "t1", "", Settlement.FAILED, venue_time=9
            ),
        )
        assert desk.journal.failed is None
        assert desk.journal.order(order.order_id).status is OrderStatus.FAILED

    async def test_listeners_hear_what_a_cancelled_caller_recorded(
        self, desk: Desk
    ) -> None:
        """The events are on disk, whether or not the caller still waits."""
        heard: list[Sequence[NewEvent]] = []
        desk.journal.on_recorded.append(heard.append)
        order = await placed(desk)
        heard.clear()
        task = desk.start(desk.manager.on_fill(fill(order)))
        await asyncio.sleep(0)
        task.cancel()
        await desk.journal.writer.append(AppendRequest((), None))
        assert [e.event.TOPIC for events in heard for e in events] == [
            "fill.matched.v1"
        ]

    async def test_a_caller_that_stops_waiting_leaves_the_outcome_unknown(
        self, desk: Desk
    ) -> None:
        """The post may be out: the log says so, and the breaker counts it."""
        task = desk.start(desk.manager.place(intent()))
        await settle_down()
        assert len(desk.venue.posts) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [order] = desk.journal.state.orders.values()
        assert order.is_outcome_unknown
        topics = [
            stored.event.TOPIC
            for stored in desk.journal.store.read_stream(f"order-{order.order_id}")
        ]
        assert topics[-1] == "order.outcome_unknown.v1"
        assert not desk.manager.desk.posting

    async def test_many_orders_may_close_in_one_commit(self, desk: Desk) -> None:
        """A closed order stays in memory until its last word can be read back."""
        calls = []
        for number in range(1100):
            desk.venue.post_answers.put(LIVE)
            wanted = intent(idempotency_key=f"m{number}", size="5")
            calls.append(desk.start(desk.manager.place(wanted)))
        await asyncio.gather(*calls)
        ids = list(desk.journal.state.orders)
        desk.venue.is_probed = False
        for _ in ids:
            desk.venue.cancel_answers.put(
                CancelAnswered(outcome=CancelOutcome.CANCELED)
            )
        results = await asyncio.gather(
            *(desk.manager.cancel(order_id) for order_id in ids),
            *(desk.manager.cancel(order_id) for order_id in ids),
        )
        assert all(result.success for result in results)
        assert desk.journal.failed is None


@pytest.mark.parametrize(
    ("changes", "price", "is_open"),
    [
        ({"time_in_force": "FAK"}, "0.32", False),
        ({"time_in_force": "FAK"}, "0.40", True),
        ({"time_in_force": "GTC"}, "0.32", True),
    ],
)
async def test_an_overfill_that_a_better_price_explains_rings_no_alarm(
    desk: Desk, changes: dict[str, str], price: str, *, is_open: bool
) -> None:
    """A BUY that may not rest spends pUSD: at a better price it gets more shares.

    An alarm for each of them would hide the one that matters.
    """
    desk.venue.post_answers.put(LIVE)
    answer = await desk.manager.place(intent(**changes))
    assert answer.order is not None
    fill = UserFill(
        trade_id="t1",
        order_id=answer.order.venue_order_id,
        size=Decimal(125),
        price=Decimal(price),
    )
    after = await desk.manager.on_fill(fill)
    assert after is not None
    assert after.filled == Decimal(125)
    drift_id = f"overfill:{answer.order.order_id}"
    assert (drift_id in desk.journal.state.drifts) is is_open
    told = [
        stored.event
        for stored in desk.journal.store.read_stream(ev.RECONCILIATION_STREAM)
    ]
    assert [type(event) for event in told] == (
        [ev.DriftOpened] if is_open else [ev.DriftOpened, ev.DriftClosed]
    )
