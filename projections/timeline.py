"""Every event of one order with its cause: read from its stream, never stored."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from ledger import events as ev
from ledger.errors import IntegrityError, UnknownOrderError
from ledger.order import Order, advance, requested
from ledger.store import LedgerStore
from ledger.values import OrderStatus, text_of


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event of an order, for a person to read; never the signed order.

    `at` is the event's own time, `recorded_us` that of its recording in Unix
    microseconds; `status` is the order's label after the event.
    """

    position: int
    version: int
    at: datetime
    recorded_us: int
    topic: str
    actor: str
    source: str
    correlation_id: str
    causation: str
    summary: str
    status: OrderStatus


def timeline(
    store: LedgerStore, order_id: str, *, upto: int | None = None
) -> list[TimelineEntry]:
    """The story of one order, oldest event first.

    Args:
        store: The log.
        order_id: The ledger's id of the order.
        upto: The last position to tell of; `None` tells everything.

    Raises:
        UnknownOrderError: there is no such order, or not by that position.
        IntegrityError: the stream cannot be read.
    """
    entries = []
    order: Order | None = None
    for recorded in store.read_stream(ev.order_stream(order_id)):
        if upto is not None and recorded.position > upto:
            break
        event = recorded.event
        if order is not None:
            advance(order, event)
        elif isinstance(event, ev.OrderRequested):
            order = requested(order_id, event)
        else:
            msg = f"stream of order {order_id} has no beginning"
            raise IntegrityError(msg, position=recorded.position)
        entries.append(
            TimelineEntry(
                position=recorded.position,
                version=recorded.version,
                at=event.at,
                recorded_us=recorded.recorded_us,
                topic=event.TOPIC,
                actor=event.actor,
                source=event.source,
                correlation_id=event.correlation_id,
                causation=event.causation,
                summary=summary(event),
                status=order.status,
            )
        )
    if not entries:
        raise UnknownOrderError(order_id)
    return entries


def summary(event: ev.Event) -> str:
    """One event of an order in words."""
    return _SUMMARIES[type(event)](event)


def _requested(event: ev.OrderRequested) -> str:
    extras = [str(event.time_in_force)]
    if event.post_only:
        extras.append("post-only")
    if event.expires_at is not None:
        extras.append(f"until {event.expires_at.isoformat()}")
    if event.note:
        extras.append(f"note: {event.note}")
    return (
        f"{event.side} {text_of(event.size)} {event.outcome} of {event.market_id} "
        f"at {text_of(event.price)}, {', '.join(extras)}"
    )


def _refused(event: ev.OrderRefused) -> str:
    evidence = ", ".join(f"{name} {value}" for name, value in event.evidence.items())
    told = f" ({evidence})" if evidence else ""
    return f"refused by {event.by}: {event.code}: {event.text}{told}"


def _prepared(event: ev.OrderPrepared) -> str:
    return f"signed {text_of(event.size)} shares as {event.venue_order_id}"


def _matched(event: ev.FillMatched) -> str:
    fee = f", fee {text_of(event.fee)}" if event.fee else ""
    return (
        f"trade {event.trade_id}: {text_of(event.size)} at {text_of(event.price)} "
        f"as {event.role}{fee}"
    )


def _settlement(event: ev.SettlementEvent) -> str:
    words = {
        ev.FillMined: "mined",
        ev.FillRetrying: "being sent again",
        ev.FillConfirmed: "confirmed",
        ev.FillVoided: "void",
    }
    tx_hash = f" in {event.tx_hash}" if event.tx_hash else ""
    return f"trade {event.trade_id} {words[type(event)]}{tx_hash}"


def _cancelled(event: ev.OrderCancelled) -> str:
    matched = event.size_matched
    parts = [f"ended: {event.reason}"]
    if event.text:
        parts.append(event.text)
    if matched is not None:
        parts.append(f"{text_of(matched)} shares matched")
    return ", ".join(parts)


_SUMMARIES: Final[dict[type[ev.Event], Callable[[Any], str]]] = {
    ev.OrderRequested: _requested,
    ev.OrderRefused: _refused,
    ev.OrderResized: lambda e: (
        f"capped from {text_of(e.requested_size)} to {text_of(e.size)}: "
        f"{e.code}: {e.text}"
    ),
    ev.OrderPrepared: _prepared,
    ev.OrderOutcomeUnknown: lambda e: f"outcome unknown: {e.reason}",
    ev.OrderReposted: lambda _: "the same bytes go out again",
    ev.OrderProbed: lambda e: f"{e.probe} found nothing",
    ev.OrderPlaced: lambda e: "in a matching delay" if e.delayed else "placed",
    ev.OrderRejected: lambda e: f"rejected by the venue: {e.code}: {e.text}",
    ev.FillMatched: _matched,
    ev.FillMined: _settlement,
    ev.FillRetrying: _settlement,
    ev.FillConfirmed: _settlement,
    ev.FillVoided: _settlement,
    ev.OrderCancelRequested: lambda e: f"cancel wanted: {e.reason}",
    ev.OrderCancelRefused: lambda e: f"not cancelled: {e.text}",
    ev.OrderCancelled: _cancelled,
    ev.OrderDustClosed: lambda e: (
        f"closed as matched, up to {text_of(e.tolerance)} shares left as dust"
    ),
    ev.OrderNeverPlaced: lambda e: f"never placed, proven by {', '.join(e.probes)}",
}
