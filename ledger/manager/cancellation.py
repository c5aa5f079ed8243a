"""Cancelling: recorded first, carried out as soon as the order's id can be sent."""

import asyncio
from contextlib import suppress

from ledger.decide import CancelAnswered, CancelOutcome, CancelWanted
from ledger.errors import CommandRefusedError, UnknownOrderError
from ledger.manager.desk import Desk
from ledger.manager.resolver import Resolver
from ledger.manager.results import OrderError, OrderResult, cancel_result, failure
from ledger.order import snapshot
from ledger.values import Phase


class Cancellation:
    """Cancels orders; one request to the venue per order at a time."""

    def __init__(self, desk: Desk, resolver: Resolver) -> None:
        self._desk = desk
        self._resolver = resolver
        self._cancelling: dict[str, asyncio.Task[OrderResult]] = {}

    async def cancel(
        self, order_id: str, *, reason: str = "requested", actor: str = "system"
    ) -> OrderResult:
        """Cancel one order; concurrent calls share one request to the venue.

        A cancel of an order whose post is not answered yet is recorded at once
        and carried out as soon as the answer is there.

        Returns:
            Success when the venue cancelled it; error codes `unknown_order`,
            `refused` (already done), `cancel_refused`, `outcome_unknown`.
        """
        running = self._cancelling.get(order_id)
        if running is None:
            running = asyncio.ensure_future(self._cancel(order_id, reason, actor))
            self._cancelling[order_id] = running
            running.add_done_callback(lambda _: self._cancelling.pop(order_id, None))
        return await asyncio.shield(running)

    async def withdraw(self, order_id: str) -> None:
        """Take back what is not wanted any more, or was asked to go already.

        An order of unknown outcome that is too old to be posted is cancelled by
        its id, should it arrive after all; a cancel whose answer was lost is asked
        again.
        """
        order = self._desk.journal.order(order_id)
        if order.phase is Phase.DONE or order_id in self._desk.posting:
            return
        if order.is_cancel_requested:
            # While it is delayed, the venue would refuse, and forget the wish.
            if order.is_accepted and not order.is_delayed:
                await self.cancel(order_id)
        elif not order.is_answered:
            too_old = self._desk.age_ms(order) >= self._desk.config.order_timeout_ms
            if too_old and order.venue_order_id:
                await self.cancel(order_id, reason="order_timeout")

    async def _cancel(self, order_id: str, reason: str, actor: str) -> OrderResult:
        try:
            meta = self._desk.meta("command", actor=actor)
            await self._desk.record(order_id, CancelWanted(reason=reason), meta)
        except UnknownOrderError as error:
            return failure(error)
        except CommandRefusedError as error:
            await self._desk.journal.durable()
            return failure(error, snapshot(self._desk.journal.order(order_id)))
        if await self._desk.post_answered(order_id):
            order = self._desk.journal.order(order_id)
            if order.phase is Phase.DONE:
                return cancel_result(snapshot(order))
        return await self._cancel_at_venue(order_id)

    async def _cancel_at_venue(self, order_id: str) -> OrderResult:
        order = self._desk.journal.order(order_id)
        answer = await self._ask_cancel(order.venue_order_id)
        if answer.outcome is CancelOutcome.CANCELED:
            await self._hear_fills(order_id)
        await self._desk.record(order_id, answer, self._desk.meta("post"))
        if answer.outcome is not CancelOutcome.CANCELED:
            await self._resolver.look_up(order_id)
        order = snapshot(self._desk.journal.order(order_id))
        if order.phase is Phase.DONE:
            self._desk.log.info("order_cancelled", order_id=order_id)
            return cancel_result(order)
        code = "cancel_refused"
        if answer.outcome is CancelOutcome.UNKNOWN:
            code = "outcome_unknown"
        self._desk.log.warning("cancel_failed", order_id=order_id, text=answer.text)
        error = OrderError(code=code, text=answer.text or "no answer")
        return OrderResult(success=False, order=order, error=error)

    async def _hear_fills(self, order_id: str) -> None:
        """Learn what was matched before the cancel, which the answer does not say.

        Recorded first, the cancel would close the order, and what it bought
        would count nowhere until somebody sweeps.
        """
        if self._desk.executor.is_inline:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._desk.config.cancel_timeout_ms / 1000):
                await self._resolver.hear_fills(order_id)

    async def _ask_cancel(self, venue_order_id: str) -> CancelAnswered:
        try:
            if self._desk.executor.is_inline:
                return await self._desk.executor.cancel(venue_order_id)
            async with asyncio.timeout(self._desk.config.cancel_timeout_ms / 1000):
                return await self._desk.executor.cancel(venue_order_id)
        except TimeoutError:
            return CancelAnswered(outcome=CancelOutcome.UNKNOWN, text="timeout")
        except Exception as error:  # no failure of ours says what the venue did
            self._desk.log.exception("cancel_failed", venue_order_id=venue_order_id)
            text = type(error).__name__
            return CancelAnswered(outcome=CancelOutcome.UNKNOWN, text=text)

    async def cancel_all(
        self,
        market_id: str | None = None,
        strategy: str | None = None,
        *,
        actor: str = "system",
    ) -> list[OrderResult]:
        """Cancel every open order, of one market or one strategy if given."""
        wanted = [
            order.order_id
            for order in self._desk.journal.state.orders.values()
            if order.phase is not Phase.DONE
            and (market_id is None or order.market_id == market_id)
            and (strategy is None or order.strategy == strategy)
        ]
        cancels = (self.cancel(order_id, actor=actor) for order_id in wanted)
        return list(await asyncio.gather(*cancels))
