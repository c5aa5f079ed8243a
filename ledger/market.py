"""What a market is to the ledger: its tokens, its grid, its fees."""

from decimal import ROUND_FLOOR, Decimal
from typing import Final

import msgspec

from ledger.values import ONE, ZERO, Outcome

FEE_STEP: Final = Decimal("0.00001")
"""Fees are floored to 5 decimals: all 21 on-chain legs of 2026-09 agree."""

TICKS: Final = tuple(
    map(Decimal, ("0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001"))
)
"""The venue's tick sizes."""


class Market(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One binary market as the venue describes it.

    `market_id` is the condition id.
    `yes_token` and `no_token` are the venue's asset ids in the market's own
    order; `yes_label` and `no_label` are what the venue calls them ("Up").
    """

    market_id: str
    yes_token: str
    no_token: str
    tick_size: Decimal = Decimal("0.01")
    min_size: Decimal = Decimal(5)
    fee_rate: Decimal = ZERO
    fee_exponent: int = 1
    neg_risk: bool = False
    yes_label: str = "Yes"
    no_label: str = "No"
    slug: str = ""
    group: str = ""

    def token(self, outcome: Outcome) -> str:
        """The venue's asset id of one outcome."""
        return self.yes_token if outcome is Outcome.YES else self.no_token

    def outcome_of(self, token_id: str) -> Outcome | None:
        """Which outcome an asset id stands for; `None` if it is not ours."""
        if token_id == self.yes_token:
            return Outcome.YES
        return Outcome.NO if token_id == self.no_token else None

    def is_on_grid(self, price: Decimal) -> bool:
        """Whether the venue takes this price: a multiple of the tick inside."""
        tick = self.tick_size
        return tick <= price <= ONE - tick and price % tick == ZERO


def taker_fee(
    shares: Decimal, price: Decimal, rate: Decimal, exponent: int = 1
) -> Decimal:
    """Compute the fee of one taker fill in pUSD.

    Args:
        shares: Outcome shares of the fill.
        price: pUSD per share.
        rate: The market's fee rate, such as 0.07; makers pay none.
        exponent: The exponent of the market's fee curve.

    Returns:
        `shares x rate x (price x (1 - price)) ** exponent`, floored to 5 places.

    Source:
        Venue documentation (trading/fees); rounding measured on `OrderFilled`
        events of September 2026.
    """
    curve = (price * (ONE - price)) ** exponent
    return (shares * rate * curve).quantize(FEE_STEP, rounding=ROUND_FLOOR)
