"""A trade that cannot be read must not hold back all that can."""

import json
from pathlib import Path
from typing import Any

import httpx2

from executors.exchange.faults import FaultRule
from ledger.values import OrderStatus
from tests.integration.failure_modes.bot import Bot, with_bot

STRANGER = "0x" + "9" * 64
LOST = FaultRule(kind="request_lost", on="POST /order")


def trade(order_id: str) -> dict[str, Any]:
    """A trade with a status of tomorrow."""
    return {
        "id": "t1",
        "status": "SOMEWHERE",
        "trader_side": "TAKER",
        "taker_order_id": order_id,
        "maker_orders": [],
    }


def lists_also(bot: Bot, row: dict[str, Any]) -> None:
    """Have the venue list one more trade from now on."""

    def alter(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
        if request.url.path != "/data/trades" or answer.status_code != 200:
            return answer
        body = json.loads(answer.content)
        body["data"] = [row, *body["data"]]
        return httpx2.Response(200, json=body, request=request)

    bot.wire.alter = alter


def test_an_unreadable_trade_of_another_order_leaves_no_outcome_unknown(
    tmp_path: Path,
) -> None:
    """One odd row would hold the cash of every lost order for ever."""

    async def story(bot: Bot) -> None:
        lists_also(bot, trade(STRANGER))
        order = await bot.place()
        await bot.at.clock.sleep(180)
        assert bot.order(order).status is OrderStatus.FAILED
        assert bot.journal.state.reserved_cash == 0

    with_bot(story, tmp_path, faults=[LOST])


def test_an_unreadable_trade_of_an_order_keeps_its_outcome_unknown(
    tmp_path: Path,
) -> None:
    """It is a word from the venue, whatever it says."""

    async def story(bot: Bot) -> None:
        order = bot.order(await bot.place())
        lists_also(bot, trade(order.venue_order_id))
        await bot.at.clock.sleep(180)
        assert bot.order(order).is_outcome_unknown
        assert bot.journal.state.reserved_cash > 0

    with_bot(story, tmp_path, faults=[LOST])


def test_an_unreadable_trade_is_not_asked_for_in_a_circle(tmp_path: Path) -> None:
    """A request every two seconds for a day would fill the disk and the limits."""

    async def story(bot: Bot) -> None:
        lists_also(bot, trade(STRANGER))
        before = len(bot.wire.asked("GET", "/data/trades"))
        await bot.at.clock.sleep(600)
        assert len(bot.wire.asked("GET", "/data/trades")) - before < 40
        assert bot.executor.health()["quarantined"] == 1
        assert len((tmp_path / "quarantine.jsonl").read_text().splitlines()) == 1

    with_bot(story, tmp_path)
