"""The venue's dead-man switch: while it is fed, open orders stay."""

from typing import Final, NoReturn

import structlog

from executors.polymarket.answers import Answer, decoded
from executors.polymarket.rest import Rest
from executors.polymarket.settings import LiveSettings
from ledger.clock import Clock

_OK: Final = 200
_WRONG_ID: Final = 400

log = structlog.get_logger(__name__)


class Heartbeat:
    """Beats every few seconds; there is no way to disarm it.

    Ten seconds after the last accepted beat the venue cancels every order of the
    account, so from then on nothing new may be handed in.

    Source:
        `POST /v1/heartbeats` of the venue's documentation.
    """

    def __init__(self, rest: Rest, settings: LiveSettings, clock: Clock) -> None:
        self._rest = rest
        self._interval_sec = settings.heartbeat_interval_sec
        self._limit_sec = settings.heartbeat_limit_sec
        self._clock = clock
        self._id = ""
        self._last_ok: float | None = None

    def unavailable(self) -> str:
        """Why no order may be handed in; empty if the switch is fed."""
        if self._last_ok is None:
            return "no heartbeat was accepted yet"
        if self._clock.monotonic() - self._last_ok > self._limit_sec:
            return "the heartbeat fails: the venue may cancel every open order"
        return ""

    async def run(self) -> NoReturn:
        """Beat until cancelled."""
        while True:
            await self.beat()
            await self._clock.sleep(self._interval_sec)

    async def beat(self) -> bool:
        """Beat once, and once more if the venue expects another id."""
        return await self._beat_with_id() or await self._beat_with_id()

    async def _beat_with_id(self) -> bool:
        begun = self._clock.monotonic()
        answer = await self._rest.heartbeat(self._id)
        body = decoded(answer.text) if isinstance(answer, Answer) else None
        named = body.get("heartbeat_id") if isinstance(body, dict) else None
        is_told = isinstance(named, str) and named.isascii() and '"' not in named
        if isinstance(answer, Answer) and is_told and isinstance(named, str):
            if answer.status == _OK:
                # Counted from when it was sent: it may have arrived at once.
                self._id, self._last_ok = named, begun
                return True
            if answer.status == _WRONG_ID:
                self._id = named
        log.warning("heartbeat.failed", answer=str(answer)[:200])
        return False
