"""One order: its state, how events change it, and the label derived from it.

`evolve` never refuses.
Independent facts commute: applied in any order, once or repeatedly, they give
the same state, because every part of it only grows (a maximum, a union, a sum
over distinct trades).
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ledger import events as ev
from ledger.values import (
    ZERO,
    EndReason,
    OrderStatus,
    Outcome,
    Phase,
    Role,
    Settlement,
    Side,
    TimeInForce,
    rounded,
)

# Members under names of their own: finding one in its class takes a call, and
# these are needed for every event.
_MATCHED: Final = Settlement.MATCHED
_CONFIRMED: Final = Settlement.CONFIRMED
_VOID: Final = Settlement.FAILED
_FILLED: Final = EndReason.FILLED
_REJECTED: Final = EndReason.REJECTED
_NEVER_PLACED: Final = EndReason.NEVER_PLACED
_PENDING: Final = Phase.PENDING
_WORKING: Final = Phase.WORKING
_DONE: Final = Phase.DONE

_RANK: Final = {Settlement.MATCHED: 0, Settlement.RETRYING: 1, Settlement.MINED: 2}
_BY_RANK: Final = (Settlement.MATCHED, Settlement.RETRYING, Settlement.MINED)
_MINED_RANK: Final = _RANK[Settlement.MINED]
_FINAL: Final = (Settlement.CONFIRMED, Settlement.FAILED)

END_RANK: Final = {
    EndReason.CANCELLED: 1,
    EndReason.VENUE: 2,
    EndReason.MARKET_RESOLVED: 3,
    EndReason.EXPIRED: 4,
    EndReason.KILLED: 5,
}
"""Ends the venue can prove; of two claims the more specific one stays."""


class Trade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One trade of the order and everything claimed about its settlement.

    `size` is 0 while only the settlement is known and not yet the trade.
    Claims with the venue's timestamp are kept as the latest `(time, rank)`,
    claims without one as the highest rank.
    `confirmed_at` and `voided_at` are venue times, 0 when the claim had none;
    `tx_hash` is the confirmed transaction (an earlier hash may be replaced).
    """

    trade_id: str
    size: Decimal = ZERO
    price: Decimal = ZERO
    fee: Decimal = ZERO
    role: Role = Role.TAKER
    timed: tuple[int, int] = (0, 0)
    untimed: int = 0
    confirmed_at: int | None = None
    voided_at: int | None = None
    tx_hash: str = ""

    @property
    def settlement(self) -> Settlement:
        """The trade's settlement state, whatever the order of arrival."""
        if self.voided_at is not None:
            # Equal times contradict each other; a share that may be void is
            # not counted.
            if self.confirmed_at is None or self.voided_at >= self.confirmed_at:
                return _VOID
            return _CONFIRMED
        if self.confirmed_at is not None:
            return _CONFIRMED
        return _BY_RANK[max(self.timed[1], self.untimed)]

    @property
    def is_live(self) -> bool:
        """Whether the trade counts: it is known and not void."""
        return self.size > ZERO and (
            self.voided_at is None or self.settlement is not _VOID
        )

    @property
    def is_final(self) -> bool:
        """Whether nothing more is expected of the trade."""
        return self.size > ZERO and (
            self.confirmed_at is not None or self.voided_at is not None
        )

    @property
    def is_contradicted(self) -> bool:
        """Whether both a confirmation and a failure were claimed."""
        return self.confirmed_at is not None and self.voided_at is not None

    def is_news(
        self, settlement: Settlement, venue_time: int | None, tx_hash: str
    ) -> bool:
        """Whether one more claim says anything that was not known."""
        at = venue_time or 0
        if settlement is _CONFIRMED:
            known = self.confirmed_at
            # Of two hashes claimed for one time, either may come first.
            return known is None or (known, self.tx_hash) < (at, tx_hash)
        if settlement is _VOID:
            return self.voided_at is None or self.voided_at < at
        if self.confirmed_at is not None or self.voided_at is not None:
            return False  # the chain's last word beats every provisional state
        rank = _RANK[settlement]
        return self.untimed < rank if venue_time is None else self.timed < (at, rank)

    def claimed(
        self, settlement: Settlement, venue_time: int | None, tx_hash: str
    ) -> "Trade":
        """The trade after one more claim; the same object if it says nothing new."""
        if not self.is_news(settlement, venue_time, tx_hash):
            return self
        at = venue_time or 0
        if settlement is _CONFIRMED:
            return replace(
                self, confirmed_at=at, tx_hash=tx_hash, timed=(0, 0), untimed=0
            )
        if settlement is _VOID:
            return replace(self, voided_at=at, timed=(0, 0), untimed=0)
        rank = _RANK[settlement]
        if venue_time is None:
            return replace(self, untimed=rank)
        return replace(self, timed=(at, rank))


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Who refused the order and why: risk, slippage, validation or venue."""

    by: str
    code: str
    text: str


class Order(msgspec.Struct, kw_only=True, gc=False):
    """Everything known of one order.

    A value to whoever reads it: `evolve` gives a changed copy.  Only its owner
    changes it in place, by `advance`, which is the same rules without a copy.

    `size` is the size that works (after capping and signing), `requested_size`
    what the strategy asked for.
    `matched` counts every trade the venue matched, void ones included; `filled`,
    `cost` and `fees` count live trades only, `settled` confirmed ones.
    `cost` is size times price, exact and uncut, so that `avg_price` is exact too;
    what moved on the chain is cut to 6 places, in positions and cash.
    `unsettled` counts trades that have not reached their end on chain.
    `dust` is the residue that the venue may leave unfilled, 0 unless it said so.
    """

    order_id: str
    strategy: str
    idempotency_key: str
    fingerprint: str
    correlation_id: str
    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    requested_size: Decimal
    size: Decimal
    price: Decimal
    time_in_force: TimeInForce
    post_only: bool
    expires_at: datetime | None
    requested_at: datetime
    fee_rate: Decimal = ZERO
    version: int = 1
    venue_order_id: str = ""
    refusal: Refusal | None = None
    is_outcome_unknown: bool = False
    is_placed: bool = False
    is_delayed: bool = False
    is_never_placed: bool = False
    is_cancel_requested: bool = False
    ended: EndReason | None = None
    dust: Decimal = ZERO
    probes: tuple[tuple[str, datetime], ...] = ()
    trades: dict[str, Trade] = {}
    matched: Decimal = ZERO
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fees: Decimal = ZERO
    settled: Decimal = ZERO
    unsettled: int = 0

    @property
    def is_accepted(self) -> bool:
        """Whether the venue provably had the order."""
        return self.is_placed or self.matched > ZERO

    @property
    def is_answered(self) -> bool:
        """Whether the venue took or ended it, or provably never had it."""
        return (
            self.is_placed
            or self.matched > ZERO
            or self.ended is not None
            or self.is_never_placed
        )

    @property
    def is_proven(self) -> bool:
        """Whether the venue said anything definite: accepted, refused or ended.

        A refusal speaks of one post; while another one's outcome is unknown, it
        proves nothing of the order.
        """
        return (
            self.is_placed
            or self.matched > ZERO
            or self.ended is not None
            or (self.refusal is not None and not self.is_outcome_unknown)
        )

    @property
    def done_reason(self) -> EndReason | None:
        """Why nothing works at the venue any more; `None` while something may."""
        if self.matched and self.matched + self.dust >= self.size:
            return _FILLED
        if self.ended is not None:
            return self.ended
        if self.is_placed or self.matched > ZERO:
            return None
        if self.refusal is not None and not self.is_outcome_unknown:
            return _REJECTED
        return _NEVER_PLACED if self.is_never_placed else None

    @property
    def phase(self) -> Phase:
        """The order axis."""
        if self.done_reason is not None:
            return _DONE
        return _WORKING if self.is_accepted else _PENDING

    @property
    def remaining(self) -> Decimal:
        """Shares not filled while the order may still fill, else 0."""
        if self.done_reason is not None:
            return ZERO
        return self.size - self.filled

    @property
    def resting(self) -> Decimal:
        """Shares that may still match: a void fill does not rest again."""
        if self.done_reason is not None:
            return ZERO
        return self.size - self.matched

    @property
    def avg_price(self) -> Decimal | None:
        """Average price of live fills, 6 places half-even; `None` without any."""
        return rounded(self.cost / self.filled) if self.filled else None

    @property
    def fills(self) -> int:
        """Number of live fills."""
        return sum(1 for trade in self.trades.values() if trade.is_live)

    @property
    def is_settling(self) -> bool:
        """Whether some trade has not reached its end on chain."""
        return self.unsettled > 0

    @property
    def is_closed(self) -> bool:
        """Whether neither the venue nor the chain owes another word."""
        return not self.unsettled and self.done_reason is not None

    @property
    def status(self) -> OrderStatus:
        """The label, as `status`."""
        return status(self)


def status(order: Order) -> OrderStatus:
    """Derive the one label from order phase and trade settlement."""
    reason = order.done_reason
    if reason is None:
        if not order.is_accepted:
            return OrderStatus.PENDING
        return OrderStatus.PARTIAL_FILL if order.filled else OrderStatus.PLACED
    if reason is _REJECTED:
        return OrderStatus.REJECTED
    if reason is _NEVER_PLACED:
        return OrderStatus.FAILED
    if reason is _FILLED:
        return _filled_status(order)
    return OrderStatus.CANCELLED


def _filled_status(order: Order) -> OrderStatus:
    if not order.filled:
        return OrderStatus.FAILED
    # With dust the order is full below its size, unless a fill is void.
    if order.filled < order.size and order.filled != order.matched:
        return OrderStatus.CANCELLED
    if order.settled == order.filled:
        return OrderStatus.CONFIRMED
    slowest = min(
        _RANK.get(trade.settlement, 3)
        for trade in order.trades.values()
        if trade.is_live
    )
    return OrderStatus.MINED if slowest >= _MINED_RANK else OrderStatus.MATCHED


def requested(order_id: str, event: ev.OrderRequested) -> Order:
    """The first state of an order."""
    return Order(
        order_id=order_id,
        strategy=event.strategy,
        idempotency_key=event.idempotency_key,
        fingerprint=event.fingerprint,
        correlation_id=event.correlation_id,
        market_id=event.market_id,
        token_id=event.token_id,
        outcome=event.outcome,
        side=event.side,
        requested_size=event.size,
        size=event.size,
        price=event.price,
        time_in_force=event.time_in_force,
        post_only=event.post_only,
        expires_at=event.expires_at,
        requested_at=event.at,
        fee_rate=event.fee_rate,
    )


def snapshot(order: Order) -> Order:
    """A copy that later events do not change."""
    return replace(order, trades=order.trades.copy())


def evolve(order: Order, event: ev.Event) -> Order:
    """The order after one event of its stream; pure and total."""
    after = snapshot(order)
    advance(after, event)
    return after


def advance(order: Order, event: ev.Event) -> None:
    """Apply one event of the order's stream in place; total."""
    order.version += 1
    _ADVANCE[type(event)](order, event)


def replay(order_id: str, history: Iterable[ev.Event]) -> Order | None:
    """Fold a whole stream; `None` for an empty one."""
    order: Order | None = None
    for event in history:
        if order is None:
            assert isinstance(event, ev.OrderRequested)
            order = requested(order_id, event)
        else:
            advance(order, event)
    return order


def _refused(order: Order, event: ev.OrderRefused) -> None:
    order.refusal = Refusal(event.by, event.code, event.text)
    _proven(order)


def _resized(order: Order, event: ev.OrderResized) -> None:
    order.size = event.size


def _prepared(order: Order, event: ev.OrderPrepared) -> None:
    order.venue_order_id = event.venue_order_id
    order.size = event.size


def _outcome_unknown(order: Order, _: ev.OrderOutcomeUnknown) -> None:
    order.is_outcome_unknown = not order.is_answered


def _reposted(order: Order, _: ev.OrderReposted) -> None:
    order.probes = ()


def _probed(order: Order, event: ev.OrderProbed) -> None:
    if not order.is_accepted and order.ended is None:
        # A set: two witnesses may report one probe, in either order.
        order.probes = tuple(sorted({*order.probes, (event.probe, event.at)}))


def _placed(order: Order, event: ev.OrderPlaced) -> None:
    order.is_delayed = event.delayed and not order.is_accepted and order.ended is None
    order.is_placed = True
    order.is_outcome_unknown = False
    order.probes = ()


def _rejected(order: Order, event: ev.OrderRejected) -> None:
    order.refusal = Refusal("venue", event.code, event.text)


def _proven(order: Order) -> None:
    order.is_outcome_unknown = False
    order.probes = ()


def _fill_matched(order: Order, event: ev.FillMatched) -> None:
    trade_id, size = event.trade_id, event.size
    known = order.trades.get(trade_id)
    if known is None:
        order.trades[trade_id] = Trade(
            trade_id=trade_id,
            size=size,
            price=event.price,
            fee=event.fee,
            role=event.role,
            timed=(event.venue_time or 0, 0),
        )
        order.unsettled += 1
        order.filled += size
        order.cost += size * event.price
        order.fees += event.fee
    else:
        trade = known.claimed(_MATCHED, event.venue_time, event.tx_hash)
        if known.size:
            order.trades[trade_id] = trade  # the same trade, told again
            return
        _learn_size(order, trade, event)
    order.matched += size
    order.is_delayed = order.is_outcome_unknown = False
    order.probes = ()


def _learn_size(order: Order, trade: Trade, event: ev.FillMatched) -> None:
    """Count a trade whose settlement was known before its size."""
    trade = replace(
        trade, size=event.size, price=event.price, fee=event.fee, role=event.role
    )
    order.trades[event.trade_id] = trade
    if trade.is_final:
        order.unsettled -= 1
    if trade.is_live:
        _count(order, trade, 1)


def _settlement(order: Order, event: ev.SettlementEvent) -> None:
    known = order.trades.get(event.trade_id)
    if known is None:
        known = Trade(trade_id=event.trade_id)
        order.unsettled += 1
    trade = known.claimed(event.SETTLEMENT, event.venue_time, event.tx_hash)
    order.trades[event.trade_id] = trade
    if not trade.size:
        return
    was, now = known.settlement, trade.settlement
    if was is now:
        return
    if now in _FINAL and was not in _FINAL:
        order.unsettled -= 1
    if now is _VOID:
        _count(order, trade, -1)
        if was is _CONFIRMED:
            order.settled -= trade.size
    elif was is _VOID:
        _count(order, trade, 1)
    elif now is _CONFIRMED:
        order.settled += trade.size


def _count(order: Order, trade: Trade, sign: int) -> None:
    """Count one trade in, or out again when it is void."""
    size = trade.size if sign > 0 else -trade.size
    order.filled += size
    order.cost += size * trade.price
    order.fees += sign * trade.fee
    if trade.confirmed_at is not None and trade.settlement is _CONFIRMED:
        order.settled += trade.size


def _cancel_requested(order: Order, _: ev.OrderCancelRequested) -> None:
    order.is_cancel_requested = True


def _cancel_refused(order: Order, _: ev.OrderCancelRefused) -> None:
    order.is_cancel_requested = False


def _cancelled(order: Order, event: ev.OrderCancelled) -> None:
    ended = order.ended
    if ended is None or END_RANK[event.reason] > END_RANK[ended]:
        order.ended = event.reason
    order.is_delayed = False
    _proven(order)


def _dust_closed(order: Order, event: ev.OrderDustClosed) -> None:
    order.dust = max(order.dust, event.tolerance)


def _never_placed(order: Order, _: ev.OrderNeverPlaced) -> None:
    order.is_never_placed = True
    order.is_outcome_unknown = False


_ADVANCE: Final[dict[type[ev.Event], Callable[[Order, Any], None]]] = {
    ev.OrderRefused: _refused,
    ev.OrderResized: _resized,
    ev.OrderPrepared: _prepared,
    ev.OrderOutcomeUnknown: _outcome_unknown,
    ev.OrderReposted: _reposted,
    ev.OrderProbed: _probed,
    ev.OrderPlaced: _placed,
    ev.OrderRejected: _rejected,
    ev.FillMatched: _fill_matched,
    ev.FillMined: _settlement,
    ev.FillRetrying: _settlement,
    ev.FillConfirmed: _settlement,
    ev.FillVoided: _settlement,
    ev.OrderCancelRequested: _cancel_requested,
    ev.OrderCancelRefused: _cancel_refused,
    ev.OrderCancelled: _cancelled,
    ev.OrderDustClosed: _dust_closed,
    ev.OrderNeverPlaced: _never_placed,
}
