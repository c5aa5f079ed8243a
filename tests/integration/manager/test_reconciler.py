"""Asking the venue what it has: what is recorded, raised and closed."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ledger import events as ev
from ledger.events import RECONCILIATION_STREAM, DriftClosed, DriftOpened, VenueObserved
from ledger.intent import UserFill
from ledger.manager import Reconciler
from ledger.values import Outcome, Settlement
from tests.integration.manager.desk import WitnessDesk, held, listed, stranger


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[WitnessDesk]:
    made = WitnessDesk(tmp_path)
    await made.open()
    yield made
    await made.kill()


def reconciler(desk: WitnessDesk, **options: Any) -> Reconciler:
    return Reconciler(desk.manager.desk, **({"grace_ms": 0} | options))


def topics(desk: WitnessDesk) -> list[str]:
    return [
        event.TOPIC.removesuffix(".v1") for event in desk.log(RECONCILIATION_STREAM)
    ]


def drifts(desk: WitnessDesk) -> set[str]:
    return set(desk.journal.state.drifts)


async def test_agreement_is_recorded_and_quiet(desk: WitnessDesk) -> None:
    """That the two sides agreed at 14:03 is worth knowing a month later."""
    order = await desk.place()
    await desk.fill(order, "30")
    desk.witness.orders = (listed(desk.journal.order(order.order_id)),)
    desk.witness.positions = (held("30"),)
    with capture_logs() as logs:
        result = await reconciler(desk).reconcile()
    assert result.is_clean
    assert (result.answered, result.mismatches) == (True, ())
    assert result.reconciled_at == desk.clock.at
    (seen,) = desk.log(RECONCILIATION_STREAM)
    assert seen == VenueObserved(
        at=desk.clock.at,
        actor="reconciler",
        source="lookup",
        as_of=desk.clock.at,
        complete=True,
        open_orders=desk.witness.orders,
        positions=desk.witness.positions,
        cash=Decimal("7"),
        grace_ms=0,
    )
    assert logs == []
    assert desk.metrics.counts["reconcile_mismatch_count"] == 0


async def test_a_mismatch_is_logged_counted_and_raised(desk: WitnessDesk) -> None:
    """A person must see it: in the log, on the dashboard, in the ledger."""
    order = await desk.place()
    desk.witness.positions = (held("5"),)
    with capture_logs() as logs:
        result = await reconciler(desk).reconcile()
    missing, position = result.mismatches
    assert not result.is_clean
    about = {"log_level": "warning", "event": "reconciliation_mismatch"}
    assert logs == [
        about
        | {
            "drift_id": f"order_missing:{order.venue_order_id}",
            "order_id": order.order_id,
            "field": "",
            "ledger": "PLACED",
            "venue": "",
        },
        about
        | {
            "drift_id": "position:0xmarket:YES",
            "settled": "0",
            "total": "0",
            "actual": "5",
            "difference": "5",
        },
    ]
    counts = desk.metrics.counts
    assert counts["reconcile_mismatch_count"] == 2
    assert counts["reconcile_mismatch_count{kind=order_missing}"] == 1
    assert counts["reconcile_mismatch_count{kind=position}"] == 1
    assert drifts(desk) == {missing.drift_id, position.drift_id}
    assert topics(desk) == ["venue.observed", "drift.opened", "drift.opened"]
    opened = desk.log(RECONCILIATION_STREAM)[2]
    assert isinstance(opened, DriftOpened)
    assert (opened.kind, opened.subject) == ("position", "0xmarket:YES")
    assert opened.detail["actual"] == "5"


async def test_a_drift_opens_once_and_closes_when_it_is_gone(desk: WitnessDesk) -> None:
    """A day of disagreement is one drift of a day's age, not a thousand."""
    desk.witness.orders = (stranger(),)
    for _ in range(3):
        assert len((await reconciler(desk).reconcile()).mismatches) == 1
    assert topics(desk).count("drift.opened") == 1
    assert desk.metrics.counts["reconcile_mismatch_count"] == 3
    desk.witness.orders = ()
    assert (await reconciler(desk).reconcile()).is_clean
    assert drifts(desk) == set()
    closed = desk.log(RECONCILIATION_STREAM)[-1]
    assert isinstance(closed, DriftClosed)
    assert closed.drift_id == "order_unexpected:0xstranger"
    assert (await reconciler(desk).reconcile()).is_clean
    assert topics(desk).count("drift.closed") == 1


async def test_a_drift_outlives_a_restart(desk: WitnessDesk) -> None:
    """Turning it off and on again explains nothing."""
    desk.witness.orders = (stranger(),)
    await reconciler(desk).reconcile()
    await desk.restart()
    await reconciler(desk).reconcile()
    assert topics(desk).count("drift.opened") == 1
    desk.witness.orders = ()
    await reconciler(desk).reconcile()
    assert drifts(desk) == set()


async def test_an_acknowledged_drift_is_not_raised_again(desk: WitnessDesk) -> None:
    """Somebody has seen it; it closes by itself when it is gone."""
    desk.witness.orders = (stranger(),)
    await reconciler(desk).reconcile()
    (drift_id,) = drifts(desk)
    seen = ev.DriftAcknowledged(at=desk.clock.at, drift_id=drift_id, note="mine")
    await desk.journal.append_to(RECONCILIATION_STREAM, seen)
    await reconciler(desk).reconcile()
    assert topics(desk).count("drift.opened") == 1
    assert desk.journal.state.drifts[drift_id].acknowledged
    desk.witness.orders = ()
    await reconciler(desk).reconcile()
    assert drifts(desk) == set()


@pytest.mark.parametrize("silent", ["orders", "positions"])
async def test_an_unanswered_question_changes_nothing(
    desk: WitnessDesk, silent: str
) -> None:
    """Silence is no word about anything: half an answer is not used either."""
    desk.witness.orders, desk.witness.positions = (stranger(),), (held("5"),)
    setattr(desk.witness, silent, None)
    head = desk.journal.store.head
    with capture_logs() as logs:
        result = await reconciler(desk).reconcile()
    assert (result.answered, result.is_clean, result.mismatches) == (False, False, ())
    assert desk.journal.store.head == head
    assert [log["event"] for log in logs] == ["reconciliation.unanswered"]
    assert desk.metrics.counts["reconcile_mismatch_count"] == 0


async def test_each_half_can_be_asked_alone(desk: WitnessDesk) -> None:
    """The two checks of the specification, at their own pace."""
    desk.witness.orders, desk.witness.positions = (stranger(),), (held("5"),)
    orders = await reconciler(desk).reconcile_orders()
    assert [m.drift_id for m in orders.mismatches] == ["order_unexpected:0xstranger"]
    positions = await reconciler(desk).reconcile_positions()
    assert [m.drift_id for m in positions.mismatches] == ["position:0xmarket:YES"]
    first, _, second, _ = desk.log(RECONCILIATION_STREAM)
    assert isinstance(first, VenueObserved)
    assert isinstance(second, VenueObserved)
    assert (first.positions, first.cash, second.open_orders) == (None, None, None)
    desk.witness.orders = desk.witness.positions = None
    assert not (await reconciler(desk).reconcile_orders()).answered
    assert not (await reconciler(desk).reconcile_positions()).answered
    assert len(drifts(desk)) == 2


async def test_an_answer_closes_only_what_was_asked(desk: WitnessDesk) -> None:
    """Orders that agree say nothing about positions."""
    desk.witness.orders, desk.witness.positions = (stranger(),), (held("5"),)
    await reconciler(desk).reconcile()
    desk.witness.orders = desk.witness.positions = ()
    await reconciler(desk).reconcile_orders()
    assert drifts(desk) == {"position:0xmarket:YES"}
    await reconciler(desk).reconcile_positions()
    assert drifts(desk) == set()


async def test_a_drift_of_another_kind_stays_open(desk: WitnessDesk) -> None:
    """An orphan fill is not explained by lists that agree."""
    orphan = UserFill(
        trade_id="t9", order_id="0xnobody", size=Decimal("5"), price=Decimal("0.5")
    )
    await desk.manager.on_fill(orphan)
    assert (await reconciler(desk).reconcile()).is_clean
    assert drifts(desk) == {"orphan_fill:t9/0xnobody"}


@pytest.mark.parametrize("half", ["orders_complete", "positions_complete"])
async def test_an_incomplete_answer_misses_nothing_and_closes_nothing(
    desk: WitnessDesk, half: str
) -> None:
    """A page that failed to load must neither raise an alarm nor end one."""
    order = await desk.place()
    await desk.fill(order, "30")
    setattr(desk.witness, half, False)
    result = await reconciler(desk).reconcile()
    assert result.mismatches == ()
    setattr(desk.witness, half, True)
    await reconciler(desk).reconcile()
    assert len(drifts(desk)) == 2
    setattr(desk.witness, half, False)
    desk.witness.orders = (listed(desk.journal.order(order.order_id)),)
    desk.witness.positions = (held("30"),)
    assert (await reconciler(desk).reconcile()).mismatches == ()
    assert len(drifts(desk)) == 2


async def test_a_young_order_is_given_time_to_be_listed(desk: WitnessDesk) -> None:
    """Five seconds, unless configured: the venue's list lags behind."""
    await desk.place()
    usual = Reconciler(desk.manager.desk)
    desk.clock.pass_by(4.999)
    assert (await usual.reconcile_orders()).is_clean
    desk.clock.pass_by(0.001)
    assert not (await usual.reconcile_orders()).is_clean


async def test_two_answers_are_as_old_as_the_older_one(desk: WitnessDesk) -> None:
    """The index of holdings lags: what came after it proves nothing yet."""
    await desk.place()
    desk.clock.pass_by(10)
    desk.witness.lag_seconds = 6
    usual = Reconciler(desk.manager.desk)
    assert (await usual.reconcile()).is_clean
    (seen,) = desk.log(RECONCILIATION_STREAM)
    assert isinstance(seen, VenueObserved)
    assert (seen.at - seen.as_of).total_seconds() == 6
    assert not (await usual.reconcile_orders()).is_clean


async def test_positions_agree_within_the_configured_tolerance(
    desk: WitnessDesk,
) -> None:
    """Between settled and total, a tolerance to each side."""
    order = await desk.place()
    await desk.fill(order, "30")
    await desk.fill(order, "10", "t2", Settlement.MATCHED)
    wide = reconciler(desk, position_tolerance=Decimal("2"))
    for size in ("28", "35", "42"):
        desk.witness.positions = (held(size),)
        assert (await wide.reconcile_positions()).is_clean, size
    desk.witness.positions = (held("42.01"),)
    assert not (await wide.reconcile_positions()).is_clean
    desk.witness.positions = (held("30"), held("0.01", Outcome.NO))
    assert (await reconciler(desk).reconcile_positions()).is_clean


async def test_an_order_that_diverges_is_one_drift(desk: WitnessDesk) -> None:
    """Two fields of one order are two lines in the log and one thing to look at."""
    order = await desk.place()
    desk.witness.orders = (
        listed(order, size=Decimal("90"), size_matched=Decimal("3")),
    )
    result = await reconciler(desk).reconcile_orders()
    assert len(result.mismatches) == 2
    assert drifts(desk) == {f"order_diverged:{order.venue_order_id}"}
    await desk.fill(order, "3")
    desk.witness.orders = (listed(desk.journal.order(order.order_id)),)
    await reconciler(desk).reconcile_orders()
    assert drifts(desk) == set()


async def test_a_list_that_was_read_while_something_happened_is_no_witness(
    desk: WitnessDesk,
) -> None:
    """An order that ends while the list is on its way differs from it for once."""
    order = await desk.place()
    desk.witness.positions = (held("100"),)
    ask = desk.witness.get_open_orders
    answers = []

    async def overtaken() -> Any:
        answers.append(await ask())
        if len(answers) == 1:
            await desk.fill(order, "100")
            desk.witness.orders = ()
        return answers[-1]

    desk.witness.orders = (listed(order),)
    desk.witness.get_open_orders = overtaken  # type: ignore[method-assign]
    result = await reconciler(desk).reconcile()
    assert len(answers) == 2
    assert result.is_clean
    assert topics(desk) == ["venue.observed"]


async def test_patience_lets_news_explain_a_difference(desk: WitnessDesk) -> None:
    """With a stream beside, what the list shows may be on its way to us."""
    order = await desk.place()
    desk.witness.orders = (listed(order, size_matched=Decimal(30)),)
    desk.witness.positions = (held("30"),)
    sleep = desk.clock.sleep

    async def news_comes(seconds: float) -> None:
        await sleep(seconds)
        await desk.fill(order, "30")

    desk.clock.sleep = news_comes  # type: ignore[method-assign]
    result = await reconciler(desk).reconcile(patience=0.5)
    assert result.is_clean
    assert desk.clock.slept == [0.5]
    assert topics(desk) == ["venue.observed"]
