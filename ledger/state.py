"""The ledger's state in memory: a fold over the log, nothing else.

It holds what decisions need: orders that are not closed, positions, what each
scope uses up, open drifts, markets, the mode.
A closed order leaves memory; it is loaded from its stream when a late fact
arrives.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import msgspec

from ledger import events as ev
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.order import Order, Trade, evolve, requested
from ledger.position import (
    Movement,
    Position,
    PositionKey,
    merge_leg,
    redemption,
    resolution,
    split_leg,
    trade_movement,
    transfer,
)
from ledger.reconcile import Believed
from ledger.risk import ScopeUsage, reserved_fee
from ledger.values import ZERO, Outcome, Settlement, Side, TradingMode

STATE_VERSION: Final = 1
"""Raised when the meaning of a checkpoint changes; older ones are ignored."""

_KEEP_REQUESTS: Final = 1000
"""Request times kept per scope: the highest rate limit that can be checked."""


_KEEP_CLOSED: Final = 1024
"""Orders kept after closing: their last events may not be readable on disk yet."""


class Reservation(msgspec.Struct, frozen=True, array_like=True):
    """What one order holds back: pUSD, shares to be bought, shares to be sold."""

    cash: Decimal = ZERO
    buys: Decimal = ZERO
    sells: Decimal = ZERO
    is_open: bool = False


NOTHING: Final = Reservation()


def reservation_of(order: Order) -> Reservation:
    """What an order holds back; unknown outcomes count in full."""
    resting = order.resting
    if resting <= ZERO:
        return Reservation(is_open=True) if order.done_reason is None else NOTHING
    if order.side is Side.SELL:
        return Reservation(ZERO, ZERO, resting, is_open=True)
    fee = reserved_fee(resting, order.price, order.fee_rate, order.post_only)
    return Reservation(resting * order.price + fee, resting, ZERO, is_open=True)


class Holding(msgspec.Struct):
    """One strategy's line in one outcome: position and open interest."""

    position: Position
    open_buys: Decimal = ZERO
    open_sells: Decimal = ZERO


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
        self._reservations: dict[str, Reservation] = {}
        self._scopes_of: dict[tuple[str, str], tuple[ScopeUsage, ...]] = {}
        self._by_token: dict[tuple[str, Outcome], list[Holding]] = {}

    # The fold

    def apply(self, stream: str, version: int, event: ev.Event) -> Order | None:
        """Apply the next event of the log; the order's new state, if it is one's."""
        self.position += 1
        if stream[:6] == "order-":
            return self._apply_order(stream[6:], version, event)
        self.versions[stream] = version
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        return None

    def _apply_order(self, order_id: str, version: int, event: ev.Event) -> Order:
        before = self.orders.get(order_id)
        kind = type(event)
        if kind is ev.OrderRequested:
            assert isinstance(event, ev.OrderRequested)
            after = requested(order_id, event)
            self._count_request(after)
        else:
            if before is None:
                before = self.closed.pop(order_id, None)
            if before is None:
                before = self._load_order(order_id, version)
            after = evolve(before, event)
            if isinstance(event, (ev.FillMatched, ev.SettlementEvent)):
                self._apply_trade(
                    after,
                    before.trades.get(event.trade_id),
                    after.trades[event.trade_id],
                    event,
                )
            if kind in _COUNTED:
                self._count_outcome(before, kind)
        if kind not in _NO_RESERVATION or self._was_disproved(before):
            self._reserve(after)
        if after.is_closed:
            self.orders.pop(order_id, None)
            self.by_venue_id.pop(after.venue_order_id, None)
            self.closed[order_id] = after
            if len(self.closed) > _KEEP_CLOSED:
                del self.closed[next(iter(self.closed))]
        else:
            self.orders[order_id] = after
            if after.venue_order_id:
                self.by_venue_id[after.venue_order_id] = order_id
        return after

    @staticmethod
    def _was_disproved(before: Order | None) -> bool:
        return before is not None and (
            before.refusal is not None or before.is_never_placed
        )

    def _reserve(self, order: Order) -> None:
        """Replace what the order held back by what it holds back now."""
        held = self._reservations.get(order.order_id, NOTHING)
        now = reservation_of(order)
        if now == held:
            return
        if now is NOTHING:
            del self._reservations[order.order_id]
        else:
            self._reservations[order.order_id] = now
        self._hold(
            PositionKey(order.strategy, order.market_id, order.outcome),
            now.cash - held.cash,
            now.buys - held.buys,
            now.sells - held.sells,
            now.is_open - held.is_open,
        )

    def _apply_trade(
        self, order: Order, before: Trade | None, after: Trade, event: ev.Event
    ) -> None:
        """Move position and cash by what one trade's news changes."""
        was_live = before is not None and before.is_live
        is_confirmed = after.settlement is Settlement.CONFIRMED
        if not was_live and not after.is_live:
            return
        key = PositionKey(order.strategy, order.market_id, order.outcome)
        position = self.holding(key).position
        name = f"{after.trade_id}/{order.order_id}"
        if was_live and after.is_live:
            if is_confirmed:
                position.settle(name)
            return
        cost, pnl = self._marks(position)
        move = trade_movement(order.side, after.size, after.price, after.fee)
        signed = move.amount if order.side is Side.SELL else -move.amount
        if after.is_live:
            position.book(name, move, is_settled=is_confirmed)
            self.cash += signed - move.fee
        else:
            position.void(name, move)
            self.cash -= signed - move.fee
        self._post(position, cost, pnl, event)

    def _move(self, key: PositionKey, move: Movement, event: ev.Event) -> None:
        position = self.holding(key).position
        cost, pnl = self._marks(position)
        position.move(move)
        self._post(position, cost, pnl, event)

    @staticmethod
    def _marks(position: Position) -> tuple[Decimal, Decimal]:
        totals = position.totals
        return totals.cost, totals.realized_pnl - totals.fees

    def _post(
        self, position: Position, cost: Decimal, pnl: Decimal, event: ev.Event
    ) -> None:
        """Carry a position's change over to the scopes that count it."""
        new_cost, new_pnl = self._marks(position)
        moved, earned = new_cost - cost, new_pnl - pnl
        day = event.at.date().isoformat() if earned else ""
        for usage in self.usages(position.strategy, position.market_id):
            usage.gross += moved
            if earned:
                if usage.day != day:
                    usage.day, usage.day_pnl = day, ZERO
                usage.day_pnl += earned

    def _count_request(self, order: Order) -> None:
        for usage in self.usages(order.strategy, order.market_id):
            usage.requests.append(order.requested_at)
            if len(usage.requests) > 2 * _KEEP_REQUESTS:
                del usage.requests[:_KEEP_REQUESTS]

    def _count_outcome(self, before: Order, kind: type[ev.Event]) -> None:
        """Count consecutive rejects and failures; an acceptance ends the row."""
        for usage in self.usages(before.strategy, before.market_id):
            if kind is ev.OrderPlaced:
                usage.rejects = usage.failures = 0
            elif kind is ev.OrderRejected:
                usage.rejects += 1
            else:
                usage.failures += 1

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
        day = max((usage.day for usage in usages), default="")
        return ScopeUsage(
            gross=sum((usage.gross for usage in usages), ZERO),
            open_orders=sum(usage.open_orders for usage in usages),
            rejects=max((usage.rejects for usage in usages), default=0),
            failures=max((usage.failures for usage in usages), default=0),
            day=day,
            day_pnl=sum((u.day_pnl for u in usages if u.day == day), ZERO),
            requests=sorted(at for u in usages for at in u.requests),
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
            fee = reserved_fee(size, intent.price, fee_rate, intent.post_only)
            cash, buys, sells = size * intent.price + fee, size, ZERO
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
        for line in kept.holdings:
            self.holdings[line.position.key] = line
            token = (line.position.market_id, line.position.outcome)
            self._by_token.setdefault(token, []).append(line)
        for order in kept.orders.values():
            if order.venue_order_id:
                self.by_venue_id[order.venue_order_id] = order.order_id
            held = reservation_of(order)
            if held != NOTHING:
                self._reservations[order.order_id] = held
        return True


_ENCODER: Final = msgspec.msgpack.Encoder(decimal_format="string")
_DECODER: Final = msgspec.msgpack.Decoder(Snapshot)

_NO_RESERVATION: Final = frozenset(
    {
        ev.OrderOutcomeUnknown,
        ev.OrderProbed,
        ev.OrderPlaced,
        ev.FillMined,
        ev.FillRetrying,
        ev.FillConfirmed,
        ev.FillVoided,
        ev.OrderCancelRequested,
        ev.OrderCancelRefused,
    }
)
"""Events after which an order still holds back what it did before."""

_COUNTED: Final = frozenset(
    {ev.OrderPlaced, ev.OrderRejected, ev.OrderOutcomeUnknown, ev.FillVoided}
)
"""Events that feed the circuit breaker: unknown outcomes and voids are failures."""

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
