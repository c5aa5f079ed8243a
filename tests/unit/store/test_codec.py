"""The mapper between our events and the library's stored ones."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from eventsourcing.persistence import MapperDeserialisationError, StoredEvent

from ledger.events import LedgerHalted
from ledger.store import LedgerMapper, StreamEvent

EVENT = StreamEvent(
    "system", 3, LedgerHalted(at=datetime(2026, 9, 22, tzinfo=UTC), reason="test")
)


def test_an_event_is_stored_under_its_topic() -> None:
    """A Python path would tie every old log to today's modules."""
    stored = LedgerMapper().to_stored_event(cast("Any", EVENT))
    assert (stored.originator_id, stored.originator_version) == ("system", 3)
    assert stored.topic == "ledger.halted.v1"
    assert LedgerMapper().to_domain_event(stored) == EVENT


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        ("ledger.unheard_of.v1", b"{}"),
        ("ledger.halted.v1", b"{}"),
        ("ledger.halted.v1", b"\xff"),
    ],
)
def test_what_is_read_is_validated(topic: str, state: bytes) -> None:
    """Damage must show where it is, not three folds later."""
    with pytest.raises(MapperDeserialisationError):
        LedgerMapper().to_domain_event(StoredEvent("system", 1, topic, state))
