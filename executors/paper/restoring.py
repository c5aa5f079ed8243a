"""From an order as the ledger knows it to one as the paper venue keeps it."""

from executors.paper.records import (
    PaperConfig,
    PaperOrder,
    PaperRecord,
    PaperTrade,
    ms_of,
)
from executors.paper.settlement import fate_of, steps_after
from ledger.order import Order, Trade
from ledger.values import EndReason, Settlement


def was_taken(order: Order) -> bool:
    """Whether the venue provably had the order.

    Of any other the new venue says "none", which is true of it.
    """
    return bool(order.venue_order_id) and (order.is_accepted or order.ended is not None)


def record_of(order: Order) -> PaperRecord:
    """The order without its trades; its place in the queue is not known."""
    is_filled = order.done_reason is EndReason.FILLED
    expires = order.expires_at
    return PaperRecord(
        order=PaperOrder(
            order_id=order.order_id,
            market_id=order.market_id,
            token_id=order.token_id,
            outcome=order.outcome,
            side=order.side,
            price=order.price,
            size=order.size,
            time_in_force=order.time_in_force,
            post_only=order.post_only,
            expiration_ms=None if expires is None else ms_of(expires),
        ),
        # Dust that was closed does not rest again.
        matched=order.size if is_filled else order.matched,
        ended=None if is_filled else order.ended,
    )


def trades_of(order: Order, config: PaperConfig) -> list[PaperTrade]:
    """The trades whose size is known, each with what is left of its path."""
    known = [trade for trade in order.trades.values() if trade.size]
    return [_trade_of(order, trade, config) for trade in known]


def _trade_of(order: Order, known: Trade, config: PaperConfig) -> PaperTrade:
    status = known.settlement
    final = known.voided_at if status is Settlement.FAILED else known.confirmed_at
    return PaperTrade(
        trade_id=known.trade_id,
        venue_order_id=order.venue_order_id,
        token_id=order.token_id,
        side=order.side,
        size=known.size,
        price=known.price,
        fee=known.fee,
        role=known.role,
        status=status,
        status_ms=known.timed[0] if final is None else final,
        steps=steps_after(status, fate_of(known.trade_id, config)),
        tx_hash=known.tx_hash,
    )
