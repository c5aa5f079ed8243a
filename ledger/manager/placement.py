"""From an intent to the answer of the venue: decide, sign, record, post."""

import asyncio
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from ledger import events as ev
from ledger.clock import OrderIds
from ledger.decide import DUPLICATED, ID_MISMATCH, Meta, PostAnswered, PostOutcome
from ledger.errors import (
    IdempotencyConflictError,
    InvalidInputError,
    LedgerError,
    NotReadyError,
    PreparationError,
    VenueRejectedError,
    unknown_market,
    unknown_strategy,
)
from ledger.intent import OrderIntent
from ledger.manager.desk import Desk
from ledger.manager.placement_events import (
    placement_request,
    prepared_event,
    refused_event,
    requested_event,
    resized_event,
    slippage_code,
    slippage_evidence,
)
from ledger.manager.results import BookSource, OrderResult, failure, result_of
from ledger.market import Market
from ledger.order import Order, snapshot
from ledger.recorded import Identity, NewEvent
from ledger.risk import RiskDecision, RiskManager
from ledger.slippage import SlippageGuard, SlippageResult
from ledger.values import ZERO, Side, TradingMode, text_of
from ledger.venue import PreparedOrder

_NORMAL: Final = TradingMode.NORMAL
_NOT_PROCESSED: Final = PostOutcome.NOT_PROCESSED
_UNKNOWN: Final = PostOutcome.UNKNOWN
_NOT_TAKEN: Final = frozenset({PostOutcome.REFUSED, _NOT_PROCESSED})


class Placing:
    """An intent whose placement is under way, and who else asked for it."""

    __slots__ = ("fingerprint", "waiting")

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.waiting: list[asyncio.Future[None]] = []

    async def finished(self) -> None:
        """Wait until the placement has ended, one way or the other."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        await future

    def finish(self) -> None:
        """Wake everybody who asked for the same key."""
        for future in self.waiting:
            if not future.done():
                future.set_result(None)


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided about an intent, before anything is recorded.

    `by` is who refuses it, empty if nobody does; `size` is what would work, in
    shares, after any cap; `evidence` is what the decision rests on.
    """

    verdict: RiskDecision
    size: Decimal
    by: str = ""
    code: str = ""
    text: str = ""
    evidence: dict[str, str] = {}

    @property
    def approved(self) -> bool:
        """Whether it would be signed and sent."""
        return not self.by


class Placement:
    """Places intents, each once."""

    def __init__(
        self,
        desk: Desk,
        books: BookSource,
        *,
        risk: RiskManager,
        slippage: SlippageGuard,
    ) -> None:
        self._desk = desk
        self._books = books
        self.risk = risk
        self._slippage = slippage
        self._journal = desk.journal
        self._state = desk.journal.state
        self.ids = OrderIds(desk.rng)
        self.placing: dict[tuple[str, str], Placing] = {}

    async def place(self, intent: OrderIntent) -> OrderResult:
        """Place one order, once, however often it is asked for.

        Args:
            intent: A validated intent.

        Returns:
            What became of it, after the event that says so is durable.
            A repeated key with equal content gives the stored order with
            `deduplicated=True`.

        Raises:
            StoreFailedError: the log takes no more; nothing was sent, or what
                was sent will be found again by its id after a restart.
        """
        if self._journal.failed is not None:
            raise self._journal.failed  # memory may hold what the log does not
        fingerprint = intent.fingerprint()
        key = (intent.strategy, intent.idempotency_key)
        # One at a time per key: whoever waited finds what was stored, or, if
        # that attempt recorded nothing, makes its own.
        while (earlier := self.placing.get(key)) is not None:
            await earlier.finished()
        known = self._journal.find_intent(*key)
        if known is not None:
            await self._journal.durable()
            return self.same_as_stored(fingerprint, known)
        placing = self.placing[key] = Placing(fingerprint)
        try:
            return await self._place_new(intent, fingerprint)
        finally:
            del self.placing[key]
            placing.finish()

    def same_as_stored(self, fingerprint: str, known: Identity) -> OrderResult:
        """The answer to a key that is known: its order, or a conflict."""
        order = snapshot(self._desk.journal.order(known.order_id))
        if fingerprint != known.fingerprint:
            conflict = IdempotencyConflictError(known.idempotency_key, known.order_id)
            return failure(conflict, order)
        return msgspec.structs.replace(result_of(order), deduplicated=True)

    async def _place_new(self, intent: OrderIntent, fingerprint: str) -> OrderResult:
        now = self._desk.clock.now()
        market = self._state.markets.get(intent.market_id)
        try:
            market = self.check_input(intent, market, now)
        except (InvalidInputError, NotReadyError) as error:
            return failure(error)
        order_id = self.ids.next(now)
        request = requested_event(intent, market, fingerprint, order_id, now)
        verdict = self.risk.check_order(intent, self._state, market=market, now=now)
        if not verdict.approved:
            return await self._refuse(
                order_id,
                request,
                "risk",
                verdict.code,
                verdict.reason,
                verdict.evidence,
            )
        self._state.exposure.count_request(self.risk.rate_scopes(intent), now)
        size = verdict.adjusted_size or intent.size
        evidence: dict[str, str] = {}
        if not intent.post_only:
            slip = self.check_slippage(intent, size, market)
            evidence = slippage_evidence(slip)
            if not slip.allowed:
                return await self._refuse(
                    order_id,
                    request,
                    "slippage",
                    slippage_code(slip),
                    slip.recommendation,
                    evidence,
                )
        try:
            prepared = await self._prepare(intent, market, order_id, size)
        except (VenueRejectedError, PreparationError) as error:
            by = "venue" if isinstance(error, VenueRejectedError) else "preparation"
            return await self._refuse(order_id, request, by, error.code, str(error), {})
        stop = self.stopped_meanwhile(intent)
        if stop:
            text = f"the ledger became {stop} while the order was prepared"
            return await self._refuse(order_id, request, "risk", stop, text, {})
        await self._record_prepared(
            order_id, request, verdict, prepared, evidence, fingerprint
        )
        return await self.post(order_id, prepared, now)

    def preview(self, intent: OrderIntent) -> Preview:
        """What would be decided about an intent now; nothing is recorded.

        Raises:
            InvalidInputError, NotReadyError: as `check_input`.
        """
        now = self._desk.clock.now()
        market = self.check_input(
            intent, self._state.markets.get(intent.market_id), now
        )
        return self.decided(intent, market, now)

    def decided(self, intent: OrderIntent, market: Market, now: datetime) -> Preview:
        """What risk and slippage say about an intent, in this moment."""
        verdict = self.risk.check_order(intent, self._state, market=market, now=now)
        size = verdict.adjusted_size or intent.size
        if not verdict.approved:
            return Preview(
                verdict=verdict,
                size=size,
                by="risk",
                code=verdict.code,
                text=verdict.reason,
                evidence=verdict.evidence,
            )
        if intent.post_only:
            return Preview(verdict=verdict, size=size)
        slip = self.check_slippage(intent, size, market)
        evidence = slippage_evidence(slip)
        if slip.allowed:
            return Preview(verdict=verdict, size=size, evidence=evidence)
        return Preview(
            verdict=verdict,
            size=size,
            by="slippage",
            code=slippage_code(slip),
            text=slip.recommendation,
            evidence=evidence,
        )

    def check_input(
        self, intent: OrderIntent, market: Market | None, now: datetime
    ) -> Market:
        """Check what only the ledger can: names it knows, grid, time.

        Raises:
            InvalidInputError: names the field.
            NotReadyError: orders cannot go out at the moment.
        """
        known = self._desk.config.strategies
        if known and intent.strategy not in known:
            raise unknown_strategy(intent.strategy)
        if market is None:
            raise unknown_market(intent.market_id)
        if not market.is_on_grid(intent.price):
            tick = text_of(market.tick_size)
            reason = f"must be a multiple of the tick {tick}, from it to 1 minus it"
            field = "price"
            raise InvalidInputError(field, reason, code="invalid_price")
        if intent.expires_at is not None and intent.expires_at <= now:
            field, reason = "expires_at", "lies in the past"
            raise InvalidInputError(field, reason, code="expired")
        closed_because = self._desk.executor.unavailable()
        if closed_because:
            raise NotReadyError(closed_because)
        return market

    def check_slippage(
        self, intent: OrderIntent, size: Decimal, market: Market
    ) -> SlippageResult:
        """What the book says about a size; refused without a book."""
        book = self._books.book(market.token(intent.outcome))
        if book is None:
            return SlippageResult(
                allowed=False,
                expected_slippage_bps=ZERO,
                effective_price=None,
                recommendation="no current order book",
            )
        result = self._slippage.check(
            intent.side,
            size,
            intent.price,
            book,
            max_slippage_bps=intent.max_slippage_bps,
        )
        if result.is_warning:
            self._desk.log.warning(
                "slippage_warning",
                strategy=intent.strategy,
                market_id=intent.market_id,
                expected_slippage_bps=result.expected_slippage_bps,
            )
        return result

    async def _prepare(
        self, intent: OrderIntent, market: Market, order_id: str, size: Decimal
    ) -> PreparedOrder:
        request = placement_request(intent, market, order_id, size)
        executor = self._desk.executor
        if executor.is_inline or executor.prepares_at_once:
            return await executor.prepare(request)
        # Others may decide while this one is being signed: it must count now.
        with self._state.hold(intent, size, market.fee_rate):
            return await executor.prepare(request)

    def stopped_meanwhile(self, intent: OrderIntent | Order) -> str:
        """Why an order that was decided on may not go out any more, if so."""
        mode = self._state.mode
        if mode is _NORMAL:
            return ""
        if mode is TradingMode.REDUCE_ONLY and intent.side is Side.SELL:
            return ""
        return str(mode)

    async def _record_prepared(  # noqa: PLR0913, PLR0917
        self,
        order_id: str,
        request: ev.OrderRequested,
        verdict: RiskDecision,
        prepared: PreparedOrder,
        evidence: dict[str, str],
        fingerprint: str,
    ) -> None:
        stream, venue_id = ev.order_stream(order_id), prepared.venue_order_id
        batch = [NewEvent(stream, 1, request)]
        if verdict.adjusted_size is not None:
            batch.append(NewEvent(stream, 2, resized_event(request, verdict)))
        signed = prepared_event(request, prepared, evidence)
        batch.append(NewEvent(stream, len(batch) + 1, signed))
        identity = Identity(
            request.strategy, request.idempotency_key, fingerprint, order_id, venue_id
        )
        # From here on a cancel waits for the post's answer.
        self._desk.posting[order_id] = []
        try:
            await self._journal.append(batch, identity)
        except BaseException:
            self._desk.posted(order_id)
            raise

    async def _refuse(  # noqa: PLR0913, PLR0917
        self,
        order_id: str,
        request: ev.OrderRequested,
        by: str,
        code: str,
        text: str,
        evidence: dict[str, str],
    ) -> OrderResult:
        stream = ev.order_stream(order_id)
        refused = refused_event(request, by, code, text, evidence)
        identity = Identity(
            request.strategy, request.idempotency_key, request.fingerprint, order_id, ""
        )
        await self._desk.journal.append(
            [NewEvent(stream, 1, request), NewEvent(stream, 2, refused)], identity
        )
        self._desk.metrics.count("orders_refused", by=by)
        self._desk.log.info(
            "order_rejected", order_id=order_id, by=by, code=code, text=text
        )
        return result_of(snapshot(self._desk.journal.order(order_id)))

    async def post(
        self, order_id: str, prepared: PreparedOrder, requested_at: datetime
    ) -> OrderResult:
        """Post the stored bytes, record the answer, let waiting cancels go on."""
        self._desk.posting.setdefault(order_id, [])
        try:
            answer = await self._answer(order_id, prepared, requested_at)
            if answer.code == ID_MISMATCH:
                # Before the answer: a kill in between must not forget the halt.
                await self._desk.halt(answer.text)
            meta = Meta(at=self._desk.clock.now(), source="post")
            await self._desk.record(order_id, answer, meta)
        except asyncio.CancelledError:
            await self._leave_unknown(order_id)
            raise
        finally:
            self._desk.posted(order_id)
        self._report_post(order_id, answer)
        return result_of(snapshot(self._journal.order(order_id)), answer)

    async def _leave_unknown(self, order_id: str) -> None:
        """Record that nobody waits for an answer that may still come."""
        unknown = PostAnswered(outcome=PostOutcome.UNKNOWN, text="cancelled")
        meta = Meta(at=self._desk.clock.now(), source="inferred")
        # A log that takes no more says the same: prepared, and never answered.
        with suppress(LedgerError):
            await self._desk.record(order_id, unknown, meta)

    async def _answer(
        self, order_id: str, prepared: PreparedOrder, requested_at: datetime
    ) -> PostAnswered:
        """Post until the answer is something else than "not processed"."""
        answer = await self._submit(prepared, requested_at)
        if answer.outcome is not _NOT_PROCESSED:
            return self._about_order(order_id, answer)
        config, attempt = self._desk.config, 0
        while answer.outcome is _NOT_PROCESSED and attempt < config.max_retry_attempts:
            delay_ms = config.retry_base_delay_ms * 2**attempt
            delay_ms = max(answer.retry_after_ms, delay_ms)
            jitter = self._desk.rng.randint(0, config.retry_base_delay_ms)
            attempt += 1
            if self._age_ms(requested_at) + delay_ms > config.order_timeout_ms:
                break
            self._desk.metrics.count("post_retries")
            await self._desk.clock.sleep((delay_ms + jitter) / 1000)
            order = self._journal.order(order_id)
            if order.is_cancel_requested or self.stopped_meanwhile(order):
                break  # nobody wants it any more, and it was not processed
            if self._journal.failed is not None:
                break  # what its answer says could not be recorded
            answer = await self._submit(prepared, requested_at)
        return self._about_order(order_id, answer)

    def _about_order(self, order_id: str, answer: PostAnswered) -> PostAnswered:
        """What the answer to one post proves of an order that was posted before.

        A kill speaks of that post; the lost one may have filled, so that only a
        look-up ends the order.
        """
        is_again = self._journal.order(order_id).is_outcome_unknown
        if is_again and answer.outcome is PostOutcome.KILLED:
            return msgspec.structs.replace(answer, outcome=PostOutcome.REFUSED)
        return answer

    async def _submit(
        self, prepared: PreparedOrder, requested_at: datetime
    ) -> PostAnswered:
        """Post once; whatever goes wrong on the way leaves the outcome unknown."""
        try:
            if self._desk.executor.is_inline:
                return await self._desk.executor.submit(prepared)
            return await self._submit_in_time(prepared, requested_at)
        except Exception as error:  # no failure of ours says what the venue did
            self._desk.log.exception("post_failed")
            text = type(error).__name__
            return PostAnswered(outcome=PostOutcome.UNKNOWN, text=text)

    async def _submit_in_time(
        self, prepared: PreparedOrder, requested_at: datetime
    ) -> PostAnswered:
        left_ms = self._desk.config.order_timeout_ms - self._age_ms(requested_at)
        if left_ms <= 0:
            return PostAnswered(
                outcome=PostOutcome.NOT_PROCESSED,
                code="order_timeout",
                text="the intent is too old to be posted",
            )
        if self._desk.executor.submits_at_once:
            return await self._desk.executor.submit(prepared)
        try:
            async with asyncio.timeout(left_ms / 1000):
                return await self._desk.executor.submit(prepared)
        except TimeoutError:
            return PostAnswered(outcome=PostOutcome.UNKNOWN, text="timeout")

    def _age_ms(self, since: datetime) -> float:
        return (self._desk.clock.now() - since).total_seconds() * 1000

    def _report_post(self, order_id: str, answer: PostAnswered) -> None:
        outcome = answer.outcome
        self._desk.metrics.count("posts", outcome=str(outcome))
        if outcome in _NOT_TAKEN:
            self._desk.log.warning(
                "order_rejected",
                order_id=order_id,
                code=answer.code,
                text=answer.text,
            )
        elif outcome is _UNKNOWN and answer.code != DUPLICATED:
            self._desk.log.warning(
                "order.outcome_unknown", order_id=order_id, text=answer.text
            )
        else:
            self._desk.log.info("order_placed", order_id=order_id)
