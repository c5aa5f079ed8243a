"""Slippage: what taking the book would cost beyond the intended price."""

from decimal import Decimal
from typing import Final

import msgspec

from ledger.book import OrderBook
from ledger.values import ZERO, Side

BPS: Final = Decimal(10_000)
INSUFFICIENT_LIQUIDITY: Final = "Insufficient liquidity"


class SlippageConfig(msgspec.Struct, frozen=True):
    """Limits in basis points of the intended price."""

    max_slippage_bps: Decimal = Decimal(50)
    warn_slippage_bps: Decimal = Decimal(25)


class SlippageResult(msgspec.Struct, frozen=True, gc=False):
    """Whether the book allows the intent, and the evidence.

    `expected_slippage_bps` is adverse only: a better price counts as 0.
    `effective_price` is `None` when the depth does not suffice.
    `recommendation` is "proceed", "warn", or the reason for the refusal.
    """

    allowed: bool
    expected_slippage_bps: Decimal
    effective_price: Decimal | None
    recommendation: str

    @property
    def is_warning(self) -> bool:
        """Whether the intent passes but deserves a log line."""
        return self.recommendation == "warn"


class SlippageGuard:
    """Checks an intent against the book it would take from."""

    __slots__ = ("config",)

    def __init__(self, config: SlippageConfig) -> None:
        self.config = config

    def check(
        self,
        side: Side,
        size: Decimal,
        price: Decimal,
        book: OrderBook,
        *,
        max_slippage_bps: Decimal | None = None,
    ) -> SlippageResult:
        """Compare the effective price of `size` shares with the intended one.

        Args:
            side: BUY is checked against asks, SELL against bids.
            size: Outcome shares.
            price: Intended price, pUSD per share.
            book: The book of the intent's token.
            max_slippage_bps: A tighter bound of the intent's own; a looser one
                than the configured has no effect.
        """
        effective = book.effective_price(side, shares=size)
        if effective is None:
            return SlippageResult(
                allowed=False,
                expected_slippage_bps=ZERO,
                effective_price=None,
                recommendation=INSUFFICIENT_LIQUIDITY,
            )
        adverse = effective - price if side is Side.BUY else price - effective
        bps = adverse / price * BPS if adverse > ZERO else ZERO
        allowed_bps = self.config.max_slippage_bps
        if max_slippage_bps is not None:
            allowed_bps = min(allowed_bps, max_slippage_bps)
        if bps > allowed_bps:
            verdict = f"slippage of {bps:.2f} bps exceeds {allowed_bps} bps"
        elif bps > self.config.warn_slippage_bps:
            verdict = "warn"
        else:
            verdict = "proceed"
        return SlippageResult(
            allowed=bps <= allowed_bps,
            expected_slippage_bps=bps,
            effective_price=effective,
            recommendation=verdict,
        )
