"""What must be true when everything has healed; every breach is a sentence.

The exchange's own books are the truth; what strategies were told is held against
them as well.
"""

import hashlib
import json
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from executors.exchange.engine import UNIT
from ledger import events as ev
from ledger.order import Order, replay
from ledger.state import LedgerState
from ledger.store import LedgerStore
from ledger.values import EndReason, Outcome, Settlement, TradingMode
from projections import ReadModels
from projections.folding import loader
from projections.verify import check_domain
from service.places import ledger_path, read_models_path

if TYPE_CHECKING:
    from tests.reliability.chaos.world import World

Key = tuple[str, str]


def working(world: "World") -> list[str]:
    """Orders that rest: the ledger's and the exchange's are the same."""
    state = world.ledger.journal.state
    found = [
        f"order {order.order_id} is left unknown"
        for order in state.orders.values()
        if order.is_outcome_unknown
    ]
    ours = {o.venue_order_id for o in state.orders.values() if o.done_reason is None}
    theirs = {
        name
        for name, row in _theirs(world).items()
        if row["status"] in {"LIVE", "DELAYED"}
    }
    found += [f"{name} rests there, but not in the ledger" for name in theirs - ours]
    found += [f"{name} rests in the ledger, but not there" for name in ours - theirs]
    return found


def books(world: "World") -> list[str]:
    """Orders, fills, fees, money: the ledger's and the exchange's are the same."""
    orders = _ours(world)
    return [
        *_asked_once(world, orders),
        *_same_orders(world, orders),
        *_same_trades(world, orders),
        *_same_money(world),
        *_told_the_truth(world, orders),
        *_calm(world),
    ]


def log(world: "World") -> list[str]:
    """The log on disk verifies, and replays to what was in memory."""
    state = world.ledger.journal.state
    path = ledger_path(world.folder)
    with LedgerStore.open(path, clock_us=lambda: 0, writer=False) as store:
        found = list(store.verify(full=True).problems)
        with ReadModels(read_models_path(world.folder), state.account) as models:
            models.catch_up(store)
            problems = check_domain(store, account=state.account, models=models)
            found += map(str, problems)
        fresh = LedgerState(state.account, loader(store))
        for stored in store.read():
            fresh.apply(stored.stream, stored.version, stored.event)
        if _content(fresh) != _content(state):
            found.append("the log replays to another state than was in memory")
    return found


def _content(state: LedgerState) -> dict[str, Any]:
    """A state without the order in which its lines came to be."""
    content: dict[str, Any] = msgspec.msgpack.decode(state.dump())
    content["holdings"].sort(key=str)
    return content


def digest(world: "World") -> str:
    """Stands for the whole log and the whole exchange."""
    path = ledger_path(world.folder)
    with LedgerStore.open(path, clock_us=lambda: 0, writer=False) as store:
        head = store.head_hash
    state = json.dumps(world.app.exchange.state(), default=str, sort_keys=True)
    return hashlib.sha256(head + state.encode()).hexdigest()


def counts(world: "World") -> Counter[str]:
    """How much there was of everything."""
    orders = _ours(world)
    trades = [trade for order in orders.values() for trade in order.trades.values()]
    return Counter(
        {
            "intents": len({_key(told.intent) for told in world.told}),
            "answers": len(world.told),
            "orders at the exchange": len(_theirs(world)),
            "fills": len(trades),
            "void fills": sum(t.settlement is Settlement.FAILED for t in trades),
            "events": world.ledger.store.head,
            "requests": sum(world.app.venue.calls.values()),
            "virtual seconds": int(world.clock.monotonic()),
        }
    )


def _ours(world: "World") -> dict[str, Order]:
    """Every order of the log that was signed, by the venue's id."""
    store = world.ledger.store
    names = {
        recorded.event.venue_order_id: recorded.stream
        for recorded in store.read()
        if isinstance(recorded.event, ev.OrderPrepared)
    }
    found = {}
    for venue_id, stream in names.items():
        history = (recorded.event for recorded in store.read_stream(stream))
        order = replay(stream.removeprefix(ev.order_stream("")), history)
        assert order is not None
        found[venue_id] = order
    return found


def _theirs(world: "World") -> dict[str, dict[str, Any]]:
    """Every order of ours that the exchange took, by its id."""
    rows = map(world.app.exchange.order, world.app.venue.placed)
    return {row["id"]: row for row in rows if row is not None}


def _key(one: Any) -> Key:
    return one.strategy, one.idempotency_key


def _asked_once(world: "World", orders: dict[str, Order]) -> list[str]:
    """No intent is lost, and none became two orders."""
    wanted = {_key(told.intent) for told in world.told}
    found = []
    if len(wanted) != world.plan.intents // 4 * 4:
        found.append(f"{len(wanted)} of {world.plan.intents} intents were answered")
    there: Counter[Key] = Counter()
    for name in _theirs(world):
        if name in orders:
            there[_key(orders[name])] += 1
        else:
            found.append(f"{name} is at the exchange, and nobody knows of it")
    found += [f"{key} became {n} orders" for key, n in there.items() if n > 1]
    signed = Counter(map(_key, orders.values()))
    found += [f"{key} was signed {n} times" for key, n in signed.items() if n > 1]
    return found


def _same_orders(world: "World", orders: dict[str, Order]) -> list[str]:
    theirs, found = _theirs(world), []
    for name, order in orders.items():
        row = theirs.get(name)
        if order.is_outcome_unknown or order.done_reason is None:
            found.append(f"{name} is not done: {order.status}")
        if row is None:
            if order.is_accepted:
                found.append(f"{name} counts as accepted, but never was there")
            continue
        if not order.is_accepted and order.ended is None:
            found.append(f"{name} was accepted, the ledger says {order.status}")
        if order.matched != Decimal(row["size_matched"]):
            found.append(
                f"{name}: {row['size_matched']} matched, the ledger has {order.matched}"
            )
        filled_there = row["status"] == "MATCHED"
        if filled_there != (order.done_reason is EndReason.FILLED):
            found.append(f"{name}: {row['status']} there, {order.done_reason} here")
    return found


def _same_trades(world: "World", orders: dict[str, Order]) -> list[str]:
    theirs: dict[Key, tuple[Decimal, Decimal, Decimal, str]] = {}
    for trade in world.app.exchange._clearing.trades.values():
        for leg in trade.legs:
            if leg.order.order_id in orders:
                theirs[trade.trade_id, leg.order.order_id] = (
                    Decimal(leg.shares) / UNIT,
                    Decimal(leg.price) / UNIT,
                    Decimal(leg.fee) / UNIT,
                    str(trade.status),
                )
    ours = {
        (trade.trade_id, name): (
            trade.size,
            trade.price,
            trade.fee,
            str(trade.settlement),
        )
        for name, order in orders.items()
        for trade in order.trades.values()
    }
    return [
        f"trade {key}: {theirs.get(key)} there, {ours.get(key)} in the ledger"
        for key in sorted(theirs.keys() | ours.keys())
        if theirs.get(key) != ours.get(key)
    ]


def _same_money(world: "World") -> list[str]:
    state, exchange = world.ledger.journal.state, world.app.exchange
    address, found = state.account, []
    cash = Decimal(exchange.balance(address).balance) / UNIT
    if cash != state.cash:
        found.append(f"cash is {cash}, the ledger has {state.cash}")
    believed = state.believed()
    for market in world.markets:
        for token, outcome in zip(market.tokens, Outcome, strict=True):
            there = Decimal(exchange.balance(address, token).balance) / UNIT
            line = believed.get((market.condition_id, outcome))
            here = Decimal(0) if line is None else line.settled
            total = Decimal(0) if line is None else line.total
            if not there == here == total:
                found.append(f"{outcome}: {there} shares there, {here}/{total} here")
    if state.exposure.reserved_cash:
        found.append(f"{state.exposure.reserved_cash} pUSD are reserved for nothing")
    return found


def _told_the_truth(world: "World", orders: dict[str, Order]) -> list[str]:
    """What a strategy was told for certain is so."""
    theirs, found = _theirs(world), []
    names: dict[Key, set[str]] = {}
    for intent, result in world.told:
        order = result.order
        if order is None:
            continue
        names.setdefault(_key(intent), set()).add(order.order_id)
        is_there = order.venue_order_id in theirs
        if order.done_reason in {EndReason.REJECTED, EndReason.NEVER_PLACED}:
            if is_there:
                found.append(f"{_key(intent)} was told refused, but is there")
        elif result.success and world.app.exchange.order(order.venue_order_id) is None:
            # One that was killed for want of a match never rested, but is known.
            found.append(f"{_key(intent)} was told placed, but is not there")
    found += [f"{key} was told of {n}" for key, n in names.items() if len(n) > 1]
    return found


def _calm(world: "World") -> list[str]:
    """Nothing is raised, nothing has stopped."""
    state = world.ledger.journal.state
    # A BUY that spends all its money at a better price gets more than it asked for:
    # that is raised by design, and the shares are compared all the same.
    found = [
        f"drift {name} is open"
        for name, drift in state.drifts.items()
        if drift.kind != "overfill"
    ]
    if state.mode is not TradingMode.NORMAL:
        found.append(f"the ledger is {state.mode}")
    assert world.runtime is not None
    tasks = world.runtime.health()["tasks"]
    found += [f"task {n}: {t['error']}" for n, t in tasks.items() if t["error"]]
    return found
