"""Which wallets belong to a key: addresses that follow from it alone.

Source:
    The CREATE2 rule of EIP-1014; factories and code hashes of the wallets at
    https://docs.polymarket.com/resources/contracts.
"""

from functools import lru_cache
from typing import Final

from eth_hash.auto import keccak

from executors.protocol import checksum_address

_PROXY_FACTORY: Final = "aB45c5A4B0c941a2F231C04C3f49182e1A254052"
_PROXY_CODE_HASH: Final = (
    "d21df8dc65880a8606f09fe0ce3df9b8869287ab0b058be05aa9e8af6330a00b"
)
_SAFE_FACTORY: Final = "aacFeEa03eb1561C4e67d661e40682Bd20E3541b"
_SAFE_CODE_HASH: Final = (
    "2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf"
)
_DEPOSIT_FACTORY: Final = "00000000000Fb5C9ADea0298D729A0CB3823Cc07"
_DEPOSIT_BEACON: Final = "7A18EDfe055488A3128f01F563e5B479D92ffc3a"
_BEACON_PROXY: Final = (
    "60195155f3363d3d373d3d363d602036600436635c60da",
    "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c",
    "b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3",
)
"""The code around a beacon's address, which the deposit wallet consists of."""

_BEACON_PREFIX: Final = 0x6100523D8160233D3973
_ARGS_SHIFT: Final = 56
_WORD: Final = 32


@lru_cache(maxsize=4096)
def wallets_of(signer: str) -> tuple[str, str, str, str]:
    """The wallets of a key, by signature type: EOA, proxy, safe, deposit wallet."""
    key = bytes.fromhex(signer[2:])
    word = key.rjust(_WORD, b"\0")
    args = bytes.fromhex(_DEPOSIT_FACTORY).rjust(_WORD, b"\0") + word
    return (
        checksum_address(signer),
        _create2(_PROXY_FACTORY, keccak(key), bytes.fromhex(_PROXY_CODE_HASH)),
        _create2(_SAFE_FACTORY, keccak(word), bytes.fromhex(_SAFE_CODE_HASH)),
        _create2(_DEPOSIT_FACTORY, keccak(args), keccak(_beacon_code(args))),
    )


def _beacon_code(args: bytes) -> bytes:
    prefix = _BEACON_PREFIX + (len(args) << _ARGS_SHIFT)
    code = prefix.to_bytes(10, "big") + bytes.fromhex(
        _DEPOSIT_BEACON + "".join(_BEACON_PROXY)
    )
    return code + args


def _create2(factory: str, salt: bytes, code_hash: bytes) -> str:
    made = keccak(b"\xff" + bytes.fromhex(factory) + salt + code_hash)
    return checksum_address("0x" + made[12:].hex())
