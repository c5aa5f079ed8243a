"""The live demo's comparison: what the exchange has against what the log says.

The exchange's side is read from its own books, by the operator's route; nothing of
the ledger is used for it.
"""

import http.client
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from ledger import events as ev
from ledger.order import Order, replay
from ledger.state import LedgerState
from ledger.store import LedgerStore
from ledger.values import ZERO, EndReason, Outcome, Settlement, text_of
from projections.folding import new_state
from service.places import ledger_path, unix_us

Row = dict[str, Any]
Leg = tuple[Decimal, Decimal, str]
"""Shares, price and settlement of one order's part in a trade."""

_LIVE: Final = frozenset({"LIVE", "DELAYED"})
_NOT_THERE: Final = frozenset({EndReason.REJECTED, EndReason.NEVER_PLACED})
_TIMEOUT_SEC: Final = 10


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Each thing as the exchange has it and as the ledger has it, and what differs.

    `problems` are sentences, empty if both agree.
    """

    rows: tuple[Row, ...]
    lost: int
    doubled: int
    problems: tuple[str, ...]
    faults: dict[str, int]


class Admin:
    """The operator's routes of an exchange on loopback; `address` is its URL."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._path = parts.netloc, parts.path

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask and give back the answer.

        Raises:
            OSError: nobody answers, or with a refusal.
        """
        connection = http.client.HTTPConnection(self._host, timeout=_TIMEOUT_SEC)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, self._path + path, text)
            answer = connection.getresponse()
            told = answer.read()
        except http.client.HTTPException as error:
            raise OSError(type(error).__name__) from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise OSError(told.decode(errors="replace"))
        return json.loads(told, parse_float=Decimal)


class Books(msgspec.Struct, kw_only=True):
    """What the log says: orders by the venue's id, and the state at its head."""

    orders: dict[str, Order]
    state: LedgerState


def read_books(data: Path, account: str) -> Books:
    """Fold the log that lies in a folder.

    Raises:
        StoreError: it cannot be opened.
        IntegrityError: an event cannot be read.
    """
    path = ledger_path(data)
    with LedgerStore.open(path, clock_us=unix_us, writer=False) as store:
        state, streams = new_state(store, account), {}
        for recorded in store.read():
            state.apply(recorded.stream, recorded.version, recorded.event)
            if isinstance(recorded.event, ev.OrderPrepared):
                streams[recorded.event.venue_order_id] = recorded.stream
        orders = {
            venue_id: _order(store, stream) for venue_id, stream in streams.items()
        }
        return Books(orders=orders, state=state)


def _order(store: LedgerStore, stream: str) -> Order:
    order_id = stream.removeprefix(ev.order_stream(""))
    order = replay(order_id, (row.event for row in store.read_stream(stream)))
    assert order is not None, "it was prepared"
    return order


def compare(there: Row, ready: Row, books: Books) -> Comparison:
    """Hold the exchange's books against the ledger's.

    Args:
        there: What the exchange's operator sees.
        ready: The exchange's ready file.
        books: What the log says.
    """
    rows: list[Row] = []
    problems: list[str] = []

    def line(what: str, theirs: object, ours: object) -> None:
        agrees = theirs == ours
        rows.append({"what": what, "exchange": theirs, "ledger": ours, "agree": agrees})
        if not agrees:
            problems.append(f"{what}: {theirs} at the exchange, {ours} in the ledger")

    placed = {row["id"]: row for row in there["orders"]}
    taken = _taken(books.orders, placed)
    lost = len(placed.keys() ^ taken.keys())
    doubled = _doubled(books.orders, placed)
    wallet = ready["wallets"][0]
    cash, shares = _holdings(there, wallet["address"])
    theirs = _legs_there(there["trades"], books.orders)
    ours = _legs_here(books.orders)
    open_there = sum(row["status"] in _LIVE for row in placed.values())
    line("orders taken", len(placed), len(taken))
    line("orders open", open_there, len(books.state.orders))
    line("orders matched in part or whole", *_matched(placed, taken))
    line("fills", len(theirs), len(ours))
    line("void fills", _void(theirs), _void(ours))
    line("shares filled", _filled(theirs), _filled(ours))
    fees = _fees_there(Decimal(wallet["cash"]) - cash, there["trades"], books.orders)
    line("fees, pUSD", text_of(fees), text_of(_fees_here(books.orders)))
    line("cash, pUSD", text_of(cash), text_of(books.state.cash))
    line("positions, shares", *_positions(shares, ready, books.state))
    problems += [
        f"trade {key}: {theirs.get(key)} at the exchange, {ours.get(key)} in the ledger"
        for key in sorted(theirs.keys() | ours.keys())
        if theirs.get(key) != ours.get(key)
    ]
    problems += [f"{name} is lost" for name in placed.keys() - taken.keys()]
    problems += [f"{name} never was there" for name in taken.keys() - placed.keys()]
    problems += [f"{key} became more than one order" for key in doubled]
    problems += _unfinished(books)
    return Comparison(
        rows=tuple(rows),
        lost=lost,
        doubled=len(doubled),
        problems=tuple(problems),
        faults=dict(there["faults"]),
    )


def unknown(books: Books) -> int:
    """Orders of which nobody knows what became."""
    return sum(order.is_outcome_unknown for order in books.orders.values())


def _taken(orders: dict[str, Order], placed: dict[str, Row]) -> dict[str, Order]:
    """Orders that the ledger believes the exchange took."""
    return {
        venue_id: order
        for venue_id, order in orders.items()
        if (order.matched or order.done_reason not in _NOT_THERE)
        # The exchange may forget what it killed unmatched, as the venue does.
        and (order.done_reason is not EndReason.KILLED or venue_id in placed)
    }


def _doubled(orders: dict[str, Order], placed: dict[str, Row]) -> list[tuple[str, str]]:
    """Intents for which more than one order is, or was, at the exchange."""
    found = Counter(
        (orders[name].strategy, orders[name].idempotency_key)
        for name in placed
        if name in orders
    )
    return [key for key, count in found.items() if count > 1]


def _matched(placed: dict[str, Row], taken: dict[str, Order]) -> tuple[int, int]:
    there = sum(Decimal(row["size_matched"] or 0) > ZERO for row in placed.values())
    return there, sum(order.matched > ZERO for order in taken.values())


def _legs_there(
    trades: list[Row], orders: dict[str, Order]
) -> dict[tuple[str, str], Leg]:
    found: dict[tuple[str, str], Leg] = {}
    for trade in trades:
        state = _settlement(trade["status"])
        legs = [(trade["taker_order_id"], trade["size"], trade["price"])]
        legs += [
            (leg["order_id"], leg["matched_amount"], leg["price"])
            for leg in trade["maker_orders"]
        ]
        for name, size, price in legs:
            if name in orders:
                found[trade["id"], name] = Decimal(size), Decimal(price), state
    return found


def _settlement(status: str) -> str:
    return status.removeprefix("TRADE_STATUS_")


def _legs_here(orders: dict[str, Order]) -> dict[tuple[str, str], Leg]:
    return {
        (trade.trade_id, name): (trade.size, trade.price, str(trade.settlement))
        for name, order in orders.items()
        for trade in order.trades.values()
    }


def _void(legs: dict[tuple[str, str], Leg]) -> int:
    return sum(leg[2] == Settlement.FAILED for leg in legs.values())


def _filled(legs: dict[tuple[str, str], Leg]) -> str:
    live = (leg[0] for leg in legs.values() if leg[2] != Settlement.FAILED)
    return text_of(sum(live, ZERO))


def _fees_there(spent: Decimal, trades: list[Row], orders: dict[str, Order]) -> Decimal:
    """Fees as the wallet felt them: what left it beyond the price of its shares."""
    for (_, name), (size, price, state) in _legs_there(trades, orders).items():
        if state == Settlement.CONFIRMED:
            amount = size * price
            spent -= amount if orders[name].side == "BUY" else -amount
    return spent


def _fees_here(orders: dict[str, Order]) -> Decimal:
    trades = (t for order in orders.values() for t in order.trades.values())
    return sum((t.fee for t in trades if t.settlement is not Settlement.FAILED), ZERO)


def _holdings(there: Row, address: str) -> tuple[Decimal, dict[str, Decimal]]:
    for wallet, held in there["balances"].items():
        if wallet.lower() == address.lower():
            shares = {token: Decimal(n) for token, n in held["shares"].items()}
            return Decimal(held["cash"]), shares
    return ZERO, {}


def _positions(
    shares: dict[str, Decimal], ready: Row, state: LedgerState
) -> tuple[str, str]:
    """Shares by market and outcome, in the order of the ready file."""
    believed = state.believed()
    theirs, ours = [], []
    for market in ready["markets"]:
        for token, outcome in zip(market["tokens"], Outcome, strict=True):
            line = believed.get((market["condition_id"], outcome))
            there = shares.get(token["token_id"], ZERO)
            here = ZERO if line is None else line.settled
            if there or here:
                theirs.append(text_of(there))
                ours.append(text_of(here))
    return " ".join(theirs), " ".join(ours)


def _unfinished(books: Books) -> list[str]:
    """What should not be left when all has healed."""
    found = []
    if count := unknown(books):
        found.append(f"{count} orders are left unknown")
    if reserved := books.state.reserved_cash:
        found.append(f"{text_of(reserved)} pUSD are reserved for nothing")
    found += [f"drift {name} is open" for name in books.state.drifts]
    return found
