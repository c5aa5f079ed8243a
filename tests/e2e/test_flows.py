"""Whole flows on paper: from a strategy's intent to settled shares and cash."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from examples.pair_arbitrage import PairArbitrage
from examples.strategy import MarketView
from examples.temporal_arbitrage import TemporalArbitrage, Window
from executors.market_data import Frame
from ledger import events as ev
from ledger.api import CommandAPI
from ledger.intent import OrderIntent
from ledger.values import EndReason, OrderStatus, Outcome, Side, TimeInForce
from service.recorded_time import merged
from tests.e2e.market import (
    MARKET,
    OTHER,
    START_MS,
    Script,
    Tape,
    ms,
    pair_tape,
    played,
    tick,
)

YES, NO = Outcome.YES, Outcome.NO
TAKING: dict[str, Any] = {"time_in_force": TimeInForce.FAK, "post_only": False}
WINDOW = Window(strike=Decimal(94_000), start_ms=START_MS, end_ms=ms(60))


def intent(key: str = "k", **fields: Any) -> OrderIntent:
    given: dict[str, Any] = {
        "strategy": "script",
        "idempotency_key": key,
        "market_id": MARKET.market_id,
        "outcome": YES,
        "side": Side.BUY,
        "size": Decimal(20),
        "price": Decimal("0.40"),
        "post_only": True,
    }
    return OrderIntent(**(given | fields))


def placing(*intents: OrderIntent) -> Any:
    async def step(api: CommandAPI, view: MarketView) -> None:
        for each in intents:
            await api.place(each)

    return step


class TestPairArbitrage:
    async def test_intent_place_fill_confirm_merge(self, tmp_path: Path) -> None:
        """The first flow that the specification names, with its profit in cash."""
        story = await played(tmp_path, pair_tape().frames, PairArbitrage())
        bought = [o for o in story.orders if o.status is OrderStatus.CONFIRMED]
        assert [(o.outcome, o.price, o.filled) for o in bought] == [
            (YES, Decimal("0.47"), Decimal(20)),
            (NO, Decimal("0.49"), Decimal(20)),
        ]
        [merge] = story.of_type(ev.PositionMerged)
        assert merge.size == 20
        assert story.topics("order", "fill")[:8] == [
            "order.requested",
            "order.prepared",
            "order.placed",
            "order.requested",
            "order.prepared",
            "order.placed",
            "fill.matched",
            "fill.matched",
        ]

    async def test_the_merge_leaves_the_margin(self, tmp_path: Path) -> None:
        """20 pairs for 0.96 each merge into 20 pUSD: 0.80 more than before."""
        story = await played(tmp_path, pair_tape().frames, PairArbitrage())
        seen = story.of_type(ev.VenueObserved)[-1]
        assert seen.cash == Decimal("1000.80")
        assert not story.of_type(ev.DriftOpened)

    async def test_a_leg_that_stays_alone_is_got_rid_of(self, tmp_path: Path) -> None:
        """Half a pair is a bet, and this strategy does not bet."""
        tape = pair_tape(legs=1)
        for n in range(140):
            tape.quote(2.6 + n / 2, "0.45", "0.49")
        story = await played(tmp_path, tape.frames, PairArbitrage())
        [sold] = [o for o in story.orders if o.side is Side.SELL]
        assert (sold.outcome, sold.filled) == (YES, Decimal(20))
        assert sold.requested_at.timestamp() * 1_000 > ms(62)

    async def test_books_of_unequal_age_are_never_acted_on(
        self, tmp_path: Path
    ) -> None:
        """They show a profit that is only the time between two reads."""
        tape = Tape()
        for n in range(10):
            tape.book(2 + n, [("0.40", "50")], [("0.42", "50")], no_at=0.5 + n)
        story = await played(tmp_path, tape.frames, PairArbitrage())
        assert story.orders == []


class TestTemporalArbitrage:
    def tape(self, winner: Outcome = YES) -> Tape:
        tape = Tape()
        for n in range(50):
            tape.quote(1 + n, "0.50", "0.52")
        return tape.resolve(62, winner).silence(70)

    async def played(self, path: Path, winner: Outcome = YES) -> Any:
        prices = [tick(n, "94000" if n < 10 else "94060") for n in range(60)]
        items = list(merged(self.tape(winner).frames, prices))
        return await played(path, items, TemporalArbitrage({"m1": WINDOW}))

    async def test_signal_place_fill_redeem(self, tmp_path: Path) -> None:
        """The second flow that the specification names."""
        story = await self.played(tmp_path)
        [order] = story.orders
        assert (order.outcome, order.status) == (YES, OrderStatus.CONFIRMED)
        assert order.requested_at.timestamp() * 1_000 >= ms(10)
        [redeemed] = story.of_type(ev.PositionRedeemed)
        assert (redeemed.size, redeemed.payout) == (order.filled, order.filled)
        assert story.topics("order", "fill", "market.r", "position") == [
            "order.requested",
            "order.prepared",
            "order.placed",
            "fill.matched",
            "fill.mined",
            "fill.confirmed",
            "market.resolved",
            "position.redeemed",
        ]

    async def test_lost_shares_leave_for_nothing(self, tmp_path: Path) -> None:
        """Otherwise they would stay in the positions for ever."""
        story = await self.played(tmp_path, winner=NO)
        [redeemed] = story.of_type(ev.PositionRedeemed)
        assert redeemed.payout == 0

    async def test_the_taker_pays_the_fee(self, tmp_path: Path) -> None:
        """0.07 x p x (1 - p) a share, floored to 5 decimals."""
        story = await self.played(tmp_path)
        [order] = story.orders
        [fill] = story.of_type(ev.FillMatched)
        exact = Decimal("0.07") * fill.size * fill.price * (1 - fill.price)
        assert 0 <= exact - order.fees < Decimal("0.00001")

    async def test_what_settles_after_the_resolution_is_redeemed_then(
        self, tmp_path: Path
    ) -> None:
        """Only settled shares can be redeemed, and nobody calls again."""
        tape = self.tape()
        prices = [tick(n, "94000" if n < 49 else "94060") for n in range(60)]
        story = await played(
            tmp_path,
            list(merged(tape.frames, prices)),
            TemporalArbitrage({"m1": WINDOW}),
            settle_confirmed_ms=40_000,
        )
        topics = story.topics("fill.confirmed", "market.r", "position")
        assert topics == ["market.resolved", "fill.confirmed", "position.redeemed"]


class TestOrders:
    async def test_place_cancel(self, tmp_path: Path) -> None:
        """The third flow that the specification names."""

        async def cancel(api: CommandAPI, view: MarketView) -> None:
            [order] = await api.open_orders("script")
            result = await api.cancel(order.order_id)
            assert result.success

        script = Script().at(0, placing(intent())).at(1, cancel)
        tape = Tape().quote(0.5, "0.47", "0.51").quote(1.5, "0.47", "0.51")
        story = await played(tmp_path, tape.frames, script)
        [order] = story.orders
        assert (order.status, order.done_reason) == (
            OrderStatus.CANCELLED,
            EndReason.CANCELLED,
        )
        assert [str(o.status) for o in script.orders][-1] == "CANCELLED"

    async def test_several_markets_at_once(self, tmp_path: Path) -> None:
        """A fill in one market must not touch what happens in another."""
        one, two = Tape(), Tape(OTHER)
        for n in range(8):
            one.quote(n + 0.25, "0.47", "0.51")
            two.quote(n + 0.75, "0.30", "0.34")
        one.trade(8.1, Side.SELL, "0.39", "50")
        two.trade(8.2, Side.SELL, "0.60", "8", on=NO)
        frames = sorted([*one.frames, *two.frames], key=lambda f: f.received_ms)
        script = Script().at(
            1,
            placing(
                intent("a"),
                intent("b", market_id="m2", outcome=NO, price=Decimal("0.65")),
                intent("c", market_id="m2", price=Decimal("0.20")),
            ),
        )
        story = await played(tmp_path, frames, script, markets=(MARKET, OTHER))
        found = {o.idempotency_key: (o.status, o.filled) for o in story.orders}
        assert found == {
            "a": (OrderStatus.CONFIRMED, Decimal(20)),
            "b": (OrderStatus.CANCELLED, Decimal(8)),
            "c": (OrderStatus.CANCELLED, Decimal(0)),
        }

    async def test_the_market_moves_while_an_order_is_on_its_way(
        self, tmp_path: Path
    ) -> None:
        """Latency is real: what was seen is not what is met."""
        taking = intent(price=Decimal("0.51"), **TAKING)
        script = Script().at(1, placing(taking))
        tape = Tape().quote(1, "0.47", "0.51").quote(1.03, "0.51", "0.55")
        tape.quote(2, "0.51", "0.55")
        story = await played(tmp_path, tape.frames, script, submit_latency_ms=50)
        [order] = story.orders
        assert order.done_reason is EndReason.KILLED
        assert order.filled == 0

    async def test_a_failed_settlement_gives_everything_back(
        self, tmp_path: Path
    ) -> None:
        """The label is FAILED and the cash is whole again."""
        taking = intent(price=Decimal("0.51"), **TAKING)
        script = Script().at(1, placing(taking))
        tape = Tape().quote(1, "0.47", "0.51").silence(9)
        story = await played(
            tmp_path, tape.frames, script, settlement_failure_rate=Decimal(1)
        )
        [order] = story.orders
        assert order.status is OrderStatus.FAILED
        assert story.of_type(ev.VenueObserved)[-1].cash == 1000

    async def test_a_void_sale_after_the_resolution_is_redeemed(
        self, tmp_path: Path
    ) -> None:
        """The shares come back when nobody expects them any more."""
        script = PairArbitrage()
        tape = pair_tape(legs=1)
        # Sold 60 seconds later, resolved before that sale fails on chain.
        for n in range(125):
            tape.quote(2.6 + n / 2, "0.45", "0.49")
        tape.resolve(65.2, YES).silence(80)
        story = await played(
            tmp_path,
            tape.frames,
            script,
            seed=1,  # the first trade settles, the second fails
            settlement_failure_rate=Decimal("0.5"),
        )
        sold = [o for o in story.orders if o.side is Side.SELL]
        assert [o.status for o in sold] == [OrderStatus.FAILED]
        [redeemed] = story.of_type(ev.PositionRedeemed)
        assert redeemed.payout == 20

    async def test_resting_orders_end_with_their_market(self, tmp_path: Path) -> None:
        """The venue cancels them at the resolution."""
        script = Script().at(0, placing(intent()))
        tape = Tape().quote(0.5, "0.47", "0.51").resolve(2, NO)
        story = await played(tmp_path, tape.frames, script)
        [order] = story.orders
        assert order.done_reason is EndReason.MARKET_RESOLVED
        assert script.resolved == ["m1"]

    async def test_a_gap_takes_the_books_away(self, tmp_path: Path) -> None:
        """After lost frames nobody knows what the market looks like."""
        script = Script()
        tape = Tape().quote(0.5, "0.47", "0.51")
        tape.frames.append(Frame(sequence=0, received_ms=ms(1), gap="lost"))
        await played(tmp_path, tape.frames, script)
        assert [view.yes is None for view in script.views] == [False, True]

    async def test_after_a_gap_the_venue_takes_no_order(self, tmp_path: Path) -> None:
        """A paper venue that matches against lost books would flatter."""
        script = Script().at(1, placing(intent()))
        tape = Tape().quote(0.5, "0.47", "0.51")
        tape.frames.append(Frame(sequence=0, received_ms=ms(1), gap="lost"))
        story = await played(tmp_path, tape.frames, script)
        [order] = story.orders
        assert order.refusal is not None
        assert order.refusal.code == "not_ready"

    async def test_a_finer_grid_holds_from_its_announcement(
        self, tmp_path: Path
    ) -> None:
        """The next book may be seconds away, the next order need not be."""
        fine = intent(price=Decimal("0.461"))
        script = Script().at(2, placing(fine))
        tape = Tape().quote(1, "0.47", "0.51").refine(1.5, "0.001").silence(7)
        story = await played(tmp_path, tape.frames, script)
        [order] = story.orders
        assert order.refusal is None
        assert len(story.of_type(ev.MarketListed)) == 2
