"""A cancel's answer has no sizes: what was matched before it must be asked for."""

import json
from pathlib import Path

from executors.exchange.faults import FaultRule
from ledger import events as ev
from ledger.values import OrderStatus
from tests.integration.failure_modes.bot import Bot, offers, seller, with_bot

NO_FRAMES = FaultRule(kind="drop", on="user")


def test_a_fill_before_a_cancel_counts_from_when_the_order_is_closed(
    tmp_path: Path,
) -> None:
    """For half a minute the shares would count neither as held nor as reserved."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        order = await bot.placed(size="20")
        await bot.at.clock.sleep(10)
        bot.at.app.plan.replace([NO_FRAMES])
        await offers(other)
        result = await bot.manager.cancel(order.order_id)
        assert result.success
        closed = bot.order(order)
        assert closed.status is OrderStatus.CANCELLED
        assert closed.filled == 10
        assert bot.holding().position.shares == 10
        kinds = [type(event) for event in bot.events(order)]
        assert kinds.index(ev.FillMatched) < kinds.index(ev.OrderCancelled)

    with_bot(story, tmp_path)


def test_a_cancel_stands_though_nobody_says_what_was_matched(tmp_path: Path) -> None:
    """The proof of the end does not wait for a list that is not answered."""

    async def story(bot: Bot) -> None:
        order = await bot.placed()
        bot.at.app.plan.replace([FaultRule(kind="request_lost", on="GET /data/*")])
        result = await bot.manager.cancel(order.order_id)
        assert result.success
        assert bot.order(order).status is OrderStatus.CANCELLED

    with_bot(story, tmp_path)


def test_an_end_that_tells_of_an_unheard_fill_is_followed_by_a_sweep(
    tmp_path: Path,
) -> None:
    """The frame closes the order; the frame of what it bought was dropped."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        order = await bot.placed(size="20")
        await bot.at.clock.sleep(10)
        bot.at.app.plan.replace([NO_FRAMES])
        await offers(other)
        frame = {
            "event_type": "order",
            "type": "CANCELLATION",
            "status": "CANCELED",
            "id": order.venue_order_id,
            "original_size": "20",
            "size_matched": "10",
        }
        bot.executor._feed.on_frame(json.dumps(frame))
        await bot.at.clock.sleep(3)
        assert bot.order(order).filled == 10
        assert bot.holding().position.shares == 10

    with_bot(story, tmp_path)
