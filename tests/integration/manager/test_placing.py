"""Placing through the manager: once per key, durable first, classified."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from ledger import events as ev
from ledger.decide import PostAnswered, PostOutcome
from ledger.errors import PreparationError, VenueRejectedError
from ledger.intent import UserFill
from ledger.manager import ManagerConfig
from ledger.risk import RiskConfig, RiskLimits
from ledger.values import OrderStatus, Settlement
from ledger.venue import PlacementRequest, PreparedOrder
from tests.integration.manager.scripted import Desk, intent, settle_down

LIVE = PostAnswered(outcome=PostOutcome.LIVE)
REFUSED = PostAnswered(outcome=PostOutcome.REFUSED, code="balance", text="no cash")
LATER = PostAnswered(outcome=PostOutcome.NOT_PROCESSED, code="restarting", text="425")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.open()
    yield made
    await made.kill()


def topics(desk: Desk, order_id: str) -> list[str]:
    stored = desk.journal.store.read_stream(ev.order_stream(order_id))
    return [s.event.TOPIC for s in stored]


class TestOnce:
    async def test_concurrent_calls_with_one_key_make_one_order(
        self, desk: Desk
    ) -> None:
        """A strategy that retries while the first call is out must not buy twice."""
        calls = [desk.start(desk.manager.place(intent())) for _ in range(10)]
        await settle_down()
        assert len(desk.venue.posts) == 1
        desk.venue.post_answers.put(LIVE)
        results = await asyncio.gather(*calls)
        assert {r.order.order_id for r in results if r.order} == {
            results[0].order.order_id if results[0].order else None
        }
        assert sorted(r.deduplicated for r in results) == [False] + [True] * 9
        assert len(desk.venue.posts) == 1

    async def test_concurrent_calls_with_other_content_conflict(
        self, desk: Desk
    ) -> None:
        """The second meaning of a key is never silently dropped."""
        first = desk.start(desk.manager.place(intent()))
        second = desk.start(desk.manager.place(intent(size="7")))
        desk.venue.post_answers.put(LIVE)
        assert (await first).success
        error = (await second).error
        assert error is not None
        assert (error.code, error.field) == ("idempotency_conflict", "idempotency_key")

    async def test_two_strategies_may_use_the_same_key(self, desk: Desk) -> None:
        """Keys belong to a strategy, not to the ledger."""
        for strategy in ("s1", "s2"):
            desk.venue.post_answers.put(LIVE)
            result = await desk.manager.place(intent(strategy=strategy))
            assert result.success
            assert not result.deduplicated
        assert len(desk.venue.posts) == 2

    async def test_a_refused_intent_stays_refused(self, desk: Desk) -> None:
        """A key names one decision; asking again is not a way around it."""
        desk.venue.post_answers.put(REFUSED)
        first = await desk.manager.place(intent())
        again = await desk.manager.place(intent())
        assert first.error == again.error
        assert again.deduplicated
        assert len(desk.venue.posts) == 1

    async def test_bad_input_does_not_use_the_key_up(self, desk: Desk) -> None:
        """Nothing was recorded, so the corrected intent may keep its key."""
        before = desk.journal.store.head
        wrong = await desk.manager.place(intent(price="0.405"))
        assert wrong.error is not None
        assert wrong.error.code == "invalid_price"
        assert desk.journal.store.head == before
        desk.venue.post_answers.put(LIVE)
        assert (await desk.manager.place(intent())).success

    async def test_a_key_is_remembered_after_a_restart(self, desk: Desk) -> None:
        """Five minutes or five years later, the answer is the stored one."""
        desk.venue.post_answers.put(LIVE)
        first = await desk.manager.place(intent())
        manager = await desk.restart()
        again = await manager.place(intent())
        assert again.deduplicated
        assert again.order == first.order
        assert len(desk.venue.posts) == 1


class TestInput:
    @pytest.mark.parametrize(
        ("changes", "code", "field"),
        [
            ({"market_id": "0xnowhere"}, "unknown_market", "market_id"),
            ({"price": "0.123"}, "invalid_price", "price"),
            (
                {"time_in_force": "GTD", "expires_at": "2020-01-01T00:00:00Z"},
                "expired",
                "expires_at",
            ),
        ],
    )
    async def test_what_only_the_ledger_can_check_names_the_field(
        self, desk: Desk, changes: dict[str, object], code: str, field: str
    ) -> None:
        """Nothing is recorded, and the caller knows what to correct."""
        before = desk.journal.store.head
        result = await desk.manager.place(intent(**changes))
        assert result.error is not None
        assert (result.error.code, result.error.field) == (code, field)
        assert desk.journal.store.head == before
        assert not desk.venue.posts

    async def test_an_unknown_strategy_is_refused_by_name(self, tmp_path: Path) -> None:
        """A typo in a bot's configuration must not trade under a new name."""
        desk = Desk(tmp_path, config=ManagerConfig(strategies=frozenset({"s1"})))
        await desk.open()
        result = await desk.manager.place(intent(strategy="s2"))
        assert result.error is not None
        assert (result.error.code, result.error.field) == (
            "unknown_strategy",
            "strategy",
        )
        await desk.kill()


class TestRefusal:
    async def test_risk_leaves_the_evidence_in_the_log(self, desk: Desk) -> None:
        """A refusal that nobody can explain later is worth little."""
        result = await desk.manager.place(intent(size="100000000"))
        assert result.order is not None
        assert result.order.status is OrderStatus.REJECTED
        refused = desk.journal.store.read_stream(
            ev.order_stream(result.order.order_id)
        )[1].event
        assert isinstance(refused, ev.OrderRefused)
        assert refused.by == "risk"
        assert refused.evidence == {"limit": "1000000", "value": "40000000"}
        assert not desk.venue.posts

    async def test_slippage_refuses_with_the_effective_price(self, desk: Desk) -> None:
        """Asks start at 0.40: a buyer at 0.35 would pay 1429 bps more."""
        result = await desk.manager.place(intent(price="0.35"))
        assert result.error is not None
        assert result.error.code == "slippage"
        assert "1428.57 bps" in result.error.text

    async def test_post_only_is_not_checked_for_slippage(self, desk: Desk) -> None:
        """It takes nothing, so the book's other side does not matter."""
        desk.venue.post_answers.put(LIVE)
        assert (await desk.manager.place(intent(price="0.35", post_only=True))).success

    @pytest.mark.parametrize(
        ("error", "by"),
        [
            (VenueRejectedError("min size", code="min_size"), "venue"),
            (PreparationError("the key is locked"), "preparation"),
        ],
    )
    async def test_a_failed_preparation_sends_nothing(
        self, desk: Desk, error: Exception, by: str
    ) -> None:
        """Signing can fail; that is a refusal, and the order never existed."""

        async def prepare(request: PlacementRequest) -> PreparedOrder:
            raise error

        desk.venue.prepare = prepare  # type: ignore[method-assign]
        result = await desk.manager.place(intent())
        assert result.order is not None
        assert result.order.refusal is not None
        assert result.order.refusal.by == by
        assert not desk.venue.posts

    async def test_a_capped_order_keeps_the_intent_as_received(
        self, tmp_path: Path
    ) -> None:
        """What was asked and what was sent are both in the log."""
        risk = RiskConfig(
            account=RiskLimits(max_order_size=Decimal("12.345")), resize=True
        )
        desk = Desk(tmp_path, risk=risk)
        await desk.open()
        desk.venue.post_answers.put(LIVE)
        order = (await desk.manager.place(intent())).order
        assert order is not None
        assert (order.requested_size, order.size) == (Decimal("100"), Decimal("12.34"))
        assert topics(desk, order.order_id)[:3] == [
            "order.requested.v1",
            "order.resized.v1",
            "order.prepared.v1",
        ]
        await desk.kill()


class TestDurableFirst:
    async def test_nothing_is_posted_before_the_order_is_on_disk(
        self, desk: Desk
    ) -> None:
        """A crash after the post must find the order in the log."""
        seen: list[int] = []

        async def submit(prepared: PreparedOrder) -> PostAnswered:
            seen.append(desk.journal.store.head)
            stored = desk.journal.store.find_by_venue_id(prepared.venue_order_id)
            assert stored is not None
            return LIVE

        desk.venue.submit = submit  # type: ignore[method-assign]
        before = desk.journal.store.head
        await desk.manager.place(intent())
        assert seen == [before + 2]

    async def test_an_answer_is_given_after_its_event_is_on_disk(
        self, desk: Desk
    ) -> None:
        """What a caller was told must be there after a power cut."""
        desk.venue.post_answers.put(LIVE)
        before = desk.journal.store.head
        await desk.manager.place(intent())
        assert desk.journal.store.head == before + 3


class TestRetries:
    async def test_only_the_same_bytes_are_posted_again(self, desk: Desk) -> None:
        """A re-signed order has another id and could fill as well."""
        for answer in (LATER, LATER, LIVE):
            desk.venue.post_answers.put(answer)
        result = await desk.manager.place(intent())
        assert result.success
        assert len(desk.venue.posts) == 3
        assert len(set(desk.venue.posts)) == 1

    async def test_the_wait_doubles_and_has_jitter(self, desk: Desk) -> None:
        """Many strategies must not knock again at the same moment."""
        for answer in (LATER, LATER, LATER, LIVE):
            desk.venue.post_answers.put(answer)
        await desk.manager.place(intent())
        bounds = [(0.1, 0.2), (0.2, 0.3), (0.4, 0.5)]
        for slept, (low, high) in zip(desk.clock.slept, bounds, strict=True):
            assert low <= slept <= high

    async def test_the_venue_says_how_long_to_wait(self, desk: Desk) -> None:
        """Knocking before Retry-After only earns the next refusal."""
        for answer in (
            PostAnswered(outcome=PostOutcome.NOT_PROCESSED, retry_after_ms=5000),
            LIVE,
        ):
            desk.venue.post_answers.put(answer)
        await desk.manager.place(intent())
        assert desk.clock.slept[0] >= 5

    async def test_after_the_last_attempt_the_order_is_rejected(
        self, desk: Desk
    ) -> None:
        """Every attempt was proven not to be processed."""
        for _ in range(4):
            desk.venue.post_answers.put(LATER)
        result = await desk.manager.place(intent())
        assert result.order is not None
        assert result.order.status is OrderStatus.REJECTED
        assert len(desk.venue.posts) == 4

    async def test_an_old_intent_is_not_posted_again(self, desk: Desk) -> None:
        """A price of half a minute ago is not what the strategy wants now."""
        desk.venue.post_answers.put(
            PostAnswered(outcome=PostOutcome.NOT_PROCESSED, retry_after_ms=31_000)
        )
        result = await desk.manager.place(intent())
        assert result.order is not None
        assert result.order.status is OrderStatus.REJECTED
        assert len(desk.venue.posts) == 1

    async def test_an_unknown_outcome_is_never_retried(self, desk: Desk) -> None:
        """It may have filled; only a look-up may tell."""
        desk.venue.post_answers.put(PostAnswered(outcome=PostOutcome.UNKNOWN))
        result = await desk.manager.place(intent())
        assert result.order is not None
        assert result.order.status is OrderStatus.PENDING
        assert result.error is not None
        assert result.error.code == "outcome_unknown"
        assert len(desk.venue.posts) == 1

    async def test_silence_is_an_unknown_outcome(self, tmp_path: Path) -> None:
        """A timeout is not a rejection, and its cash stays reserved."""
        desk = Desk(tmp_path, config=ManagerConfig(order_timeout_ms=20))
        await desk.open()
        result = await desk.manager.place(intent())
        assert result.order is not None
        assert result.order.is_outcome_unknown
        assert desk.journal.state.reserved_cash > 0
        await desk.kill()


class TestBreaker:
    async def test_rejects_in_a_row_stop_placing(self, tmp_path: Path) -> None:
        """A bot that is refused again and again is told to stop."""
        risk = RiskConfig(account=RiskLimits(max_consecutive_rejects=2))
        desk = Desk(tmp_path, risk=risk)
        await desk.open()
        for number in range(2):
            desk.venue.post_answers.put(REFUSED)
            await desk.manager.place(intent(idempotency_key=f"k{number}"))
        result = await desk.manager.place(intent(idempotency_key="k9"))
        assert result.error is not None
        assert result.error.code == "circuit_breaker_rejects"
        assert len(desk.venue.posts) == 2
        await desk.kill()

    async def test_the_row_is_counted_across_a_restart(self, tmp_path: Path) -> None:
        """Restarting a bot is not a way around the breaker."""
        risk = RiskConfig(account=RiskLimits(max_consecutive_failures=1))
        desk = Desk(tmp_path, risk=risk)
        await desk.open()
        desk.venue.post_answers.put(PostAnswered(outcome=PostOutcome.UNKNOWN))
        await desk.manager.place(intent())
        manager = await desk.restart()
        result = await manager.place(intent(idempotency_key="k2"))
        assert result.error is not None
        assert result.error.code == "circuit_breaker_failures"
        await desk.kill()


class TestFills:
    async def test_an_orphan_fill_is_a_discrepancy(self, desk: Desk) -> None:
        """Somebody trades on our account: that must be seen, once."""
        stray = UserFill(
            trade_id="t9", order_id="0xstray", size=Decimal(5), price=Decimal("0.4")
        )
        assert await desk.manager.on_fill(stray) is None
        head = desk.journal.store.head
        assert "orphan_fill:t9/0xstray" in desk.journal.state.drifts
        assert await desk.manager.on_fill(stray) is None
        assert desk.journal.store.head == head

    async def test_a_fill_after_the_end_books(self, desk: Desk) -> None:
        """Nothing is absorbing for money, not even an order long closed."""
        desk.venue.post_answers.put(REFUSED)
        order = (await desk.manager.place(intent())).order
        assert order is not None
        manager = await desk.restart()
        fill = UserFill(
            trade_id="t1",
            order_id=order.venue_order_id,
            size=Decimal(100),
            price=Decimal("0.40"),
            status=Settlement.CONFIRMED,
        )
        after = await manager.on_fill(fill)
        assert after is not None
        assert after.status is OrderStatus.CONFIRMED

    async def test_witnesses_that_disagree_are_reported(self, desk: Desk) -> None:
        """The first word is booked; the contradiction is not swallowed."""
        desk.venue.post_answers.put(LIVE)
        order = (await desk.manager.place(intent())).order
        assert order is not None
        for size in ("10", "11"):
            await desk.manager.on_fill(
                UserFill(
                    trade_id="t1",
                    order_id=order.venue_order_id,
                    size=Decimal(size),
                    price=Decimal("0.40"),
                )
            )
        known = desk.journal.order(order.order_id)
        assert known.filled == 10
        assert f"trade_conflict:t1/{order.order_id}" in desk.journal.state.drifts
