"""What the account has at risk: reservations of open orders, usage of scopes.

Only the write side keeps it; read models derive reservations from the orders.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from ledger.intent import OrderIntent
from ledger.order import Order
from ledger.position import Position, PositionKey, Totals
from ledger.risk import MAX_RATE, ScopeUsage, fee_per_share
from ledger.values import ZERO, Side


class Reservation(NamedTuple):
    """What one order holds back: pUSD, shares to be bought, shares to be sold."""

    cash: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO


NOTHING: Final = Reservation()
_SELL: Final = Side.SELL


def reservation_of(order: Order) -> Reservation:
    """What an order holds back; unknown outcomes count in full."""
    resting = order.resting
    if resting <= ZERO:
        return NOTHING
    if order.side is _SELL:
        return Reservation(ZERO, ZERO, resting)
    return Reservation(resting * _cash_per_share(order), resting, ZERO)


def _cash_per_share(order: Order) -> Decimal:
    """pUSD that one share of a BUY may cost at most, its fee included."""
    fee = fee_per_share(order.price, order.fee_rate, post_only=order.post_only)
    return order.price + fee


class Holding(msgspec.Struct):
    """One strategy's line in one outcome: position and open interest."""

    position: Position
    open_buys: Decimal = ZERO
    open_sells: Decimal = ZERO


class Held(NamedTuple):
    """What something under way holds back, before any event says so.

    `cash` in pUSD; `buys` and `sells` in shares of each of `lines`; `orders` is
    the number of orders that it will open.
    """

    strategy: str
    market_id: str
    lines: tuple[Holding, ...] = ()
    cash: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO
    orders: int = 0


def held_by(
    intent: OrderIntent, size: Decimal, fee_rate: Decimal, line: Holding
) -> Held:
    """What an intent holds back while its order is being prepared: all of it."""
    strategy, market_id = intent.strategy, intent.market_id
    if intent.side is _SELL:
        return Held(strategy, market_id, (line,), sells=size, orders=1)
    fee = fee_per_share(intent.price, fee_rate, post_only=intent.post_only)
    cash = size * (intent.price + fee)
    return Held(strategy, market_id, (line,), cash, buys=size, orders=1)


class Exposure:
    """Counts what orders hold back and what each scope uses up.

    Every order counts in three scopes: the account, its strategy, its market.
    """

    def __init__(self) -> None:
        self.reserved_cash = ZERO
        self.scopes: dict[str, ScopeUsage] = {}
        # By order: the shares held back, and what one of them holds in pUSD.
        self._reserved: dict[str, tuple[Decimal, Decimal]] = {}
        self._under_way: dict[int, Held] = {}
        self._requests: dict[str, deque[datetime]] = {}
        self._scopes_of: dict[tuple[str, str], tuple[ScopeUsage, ...]] = {}

    def reserve(self, order: Order, holding: Holding) -> None:
        """Replace what an order held back by what it holds back now."""
        cash, opened = self._replace(order, holding)
        if cash or opened:
            for usage in self.usages(order.strategy, order.market_id):
                usage.gross += cash
                usage.open_orders += opened

    def book(
        self, order: Order, holding: Holding, before: Totals, at: datetime
    ) -> None:
        """Count a trade that moved an order and its line, from `before` on.

        As `reserve` and `post`, in one round over the scopes.
        """
        cash, opened = self._replace(order, holding)
        after = holding.position.totals
        spent = cash + after.cost - before.cost
        earned = _earned(before, after)
        for usage in self.usages(order.strategy, order.market_id):
            usage.gross += spent
            usage.open_orders += opened
            if earned:
                _earn(usage, earned, at.toordinal())

    def _replace(self, order: Order, holding: Holding) -> tuple[Decimal, int]:
        """Reserve anew on the order's line; the pUSD and orders its scopes gain."""
        order_id = order.order_id
        known = self._reserved.get(order_id)
        if order.done_reason is not None:
            if known is None:
                return ZERO, 0
            del self._reserved[order_id]
            opened, per_share, more = -1, known[1], -known[0]
        elif known is None:
            opened, per_share = 1, _cash_per_share(order)
            more = order.size - order.matched
            self._reserved[order_id] = (more, per_share)
        else:
            opened, per_share, resting = 0, known[1], order.size - order.matched
            more = resting - known[0]
            if not more:
                return ZERO, 0
            self._reserved[order_id] = (resting, per_share)
        if order.side is _SELL:
            holding.open_sells += more
            return ZERO, opened
        holding.open_buys += more
        cash = more * per_share
        self.reserved_cash += cash
        return cash, opened

    def adopt(self, order: Order) -> None:
        """Take over, after a restart, what the sums already contain."""
        if order.done_reason is None:
            resting = order.size - order.matched
            self._reserved[order.order_id] = (resting, _cash_per_share(order))

    @contextmanager
    def hold(self, held: Held) -> Iterator[None]:
        """Count what is under way, until its event can."""
        self._under_way[id(held)] = held
        self._shift(held, 1)
        try:
            yield
        finally:
            del self._under_way[id(held)]
            self._shift(held, -1)

    @contextmanager
    def recorded_only(self) -> Iterator[None]:
        """Leave out what is under way: no event says it, so no state may."""
        for held in self._under_way.values():
            self._shift(held, -1)
        try:
            yield
        finally:
            for held in self._under_way.values():
                self._shift(held, 1)

    def _shift(self, held: Held, sign: int) -> None:
        cash = sign * held.cash
        self.reserved_cash += cash
        for usage in self.usages(held.strategy, held.market_id):
            usage.gross += cash
            usage.open_orders += sign * held.orders
        for line in held.lines:
            line.open_buys += sign * held.buys
            line.open_sells += sign * held.sells

    def post(
        self, key: PositionKey, before: Totals, after: Totals, at: datetime
    ) -> None:
        """Carry a position's change over to the scopes that count it."""
        spent = after.cost - before.cost
        earned = _earned(before, after)
        for usage in self.usages(key.strategy, key.market_id):
            usage.gross += spent
            if earned:
                _earn(usage, earned, at.toordinal())

    def count_placed(self, order: Order) -> None:
        """An acceptance ends a row of rejects and failures."""
        for usage in self.usages(order.strategy, order.market_id):
            usage.rejects = usage.failures = 0

    def count_reject(self, order: Order) -> None:
        """The venue refused the order."""
        for usage in self.usages(order.strategy, order.market_id):
            usage.rejects += 1

    def count_failure(self, order: Order) -> None:
        """The outcome is unknown, or a trade turned out void."""
        for usage in self.usages(order.strategy, order.market_id):
            usage.failures += 1

    def forgive(self) -> None:
        """Somebody resumed: rows of rejects and failures start anew."""
        for usage in self.scopes.values():
            usage.rejects = usage.failures = 0

    def count_request(self, scopes: Iterable[str], at: datetime) -> None:
        """Note the time of a request in the scopes whose rate is limited.

        Not part of the fold: a rate's window is shorter than any restart.
        """
        for scope in scopes:
            times = self._requests.get(scope)
            if times is None:
                times = self._requests[scope] = deque(maxlen=MAX_RATE)
            times.append(at)

    def requests(self, scope: str) -> Sequence[datetime]:
        """Times of the latest requests in a scope, oldest first."""
        return self._requests.get(scope, ())

    def usages(self, strategy: str, market_id: str) -> tuple[ScopeUsage, ...]:
        """The three scopes every order counts in."""
        key = (strategy, market_id)
        known = self._scopes_of.get(key)
        if known is None:
            known = self._scopes_of[key] = (
                self.usage("account"),
                self.usage(f"strategy:{strategy}"),
                self.usage(f"market:{market_id}"),
            )
        return known

    def usage(self, scope: str) -> ScopeUsage:
        """What one scope uses."""
        known = self.scopes.get(scope)
        if known is None:
            known = self.scopes[scope] = ScopeUsage()
        return known

    def group_usage(self, markets: frozenset[str]) -> ScopeUsage:
        """The sum over markets; days and rows of failures count at their worst."""
        usages = [self.usage(f"market:{market}") for market in sorted(markets)]
        day = max((usage.day for usage in usages), default=0)
        return ScopeUsage(
            gross=sum((usage.gross for usage in usages), ZERO),
            open_orders=sum(usage.open_orders for usage in usages),
            rejects=max((usage.rejects for usage in usages), default=0),
            failures=max((usage.failures for usage in usages), default=0),
            day=day,
            day_pnl=sum((u.day_pnl for u in usages if u.day == day), ZERO),
        )

    def restore(self, scopes: Mapping[str, ScopeUsage], reserved_cash: Decimal) -> None:
        """Take the sums of a checkpoint over."""
        self.scopes = dict(scopes)
        self.reserved_cash = reserved_cash
        self._scopes_of.clear()


def _earned(before: Totals, after: Totals) -> Decimal:
    """Profit after fees between two sums of a position."""
    return after.realized_pnl - before.realized_pnl - after.fees + before.fees


def _earn(usage: ScopeUsage, earned: Decimal, day: int) -> None:
    if usage.day < day:
        usage.day, usage.day_pnl = day, ZERO
    # News of an earlier day must not forget today's loss.
    if usage.day == day:
        usage.day_pnl += earned
