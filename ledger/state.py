"""The ledger's state in memory: a fold over the log, nothing else.

It holds what decisions need: orders that are not closed, positions, what each
scope uses up, open drifts, markets, the mode.
A closed order leaves memory; it is loaded from its stream when a late fact
arrives.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from ledger import events as ev
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.order import Order, advance, requested
from ledger.position import (
    Movement,
    Position,
    PositionKey,
    Totals,
    merge_leg,
    redemption,
    resolution,
    split_leg,
    trade_movement,
    transfer,
)
from ledger.reconcile import Believed
from ledger.risk import ScopeUsage, fee_per_share
from ledger.values import ZERO, Outcome, Settlement, Side, TradingMode

STATE_VERSION: Final = 1
"""Raised when the meaning of a checkpoint changes; older ones are ignored."""

_KEEP_REQUESTS: Final = 1000
"""Request times kept per scope: the highest rate limit that can be checked."""


_KEEP_CLOSED: Final = 1024
"""Orders kept after closing: their last events may not be readable on disk yet."""


class Reservation(NamedTuple):
    """What one order holds back: pUSD, shares to be bought, shares to be sold."""

    cash: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO


NOTHING: Final = Reservation()


def reservation_of(order: Order) -> Reservation:
    """What an order holds back; unknown outcomes count in full."""
    resting = order.resting
    if resting <= ZERO:
        return NOTHING
    if order.side is Side.SELL:
        return Reservation(ZERO, ZERO, resting)
    return Reservation(resting * _cash_per_share(order), resting, ZERO)


def _cash_per_share(order: Order) -> Decimal:
    fee = fee_per_share(order.price, order.fee_rate, post_only=order.post_only)
    return order.price + fee


class Holding(msgspec.Struct):
    """One strategy's line in one outcome: position and open interest."""

    position: Position
    open_buys: Decimal = ZERO
    open_sells: Decimal = ZERO


class _Line:
    """Where an open order counts, and what it holds back at the moment."""

    __slots__ = ("holding", "is_open", "per_share", "shares", "usages")

    def __init__(
        self, order: Order, holding: Holding, usages: tuple[ScopeUsage, ...]
    ) -> None:
        self.holding = holding
        self.usages = usages
        self.per_share = ZERO
        if order.side is Side.BUY:
            self.per_share = _cash_per_share(order)
        self.shares = ZERO
        self.is_open = False


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """An open disagreement with a witness."""

    drift_id: str
    kind: str
    subject: str
    opened_us: int
    acknowledged: bool = False


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything that survives in a checkpoint."""

    version: int
    position: int
    account: str
    mode: TradingMode
    cash: Decimal
    reserved_cash: Decimal
    orders: dict[str, Order]
    holdings: list[Holding]
    scopes: dict[str, ScopeUsage]
    drifts: dict[str, Drift]
    markets: dict[str, Market]
    payouts: dict[str, tuple[Decimal, Decimal]]
    versions: dict[str, int]


LoadOrder = Callable[[str, int], Order]
"""Loads an order's state from its stream, up to and excluding a version."""


class LedgerState:
    """Applies events one by one; implements the risk check's `ExposureView`."""

    def __init__(self, account: str, load_order: LoadOrder) -> None:
        self.account = account
        self.position = 0
        self.mode = TradingMode.NORMAL
        self.cash = ZERO
        self.reserved_cash = ZERO
        self.orders: dict[str, Order] = {}
        self.closed: dict[str, Order] = {}
        self.by_venue_id: dict[str, str] = {}
        self.holdings: dict[PositionKey, Holding] = {}
        self.scopes: dict[str, ScopeUsage] = {}
        self.drifts: dict[str, Drift] = {}
        self.markets: dict[str, Market] = {}
        self.payouts: dict[str, tuple[Decimal, Decimal]] = {}
        self.versions: dict[str, int] = {}
        self._load_order = load_order
        self._lines: dict[str, _Line] = {}
        self._requests: dict[str, deque[datetime]] = {}
        self._scopes_of: dict[tuple[str, str], tuple[ScopeUsage, ...]] = {}
        self._by_token: dict[tuple[str, Outcome], list[Holding]] = {}

    # The fold

    def apply(self, stream: str, version: int, event: ev.Event) -> Order | None:
        """Apply the next event of the log; the order's new state, if it is one's."""
        self.position += 1
        if stream.startswith("order-"):
            return self._apply_order(stream[6:], version, event)
        self.versions[stream] = version
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        return None

    def _apply_order(self, order_id: str, version: int, event: ev.Event) -> Order:
        kind = type(event)
        if kind is ev.OrderRequested:
            order = requested(order_id, event)  # type: ignore[arg-type]
            self.orders[order_id] = order
            self._reserve(self._line(order), order)
            return order
        known = self.orders.get(order_id)
        order = known if known is not None else self._reopened(order_id, version)
        if kind in _FILLS:
            self._apply_trade(order, event)  # type: ignore[arg-type]
        elif kind is ev.OrderPrepared:
            size = order.size
            advance(order, event)
            self.by_venue_id[order.venue_order_id] = order_id
            if order.size != size:
                self._reserve(self._line(order), order)
        else:
            self._apply_rest(order, event)
        if order.is_closed:
            self._close(order)
        return order

    def _apply_rest(self, order: Order, event: ev.Event) -> None:
        """Apply an event about the order alone, and count what it says."""
        line = self._line(order)
        was_disproved = order.refusal is not None or order.is_never_placed
        advance(order, event)
        kind = type(event)
        if kind is ev.OrderPlaced:
            for usage in line.usages:
                usage.rejects = usage.failures = 0
            if not was_disproved:
                return  # what is held back stays as it was
        elif kind is ev.OrderOutcomeUnknown:
            _count_failure(line)
        elif kind is ev.OrderRejected:
            for usage in line.usages:
                usage.rejects += 1
        self._reserve(line, order)

    def _reopened(self, order_id: str, version: int) -> Order:
        """Bring a closed order back: something is said of it after its end."""
        order = self.closed.pop(order_id, None)
        if order is None:
            order = self._load_order(order_id, version)
        self.orders[order_id] = order
        if order.venue_order_id:
            self.by_venue_id[order.venue_order_id] = order_id
        return order

    def _close(self, order: Order) -> None:
        """Let an order go from memory that nobody owes a word on."""
        order_id = order.order_id
        self.orders.pop(order_id, None)
        self._lines.pop(order_id, None)
        self.by_venue_id.pop(order.venue_order_id, None)
        self.closed[order_id] = order
        if len(self.closed) > _KEEP_CLOSED:
            del self.closed[next(iter(self.closed))]

    def _line(self, order: Order) -> _Line:
        line = self._lines.get(order.order_id)
        if line is None:
            key = PositionKey(order.strategy, order.market_id, order.outcome)
            usages = self.usages(order.strategy, order.market_id)
            line = _Line(order, self.holding(key), usages)
            self._lines[order.order_id] = line
        return line

    def _reserve(self, line: _Line, order: Order) -> None:
        """Replace what the order held back by what it holds back now."""
        is_open = order.done_reason is None
        shares = order.size - order.matched if is_open else ZERO
        if shares != line.shares:
            more = shares - line.shares
            line.shares = shares
            if order.side is Side.SELL:
                line.holding.open_sells += more
            else:
                line.holding.open_buys += more
                cash = more * line.per_share
                self.reserved_cash += cash
                for usage in line.usages:
                    usage.gross += cash
        if is_open is not line.is_open:
            line.is_open = is_open
            opened = 1 if is_open else -1
            for usage in line.usages:
                usage.open_orders += opened

    def _apply_trade(
        self, order: Order, event: ev.FillMatched | ev.SettlementEvent
    ) -> None:
        """Move order, position and cash by what one trade's news changes."""
        before = order.trades.get(event.trade_id)
        advance(order, event)
        after = order.trades[event.trade_id]
        line = self._line(order)
        if type(event) is ev.FillMatched:
            self._reserve(line, order)
        elif type(event) is ev.FillVoided:
            _count_failure(line)
        was_live = before is not None and before.is_live
        is_live = after.is_live
        if not was_live and not is_live:
            return
        position = line.holding.position
        name = f"{after.trade_id}/{order.order_id}"
        if was_live and is_live:
            if after.settlement is Settlement.CONFIRMED:
                position.settle(name)
            return
        totals = position.totals
        move = trade_movement(order.side, after.size, after.price, after.fee)
        cash = -move.amount - move.fee
        if order.side is Side.SELL:
            cash = move.amount - move.fee
        if is_live:
            is_settled = after.settlement is Settlement.CONFIRMED
            position.book(name, move, is_settled=is_settled)
            self.cash += cash
        else:
            position.void(name, move)
            self.cash -= cash
        _post(line.usages, totals, position.totals, event)

    def _move(self, key: PositionKey, move: Movement, event: ev.Event) -> None:
        position = self.holding(key).position
        totals = position.totals
        position.move(move)
        usages = self.usages(key.strategy, key.market_id)
        _post(usages, totals, position.totals, event)

    # Account, reconciliation, system

    def _on_traded(self, event: ev.PositionTraded) -> None:
        move = trade_movement(event.side, event.size, event.price, event.fee)
        move = move._replace(amount=event.amount)
        sign = 1 if event.side is Side.SELL else -1
        self.cash += sign * event.amount - event.fee
        self._move(
            PositionKey(event.strategy, event.market_id, event.outcome), move, event
        )

    def _on_split(self, event: ev.PositionSplit) -> None:
        self.cash -= event.size
        for outcome in Outcome:
            key = PositionKey(event.strategy, event.market_id, outcome)
            self._move(key, split_leg(event.size), event)

    def _on_merged(self, event: ev.PositionMerged) -> None:
        self.cash += event.size
        for outcome in Outcome:
            key = PositionKey(event.strategy, event.market_id, outcome)
            self._move(key, merge_leg(event.size), event)

    def _on_redeemed(self, event: ev.PositionRedeemed) -> None:
        self.cash += event.payout
        key = PositionKey(event.strategy, event.market_id, event.outcome)
        self._move(key, redemption(event.size, event.payout), event)

    def _on_transferred(self, event: ev.PositionTransferred) -> None:
        key = PositionKey(event.strategy, event.market_id, event.outcome)
        self._move(key, transfer(event.size, event.cost), event)

    def _on_resolved(self, event: ev.MarketResolved) -> None:
        self.payouts[event.market_id] = (event.yes_payout, event.no_payout)
        for key in [k for k in self.holdings if k.market_id == event.market_id]:
            is_yes = key.outcome is Outcome.YES
            payout = event.yes_payout if is_yes else event.no_payout
            self._move(key, resolution(payout), event)

    def _on_cash(self, event: ev.CashMoved) -> None:
        self.cash += event.amount

    def _on_drift_opened(self, event: ev.DriftOpened) -> None:
        self.drifts[event.drift_id] = Drift(
            drift_id=event.drift_id,
            kind=event.kind,
            subject=event.subject,
            opened_us=int(event.at.timestamp() * 1_000_000),
        )

    def _on_drift_acknowledged(self, event: ev.DriftAcknowledged) -> None:
        known = self.drifts.get(event.drift_id)
        if known is not None:
            self.drifts[event.drift_id] = msgspec.structs.replace(
                known, acknowledged=True
            )

    def _on_drift_closed(self, event: ev.DriftClosed) -> None:
        self.drifts.pop(event.drift_id, None)

    def _on_halted(self, _: ev.LedgerHalted) -> None:
        self.mode = TradingMode.HALTED

    def _on_reduce_only(self, _: ev.LedgerReduceOnly) -> None:
        self.mode = TradingMode.REDUCE_ONLY

    def _on_resumed(self, _: ev.LedgerResumed) -> None:
        self.mode = TradingMode.NORMAL
        for usage in self.scopes.values():
            usage.rejects = usage.failures = 0

    def _on_listed(self, event: ev.MarketListed) -> None:
        self.markets[event.market.market_id] = event.market

    # What the risk check reads

    def count_request(self, scopes: Iterable[str], at: datetime) -> None:
        """Note the time of a request in the scopes whose rate is limited.

        Not part of the fold: a rate's window is shorter than any restart.
        """
        for scope in scopes:
            times = self._requests.get(scope)
            if times is None:
                times = self._requests[scope] = deque(maxlen=_KEEP_REQUESTS)
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

    def holding(self, key: PositionKey) -> Holding:
        """One strategy's line in one outcome, made if absent."""
        known = self.holdings.get(key)
        if known is None:
            known = Holding(Position(key.strategy, key.market_id, key.outcome))
            self.holdings[key] = known
            self._by_token.setdefault((key.market_id, key.outcome), []).append(known)
        return known

    def position_with_open_buys(
        self, strategy: str | None, market_id: str, outcome: Outcome
    ) -> Decimal:
        """Shares held plus shares open BUYs may still buy."""
        if strategy is not None:
            line = self.holdings.get(PositionKey(strategy, market_id, outcome))
            return line.position.shares + line.open_buys if line else ZERO
        lines = self._by_token.get((market_id, outcome), ())
        return sum((line.position.shares + line.open_buys for line in lines), ZERO)

    def sellable(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        """Settled shares minus those that open SELLs hold."""
        line = self.holdings.get(PositionKey(strategy, market_id, outcome))
        return line.position.settled_shares - line.open_sells if line else ZERO

    def believed(self) -> dict[tuple[str, Outcome], Believed]:
        """Shares per market and outcome over all strategies."""
        found: dict[tuple[str, Outcome], Believed] = {}
        for token, lines in self._by_token.items():
            total = sum((line.position.shares for line in lines), ZERO)
            settled = sum((line.position.settled_shares for line in lines), ZERO)
            if total or settled:
                found[token] = Believed(settled=settled, total=total)
        return found

    def free_cash(self) -> Decimal:
        """Cash minus what open BUY orders reserve."""
        return self.cash - self.reserved_cash

    @contextmanager
    def hold(
        self, intent: OrderIntent, size: Decimal, fee_rate: Decimal
    ) -> Iterator[None]:
        """Count an intent in full while its order is being prepared."""
        key = PositionKey(intent.strategy, intent.market_id, intent.outcome)
        cash, buys, sells = ZERO, ZERO, size
        if intent.side is Side.BUY:
            fee = fee_per_share(intent.price, fee_rate, post_only=intent.post_only)
            cash, buys, sells = size * (intent.price + fee), size, ZERO
        self._hold(key, cash, buys, sells, 1)
        try:
            yield
        finally:
            self._hold(key, -cash, -buys, -sells, -1)

    def _hold(
        self,
        key: PositionKey,
        cash: Decimal,
        buys: Decimal,
        sells: Decimal,
        opened: int,
    ) -> None:
        self.reserved_cash += cash
        for usage in self.usages(key.strategy, key.market_id):
            usage.gross += cash
            usage.open_orders += opened
        holding = self.holding(key)
        holding.open_buys += buys
        holding.open_sells += sells

    # Checkpoints

    def dump(self) -> bytes:
        """Encode the state for a checkpoint."""
        return _ENCODER.encode(
            Snapshot(
                version=STATE_VERSION,
                position=self.position,
                account=self.account,
                mode=self.mode,
                cash=self.cash,
                reserved_cash=self.reserved_cash,
                orders=self.orders,
                holdings=list(self.holdings.values()),
                scopes=self.scopes,
                drifts=self.drifts,
                markets=self.markets,
                payouts=self.payouts,
                versions=self.versions,
            )
        )

    def restore(self, data: bytes) -> bool:
        """Take a checkpoint over; false if it is of another version or account."""
        try:
            kept = _DECODER.decode(data)
        except msgspec.MsgspecError:
            return False
        if kept.version != STATE_VERSION or kept.account != self.account:
            return False
        self.position, self.mode = kept.position, kept.mode
        self.cash, self.reserved_cash = kept.cash, kept.reserved_cash
        self.orders, self.scopes, self.drifts = kept.orders, kept.scopes, kept.drifts
        self.markets, self.payouts = kept.markets, kept.payouts
        self.versions = kept.versions
        for holding in kept.holdings:
            self.holdings[holding.position.key] = holding
            token = (holding.position.market_id, holding.position.outcome)
            self._by_token.setdefault(token, []).append(holding)
        for order in kept.orders.values():
            if order.venue_order_id:
                self.by_venue_id[order.venue_order_id] = order.order_id
            # The sums came with the checkpoint; only who holds what is rebuilt.
            line = self._line(order)
            held = reservation_of(order)
            line.shares = held.buys + held.sells
            line.is_open = order.done_reason is None
        return True


_ENCODER: Final = msgspec.msgpack.Encoder(decimal_format="string")
_DECODER: Final = msgspec.msgpack.Decoder(Snapshot)

_FILLS: Final = frozenset(
    {ev.FillMatched, ev.FillMined, ev.FillRetrying, ev.FillConfirmed, ev.FillVoided}
)


def _count_failure(line: _Line) -> None:
    """An unknown outcome or a void trade: an acceptance ends the row."""
    for usage in line.usages:
        usage.failures += 1


def _post(
    usages: tuple[ScopeUsage, ...], before: Totals, after: Totals, event: ev.Event
) -> None:
    """Carry a position's change over to the scopes that count it."""
    spent = after.cost - before.cost
    earned = after.realized_pnl - before.realized_pnl - after.fees + before.fees
    day = event.at.toordinal() if earned else 0
    for usage in usages:
        usage.gross += spent
        if earned:
            if usage.day != day:
                usage.day, usage.day_pnl = day, ZERO
            usage.day_pnl += earned


_HANDLERS: Final[dict[type[ev.Event], Callable[[LedgerState, Any], None]]] = {
    ev.PositionTraded: LedgerState._on_traded,  # noqa: SLF001
    ev.PositionSplit: LedgerState._on_split,  # noqa: SLF001
    ev.PositionMerged: LedgerState._on_merged,  # noqa: SLF001
    ev.PositionRedeemed: LedgerState._on_redeemed,  # noqa: SLF001
    ev.PositionTransferred: LedgerState._on_transferred,  # noqa: SLF001
    ev.MarketResolved: LedgerState._on_resolved,  # noqa: SLF001
    ev.CashMoved: LedgerState._on_cash,  # noqa: SLF001
    ev.DriftOpened: LedgerState._on_drift_opened,  # noqa: SLF001
    ev.DriftAcknowledged: LedgerState._on_drift_acknowledged,  # noqa: SLF001
    ev.DriftClosed: LedgerState._on_drift_closed,  # noqa: SLF001
    ev.LedgerHalted: LedgerState._on_halted,  # noqa: SLF001
    ev.LedgerReduceOnly: LedgerState._on_reduce_only,  # noqa: SLF001
    ev.LedgerResumed: LedgerState._on_resumed,  # noqa: SLF001
    ev.MarketListed: LedgerState._on_listed,  # noqa: SLF001
}
