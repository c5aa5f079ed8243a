"""Both authentication levels: L1 proves the key, L2 signs each request."""

import base64
import binascii
import hashlib
import hmac
from typing import Final, NoReturn

import msgspec
from eth_hash.auto import keccak

from executors.protocol.contracts import CHAIN_ID
from executors.protocol.hashing import (
    address_word,
    checksum_address,
    typed_digest,
    word,
)
from executors.protocol.keys import SigningKey, recover_address
from ledger.errors import InvalidInputError

_AUTH_DOMAIN: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId)"
)
_AUTH_NAME: Final = keccak(b"ClobAuthDomain") + keccak(b"1")
_AUTH_TYPE: Final = keccak(
    b"ClobAuth(address address,string timestamp,uint256 nonce,string message)"
)
_AUTH_MESSAGE: Final = keccak(b"This message attests that I control the given wallet")
_UINT256: Final = 1 << 256


class Credentials(
    msgspec.Struct, frozen=True, kw_only=True, rename={"api_key": "apiKey"}
):
    """L2 credentials; on the wire `apiKey`, `secret`, `passphrase`.

    `secret` is URL-safe base64.
    """

    api_key: str
    secret: str
    passphrase: str

    def __repr__(self) -> str:
        return "Credentials(hidden)"

    def __reduce__(self) -> NoReturn:
        msg = "credentials are never copied or stored"
        raise TypeError(msg)


def l2_signature(
    secret: str, timestamp: int, method: str, path: str, body: str = ""
) -> str:
    """Sign one request; `timestamp` in Unix seconds, `path` without its query.

    `body` is the exact text that is sent.

    Raises:
        InvalidInputError: the secret is not base64.
    """
    try:
        key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        field = "secret"
        raise InvalidInputError(field, "must be URL-safe base64")
    message = f"{timestamp}{method}{path}{body}".encode()
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode()


def l2_headers(  # noqa: PLR0913 -- what a request consists of
    credentials: Credentials,
    address: str,
    timestamp: int,
    *,
    method: str,
    path: str,
    body: str = "",
) -> dict[str, str]:
    """Headers of a private request; `address` is the signer's, not the funder's."""
    signature = l2_signature(credentials.secret, timestamp, method, path, body)
    return {
        "POLY_ADDRESS": address,
        "POLY_API_KEY": credentials.api_key,
        "POLY_PASSPHRASE": credentials.passphrase,
        "POLY_SIGNATURE": signature,
        "POLY_TIMESTAMP": str(timestamp),
    }


def l1_digest(
    address: str, timestamp: int, nonce: int = 0, chain_id: int = CHAIN_ID
) -> bytes:
    """What proves control of a key; `timestamp` in Unix seconds.

    Raises:
        InvalidInputError: the address or the nonce is none.
    """
    if not 0 <= nonce < _UINT256:
        field = "nonce"
        raise InvalidInputError(field, "must be an unsigned number of 256 bits")
    struct = keccak(
        _AUTH_TYPE
        + address_word(checksum_address(address))
        + keccak(str(timestamp).encode())
        + word(nonce)
        + _AUTH_MESSAGE
    )
    return typed_digest(keccak(_AUTH_DOMAIN + _AUTH_NAME + word(chain_id)), struct)


def sign_l1(
    key: SigningKey, timestamp: int, nonce: int = 0, chain_id: int = CHAIN_ID
) -> str:
    """Sign that proof, as `0x...`."""
    digest = l1_digest(key.address, timestamp, nonce, chain_id)
    return "0x" + key.sign_digest(digest).hex()


def recover_l1(
    signature: str,
    address: str,
    timestamp: int,
    nonce: int = 0,
    chain_id: int = CHAIN_ID,
) -> str:
    """Who signed the proof that names `address`; compare the two.

    Raises:
        InvalidInputError: it is no signature, or what it is to prove is malformed.
    """
    try:
        plain = bytes.fromhex(signature.removeprefix("0x"))
    except ValueError:
        plain = b""
    return recover_address(l1_digest(address, timestamp, nonce, chain_id), plain)


def l1_headers(
    key: SigningKey, timestamp: int, nonce: int = 0, chain_id: int = CHAIN_ID
) -> dict[str, str]:
    """Headers that ask for credentials."""
    return {
        "POLY_ADDRESS": key.address,
        "POLY_NONCE": str(nonce),
        "POLY_SIGNATURE": sign_l1(key, timestamp, nonce, chain_id),
        "POLY_TIMESTAMP": str(timestamp),
    }
