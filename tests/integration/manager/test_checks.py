"""Whatever is not final is asked about again, soon at first and never in a rush."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
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
from ledger.errors import OutcomeUnknownError
from ledger.events import DriftOpened
from ledger.intent import UserFill
from ledger.manager import ManagerConfig, OrderManager
from ledger.manager.checks import Watch, next_check, urgency
from ledger.order import Order
from ledger.values import OrderStatus, Settlement
from ledger.venue import VenueTrades
from tests.integration.manager.desk import WitnessDesk, listed
from tests.integration.manager.scripted import START, intent

LIVE = LookedUp(found=LookupFound.LIVE)
NOWHERE = LookedUp(found=LookupFound.NONE)


class AskedDesk(WitnessDesk):
    """A ledger whose venue answers every question, and notes it."""

    async def open(self) -> OrderManager:
        manager: OrderManager = await super().open()
        self.asked: list[tuple[float, str]] = []
        self.swept: list[datetime] = []
        self.answers: dict[str, LookedUp] = {}
        self.trades: tuple[UserFill, ...] = ()

        async def get_order(venue_order_id: str) -> LookedUp:
            self.asked.append((self.clock.monotonic(), venue_order_id))
            return self.answers.get(venue_order_id, LIVE)

        async def get_trades(since: datetime) -> VenueTrades:
            self.swept.append(since)
            return VenueTrades(as_of=self.clock.now(), fills=self.trades)

        async def cancel(venue_order_id: str) -> CancelAnswered:
            self.venue.cancels.append(venue_order_id)
            return self.cancelled

        self.cancelled = CancelAnswered(outcome=CancelOutcome.NOT_CANCELED)
        self.venue.cancel = cancel  # type: ignore[method-assign]
        self.venue.get_order = get_order  # type: ignore[method-assign]
        self.venue.get_trades = get_trades  # type: ignore[method-assign]
        return manager

    async def watch(self, seconds: int) -> list[float]:
        """Let time pass and do what is due; the times at which it asked."""
        self.asked.clear()
        for _ in range(seconds):
            self.clock.pass_by(1)
            await self.manager.resolve_due()
        return [at for at, _ in self.asked]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[AskedDesk]:
    made = AskedDesk(tmp_path, config=ManagerConfig(settlement_alarm_ms=300_000))
    await made.open()
    yield made
    await made.kill()


async def lost(desk: AskedDesk, **changes: str) -> Order:
    """An order whose answer was lost and that the venue does not show."""
    desk.venue.post_answers.put(PostAnswered(outcome=PostOutcome.UNKNOWN))
    result = await desk.manager.place(intent(**changes))
    assert result.order is not None
    desk.answers[result.order.venue_order_id] = NOWHERE
    return result.order


def order(**changes: object) -> Order:
    fields: dict[str, object] = {
        "order_id": "o1",
        "strategy": "s",
        "idempotency_key": "k",
        "fingerprint": "",
        "correlation_id": "",
        "market_id": "0xm",
        "token_id": "1",
        "outcome": "YES",
        "side": "BUY",
        "requested_size": Decimal(10),
        "size": Decimal(10),
        "price": Decimal("0.4"),
        "time_in_force": "GTC",
        "post_only": False,
        "expires_at": None,
        "requested_at": START,
    }
    return Order(**(fields | changes))  # type: ignore[arg-type]


# The schedule


def waits(known: Order, count: int) -> list[float]:
    """Seconds between checks when there is no news."""
    watch, at, found = Watch(0, START), START, []
    for _ in range(count):
        due = next_check(known, watch)
        found.append((due - at).total_seconds())
        watch.checked_at = at = due
    return found


def test_a_quiet_order_is_asked_about_ever_more_rarely() -> None:
    """A dropped message costs seconds, a resting order one question a minute."""
    assert waits(order(is_placed=True), 8) == [2, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    "known", [order(is_outcome_unknown=True), order(is_placed=True, is_delayed=True)]
)
def test_an_open_question_is_never_left_alone_for_long(known: Order) -> None:
    """It holds money back that a strategy could use."""
    assert waits(known, 6) == [2, 2, 4, 8, 10, 10]


def test_news_brings_the_next_check_forward() -> None:
    """What just moved is what may move again."""
    news_at = START + timedelta(seconds=100)
    watch = Watch(1, news_at, checked_at=START + timedelta(seconds=90))
    assert next_check(order(is_placed=True), watch) == news_at + timedelta(seconds=2)


def test_open_questions_come_first() -> None:
    """With a venue that answers slowly, the order of the questions counts."""
    ranked = [
        order(is_outcome_unknown=True),
        order(is_placed=True, is_delayed=True),
        order(is_placed=True, is_cancel_requested=True),
        order(is_placed=True),
    ]
    assert [urgency(known) for known in ranked] == [0, 1, 2, 3]


# What the manager does with it


async def test_only_what_is_due_is_asked_about(desk: AskedDesk) -> None:
    """A thousand resting orders must not be a thousand questions a second."""
    await desk.place()
    assert await desk.watch(70) == [2, 4, 8, 16, 32, 64]


async def test_a_restart_goes_on_where_the_schedule_stood(desk: AskedDesk) -> None:
    """A process that restarts in a loop must not press the venue."""
    await desk.place()
    await desk.watch(70)
    await desk.restart()
    await desk.manager.recover()
    assert await desk.watch(125) == [130, 190]


async def test_a_start_asks_about_everything(desk: AskedDesk) -> None:
    """Nobody listened meanwhile, so no schedule counts."""
    first = await desk.place()
    second = await desk.place(idempotency_key="k2")
    await desk.watch(70)
    await desk.restart()
    await desk.manager.recover()
    asked = {venue_id for _, venue_id in desk.asked}
    assert asked == {first.venue_order_id, second.venue_order_id}


async def test_an_unknown_outcome_is_proven_absent_by_the_schedule_alone(
    desk: AskedDesk,
) -> None:
    """Nobody has to ask by hand for reserved money to come back."""
    made = await lost(desk)
    desk.clock.pass_by(31)  # too old to be posted again
    await desk.watch(70)
    assert desk.journal.order(made.order_id).status is OrderStatus.FAILED
    assert desk.journal.state.reserved_cash == 0


async def test_unknown_outcomes_are_asked_about_before_resting_orders(
    desk: AskedDesk,
) -> None:
    """Both are due; only one of them is dangerous."""
    resting = await desk.place()
    unknown = await lost(desk, idempotency_key="k2")
    desk.clock.pass_by(31)
    await desk.manager.resolve_due()
    assert [i for _, i in desk.asked][:2] == [
        unknown.venue_order_id,
        resting.venue_order_id,
    ]


async def test_many_orders_are_found_by_one_list(desk: AskedDesk) -> None:
    """The venue limits questions; one that answers all is the cheapest."""
    orders = [await desk.place(idempotency_key=f"k{n}") for n in range(7)]
    desk.witness.orders = tuple(listed(made) for made in orders[1:])
    desk.clock.pass_by(3)
    assert await desk.manager.resolve_due() == 7
    # What the list does not show is asked for by its id.
    assert [i for _, i in desk.asked] == [orders[0].venue_order_id]


async def test_a_silent_list_falls_back_to_single_questions(desk: AskedDesk) -> None:
    """One broken route must not leave all orders unwatched."""
    for n in range(7):
        await desk.place(idempotency_key=f"k{n}")
    desk.witness.orders = None
    desk.clock.pass_by(3)
    await desk.manager.resolve_due()
    assert len(desk.asked) == 7


async def test_unanswered_questions_are_not_repeated_at_once(desk: AskedDesk) -> None:
    """A venue that is down needs no hammering."""
    await desk.place()

    async def silent(venue_order_id: str) -> LookedUp:
        desk.asked.append((desk.clock.monotonic(), venue_order_id))
        raise OutcomeUnknownError("no answer")

    desk.venue.get_order = silent  # type: ignore[method-assign]
    assert await desk.watch(20) == [2, 4, 8, 16]


async def test_a_later_sweep_reads_only_an_overlap(desk: AskedDesk) -> None:
    """An order that rests for days must not cost days of trades each minute."""
    await desk.place()
    await desk.manager.recover()
    desk.clock.pass_by(86_400)
    await desk.manager.resolve_open()
    desk.clock.pass_by(60)
    await desk.manager.resolve_open()
    seconds = [(at - START).total_seconds() for at in desk.swept]
    assert seconds == [-60, -360, 86_400 - 360]


async def test_a_quiet_order_needs_no_sweep(desk: AskedDesk) -> None:
    """Its look-up says all there is to say, and a sweep is the dearest question."""
    await desk.place()
    await desk.watch(70)
    assert not desk.swept


async def test_a_look_up_that_shows_more_than_is_known_brings_the_trades(
    desk: AskedDesk,
) -> None:
    """The message of the fill was dropped; the look-up has no trades in it."""
    made = await desk.place()
    desk.answers[made.venue_order_id] = LookedUp(
        found=LookupFound.LIVE, size_matched=Decimal(40)
    )
    desk.trades = (
        UserFill(
            trade_id="t1",
            order_id=made.venue_order_id,
            size=Decimal(40),
            price=Decimal("0.40"),
        ),
    )
    await desk.watch(2)
    assert desk.journal.order(made.order_id).filled == Decimal(40)
    assert len(desk.swept) == 1


async def test_a_settlement_nobody_told_us_of_is_found_within_two_minutes(
    desk: AskedDesk,
) -> None:
    """Shares that are there cannot be sold while we do not know it."""
    made = await desk.place()
    await desk.fill(made, "100", status=Settlement.MATCHED)
    fill = UserFill(
        trade_id="t1",
        order_id=made.venue_order_id,
        size=Decimal(100),
        price=Decimal("0.40"),
        status=Settlement.CONFIRMED,
    )
    desk.trades = (fill,)
    await desk.watch(59)
    assert not desk.swept
    await desk.watch(61)
    assert desk.journal.order(made.order_id).status is OrderStatus.CONFIRMED


async def test_a_sweep_reaches_back_to_what_is_not_answered(desk: AskedDesk) -> None:
    """A sweep that starts later could not prove that there was no trade."""
    await desk.place()
    await desk.manager.recover()
    desk.clock.pass_by(3600)
    made = await lost(desk, idempotency_key="k2")
    desk.clock.pass_by(1800)
    await desk.manager.resolve_due()
    await desk.manager.resolve_open()
    assert desk.swept[-1] == made.requested_at - timedelta(seconds=60)


# What is not wanted any more


async def test_an_order_that_is_too_old_is_cancelled_by_its_id(
    desk: AskedDesk,
) -> None:
    """Should it arrive after all, at a price of half a minute ago."""
    made = await lost(desk)
    desk.clock.pass_by(29)
    await desk.manager.resolve_open()
    assert not desk.venue.cancels
    await desk.watch(200)
    assert desk.venue.cancels == [made.venue_order_id]
    assert desk.journal.order(made.order_id).status is OrderStatus.FAILED


async def test_an_order_that_turns_up_after_its_time_is_cancelled(
    desk: AskedDesk,
) -> None:
    """The wish was recorded; that the venue shows the order late changes nothing."""
    made = await lost(desk)
    desk.clock.pass_by(31)
    await desk.watch(5)
    desk.answers[made.venue_order_id] = LIVE
    desk.cancelled = CancelAnswered(outcome=CancelOutcome.CANCELED)
    await desk.watch(20)
    assert desk.journal.order(made.order_id).status is OrderStatus.CANCELLED


async def test_a_cancel_whose_answer_was_lost_is_asked_again(desk: AskedDesk) -> None:
    """Whoever asked for it has gone on in the belief that it will go."""
    made = await desk.place()
    desk.cancelled = CancelAnswered(outcome=CancelOutcome.UNKNOWN)
    assert not (await desk.manager.cancel(made.order_id)).success
    desk.cancelled = CancelAnswered(outcome=CancelOutcome.CANCELED)
    await desk.watch(3)
    assert len(desk.venue.cancels) == 2
    assert desk.journal.order(made.order_id).status is OrderStatus.CANCELLED


async def test_a_refused_cancel_is_not_asked_again(desk: AskedDesk) -> None:
    """The venue has answered; asking on would be a loop."""
    made = await desk.place()
    await desk.manager.cancel(made.order_id)
    await desk.watch(100)
    assert len(desk.venue.cancels) == 1


# Settlement


async def test_a_trade_that_does_not_settle_is_raised_until_it_does(
    desk: AskedDesk,
) -> None:
    """A ghost fill looks like a position; a person must see that it is none yet."""
    made = await desk.place()
    await desk.fill(made, "100", status=Settlement.MATCHED)
    await desk.watch(299)
    assert not desk.journal.state.drifts
    await desk.watch(1)
    [opened] = [e for e in desk.log("reconciliation") if isinstance(e, DriftOpened)]
    assert opened.kind == "settlement_overdue"
    assert opened.subject == f"t1/{made.order_id}"
    assert opened.detail["since"] == START.isoformat()
    await desk.watch(60)
    assert len(desk.journal.state.drifts) == 1

    await desk.fill(made, "100", status=Settlement.CONFIRMED)
    await desk.watch(1)
    assert not desk.journal.state.drifts


async def test_the_age_of_a_trade_survives_a_restart(desk: AskedDesk) -> None:
    """A process that restarts every few minutes would never raise anything."""
    made = await desk.place()
    await desk.fill(made, "40", status=Settlement.MATCHED)
    await desk.watch(200)
    await desk.restart()
    await desk.watch(100)
    assert set(desk.journal.state.drifts) == {f"settlement_overdue:t1/{made.order_id}"}


async def test_a_young_trade_of_an_old_order_is_not_late(desk: AskedDesk) -> None:
    """An order may rest for days before it fills."""
    made = await desk.place()
    await desk.watch(400)
    await desk.fill(made, "40", status=Settlement.MATCHED)
    await desk.watch(299)
    assert not desk.journal.state.drifts
    await desk.watch(2)
    assert desk.journal.state.drifts


async def test_a_trade_that_failed_is_not_late_any_more(desk: AskedDesk) -> None:
    """FAILED is an end as well; the void says the rest."""
    made = await desk.place()
    await desk.fill(made, "100", status=Settlement.MATCHED)
    await desk.watch(301)
    assert desk.journal.state.drifts
    await desk.fill(made, "100", status=Settlement.FAILED)
    await desk.watch(1)
    assert not desk.journal.state.drifts


async def test_overdue_checks_can_be_counted(desk: AskedDesk) -> None:
    """A checker that stands still is what nobody notices by itself."""
    await desk.place()
    desk.clock.pass_by(30)
    assert desk.manager.overdue_checks(timedelta(seconds=30)) == 0
    assert desk.manager.overdue_checks(timedelta(seconds=28)) == 1
    await desk.manager.resolve_due()
    assert desk.manager.overdue_checks(timedelta(seconds=0)) == 0
