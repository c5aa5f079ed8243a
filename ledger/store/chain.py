"""The hash chain: one definition, used to write and to verify.

hash[n] = SHA-256("v1" + u64(n) + hash[n-1] + body), and hash[0] is the SHA-256
of the ledger's id.
The stored bytes are the hashed bytes: nothing is encoded anew to verify.
"""

from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Final

_START: Final = Struct(">2sQ32sI").pack  # tag, position, previous hash, stream length
_MIDDLE: Final = Struct(">QI").pack  # version, topic length
_END: Final = Struct(">QQ").pack  # recorded_us, epoch


def first_hash(ledger_id: str) -> bytes:
    """The hash before the first event, from the ledger's id (32 hex digits)."""
    return sha256(bytes.fromhex(ledger_id)).digest()


def link(  # noqa: PLR0913, PLR0917 - the columns of a row, and called for each one
    previous: bytes,
    position: int,
    stream: bytes,
    version: int,
    topic: bytes,
    recorded_us: int,
    epoch: int,
    state: bytes,
) -> bytes:
    """Hash one event onto the chain.

    Names come as the UTF-8 bytes that are stored; every number is an unsigned
    64-bit integer, every name is led by its length, and the state ends the
    body, so that no two events share one.

    Raises:
        struct.error: a number is negative or not an integer.
    """
    return sha256(
        b"".join(
            (
                _START(b"v1", position, previous, len(stream)),
                stream,
                _MIDDLE(version, len(topic)),
                topic,
                _END(recorded_us, epoch),
                state,
            )
        )
    ).digest()


@lru_cache(maxsize=256)
def topic_bytes(topic: str) -> bytes:
    """The UTF-8 of a topic; there are few, and each recurs in every order."""
    return topic.encode()
