"""The paper venue behind the interface that every venue has."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from executors.paper import (
    Fault,
    FaultPlan,
    FaultPoint,
    PaperConfig,
    PaperExecutor,
    random_faults,
)
from ledger.book import OrderBook
from ledger.decide import CancelOutcome, LookupFound, PostOutcome
from ledger.errors import OutcomeUnknownError, VenueRejectedError
from ledger.intent import UserFill
from ledger.values import (
    EndReason,
    OrderStatus,
    Outcome,
    Settlement,
    Side,
    TimeInForce,
)
from ledger.venue import ExecutorInterface, VenueFact
from tests.integration.paper.kit import MARKET, START, HandClock, Orders, request

BUY, SELL = Side.BUY, Side.SELL


def d(text: str) -> Decimal:
    return Decimal(text)


def show(executor: PaperExecutor, bid: str = "0.38", ask: str = "0.40") -> None:
    book = OrderBook("111", bids=[(d(bid), d("50"))], asks=[(d(ask), d("50"))])
    executor.on_book("111", book, MARKET)


def make(
    clock: HandClock, faults: FaultPlan | None = None, **config: object
) -> PaperExecutor:
    settings = PaperConfig(**config)  # type: ignore[arg-type]
    if faults is None:
        executor = PaperExecutor(settings, clock)
    else:
        executor = PaperExecutor(settings, clock, faults=faults)
    show(executor)
    return executor


def always(point: FaultPoint, fault: Fault) -> FaultPlan:
    """Hit every request of one kind."""
    return lambda at, _name, _rng: fault if at is point else Fault.NONE


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


class TestPlacing:
    async def test_what_is_prepared_is_exact_and_complete(
        self, clock: HandClock
    ) -> None:
        """After a crash the stored text is all there is to post."""
        executor: ExecutorInterface = make(clock)
        made = await executor.prepare(request(BUY, "0.40", "12.345"))
        assert (made.size, made.maker_amount, made.taker_amount) == (
            d("12.34"),
            4_936_000,
            12_340_000,
        )
        text = msgspec.json.decode(made.signed_order)
        assert (text["size"], text["price"], text["maker_amount"]) == (
            "12.34",
            "0.40",
            4_936_000,
        )
        again = await executor.prepare(request(BUY, "0.40", "12.345"))
        assert again == made

    async def test_a_broken_rule_is_refused_before_anything_is_sent(
        self, clock: HandClock
    ) -> None:
        """The text carries the id that the venue would name."""
        executor = make(clock)
        with pytest.raises(VenueRejectedError, match="order 0x") as caught:
            await executor.prepare(request(BUY, "0.405", "10"))
        assert caught.value.code == "tick_size"

    async def test_an_order_runs_from_intent_to_confirmed(
        self, clock: HandClock
    ) -> None:
        """The whole life, with the facts read before the answer."""
        executor, orders = make(clock), Orders()
        asked = request(BUY, "0.40", "10")
        made = await executor.prepare(asked)
        orders.prepared(asked, made)
        answer = await executor.submit(made)
        orders.learn(executor.take_facts())  # a fill may outrun the answer
        orders.answered(made, answer)
        [order] = orders.all()
        assert (order.status, order.filled, order.fees) == (
            OrderStatus.MATCHED,
            d("10"),
            d("0.168"),
        )
        for seconds, status in ((2, OrderStatus.MINED), (3, OrderStatus.CONFIRMED)):
            clock.wait(seconds)
            executor.advance()
            orders.learn(executor.take_facts())
            assert orders.all()[0].status is status
        holdings = await executor.get_positions()
        assert (holdings.cash, holdings.positions[0].size) == (d("995.832"), d("10"))

    @pytest.mark.parametrize(
        ("tif", "size", "status"),
        [
            (TimeInForce.FOK, "60", OrderStatus.CANCELLED),
            (TimeInForce.FAK, "60", OrderStatus.CANCELLED),
            (TimeInForce.GTC, "60", OrderStatus.PARTIAL_FILL),
            (TimeInForce.FOK, "50", OrderStatus.MATCHED),
        ],
    )
    async def test_the_ledger_reads_each_time_in_force_alike(
        self, clock: HandClock, tif: TimeInForce, size: str, status: OrderStatus
    ) -> None:
        """Answer and facts in either order lead to the same status."""
        for facts_first in (True, False):
            executor, orders = make(clock), Orders()
            asked = request(BUY, "0.40", size, tif)
            made = await executor.prepare(asked)
            orders.prepared(asked, made)
            answer = await executor.submit(made)
            if facts_first:
                orders.learn(executor.take_facts())
            orders.answered(made, answer)
            orders.learn(executor.take_facts())
            assert orders.all()[0].status is status

    async def test_every_void_fill_fails_the_order(self, clock: HandClock) -> None:
        """Matched, and yet nothing was bought."""
        executor, orders = make(clock, failure_rate=d("1")), Orders()
        asked = request(BUY, "0.40", "10")
        made = await executor.prepare(asked)
        orders.prepared(asked, made)
        orders.answered(made, await executor.submit(made))
        clock.wait(60)
        executor.advance()
        orders.learn(executor.take_facts())
        assert orders.all()[0].status is OrderStatus.FAILED
        assert (await executor.get_positions()).cash == d("1000")

    async def test_the_book_may_move_while_the_order_travels(
        self, clock: HandClock
    ) -> None:
        """Latency is where paper profits usually come from."""
        executor = make(clock, submit_latency_ms=50)
        made = await executor.prepare(request(BUY, "0.40", "10"))
        posting = asyncio.create_task(executor.submit(made))
        await asyncio.sleep(0)
        show(executor, ask="0.45")
        assert (await posting).outcome is PostOutcome.LIVE
        assert clock.slept == [0.05]

    async def test_no_latency_means_no_sleep(self, clock: HandClock) -> None:
        """A deterministic driver must not be left waiting."""
        executor = make(clock)
        made = await executor.prepare(request(BUY, "0.39", "10"))
        await executor.submit(made)
        await executor.cancel(made.venue_order_id)
        assert clock.slept == []

    async def test_text_that_is_no_order_is_refused(self, clock: HandClock) -> None:
        """Stored text may be damaged; posting it must not raise."""
        executor = make(clock)
        made = await executor.prepare(request(BUY, "0.39", "10"))
        answer = await executor.submit(replace(made, signed_order='{"a":1}'))
        assert (answer.outcome, answer.text) == (
            PostOutcome.REFUSED,
            "Invalid order payload",
        )

    async def test_gtd_is_ended_by_the_clock(self, clock: HandClock) -> None:
        """A minute early, as at the venue."""
        executor = make(clock)
        expires = START + timedelta(seconds=180)
        asked = request(BUY, "0.39", "10", TimeInForce.GTD, expires_at=expires)
        made = await executor.prepare(asked)
        await executor.submit(made)
        clock.wait(119)
        assert len((await executor.get_open_orders()).orders) == 1
        clock.wait(1)
        assert (await executor.get_open_orders()).orders == ()
        found = await executor.get_order(made.venue_order_id)
        assert (found.found, found.reason) == (LookupFound.CANCELED, EndReason.EXPIRED)


class TestReading:
    async def test_an_open_order_is_listed_and_cancelled(
        self, clock: HandClock
    ) -> None:
        """Place, look, cancel: the three things every bot does."""
        executor = make(clock)
        made = await executor.prepare(request(BUY, "0.39", "10"))
        assert (await executor.submit(made)).outcome is PostOutcome.LIVE
        [listed] = (await executor.get_open_orders()).orders
        assert (listed.venue_order_id, listed.size) == (made.venue_order_id, d("10"))
        answer = await executor.cancel(made.venue_order_id)
        assert answer.outcome is CancelOutcome.CANCELED
        assert (await executor.get_open_orders()).orders == ()
        again = await executor.cancel(made.venue_order_id)
        assert again.outcome is CancelOutcome.NOT_CANCELED

    async def test_trades_are_swept_in_their_present_state(
        self, clock: HandClock
    ) -> None:
        """A sweep after a lost stream must tell all of it."""
        executor = make(clock)
        made, _ = await executor.place_order(request(BUY, "0.40", "10"))
        clock.wait(5)
        swept = await executor.get_trades(START)
        [fill] = swept.fills
        assert (fill.order_id, fill.status) == (
            made.venue_order_id,
            Settlement.CONFIRMED,
        )
        assert swept.as_of == clock.now()
        assert (
            await executor.get_trades(clock.now() + timedelta(seconds=1))
        ).fills == ()

    async def test_the_stream_settles_trades_by_itself(self, clock: HandClock) -> None:
        """With live books nobody calls `advance`; time must pass all the same."""
        executor = make(clock)
        await executor.place_order(request(BUY, "0.40", "10"))
        seen = await _first(executor.facts(), 3)
        assert isinstance(seen[0].fact, UserFill)
        assert [fact.source for fact in seen] == ["paper"] * 3
        assert clock.monotonic() == 5.0

    async def test_the_stream_wakes_for_what_happens_meanwhile(
        self, clock: HandClock
    ) -> None:
        """It sleeps without a deadline while nothing is due."""
        executor = make(clock, mined_delay_ms=10, confirmed_delay_ms=10)
        reading = asyncio.create_task(_first(executor.facts(), 2))
        await asyncio.sleep(0)
        await executor.place_order(request(BUY, "0.40", "10"))
        assert len(await reading) == 2

    async def test_the_stream_keeps_what_happens_while_it_is_read(
        self, clock: HandClock
    ) -> None:
        """A reader may place an order in the middle of a fact."""
        executor = make(clock, mined_delay_ms=90_000, confirmed_delay_ms=90_000)
        await executor.place_order(request(BUY, "0.40", "10"))
        facts = executor.facts()
        await anext(facts)
        await executor.place_order(request(BUY, "0.40", "10", order_id="order-2"))
        assert isinstance((await anext(facts)).fact, UserFill)
        assert clock.slept == []

    async def test_closing_ends_the_stream(self, clock: HandClock) -> None:
        """A service that shuts down waits for its readers."""
        executor = make(clock)
        reading = asyncio.create_task(_first(executor.facts(), 1))
        await asyncio.sleep(0)
        await executor.close()
        assert await reading == []

    async def test_pairs_are_split_merged_and_redeemed(self, clock: HandClock) -> None:
        """What both example strategies end with."""
        executor = make(clock)
        await executor.split(MARKET, d("100"))
        await executor.merge(MARKET, d("40"))
        executor.on_resolved(MARKET, {Outcome.YES: d("1"), Outcome.NO: d("0")})
        await executor.redeem(MARKET, Outcome.YES, d("60"))
        holdings = await executor.get_positions()
        assert holdings.cash == d("1000")
        assert [(p.outcome, p.size) for p in holdings.positions] == [
            (Outcome.NO, d("60"))
        ]

    async def test_market_events_reach_the_venue(self, clock: HandClock) -> None:
        """Prints fill, ticks change the grid, gaps stop the trading."""
        executor = make(clock)
        await executor.place_order(request(BUY, "0.39", "10"))
        executor.on_trade("111", price=d("0.38"), size=d("10"), side=SELL)
        assert len(executor.take_facts()) == 1
        executor.on_tick(replace(MARKET, tick_size=d("0.1")))
        made = await executor.prepare(request(BUY, "0.39", "10", order_id="order-2"))
        assert (await executor.submit(made)).code == "tick_size"
        executor.on_gap(MARKET.market_id)
        assert (await executor.submit(made)).code == "not_ready"


class TestFaults:
    async def test_a_lost_answer_leaves_an_order_behind(self, clock: HandClock) -> None:
        """The timeout that filled: unknown to the caller, plain to a look-up."""
        executor = make(clock, always(FaultPoint.SUBMIT, Fault.LOST_ANSWER))
        made, answer = await executor.place_order(request(BUY, "0.40", "10"))
        assert answer.outcome is PostOutcome.UNKNOWN
        found = await executor.get_order(made.venue_order_id)
        assert (found.found, found.size_matched) == (LookupFound.MATCHED, d("10"))

    async def test_a_lost_request_leaves_nothing(self, clock: HandClock) -> None:
        """The same to the caller, and the opposite at the venue."""
        executor = make(clock, always(FaultPoint.SUBMIT, Fault.LOST_REQUEST))
        made, answer = await executor.place_order(request(BUY, "0.40", "10"))
        assert answer.outcome is PostOutcome.UNKNOWN
        found = await executor.get_order(made.venue_order_id)
        assert found.found is LookupFound.NONE
        assert executor.take_facts() == []

    async def test_a_refused_post_may_be_posted_again(self, clock: HandClock) -> None:
        """The venue restarts; the same bytes go through a moment later."""
        faults = iter([Fault.REFUSED, Fault.NONE])
        executor = make(clock, lambda _at, _name, _rng: next(faults))
        made, answer = await executor.place_order(request(BUY, "0.40", "10"))
        assert (answer.outcome, answer.text) == (
            PostOutcome.NOT_PROCESSED,
            "service not ready",
        )
        assert (await executor.submit(made)).outcome is PostOutcome.MATCHED

    @pytest.mark.parametrize(
        ("fault", "outcome", "is_open"),
        [
            (Fault.LOST_REQUEST, CancelOutcome.UNKNOWN, True),
            (Fault.LOST_ANSWER, CancelOutcome.UNKNOWN, False),
            (Fault.REFUSED, CancelOutcome.NOT_CANCELED, True),
        ],
    )
    async def test_cancels_get_lost_as_well(
        self, clock: HandClock, fault: Fault, outcome: CancelOutcome, is_open: bool
    ) -> None:
        """The order may work on after a cancel that nobody answered."""
        executor = make(clock, always(FaultPoint.CANCEL, fault))
        made, _ = await executor.place_order(request(BUY, "0.39", "10"))
        answer = await executor.cancel_order(made.venue_order_id)
        assert answer.outcome is outcome
        assert bool((await executor.get_open_orders()).orders) is is_open

    async def test_a_lost_look_up_proves_nothing(self, clock: HandClock) -> None:
        """It raises; an empty answer would be read as absence."""
        executor = make(clock, always(FaultPoint.LOOKUP, Fault.LOST_ANSWER))
        with pytest.raises(OutcomeUnknownError):
            await executor.get_order("0xany")

    async def test_random_faults_follow_the_seed(self, clock: HandClock) -> None:
        """A failing run must be repeatable to be examined."""

        async def outcomes(seed: int) -> list[PostOutcome]:
            plan = random_faults(
                lost_request=d("0.2"), lost_answer=d("0.2"), refused=d("0.2")
            )
            executor = make(clock, plan, seed=seed)
            found = []
            for number in range(60):
                asked = request(BUY, "0.10", "10", order_id=f"order-{number}")
                _, answer = await executor.place_order(asked)
                found.append(answer.outcome)
            return found

        first = await outcomes(1)
        assert first == await outcomes(1)
        assert first != await outcomes(2)
        assert set(first) == {
            PostOutcome.LIVE,
            PostOutcome.UNKNOWN,
            PostOutcome.NOT_PROCESSED,
        }


async def _first(facts: AsyncIterator[VenueFact], count: int) -> list[VenueFact]:
    found: list[VenueFact] = []
    async for fact in facts:
        found.append(fact)
        if len(found) == count:
            break
    return found
