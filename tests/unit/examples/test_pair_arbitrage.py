"""What the pair strategy does, and above all what it does not do."""

from decimal import Decimal

import pytest

from examples.pair_arbitrage import PairArbitrage, PairConfig
from examples.strategy import MarketView
from ledger.errors import VenueRejectedError
from ledger.values import Outcome, Side, TimeInForce, text_of
from tests.unit.examples.desk import MARKET, NOW_MS, Desk, book, finer, view

YES, NO = Outcome.YES, Outcome.NO
CONFIG = PairConfig()


async def shown(
    desk: Desk, *views: MarketView, config: PairConfig = CONFIG
) -> PairArbitrage:
    """A strategy that saw the first view a moment earlier, and then these."""
    strategy = PairArbitrage(config=config)
    first = views[0]
    await strategy.on_books(desk, view(now_ms=first.now_ms - 500))
    for each in views:
        await strategy.on_books(desk, each)
    return strategy


def asked(desk: Desk) -> list[tuple[Outcome, Side, str, str]]:
    return [(i.outcome, i.side, text_of(i.size), text_of(i.price)) for i in desk.placed]


class TestQuotes:
    async def test_it_bids_on_both_for_less_than_a_pair_is_worth(self) -> None:
        """1 minus both prices is the profit; below the margin it is not worth it."""
        desk = Desk()
        await shown(desk, view("0.48", "0.49"))
        assert {i.outcome for i in desk.placed} == {YES, NO}
        assert sum(i.price for i in desk.placed) <= 1 - CONFIG.margin

    async def test_it_joins_the_best_bids_where_they_leave_the_margin(self) -> None:
        """Bidding lower than needed would never fill."""
        desk = Desk()
        await shown(desk, view("0.47", "0.51"))
        assert asked(desk) == [
            (YES, Side.BUY, "20", "0.47"),
            (NO, Side.BUY, "20", "0.49"),
        ]

    async def test_quotes_rest_and_never_take(self) -> None:
        """Taking both sides always costs at least 1."""
        desk = Desk()
        await shown(desk, view())
        assert all(i.post_only for i in desk.placed)
        assert all(i.time_in_force is TimeInForce.GTC for i in desk.placed)

    async def test_a_standing_quote_is_not_placed_again(self) -> None:
        """Each view would otherwise add an order."""
        desk = Desk()
        await shown(desk, view(), view(now_ms=NOW_MS + 100))
        assert len(desk.placed) == 2

    async def test_a_quote_the_market_left_is_cancelled_then_renewed(self) -> None:
        """A bid far behind never fills; a new one has a key of its own."""
        desk = Desk()
        moved = view("0.54", "0.58", now_ms=NOW_MS + 100)
        strategy = await shown(desk, view(), moved)
        assert len(desk.cancelled) == 2
        assert len(desk.placed) == 2
        await strategy.on_books(desk, view("0.54", "0.58", now_ms=NOW_MS + 200))
        assert len({i.idempotency_key for i in desk.placed}) == 4

    async def test_a_small_move_leaves_the_quotes_alone(self) -> None:
        """Every cancel costs the place in the queue."""
        desk = Desk()
        await shown(desk, view(), view("0.49", "0.53", now_ms=NOW_MS + 100))
        assert desk.cancelled == []

    async def test_near_the_ends_nothing_is_quoted(self) -> None:
        """There one leg never fills."""
        desk = Desk()
        await shown(desk, view("0.20", "0.24"))
        assert desk.placed == []

    async def test_prices_lie_on_the_finer_grid_too(self) -> None:
        """The grid changes while the market trades."""
        desk = Desk()
        await shown(desk, view("0.481", "0.487", market=finer()))
        assert all(i.price % Decimal("0.001") == 0 for i in desk.placed)
        assert len(desk.placed) == 2

    async def test_the_same_books_give_the_same_keys(self) -> None:
        """After a restart the ledger must recognise what was asked before."""
        first, second = Desk(), Desk()
        await shown(first, view())
        await shown(second, view())
        keys = [i.idempotency_key for i in first.placed]
        assert keys == [i.idempotency_key for i in second.placed]


class TestBooksThatMayNotBelongTogether:
    @pytest.mark.parametrize(
        "bad",
        [
            view(yes_ms=NOW_MS - 501),
            view(no_ms=NOW_MS - 501),
            view(yes_ms=NOW_MS - 3_001, no_ms=NOW_MS - 3_001),
            view(no=book("no", "0.47", "0.52")),
            view(no=book("no", "0.48", "0.51")),
            MarketView(MARKET, NOW_MS, book("yes", "0.48", "0.52"), None),
            MarketView(MARKET, NOW_MS, None, None),
        ],
        ids=["yes old", "no old", "both old", "bid", "ask", "one", "none"],
    )
    async def test_it_does_not_act(self, bad: MarketView) -> None:
        """Two reads at different moments look like profit and are none."""
        desk = Desk()
        await shown(desk, bad)
        assert desk.placed == []

    async def test_the_first_agreement_is_not_enough(self) -> None:
        """Two polls may agree by accident."""
        desk = Desk()
        await PairArbitrage().on_books(desk, view())
        assert desk.placed == []

    async def test_the_same_agreement_seen_twice_counts_once(self) -> None:
        """Looking again at one poll makes it no stream."""
        desk, strategy = Desk(), PairArbitrage()
        for _ in range(3):
            await strategy.on_books(desk, view())
        assert desk.placed == []

    async def test_agreement_every_few_seconds_is_no_stream(self) -> None:
        """A poll says nothing about what happened in between."""
        desk = Desk()
        await PairArbitrage().on_books(desk, view())
        strategy = await shown(desk, view(now_ms=NOW_MS + 10_000))
        desk.placed.clear()
        desk.open.clear()
        await strategy.on_books(desk, view(now_ms=NOW_MS + 12_001))
        assert desk.placed == []

    async def test_old_books_withdraw_the_quotes(self) -> None:
        """Nobody knows any more where the market is."""
        desk = Desk()
        blind = MarketView(MARKET, NOW_MS + 100, None, None)
        await shown(desk, view(), blind)
        assert len(desk.cancelled) == 2
        assert desk.open == []


class TestALegAlone:
    async def test_only_the_other_leg_is_quoted(self) -> None:
        """More of the same would only grow the risk."""
        desk = Desk()
        desk.hold(YES, "20", paid="0.47")
        await shown(desk, view())
        assert asked(desk) == [(NO, Side.BUY, "20", "0.48")]

    async def test_the_missing_leg_may_cost_what_the_margin_leaves(self) -> None:
        """Completing at a loss is the business of unwinding, not of quoting."""
        desk = Desk()
        desk.hold(YES, "20", paid="0.52")
        await shown(desk, view("0.44", "0.48"))
        assert asked(desk) == [(NO, Side.BUY, "20", "0.45")]

    async def test_no_more_is_quoted_than_is_missing(self) -> None:
        """Otherwise the other leg would be the one alone."""
        desk = Desk()
        desk.hold(YES, "7.5", paid="0.47")
        await shown(desk, view())
        assert asked(desk) == [(NO, Side.BUY, "7.5", "0.48")]

    async def test_a_leg_bought_too_dear_is_only_unwound(self) -> None:
        """Nothing is left that the other one could cost."""
        desk = Desk()
        desk.hold(YES, "20", paid="0.975")
        await shown(desk, view())
        assert desk.placed == []

    async def test_less_than_the_minimum_is_no_leg(self) -> None:
        """It can be neither sold nor completed, only held."""
        desk = Desk()
        desk.hold(YES, "4.99")
        await shown(desk, view())
        assert {i.outcome for i in desk.placed} == {YES, NO}

    async def test_alone_for_too_long_it_is_sold(self) -> None:
        """Time is what the risk grows with."""
        desk = Desk()
        desk.hold(YES, "20")
        strategy = await shown(desk, view())
        desk.open.clear()
        desk.placed.clear()
        late = NOW_MS + CONFIG.max_unpaired_ms
        await strategy.on_books(desk, view(now_ms=late))
        await strategy.on_books(desk, view(now_ms=late + 500))
        [intent] = [i for i in desk.placed if i.side is Side.SELL]
        assert (intent.outcome, intent.size) == (YES, Decimal(20))
        assert intent.time_in_force is TimeInForce.FAK
        assert intent.price == Decimal("0.47")

    async def test_too_many_alone_are_unwound_at_once(self) -> None:
        """The bound on shares does not wait for the bound on time."""
        desk = Desk()
        desk.hold(YES, "41")
        await shown(desk, view())
        assert asked(desk) == [(YES, Side.SELL, "41", "0.47")]

    async def test_what_has_not_settled_is_completed_instead(self) -> None:
        """Only settled shares can be sold; the other leg costs the same."""
        desk = Desk()
        desk.hold(YES, "41", settled="40")
        await shown(desk, view())
        assert asked(desk) == [(NO, Side.BUY, "41", "0.53")]

    async def test_quotes_are_withdrawn_before_unwinding(self) -> None:
        """A quote that fills meanwhile would unwind too much."""
        desk = Desk()
        strategy = await shown(desk, view())
        desk.placed.clear()
        desk.hold(YES, "41")
        await strategy.on_books(desk, view(now_ms=NOW_MS + 100))
        assert desk.placed == []
        await strategy.on_books(desk, view(now_ms=NOW_MS + 200))
        assert len(desk.placed) == 1

    async def test_no_more_is_sold_than_the_book_takes(self) -> None:
        """The slippage guard refuses what the depth does not cover."""
        desk = Desk()
        desk.hold(YES, "60")
        await shown(desk, view(size="33.337"))
        assert asked(desk) == [(YES, Side.SELL, "33.33", "0.47")]

    async def test_less_depth_than_the_minimum_is_left_alone(self) -> None:
        """The venue refuses orders below it."""
        desk = Desk()
        desk.hold(YES, "60")
        await shown(desk, view(size="4"))
        assert desk.placed == []


class TestPairs:
    async def test_settled_pairs_are_merged(self) -> None:
        """They are worth exactly 1 and lock up cash."""
        desk = Desk()
        desk.hold(YES, "30.127")
        desk.hold(NO, "25.129")
        await shown(desk, view())
        assert desk.merged[0] == Decimal("25.12")

    async def test_unsettled_pairs_are_not(self) -> None:
        """Shares that are not on chain yet cannot be merged."""
        desk = Desk()
        desk.hold(YES, "30")
        desk.hold(NO, "30", settled="0")
        await shown(desk, view())
        assert desk.merged == []

    async def test_a_refused_merge_is_tried_again_later(self) -> None:
        """The venue may settle later than the ledger thinks."""

        class Slow(Desk):
            async def merge(self, *_: object) -> None:
                raise VenueRejectedError("not enough balance")

        desk = Slow()
        desk.hold(YES, "30")
        desk.hold(NO, "30")
        await shown(desk, view())
        assert len(desk.placed) == 2

    async def test_what_is_left_at_the_resolution_is_redeemed(self) -> None:
        """Winning shares pay 1, and losing ones leave the books."""
        desk = Desk()
        desk.hold(YES, "30")
        desk.hold(NO, "10")
        await PairArbitrage().on_resolved(desk, "m")
        assert desk.redeemed == [("m", YES), ("m", NO)]
