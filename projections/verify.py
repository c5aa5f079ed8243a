"""Domain checks over the whole log: what the hash chain cannot know.

The chain proves that the events are the recorded ones; this proves that they
make sense, and that the read models say what they say.
"""

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from itertools import zip_longest
from typing import Final

import msgspec

from ledger import events as ev
from ledger.errors import StoreError
from ledger.order import Order
from ledger.recorded import Recorded
from ledger.state import LedgerState
from ledger.store import LedgerStore
from ledger.values import ZERO, Settlement
from projections.as_of import tables_as_of
from projections.base import Row
from projections.catalogue import TABLES
from projections.folding import new_state
from projections.read_models import ProgressReport, ReadModels

_REPORT_EVERY: Final = 10_000


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong; `position` is 0 where no event is to blame."""

    position: int
    subject: str
    text: str

    def __str__(self) -> str:
        """The problem in one line."""
        place = f"position {self.position}: " if self.position else ""
        return f"{place}{self.subject}: {self.text}"


def check_domain(
    store: LedgerStore,
    *,
    account: str = "",
    models: ReadModels | None = None,
    progress: ProgressReport | None = None,
) -> list[Problem]:
    """Replay the whole log and check what must hold at every event.

    Streams have gapless versions, orders begin with their request, no state is
    impossible, a trade is matched once and a venue's order id belongs to one
    order; and `models`, if given, equal a fresh build at their position.

    Args:
        store: The log.
        account: The account that the ledger trades; only errors may name it.
        models: The read models to compare, at the position they are at.
        progress: Told the position reached and the head, now and then.

    Returns:
        Problems in the order of the log; empty when all is well.

    Raises:
        IntegrityError: an event cannot be read.
    """
    replay = _Replay(new_state(store, account))
    head = store.head
    for recorded in store.read():
        replay.take(recorded)
        if progress is not None and recorded.position % _REPORT_EVERY == 0:
            progress(recorded.position, head)
        if replay.is_broken:
            break  # what follows rests on a state that does not exist
    problems = replay.finish()
    if models is not None and not replay.is_broken:
        problems.extend(compare_models(store, models))
    return problems


def compare_models(store: LedgerStore, models: ReadModels) -> list[Problem]:
    """Compare kept rows with fresh ones; the first difference of each table."""
    found: list[Problem] = []
    try:
        with models.snapshot() as kept:
            position = kept.position
            if position > store.head:
                text = f"they are at position {position}, behind the log's end"
                return [_differs("read models", text)]
            with tables_as_of(store, position, account=models.account) as fresh:
                for table in TABLES:
                    rows = zip_longest(kept.rows_of(table), fresh.rows_of(table))
                    for one, other in rows:
                        if one != other:
                            text = f"kept {_shown(one)}, the log says {_shown(other)}"
                            found.append(_differs(f"read model {table.name}", text))
                            break
    except (StoreError, sqlite3.Error) as error:
        return [_differs("read models", str(error))]
    return found


def _differs(subject: str, text: str) -> Problem:
    return Problem(position=0, subject=subject, text=text)


def _shown(row: Row | None) -> str:
    return "nothing" if row is None else msgspec.json.encode(row).decode()


class _Replay:
    """The checks' own memory beside the fold."""

    def __init__(self, state: LedgerState) -> None:
        self._state = state
        self._versions: dict[str, int] = {}
        self._matched: set[tuple[str, str]] = set()
        self._venue_ids: dict[str, str] = {}
        self._problems: list[Problem] = []
        self._position = 0
        self.is_broken = False

    def take(self, recorded: Recorded) -> None:
        """Check one event and what it does."""
        self._position = recorded.position
        stream, event = recorded.stream, recorded.event
        expected = self._versions.get(stream, 0) + 1
        self._versions[stream] = recorded.version
        if recorded.version != expected:
            self._report(stream, f"version {recorded.version} follows {expected - 1}")
        is_order = stream.startswith("order-")
        if is_order is not isinstance(event, ev.OrderEvent):
            self._report(stream, f"{event.TOPIC} does not belong into this stream")
            self.is_broken = True
            return
        if is_order and (expected == 1) is not isinstance(event, ev.OrderRequested):
            self._report(stream, f"{event.TOPIC} at version {recorded.version}")
            self.is_broken = expected == 1
            if self.is_broken:
                return
        self._apply(recorded)

    def _apply(self, recorded: Recorded) -> None:
        stream, event = recorded.stream, recorded.event
        try:
            order = self._state.apply(stream, recorded.version, event)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is the finding
            self._report(stream, f"does not replay: {type(error).__name__}: {error}")
            self.is_broken = True
            return
        if order is None:
            return
        if isinstance(event, ev.FillMatched):
            self._check_match(order, event)
        elif isinstance(event, ev.OrderPrepared):
            self._check_venue_id(order)
        for text in broken_rules(order):
            self._report(stream, text)

    def _check_match(self, order: Order, event: ev.FillMatched) -> None:
        key = (event.trade_id, order.order_id)
        trade = order.trades[event.trade_id]
        if key in self._matched and (trade.size, trade.price) != (
            event.size,
            event.price,
        ):
            self._report(key[1], f"trade {key[0]} was matched twice, and differently")
        self._matched.add(key)

    def _check_venue_id(self, order: Order) -> None:
        owner = self._venue_ids.setdefault(order.venue_order_id, order.order_id)
        if owner != order.order_id:
            text = f"venue order id {order.venue_order_id} belongs to {owner}"
            self._report(order.order_id, text)

    def finish(self) -> list[Problem]:
        """Check what is left open at the end of the log."""
        self._position = 0
        for key, line in self._state.holdings.items():
            position = line.position
            name = f"{key.strategy}/{key.market_id}/{key.outcome}"
            if position.pending < ZERO:
                self._report(name, f"{position.pending} shares are pending")
        return self._problems

    def _report(self, subject: str, text: str) -> None:
        self._problems.append(
            Problem(position=self._position, subject=subject, text=text)
        )


Rule = tuple[Callable[[Order], bool], str]

_RULES: Final[tuple[Rule, ...]] = (
    (lambda o: ZERO <= o.settled <= o.filled, "settled lies outside 0 to filled"),
    (lambda o: o.filled <= o.matched, "more is filled than was matched"),
    (lambda o: o.size > ZERO, "the size is not above 0"),
    (
        lambda o: o.remaining == (ZERO if o.done_reason else o.size - o.filled),
        "remaining is neither 0 nor size less filled",
    ),
    (lambda o: o.matched == _sum(o, live=False), "matched is not the sum of trades"),
    (lambda o: o.filled == _sum(o, live=True), "filled is not the sum of live fills"),
    (lambda o: o.cost == _cost(o), "cost is not the sum over live fills"),
    (lambda o: o.settled == _settled(o), "settled is not the sum of confirmed fills"),
)


def broken_rules(order: Order) -> list[str]:
    """What an order's state contradicts; empty for a legal state."""
    return [text for holds, text in _RULES if not holds(order)]


def _sum(order: Order, *, live: bool) -> Decimal:
    trades = order.trades.values()
    return sum((t.size for t in trades if t.is_live or not live), ZERO)


def _cost(order: Order) -> Decimal:
    live = (t for t in order.trades.values() if t.is_live)
    return sum((t.size * t.price for t in live), ZERO)


def _settled(order: Order) -> Decimal:
    live = (t for t in order.trades.values() if t.is_live)
    return sum((t.size for t in live if t.settlement is Settlement.CONFIRMED), ZERO)
