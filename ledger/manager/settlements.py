"""Trades that were matched and do not settle: raised for a person to see.

A match moves nothing until the chain confirms it, and some never get there.
The exposure stays; the drift says since when, and closes when it settles.
"""

from datetime import datetime, timedelta
from typing import Final

from ledger import events as ev
from ledger.errors import UnknownOrderError
from ledger.manager.desk import Desk
from ledger.order import Order, Trade
from ledger.values import text_of

OVERDUE: Final = "settlement_overdue"

_Name = tuple[str, str]
"""Order id and trade id."""


class SettlementWatch:
    """Opens and closes a drift per trade that is late."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._after = timedelta(milliseconds=desk.config.settlement_alarm_ms)
        self._matched_at: dict[_Name, datetime] = {}

    async def watch(self) -> None:
        """Compare every unsettled trade with the clock."""
        late_before = self._desk.clock.now() - self._after
        await self._close_settled()
        for order in tuple(self._desk.journal.state.orders.values()):
            if order.unsettled and order.requested_at <= late_before:
                await self._raise_late(order, late_before)

    async def _raise_late(self, order: Order, late_before: datetime) -> None:
        for trade in tuple(order.trades.values()):
            if trade.is_final:
                self._matched_at.pop((order.order_id, trade.trade_id), None)
                continue
            since = self._matched(order, trade)
            if since > late_before:
                continue
            detail = {
                "order_id": order.order_id,
                "settlement": str(trade.settlement),
                "size": text_of(trade.size),
                "since": since.isoformat(),
            }
            subject = f"{trade.trade_id}/{order.order_id}"
            await self._desk.open_drift(OVERDUE, subject, detail)

    def _matched(self, order: Order, trade: Trade) -> datetime:
        """When the log first heard of a trade."""
        name = (order.order_id, trade.trade_id)
        if name not in self._matched_at:
            stream = ev.order_stream(order.order_id)
            for stored in self._desk.journal.store.read_stream(stream):
                event = stored.event
                if isinstance(event, ev.FillMatched | ev.SettlementEvent):
                    known = (order.order_id, event.trade_id)
                    self._matched_at.setdefault(known, event.at)
        # Not on disk yet: it has just been heard of.
        return self._matched_at.setdefault(name, self._desk.clock.now())

    async def _close_settled(self) -> None:
        journal = self._desk.journal
        for drift in tuple(journal.state.drifts.values()):
            if drift.kind != OVERDUE:
                continue
            trade_id, _, order_id = drift.subject.rpartition("/")
            try:
                trade = journal.order(order_id).trades.get(trade_id)
            except UnknownOrderError:
                continue
            if trade is None or not trade.is_final:
                continue
            self._matched_at.pop((order_id, trade_id), None)
            closed = ev.DriftClosed(
                at=self._desk.clock.now(),
                drift_id=drift.drift_id,
                reason=f"the trade is {trade.settlement}",
            )
            await journal.append_to(ev.RECONCILIATION_STREAM, closed)
