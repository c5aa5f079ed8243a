"""The hash chain is a format: the same everywhere, for ever."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from ledger.store.chain import first_hash, link

ID = "00" * 16
BODY: dict[str, Any] = {
    "position": 7,
    "stream": b"order-1",
    "version": 2,
    "topic": b"order.placed.v1",
    "recorded_us": 1_790_078_400_000_000,
    "epoch": 3,
    "state": b"{}",
}


def u64(number: int) -> bytes:
    return number.to_bytes(8)


def test_the_chain_is_what_its_description_says() -> None:
    """Anyone can verify a ledger from the description, without this code."""
    previous = sha256(bytes(16)).digest()
    assert first_hash(ID) == previous
    described = (
        b"v1"
        + u64(7)
        + previous
        + (7).to_bytes(4)
        + b"order-1"
        + u64(2)
        + (15).to_bytes(4)
        + b"order.placed.v1"
        + u64(1_790_078_400_000_000)
        + u64(3)
        + b"{}"
    )
    assert link(previous, **BODY) == sha256(described).digest()


@pytest.mark.parametrize("field", BODY)
def test_every_field_counts(field: str) -> None:
    """A column outside the hash could be edited unseen."""
    changed = {
        **BODY,
        field: BODY[field] + (1 if isinstance(BODY[field], int) else b"1"),
    }
    assert link(bytes(32), **changed) != link(bytes(32), **BODY)
    assert link(b"\1" * 32, **BODY) != link(bytes(32), **BODY)


@pytest.mark.parametrize(
    "move",
    [
        lambda b: {"stream": b["stream"] + b"x", "topic": b["topic"][1:]},
        lambda b: {"topic": b["topic"] + b"{", "state": b["state"][1:]},
    ],
    ids=["stream-topic", "topic-state"],
)
def test_bytes_cannot_wander_between_fields(
    move: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Without lengths, two different events could share one hash."""
    assert link(bytes(32), **{**BODY, **move(BODY)}) != link(bytes(32), **BODY)
