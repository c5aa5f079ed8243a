"""Keccak, ABI words and addresses: the bricks of EIP-712."""

import re
from functools import lru_cache
from typing import Final

from eth_hash.auto import keccak

from executors.protocol.contracts import CHAIN_ID
from ledger.errors import InvalidInputError

_WORD: Final = 32
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_EXCHANGE_NAME: Final = keccak(b"Polymarket CTF Exchange")
_DOMAIN_TYPE: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)


def word(number: int) -> bytes:
    """Encode an unsigned number as one ABI word."""
    return number.to_bytes(_WORD, "big")


def address_word(address: str) -> bytes:
    """Encode `0x...` of 20 bytes as one ABI word."""
    return bytes.fromhex(address[2:]).rjust(_WORD, b"\0")


@lru_cache(maxsize=64)
def domain_separator(exchange: str, version: str, chain_id: int = CHAIN_ID) -> bytes:
    """Hash the EIP-712 domain of one exchange contract."""
    return keccak(
        _DOMAIN_TYPE
        + _EXCHANGE_NAME
        + keccak(version.encode())
        + word(chain_id)
        + address_word(exchange)
    )


def typed_digest(separator: bytes, struct_hash: bytes) -> bytes:
    """What is signed of a structure within a domain."""
    return keccak(b"\x19\x01" + separator + struct_hash)


@lru_cache(maxsize=4096)
def checksum_address(address: str) -> str:
    """Write an address the way the venue's clients send it (EIP-55).

    Raises:
        InvalidInputError: it is not `0x` and 40 hexadecimal digits.
    """
    if _ADDRESS.fullmatch(address) is None:
        field = "address"
        raise InvalidInputError(field, "must be 0x and 40 hexadecimal digits")
    plain = address[2:].lower()
    digits = keccak(plain.encode()).hex()
    middle = "7"
    return "0x" + "".join(
        letter.upper() if digit > middle else letter
        for letter, digit in zip(plain, digits, strict=False)
    )
