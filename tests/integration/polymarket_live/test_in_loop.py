"""The live executor against the local exchange: one protocol, two implementations."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executors.exchange.faults import FaultRule
from executors.polymarket.frames import FRAMES, read_frames
from ledger.decide import (
    CancelOutcome,
    LookupFound,
    OrderEnded,
    PostAnswered,
    PostOutcome,
)
from ledger.errors import VenueRejectedError
from ledger.intent import UserFill
from ledger.values import EndReason, Outcome, Role, Settlement, Side, TimeInForce
from tests.integration.polymarket_live.in_loop import (
    MARKET,
    Account,
    Scene,
    scene,
    wanted,
)
from tests.tools.simloop import LoopClock, simulate


def play(
    story: Callable[[Scene], Awaitable[None]],
    *faults: FaultRule,
    seed: int = 1,
    **engine: Any,
) -> None:
    """Run a story at an exchange, in virtual time."""

    async def main(clock: LoopClock) -> None:
        async with scene(clock, faults, **engine) as built:
            await story(built)

    simulate(seed, main)


def fills(account: Account, order_id: str) -> list[UserFill]:
    """What the account was told of one order's trades."""
    return [
        fact.fact
        for fact in account.facts
        if isinstance(fact.fact, UserFill) and fact.fact.order_id == order_id
    ]


def test_an_order_rests_is_seen_everywhere_and_is_cancelled() -> None:
    """Post, list, look-up, stream and cancel speak of one id."""

    async def story(at: Scene) -> None:
        one = await at.account(1)
        prepared, answer = await one.order()
        assert answer.outcome is PostOutcome.LIVE
        name = prepared.venue_order_id
        (listed,) = (await one.executor.get_open_orders()).orders
        assert (listed.venue_order_id, listed.size) == (name, Decimal(10))
        assert (await one.executor.get_order(name)).found is LookupFound.LIVE
        assert (await one.executor.cancel(name)).outcome is CancelOutcome.CANCELED
        found = await one.executor.get_order(name)
        assert found.found is LookupFound.CANCELED
        again = await one.executor.cancel(name)
        assert again.outcome is CancelOutcome.NOT_CANCELED
        await at.clock.sleep(1)
        told = [fact.fact for fact in one.facts if fact.venue_order_id == name]
        assert PostAnswered(outcome=PostOutcome.LIVE) in told
        assert any(isinstance(fact, OrderEnded) for fact in told)

    play(story)


def test_a_match_settles_for_taker_and_maker_with_the_takers_fee() -> None:
    """Both sides hear their own price, role and settlement."""

    async def story(at: Scene) -> None:
        maker, taker = await at.account(1), await at.account(2)
        at.give_shares(maker, 100)
        resting, _ = await maker.order(side=Side.SELL, price=Decimal("0.48"))
        taking, answer = await taker.order(price=Decimal("0.50"))
        assert answer.outcome is PostOutcome.MATCHED
        await at.clock.sleep(30)
        ours = fills(taker, taking.venue_order_id)
        assert [one.status for one in ours[:3]] == [
            Settlement.MATCHED,
            Settlement.MINED,
            Settlement.CONFIRMED,
        ]
        assert {(one.price, one.size, one.role) for one in ours} == {
            (Decimal("0.48"), Decimal(10), Role.TAKER)
        }
        assert {one.fee for one in ours} == {Decimal("0.1248")}
        theirs = fills(maker, resting.venue_order_id)
        assert {(one.price, one.size, one.role, one.fee) for one in theirs} == {
            (Decimal("0.48"), Decimal(10), Role.MAKER, Decimal(0))
        }
        trades = await taker.executor.get_trades(at.clock.now() - timedelta(hours=1))
        assert trades.complete
        assert trades.fills[0] == ours[-1]
        held = await taker.executor.get_positions()
        assert held.cash == Decimal(1000) - Decimal("4.8") - Decimal("0.1248")
        (position,) = held.positions
        assert (position.outcome, position.size) == (Outcome.YES, Decimal(10))

    play(story)


def test_a_maker_filled_through_the_other_token_hears_its_own_side() -> None:
    """A BUY of NO mints against our BUY of YES."""

    async def story(at: Scene) -> None:
        maker, taker = await at.account(1), await at.account(2)
        resting, _ = await maker.order(price=Decimal("0.60"))
        await taker.order(outcome=Outcome.NO, price=Decimal("0.45"))
        await at.clock.sleep(1)
        (fill, *_) = fills(maker, resting.venue_order_id)
        assert (fill.price, fill.size, fill.role) == (
            Decimal("0.6"),
            Decimal(10),
            Role.MAKER,
        )

    play(story)


@pytest.mark.parametrize("kind", [TimeInForce.FOK, TimeInForce.FAK])
def test_an_order_that_finds_nothing_is_killed(kind: TimeInForce) -> None:
    """A normal end, by answer and by stream."""

    async def story(at: Scene) -> None:
        one = await at.account(1)
        prepared, answer = await one.order(time_in_force=kind)
        assert answer.outcome is PostOutcome.KILLED
        await at.clock.sleep(1)
        ends = [fact.fact for fact in one.facts if isinstance(fact.fact, OrderEnded)]
        assert all(end.reason is EndReason.KILLED for end in ends)
        found = await one.executor.get_order(prepared.venue_order_id)
        assert found.found in {LookupFound.CANCELED, LookupFound.NONE}

    play(story)


def test_orders_of_one_moment_share_a_request() -> None:
    """32 intents, three requests, 32 orders."""

    async def story(at: Scene) -> None:
        one = await at.account(1, posts_at_once=1)
        orders = [
            await one.executor.prepare(wanted(order_id=str(n))) for n in range(32)
        ]
        answers = await asyncio.gather(*map(one.executor.submit, orders))
        assert {answer.outcome for answer in answers} == {PostOutcome.LIVE}
        assert len((await one.executor.get_open_orders()).orders) == 32
        assert at.app.venue.calls["POST /orders"] == 3

    play(story)


def test_a_lost_answer_is_unknown_and_the_look_up_finds_the_order() -> None:
    """The money is at work; the second post is refused as a duplicate."""

    async def story(at: Scene) -> None:
        one = await at.account(1)
        prepared, answer = await one.order()
        assert answer.outcome is PostOutcome.UNKNOWN
        found = await one.executor.get_order(prepared.venue_order_id)
        assert found.found is LookupFound.LIVE
        again = await one.executor.submit(prepared)
        assert (again.outcome, again.code) == (PostOutcome.UNKNOWN, "duplicated")
        assert len((await one.executor.get_open_orders()).orders) == 1

    play(story, FaultRule(kind="answer_lost", on="POST /order", nth=(1,)))


def test_a_lost_request_is_unknown_and_the_same_bytes_place_it_once() -> None:
    """Whatever was lost, the id stays the order's name."""

    async def story(at: Scene) -> None:
        one = await at.account(1)
        prepared, answer = await one.order()
        assert answer.outcome is PostOutcome.UNKNOWN
        found = await one.executor.get_order(prepared.venue_order_id)
        assert found.found is LookupFound.NONE
        assert (await one.executor.submit(prepared)).outcome is PostOutcome.LIVE

    play(story, FaultRule(kind="request_lost", on="POST /order", nth=(1,)))


def test_a_restart_holds_posts_back_until_it_is_over() -> None:
    """425, then post-only, then everything."""

    async def story(at: Scene) -> None:
        one = await at.account(1)
        prepared, answer = await one.order()
        assert (answer.outcome, answer.code) == (
            PostOutcome.NOT_PROCESSED,
            "restarting",
        )
        await at.clock.sleep(answer.retry_after_ms / 1000 + 3)
        answer = await one.executor.submit(prepared)
        assert answer.code == "post_only_mode"
        maker = await one.executor.prepare(wanted(post_only=True))
        assert (await one.executor.submit(maker)).outcome is PostOutcome.LIVE
        await at.clock.sleep(answer.retry_after_ms / 1000 + 1)
        assert (await one.executor.submit(prepared)).outcome is PostOutcome.LIVE

    rule = FaultRule(
        kind="restart", on="POST /order", nth=(1,), seconds=2, post_only_seconds=20
    )
    play(story, rule)


def test_what_the_stream_loses_comes_from_the_sweep() -> None:
    """Every frame dropped, and still every fill is heard, up to its end."""

    async def story(at: Scene) -> None:
        maker, taker = await at.account(1), await at.account(2)
        at.give_shares(maker, 100)
        resting, _ = await maker.order(side=Side.SELL)
        taking, _ = await taker.order()
        await at.clock.sleep(120)
        for account, prepared in ((maker, resting), (taker, taking)):
            heard = fills(account, prepared.venue_order_id)
            assert heard[-1].status is Settlement.CONFIRMED
            sources = {fact.source for fact in account.facts}
            assert sources <= {"sweep", "post"}

    play(story, FaultRule(kind="drop", on="user", probability=1.0))


def test_a_cut_stream_leaves_a_gap_in_the_frames_and_is_swept_over(
    tmp_path: Path,
) -> None:
    """The gap is on disk, between the frames it separates."""

    async def story(at: Scene) -> None:
        one = await at.account(1, data=tmp_path)
        for _ in range(4):
            await one.order()
            await at.clock.sleep(5)
        stored = read_frames(tmp_path / FRAMES)
        gaps = [line.gap for line in stored if line.gap]
        assert gaps[0] == "the stream starts"
        assert len(gaps) == 2
        assert one.executor.health()["stream_connected"]
        assert all(one.executor._frames._secret not in line.text for line in stored)
        live = {fact.venue_order_id for fact in one.facts}
        assert len(live) == 4

    play(story, FaultRule(kind="disconnect", on="user", nth=(2,)))


def test_the_dead_man_switch_is_fed() -> None:
    """Orders survive a minute of heartbeats, and not the silence after."""

    async def story(at: Scene) -> None:
        one = await at.account(1, heartbeat=True)
        await one.order()
        await at.clock.sleep(60)
        assert len((await one.executor.get_open_orders()).orders) == 1
        assert one.executor.unavailable() == ""

    play(story)


def test_a_wrong_host_of_the_clock_refuses_the_start() -> None:
    """A machine whose clock is minutes off cannot sign requests."""

    async def story(at: Scene) -> None:
        at.app.venue.present.offset_ms = 300_000
        with pytest.raises(VenueRejectedError, match="behind"):
            await at.account(1)

    play(story)


def test_holdings_name_the_market_after_its_own_order() -> None:
    """Shares that were there before the ledger are seen too."""

    async def story(at: Scene) -> None:
        one = await at.account(1)
        at.give_shares(one, 7)
        (position,) = (await one.executor.get_positions()).positions
        assert (position.market_id, position.outcome) == (
            MARKET.market_id,
            Outcome.YES,
        )
        assert position.size == 7

    play(story)


def test_orders_of_protocol_1_trade_where_it_is_still_spoken() -> None:
    """Another struct is signed, and everything around it stays."""

    async def story(at: Scene) -> None:
        maker, taker = await at.account(1), await at.account(2)
        at.give_shares(maker, 100)
        await maker.order(side=Side.SELL, price=Decimal("0.48"))
        taking, answer = await taker.order(size=Decimal(5))
        assert answer.outcome is PostOutcome.MATCHED
        assert '"nonce":"0"' in taking.signed_order
        await at.clock.sleep(30)
        ours = fills(taker, taking.venue_order_id)
        assert ours[-1].status is Settlement.CONFIRMED

    play(story, protocol="v1")
