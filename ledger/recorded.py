"""An event with its place in the log."""

from typing import NamedTuple

from ledger.events import Event


class Recorded(NamedTuple):
    """One stored event.

    `position` is its place in the whole log, gapless from 1; `version` its
    place in its stream, gapless from 1.
    `recorded_us` is the time of recording in Unix microseconds, which never
    runs backwards from one position to the next.
    """

    position: int
    stream: str
    version: int
    recorded_us: int
    event: Event


class NewEvent(NamedTuple):
    """One event on its way into the log."""

    stream: str
    version: int
    event: Event


class Identity(NamedTuple):
    """The idempotency row, written in the transaction of the first event."""

    strategy: str
    idempotency_key: str
    fingerprint: str
    order_id: str
    venue_order_id: str
