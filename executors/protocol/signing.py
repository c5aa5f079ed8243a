"""Signing orders and finding out who signed them, for every wallet kind."""

from typing import Final, TypeVar

import msgspec
from eth_hash.auto import keccak

from executors.protocol.contracts import CHAIN_ID, Domain
from executors.protocol.hashing import (
    address_word,
    domain_separator,
    typed_digest,
    word,
)
from executors.protocol.keys import SigningKey, recover_address
from executors.protocol.orders import (
    ORDER_TYPE,
    POLY_1271,
    WireOrder,
    WireOrderV1,
    candidate_domains,
    order_digest,
    struct_hash,
)
from ledger.errors import InvalidInputError

Order = TypeVar("Order", WireOrder, WireOrderV1)

_WRAPPED_TYPE: Final = keccak(
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    b"address verifyingContract,bytes32 salt)" + ORDER_TYPE
)
_WALLET_NAME: Final = keccak(b"DepositWallet")
_WALLET_VERSION: Final = keccak(b"1")
_NO_SALT: Final = bytes(32)
_TRAILER: Final = ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")
"""ERC-7739: the description of what was signed, and its length."""

_SESSION_MARK: Final = bytes.fromhex("6492" * 16)
"""Ends a signature that a session key made for a deposit wallet."""


def sign(
    order: Order,
    key: SigningKey,
    exchange: str,
    version: str = "2",
    chain_id: int = CHAIN_ID,
) -> Order:
    """Return the order with its signature, byte for byte what the client signs.

    Type 3 is wrapped by ERC-7739, as the wallet's owner signs it.
    """
    separator = domain_separator(exchange, version, chain_id)
    digest = _signed_digest(order, separator, chain_id)
    signature = key.sign_digest(digest)
    if order.signature_type == POLY_1271:
        signature += separator + struct_hash(order) + _TRAILER
    return msgspec.structs.replace(order, signature="0x" + signature.hex())


def recover_signer(
    order: WireOrder | WireOrderV1,
    exchange: str,
    version: str = "2",
    chain_id: int = CHAIN_ID,
) -> str:
    """Return the address of the key that signed the order for this domain.

    Any well-formed signature gives some address: compare it.

    Raises:
        InvalidInputError: the signature is malformed, or wraps another order
            or domain (field `signature`).
    """
    separator = domain_separator(exchange, version, chain_id)
    signature = _bytes_of(order.signature)
    if order.signature_type != POLY_1271:
        return recover_address(
            order_digest(order, exchange, version, chain_id), signature
        )
    signature, session_signer = _without_session(signature)
    inner, trailer = signature[:65], signature[65:]
    if trailer != separator + struct_hash(order) + _TRAILER:
        raise InvalidInputError(_FIELD, "wraps another order or domain")
    signer = recover_address(_signed_digest(order, separator, chain_id), inner)
    if session_signer and session_signer != signer.lower():
        raise InvalidInputError(_FIELD, "names another session key")
    return signer


def signed_domain(order: WireOrder | WireOrderV1, signer: str) -> Domain | None:
    """Find the domain for which `signer` signed the order; None if for none."""
    for domain in candidate_domains(order):
        try:
            found = recover_signer(order, *domain)
        except InvalidInputError:
            continue
        if found.lower() == signer.lower():
            return domain
    return None


_FIELD: Final = "signature"


def _signed_digest(
    order: WireOrder | WireOrderV1, separator: bytes, chain_id: int
) -> bytes:
    contents = struct_hash(order)
    if order.signature_type != POLY_1271:
        return typed_digest(separator, contents)
    return typed_digest(
        separator,
        keccak(
            _WRAPPED_TYPE
            + contents
            + _WALLET_NAME
            + _WALLET_VERSION
            + word(chain_id)
            + address_word(order.signer)
            + _NO_SALT
        ),
    )


def _without_session(signature: bytes) -> tuple[bytes, str]:
    """Unwrap (bytes32 signer, bytes32 0, bytes signature) and the mark after it."""
    if not signature.endswith(_SESSION_MARK):
        return signature, ""
    length = int.from_bytes(signature[96:128], "big")
    return signature[128 : 128 + length], "0x" + signature[12:32].hex()


def _bytes_of(text: str) -> bytes:
    try:
        if text.startswith("0x"):
            return bytes.fromhex(text[2:])
    except ValueError:
        pass
    raise InvalidInputError(_FIELD, "must be 0x and hexadecimal digits")
