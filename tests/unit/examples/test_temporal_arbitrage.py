"""What the temporal strategy buys, at which price, and how often."""

from decimal import Decimal
from statistics import NormalDist

import msgspec
import pytest

from examples.strategy import MarketView, PriceTick
from examples.temporal_arbitrage import (
    TemporalArbitrage,
    TemporalConfig,
    Window,
    chance_of,
)
from ledger.manager.results import OrderError, OrderResult
from ledger.values import ONE, Outcome, Side, TimeInForce
from tests.unit.examples.desk import MARKET, NOW_MS, Desk, view, voided

STRIKE = Decimal(94_000)
LEFT_MS = 144_000  # twelve seconds squared: 90.24 is one standard deviation
WINDOW = Window(strike=STRIKE, start_ms=NOW_MS - 156_000, end_ms=NOW_MS + LEFT_MS)
CONFIG = TemporalConfig()


async def seen(
    desk: Desk,
    price: int,
    *views: MarketView,
    tick_ms: int = NOW_MS,
    window: Window = WINDOW,
) -> TemporalArbitrage:
    """A strategy that knows the window, hears the price and sees these books."""
    strategy = TemporalArbitrage({"m": window})
    await strategy.on_tick(desk, PriceTick(tick_ms, Decimal(price)))
    for each in views or (view(),):
        await strategy.on_books(desk, each)
    return strategy


class TestSignal:
    async def test_above_the_strike_it_buys_up(self) -> None:
        """The price has moved and the quotes have not: that is the whole idea."""
        desk = Desk()
        await seen(desk, 94_090)
        [intent] = desk.placed
        assert (intent.outcome, intent.side) == (Outcome.YES, Side.BUY)
        assert intent.time_in_force is TimeInForce.FAK

    async def test_below_the_strike_it_buys_down(self) -> None:
        """Down is the other token, bought and not Up sold."""
        desk = Desk()
        await seen(desk, 93_910)
        assert desk.placed[0].outcome is Outcome.NO

    async def test_at_the_strike_it_stays_out(self) -> None:
        """Half a chance is not worth 0.52."""
        desk = Desk()
        await seen(desk, 94_000)
        assert desk.placed == []

    async def test_the_fee_counts(self) -> None:
        """An edge smaller than the fee is a loss."""
        desk, free = Desk(), Desk()
        dear = view("0.77", "0.79")
        without = msgspec.structs.replace(MARKET, fee_rate=Decimal(0))
        await seen(desk, 94_090, dear)
        await seen(free, 94_090, view("0.77", "0.79", market=without))
        assert (len(desk.placed), len(free.placed)) == (0, 1)

    @pytest.mark.parametrize(
        ("tick_ms", "window"),
        [
            (NOW_MS - 2_001, WINDOW),
            (NOW_MS, Window(strike=STRIKE, start_ms=0, end_ms=NOW_MS + 9_999)),
            (
                NOW_MS,
                Window(strike=STRIKE, start_ms=NOW_MS + 1, end_ms=NOW_MS + 99_999),
            ),
        ],
        ids=["old price", "too late", "not open"],
    )
    async def test_it_does_not_act_on(self, tick_ms: int, window: Window) -> None:
        """An old price, the last seconds and a future window are no signal."""
        desk = Desk()
        await seen(desk, 94_090, tick_ms=tick_ms, window=window)
        assert desk.placed == []

    async def test_old_books_are_no_offer(self) -> None:
        """What stood there two seconds ago is gone."""
        desk = Desk()
        await seen(desk, 94_090, view(yes_ms=NOW_MS - 2_001))
        assert desk.placed == []

    async def test_other_markets_are_none_of_its_business(self) -> None:
        """Without a strike there is nothing to compare with."""
        desk = Desk()
        other = msgspec.structs.replace(MARKET, market_id="other")
        await seen(desk, 94_090, view(market=other))
        assert desk.placed == []


class TestOrder:
    async def test_the_price_is_bounded(self) -> None:
        """One cent beyond the best ask, and never more."""
        desk = Desk()
        await seen(desk, 94_090)
        assert desk.placed[0].price == Decimal("0.53")

    async def test_it_spends_no_more_than_its_budget(self) -> None:
        """Fee included."""
        desk = Desk()
        await seen(desk, 94_090)
        [intent] = desk.placed
        fee = Decimal("0.07") * intent.price * (1 - intent.price)
        spent = intent.size * (intent.price + fee)
        assert CONFIG.budget - 1 < spent <= CONFIG.budget

    async def test_it_asks_for_no_more_than_is_offered(self) -> None:
        """The slippage guard refuses what the depth does not cover."""
        desk = Desk()
        await seen(desk, 94_090, view(size="7.219"))
        assert desk.placed[0].size == Decimal("7.21")

    async def test_less_than_the_minimum_is_not_worth_an_order(self) -> None:
        """The venue refuses it."""
        desk = Desk()
        await seen(desk, 94_090, view(size="4"))
        assert desk.placed == []

    async def test_it_enters_a_market_once(self) -> None:
        """Every further view shows the same signal."""
        desk = Desk()
        await seen(desk, 94_090, view(), view(now_ms=NOW_MS + 100))
        assert len(desk.placed) == 1

    async def test_after_a_restart_what_it_holds_keeps_it_out(self) -> None:
        """Memory is gone, the position is not."""
        desk = Desk()
        desk.hold(Outcome.YES, "20")
        await seen(desk, 94_090)
        assert desk.placed == []

    async def test_a_killed_order_is_tried_again_under_another_key(self) -> None:
        """The offer was gone; the next one may not be. Three times, no more."""
        desk = Desk()
        error = OrderError(code="fak_no_match", text="")
        desk.answers = [OrderResult(success=False, error=error)] * 3
        await seen(desk, 94_090, *[view()] * 5)
        assert [i.idempotency_key for i in desk.placed] == [
            "m:entry:0",
            "m:entry:1",
            "m:entry:2",
        ]

    async def test_a_void_purchase_may_be_repeated(self) -> None:
        """It failed on chain: the shares never came and the money came back."""

        desk = Desk()
        strategy = await seen(desk, 94_090)
        await strategy.on_order(desk, voided(desk.placed[0]))
        await strategy.on_books(desk, view(now_ms=NOW_MS + 100))
        assert len(desk.placed) == 2


class TestChance:
    @pytest.mark.parametrize("hundredths", range(0, 301, 7))
    def test_it_is_never_overstated(self, hundredths: int) -> None:
        """An overstated chance buys at a loss."""
        exact = NormalDist().cdf(hundredths / 100)
        assert chance_of(Decimal(hundredths) / 100) <= Decimal(exact)

    def test_it_rises_with_the_distance(self) -> None:
        """Further from the strike is likelier to stay there."""
        chances = [chance_of(Decimal(n) / 10) for n in range(25)]
        assert chances == sorted(chances)
        assert chances[0] * 2 == ONE


class TestRedemption:
    async def test_it_redeems_at_the_resolution(self) -> None:
        """Hold to the resolution, then redeem: nothing is left lying."""
        desk = Desk()
        desk.hold(Outcome.YES, "20")
        await TemporalArbitrage({}).on_resolved(desk, "m")
        assert desk.redeemed == [("m", Outcome.YES)]

    async def test_a_ledger_behind_the_news_is_no_error(self) -> None:
        """The next settlement tries again."""
        desk = Desk()
        desk.is_resolved = False
        desk.hold(Outcome.YES, "20")
        await TemporalArbitrage({}).on_resolved(desk, "m")
        assert desk.redeemed == []
