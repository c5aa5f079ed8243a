"""A market's tokens, grid and fees."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.market import TICKS, Market, taker_fee
from ledger.values import Outcome

D = Decimal
SHARED = Path(__file__).parents[4] / "shared" / "fixtures" / "polymarket"
ON_CHAIN = SHARED / "vectors_onchain_taker_fees.json"


def market(**changes: Any) -> Market:
    return Market(market_id="0xm", yes_token="111", no_token="222", **changes)


def test_tokens_and_outcomes_name_each_other() -> None:
    """Orders name outcomes, the venue names tokens; a swap bets on the opposite."""
    this = market()
    assert [this.token(outcome) for outcome in Outcome] == ["111", "222"]
    assert [this.outcome_of(this.token(outcome)) for outcome in Outcome] == [*Outcome]
    assert this.outcome_of("333") is None


@pytest.mark.parametrize("tick", TICKS)
def test_the_grid_runs_from_one_tick_to_one_below_1(tick: Decimal) -> None:
    """The venue refuses what lies off its grid; better to know before signing."""
    this = market(tick_size=tick)
    assert this.is_on_grid(tick)
    assert this.is_on_grid(1 - tick)
    assert not this.is_on_grid(D("0"))
    assert not this.is_on_grid(D("1"))
    assert not this.is_on_grid(tick / 2)
    assert not this.is_on_grid(1 - tick / 2)
    assert not this.is_on_grid(tick + tick / 2)


@pytest.mark.parametrize(
    ("shares", "price", "rate", "exponent", "fee"),
    [
        ("100", "0.5", "0.07", 1, "1.75000"),
        ("100", "0.5", "0.07", 2, "0.43750"),
        ("1", "0.01", "0.07", 1, "0.00069"),  # 0.000693
        ("1", "0.03", "0.0333", 1, "0.00096"),  # 0.00096903
        ("5", "0.99", "0", 1, "0.00000"),
    ],
)
def test_taker_fee_follows_the_curve_and_is_floored(
    shares: str, price: str, rate: str, exponent: int, fee: str
) -> None:
    """Computed by hand; rounding up would book fees that nobody took."""
    assert str(taker_fee(D(shares), D(price), D(rate), exponent)) == fee


def test_the_fee_curve_is_linear_unless_told() -> None:
    """Every market of today has exponent 1."""
    assert taker_fee(D("100"), D("0.5"), D("0.07")) == D("1.75")


# Three of the legs, for a checkout that stands alone.
LEGS = [
    ("BUY", "5000000", "7575758", "0.66", "0.05", "85000"),
    ("SELL", "5000000", "1550000", "0.31", "0.05", "53470"),
    ("BUY", "5000000", "5952381", "0.84", "0", "0"),
]


@pytest.mark.parametrize(("side", "made", "taken", "price", "rate", "fee"), LEGS)
def test_taker_fee_agrees_with_the_chain(
    side: str, made: str, taken: str, price: str, rate: str, fee: str
) -> None:
    """What the contract took is the truth; documentation is not."""
    shares = D(taken if side == "BUY" else made) / 10**6
    assert taker_fee(shares, D(price), D(rate)) * 10**6 == D(fee)


@pytest.mark.skipif(not ON_CHAIN.exists(), reason="the on-chain vectors are not here")
def test_taker_fee_agrees_with_every_recorded_leg() -> None:
    """One leg of a kind that is not among our three would be enough to be wrong."""
    for leg in json.loads(ON_CHAIN.read_text()):
        test_taker_fee_agrees_with_the_chain(
            leg["side"],
            leg["maker_amount_filled"],
            leg["taker_amount_filled"],
            leg["price"],
            leg["fee_rate"],
            leg["fee"],
        )
