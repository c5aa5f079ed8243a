"""A private key that signs and cannot be read back."""

import re
from contextlib import suppress
from typing import Final, NoReturn

from coincurve import PrivateKey, PublicKey
from eth_hash.auto import keccak

from executors.protocol.hashing import checksum_address
from ledger.errors import InvalidInputError

_KEY: Final = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_SIGNATURE_BYTES: Final = 65
_V_OFFSET: Final = 27
"""Ethereum writes the recovery bit as 27 or 28."""


class SigningKey:
    """Signs digests for `address`; its text and its errors never show the key."""

    __slots__ = ("_sign", "address")

    def __init__(self, private_key: str) -> None:
        """Read 64 hexadecimal digits, perhaps after `0x`.

        Raises:
            InvalidInputError: they are not such a key; the text is not repeated.
        """
        key = _parsed(private_key)
        if key is None:
            field = "private_key"
            raise InvalidInputError(field, "must be 64 hexadecimal digits of a key")

        def sign(digest: bytes) -> bytes:
            return key.sign_recoverable(digest, hasher=None)

        # Behind a closure: whatever walks over attributes does not find the key.
        self._sign = sign
        self.address: Final = _address(key.public_key)

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign 32 bytes: r, s and v, deterministic (RFC 6979) with low s."""
        signature = self._sign(digest)
        return signature[:-1] + bytes((signature[-1] + _V_OFFSET,))

    def __repr__(self) -> str:
        return f"SigningKey({self.address})"

    def __reduce__(self) -> NoReturn:
        msg = "a signing key is never copied or stored"
        raise TypeError(msg)


def recover_address(digest: bytes, signature: bytes) -> str:
    """Who signed the digest.

    Raises:
        InvalidInputError: these 65 bytes are no signature of anybody.
    """
    if len(signature) == _SIGNATURE_BYTES and signature[-1] in {27, 28}:
        plain = signature[:-1] + bytes((signature[-1] - _V_OFFSET,))
        with suppress(ValueError):
            return _address(
                PublicKey.from_signature_and_message(plain, digest, hasher=None)
            )
    field = "signature"
    raise InvalidInputError(field, "is no signature")


def _parsed(text: str) -> PrivateKey | None:
    if _KEY.fullmatch(text) is None:
        return None
    try:
        return PrivateKey(bytes.fromhex(text[-64:]))
    except ValueError:
        return None  # zero, or above the order of the curve


def _address(key: PublicKey) -> str:
    return checksum_address("0x" + keccak(key.format(compressed=False)[1:])[12:].hex())
