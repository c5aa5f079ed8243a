"""Several intents that are recorded together or not at all: the legs of a pair.

Every leg is decided as if the ones before it were there already.
If one is refused, all are: nothing is sent, and the log says which one it was.
Once they are recorded, each is posted on its own; no venue takes two orders as
one, so what becomes of them there may differ.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Final, NamedTuple

from ledger import events as ev
from ledger.errors import (
    IdempotencyConflictError,
    InvalidInputError,
    PreparationError,
    VenueRejectedError,
)
from ledger.intent import OrderIntent
from ledger.manager.desk import Desk
from ledger.manager.placement import Placement, Placing, Preview
from ledger.manager.placement_events import (
    placement_request,
    prepared_event,
    refused_event,
    requested_event,
    resized_event,
)
from ledger.manager.results import OrderResult, result_of
from ledger.market import Market
from ledger.order import snapshot
from ledger.recorded import Identity, NewEvent
from ledger.venue import PreparedOrder

REFUSED: Final = "batch_refused"
"""The code of a leg that is refused only because another one is."""


class _Leg(NamedTuple):
    """One intent on its way: what it asks for, and under which id."""

    intent: OrderIntent
    market: Market
    order_id: str
    request: ev.OrderRequested


class _Refusal(NamedTuple):
    """Which leg was refused, by whom, and why."""

    number: int
    by: str
    code: str
    text: str
    evidence: dict[str, str]


class BatchPlacement:
    """Places several intents in one commit."""

    def __init__(self, desk: Desk, placement: Placement) -> None:
        self._desk = desk
        self._journal = desk.journal
        self._state = desk.journal.state
        self._placement = placement

    async def place(self, intents: Sequence[OrderIntent]) -> list[OrderResult]:
        """Place several orders, all or none of them.

        Args:
            intents: Validated intents with keys that differ.

        Returns:
            One result per intent, in their order.
            The same intents under the same keys give the stored orders.
            If one is refused, the others have the error code `batch_refused`.

        Raises:
            InvalidInputError: an intent is wrong; `field` begins with its number.
            IdempotencyConflictError: a key belongs to another intent, or only
                some of the keys are known.
            NotReadyError: orders cannot go out at the moment; nothing was recorded.
            StoreFailedError: as `Placement.place`.
        """
        if self._journal.failed is not None:
            raise self._journal.failed
        keys = [(intent.strategy, intent.idempotency_key) for intent in intents]
        if len(set(keys)) < len(keys):
            field, reason = "intents", "two of them have the same key"
            raise InvalidInputError(field, reason)
        placing = self._placement.placing
        while running := [placing[key] for key in keys if key in placing]:
            await running[0].finished()
        known = [self._journal.find_intent(*key) for key in keys]
        if any(known):
            return await self._stored(intents, known)
        mine = Placing("")
        placing.update(dict.fromkeys(keys, mine))
        try:
            return await self._place_new(intents)
        finally:
            for key in keys:
                del placing[key]
            mine.finish()

    async def _stored(
        self, intents: Sequence[OrderIntent], known: Sequence[Identity | None]
    ) -> list[OrderResult]:
        """The orders of a batch that was placed before."""
        await self._journal.durable()
        results = []
        for intent, identity in zip(intents, known, strict=True):
            if identity is None or identity.fingerprint != intent.fingerprint():
                there = next(one for one in known if one is not None)
                raise IdempotencyConflictError(there.idempotency_key, there.order_id)
            fingerprint = intent.fingerprint()
            results.append(self._placement.same_as_stored(fingerprint, identity))
        return results

    async def _place_new(self, intents: Sequence[OrderIntent]) -> list[OrderResult]:
        now = self._desk.clock.now()
        legs = [self._leg(number, one, now) for number, one in enumerate(intents)]
        decided: list[Preview] = []
        prepared: list[PreparedOrder] = []
        with ExitStack() as held:
            refusal = self._decide(legs, decided, held, now)
            if refusal is None:
                refusal = await self._prepare(legs, decided, prepared)
        # What was held is let go and recorded in one step: nobody comes between.
        if refusal is not None:
            return await self._refuse(legs, refusal)
        return await self._record_and_post(legs, decided, prepared, now)

    def _leg(self, number: int, intent: OrderIntent, now: datetime) -> _Leg:
        market = self._state.markets.get(intent.market_id)
        try:
            market = self._placement.check_input(intent, market, now)
        except InvalidInputError as error:
            field = f"intents.{number}.{error.field}"
            raise InvalidInputError(field, error.reason, code=error.code) from None
        order_id = self._placement.ids.next(now)
        fingerprint = intent.fingerprint()
        request = requested_event(intent, market, fingerprint, order_id, now)
        return _Leg(intent, market, order_id, request)

    def _decide(
        self,
        legs: Sequence[_Leg],
        decided: list[Preview],
        held: ExitStack,
        now: datetime,
    ) -> _Refusal | None:
        """Decide on each leg, those before it counted in full."""
        for number, leg in enumerate(legs):
            found = self._placement.decided(leg.intent, leg.market, now)
            if not found.approved:
                return _Refusal(
                    number, found.by, found.code, found.text, found.evidence
                )
            scopes = self._placement.risk.rate_scopes(leg.intent)
            self._state.exposure.count_request(scopes, now)
            held.enter_context(
                self._state.hold(leg.intent, found.size, leg.market.fee_rate)
            )
            decided.append(found)
        return None

    async def _prepare(
        self,
        legs: Sequence[_Leg],
        decided: Sequence[Preview],
        prepared: list[PreparedOrder],
    ) -> _Refusal | None:
        """Sign every leg; sends nothing."""
        for number, (leg, found) in enumerate(zip(legs, decided, strict=True)):
            wanted = placement_request(leg.intent, leg.market, leg.order_id, found.size)
            try:
                prepared.append(await self._desk.executor.prepare(wanted))
            except VenueRejectedError as error:
                return _Refusal(number, "venue", error.code, str(error), {})
            except PreparationError as error:
                return _Refusal(number, "preparation", error.code, str(error), {})
        for number, leg in enumerate(legs):
            stop = self._placement.stopped_meanwhile(leg.intent)
            if stop:
                text = f"the ledger became {stop} while the orders were prepared"
                return _Refusal(number, "risk", stop, text, {})
        return None

    async def _refuse(
        self, legs: Sequence[_Leg], refusal: _Refusal
    ) -> list[OrderResult]:
        """Record that no leg goes out, and which one it was that may not."""
        batch, identities = [], []
        for number, leg in enumerate(legs):
            stream, request = ev.order_stream(leg.order_id), leg.request
            if number == refusal.number:
                refused = refused_event(
                    request, refusal.by, refusal.code, refusal.text, refusal.evidence
                )
            else:
                text = f"leg {refusal.number} was refused: {refusal.text}"
                refused = refused_event(request, "batch", REFUSED, text, {})
            batch += [NewEvent(stream, 1, request), NewEvent(stream, 2, refused)]
            identities.append(_identity(leg, ""))
        await self._journal.append(batch, others=identities)
        self._desk.metrics.count("orders_refused", by=refusal.by)
        self._desk.log.info(
            "batch_rejected", legs=len(legs), code=refusal.code, text=refusal.text
        )
        orders = [self._journal.order(leg.order_id) for leg in legs]
        return [result_of(snapshot(order)) for order in orders]

    async def _record_and_post(
        self,
        legs: Sequence[_Leg],
        decided: Sequence[Preview],
        prepared: Sequence[PreparedOrder],
        now: datetime,
    ) -> list[OrderResult]:
        """Record all legs in one commit, then post each."""
        batch, identities = [], []
        for leg, found, signed in zip(legs, decided, prepared, strict=True):
            events: list[ev.Event] = [leg.request]
            if found.verdict.adjusted_size is not None:
                events.append(resized_event(leg.request, found.verdict))
            events.append(prepared_event(leg.request, signed, found.evidence))
            stream = ev.order_stream(leg.order_id)
            batch += [NewEvent(stream, n, event) for n, event in enumerate(events, 1)]
            identities.append(_identity(leg, signed.venue_order_id))
            # From here on a cancel waits for the post's answer.
            self._desk.posting[leg.order_id] = []
        try:
            await self._journal.append(batch, others=identities)
        except BaseException:
            for leg in legs:
                self._desk.posted(leg.order_id)
            raise
        posts = (
            self._placement.post(leg.order_id, signed, now)
            for leg, signed in zip(legs, prepared, strict=True)
        )
        return list(await asyncio.gather(*posts))


def _identity(leg: _Leg, venue_order_id: str) -> Identity:
    request = leg.request
    return Identity(
        request.strategy,
        request.idempotency_key,
        request.fingerprint,
        leg.order_id,
        venue_order_id,
    )
