"""The dead-man switch: an API key that falls silent loses its open orders."""

from random import Random
from uuid import UUID

import msgspec

from executors.exchange.engine.clearing import Clearing
from executors.exchange.engine.records import CANCELED
from executors.exchange.engine.types import Heartbeat


class _Switch(msgspec.Struct):
    expected: str
    last_ms: int


class DeadMan:
    """Switches by API key; the first heartbeat arms one, nothing disarms it."""

    def __init__(self, clearing: Clearing) -> None:
        self._clearing = clearing
        self._rng = Random(f"heartbeat/{clearing.config.seed}")  # noqa: S311 -- an id, no secret
        self._switches: dict[str, _Switch] = {}

    def beat(self, owner: str, heartbeat_id: str) -> Heartbeat:
        """Take a heartbeat; it must carry the id that the last answer gave."""
        now_ms = self._clearing.now_ms
        switch = self._switches.get(owner)
        if switch is not None and heartbeat_id != switch.expected:
            return Heartbeat(accepted=False, heartbeat_id=switch.expected)
        following = str(UUID(int=self._rng.getrandbits(128), version=4))
        self._switches[owner] = _Switch(following, now_ms)
        self._watch(owner)
        return Heartbeat(accepted=True, heartbeat_id=following)

    def _watch(self, owner: str) -> None:
        due_ms = self._clearing.now_ms + self._clearing.config.heartbeat_timeout_ms
        self._clearing.agenda.at(due_ms, lambda: self._check(owner))

    def _check(self, owner: str) -> None:
        """Cancel everything once the key is silent for too long.

        Orders that come after that stay until the key is heard again: the venue
        does not say more.
        """
        timeout_ms = self._clearing.config.heartbeat_timeout_ms
        if self._clearing.now_ms < self._switches[owner].last_ms + timeout_ms:
            return
        for order in self._clearing.open_orders(owner):
            self._clearing.end(order, CANCELED)
