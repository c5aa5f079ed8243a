"""The filter in front of the idempotency table: it may never forget a key."""

from ledger.manager import keyfilter
from ledger.manager.keyfilter import KeyFilter, hashes_of

MANY = keyfilter._FIRST + 2000
"""Enough keys for a second layer."""


def test_a_key_is_new_once() -> None:
    """A forgotten key would buy twice; a key noted twice costs one look-up."""
    keys = KeyFilter()
    assert not keys.add(hashes_of("alpha", "k1"))
    assert keys.add(hashes_of("alpha", "k1"))
    assert not keys.add(hashes_of("beta", "k1"))


def test_no_key_is_forgotten_in_any_layer_or_by_a_checkpoint() -> None:
    """The first key must still be known after a hundred thousand others."""
    keys = KeyFilter()
    all_hashes = [hashes_of("alpha", f"k{n}") for n in range(MANY)]
    mistaken = sum(map(keys.add, all_hashes))
    assert len(keys._layers) == 2
    kept = KeyFilter(keys.dump())
    for sample in (all_hashes[0], all_hashes[MANY // 2], all_hashes[-1]):
        assert keys.add(sample)
        assert kept.add(sample)
    # Each mistake is a disk read on the way of an order; 1 in 400 is planned.
    assert mistaken < MANY / 400
