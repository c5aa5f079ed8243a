"""Markets and throwaway wallets that a seed gives, and the ready file that names them."""

import json
import os
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from eth_hash.auto import keccak

from executors.exchange.engine import UNIT, Exchange, ExchangeMarket
from executors.market_data import Frame, infer_markets
from executors.protocol import SigningKey, is_position_id
from ledger.values import text_of

_PATTERN: Final = (
    # tick size, neg-risk, position ids, fee rate
    ("0.01", False, False, "0.05"),
    ("0.001", True, False, "0.04"),
    ("0.01", False, True, "0.07"),
    ("0.01", False, False, "0"),
)
"""What markets are like, in turn: every exchange contract has its own."""

_POSITION_SHIFT: Final = 104
_POSITION_LOW: Final = (1 << 40) - 1
_TOKEN_BITS: Final = 256


class Wallet(NamedTuple):
    """A key that is worth nothing anywhere else, and what it got here."""

    address: str
    private_key: str
    cash: Decimal
    shares: Decimal


def make_markets(
    seed: int, count: int, *, protocol: str = "v2", taker_delay_ms: int = 0
) -> list[ExchangeMarket]:
    """Make markets up; position ids exist in protocol v2 only."""
    made = []
    for number in range(count):
        tick, neg_risk, position, fee = _PATTERN[number % len(_PATTERN)]
        name = f"{seed}/market/{number}"
        with_positions = position and protocol == "v2"
        made.append(
            ExchangeMarket(
                condition_id="0x" + keccak(name.encode()).hex(),
                tokens=(
                    _token(f"{name}/yes", position=with_positions),
                    _token(f"{name}/no", position=with_positions),
                ),
                tick_size=Decimal(tick),
                neg_risk=neg_risk,
                fee_rate=Decimal(fee),
                taker_delay_ms=taker_delay_ms,
                slug=f"practice-{number + 1}",
            )
        )
    return made


def recorded_markets(frames: Iterable[Frame]) -> list[ExchangeMarket]:
    """Open the markets of a recording whose tokens have the venue's asset ids."""
    return [
        ExchangeMarket(
            condition_id=market.market_id,
            tokens=(market.yes_token, market.no_token),
            outcomes=(market.yes_label, market.no_label),
            tick_size=market.tick_size,
            min_size=market.min_size,
            neg_risk=market.neg_risk,
            fee_rate=market.fee_rate,
            fee_exponent=market.fee_exponent,
            slug=market.slug,
        )
        for market in infer_markets(frames)
        if market.yes_token.isdecimal() and market.no_token.isdecimal()
    ]


def make_wallets(
    exchange: Exchange, seed: int, count: int, *, cash: Decimal, shares: Decimal
) -> list[Wallet]:
    """Make wallets up, with pUSD and with shares of every outcome."""
    tokens = [token for market in exchange.markets() for token in market.tokens]
    made = []
    for number in range(count):
        key = keccak(f"{seed}/wallet/{number}".encode()).hex()
        wallet = Wallet(SigningKey(key).address, "0x" + key, cash, shares)
        exchange.fund(
            wallet.address,
            int(cash * UNIT),
            dict.fromkeys(tokens, int(shares * UNIT)) if shares else {},
        )
        made.append(wallet)
    return made


def ready(
    base: str,
    markets: Iterable[ExchangeMarket],
    wallets: Iterable[Wallet],
) -> dict[str, Any]:
    """Describe a listening exchange; `base` is its address, `http://host:port`."""
    streams = "ws" + base.removeprefix("http")
    markets = list(markets)
    tokens = [token for market in markets for token in market.tokens]
    return {
        "rest_url": base,
        "ws_user_url": f"{streams}/ws/user",
        "ws_market_url": f"{streams}/ws/market",
        "data_url": base,
        "admin_url": f"{base}/admin",
        "markets": [_described(market) for market in markets],
        "wallets": [
            {
                "address": wallet.address,
                "private_key": wallet.private_key,
                "cash": text_of(wallet.cash),
                "shares": dict.fromkeys(tokens, text_of(wallet.shares)),
            }
            for wallet in wallets
        ],
    }


def write_ready(path: Path, content: dict[str, Any]) -> None:
    """Write the ready file so that a reader sees all of it, or none."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.chmod(0o600)
    draft.replace(path)


def _described(market: ExchangeMarket) -> dict[str, Any]:
    return {
        "condition_id": market.condition_id,
        "tokens": [
            {"token_id": token, "outcome": market.outcome(token)}
            for token in market.tokens
        ],
        "tick_size": text_of(market.tick_size),
        "min_size": text_of(market.min_size),
        "neg_risk": market.neg_risk,
    }


def _token(name: str, *, position: bool) -> str:
    number = int.from_bytes(keccak(name.encode()), "big")
    if position:
        # A position id has 64 zero bits where a token id has chance.
        number = (number >> _POSITION_SHIFT << _POSITION_SHIFT) | (
            number & _POSITION_LOW
        )
    token = str(number % (1 << _TOKEN_BITS))
    assert is_position_id(token) is position
    return token
