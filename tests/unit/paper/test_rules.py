"""The venue's rules, told before the venue has to."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from executors.rules import (
    Amounts,
    base_units,
    check_against_book,
    check_order,
    order_amounts,
    signed_size,
)
from ledger.errors import VenueRejectedError
from ledger.market import TICKS
from ledger.values import Outcome, Side, TimeInForce
from ledger.venue import PlacementRequest
from tests.unit.paper.kit import BUY, FAK, FOK, GTC, GTD, MARKET, SELL, d

SHARED = Path(__file__).parents[4] / "shared" / "fixtures" / "polymarket"
NOW = datetime(2026, 11, 1, tzinfo=UTC)

OWN_VECTORS = [
    ("BUY", "0.37", "12.345", "0.01", 4_565_800, 12_340_000),
    ("SELL", "0.37", "12.345", "0.01", 12_340_000, 4_565_800),
    ("BUY", "0.125", "8.88", "0.005", 1_110_000, 8_880_000),
    ("SELL", "0.9975", "5.01", "0.0025", 5_010_000, 4_997_475),
    ("BUY", "0.9", "6.66", "0.1", 5_994_000, 6_660_000),
    ("BUY", "0.0003", "33.33", "0.0001", 9_999, 33_330_000),
]


def request(**changes: Any) -> PlacementRequest:
    fine = PlacementRequest(
        order_id="order-1",
        market=MARKET,
        outcome=Outcome.YES,
        side=BUY,
        size=d("10"),
        price=d("0.45"),
        time_in_force=GTC,
        post_only=False,
        expires_at=None,
    )
    return replace(fine, **changes)


def refusal(**changes: Any) -> VenueRejectedError:
    with pytest.raises(VenueRejectedError) as caught:
        check_order(request(**changes), NOW)
    return caught.value


class TestAmounts:
    @pytest.mark.parametrize(
        ("side", "price", "size", "tick", "maker", "taker"), OWN_VECTORS
    )
    def test_amounts_are_exact_integers(
        self, side: str, price: str, size: str, tick: str, maker: int, taker: int
    ) -> None:
        """A base unit too many or too few and the venue refuses the order."""
        made = order_amounts(Side(side), d(price), d(size), d(tick))
        assert (made.maker_amount, made.taker_amount) == (maker, taker)

    def test_published_vectors_hold(self) -> None:
        """The official client signs these; ours must be the same integers."""
        path = SHARED / "vectors_order_amounts.json"
        if not path.exists():
            pytest.skip("the shared vectors are not here")
        rows = json.loads(path.read_text())["limit"]
        assert rows
        for row in rows:
            made = order_amounts(
                Side(row["side"]), d(row["price"]), d(row["size"]), d(row["tick"])
            )
            expected = (int(row["makerAmount"]), int(row["takerAmount"]))
            assert (made.maker_amount, made.taker_amount) == expected, row

    @pytest.mark.parametrize("tick", TICKS)
    def test_no_grid_price_loses_money_to_rounding(self, tick: Decimal) -> None:
        """On the grid the product fits the venue's decimals, so nothing is cut."""
        for price in (tick, tick * 3, 1 - tick):
            made = order_amounts(BUY, price, d("77.77"), tick)
            assert Decimal(made.maker_amount) == d("77.77") * price * 1_000_000

    def test_size_is_rounded_down_to_hundredths(self) -> None:
        """Rounded up, a SELL would offer shares that are not there."""
        assert signed_size(d("1.51999")) == d("1.51")
        assert order_amounts(SELL, d("0.5"), d("1.51999"), d("0.01")) == Amounts(
            d("1.51"), 1_510_000, 755_000
        )

    def test_a_tick_the_venue_does_not_have_is_refused(self) -> None:
        """Its decimals are unknown, so any amount would be a guess."""
        with pytest.raises(VenueRejectedError) as caught:
            order_amounts(BUY, d("0.5"), d("10"), d("0.02"))
        assert caught.value.code == "tick_size"

    def test_base_units_are_millionths(self) -> None:
        """The venue's texts and the chain count in them."""
        assert base_units(d("1.515")) == 1_515_000


class TestOrder:
    def test_a_fine_order_passes(self) -> None:
        """The other tests change one thing each."""
        check_order(request(), NOW)

    @pytest.mark.parametrize("price", ["0.455", "0.005", "0.995"])
    def test_a_price_off_the_grid_is_refused(self, price: str) -> None:
        """The text names price and tick, which is what an operator looks for."""
        error = refusal(price=d(price))
        assert error.code == "tick_size"
        expected = f"order order-1 is invalid. Price ({price}) breaks minimum tick size rule: 0.01"
        assert str(error) == expected

    @pytest.mark.parametrize("size", ["4.99", "4.999999", "0.001"])
    def test_fewer_shares_than_the_minimum_are_refused(self, size: str) -> None:
        """The signed size counts: 4.999999 is signed as 4.99."""
        error = refusal(size=d(size))
        assert error.code == "min_size"
        assert str(error).endswith("lower than the minimum: 5")

    def test_nothing_left_after_rounding_is_refused_without_a_minimum(self) -> None:
        """A market without a minimum still cannot take an order of 0 shares."""
        market = replace(MARKET, min_size=d("0"))
        assert refusal(market=market, size=d("0.009")).code == "min_size"

    @pytest.mark.parametrize("tif", [FOK, FAK])
    def test_post_only_needs_an_order_that_rests(self, tif: TimeInForce) -> None:
        """It would contradict itself: match at once, but never match at once."""
        assert refusal(time_in_force=tif, post_only=True).code == "invalid_order"

    def test_gtd_lives_at_least_three_minutes(self) -> None:
        """The venue ends it a minute early, so less would leave under two."""
        near, enough = NOW + timedelta(seconds=179), NOW + timedelta(seconds=180)
        error = refusal(time_in_force=GTD, expires_at=near)
        assert (error.code, str(error)) == ("expiration", "invalid expiration")
        check_order(request(time_in_force=GTD, expires_at=enough), NOW)

    def test_expiration_belongs_to_gtd_alone(self) -> None:
        """An expiration that is silently ignored is an order that never ends."""
        assert refusal(time_in_force=GTD).code == "expiration"
        assert refusal(expires_at=NOW + timedelta(days=1)).code == "expiration"


class TestAgainstBook:
    def test_post_only_that_would_match_is_refused(self) -> None:
        """It asked to be a maker; a taker's fee is what it wanted to avoid."""
        with pytest.raises(VenueRejectedError) as caught:
            check_against_book(request(post_only=True), d("0.45"))
        assert caught.value.code == "post_only_crosses"
        assert str(caught.value) == "invalid post-only order: order crosses book"
        check_against_book(request(post_only=True), d("0.46"))
        check_against_book(request(post_only=True), None)

    def test_post_only_sell_looks_at_bids(self) -> None:
        """A SELL crosses downwards."""
        check_against_book(request(side=SELL, post_only=True), d("0.44"))
        with pytest.raises(VenueRejectedError):
            check_against_book(request(side=SELL, post_only=True), d("0.46"))

    def test_a_matching_buy_below_one_dollar_is_refused(self) -> None:
        """The venue has this floor for BUYs that match, and only for them."""
        small = request(price=d("0.09"), size=d("11.11"))  # 0.9999 pUSD
        with pytest.raises(VenueRejectedError, match=r"min size: \$1") as caught:
            check_against_book(small, d("0.09"))
        assert caught.value.code == "min_notional"
        check_against_book(small, d("0.10"))
        check_against_book(request(price=d("0.10"), size=d("10")), d("0.09"))
        check_against_book(request(side=SELL, price=d("0.09"), size=d("5")), d("0.10"))
