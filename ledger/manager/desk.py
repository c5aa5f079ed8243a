"""What every part of the manager works with: the log, the clock, the records."""

import asyncio
from decimal import Decimal
from random import Random
from typing import Final

import structlog

from ledger import events as ev
from ledger.clock import Clock
from ledger.decide import Meta, SettlementSeen, decide, discrepancies
from ledger.intent import UserFill
from ledger.manager.journal import Journal
from ledger.manager.metrics import Metrics
from ledger.manager.results import ManagerConfig
from ledger.order import Order
from ledger.values import Side
from ledger.venue import ExecutorInterface

_BETTER_PRICE: Final = "a better price bought more shares for the same money"
_CENT: Final = Decimal("0.01")
"""Such a BUY is signed in whole cents."""


class Desk:
    """Records facts about orders, and disagreements for a person to see.

    `posting` holds the orders whose post is not answered yet, and who waits for
    the answer: a cancel does.
    """

    def __init__(  # noqa: PLR0913
        self,
        journal: Journal,
        executor: ExecutorInterface,
        *,
        clock: Clock,
        rng: Random,
        config: ManagerConfig,
        metrics: Metrics,
    ) -> None:
        self.journal = journal
        self.executor = executor
        self.clock = clock
        self.rng = rng
        self.config = config
        self.metrics = metrics
        self.log = structlog.get_logger("ledger.manager").bind()
        self.posting: dict[str, list[asyncio.Future[None]]] = {}

    def meta(self, source: str, *, actor: str = "system", causation: str = "") -> Meta:
        """Now, on whose word, and why."""
        return Meta(
            at=self.clock.now(), actor=actor, source=source, causation=causation
        )

    async def record(self, order_id: str, fact: object, meta: Meta) -> bool:
        """Decide what a fact means, append it, wait until it is durable.

        State is read and moved without a pause in between, so that two facts
        about one order are never decided on the same state.

        Returns:
            Whether the fact was news.

        Raises:
            UnknownOrderError: there is no such order.
            CommandRefusedError: as `ledger.decide.decide`.
            StoreFailedError: the log takes no more.
        """
        order = self.journal.order(order_id)
        events = decide(order, fact, meta)
        if not events:
            await self.journal.durable()  # what is known may be on its way only
            return False
        await self.journal.append_order(order, events)
        return True

    async def record_trade(
        self, order: Order, fact: UserFill | SettlementSeen, meta: Meta
    ) -> tuple[Order, bool]:
        """As `record`, for news of one trade; contradictions are raised.

        `order` is the present state, as the journal gives it.

        Returns:
            The order's state afterwards, and whether the fact was news.
        """
        order_id = order.order_id
        events = decide(order, fact, meta)
        if not events:
            await self.journal.durable()
            return self.journal.order(order_id), False
        matched, before = order.matched, order.trades.get(fact.trade_id)
        await self.journal.append_order(order, events)
        after = self.journal.order(order_id)
        found = discrepancies(after, fact.trade_id, matched, before)
        if found:
            for kind, subject, detail in found:
                explained = kind == "overfill" and _is_better_price(after)
                await self.open_drift(
                    kind, subject, detail, gone=_BETTER_PRICE if explained else ""
                )
            after = self.journal.order(order_id)
        return after, True

    async def open_drift(
        self, kind: str, subject: str, detail: dict[str, str], *, gone: str = ""
    ) -> None:
        """Record a disagreement; once, until it is closed.

        `gone` says why it needs nobody's attention: it is closed in the same
        commit, and stays to be read.
        """
        drift_id = f"{kind}:{subject}"
        if drift_id in self.journal.state.drifts:
            return
        self.metrics.count("drifts_opened", kind=kind)
        now = self.clock.now()
        news: list[ev.Event] = [
            ev.DriftOpened(
                at=now, drift_id=drift_id, kind=kind, subject=subject, detail=detail
            )
        ]
        if gone:
            news.append(ev.DriftClosed(at=now, drift_id=drift_id, reason=gone))
        await self.journal.append_to(ev.RECONCILIATION_STREAM, *news)

    async def halt(self, reason: str) -> None:
        """Stop trading: the venue and we disagree on what was signed."""
        halted = ev.LedgerHalted(at=self.clock.now(), reason=reason)
        await self.journal.append_to(ev.SYSTEM_STREAM, halted)
        self.log.error("ledger.halted", reason=reason)

    async def post_answered(self, order_id: str) -> bool:
        """Wait until an order's post is answered; whether there was one."""
        waiting = self.posting.get(order_id)
        if waiting is None:
            return False
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(answered)
        await answered
        return True

    def posted(self, order_id: str) -> None:
        """The post is answered: let waiting cancels go on."""
        for waiting in self.posting.pop(order_id, ()):
            if not waiting.done():
                waiting.set_result(None)

    def age_ms(self, order: Order) -> float:
        """Milliseconds since the order was requested."""
        return (self.clock.now() - order.requested_at).total_seconds() * 1000


def _is_better_price(order: Order) -> bool:
    """Whether more shares came for the same money: a BUY in pUSD does that."""
    is_in_money = order.side is Side.BUY and not order.time_in_force.rests
    return is_in_money and order.cost <= order.size * order.price + _CENT
