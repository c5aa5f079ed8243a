"""Wallets of a throwaway key, and clients that adapt the venue's own."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from executors.polymarket.clients import ClientV1, OfficialClient
from executors.polymarket.gateway import OrderTerms
from executors.polymarket.settings import WalletKind
from executors.protocol import SigningKey

CANARY = "deadc0de" * 8
"""A throwaway private key that is easy to find where it must not be."""

KEY = SigningKey(CANARY)
TOKEN = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
POSITION = "452312848583266388373324160190187140051930393628911470063306781721903497217"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9"


class StoppedClock:
    """Always the same time."""

    def now(self) -> datetime:
        """The wall clock."""
        return NOW

    def monotonic(self) -> float:
        """Never moves."""
        return 0

    async def sleep(self, seconds: float) -> None:
        """Nobody waits here."""
        raise NotImplementedError


@cache
def wallet_address(kind: WalletKind, signer: str = KEY.address) -> str:
    """Where the key's wallet of a kind lives, as the venue's client derives it."""
    from polymarket import PRODUCTION
    from polymarket._internal import wallet

    derive: Any = {
        WalletKind.PROXY: wallet.derive_proxy_wallet_address,
        WalletKind.SAFE: wallet.derive_safe_wallet_address,
        WalletKind.DEPOSIT: wallet.derive_beacon_deposit_wallet_address,
    }
    if kind is WalletKind.EOA:
        return signer
    return str(derive[kind](signer, PRODUCTION._config.wallet_derivation))


def official(kind: WalletKind = WalletKind.EOA, **changes: Any) -> OfficialClient:
    """The adapter of polymarket-client for the key's wallet of a kind."""
    options: dict[str, Any] = {
        "kind": kind,
        "funder": wallet_address(kind),
        "clock": StoppedClock(),
        "rest_url": NOWHERE,
    }
    return OfficialClient(KEY, **options | changes)


def v1(kind: WalletKind = WalletKind.EOA, **changes: Any) -> ClientV1:
    """The adapter of py-clob-client for the key's wallet of a kind."""
    options: dict[str, Any] = {
        "kind": kind,
        "funder": wallet_address(kind),
        "rest_url": NOWHERE,
    }
    return ClientV1(KEY, **options | changes)


def terms(**changes: Any) -> OrderTerms:
    """What is to be signed."""
    fields: dict[str, Any] = {
        "token_id": TOKEN,
        "side": "BUY",
        "maker_amount": 5_600_000,
        "taker_amount": 10_000_000,
        "salt": 4_231_249_989_069_824,
        "timestamp_ms": 1_795_351_965_214,
    }
    return OrderTerms(**fields | changes)
