"""Made-up books must be ones the venue could have sent, and always the same."""

from decimal import Decimal
from itertools import pairwise
from random import Random
from statistics import NormalDist

import pytest

from executors.market_data import (
    BookKeeper,
    Frame,
    LastTrade,
    MarketResolved,
    PriceChange,
    ResolvedMarket,
    Tick,
    TickSizeChange,
    load_ticks,
)
from executors.market_data.generator import (
    GeneratorConfig,
    fair_price,
    generate_frames,
    windows_of,
)
from ledger.book import OrderBook
from ledger.values import ONE, Outcome
from service.demo_sources import BUNDLED

START = 1_767_614_400
OLDER = GeneratorConfig(older_shape=True)


def ticks_of(*cents: int, step_ms: int = 1_000) -> list[Tick]:
    return [
        Tick(START * 1_000 + n * step_ms, Decimal(price) / 100)
        for n, price in enumerate(cents)
    ]


def walk(seconds: int, seed: int = 3, step: int = 900) -> list[Tick]:
    rng, cents = Random(seed), 9_400_000
    prices = []
    for _ in range(seconds + 1):
        prices.append(cents)
        cents += rng.randint(-step, step)
    return ticks_of(*prices)


def frames_of(
    ticks: list[Tick],
    markets: list[ResolvedMarket] | None = None,
    *,
    seed: int = 1,
    config: GeneratorConfig | None = None,
) -> list[Frame]:
    windows = windows_of(ticks) if markets is None else markets
    return list(generate_frames(windows, ticks, rng=Random(seed), config=config))


def facts_of(frames: list[Frame], kind: type) -> list:  # type: ignore[type-arg]
    return [f for frame in frames for f in frame.parsed().facts if isinstance(f, kind)]


def both(keeper: BookKeeper, market: ResolvedMarket) -> tuple[OrderBook, OrderBook]:
    yes = keeper.book(market.market.yes_token)
    no = keeper.book(market.market.no_token)
    assert yes is not None
    assert no is not None
    return yes, no


class TestDeterminism:
    def test_one_seed_gives_one_byte_sequence(self) -> None:
        """A demo that differs from run to run proves nothing."""
        ticks = walk(300)
        assert frames_of(ticks) == frames_of(ticks)

    def test_another_seed_gives_another_market(self) -> None:
        """Otherwise the seed would be an ornament."""
        ticks = walk(300)
        assert frames_of(ticks) != frames_of(ticks, seed=2)


@pytest.mark.parametrize("config", [None, OLDER], ids=["newer", "older"])
class TestBooks:
    def test_every_frame_is_readable_and_agrees_with_the_books(
        self, config: GeneratorConfig | None
    ) -> None:
        """A book keeper that distrusts made-up frames would trade nothing."""
        keeper = BookKeeper()
        for frame in frames_of(walk(600), config=config):
            keeper.feed(frame)
        stats = keeper.stats()
        bad = (
            stats.quarantined,
            stats.diverged,
            stats.crossed,
            stats.unsynced,
            stats.out_of_order,
            stats.duplicates,
            stats.ignored,
        )
        assert not any(bad)
        assert stats.changes > 500

    def test_the_two_books_are_exact_complements(
        self, config: GeneratorConfig | None
    ) -> None:
        """So they are at the venue, and the pair strategy relies on it."""
        ticks = walk(300)
        [market] = windows_of(ticks)
        keeper, compared = BookKeeper(), 0
        for frame in frames_of(ticks, config=config):
            keeper.feed(frame)
            if keeper.resolution(market.market.market_id):
                break
            yes, no = both(keeper, market)
            if yes.as_of_ms == no.as_of_ms and yes.as_of_ms % 1_000:
                mirror = yes.mirrored(no.token_id)
                is_half_way = config is OLDER and mirror.bids() != no.bids()
                if not is_half_way:
                    assert (mirror.bids(), mirror.asks()) == (no.bids(), no.asks())
                    compared += 1
        assert compared > 200

    def test_time_never_runs_backwards(self, config: GeneratorConfig | None) -> None:
        """The session's clock is made of these times."""
        received = [f.received_ms for f in frames_of(walk(300), config=config)]
        assert all(a <= b for a, b in pairwise(received))


class TestShapes:
    def test_the_newer_shape_carries_both_tokens_in_one_message(self) -> None:
        """A reader of the newer shape must find what the venue sends today."""
        frame = next(f for f in frames_of(walk(300)) if "price_changes" in f.text)
        tokens = {fact.token_id for fact in frame.parsed().facts}  # type: ignore[union-attr]
        assert len(tokens) == 2

    def test_the_older_shape_names_its_token_once(self) -> None:
        """Recordings from before the change have this shape."""
        frames = frames_of(walk(300), config=OLDER)
        changes = [f for f in frames if '"event_type":"price_change"' in f.text]
        assert changes
        assert all('"changes":' in f.text for f in changes)
        assert not any("price_changes" in f.text for f in changes)

    def test_every_price_lies_on_the_grid_in_force(self) -> None:
        """An order at a price off the grid is refused by the venue."""
        ticks = ticks_of(*(9_400_000 + 900 * n for n in range(301)))
        grid = Decimal("0.01")
        seen = set()
        for fact in facts_of(frames_of(ticks), object):
            if isinstance(fact, TickSizeChange):
                grid = fact.new
            if isinstance(fact, PriceChange):
                # A level from before the grid became finer is removed later.
                assert all(c.price % grid == 0 for c in fact.levels if c.size)
                seen.add(grid)
        assert seen == {Decimal("0.01"), Decimal("0.001")}

    def test_the_grid_becomes_finer_once_near_an_end(self) -> None:
        """The venue refines beyond 0.96 and below 0.04, and never goes back."""
        up = [9_400_000 + 900 * n for n in range(100)]
        ticks = ticks_of(*up, *reversed(up), *([9_400_000] * 101))
        changes = facts_of(frames_of(ticks), TickSizeChange)
        assert [change.new for change in changes] == [Decimal("0.001")] * 2

    def test_prints_come_on_either_token_and_take_liquidity(self) -> None:
        """A resting order fills by prints; on one token only half of them would."""
        ticks = walk(300)
        [market] = windows_of(ticks)
        prints = facts_of(frames_of(ticks), LastTrade)
        assert {p.token_id for p in prints} == {
            market.market.yes_token,
            market.market.no_token,
        }


class TestResolution:
    def test_up_wins_at_the_strike_exactly(self) -> None:
        """The real rule is "at or above": a tie is a win for Up."""
        ticks = ticks_of(*([9_400_000] * 301))
        [market] = windows_of(ticks)
        [resolved] = facts_of(frames_of(ticks), MarketResolved)
        assert resolved.winning_token == market.market.yes_token
        assert resolved.winning_outcome == "Up"

    def test_down_wins_a_cent_below(self) -> None:
        """One cent decides about every share."""
        ticks = ticks_of(*([9_400_000] * 300), 9_399_999)
        [market] = windows_of(ticks)
        [resolved] = facts_of(frames_of(ticks), MarketResolved)
        assert resolved.winning_token == market.market.no_token

    def test_an_older_tick_never_settles(self) -> None:
        """In the real data that gives a wrong winner."""
        ticks = ticks_of(*([9_400_000] * 302))
        windows = windows_of(ticks)
        del ticks[300]
        assert facts_of(frames_of(ticks, windows), MarketResolved) == []

    def test_without_the_tick_the_published_outcome_counts(self) -> None:
        """What the venue itself said needs no price."""
        ticks = ticks_of(*([9_400_000] * 302))
        [window] = windows_of(ticks)
        del ticks[300]
        told = ResolvedMarket(
            market=window.market,
            start_sec=window.start_sec,
            end_sec=window.end_sec,
            strike=window.strike,
            outcome=Outcome.NO,
            closing_tick=window.closing_tick,
        )
        [resolved] = facts_of(frames_of(ticks, [told]), MarketResolved)
        assert resolved.winning_token == window.market.no_token

    def test_a_feed_gap_as_long_as_the_window_leaves_it_silent(self) -> None:
        """A market without a single price cannot have had quotes."""
        ticks = ticks_of(*([9_400_000] * 601))
        windows = windows_of(ticks)
        kept = ticks[:10] + ticks[599:]
        silent = windows[1].market.market_id
        frames = frames_of(kept[:10], windows)
        assert not any(silent in frame.text for frame in frames)


class TestWindows:
    def test_windows_follow_each_other_and_lie_in_the_series(self) -> None:
        """A window without its close could never be resolved."""
        windows = windows_of(walk(700))
        assert [(w.start_sec - START, w.end_sec - START) for w in windows] == [
            (0, 300),
            (300, 600),
        ]
        assert windows[0].market.slug == f"btc-updown-5m-{START}"

    def test_no_prices_no_windows(self) -> None:
        """An empty series is no error of ours."""
        assert windows_of([]) == []

    def test_the_bundled_series_has_the_markets_of_the_demo(self) -> None:
        """`make demo` needs four 5-minute and one 15-minute market."""
        ticks = load_ticks(BUNDLED)
        assert (len(windows_of(ticks)), len(windows_of(ticks, seconds=900))) == (4, 1)


class TestFairPrice:
    @pytest.mark.parametrize("distance", [-300, -90, -10, 0, 10, 90, 300])
    def test_it_is_nearly_the_normal_distribution(self, distance: int) -> None:
        """The logistic curve stands in for it within 0.0002."""
        strike, left, volatility = Decimal(94_000), 144, Decimal("0.00008")
        fair = fair_price(strike + distance, strike, left, volatility)
        exact = NormalDist().cdf(distance / (94_000 * 0.00008 * 12))
        assert abs(fair - Decimal(exact)) < Decimal("0.0002")

    def test_it_stays_between_0_and_1(self) -> None:
        """A price of 0 or 1 cannot be quoted."""
        for price in (1, 10**9):
            fair = fair_price(Decimal(price), Decimal(94_000), 1, Decimal("0.00008"))
            assert 0 < fair < ONE
