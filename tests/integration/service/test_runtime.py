"""The running ledger: it follows, checks, compares, tells, and says when it cannot."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from ledger.errors import OutcomeUnknownError, StoreFailedError
from ledger.intent import OrderIntent, UserFill
from ledger.order import Order
from ledger.values import OrderStatus, Settlement, TradingMode
from ledger.venue import VenueFact
from service.bootstrap import open_ledger
from service.runtime import Intervals, Runtime
from tests.integration.service.real_venue import RealVenue, live_settings
from tests.integration.service.test_bootstrap import MARKET
from tests.tools.simloop import LoopClock, simulate


class Plant:
    """A running ledger in virtual time, and the venue behind it."""

    def __init__(self, clock: LoopClock, venue: RealVenue, runtime: Runtime) -> None:
        self.clock = clock
        self.venue = venue
        self.runtime = runtime
        self.opened = runtime.opened

    async def place(self, key: str = "k") -> Order:
        fields: dict[str, Any] = {
            "strategy": "s",
            "idempotency_key": key,
            "market_id": "0xm",
            "outcome": "YES",
            "side": "BUY",
            "size": "20",
            "price": "0.40",
            "post_only": True,
        }
        result = await self.opened.manager.place(OrderIntent.parse(fields))
        assert result.order is not None, result
        return result.order

    def order(self, order: Order) -> Order:
        return self.opened.journal.order(order.order_id)

    def fill(self, order: Order, trade: str = "t1") -> VenueFact:
        fill = UserFill(
            trade_id=trade,
            order_id=order.venue_order_id,
            size=Decimal(20),
            price=Decimal("0.40"),
            status=Settlement.CONFIRMED,
        )
        return VenueFact(venue_order_id=order.venue_order_id, fact=fill)


def run(
    data: Path,
    story: Callable[[Plant], Awaitable[None]],
    *,
    settings: Settings | None = None,
    intervals: Intervals | None = None,
    before: Callable[[RealVenue], None] = lambda _: None,
    seed: int = 1,
) -> RealVenue:
    """Open, start, live through a story, stop; the venue as it was left."""

    async def main(clock: LoopClock) -> RealVenue:
        venue = RealVenue(clock)
        before(venue)
        opened = await open_ledger(
            settings or live_settings(),
            data,
            clock=clock,
            clock_us=lambda: int(clock.now().timestamp() * 1_000_000),
            threaded=False,
            executor_of=venue.of,
        )
        await opened.manager.account.list_market(MARKET)
        runtime = Runtime(opened, intervals=intervals, threaded=False)
        await runtime.start()
        try:
            await story(Plant(clock, venue, runtime))
        finally:
            await runtime.stop()
        return venue

    return simulate(seed, main)


def test_what_the_venue_says_is_recorded(tmp_path: Path) -> None:
    """A fill that is not booked is a position that nobody knows."""

    async def story(plant: Plant) -> None:
        order = await plant.place()
        plant.venue.said.put_nowait(plant.fill(order))
        await plant.clock.sleep(0.1)
        assert plant.order(order).status is OrderStatus.CONFIRMED

    run(tmp_path, story)


def test_an_unknown_outcome_is_resolved_without_being_asked_to(tmp_path: Path) -> None:
    """Money is held back until somebody looks; that somebody is the runtime."""

    async def story(plant: Plant) -> None:
        plant.venue.is_losing_answers = True
        order = await plant.place()
        assert plant.order(order).status is OrderStatus.PENDING
        await plant.clock.sleep(4)
        assert plant.order(order).status is OrderStatus.PLACED

    assert run(tmp_path, story).steps.count("post") == 1


def test_the_venue_is_compared_on_a_timer(tmp_path: Path) -> None:
    """Differences are to be found by the ledger, not by the customer."""

    async def story(plant: Plant) -> None:
        await plant.clock.sleep(0.1)
        before = plant.venue.steps.count("positions")
        await plant.clock.sleep(180)
        assert plant.venue.steps.count("positions") - before == 3
        health = plant.runtime.health()
        assert health["reconciled"]["answered"]
        assert health["reconciled"]["found"] == 0

    run(tmp_path, story)


def test_intents_wait_for_the_first_comparison(tmp_path: Path) -> None:
    """A venue that was silent at the start is asked again soon."""

    def silence(venue: RealVenue) -> None:
        # The wallet is known from an earlier start; now nobody answers.
        venue.is_silent = True

    async def nothing(_: Plant) -> None:
        return

    async def story(plant: Plant) -> None:
        await plant.clock.sleep(1)
        assert "has not said yet" in plant.runtime.refusal()
        assert plant.runtime.health()["status"] == "degraded"
        plant.venue.is_silent = False
        await plant.clock.sleep(11)
        assert plant.runtime.refusal() == ""

    run(tmp_path, nothing)
    run(tmp_path, story, before=silence)


def test_listeners_are_told_every_position_once_and_in_order(tmp_path: Path) -> None:
    """The event stream resumes by position: a gap would be an event nobody sees."""
    told: list[tuple[int, str]] = []

    async def story(plant: Plant) -> None:
        first = plant.opened.store.head + 1

        def listen(positions: range, topics: Sequence[str]) -> None:
            told.extend(zip(positions, topics, strict=True))

        end = plant.runtime.on_events(listen)
        orders = [await plant.place(f"k{n}") for n in range(5)]
        for order in orders:
            plant.venue.said.put_nowait(plant.fill(order, f"t{order.order_id}"))
        await plant.clock.sleep(1)
        stored = plant.opened.store.read(after=first - 1)
        assert told == [(r.position, r.event.TOPIC) for r in stored]
        assert len(told) > 20
        end()
        await plant.place("k9")
        await plant.clock.sleep(1)
        assert told[-1][0] < plant.opened.store.head

    for seed in range(5):
        told.clear()
        run(tmp_path / str(seed), story, seed=seed)


def test_a_listener_that_fails_harms_nobody_else(tmp_path: Path) -> None:
    """A page with a defect must not stop the ledger, or the other pages."""
    told: list[range] = []

    def broken(_positions: range, _topics: Sequence[str]) -> None:
        raise RuntimeError("broken")

    async def story(plant: Plant) -> None:
        plant.runtime.on_events(broken)
        plant.runtime.on_events(lambda positions, _: told.append(positions))
        order = await plant.place()
        await plant.clock.sleep(0.1)
        assert plant.order(order).status is OrderStatus.PLACED
        assert told
        assert plant.runtime.health()["status"] == "ok"

    run(tmp_path, story)


def test_the_read_models_keep_up(tmp_path: Path) -> None:
    """The pages read them, and a fresh order should be there."""

    async def story(plant: Plant) -> None:
        order = await plant.place()
        await plant.clock.sleep(1)
        rows = plant.runtime.models.query("orders", {"order_id": order.order_id})
        assert [row["status"] for row in rows] == ["PLACED"]
        assert plant.runtime.health()["read_models"]["lag"] == 0

    run(tmp_path, story)


def test_a_task_that_dies_halts_the_ledger_and_says_so(tmp_path: Path) -> None:
    """From then on nobody asks about what is open: no new orders, loudly."""

    async def story(plant: Plant) -> None:
        async def dies() -> int:
            raise ZeroDivisionError("on purpose")

        plant.opened.manager.resolve_due = dies  # type: ignore[method-assign]
        reason = await plant.runtime.wait_failed()
        assert reason == "checks: ZeroDivisionError: on purpose"
        assert plant.opened.journal.state.mode is TradingMode.HALTED
        health = plant.runtime.health()
        assert health["status"] == "failed"
        assert health["tasks"]["checks"]["error"] == "ZeroDivisionError: on purpose"
        assert health["tasks"]["facts"]["state"] == "running"

    run(tmp_path, story)


def test_a_stream_of_facts_that_ends_is_a_failure(tmp_path: Path) -> None:
    """Silence looks exactly like a quiet market."""

    async def story(plant: Plant) -> None:
        plant.venue.said.put_nowait(None)
        assert await plant.runtime.wait_failed() == "facts: ended by itself"

    run(tmp_path, story)


def test_a_fact_that_cannot_be_recorded_halts_and_the_next_one_counts(
    tmp_path: Path,
) -> None:
    """One strange message must neither be traded on nor hide all others."""

    async def story(plant: Plant) -> None:
        order = await plant.place()
        apply = plant.opened.manager.apply

        async def stumbles(seen: VenueFact) -> Order | None:
            if isinstance(seen.fact, UserFill) and seen.fact.trade_id == "bad":
                raise ValueError("strange")
            return await apply(seen)

        plant.opened.manager.apply = stumbles
        plant.venue.said.put_nowait(plant.fill(order, "bad"))
        plant.venue.said.put_nowait(plant.fill(order, "good"))
        await plant.clock.sleep(0.1)
        assert plant.order(order).status is OrderStatus.CONFIRMED
        assert plant.opened.journal.state.mode is TradingMode.HALTED

    run(tmp_path, story)


def test_a_silent_venue_ends_no_task(tmp_path: Path) -> None:
    """Its silence is what the checks are for."""

    async def story(plant: Plant) -> None:
        await plant.place()
        plant.venue.is_silent = True
        await plant.clock.sleep(300)
        assert plant.runtime.health()["status"] == "ok"
        assert plant.runtime.health()["reconciled"]["answered"] is False
        assert plant.runtime.health()["overdue_checks"] == 0

    run(tmp_path, story)


def test_an_almost_full_disk_halts(tmp_path: Path) -> None:
    """The last megabytes belong to what became of the orders that are out."""

    async def story(plant: Plant) -> None:
        await plant.clock.sleep(1)
        assert plant.opened.journal.state.mode is TradingMode.HALTED
        assert "MB of disk" in plant.runtime.refusal()

    full = live_settings().model_copy(
        update={
            "store": live_settings().store.model_copy(
                update={"min_free_mb_halt": 10**9}
            )
        }
    )
    run(tmp_path, story, settings=full)


def test_a_log_that_takes_no_more_refuses_intents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written down must not be done."""

    async def story(plant: Plant) -> None:
        def fails(_: object) -> None:
            raise StoreFailedError("disk on fire")

        monkeypatch.setattr(plant.opened.store, "append", fails)
        with pytest.raises(StoreFailedError):
            await plant.place()
        assert "disk on fire" in plant.runtime.refusal()
        assert plant.runtime.health()["status"] == "failed"
        assert not plant.venue.orders

    run(tmp_path, story)


def test_stopping_takes_no_more_and_can_cancel_everything(tmp_path: Path) -> None:
    """A clean end leaves either all orders as they are or none."""

    async def story(plant: Plant) -> None:
        await plant.place("k1")
        await plant.place("k2")
        assert len(plant.venue.orders) == 2
        await plant.runtime.stop(cancel_all=True)
        assert "stopping" in plant.runtime.refusal()
        assert not plant.venue.orders

    # The second stop, of the frame around the story, has nothing left to do.
    run(tmp_path, story)


def test_a_restart_finds_everything(tmp_path: Path) -> None:
    """The runtime keeps nothing of its own."""
    placed: list[Order] = []

    async def first(plant: Plant) -> None:
        placed.append(await plant.place())

    async def second(plant: Plant) -> None:
        assert plant.order(placed[0]).status is OrderStatus.PLACED
        assert plant.runtime.health()["orders"]["open"] == 1

    venue = run(tmp_path, first)
    orders = venue.orders
    run(tmp_path, second, before=lambda v: v.orders.update(orders))


def test_a_paper_venue_runs_the_same_way(tmp_path: Path) -> None:
    """Practice that runs differently is no practice."""

    async def main(clock: LoopClock) -> None:
        opened = await open_ledger(
            Settings(),
            tmp_path,
            clock=clock,
            clock_us=lambda: int(clock.now().timestamp() * 1_000_000),
            threaded=False,
        )
        runtime = Runtime(opened, threaded=False)
        await runtime.start()
        await clock.sleep(70)
        health = runtime.health()
        assert (health["status"], health["paper_trading"]) == ("ok", True)
        assert health["venue"] == {}
        await runtime.stop()

    simulate(1, main)


def test_a_lost_answer_at_the_first_start_is_no_guess(tmp_path: Path) -> None:
    """Nothing is known of the wallet yet, so nothing may be assumed of it."""

    def silence(venue: RealVenue) -> None:
        venue.is_silent = True

    async def story(_: Plant) -> None:
        raise AssertionError("must not start")

    with pytest.raises(OutcomeUnknownError):
        run(tmp_path, story, before=silence)
