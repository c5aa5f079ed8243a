"""Slippage against books that were computed by hand."""

from decimal import Decimal

import pytest

from ledger.book import Level, OrderBook
from ledger.slippage import SlippageConfig, SlippageGuard
from ledger.values import Side

D = Decimal


def book(*levels: tuple[str, str]) -> OrderBook:
    """The same levels on both sides: a test looks at one side at a time."""
    both = [Level(D(price), D(size)) for price, size in levels]
    return OrderBook("111", bids=both, asks=both)


GUARD = SlippageGuard(SlippageConfig())


class TestArithmetic:
    @pytest.mark.parametrize(
        ("side", "size", "price", "levels", "effective", "bps"),
        [
            # One level, at the intended price.
            (Side.BUY, "100", "0.40", [("0.40", "100")], "0.40", "0"),
            # (50 x 0.40 + 50 x 0.402) / 100 = 0.401; 0.001 / 0.40 = 25 bps.
            (
                Side.BUY,
                "100",
                "0.40",
                [("0.40", "50"), ("0.402", "50")],
                "0.401",
                "25",
            ),
            # (100 x 0.50 + 200 x 0.503 + 100 x 0.51) / 400 = 0.504; 80 bps.
            (
                Side.BUY,
                "400",
                "0.50",
                [("0.50", "100"), ("0.503", "200"), ("0.51", "500")],
                "0.504",
                "80",
            ),
            # Bids from the top: (60 x 0.50 + 40 x 0.49) / 100 = 0.496; 80 bps.
            (
                Side.SELL,
                "100",
                "0.50",
                [("0.49", "90"), ("0.50", "60"), ("0.40", "900")],
                "0.496",
                "80",
            ),
        ],
    )
    def test_slippage_is_the_adverse_distance_from_the_intended_price(
        self,
        side: Side,
        size: str,
        price: str,
        levels: list[tuple[str, str]],
        effective: str,
        bps: str,
    ) -> None:
        """What a strategy believes to pay and what it would pay."""
        result = GUARD.check(side, D(size), D(price), book(*levels))
        assert result.effective_price == D(effective)
        assert result.expected_slippage_bps == D(bps)

    @pytest.mark.parametrize(
        ("side", "price"), [(Side.BUY, "0.60"), (Side.SELL, "0.40")]
    )
    def test_a_better_price_is_no_slippage(self, side: Side, price: str) -> None:
        """An absolute distance would refuse a gift."""
        result = GUARD.check(side, D("10"), D(price), book(("0.50", "10")))
        assert result.expected_slippage_bps == 0
        assert (result.allowed, result.recommendation) == (True, "proceed")

    @pytest.mark.parametrize(
        ("side", "price"), [(Side.BUY, "0.40"), (Side.SELL, "0.60")]
    )
    def test_a_worse_price_is_slippage_on_both_sides(
        self, side: Side, price: str
    ) -> None:
        """For a SELL worse means lower."""
        result = GUARD.check(side, D("10"), D(price), book(("0.50", "10")))
        assert result.expected_slippage_bps == D("0.1") / D(price) * 10_000
        assert not result.allowed

    def test_buy_looks_at_asks_and_sell_at_bids(self) -> None:
        """The wrong side's book is always a better price than the real one."""
        this = OrderBook(
            "111",
            bids=[Level(D("0.40"), D("10"))],
            asks=[Level(D("0.60"), D("10"))],
        )
        buy = GUARD.check(Side.BUY, D("10"), D("0.50"), this)
        sell = GUARD.check(Side.SELL, D("10"), D("0.50"), this)
        assert (buy.effective_price, sell.effective_price) == (D("0.60"), D("0.40"))
        assert buy.expected_slippage_bps == sell.expected_slippage_bps == 2000


class TestVerdict:
    """With an intended price of 0.50, 0.00005 more is one basis point."""

    @pytest.mark.parametrize(
        ("effective", "bps", "allowed", "recommendation"),
        [
            ("0.50", "0", True, "proceed"),
            ("0.50125", "25", True, "proceed"),
            ("0.50125005", "25.001", True, "warn"),
            ("0.5025", "50", True, "warn"),
            (
                "0.50250005",
                "50.001",
                False,
                "slippage of 50.00 bps exceeds 50 bps",
            ),
            ("0.51", "200", False, "slippage of 200.00 bps exceeds 50 bps"),
        ],
    )
    def test_warn_and_reject_begin_above_their_bounds(
        self, effective: str, bps: str, allowed: bool, recommendation: str
    ) -> None:
        """A bound of 50 bps includes 50 itself."""
        this = book((effective, "10"))
        result = GUARD.check(Side.BUY, D("10"), D("0.50"), this)
        assert result.expected_slippage_bps == D(bps)
        assert (result.allowed, result.recommendation) == (allowed, recommendation)
        assert result.is_warning == (recommendation == "warn")

    @pytest.mark.parametrize(
        ("own", "allowed", "recommendation"),
        [
            (None, True, "warn"),
            ("100", True, "warn"),
            ("30", True, "warn"),
            ("29.9", False, "slippage of 30.00 bps exceeds 29.9 bps"),
            ("0", False, "slippage of 30.00 bps exceeds 0 bps"),
        ],
    )
    def test_an_intents_own_bound_can_only_tighten(
        self, own: str | None, allowed: bool, recommendation: str
    ) -> None:
        """A strategy may be stricter than the house, never laxer."""
        bound = None if own is None else D(own)
        this = book(("0.5015", "10"))  # 30 bps
        result = GUARD.check(Side.BUY, D("10"), D("0.50"), this, max_slippage_bps=bound)
        assert (result.allowed, result.recommendation) == (allowed, recommendation)

    def test_a_looser_bound_of_the_intent_does_not_pass_the_house_bound(self) -> None:
        """60 bps stay refused, whatever the strategy would accept."""
        this = book(("0.503", "10"))
        result = GUARD.check(
            Side.BUY, D("10"), D("0.50"), this, max_slippage_bps=D("100")
        )
        assert result.recommendation == "slippage of 60.00 bps exceeds 50 bps"
        assert not result.allowed

    def test_the_configured_bounds_are_used(self) -> None:
        """Each account has its own tolerance."""
        guard = SlippageGuard(
            SlippageConfig(max_slippage_bps=D("300"), warn_slippage_bps=D("200"))
        )
        at = {
            price: guard.check(Side.BUY, D("10"), D("0.50"), book((price, "10")))
            for price in ("0.51", "0.512", "0.516")
        }
        assert [at[price].recommendation for price in at] == [
            "proceed",
            "warn",
            "slippage of 320.00 bps exceeds 300 bps",
        ]

    @pytest.mark.parametrize(
        "levels", [[], [("0.50", "9.999999")], [("0.40", "5"), ("0.50", "4.999999")]]
    )
    @pytest.mark.parametrize("side", Side)
    def test_too_little_depth_is_refused(
        self, side: Side, levels: list[tuple[str, str]]
    ) -> None:
        """An average over half the size says nothing of the other half."""
        result = GUARD.check(side, D("10"), D("0.50"), book(*levels))
        assert result.allowed is False
        assert result.recommendation == "Insufficient liquidity"
        assert result.effective_price is None
        assert result.expected_slippage_bps == 0
        assert not result.is_warning

    def test_the_last_share_of_the_depth_still_counts(self) -> None:
        """Depth that is exactly enough is enough."""
        this = book(("0.50", "10"))
        assert GUARD.check(Side.BUY, D("10"), D("0.50"), this).allowed


def test_the_defaults_are_the_published_ones() -> None:
    """50 to refuse and 25 to warn, as the configuration says."""
    config = SlippageConfig()
    assert (config.max_slippage_bps, config.warn_slippage_bps) == (D("50"), D("25"))
