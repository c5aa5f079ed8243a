"""A checkpoint is believed only when it is exactly as it was written."""

import pytest

from ledger.store.checkpoint import Checkpoint


@pytest.mark.parametrize(
    "damage",
    [
        {"position": -1},
        {"state_version": None},
        {"state": "text"},
        {"hash": None},
        {"digest": None},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_a_damaged_column_of_any_type_is_only_damage(damage: dict[str, object]) -> None:
    """A flipped bit can change a column's type; the start must survive it."""
    sound = Checkpoint(5, bytes(32), 1, b"state", b"", bytes(32))
    damaged = sound._replace(**damage)  # type: ignore[arg-type]
    assert "is damaged" in damaged.problem
