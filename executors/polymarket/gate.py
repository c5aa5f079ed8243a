"""What the venue has forbidden for the moment, and how fast we may go.

Each pause forbids exactly what the venue's answer forbade: a restart and a rate
limit all posts, post-only mode the posts that may match, a rate limit of
cancels the cancels.
"""

from typing import Final

import msgspec

from executors.polymarket.answers import (
    CANCEL_ONLY,
    DISABLED,
    POST_ONLY_MODE,
    RATE_LIMITED,
    RESTARTING,
    Answer,
    NoAnswer,
    reason_of,
    retry_after_ms,
)
from executors.polymarket.settings import GateSettings
from ledger.clock import Clock
from ledger.decide import ID_MISMATCH, PostAnswered, PostOutcome

_CANCELS: Final = "cancels"
_CLOSES_INTAKE: Final = (DISABLED, CANCEL_ONLY)
_FOR_ALL_POSTS: Final = (RESTARTING, DISABLED, CANCEL_ONLY, RATE_LIMITED)
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
_TEXTS: Final = {
    RESTARTING: "the venue's engine is restarting",
    RATE_LIMITED: "the venue's rate limit is used up",
    DISABLED: "trading is disabled at the venue",
    CANCEL_ONLY: "the venue takes cancels only",
    POST_ONLY_MODE: "the venue takes post-only orders only",
}


class TokenBucket:
    """`rate` turns per second, `burst` at once; turns can be taken in advance."""

    __slots__ = ("_at", "_burst", "_clock", "_rate", "_tokens")

    def __init__(self, rate: int, burst: int, clock: Clock) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens: float = burst
        self._at = clock.monotonic()

    def wait_sec(self, count: int) -> float:
        """Seconds until that many turns are there."""
        self._refill()
        return max(0.0, (count - self._tokens) / self._rate)

    def take(self, count: int) -> None:
        """Use turns up, also such as are not there yet."""
        self._refill()
        self._tokens -= count

    def _refill(self) -> None:
        now = self._clock.monotonic()
        gained = (now - self._at) * self._rate
        self._tokens, self._at = min(self._burst, self._tokens + gained), now


class Gate:
    """Remembers what is forbidden until when."""

    def __init__(self, settings: GateSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._until: dict[str, float] = {}
        self._in_a_row: dict[str, int] = {}
        # Also when its answer came too late for the ledger to halt on it.
        self._mismatch = ""
        self.posts = TokenBucket(settings.orders_per_sec, settings.order_burst, clock)
        self.cancels = TokenBucket(
            settings.cancels_per_sec, settings.cancel_burst, clock
        )

    def closed(self, *, post_only: bool) -> PostAnswered | None:
        """The answer to a post that must not be sent now; `None` if it may."""
        if self._mismatch:
            return PostAnswered(
                outcome=PostOutcome.NOT_PROCESSED,
                code=ID_MISMATCH,
                text=f"not sent: {self._mismatch}",
            )
        kinds = _FOR_ALL_POSTS if post_only else (*_FOR_ALL_POSTS, POST_ONLY_MODE)
        left = {kind: wait for kind in kinds if (wait := self._left_sec(kind)) > 0}
        if not left:
            return None
        code = max(left, key=lambda kind: left[kind])
        return PostAnswered(
            outcome=PostOutcome.NOT_PROCESSED,
            code=code,
            text=f"not sent: {_TEXTS[code]}",
            retry_after_ms=int(left[code] * 1000) + 1,
        )

    def observe(self, answer: PostAnswered) -> PostAnswered:
        """Learn from an answer to a post; a pause it begins is put into it."""
        code = answer.code
        if code == ID_MISMATCH:
            self._mismatch = answer.text
        if answer.outcome is not PostOutcome.NOT_PROCESSED:
            if answer.outcome is not PostOutcome.UNKNOWN:
                self._in_a_row.clear()  # the engine works
            return answer
        if code not in _TEXTS:
            return answer
        self._pause(code, answer.retry_after_ms)
        wait_ms = int(self._left_sec(code) * 1000) + 1
        return msgspec.structs.replace(answer, retry_after_ms=wait_ms)

    def observe_cancel(self, answer: Answer | NoAnswer) -> None:
        """Learn from an answer to a cancel."""
        if not isinstance(answer, Answer):
            return
        if answer.status == _TOO_MANY:
            self._pause(_CANCELS, retry_after_ms(answer))
        elif answer.status == _UNAVAILABLE and "disabled" in reason_of(answer).lower():
            self._pause(DISABLED, retry_after_ms(answer))
        else:
            self._in_a_row.pop(_CANCELS, None)

    def cancel_wait_sec(self) -> float:
        """Seconds until a cancel may be sent."""
        paused = max(self._left_sec(_CANCELS), self._left_sec(DISABLED))
        return max(paused, self.cancels.wait_sec(1))

    def unavailable(self) -> str:
        """Why intents should not even be recorded now; empty if they should."""
        if self._mismatch:
            return self._mismatch
        for code in _CLOSES_INTAKE:
            if self._left_sec(code) > 0:
                return _TEXTS[code]
        return ""

    def pauses(self) -> dict[str, int]:
        """What is paused, and for how many more milliseconds."""
        left = {kind: self._left_sec(kind) for kind in self._until}
        return {kind: int(wait * 1000) for kind, wait in left.items() if wait > 0}

    def _left_sec(self, kind: str) -> float:
        until = self._until.get(kind)
        return 0.0 if until is None else until - self._clock.monotonic()

    def _pause(self, kind: str, stated_ms: int) -> None:
        if self._left_sec(kind) > 0 and not stated_ms:
            return  # answers that were under way when the first one came
        count = self._in_a_row.get(kind, 0)
        self._in_a_row[kind] = count + 1
        own = self._settings.pause_sec * 2 ** min(count, 16)
        wait = stated_ms / 1000 or min(own, self._settings.longest_pause_sec)
        until = self._clock.monotonic() + wait
        self._until[kind] = max(until, self._until.get(kind, until))
