"""What the stream did not tell: modes 9, 17, 23 and 25."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executors.exchange.faults import FaultRule
from executors.polymarket.frames import FRAMES, read_frames
from ledger import events as ev
from ledger.values import OrderStatus, Side
from tests.integration.failure_modes.bot import Bot, seller, with_bot

NO_FRAMES = FaultRule(kind="drop", on="user")


def test_mode_09_an_order_that_ended_unheard_is_found_by_the_timer(
    tmp_path: Path,
) -> None:
    """Without the one frame that said so, it stayed open for ever."""

    async def story(bot: Bot) -> None:
        order = await bot.placed()
        bot.at.app.exchange.wipe_orders()
        await bot.at.clock.sleep(120)
        assert bot.order(order).status is OrderStatus.CANCELLED
        (end,) = bot.events(order, ev.OrderCancelled)
        assert end.source == "lookup"
        assert bot.journal.state.reserved_cash == 0

    with_bot(story, tmp_path, faults=[NO_FRAMES])


@pytest.mark.parametrize("kind", ["request_lost", "answer_lost"])
def test_mode_09_a_cancel_that_was_never_answered_is_carried_out(
    kind: Any, tmp_path: Path
) -> None:
    """Asked once and forgotten, the order went on trading."""

    async def story(bot: Bot) -> None:
        order = await bot.placed()
        lost = FaultRule(kind=kind, on="DELETE /order", count=1)
        refused = FaultRule(kind="request_lost", on="GET /data/*", count=2)
        bot.at.app.plan.replace([lost, refused, NO_FRAMES])
        result = await bot.manager.cancel(order.order_id)
        assert result.error is not None
        assert result.error.code == "outcome_unknown"
        await bot.at.clock.sleep(60)
        assert bot.at.row(order.venue_order_id)["status"] == "CANCELED"
        assert bot.order(order).status is OrderStatus.CANCELLED

    with_bot(story, tmp_path)


def test_mode_17_orders_that_a_missed_heartbeat_cancelled_are_cancelled_here(
    tmp_path: Path,
) -> None:
    """The switch takes every order, and meanwhile nothing new may go out."""

    async def story(bot: Bot) -> None:
        orders = [await bot.placed() for _ in range(3)]
        await bot.at.clock.sleep(30)
        assert {bot.order(o).status for o in orders} == {OrderStatus.PLACED}
        lost = FaultRule(kind="request_lost", on="POST /v1/heartbeats")
        bot.at.app.plan.replace([lost])
        await bot.at.clock.sleep(14)
        posts = bot.wire.posts()
        refused = await bot.place()
        assert refused.error is not None
        assert refused.error.code == "not_ready"
        assert bot.wire.posts() == posts
        await bot.at.clock.sleep(30)
        for order in orders:
            assert bot.order(order).status is OrderStatus.CANCELLED
            (end, *_) = bot.events(order, ev.OrderCancelled)
            assert end.reason
        assert bot.journal.state.reserved_cash == 0
        bot.at.app.plan.replace([])
        await bot.at.clock.sleep(10)
        assert (await bot.place()).success

    with_bot(story, tmp_path, heartbeat=True)


def test_mode_17_orders_that_a_cut_over_wiped_are_not_missed_for_long(
    tmp_path: Path,
) -> None:
    """The venue may forget everything over night, while nobody listens."""

    async def story(bot: Bot) -> None:
        order = await bot.placed()
        await bot.kill()
        bot.at.app.exchange.wipe_orders()
        await bot.open()
        await bot.at.clock.sleep(1)
        assert bot.order(order).status is OrderStatus.CANCELLED
        assert not bot.manager.open_orders()

    with_bot(story, tmp_path)


def test_mode_23_a_cancel_that_is_not_found_is_not_an_end(tmp_path: Path) -> None:
    """The fill raced it: `already canceled or matched` may mean either."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        order = await bot.placed()
        bot.at.app.plan.replace([NO_FRAMES])
        await other.order(side=Side.SELL)
        result = await bot.manager.cancel(order.order_id)
        assert not result.success
        assert not bot.events(order, ev.OrderCancelled)
        await bot.at.clock.sleep(60)
        assert bot.order(order).status is OrderStatus.CONFIRMED
        assert bot.holding().position.shares == bot.shares_on_chain() == 10

    with_bot(story, tmp_path)


def test_mode_23_a_fill_that_comes_after_the_cancel_is_booked(tmp_path: Path) -> None:
    """The cancel took the rest only, and its answer has no sizes."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        order = await bot.placed(size="30")
        deaf = FaultRule(kind="request_lost", on="GET /data/*")
        bot.at.app.plan.replace([NO_FRAMES, deaf])
        await other.order(side=Side.SELL)
        result = await bot.manager.cancel(order.order_id)
        assert result.success
        assert bot.order(order).status is OrderStatus.CANCELLED
        assert bot.order(order).filled == 0
        bot.at.app.plan.replace([NO_FRAMES])
        await bot.at.clock.sleep(120)
        assert bot.order(order).status is OrderStatus.CANCELLED
        assert bot.order(order).filled == 10
        assert bot.order(order).is_closed
        assert bot.holding().position.shares == bot.shares_on_chain() == 10

    with_bot(story, tmp_path)


def test_mode_25_a_stream_that_has_died_silently_is_left_and_swept_over(
    tmp_path: Path,
) -> None:
    """Connected, and nothing comes: the fill happened minutes ago."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        order = await bot.placed()
        silence = FaultRule(kind="silence", on="user", seconds=10_000)
        bot.at.app.plan.replace([silence])
        await other.order(side=Side.SELL)
        await bot.at.clock.sleep(10)
        bot.at.app.plan.replace([])  # what is silent stays silent
        await bot.at.clock.sleep(50)
        gaps = [line.gap for line in read_frames(tmp_path / FRAMES) if line.gap]
        assert gaps == ["the stream starts", "connection lost: silence"]
        assert bot.executor.health()["stream_connected"]
        assert bot.order(order).status is OrderStatus.CONFIRMED
        assert {fill.source for fill in bot.events(order, ev.FillMatched)} == {"sweep"}
        later = await bot.placed()
        await other.order(side=Side.SELL, size=Decimal(10))
        await bot.at.clock.sleep(1)
        assert bot.order(later).filled == 10  # the new stream is heard

    # Neither the timer of sweeps nor the checks may help out.
    with_bot(story, tmp_path, sweep_interval_sec=10_000, has_timers=False)


def test_mode_25_a_stream_that_is_quiet_and_alive_is_kept(tmp_path: Path) -> None:
    """PONG answers PING: an hour without news is no reason to begin anew."""

    async def story(bot: Bot) -> None:
        await bot.at.clock.sleep(600)
        gaps = [line.gap for line in read_frames(tmp_path / FRAMES) if line.gap]
        assert gaps == ["the stream starts"]

    with_bot(story, tmp_path)
