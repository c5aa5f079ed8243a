"""What a batch of events touched: the keys of the rows to write anew.

Folding is the hot path of a rebuild, so an event of an order costs a few
dictionary entries here and nothing else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Final, NamedTuple

from ledger import events as ev
from ledger.order import Order
from ledger.position import PositionKey
from ledger.reconcile import (
    OrderMismatch,
    PositionMismatch,
    compare_orders,
    compare_positions,
)
from ledger.recorded import Recorded
from ledger.state import LedgerState
from ledger.values import ZERO, Outcome, Side

_FILLS: Final = frozenset(
    {
        ev.FillMatched,
        ev.FillMined,
        ev.FillRetrying,
        ev.FillConfirmed,
        ev.FillVoided,
    }
)


class Comparison(NamedTuple):
    """One observation and how it differs from what was believed at that position."""

    recorded: Recorded
    observed: ev.VenueObserved
    orders: list[OrderMismatch]
    positions: list[PositionMismatch]
    cash: Decimal


@dataclass
class Touched:
    """Everything that one batch touched; later events replace earlier ones.

    `orders` by id, with the last event; `created` are the ids that began in
    this batch.
    `trades` by order and trade id, with the first and the last event.
    `lines` are positions moved by account activity, `received` the pUSD that it
    brought per strategy and market, `slugs` what an imported history calls it.
    `after` is the position before the batch, `last` its last event.
    """

    after: int = 0
    last: Recorded | None = None

    orders: dict[str, tuple[Order, Recorded]] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    trades: dict[tuple[str, str], tuple[Recorded, Recorded]] = field(
        default_factory=dict
    )
    lines: set[PositionKey] = field(default_factory=set)
    received: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    slugs: dict[tuple[str, str], str] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    drifts: list[Recorded] = field(default_factory=list)
    system: list[Recorded] = field(default_factory=list)

    @property
    def mark(self) -> str:
        """The name of the last event, "" without any."""
        return "" if self.last is None else mark_of(self.last)

    @cached_property
    def traded(self) -> list[Order]:
        """Each order with news of a trade, once; asked when the batch is whole."""
        ids = dict.fromkeys(order_id for order_id, _ in self.trades)
        return [self.orders[order_id][0] for order_id in ids]

    @cached_property
    def moved(self) -> list[PositionKey]:
        """Each position that may have changed, sorted; asked as `traded`."""
        # A plain tuple equals the key and is made in a fraction of the time.
        found = {
            (order.strategy, order.market_id, order.outcome) for order in self.traded
        }
        return sorted(map(PositionKey._make, found | self.lines))

    def note(self, state: LedgerState, recorded: Recorded) -> None:
        """Take in an event that is not of an order, right after its fold."""
        match recorded.event:
            case ev.VenueObserved() as observed:
                self.comparisons.append(_compared(state, recorded, observed))
            case ev.DriftOpened() | ev.DriftAcknowledged() | ev.DriftClosed():
                self.drifts.append(recorded)
            case ev.MarketResolved(market_id=market_id):
                self.lines.update(k for k in state.holdings if k.market_id == market_id)
            case ev.MarketListed():
                pass
            case ev.SystemEvent():
                self.system.append(recorded)
            case ev.AccountEvent() as event:
                self._move(event)
            case _:  # an order's event, which the fold keeps away
                pass

    def _move(self, event: ev.AccountEvent) -> None:
        match event:
            case ev.PositionTraded(side=Side.SELL, amount=brought):
                self.receive((event.strategy, event.market_id), brought)
            case ev.PositionTransferred(size=size, cost=brought) if size <= ZERO:
                self.receive((event.strategy, event.market_id), brought)
            case ev.PositionMerged(size=brought) | ev.PositionRedeemed(payout=brought):
                self.receive((event.strategy, event.market_id), brought)
            case _:
                pass
        match event:
            case ev.PositionSplit() | ev.PositionMerged():
                outcomes = tuple(Outcome)
            case (
                ev.PositionTraded(outcome=outcome)
                | ev.PositionRedeemed(outcome=outcome)
                | ev.PositionTransferred(outcome=outcome)
            ):
                outcomes = (outcome,)
            case _:
                return
        if event.source == "import" and event.correlation_id:
            # An import ties together what belongs to one market, by its slug.
            self.slugs[event.strategy, event.market_id] = event.correlation_id
        for one in outcomes:
            self.lines.add(PositionKey(event.strategy, event.market_id, one))

    def receive(self, market: tuple[str, str], amount: Decimal) -> None:
        """Add to the pUSD that a strategy received in a market."""
        self.received[market] = self.received.get(market, ZERO) + amount

    def take_closed(self, state: LedgerState) -> "Touched":
        """Take out everything but the orders that are still open.

        What an open order will be is not known yet, so its row can wait.
        """
        taken = replace(self, orders={}, created=set(), trades={})
        # Sorted, so that equal logs give equal files, and indexes grow at their end.
        for order_id in sorted(self.orders.keys() - state.orders.keys()):
            taken.orders[order_id] = news = self.orders.pop(order_id)
            if order_id in self.created:
                self.created.remove(order_id)
                taken.created.add(order_id)
            for trade_id in news[0].trades:
                key = (order_id, trade_id)
                known = self.trades.pop(key, None)
                if known is not None:
                    taken.trades[key] = known
        self.lines, self.received, self.slugs = set(), {}, {}
        self.comparisons, self.drifts, self.system = [], [], []
        return taken


def _compared(
    state: LedgerState, recorded: Recorded, observed: ev.VenueObserved
) -> Comparison:
    return Comparison(
        recorded,
        observed,
        compare_orders(state.orders.values(), observed),
        compare_positions(state.believed(), observed),
        state.cash,
    )


def fold(state: LedgerState, events: Iterable[Recorded], touched: Touched) -> int:
    """Apply events in order and note what they touched; the number of events."""
    before = touched.after = state.position
    recorded = None
    apply, orders, trades = state.apply, touched.orders, touched.trades
    for recorded in events:
        _, stream, version, _, event = recorded
        order = apply(stream, version, event)
        if order is None:
            touched.note(state, recorded)
            continue
        order_id = order.order_id
        orders[order_id] = (order, recorded)
        if version == 1:
            touched.created.add(order_id)
        elif type(event) in _FILLS:
            key = (order_id, event.trade_id)  # type: ignore[attr-defined]
            known = trades.get(key)
            trades[key] = (recorded if known is None else known[0], recorded)
    touched.last = recorded
    return state.position - before


def mark_of(recorded: Recorded) -> str:
    """Names one event: logs that differ in it differ in its mark."""
    return f"{recorded.stream}/{recorded.version}/{recorded.recorded_us}"
