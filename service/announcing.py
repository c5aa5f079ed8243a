"""Tells whoever listens what became durable: positions and topics, without gap."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from ledger.manager import Journal
from ledger.recorded import NewEvent

_log = structlog.get_logger("service.announcing")

OnEvents = Callable[[range, Sequence[str]], None]
"""Told the positions that became durable, and the topic at each of them."""


class Announcer:
    """Tells listeners what became durable, once per round of the event loop."""

    def __init__(self, journal: Journal) -> None:
        self.listeners: list[OnEvents] = []
        self._journal = journal
        self._told = 0
        self._topics: list[str] = []

    async def begin(self) -> None:
        """Count from where the log ends; nothing may be under way then."""
        await self._journal.writer.drain()
        self._told = self._journal.store.head
        self._journal.on_recorded.append(self._note)

    def end(self) -> None:
        """Listen no more."""
        if self._note in self._journal.on_recorded:
            self._journal.on_recorded.remove(self._note)

    def _note(self, events: Sequence[NewEvent]) -> None:
        if not self._topics:
            # A commit holds many requests: everybody is told of it once.
            asyncio.get_running_loop().call_soon(self._tell)
        self._topics.extend(event.event.TOPIC for event in events)

    def _tell(self) -> None:
        topics, self._topics = self._topics, []
        positions = range(self._told + 1, self._told + 1 + len(topics))
        self._told += len(topics)
        for listener in tuple(self.listeners):
            try:
                listener(positions, topics)
            except Exception:  # noqa: BLE001 -- a listener is somebody else's code
                _log.exception("listener.failed")
