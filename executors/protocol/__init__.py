"""Facts of the wire that both sides share: ids, signatures, amounts, texts.

Pure: no I/O, no clock, no chance; time, salts and keys come in as arguments.
Malformed input raises `InvalidInputError` and names the field.
"""

from executors.protocol.amounts import Amounts, market_amounts, order_amounts
from executors.protocol.auth import (
    Credentials,
    l1_digest,
    l1_headers,
    l2_headers,
    l2_signature,
    recover_l1,
    sign_l1,
)
from executors.protocol.contracts import (
    CHAIN_ID,
    EXCHANGE_V1,
    EXCHANGE_V1_NEG_RISK,
    EXCHANGE_V2,
    EXCHANGE_V2_NEG_RISK,
    EXCHANGE_V3,
    Domain,
    is_position_id,
)
from executors.protocol.hashing import checksum_address
from executors.protocol.keys import SigningKey, recover_address
from executors.protocol.orders import (
    WireOrder,
    WireOrderV1,
    candidate_domains,
    domain_of,
    order_id,
    order_id_v1,
)
from executors.protocol.paging import END_CURSOR, START_CURSOR, cursor_at, offset_of
from executors.protocol.posts import PostBody, insert_owner
from executors.protocol.signing import recover_signer, sign, signed_domain
from executors.protocol.statuses import StatusRead, order_status, trade_status

__all__ = [
    "CHAIN_ID",
    "END_CURSOR",
    "EXCHANGE_V1",
    "EXCHANGE_V1_NEG_RISK",
    "EXCHANGE_V2",
    "EXCHANGE_V2_NEG_RISK",
    "EXCHANGE_V3",
    "START_CURSOR",
    "Amounts",
    "Credentials",
    "Domain",
    "PostBody",
    "SigningKey",
    "StatusRead",
    "WireOrder",
    "WireOrderV1",
    "candidate_domains",
    "checksum_address",
    "cursor_at",
    "domain_of",
    "insert_owner",
    "is_position_id",
    "l1_digest",
    "l1_headers",
    "l2_headers",
    "l2_signature",
    "market_amounts",
    "offset_of",
    "order_amounts",
    "order_id",
    "order_id_v1",
    "order_status",
    "recover_address",
    "recover_l1",
    "recover_signer",
    "sign",
    "sign_l1",
    "signed_domain",
    "trade_status",
]
