"""The exchange contracts an order can be signed for."""

from typing import Final, NamedTuple

CHAIN_ID: Final = 137
"""Polygon."""

EXCHANGE_V2: Final = "0xE111180000d2663C0091e4f400237545B87B996B"
EXCHANGE_V2_NEG_RISK: Final = "0xe2222d279d744050d28e00520010520000310F59"
EXCHANGE_V3: Final = "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa"
EXCHANGE_V1: Final = "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E"
EXCHANGE_V1_NEG_RISK: Final = "0xC5d563A36AE78145C45a50134d48A1215220f80a"

_POSITION_MASK: Final = ((1 << 64) - 1) << 40
"""Bits that are zero in a position id and as good as never in a token id."""


class Domain(NamedTuple):
    """What a signature is bound to; unpacks into the hashing functions."""

    exchange: str
    version: str
    chain_id: int = CHAIN_ID


V2: Final = Domain(EXCHANGE_V2, "2")
V2_NEG_RISK: Final = Domain(EXCHANGE_V2_NEG_RISK, "2")
V3: Final = Domain(EXCHANGE_V3, "3")
V1: Final = Domain(EXCHANGE_V1, "1")
V1_NEG_RISK: Final = Domain(EXCHANGE_V1_NEG_RISK, "1")


def is_position_id(token_id: str) -> bool:
    """Whether an asset id is a position id, which trades on Exchange V3.

    Source:
        polymarket-client 0.14.0, `_internal/protocol.py`.
    """
    return token_id.isdecimal() and not int(token_id) & _POSITION_MASK
