"""Comparing what the ledger believes with what the venue said; pure.

The venue's answer is a `venue.observed` event, so that the same differences
come out whenever the log is replayed.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

import msgspec

from ledger.events import ObservedOrder, VenueObserved
from ledger.order import Order
from ledger.values import ZERO, Outcome, Phase, text_of

MISSING: Final = "missing"
UNEXPECTED: Final = "unexpected"
DIVERGED: Final = "diverged"
POSITION: Final = "position"
CASH: Final = "cash"


class OrderMismatch(msgspec.Struct, frozen=True, kw_only=True):
    """One open order that the two sides see differently.

    `kind` is missing (the venue does not list ours), unexpected (we do not know
    the venue's), or diverged (they differ in what is matched, size or price, or
    the order is done and the venue lists it as live).
    """

    kind: str
    venue_order_id: str
    order_id: str = ""
    field: str = ""
    ledger: str = ""
    venue: str = ""

    @property
    def missing(self) -> bool:
        """Whether the venue does not list an order of ours."""
        return self.kind == MISSING

    @property
    def unexpected(self) -> bool:
        """Whether the venue lists an order that we do not know."""
        return self.kind == UNEXPECTED

    @property
    def drift_id(self) -> str:
        """Stable name of the disagreement."""
        return f"order_{self.kind}:{self.venue_order_id}"


class PositionMismatch(msgspec.Struct, frozen=True, kw_only=True):
    """One holding that the two sides see differently, in shares.

    `settled` is what is there if nothing more settles, `total` what may be there
    at most: purchases that have not settled counted in, sales that have not
    settled not counted out.  The venue's `actual` may lie anywhere between.
    """

    market_id: str
    outcome: Outcome
    settled: Decimal
    total: Decimal
    actual: Decimal

    @property
    def difference(self) -> Decimal:
        """Shares by which the venue's number lies outside what we can explain."""
        low, high = min(self.settled, self.total), max(self.settled, self.total)
        if self.actual > high:
            return self.actual - high
        return self.actual - low

    @property
    def drift_id(self) -> str:
        """Stable name of the disagreement."""
        return f"{POSITION}:{self.market_id}:{self.outcome}"


class PairPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Both legs of one market, in shares."""

    market_id: str
    q_yes: Decimal = ZERO
    q_no: Decimal = ZERO

    @property
    def pairs(self) -> Decimal:
        """Complete pairs, each worth 1 pUSD."""
        return min(self.q_yes, self.q_no)


class Believed(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one outcome over all strategies, at least and at most."""

    settled: Decimal = ZERO
    total: Decimal = ZERO


def compare_orders(
    orders: Iterable[Order], observed: VenueObserved
) -> list[OrderMismatch]:
    """Find open orders that the two sides see differently.

    Args:
        orders: The ledger's orders that are not closed.
        observed: What the venue said; an incomplete answer proves no absence.

    Returns:
        Mismatches, by venue order id; empty when orders were not asked for.
    """
    if observed.open_orders is None:
        return []
    listed = {order.venue_order_id: order for order in observed.open_orders}
    settled_before = observed.as_of - timedelta(milliseconds=observed.grace_ms)
    found: list[OrderMismatch] = []
    known: set[str] = set()
    for order in orders:
        known.add(order.venue_order_id)
        theirs = listed.get(order.venue_order_id)
        if theirs is not None:
            if order.phase is Phase.DONE and order.requested_at <= settled_before:
                found.append(_still_live(order))
            found.extend(_divergence(order, theirs))
        elif (
            observed.complete
            and order.phase is Phase.WORKING
            and order.requested_at <= settled_before
        ):
            found.append(
                OrderMismatch(
                    kind=MISSING,
                    venue_order_id=order.venue_order_id,
                    order_id=order.order_id,
                    ledger=str(order.status),
                )
            )
    found.extend(
        OrderMismatch(
            kind=UNEXPECTED,
            venue_order_id=theirs.venue_order_id,
            venue=f"{theirs.side} {text_of(theirs.size)} @ {text_of(theirs.price)}",
        )
        for theirs in listed.values()
        if theirs.venue_order_id not in known
    )
    return sorted(found, key=lambda m: (m.venue_order_id, m.kind, m.field))


def _still_live(order: Order) -> OrderMismatch:
    """An order whose fills still settle is done, and the venue lists it."""
    return OrderMismatch(
        kind=DIVERGED,
        venue_order_id=order.venue_order_id,
        order_id=order.order_id,
        field="status",
        ledger=str(order.status),
        venue="live",
    )


def _divergence(order: Order, theirs: ObservedOrder) -> list[OrderMismatch]:
    pairs = (
        ("size", order.size, theirs.size),
        ("price", order.price, theirs.price),
        ("matched", order.matched, theirs.size_matched),
    )
    return [
        OrderMismatch(
            kind=DIVERGED,
            venue_order_id=order.venue_order_id,
            order_id=order.order_id,
            field=field,
            ledger=text_of(ours),
            venue=text_of(value),
        )
        for field, ours, value in pairs
        if ours != value
    ]


def compare_positions(
    believed: Mapping[tuple[str, Outcome], Believed], observed: VenueObserved
) -> list[PositionMismatch]:
    """Find holdings that differ by more than the observation's tolerance.

    Args:
        believed: Shares per market and outcome over all strategies.
        observed: What the venue said; a row that is missing counts as 0 only
            in a complete answer.
    """
    if observed.positions is None:
        return []
    actual = {(row.market_id, row.outcome): row.size for row in observed.positions}
    keys = set(actual) | (set(believed) if observed.complete else set())
    found = []
    for market_id, outcome in sorted(keys):
        ours = believed.get((market_id, outcome), Believed())
        mismatch = PositionMismatch(
            market_id=market_id,
            outcome=outcome,
            settled=ours.settled,
            total=ours.total,
            actual=actual.get((market_id, outcome), ZERO),
        )
        low, high = min(ours.settled, ours.total), max(ours.settled, ours.total)
        tolerance = observed.position_tolerance
        if not low - tolerance <= mismatch.actual <= high + tolerance:
            found.append(mismatch)
    return found
