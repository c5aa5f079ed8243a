"""The paper account: what it holds on chain and what of that is spoken for."""

from decimal import Decimal
from typing import Final

from ledger.values import ZERO

CASH: Final = ""
"""The asset name of pUSD; every other asset is a token id."""


class Account:
    """Settled holdings and the locks on them.

    A trade locks what it will cost until it settles, and only then moves it, so
    that a void trade gives everything back by dropping its lock.
    """

    __slots__ = ("_held", "_locked", "_locks")

    def __init__(self, cash: Decimal) -> None:
        self._held = {CASH: cash}
        self._locks: dict[str, tuple[str, Decimal]] = {}
        self._locked: dict[str, Decimal] = {}

    def held(self, asset: str) -> Decimal:
        """Settled amount of an asset, locked or not."""
        return self._held.get(asset, ZERO)

    def available(self, asset: str) -> Decimal:
        """Settled amount that nothing has locked."""
        return self.held(asset) - self._locked.get(asset, ZERO)

    def move(self, asset: str, amount: Decimal) -> None:
        """Add a signed amount to what is held."""
        self._held[asset] = self.held(asset) + amount

    def lock(self, key: str, asset: str, amount: Decimal) -> None:
        """Let `key` lock this much of an asset instead of what it locked before."""
        self.release(key)
        if amount > ZERO:
            self._locks[key] = (asset, amount)
            self._locked[asset] = self._locked.get(asset, ZERO) + amount

    def release(self, key: str) -> None:
        """Drop the lock of `key`, if it has one."""
        asset, amount = self._locks.pop(key, (CASH, ZERO))
        if amount:
            self._locked[asset] -= amount

    def tokens(self) -> list[tuple[str, Decimal]]:
        """Token ids with their settled shares, zeros left out, sorted."""
        return sorted(
            (asset, held) for asset, held in self._held.items() if asset and held
        )
