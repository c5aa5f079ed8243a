"""The paper venue's book-keeping: orders, their trades, what time does to them.

Everything that happens to an order passes here, so that locks, facts and the
agenda cannot disagree.
"""

from collections.abc import Iterator
from decimal import Decimal
from heapq import heappop, heappush

from executors.paper.balances import CASH, Account
from executors.paper.records import (
    GTD_EARLY_MS,
    PaperConfig,
    PaperRecord,
    PaperTrade,
    digest,
)
from executors.paper.settlement import fate_of
from ledger.book import Level
from ledger.decide import OrderEnded, SettlementSeen
from ledger.intent import UserFill
from ledger.values import EndReason, Role, Settlement, Side
from ledger.venue import VenueFact


class Clearing:
    """Orders by venue id, the account behind them, and the facts about them."""

    def __init__(self, config: PaperConfig) -> None:
        self.config = config
        self.now_ms = 0
        self.account = Account(config.initial_cash)
        self._records: dict[str, PaperRecord] = {}
        self._finished: dict[str, PaperRecord] = {}
        self._open: dict[str, dict[str, PaperRecord]] = {}
        self._agenda: list[tuple[int, int, PaperRecord, PaperTrade | None]] = []
        self._agenda_count = 0
        self._trade_count = 0
        self._facts: list[VenueFact] = []

    def advance(self, now_ms: int) -> None:
        """Let time pass: settlements and expiries happen at their own times."""
        while self._agenda and self._agenda[0][0] <= now_ms:
            due_ms, _, record, trade = heappop(self._agenda)
            self.now_ms = max(self.now_ms, due_ms)
            if trade is not None:
                self._settle(record, trade, due_ms)
            elif record.is_open:
                self.end(record, EndReason.EXPIRED, "CANCELED_EXPIRED_ORDER")
        self.now_ms = max(self.now_ms, now_ms)

    def next_due_ms(self) -> int | None:
        """When something happens by itself next; `None` if nothing will."""
        return self._agenda[0][0] if self._agenda else None

    def take_facts(self) -> list[VenueFact]:
        """Everything that happened since the last call, in order."""
        facts, self._facts = self._facts, []
        return facts

    @property
    def has_facts(self) -> bool:
        """Whether `take_facts` would give any."""
        return bool(self._facts)

    def find(self, venue_order_id: str) -> PaperRecord | None:
        """An order by its venue id, open or not."""
        found = self._records.get(venue_order_id)
        return found or self._finished.get(venue_order_id)

    def records(self) -> Iterator[PaperRecord]:
        """Every order that is remembered, finished ones first."""
        yield from self._finished.values()
        yield from self._records.values()

    def resting(self, market_id: str) -> list[PaperRecord]:
        """Open orders of one market, oldest first."""
        return list(self._open.get(market_id, {}).values())

    def add(self, record: PaperRecord) -> None:
        """Remember an order."""
        self._records[record.order.venue_order_id] = record

    def rest(self, record: PaperRecord) -> None:
        """Put what is left of an order on the book until it fills or ends."""
        order = record.order
        self._open.setdefault(order.market_id, {})[order.venue_order_id] = record
        self._lock_rest(record)
        if order.expiration_ms is not None:
            self._schedule(order.expiration_ms - GTD_EARLY_MS, record, None)

    def fill(self, record: PaperRecord, part: Level, fee: Decimal, role: Role) -> None:
        """Match part of an order: `part` is the price of its token, and shares."""
        self._trade_count += 1
        trade_id = f"{self._trade_prefix}-{self._trade_count}"
        trade = PaperTrade(
            trade_id=trade_id,
            venue_order_id=record.order.venue_order_id,
            token_id=record.order.token_id,
            side=record.order.side,
            size=part.size,
            price=part.price,
            fee=fee,
            role=role,
            status=Settlement.MATCHED,
            status_ms=self.now_ms,
            steps=fate_of(trade_id, self.config),
        )
        record.matched += part.size
        self._emit(record, trade.as_fill())
        self.adopt(record, trade)
        if role is Role.MAKER:
            self._lock_rest(record)
            if not record.is_open:
                self._leave_book(record)

    def adopt(self, record: PaperRecord, trade: PaperTrade) -> None:
        """Take charge of a trade: lock its cost until it settles."""
        record.trades.append(trade)
        prefix, _, number = trade.trade_id.rpartition("-")
        if prefix == self._trade_prefix and number.isdecimal():
            # A trade of an earlier start under the same run keeps its number.
            self._trade_count = max(self._trade_count, int(number))
        if trade.status.is_final:
            return
        if trade.side is Side.BUY:
            self.account.lock(trade.trade_id, CASH, trade.notional + trade.fee)
        else:
            self.account.lock(trade.trade_id, trade.token_id, trade.size)
        self._schedule(self.now_ms + trade.steps[0][0], record, trade)

    def end(self, record: PaperRecord, reason: EndReason, text: str) -> None:
        """End an order; its trades settle on."""
        record.ended = reason
        self.account.release(record.order.venue_order_id)
        self._leave_book(record)
        self._emit(
            record,
            OrderEnded(reason=reason, text=text, size_matched=record.matched),
        )
        self.archive(record)

    def archive(self, record: PaperRecord) -> None:
        """Move an order that is finished to the bounded memory of such."""
        name = record.order.venue_order_id
        if not record.is_finished or self._records.pop(name, None) is None:
            return
        self._finished[name] = record
        if len(self._finished) > self.config.max_finished_orders:
            del self._finished[next(iter(self._finished))]

    @property
    def _trade_prefix(self) -> str:
        return f"paper-{self.config.run}"

    def _lock_rest(self, record: PaperRecord) -> None:
        order, asset, amount = record.order, CASH, record.remaining
        if order.side is Side.BUY:
            amount *= order.price
        else:
            asset = order.token_id
        self.account.lock(order.venue_order_id, asset, amount)

    def _leave_book(self, record: PaperRecord) -> None:
        of_market = self._open.get(record.order.market_id, {})
        of_market.pop(record.order.venue_order_id, None)

    def _schedule(
        self, due_ms: int, record: PaperRecord, trade: PaperTrade | None
    ) -> None:
        self._agenda_count += 1  # keeps entries of one instant in their order
        heappush(self._agenda, (due_ms, self._agenda_count, record, trade))

    def _settle(self, record: PaperRecord, trade: PaperTrade, due_ms: int) -> None:
        _, trade.status = trade.steps.pop(0)
        trade.status_ms = due_ms
        trade.tx_hash = _hash_after(trade)
        if trade.status.is_final:
            self.account.release(trade.trade_id)
        else:
            self._schedule(due_ms + trade.steps[0][0], record, trade)
        if trade.status is Settlement.CONFIRMED:
            sign = 1 if trade.side is Side.BUY else -1
            self.account.move(trade.token_id, sign * trade.size)
            self.account.move(CASH, -sign * trade.notional - trade.fee)
        seen = SettlementSeen(
            trade_id=trade.trade_id,
            status=trade.status,
            venue_time=due_ms,
            tx_hash=trade.tx_hash,
        )
        self._emit(record, seen)
        self.archive(record)

    def _emit(
        self, record: PaperRecord, fact: UserFill | SettlementSeen | OrderEnded
    ) -> None:
        name = record.order.venue_order_id
        self._facts.append(VenueFact(venue_order_id=name, fact=fact, source="paper"))


def _hash_after(trade: PaperTrade) -> str:
    """The transaction's hash in the trade's new state; a retry has another."""
    first = digest("transaction", trade.trade_id)
    match trade.status:
        case Settlement.MINED if trade.tx_hash:
            return digest("retried transaction", trade.trade_id)
        case Settlement.CONFIRMED | Settlement.FAILED if trade.tx_hash:
            return trade.tx_hash
        case _:
            return first
