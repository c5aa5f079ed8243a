"""Histories of a ledger: told one by one, or drawn at random.

`History` keeps every order's state, so that facts go through `decide` and only
events come out that the ledger would really record.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from ledger import events as ev
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    CancelWanted,
    DustSeen,
    LookedUp,
    LookupFound,
    Meta,
    OrderEnded,
    PostAnswered,
    PostOutcome,
    SettlementSeen,
    TradesSwept,
    decide,
)
from ledger.errors import CommandRefusedError
from ledger.intent import UserFill
from ledger.market import Market
from ledger.order import Order, evolve, replay
from ledger.recorded import Identity, NewEvent
from ledger.store import AppendRequest, LedgerStore, StoreOptions
from ledger.values import EndReason, Outcome, Settlement, Side, TimeInForce

ACCOUNT: Final = "main"
START: Final = datetime(2026, 9, 19, 12, tzinfo=UTC)
START_US: Final = 1_789_819_200_000_000
MARKETS: Final = ("0xm1", "0xm2")
_OPTIONS: Final = StoreOptions(ballast_bytes=0)


def opened(path: Path, *, writer: bool = True) -> LedgerStore:
    """A store whose clock moves a second per transaction."""
    ticks = iter(range(START_US, START_US + 10**13, 1_000_000))
    return LedgerStore.open(
        path, clock_us=lambda: next(ticks), writer=writer, options=_OPTIONS
    )


class History:
    """Builds the events of a whole ledger, in order."""

    def __init__(self) -> None:
        self.requests: list[AppendRequest] = []
        self.orders: list[Order] = []
        self._versions: dict[str, int] = {}
        self._trades = 0

    @property
    def events(self) -> int:
        """How many events there are."""
        return sum(len(request.events) for request in self.requests)

    def write(self, store: LedgerStore, *, together: int = 1) -> None:
        """Append everything, so many requests to a transaction."""
        for first in range(0, len(self.requests), together):
            store.append(self.requests[first : first + together])

    def record(
        self, stream: str, *events: ev.Event, identity: Identity | None = None
    ) -> None:
        """Add events to a stream, in one request."""
        version = self._versions.get(stream, 0)
        self._versions[stream] = version + len(events)
        new = [NewEvent(stream, version + n, e) for n, e in enumerate(events, 1)]
        self.requests.append(AppendRequest(new, identity))

    @property
    def now(self) -> datetime:
        """A time that grows with every request."""
        return START + timedelta(milliseconds=1500 * len(self.requests))

    # Orders

    def order(self, **changes: Any) -> int:
        """A prepared BUY of 100 YES at 0.40 in GTC, unless changed; its number."""
        number = len(self.orders)
        order_id = f"{number:08x}-0000-7000-8000-000000000000"
        fields: dict[str, Any] = {
            "at": self.now,
            "actor": "alpha",
            "correlation_id": order_id,
            "strategy": "alpha",
            "idempotency_key": f"k{number}",
            "fingerprint": "f" * 32,
            "market_id": MARKETS[0],
            "token_id": "111",
            "outcome": Outcome.YES,
            "side": Side.BUY,
            "size": Decimal(100),
            "price": Decimal("0.40"),
            "time_in_force": TimeInForce.GTC,
        }
        requested = ev.OrderRequested(**(fields | changes))
        prepared = ev.OrderPrepared(
            at=self.now,
            venue_order_id=f"0x{number}",
            size=requested.size,
            maker_amount=1,
            taker_amount=1,
            signed_order="SECRET",
        )
        identity = Identity(
            requested.strategy, f"k{number}", "f" * 32, order_id, f"0x{number}"
        )
        self.record(f"order-{order_id}", requested, prepared, identity=identity)
        order = replay(order_id, [requested, prepared])
        assert order is not None
        self.orders.append(order)
        return number

    def add(self, number: int, *events: ev.Event) -> None:
        """Record events of one order."""
        order = self.orders[number]
        for event in events:
            order = evolve(order, event)
        self.orders[number] = order
        self.record(f"order-{order.order_id}", *events)

    def tell(self, number: int, *facts: object) -> None:
        """Let one order meet facts; what is no news records nothing."""
        for fact in facts:
            meta = Meta(at=self.now, source="stream", causation="told")
            try:
                news = decide(self.orders[number], fact, meta)
            except CommandRefusedError:
                continue
            if news:
                self.add(number, *news)

    def fill(
        self,
        number: int,
        size: str = "100",
        price: str = "0.40",
        *,
        status: Settlement = Settlement.MATCHED,
        fee: str = "0",
        trade: str = "",
        at: int | None = None,
    ) -> str:
        """One trade of an order; its id."""
        self._trades += 1
        trade = trade or f"t{self._trades}"
        fill = UserFill.parse(
            {
                "trade_id": trade,
                "order_id": self.orders[number].venue_order_id,
                "size": size,
                "price": price,
                "fee": fee,
                "status": status,
                "venue_time": at,
            }
        )
        self.tell(number, fill)
        return trade

    def settle(
        self, number: int, trade: str, status: Settlement, at: int | None = None
    ) -> None:
        """A word on one trade's settlement."""
        seen = SettlementSeen(
            trade_id=trade, status=status, venue_time=at, tx_hash=f"0x{trade}"
        )
        self.tell(number, seen)

    # Everything else

    def account(self, *events: ev.Event) -> None:
        """Account activity."""
        self.record(ev.account_stream(ACCOUNT), *events)

    def reconciliation(self, *events: ev.Event) -> None:
        """Comparisons and drifts."""
        self.record(ev.RECONCILIATION_STREAM, *events)

    def system(self, *events: ev.Event) -> None:
        """The ledger itself."""
        self.record(ev.SYSTEM_STREAM, *events)

    def observe(
        self,
        orders: tuple[ev.ObservedOrder, ...] | None = (),
        positions: tuple[ev.ObservedPosition, ...] | None = (),
        **more: Any,
    ) -> None:
        """The venue says what it has, a minute later so that no grace applies."""
        seen = ev.VenueObserved(
            at=self.now,
            as_of=self.now + timedelta(minutes=1),
            complete=True,
            open_orders=orders,
            positions=positions,
            **more,
        )
        self.reconciliation(seen)


def traded(side: Side, size: str, amount: str, **more: Any) -> ev.PositionTraded:
    """A trade made elsewhere, of YES in the first market."""
    fields: dict[str, Any] = {
        "at": START,
        "strategy": "imported",
        "market_id": MARKETS[0],
        "outcome": Outcome.YES,
        "side": side,
        "size": Decimal(size),
        "price": Decimal("0.5"),
        "amount": Decimal(amount),
    }
    return ev.PositionTraded(**(fields | more))


# Random histories: a list of numbers is a story, so that failures shrink.

Step = tuple[int, int, int, int]
Teller = Callable[[History, int, int, int], None]


def _new_order(history: History, a: int, b: int, c: int) -> None:
    history.order(
        strategy=("alpha", "beta")[a % 2],
        market_id=MARKETS[b % 2],
        outcome=(Outcome.YES, Outcome.NO)[c % 2],
        side=(Side.BUY, Side.SELL)[(a // 2) % 2],
        size=Decimal(1 + b % 7) + Decimal(c % 4) / 4,
        price=Decimal(1 + c % 98) / 100,
        post_only=bool(b % 3 == 0),
        fee_rate=Decimal("0.07") * (a % 2),
        expires_at=START + timedelta(days=1) if a % 5 == 0 else None,
    )


def _post(history: History, a: int, b: int, c: int) -> None:
    outcomes = (
        PostOutcome.LIVE,
        PostOutcome.DELAYED,
        PostOutcome.REFUSED,
        PostOutcome.UNKNOWN,
        PostOutcome.KILLED,
    )
    fact = PostAnswered(outcome=outcomes[b % 5], code="c", text=f"text {c}")
    history.tell(a % len(history.orders), fact)


def _fill(history: History, a: int, b: int, c: int) -> None:
    number = a % len(history.orders)
    order = history.orders[number]
    size = order.size if b % 3 else order.size / 4
    status = (Settlement.MATCHED, Settlement.CONFIRMED, Settlement.FAILED)[c % 3]
    known = sorted(order.trades)
    trade = known[b % len(known)] if known and c % 5 == 0 else ""
    history.fill(
        number,
        str(size),
        str(order.price),
        status=status,
        fee="0.01" if b % 2 else "0",
        trade=trade,
        at=c if b % 2 else None,
    )


def _settle(history: History, a: int, b: int, c: int) -> None:
    number = a % len(history.orders)
    statuses = (
        Settlement.CONFIRMED,
        Settlement.FAILED,
        Settlement.MINED,
        Settlement.RETRYING,
    )
    trades = (*sorted(history.orders[number].trades), "unseen")
    at = c if c % 2 else None
    history.settle(number, trades[c % len(trades)], statuses[b % 4], at)


def _end(history: History, a: int, b: int, c: int) -> None:
    facts = (
        CancelWanted(reason="requested"),
        CancelAnswered(outcome=CancelOutcome.CANCELED),
        CancelAnswered(outcome=CancelOutcome.NOT_CANCELED, text="no"),
        OrderEnded(reason=(EndReason.EXPIRED, EndReason.VENUE)[c % 2]),
        LookedUp(found=LookupFound.NONE),
        TradesSwept(),
        DustSeen(tolerance=Decimal("0.01")),
    )
    history.tell(a % len(history.orders), facts[b % 7])


def _account(history: History, a: int, b: int, c: int) -> None:
    about: dict[str, Any] = {
        "at": history.now,
        "strategy": ("alpha", "beta")[a % 2],
        "market_id": MARKETS[c % 2],
    }
    size = Decimal(1 + c % 5)
    outcome = (Outcome.YES, Outcome.NO)[c % 2]
    yes = Decimal(a % 2)
    events: tuple[ev.Event, ...] = (
        ev.CashMoved(at=history.now, amount=Decimal(c - 50), reason="deposit"),
        ev.PositionSplit(size=size, **about),
        ev.PositionMerged(size=size, **about),
        ev.PositionRedeemed(outcome=outcome, size=size, payout=size * yes, **about),
        ev.PositionTransferred(outcome=outcome, size=size - 3, **about),
        traded((Side.BUY, Side.SELL)[a % 2], str(size), "1.5", at=history.now),
        ev.MarketResolved(
            at=history.now,
            market_id=MARKETS[c % 2],
            yes_payout=yes,
            no_payout=1 - yes,
        ),
    )
    history.account(events[b % 7])


def _observe(history: History, a: int, b: int, c: int) -> None:
    listed = tuple(
        ev.ObservedOrder(
            venue_order_id=order.venue_order_id,
            market_id=order.market_id,
            token_id=order.token_id,
            side=order.side,
            price=order.price,
            size=order.size,
            size_matched=order.matched if a % 2 else Decimal(b % 3),
        )
        for order in history.orders
        if order.done_reason is None or b % 4 == 0
    )
    held = tuple(
        ev.ObservedPosition(market_id=market, outcome=Outcome.YES, size=Decimal(c % 9))
        for market in MARKETS
    )
    history.observe(listed if b % 3 else None, held if c % 3 else None)


def _drift(history: History, a: int, b: int, c: int) -> None:
    name = f"position:{c % 2}"
    history.reconciliation(
        (
            ev.DriftOpened(at=history.now, drift_id=name, kind="position", subject="x"),
            ev.DriftAcknowledged(at=history.now, drift_id=name, note=f"note {a}"),
            ev.DriftClosed(at=history.now, drift_id=name, reason="gone"),
        )[b % 3]
    )


def _system(history: History, a: int, b: int, c: int) -> None:
    market = Market(market_id=MARKETS[c % 2], yes_token="1", no_token="2")
    history.system(
        (
            ev.LedgerOpened(
                at=history.now,
                software_version="1",
                config_hash="h",
                mode="paper",
                epoch=a,
            ),
            ev.LedgerHalted(at=history.now, reason="r"),
            ev.LedgerResumed(at=history.now, reason="r"),
            ev.MarketListed(at=history.now, market=market),
        )[b % 4]
    )


_TELLERS: Final[tuple[Teller, ...]] = (
    _new_order,
    _post,
    _fill,
    _fill,
    _settle,
    _settle,
    _end,
    _account,
    _observe,
    _drift,
    _system,
)


def told(steps: list[Step]) -> History:
    """The history that a list of numbers tells; it begins with an order."""
    history = History()
    _new_order(history, 1, 2, 40)
    for what, a, b, c in steps:
        _TELLERS[what % len(_TELLERS)](history, a, b, c)
    return history


_number = st.integers(0, 99)
histories: Final[st.SearchStrategy[History]] = st.lists(
    st.tuples(st.integers(0, len(_TELLERS) - 1), _number, _number, _number),
    min_size=5,
    max_size=60,
).map(told)
"""Random histories of two strategies in two markets."""
