"""Posting: what waits together goes out together, and nothing goes out twice."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from executors.polymarket.answers import (
    RATE_LIMITED,
    classify_batch,
    classify_post,
)
from executors.polymarket.gate import Gate
from executors.polymarket.rest import Rest
from ledger.clock import Clock
from ledger.decide import PostAnswered, PostOutcome

OnLate = Callable[[str, PostAnswered], None]

CLOSED: Final = PostAnswered(
    outcome=PostOutcome.UNKNOWN, code="closed", text="the executor was closed"
)

log = structlog.get_logger(__name__)


class _Letter:
    """One stored order on its way; `future` is done once it is answered."""

    __slots__ = ("body", "future", "is_post_only", "order_id")

    def __init__(self, order_id: str, body: str, *, is_post_only: bool) -> None:
        self.order_id = order_id
        self.body = body
        self.is_post_only = is_post_only
        self.future: asyncio.Future[PostAnswered] = (
            asyncio.get_running_loop().create_future()
        )


class Outbox:
    """Posts orders, up to `batch_size` in one request when several wait.

    A single order goes out at once while a request may still be opened; only
    behind `at_once` open requests do orders gather.

    `on_late` hears an answer that nobody waits for any more.
    """

    def __init__(  # noqa: PLR0913 -- its ports
        self,
        rest: Rest,
        gate: Gate,
        clock: Clock,
        *,
        batch_size: int,
        at_once: int,
        max_wait_sec: float,
        on_late: OnLate,
    ) -> None:
        self._rest = rest
        self._gate = gate
        self._clock = clock
        self._batch_size = batch_size
        self._max_wait_sec = max_wait_sec
        self._on_late = on_late
        self._waiting: deque[_Letter] = deque()
        self._free = asyncio.Semaphore(at_once)
        self._pump: asyncio.Task[None] | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def post(
        self, order_id: str, body: str, *, is_post_only: bool
    ) -> PostAnswered:
        """Post one order once.

        A caller that is cancelled before the order left takes it back; after
        that its answer goes to `on_late`.
        """
        refused = self._gate.closed(post_only=is_post_only) or self._too_fast()
        if refused is not None:
            return refused
        letter = _Letter(order_id, body, is_post_only=is_post_only)
        self._waiting.append(letter)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._send_all())
        return await letter.future

    async def close(self) -> None:
        """Take back what has not left, and stop waiting for what has."""
        tasks = [*self._open, *([self._pump] if self._pump else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._waiting:
            _answer(self._waiting.popleft(), CLOSED)

    def _too_fast(self) -> PostAnswered | None:
        wait = self._gate.posts.wait_sec(len(self._waiting) + 1)
        if wait <= self._max_wait_sec:
            return None
        return PostAnswered(
            outcome=PostOutcome.NOT_PROCESSED,
            code=RATE_LIMITED,
            text="not sent: our own limit of orders per second is used up",
            retry_after_ms=int(wait * 1000) + 1,
        )

    async def _send_all(self) -> None:
        """Open requests until nothing waits."""
        while self._waiting:
            await asyncio.sleep(0)  # who arrives in the same turn goes along
            await self._free.acquire()
            try:
                await self._clock.sleep(self._gate.posts.wait_sec(1))
                letters = self._next_letters()
            except BaseException:
                self._free.release()
                raise
            task = asyncio.create_task(self._send(letters))
            self._open.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._free.release()

    def _next_letters(self) -> list[_Letter]:
        """Take what may go now; the gate may have closed since it was handed in."""
        letters: list[_Letter] = []
        while self._waiting and len(letters) < self._batch_size:
            if letters and self._gate.posts.wait_sec(len(letters) + 1) > 0:
                break
            letter = self._waiting.popleft()
            if letter.future.done():
                continue  # taken back: it was never sent
            refused = self._gate.closed(post_only=letter.is_post_only)
            if refused is not None:
                _answer(letter, refused)
                continue
            letters.append(letter)
        self._gate.posts.take(len(letters))
        return letters

    async def _send(self, letters: list[_Letter]) -> None:
        try:
            answers = await self._exchange(letters)
        except Exception as error:  # no failure of ours says what the venue did
            log.exception("post.failed")
            text = type(error).__name__
            unknown = PostAnswered(
                outcome=PostOutcome.UNKNOWN, code="failed", text=text
            )
            answers = [unknown for _ in letters]
        except BaseException:
            for letter in letters:
                _answer(letter, CLOSED)
            raise
        for letter, answer in zip(letters, answers, strict=True):
            told = self._gate.observe(answer)
            if not _answer(letter, told):
                self._on_late(letter.order_id, told)

    async def _exchange(self, letters: list[_Letter]) -> list[PostAnswered]:
        if not letters:
            return []
        if len(letters) == 1:
            one = letters[0]
            answer = await self._rest.post_order(one.body)
            return [classify_post(answer, one.order_id)]
        answer = await self._rest.post_orders([letter.body for letter in letters])
        return classify_batch(answer, [letter.order_id for letter in letters])


def _answer(letter: _Letter, answer: PostAnswered) -> bool:
    """Tell who waits; false if nobody does any more."""
    if letter.future.done():
        return False
    letter.future.set_result(answer)
    return True
