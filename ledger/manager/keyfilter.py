"""Which idempotency keys may have been used: no disk read for a new key.

A Bloom filter: "no" is certain, "maybe" sends the caller to the table, which
alone decides.
Looking every new key up on disk would cost a place a sixth of its time.
"""

from hashlib import blake2b
from struct import Struct
from typing import Final

import msgspec

_SPLIT: Final = Struct("<4I").unpack
_FIRST: Final = 1 << 17
"""Keys the first layer is made for; each further layer doubles it."""

_BITS_PER_KEY: Final = 16
"""With 4 hashes about 1 new key in 400 is looked up in vain."""


Hashes = tuple[int, ...]
"""Where a pair's bits are, in layers of every size."""


def hashes_of(strategy: str, key: str) -> Hashes:
    """Hash a pair; strategy names hold no line break, so no two pairs meet."""
    pair = f"{strategy}\n{key}".encode()
    return _SPLIT(blake2b(pair, digest_size=16).digest())


class _Layer(msgspec.Struct, array_like=True):
    capacity: int
    count: int
    bits: bytearray

    @classmethod
    def empty(cls, capacity: int) -> "_Layer":
        return cls(capacity, 0, bytearray(capacity * _BITS_PER_KEY // 8))


class KeyFilter:
    """Remembers (strategy, key) pairs in a few bits each; never forgets one."""

    __slots__ = ("_layers",)

    def __init__(self, data: bytes = b"") -> None:
        """Start empty, or from what `dump` gave."""
        self._layers = _decode(data) if data else [_Layer.empty(_FIRST)]

    def add(self, hashes: Hashes) -> bool:
        """Remember a pair.

        Returns:
            Whether it may have been here before; false is certain.
        """
        *full, newest = self._layers
        if newest.count >= newest.capacity:
            full.append(newest)
            newest = _Layer.empty(2 * newest.capacity)
            self._layers.append(newest)
        if full and any(_may_hold(layer, hashes) for layer in full):
            return True
        mask, bits, is_new = len(newest.bits) * 8 - 1, newest.bits, False
        for number in hashes:
            place = number & mask
            index, bit = place >> 3, 1 << (place & 7)
            if not bits[index] & bit:
                bits[index] |= bit
                is_new = True
        newest.count += is_new
        return not is_new

    def dump(self) -> bytes:
        """Encode for a checkpoint."""
        return _encode(self._layers)


def _may_hold(layer: _Layer, hashes: Hashes) -> bool:
    mask, bits = len(layer.bits) * 8 - 1, layer.bits
    return all(bits[(n & mask) >> 3] >> (n & mask & 7) & 1 for n in hashes)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[_Layer]).decode
