"""An answer that is lost, late or says nothing: modes 1, 6, 7, 8, 18 and 19."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from executors.exchange.engine import ExchangeMarket, Mode
from executors.exchange.faults import FaultRule
from ledger import events as ev
from ledger.order import Order
from ledger.risk import RiskConfig, RiskLimits
from ledger.values import OrderStatus, Side
from tests.integration.failure_modes.bot import Bot, offers, play, seller, with_bot
from tests.integration.failure_modes.held_wire import HeldWire
from tests.integration.polymarket_live.in_loop import (
    CONDITION,
    MARKET,
    InLoopWallet,
    Scene,
)

NO_FRAMES = FaultRule(kind="drop", on="user")


async def insistent(bot: Bot, times: int = 3) -> list[Order]:
    """Ask for one and the same intent again and again, as a strategy would."""
    results = []
    for _ in range(times):
        result = await bot.place(idempotency_key="rebuy")
        assert result.order is not None
        results.append(result.order)
        await bot.at.clock.sleep(1)
    assert len({order.order_id for order in results}) == 1
    return results


@pytest.mark.parametrize("kind", ["answer_lost", "slow"])
def test_mode_01_a_post_that_times_out_and_fills_is_one_position(
    kind: Any, tmp_path: Path
) -> None:
    """A bot that signs each retry anew ends up with three times the shares."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        for _ in range(3):
            await offers(other)
        lost = FaultRule(kind=kind, on="POST /order", seconds=25, nth=(1,))
        bot.at.app.plan.replace([lost, NO_FRAMES])
        order, *_ = await insistent(bot)
        assert bot.events(order, ev.OrderOutcomeUnknown)
        await bot.at.clock.sleep(60)
        assert bot.at_venue() == [order.venue_order_id]
        assert bot.order(order).status is OrderStatus.CONFIRMED
        assert bot.shares_on_chain() == bot.holding().position.shares == 10

    with_bot(story, tmp_path)


def test_mode_01_a_post_that_never_arrives_goes_out_again_as_the_same_bytes(
    tmp_path: Path,
) -> None:
    """A second signature would be a second order, should the first arrive late."""

    async def story(bot: Bot) -> None:
        order, *_ = await insistent(bot)
        await bot.at.clock.sleep(30)
        first, second = (one.content for one in bot.wire.asked("POST", "/order"))
        assert first == second
        assert bot.events(order, ev.OrderReposted)
        assert bot.at_venue() == [order.venue_order_id]
        assert bot.order(order).status is OrderStatus.PLACED

    lost = FaultRule(kind="request_lost", on="POST /order", nth=(1,))
    with_bot(story, tmp_path, faults=[lost])


def test_mode_01_a_kill_before_the_answer_does_not_double_the_order(
    tmp_path: Path,
) -> None:
    """Whoever starts again finds the order by the id that was written first."""

    async def story(bot: Bot) -> None:
        bot.start(bot.place(idempotency_key="one"))
        await bot.at.clock.sleep(0.5)
        (known,) = bot.manager.open_orders()
        await bot.restart()
        again = await bot.place(idempotency_key="one")
        assert again.deduplicated
        assert bot.at_venue() == [known.venue_order_id]
        assert bot.order(known).status is OrderStatus.PLACED

    slow = FaultRule(kind="slow", on="POST /order", seconds=5)
    with_bot(story, tmp_path, faults=[slow])


def test_mode_01_a_post_that_arrives_minutes_late_is_taken_off_again(
    tmp_path: Path,
) -> None:
    """Given up as never placed, and then it rests at the venue after all."""

    async def story(bot: Bot) -> None:
        wire = bot.wire
        assert isinstance(wire, HeldWire)
        order = bot.order(await bot.place())
        await bot.at.clock.sleep(240)
        assert bot.order(order).is_never_placed
        assert bot.order(order).status is OrderStatus.FAILED
        wire.post_may_arrive.set()
        await bot.at.clock.sleep(1)
        assert bot.at_venue() == [order.venue_order_id]
        assert bot.order(order).status is OrderStatus.PLACED
        assert bot.journal.state.reserved_cash >= 5
        await bot.at.clock.sleep(90)
        assert bot.order(order).status is OrderStatus.CANCELLED
        assert bot.at.row(order.venue_order_id)["status"] == "CANCELED"

    async def told(at: Scene) -> None:
        bot = Bot(at, tmp_path)
        at.app.venue.accounts._tolerance = None
        bot.wire = wire = HeldWire(at)
        bot.wallet = InLoopWallet(bot.key, wire, at.clock)
        wire.cancel_may_arrive.set()
        await bot.open()
        try:
            await story(bot)
        finally:
            await bot.kill()

    play(told)


def slow_to_match(bot: Bot, delay_ms: int) -> None:
    """Hold every order that would match at once for so long."""
    bot.at.app.exchange.add_market(
        ExchangeMarket(
            condition_id=CONDITION,
            tokens=(MARKET.yes_token, MARKET.no_token),
            fee_rate=Decimal("0.05"),
            taker_delay_ms=delay_ms,
        )
    )


def test_mode_06_a_delayed_order_counts_in_full_until_it_has_ended(
    tmp_path: Path,
) -> None:
    """Taken for no fill, it was sold again, and then filled as well."""

    async def story(bot: Bot) -> None:
        slow_to_match(bot, 8_000)
        bot.at.give_shares(await bot.at.account(1), 10)
        await bot.own_shares("10")
        buyer = await bot.at.account(2)
        await buyer.order(price=Decimal("0.40"))
        order = await bot.placed(side="SELL", price="0.40")
        assert bot.order(order).is_delayed
        again = await bot.place(side="SELL", price="0.40")
        assert again.error is not None
        assert again.error.code == "settled_shares"
        refused = await bot.manager.cancel(order.order_id)
        assert refused.error is not None
        assert bot.order(order).status is OrderStatus.PLACED
        await bot.at.clock.sleep(40)
        assert bot.order(order).status is OrderStatus.CONFIRMED
        assert bot.shares_on_chain() == bot.holding().position.shares == 0
        assert bot.wire.posts() == 1

    with_bot(story, tmp_path)


@pytest.mark.parametrize("delay_ms", [800, 8_000])
def test_mode_06_a_delayed_order_that_then_finds_nothing_rests(
    delay_ms: int, tmp_path: Path
) -> None:
    """`unmatched`, without an id: it reads like a refusal, and the order is live."""

    async def story(bot: Bot) -> None:
        slow_to_match(bot, delay_ms)
        other = await seller(bot.at)
        offered = await offers(other)
        placing = bot.start(bot.place())
        await bot.at.clock.sleep(0.4)
        await other.executor.cancel(offered.venue_order_id)
        order = bot.order(await placing)
        await bot.at.clock.sleep(30)
        assert bot.order(order).status is OrderStatus.PLACED
        assert not bot.order(order).is_delayed
        assert bot.at.row(order.venue_order_id)["status"] == "LIVE"
        await other.order(side=Side.SELL)
        await bot.at.clock.sleep(30)
        assert bot.order(order).status is OrderStatus.CONFIRMED
        assert bot.wire.posts() == 1

    with_bot(story, tmp_path)


def says_live(request: httpx2.Request, answer: httpx2.Response) -> httpx2.Response:
    """Answer a post as if nothing had matched."""
    if (request.method, request.url.path) != ("POST", "/order"):
        return answer
    told: dict[str, Any] = answer.json()
    told |= {"status": "live", "makingAmount": "", "takingAmount": "", "tradeIDs": []}
    return httpx2.Response(200, json=told, request=request)


@pytest.mark.parametrize("kind", ["FAK", "FOK"])
def test_mode_07_the_answer_to_a_fak_is_not_its_end(kind: str, tmp_path: Path) -> None:
    """It said `live` with nothing matched, and filled a moment later."""

    async def story(bot: Bot) -> None:
        await offers(await seller(bot.at))
        bot.wire.alter = says_live
        order = await bot.placed(time_in_force=kind)
        assert order.status is OrderStatus.PLACED
        assert bot.journal.state.reserved_cash >= 5
        await bot.at.clock.sleep(60)
        assert bot.order(order).status is OrderStatus.CONFIRMED
        assert bot.order(order).filled == bot.shares_on_chain() == 10

    with_bot(story, tmp_path, faults=[NO_FRAMES], engine={"spend_all": False})


def test_mode_08_an_order_that_is_not_found_is_not_refused(tmp_path: Path) -> None:
    """The look-up shows active orders only: one that has filled is missing there."""

    async def story(bot: Bot) -> None:
        await offers(await seller(bot.at))
        hidden = FaultRule(kind="visible_after", on="POST /order", seconds=600)
        lost = FaultRule(kind="answer_lost", on="POST /order")
        bot.at.app.plan.replace([hidden, lost, NO_FRAMES])
        order = bot.order(await bot.place())
        assert order.is_outcome_unknown
        await bot.at.clock.sleep(60)
        found = await bot.executor.get_order(order.venue_order_id)
        assert str(found.found) == "none"
        assert bot.order(order).status is OrderStatus.CONFIRMED
        assert bot.wire.posts() == 1
        asked = {one.url.path for one in bot.wire.requests}
        assert f"/data/order/{order.venue_order_id}" in asked
        assert bot.wire.asked("GET", "/data/orders")[-1].url.params.get("id")

    with_bot(story, tmp_path)


def test_mode_08_an_order_that_is_nowhere_for_a_moment_stays_pending(
    tmp_path: Path,
) -> None:
    """Nobody shows it yet: that is not a refusal, and its money stays put aside."""

    async def story(bot: Bot) -> None:
        order = bot.order(await bot.place())
        await bot.at.clock.sleep(20)
        assert bot.order(order).status is OrderStatus.PENDING
        assert bot.journal.state.reserved_cash >= 5
        await bot.at.clock.sleep(60)
        assert bot.order(order).status is OrderStatus.CANCELLED
        assert bot.at_venue() == [order.venue_order_id]
        assert not bot.manager.open_orders()

    hidden = FaultRule(kind="visible_after", on="POST /order", seconds=40)
    lost = FaultRule(kind="answer_lost", on="POST /order")
    with_bot(story, tmp_path, faults=[hidden, lost, NO_FRAMES])


def test_mode_18_a_restart_of_the_engine_pauses_posts_and_nothing_else(
    tmp_path: Path,
) -> None:
    """425 and then post-only: who goes on posting is refused for minutes."""

    async def story(bot: Bot) -> None:
        resting = await bot.placed()
        restart = FaultRule(
            kind="restart", on="POST /order", nth=(1,), seconds=4, post_only_seconds=120
        )
        bot.at.app.plan.replace([restart])
        waiting = bot.start(bot.place(post_only=True))
        await bot.at.clock.sleep(1)
        posts = bot.wire.posts()
        others = [bot.start(bot.place()) for _ in range(5)]
        await bot.at.clock.sleep(1)
        assert bot.wire.posts() == posts  # the window is known: nobody knocks
        assert (await waiting).success  # post-only goes as soon as it may
        cancelled = await bot.manager.cancel(resting.order_id)
        assert cancelled.success
        refused = await asyncio.gather(*others)
        assert {r.error.code for r in refused if r.error} == {"post_only_mode"}
        assert {bot.order(r).status for r in refused} == {OrderStatus.REJECTED}
        await bot.at.clock.sleep(120)
        assert (await bot.place()).success

    with_bot(story, tmp_path)


def test_mode_18_a_cancel_that_falls_into_the_restart_is_carried_out_after_it(
    tmp_path: Path,
) -> None:
    """Refused with 425, the wish must not be forgotten."""

    async def story(bot: Bot) -> None:
        order = await bot.placed()
        now_ms = bot.at.app.venue.now_ms()
        bot.at.app.exchange.set_mode(Mode("restarting", now_ms + 20_000))
        result = await bot.manager.cancel(order.order_id)
        assert result.error is not None
        assert result.error.code == "outcome_unknown"
        assert bot.order(order).status is OrderStatus.PLACED
        await bot.at.clock.sleep(90)
        assert bot.order(order).status is OrderStatus.CANCELLED
        assert bot.at.row(order.venue_order_id)["status"] == "CANCELED"

    with_bot(story, tmp_path)


@pytest.mark.parametrize("mode", ["cancel_only", "disabled"])
def test_mode_18_while_the_venue_takes_no_orders_none_is_recorded(
    mode: Any, tmp_path: Path
) -> None:
    """One is refused to learn it; the next would only add noise."""

    async def story(bot: Bot) -> None:
        order = await bot.placed()
        bot.at.app.exchange.set_mode(Mode(mode, None))
        first = await bot.place()
        assert bot.order(first).status is OrderStatus.REJECTED
        refused = await bot.place()
        assert refused.error is not None
        assert refused.error.code == "not_ready"
        cancelled = await bot.manager.cancel(order.order_id)
        assert cancelled.success is (mode == "cancel_only")
        bot.at.app.exchange.set_mode(Mode("normal", None))
        await bot.at.clock.sleep(60)
        assert bot.order(order).status is OrderStatus.CANCELLED
        assert (await bot.place()).success

    with_bot(story, tmp_path)


def test_mode_19_an_overloaded_venue_is_asked_and_not_posted_to_again(
    tmp_path: Path,
) -> None:
    """`could not run the execution` on most posts: some were accepted all the same."""

    async def story(bot: Bot) -> None:
        orders = [bot.order(await bot.place()) for _ in range(20)]
        assert bot.at.app.plan.fired["error_after_accept"] > 3
        assert bot.at.app.plan.fired["refused"] > 3
        unknown = [o for o in orders if bot.events(o, ev.OrderOutcomeUnknown)]
        assert len(unknown) > 6
        bot.at.app.plan.replace([])
        await bot.at.clock.sleep(60)
        names = {order.venue_order_id for order in orders}
        assert set(bot.at_venue()) == names
        assert {bot.order(order).status for order in orders} == {OrderStatus.PLACED}

    after = FaultRule(kind="error_after_accept", on="POST /order", probability=0.4)
    before = FaultRule(
        kind="refused",
        on="POST /order",
        probability=0.4,
        text="could not run the execution",
    )
    with_bot(story, tmp_path, faults=[after, before, NO_FRAMES])


def test_mode_19_orders_that_never_arrive_open_the_circuit_breaker(
    tmp_path: Path,
) -> None:
    """On a bad day the next order will fare no better."""

    async def story(bot: Bot) -> None:
        for _ in range(2):
            assert not (await bot.place()).success
        await bot.at.clock.sleep(240)
        refused = await bot.place()
        assert refused.error is not None
        assert refused.error.code == "circuit_breaker_failures"
        assert not bot.at_venue()
        assert bot.journal.state.reserved_cash == 0

    lost = FaultRule(kind="request_lost", on="POST /order")
    risk = RiskConfig(account=RiskLimits(max_consecutive_failures=2))
    with_bot(story, tmp_path, faults=[lost], risk=risk)
