"""Following what the venue says: fills, settlement, ends, orphans."""

from typing import Final

from ledger.decide import (
    ID_MISMATCH,
    Meta,
    OrderEnded,
    PostAnswered,
    SettlementSeen,
)
from ledger.intent import UserFill
from ledger.manager.desk import Desk
from ledger.order import Order, Trade, snapshot
from ledger.values import OrderStatus, Settlement
from ledger.venue import VenueFact

_CONFIRMED: Final = Settlement.CONFIRMED


class Following:
    """Records facts about our orders, whoever tells them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._journal = desk.journal
        self.is_behind = False  # an order ended with more matched than is known

    async def on_fill(self, fill: UserFill, *, source: str = "stream") -> Order | None:
        """Book one trade of one of our orders; once, however often it is told.

        Returns:
            The order after the fill; `None` for an orphan, which is recorded
            as a discrepancy.
        """
        order = self._journal.order_by_venue_id(fill.order_id)
        if order is None:
            await self._orphan(fill)
            return None
        known = order.trades.get(fill.trade_id)
        if known is not None and known.size and _differs(known, fill):
            await self._desk.open_drift(
                "trade_conflict",
                f"{fill.trade_id}/{order.order_id}",
                {"size": str(fill.size), "price": str(fill.price)},
            )
            order = self._journal.order(order.order_id)
        desk = self._desk
        meta = Meta(at=desk.clock.now(), source=source, causation=fill.trade_id)
        order, is_news = await desk.record_trade(order, fill, meta)
        if is_news:
            desk.log.info(
                "order_fill",
                order_id=order.order_id,
                trade_id=fill.trade_id,
                size=fill.size,
                price=fill.price,
            )
        return snapshot(order)

    async def on_chain_confirmation(  # noqa: PLR0913
        self,
        order_id: str,
        trade_id: str,
        tx_hash: str,
        status: Settlement,
        *,
        venue_time: int | None = None,
        source: str = "stream",
    ) -> Order:
        """Record how far one trade has settled.

        Args:
            order_id: The ledger's order id.
            trade_id: The venue's trade id.
            tx_hash: The transaction, if known.
            status: MINED, RETRYING, CONFIRMED or FAILED.
            venue_time: The venue's timestamp in Unix milliseconds, if any.
            source: On whose word.

        Raises:
            UnknownOrderError: there is no such order.
        """
        fact = SettlementSeen(
            trade_id=trade_id, status=status, venue_time=venue_time, tx_hash=tx_hash
        )
        desk = self._desk
        meta = Meta(at=desk.clock.now(), source=source, causation=trade_id)
        order = self._journal.order(order_id)
        order, is_news = await desk.record_trade(order, fact, meta)
        if is_news and status is _CONFIRMED:
            if order.status is OrderStatus.CONFIRMED:
                desk.log.info("order_confirmed", order_id=order_id)
        elif is_news and status is Settlement.FAILED:
            desk.log.warning("order_failed", order_id=order_id, trade_id=trade_id)
        return snapshot(order)

    async def apply(self, seen: VenueFact) -> Order | None:
        """Record something the venue said on its own."""
        if isinstance(seen.fact, UserFill):
            return await self.on_fill(seen.fact, source=seen.source)
        order = self._journal.order_by_venue_id(seen.venue_order_id)
        if order is None:
            await self._desk.open_drift(
                "unknown_order", seen.venue_order_id, {"said": type(seen.fact).__name__}
            )
            return None
        if isinstance(seen.fact, SettlementSeen):
            return await self.on_chain_confirmation(
                order.order_id,
                seen.fact.trade_id,
                seen.fact.tx_hash,
                seen.fact.status,
                venue_time=seen.fact.venue_time,
                source=seen.source,
            )
        if isinstance(seen.fact, PostAnswered) and seen.fact.code == ID_MISMATCH:
            # Too late for who posted it, and no less true.
            await self._desk.halt(seen.fact.text)
        await self._desk.record(order.order_id, seen.fact, self._desk.meta(seen.source))
        after = self._journal.order(order.order_id)
        if isinstance(seen.fact, OrderEnded) and seen.fact.size_matched:
            self.is_behind |= seen.fact.size_matched > after.matched
        return snapshot(after)

    async def _orphan(self, fill: UserFill) -> None:
        detail = {
            "trade_id": fill.trade_id,
            "size": str(fill.size),
            "price": str(fill.price),
            "status": str(fill.status),
        }
        subject = f"{fill.trade_id}/{fill.order_id}"
        self._desk.log.warning("orphan_fill", **detail, venue_order_id=fill.order_id)
        await self._desk.open_drift("orphan_fill", subject, detail)


def _differs(known: Trade, fill: UserFill) -> bool:
    return known.size != fill.size or known.price != fill.price
