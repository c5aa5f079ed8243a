"""Vectors of the venue's protocol, and orders made of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from executors.protocol import SigningKey, WireOrder, WireOrderV1

DATA = Path(__file__).parents[2] / "data" / "venue"
SHARED = Path(__file__).parents[4] / "shared" / "fixtures" / "polymarket"

KEY_TEXT = "0x" + "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""A public test key; everybody knows it."""

KEY = SigningKey(KEY_TEXT)
OTHER_KEY = SigningKey("c1" * 32)
TOKEN = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
POSITION = "452312848583266388373324160190187140051930393628911470063306781721903497217"
WALLET = "0x1111111111111111111111111111111111111111"


def vectors(name: str) -> Any:
    """What a file of vectors holds."""
    return json.loads((DATA / name).read_text())


def shared_vectors(name: str) -> Any:
    """The same of the reference, or skip where it is not at hand."""
    if not SHARED.is_dir():
        pytest.skip("the shared vectors are not here")
    return json.loads((SHARED / name).read_text())


def order_of(fields: dict[str, Any]) -> WireOrder:
    """An order as the vectors write it."""
    return WireOrder(
        salt=fields["salt"],
        maker=fields["maker"],
        signer=fields["signer"],
        token_id=fields["tokenId"],
        maker_amount=int(fields["makerAmount"]),
        taker_amount=int(fields["takerAmount"]),
        side=fields["side"],
        signature_type=fields["signatureType"],
        timestamp=int(fields["timestamp"]),
        metadata=fields["metadata"],
        builder=fields["builder"],
        expiration=int(fields["expiration"]),
    )


def order(kind: int = 0, **changes: Any) -> WireOrder:
    """An order of one wallet kind."""
    fields: dict[str, Any] = {
        "salt": 4_231_249_989_069_824,
        "maker": WALLET if kind else KEY.address,
        "signer": WALLET if kind == 3 else KEY.address,
        "token_id": TOKEN,
        "maker_amount": 5_000_000,
        "taker_amount": 10_000_000,
        "side": "BUY",
        "signature_type": kind,
        "timestamp": 1_795_351_965_214,
    }
    return WireOrder(**fields | changes)


def order_v1(kind: int = 0, **changes: Any) -> WireOrderV1:
    """An order of protocol 1."""
    fields: dict[str, Any] = {
        "salt": 1234,
        "maker": WALLET if kind else KEY.address,
        "signer": KEY.address,
        "token_id": TOKEN,
        "maker_amount": 5_000_000,
        "taker_amount": 10_000_000,
        "side": "SELL",
        "signature_type": kind,
    }
    return WireOrderV1(**fields | changes)
