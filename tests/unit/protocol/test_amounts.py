"""What is signed is exact, and never worse than the limit."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from executors.protocol import Amounts, market_amounts, order_amounts
from ledger.errors import VenueRejectedError
from ledger.market import TICKS
from ledger.values import Side
from tests.unit.protocol.kit import vectors

VECTORS = vectors("vectors_order_amounts.json")
D = Decimal
FINEST = min(TICKS)


@st.composite
def priced(draw: st.DrawFn) -> tuple[Decimal, Decimal]:
    """A tick, and a price on its grid."""
    tick = draw(st.sampled_from(TICKS))
    steps = draw(st.integers(1, int(1 / tick) - 1))
    return tick, tick * steps


hundredths = st.integers(1, 10**9).map(lambda number: D(number) / 100)


def signed(amounts: Amounts) -> tuple[str, str]:
    """As the vectors write them."""
    return str(amounts.maker_amount), str(amounts.taker_amount)


class TestLimitOrders:
    @pytest.mark.parametrize("vector", VECTORS["limit"])
    def test_equal_what_the_client_signs(self, vector: dict[str, Any]) -> None:
        """The vectors are computed with it."""
        amounts = order_amounts(
            side=Side(vector["side"]),
            price=D(vector["price"]),
            size=D(vector["size"]),
            tick=D(vector["tick"]),
        )
        assert signed(amounts) == (vector["makerAmount"], vector["takerAmount"])

    @pytest.mark.parametrize("side", Side)
    def test_failure_mode_14_the_size_that_is_signed_is_told(self, side: Side) -> None:
        """Clients round down silently, and the fill looks short."""
        amounts = order_amounts(
            side=side, price=D("0.57"), size=D("10.239"), tick=D("0.01")
        )
        assert amounts.size == D("10.23")

    @given(priced(), hundredths, st.sampled_from(Side))
    def test_imply_the_limit_itself(
        self, grid: tuple[Decimal, Decimal], size: Decimal, side: Side
    ) -> None:
        """The venue reads the price off the amounts: rounding would move it."""
        tick, price = grid
        amounts = order_amounts(side=side, price=price, size=size, tick=tick)
        shares, money = amounts.taker_amount, amounts.maker_amount
        if side is Side.SELL:
            shares, money = money, shares
        assert money == price * shares
        assert amounts.size == size

    @pytest.mark.parametrize(
        ("price", "size"),
        [("0.29", "100"), ("0.57", "114.99"), ("0.58", "1.15"), ("0.07", "4.35")],
    )
    def test_are_right_where_floats_are_not(self, price: str, size: str) -> None:
        """1.15 * 100 is 114.99999999999999 in floats: a client lost a cent so."""
        amounts = order_amounts(
            side=Side.BUY, price=D(price), size=D(size), tick=D("0.01")
        )
        assert amounts.taker_amount == D(size) * 10**6
        assert amounts.maker_amount == D(size) * D(price) * 10**6

    @pytest.mark.parametrize(
        ("price", "tick"),
        [("0.455", "0.01"), ("0", "0.01"), ("1", "0.01"), ("0.5", "0.02")],
    )
    def test_refuse_a_price_off_the_grid(self, price: str, tick: str) -> None:
        """Rounding it would sign another limit than was asked for."""
        with pytest.raises(VenueRejectedError) as caught:
            order_amounts(side=Side.BUY, price=D(price), size=D(9), tick=D(tick))
        assert caught.value.code == "tick_size"

    def test_refuse_a_size_that_rounds_to_nothing(self) -> None:
        """An order of nothing cannot be signed."""
        with pytest.raises(VenueRejectedError) as caught:
            order_amounts(
                side=Side.BUY, price=D("0.5"), size=D("0.009"), tick=D("0.01")
            )
        assert caught.value.code == "min_size"


class TestMarketOrders:
    @pytest.mark.parametrize("vector", VECTORS["market"])
    def test_equal_what_the_client_signs(self, vector: dict[str, Any]) -> None:
        """The vectors are computed with it."""
        amounts = market_amounts(
            side=Side(vector["side"]),
            price=D(vector["price"]),
            amount=D(vector["amount"]),
            tick=D(vector["tick"]),
        )
        assert signed(amounts) == (vector["makerAmount"], vector["takerAmount"])

    @given(priced(), hundredths)
    def test_failure_mode_22_a_protected_buy_can_fill_at_its_limit(
        self, grid: tuple[Decimal, Decimal], money: Decimal
    ) -> None:
        """Shares rounded up imply a price below the cap: asks there are missed."""
        tick, price = grid
        assume(money >= 10)
        amounts = market_amounts(side=Side.BUY, price=price, amount=money, tick=tick)
        assert amounts.maker_amount == money * 10**6
        assert amounts.maker_amount >= price * amounts.taker_amount
        assert amounts.maker_amount < (price + FINEST) * amounts.taker_amount

    @pytest.mark.parametrize(
        ("price", "tick"), [("0.455", "0.01"), ("1", "0.01"), ("0.5", "0.02")]
    )
    def test_refuse_a_price_off_the_grid(self, price: str, tick: str) -> None:
        """As limit orders do."""
        with pytest.raises(VenueRejectedError) as caught:
            market_amounts(side=Side.BUY, price=D(price), amount=D(9), tick=D(tick))
        assert caught.value.code == "tick_size"

    def test_refuse_money_too_small_to_keep_the_limit(self) -> None:
        """A cent at 0.9 buys 0.011 shares, which implies 0.909: an ask in between."""
        with pytest.raises(VenueRejectedError) as caught:
            market_amounts(
                side=Side.BUY, price=D("0.9"), amount=D("0.01"), tick=D("0.1")
            )
        assert caught.value.code == "amounts"
