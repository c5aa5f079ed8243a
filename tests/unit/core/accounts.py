"""An account told as facts: a log in a list, the state that follows from it.

`recounted` sums the state up a second time, from orders and positions alone.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from ledger import events as ev
from ledger.decide import Meta, decide
from ledger.order import Order, Trade, replay
from ledger.position import PositionKey
from ledger.recorded import NewEvent
from ledger.state import LedgerState
from ledger.values import ZERO, Outcome, Settlement, Side
from tests.unit.core.stories import START, requested

ACCOUNT: Final = "main"
Key = tuple[str, str, Outcome]


class Account:
    """A log and its state, one event at a time."""

    def __init__(self) -> None:
        self.log: list[NewEvent] = []
        self.versions: dict[str, int] = {}
        self.state = self.empty()
        self.now = START

    def empty(self) -> LedgerState:
        """The state before the first event."""
        return LedgerState(ACCOUNT, self.load)

    def load(self, order_id: str, version: int) -> Order:
        """What a store does: the order before one version of its stream."""
        stream = ev.order_stream(order_id)
        order = replay(
            order_id,
            (e.event for e in self.log if e.stream == stream and e.version < version),
        )
        assert order is not None
        return order

    def record(self, stream: str, *events: ev.Event) -> None:
        """Append events to one stream."""
        for event in events:
            version = self.versions[stream] = self.versions.get(stream, 0) + 1
            entry = NewEvent(stream, version, event)
            self.log.append(entry)
            self.state.apply(*entry)

    def moved(self, *events: ev.AccountEvent) -> None:
        """Append account activity."""
        self.record(ev.account_stream(ACCOUNT), *events)

    def deposit(self, amount: str) -> None:
        """Bring cash in."""
        event = ev.CashMoved(at=self.now, amount=Decimal(amount), reason="deposit")
        self.moved(event)

    def system(self, *events: ev.Event) -> None:
        """Append what concerns the ledger itself."""
        self.record(ev.SYSTEM_STREAM, *events)

    def ask(self, order_id: str, **changes: Any) -> None:
        """Record a prepared order: BUY 100 YES at 0.40 of alpha, unless changed."""
        event = requested(
            at=self.now, idempotency_key=order_id, correlation_id=order_id
        )
        event = replace(event, **changes)
        signed = ev.OrderPrepared(
            at=self.now,
            venue_order_id=f"0x{order_id}",
            size=event.size,
            maker_amount=1,
            taker_amount=1,
            signed_order="{}",
        )
        self.record(ev.order_stream(order_id), event, signed)

    def learn(self, order_id: str, *facts: object) -> None:
        """Record what facts mean for an order; an event is recorded as it is."""
        for fact in facts:
            if isinstance(fact, ev.Event):
                self.record(ev.order_stream(order_id), fact)
                continue
            news = decide(self.order(order_id), fact, Meta(at=self.now))
            self.record(ev.order_stream(order_id), *news)

    def order(self, order_id: str) -> Order:
        """The order by its stream alone."""
        return self.load(order_id, self.versions[ev.order_stream(order_id)] + 1)

    def refolded(self, upto: int | None = None) -> LedgerState:
        """A state folded from the first event on, up to a position."""
        state = self.empty()
        for entry in self.log[:upto]:
            state.apply(*entry)
        return state

    def restored(self, cut: int) -> LedgerState:
        """A state from a checkpoint at a position, and the events behind it."""
        state = self.empty()
        assert state.restore(self.refolded(cut).dump())
        assert state.position == cut
        for entry in self.log[cut:]:
            state.apply(*entry)
        return state


def picture(state: LedgerState) -> dict[str, Any]:
    """Everything a state says, without lines and scopes that hold nothing."""
    scopes = {
        name: (u.gross, u.open_orders, u.rejects, u.failures, u.day, u.day_pnl)
        for name, u in state.exposure.scopes.items()
    }
    lines = {
        key: (
            line.position.totals,
            line.position.base,
            line.position.tail,
            line.position.pending,
            line.open_buys,
            line.open_sells,
        )
        for key, line in state.holdings.items()
    }
    empty = LedgerState(ACCOUNT, state._load_order)
    blank = empty.holding(PositionKey("", "", Outcome.YES)).position
    return {
        "position": state.position,
        "mode": state.mode,
        "cash": state.cash,
        "reserved": state.reserved_cash,
        "orders": dict(state.orders),
        "by_venue_id": dict(state.by_venue_id),
        "lines": {
            key: line
            for key, line in lines.items()
            if line != (blank.totals, blank.base, {}, ZERO, ZERO, ZERO)
        },
        "scopes": {name: u for name, u in scopes.items() if any(u)},
        "drifts": dict(state.drifts),
        "markets": dict(state.markets),
        "payouts": dict(state.payouts),
        "versions": dict(state.versions),
        "believed": state.believed(),
    }


def held_back(order: Order) -> Decimal:
    """pUSD that an open BUY may still cost, its fee included."""
    if order.side is Side.SELL or order.done_reason is not None:
        return ZERO
    fee = order.fee_rate * order.price * (1 - order.price)
    each = order.price if order.post_only else order.price + fee
    return (order.size - order.matched) * each


def recounted(state: LedgerState, log: Iterable[NewEvent]) -> dict[str, Any]:
    """Exposure, summed up again from orders, positions and the log."""
    orders = list(state.orders.values())
    opened = [o for o in orders if o.done_reason is None]
    names = {"account"}
    names.update(f"strategy:{o.strategy}" for o in orders)
    names.update(f"market:{o.market_id}" for o in orders)
    names.update(f"strategy:{key.strategy}" for key in state.holdings)
    names.update(f"market:{key.market_id}" for key in state.holdings)
    found: dict[str, Any] = {
        "reserved": sum((held_back(o) for o in orders), ZERO),
        "buys": _resting(opened, Side.BUY),
        "sells": _resting(opened, Side.SELL),
    }
    rows = _rows_of_bad_news(log)
    for name in names:
        inside = [o for o in opened if name in _scopes(o.strategy, o.market_id)]
        positions = [
            line.position.totals
            for key, line in state.holdings.items()
            if name in _scopes(key.strategy, key.market_id)
        ]
        cost = sum((t.cost for t in positions), ZERO)
        found[name] = (
            cost + sum((held_back(o) for o in inside), ZERO),
            len(inside),
            rows.get(name, (0, 0)),
            sum((t.realized_pnl - t.fees for t in positions), ZERO),
        )
    return found


def counted(state: LedgerState, names: Iterable[str]) -> dict[str, Any]:
    """The same sums as the state keeps them."""
    found: dict[str, Any] = {
        "reserved": state.reserved_cash,
        "buys": {k: v.open_buys for k, v in state.holdings.items() if v.open_buys},
        "sells": {k: v.open_sells for k, v in state.holdings.items() if v.open_sells},
    }
    for name in names:
        if name in found:
            continue
        use = state.usage(name)
        row = (use.rejects, use.failures)
        found[name] = (use.gross, use.open_orders, row, use.day_pnl)
    return found


def _scopes(strategy: str, market_id: str) -> tuple[str, str, str]:
    return ("account", f"strategy:{strategy}", f"market:{market_id}")


def _resting(orders: Iterable[Order], side: Side) -> dict[Key, Decimal]:
    found: dict[Key, Decimal] = {}
    for order in orders:
        if order.side is side:
            key = PositionKey(order.strategy, order.market_id, order.outcome)
            found[key] = found.get(key, ZERO) + order.size - order.matched
    return found


def _rows_of_bad_news(log: Iterable[NewEvent]) -> dict[str, tuple[int, int]]:
    """Rejects and failures in a row, per scope."""
    rows: dict[str, tuple[int, int]] = {}
    owners: dict[str, tuple[str, str, str]] = {}
    trades: dict[tuple[str, str], Trade] = {}
    for stream, _, event in log:
        if isinstance(event, ev.LedgerResumed):
            rows.clear()
        if isinstance(event, ev.OrderRequested):
            owners[stream] = _scopes(event.strategy, event.market_id)
        is_failure = isinstance(event, ev.OrderOutcomeUnknown)
        if isinstance(event, ev.FillMatched | ev.SettlementEvent):
            is_failure = _turns_void(trades, (stream, event.trade_id), event)
        for name in owners.get(stream, ()):
            rejects, failures = rows.get(name, (0, 0))
            match event:
                case ev.OrderPlaced():
                    rows[name] = (0, 0)
                case ev.OrderRejected():
                    rows[name] = (rejects + 1, failures)
                case _ if is_failure:
                    rows[name] = (rejects, failures + 1)
                case _:
                    pass
    return rows


def _turns_void(
    trades: dict[tuple[str, str], Trade],
    key: tuple[str, str],
    event: ev.FillMatched | ev.SettlementEvent,
) -> bool:
    """Whether a trade that was not void before is void after one more claim."""
    before = trades.get(key, Trade(trade_id=event.trade_id))
    claim = (
        event.SETTLEMENT
        if isinstance(event, ev.SettlementEvent)
        else Settlement.MATCHED
    )
    after = trades[key] = before.claimed(claim, event.venue_time, event.tx_hash)
    return after.settlement is Settlement.FAILED is not before.settlement
