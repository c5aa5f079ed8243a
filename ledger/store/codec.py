"""Our events for the library's own classes, such as its `EventStore`.

The ledger's hot path goes without: it hands rows to the recorder directly.
"""

from typing import NamedTuple, Protocol, cast

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    JSONTranscoder,
    Mapper,
    MapperDeserialisationError,
    StoredEvent,
)

from ledger.events import Event, decode, encode


class StreamEvent(NamedTuple):
    """An event under the names that the library expects."""

    originator_id: str
    originator_version: int
    event: Event


class _HasEvent(Protocol):
    event: Event


class LedgerMapper(Mapper[str]):
    """Stores an event under its topic, and validates what it reads back.

    The library's own mapper stores Python paths and rebuilds objects without
    calling their constructor.
    """

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Encode the event inside a `StreamEvent`."""
        event = cast("_HasEvent", domain_event).event
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=event.TOPIC,
            state=encode(event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        """Decode into a `StreamEvent`.

        Raises:
            MapperDeserialisationError: unknown topic, or a state that is no
                such event.
        """
        try:
            event = decode(stored_event.topic, stored_event.state)
        except ValueError as error:
            raise MapperDeserialisationError(str(error)) from error
        return cast(
            "DomainEventProtocol[str]",
            StreamEvent(
                str(stored_event.originator_id), stored_event.originator_version, event
            ),
        )
