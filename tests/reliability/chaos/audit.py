"""What must be true when everything has healed; every breach is a sentence.

The exchange's own books are the truth; the log is held against them, and so is what
strategies were told.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from executors.exchange.engine import ExchangeMarket
from ledger import events as ev
from ledger.order import Order, replay
from ledger.state import LedgerState
from ledger.store import LedgerStore
from ledger.values import EndReason, Outcome, Settlement, TradingMode
from projections import ReadModels
from projections.folding import loader
from projections.verify import check_domain

Key = tuple[str, str]
"""Strategy and key of an intent; or a trade's id and that of an order in it."""


class Fill(NamedTuple):
    """One order's part in a trade; the fee is absent where nobody tells it."""

    size: Decimal
    price: Decimal
    fee: Decimal | None
    settlement: Settlement


class Truth(NamedTuple):
    """What the exchange knows of our wallet.

    `orders` are the rows of orders that it took; `knows` tells whether it has heard
    of an order at all, killed ones included.
    """

    orders: Mapping[str, Mapping[str, Any]]
    fills: Mapping[Key, Fill]
    cash: Decimal
    shares: Mapping[str, Decimal]
    markets: Iterable[ExchangeMarket]
    knows: Callable[[str], bool]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy was told of one of its intents."""

    strategy: str
    key: str
    order_id: str = ""
    venue_order_id: str = ""
    is_placed: bool = False
    is_refused: bool = False

    @property
    def name(self) -> Key:
        """The intent's name."""
        return self.strategy, self.key


class Log:
    """The log of a ledger that may be written to meanwhile, read once."""

    def __init__(self, store: LedgerStore, account: str) -> None:
        self.store = store
        self.state = LedgerState(account, loader(store))
        streams: dict[str, list[ev.Event]] = {}
        for stored in store.read():
            self.state.apply(stored.stream, stored.version, stored.event)
            streams.setdefault(stored.stream, []).append(stored.event)
        prefix = ev.order_stream("")
        orders = [
            replay(stream.removeprefix(prefix), events)
            for stream, events in streams.items()
            if stream.startswith(prefix)
        ]
        self.intents = Counter(_intent(order) for order in orders if order is not None)
        self.reposts = sum(
            isinstance(event, ev.OrderReposted)
            for events in streams.values()
            for event in events
        )
        self.orders: dict[str, Order] = {
            order.venue_order_id: order
            for order in orders
            if order is not None and order.venue_order_id
        }


def working(log: Log, truth: Truth) -> list[str]:
    """Orders that rest: the ledger's and the exchange's are the same."""
    found = [f"{n} is left unknown" for n, o in log.orders.items() if _is_unknown(o)]
    ours = {name for name, o in log.orders.items() if o.done_reason is None}
    resting = {"LIVE", "DELAYED"}
    theirs = {name for name, row in truth.orders.items() if row["status"] in resting}
    found += [f"{name} rests there, but not in the ledger" for name in theirs - ours]
    found += [f"{name} rests in the ledger, but not there" for name in ours - theirs]
    return found


def books(log: Log, truth: Truth, told: Iterable[Told], intents: int) -> list[str]:
    """Orders, fills, fees, money: the ledger's and the exchange's are the same."""
    told = list(told)
    return [
        *_asked_once(log, truth, told, intents),
        *_same_orders(log, truth),
        *_same_fills(log, truth),
        *_same_money(log, truth),
        *_told_the_truth(truth, told),
        *_calm(log),
    ]


def sound(log: Log, models: ReadModels) -> list[str]:
    """The log verifies in full, and the kept read models are what it says."""
    models.catch_up(log.store)
    problems = check_domain(log.store, account=log.state.account, models=models)
    return [*log.store.verify(full=True).problems, *map(str, problems)]


def replays_to(log: Log, state: LedgerState) -> list[str]:
    """The log gives the state that was in memory."""
    if _content(log.state) == _content(state):
        return []
    return ["the log replays to another state than was in memory"]


def counts(log: Log, truth: Truth, told: Iterable[Told]) -> Counter[str]:
    """How much there was of everything."""
    told = list(told)
    fills = truth.fills.values()
    return Counter(
        {
            "intents": len({one.name for one in told}),
            "answers": len(told),
            "orders at the exchange": len(truth.orders),
            "fills": len(fills),
            "void fills": sum(f.settlement is Settlement.FAILED for f in fills),
            "reposts": log.reposts,
            "events": log.store.head,
        }
    )


def _content(state: LedgerState) -> dict[str, Any]:
    """A state without the order in which its lines came to be."""
    content: dict[str, Any] = msgspec.msgpack.decode(state.dump())
    content["holdings"].sort(key=str)
    return content


def _intent(order: Order) -> Key:
    return order.strategy, order.idempotency_key


def _is_unknown(order: Order) -> bool:
    return order.is_outcome_unknown


def _asked_once(log: Log, truth: Truth, told: list[Told], intents: int) -> list[str]:
    """No intent is lost, and none became two orders."""
    found = []
    answered = {one.name for one in told}
    if len(answered) != intents:
        found.append(f"{len(answered)} of {intents} intents were answered")
    there: Counter[Key] = Counter()
    for name in truth.orders:
        if name in log.orders:
            there[_intent(log.orders[name])] += 1
        else:
            found.append(f"{name} is at the exchange, and nobody knows of it")
    found += [f"{key} became {n} orders" for key, n in there.items() if n > 1]
    found += [
        f"{key} is {n} times in the log" for key, n in log.intents.items() if n > 1
    ]
    lost = {one.name for one in told if one.order_id} - log.intents.keys()
    return found + [f"{key} was answered and is not in the log" for key in lost]


def _same_orders(log: Log, truth: Truth) -> list[str]:
    found = []
    for name, order in log.orders.items():
        row = truth.orders.get(name)
        if _is_unknown(order) or order.done_reason is None:
            found.append(f"{name} is not done: {order.status}")
        if row is None:
            # A killed order rests nowhere; "duplicated" is all that its second post
            # tells, and counts as taken until a look-up tells of its end.
            was_killed = order.ended is not None and not order.matched
            if order.is_accepted and not (was_killed and truth.knows(name)):
                found.append(f"{name} counts as accepted, but never was there")
            continue
        if not order.is_accepted and order.ended is None:
            found.append(f"{name} was accepted, the ledger says {order.status}")
        there = Decimal(row["size_matched"])
        if order.matched != there:
            found.append(f"{name}: {there} matched, the ledger has {order.matched}")
        is_filled = row["status"] == "MATCHED"
        if is_filled != (order.done_reason is EndReason.FILLED):
            found.append(f"{name}: {row['status']} there, {order.done_reason} here")
    return found


def _same_fills(log: Log, truth: Truth) -> list[str]:
    ours = {
        (trade.trade_id, name): Fill(
            trade.size, trade.price, trade.fee, trade.settlement
        )
        for name, order in log.orders.items()
        for trade in order.trades.values()
    }
    found = []
    for key in sorted(truth.fills.keys() | ours.keys()):
        here, there = ours.get(key), truth.fills.get(key)
        if here is not None and there is not None and there.fee is None:
            there = there._replace(fee=here.fee)
        if here != there:
            found.append(f"trade {key}: {there} there, {here} in the ledger")
    return found


def _same_money(log: Log, truth: Truth) -> list[str]:
    found = []
    if truth.cash != log.state.cash:
        found.append(f"cash is {truth.cash}, the ledger has {log.state.cash}")
    believed = log.state.believed()
    for market in truth.markets:
        for token, outcome in zip(market.tokens, Outcome, strict=True):
            there = truth.shares.get(token, Decimal(0))
            line = believed.get((market.condition_id, outcome))
            here = Decimal(0) if line is None else line.settled
            total = Decimal(0) if line is None else line.total
            if not there == here == total:
                found.append(f"{outcome}: {there} shares there, {here}/{total} here")
    if log.state.exposure.reserved_cash:
        reserved = log.state.exposure.reserved_cash
        found.append(f"{reserved} pUSD are reserved for nothing")
    return found


def _told_the_truth(truth: Truth, told: list[Told]) -> list[str]:
    """What a strategy was told for certain is so."""
    found = []
    names: dict[Key, set[str]] = {}
    for one in told:
        if not one.order_id:
            continue
        names.setdefault(one.name, set()).add(one.order_id)
        if one.is_refused and one.venue_order_id in truth.orders:
            found.append(f"{one.name} was told refused, but is there")
        if one.is_placed and not truth.knows(one.venue_order_id):
            found.append(f"{one.name} was told placed, but is not there")
    return found + [f"{key} was told of {n}" for key, n in names.items() if len(n) > 1]


def _calm(log: Log) -> list[str]:
    """Nothing is raised, nothing has stopped."""
    # A BUY that spends all its money at a better price gets more than it asked for:
    # that is raised by design, and the shares are compared all the same.
    found = [
        f"drift {name} is open"
        for name, drift in log.state.drifts.items()
        if drift.kind != "overfill"
    ]
    if log.state.mode is not TradingMode.NORMAL:
        found.append(f"the ledger is {log.state.mode}")
    return found
