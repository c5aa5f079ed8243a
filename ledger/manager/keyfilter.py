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

    def add(self, hashes: Hashes) -> None:
        """Remember a pair."""
        layer = self._layers[-1]
        if layer.count >= layer.capacity:
            layer = _Layer.empty(2 * layer.capacity)
            self._layers.append(layer)
        layer.count += 1
        mask, bits = len(layer.bits) * 8 - 1, layer.bits
        for number in hashes:
            place = number & mask
            bits[place >> 3] |= 1 << (place & 7)

    def may_hold(self, hashes: Hashes) -> bool:
        """Whether the pair may have been added; false is certain."""
        for layer in self._layers:
            mask, bits = len(layer.bits) * 8 - 1, layer.bits
            for number in hashes:
                place = number & mask
                if not bits[place >> 3] >> (place & 7) & 1:
                    break
            else:
                return True
        return False

    def dump(self) -> bytes:
        """Encode for a checkpoint."""
        return _encode(self._layers)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[_Layer]).decode
