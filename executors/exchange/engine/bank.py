"""Who holds what, and what of it is spoken for; base units.

A trade locks what it will cost until it settles and only then moves it, so a void
trade gives everything back by dropping its locks.
"""

from collections.abc import Iterable, Iterator, Mapping

from executors.exchange.engine.records import Leg, Trade
from executors.exchange.engine.types import UNLIMITED, Balance

CASH = ""
"""The asset name of pUSD; every other asset is a token id."""


class Wallet:
    """Settled holdings of one address, the locks on them, and its allowances."""

    __slots__ = ("_held", "_locked", "_locks", "allowances")

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._locks: dict[tuple[str, str], int] = {}
        self._locked: dict[str, int] = {}
        self.allowances: dict[tuple[str, bool], int] = {}

    def held(self, asset: str) -> int:
        """Settled amount, locked or not."""
        return self._held.get(asset, 0)

    def available(self, asset: str) -> int:
        """Settled amount that nothing has locked."""
        return self.held(asset) - self._locked.get(asset, 0)

    def move(self, asset: str, amount: int) -> None:
        """Add a signed amount to what is held."""
        self._held[asset] = self.held(asset) + amount

    def lock(self, key: str, asset: str, amount: int) -> None:
        """Let `key` lock this much of an asset instead of what it locked before."""
        before = self._locks.pop((key, asset), 0)
        if amount > 0:
            self._locks[key, asset] = amount
        self._locked[asset] = self._locked.get(asset, 0) - before + max(amount, 0)

    def allowance(self, asset: str, *, neg_risk: bool) -> int:
        """What an exchange contract may take of an asset."""
        return self.allowances.get((asset, neg_risk), UNLIMITED)

    def holdings(self) -> dict[str, int]:
        """Every asset with its settled amount, zeros left out."""
        return {asset: held for asset, held in self._held.items() if held}


class Bank:
    """All wallets, the fees taken, and the pUSD that stands behind minted pairs."""

    def __init__(self) -> None:
        self._wallets: dict[str, Wallet] = {}
        self.fees = 0
        self.collateral: dict[str, int] = {}

    def wallet(self, address: str) -> Wallet:
        """The wallet of an address, empty if new."""
        return self._wallets.setdefault(address.lower(), Wallet())

    def wallets(self) -> Iterator[tuple[str, Wallet]]:
        """Every wallet with its address in lower case."""
        yield from self._wallets.items()

    def fund(self, address: str, assets: Mapping[str, int]) -> None:
        """Add signed amounts to a wallet.

        Raises:
            ValueError: the wallet would hold less than nothing.
        """
        wallet = self.wallet(address)
        if any(wallet.held(asset) + amount < 0 for asset, amount in assets.items()):
            msg = f"{address} does not hold that much"
            raise ValueError(msg)
        for asset, amount in assets.items():
            wallet.move(asset, amount)

    def balance(self, address: str, asset: str) -> Balance:
        """What an address holds, and how much of it each contract may take."""
        wallet = self.wallet(address)
        return Balance(
            balance=wallet.held(asset),
            standard=wallet.allowance(asset, neg_risk=False),
            neg_risk=wallet.allowance(asset, neg_risk=True),
        )

    def lock(self, trade: Trade) -> None:
        """Reserve what a trade costs; one wallet may have several of its legs."""
        for (wallet, asset), amount in _sums(trade.legs).items():
            self.wallet(wallet).lock(trade.trade_id, asset, amount)

    def release(self, trade: Trade) -> None:
        """Drop the reservations of a trade."""
        for wallet, asset in _sums(trade.legs):
            self.wallet(wallet).lock(trade.trade_id, asset, 0)

    def can_settle(self, trade: Trade) -> bool:
        """Whether every wallet still holds what the trade takes from it."""
        return all(
            self.wallet(wallet).held(asset) >= amount
            for (wallet, asset), amount in _sums(trade.legs).items()
        )

    def settle(self, trade: Trade) -> None:
        """Move the tokens and the money of a trade, and mint or merge pairs."""
        net = 0
        for leg in trade.legs:
            wallet = self.wallet(leg.order.wallet)
            wallet.move(leg.gives[0], -leg.gives[1])
            wallet.move(*leg.gets)
            net += leg.money if leg.order.is_buy else -leg.money
            self.fees += leg.fee
        market = trade.market.condition_id
        self.collateral[market] = self.collateral.get(market, 0) + net


def _sums(legs: Iterable[Leg]) -> dict[tuple[str, str], int]:
    """What each wallet gives of each asset, over all of its legs."""
    sums: dict[tuple[str, str], int] = {}
    for leg in legs:
        asset, amount = leg.gives
        key = leg.order.wallet, asset
        sums[key] = sums.get(key, 0) + amount
    return sums
