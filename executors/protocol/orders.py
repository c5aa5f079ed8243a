"""Orders as they are signed, and the id that each will have at the venue."""

from typing import Final

import msgspec
from eth_hash.auto import keccak

from executors.protocol.contracts import (
    CHAIN_ID,
    V1,
    V1_NEG_RISK,
    V2,
    V2_NEG_RISK,
    V3,
    Domain,
    is_position_id,
)
from executors.protocol.hashing import (
    address_word,
    domain_separator,
    typed_digest,
    word,
)

ZERO_BYTES32: Final = "0x" + "0" * 64
ZERO_ADDRESS: Final = "0x" + "0" * 40

EOA: Final = 0
POLY_PROXY: Final = 1
GNOSIS_SAFE: Final = 2
POLY_1271: Final = 3
"""Signature types: whose contract checks the signature."""

ORDER_TYPE: Final = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,"
    b"uint256 makerAmount,uint256 takerAmount,uint8 side,uint8 signatureType,"
    b"uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_ORDER_TYPE_V1: Final = (
    b"Order(uint256 salt,address maker,address signer,address taker,"
    b"uint256 tokenId,uint256 makerAmount,uint256 takerAmount,uint256 expiration,"
    b"uint256 nonce,uint256 feeRateBps,uint8 side,uint8 signatureType)"
)
_ORDER_HASH: Final = keccak(ORDER_TYPE)
_ORDER_HASH_V1: Final = keccak(_ORDER_TYPE_V1)


class WireOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order of protocol 2 or 3, signed once `signature` is set.

    Amounts are base units (10^-6), `timestamp` Unix milliseconds, `expiration`
    Unix seconds (0: none; not part of what is signed).
    `side` is BUY or SELL; `metadata` and `builder` are 32 bytes as `0x...`.
    """

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: int
    taker_amount: int
    side: str
    signature_type: int
    timestamp: int
    metadata: str = ZERO_BYTES32
    builder: str = ZERO_BYTES32
    expiration: int = 0
    signature: str = ""


class WireOrderV1(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order of protocol 1, which the production venue refuses by now."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: int
    taker_amount: int
    side: str
    signature_type: int
    taker: str = ZERO_ADDRESS
    expiration: int = 0
    nonce: int = 0
    fee_rate_bps: int = 0
    signature: str = ""


def candidate_domains(order: WireOrder | WireOrderV1) -> tuple[Domain, ...]:
    """The domains the order may be signed for, standard before neg-risk."""
    if isinstance(order, WireOrderV1):
        return V1, V1_NEG_RISK
    return (V3,) if is_position_id(order.token_id) else (V2, V2_NEG_RISK)


def domain_of(order: WireOrder | WireOrderV1, neg_risk: bool) -> Domain:  # noqa: FBT001 -- the market's flag
    """The domain the order must be signed for, given its market's flag."""
    return candidate_domains(order)[-1 if neg_risk else 0]


def order_id(
    order: WireOrder | WireOrderV1,
    exchange: str,
    version: str = "2",
    chain_id: int = CHAIN_ID,
) -> str:
    """Compute the venue's id of an order: its EIP-712 hash, as `0x...`."""
    return "0x" + order_digest(order, exchange, version, chain_id).hex()


def order_id_v1(order: WireOrderV1, exchange: str = V1.exchange) -> str:
    """Compute the venue's id of an order of protocol 1."""
    return order_id(order, exchange, "1")


def order_digest(
    order: WireOrder | WireOrderV1, exchange: str, version: str, chain_id: int
) -> bytes:
    """Compute the 32 bytes that name the order."""
    separator = domain_separator(exchange, version, chain_id)
    return typed_digest(separator, struct_hash(order))


def struct_hash(order: WireOrder | WireOrderV1) -> bytes:
    """Hash the signed fields, without a domain."""
    if isinstance(order, WireOrderV1):
        return _struct_hash_v1(order)
    return keccak(
        _ORDER_HASH
        + word(order.salt)
        + address_word(order.maker)
        + address_word(order.signer)
        + word(int(order.token_id))
        + word(order.maker_amount)
        + word(order.taker_amount)
        + word(_side(order.side))
        + word(order.signature_type)
        + word(order.timestamp)
        + bytes.fromhex(order.metadata[2:])
        + bytes.fromhex(order.builder[2:])
    )


def _struct_hash_v1(order: WireOrderV1) -> bytes:
    return keccak(
        _ORDER_HASH_V1
        + word(order.salt)
        + address_word(order.maker)
        + address_word(order.signer)
        + address_word(order.taker)
        + word(int(order.token_id))
        + word(order.maker_amount)
        + word(order.taker_amount)
        + word(order.expiration)
        + word(order.nonce)
        + word(order.fee_rate_bps)
        + word(_side(order.side))
        + word(order.signature_type)
    )


def _side(side: str) -> int:
    return 0 if side == "BUY" else 1
