"""The ledger's state in memory: a fold over the log, nothing else.

It holds what decisions need: orders that are not closed, positions, exposure,
open drifts, markets, the mode.
A closed order leaves memory; it is loaded from its stream when a late fact
arrives.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ledger import events as ev
from ledger.exposure import Exposure, Held, Holding, held_by, reservation_of
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.order import Order, Trade, advance, requested
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
from ledger.risk import ScopeUsage
from ledger.values import ZERO, Outcome, Settlement, Side, TradingMode

STATE_VERSION: Final = 2
"""Raised when the meaning of a checkpoint changes; older ones are ignored."""

_TRADE_EVENTS: Final = (ev.FillMatched, ev.SettlementEvent)
_SELL: Final = Side.SELL

_ORDER_PREFIX: Final = ev.order_stream("")
_PREFIX_LENGTH: Final = len(_ORDER_PREFIX)
_KEEP_CLOSED: Final = 1024
"""Orders kept after closing: their last events may not be readable on disk yet."""


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

    def __init__(
        self,
        account: str,
        load_order: LoadOrder,
        *,
        tracks_exposure: bool = True,
        durable: Callable[[], int] | None = None,
    ) -> None:
        """Start empty.

        Args:
            account: Whose state it is.
            load_order: Reads an order back that has left memory.
            tracks_exposure: Whether scopes and reservations are counted.
            durable: The last position on disk, where events are applied before
                they are; all of them are, if absent.
        """
        self.account = account
        self._durable = durable
        self._durable_upto = 0
        self._closed_at: dict[str, int] = {}
        self.position = 0
        self.mode = TradingMode.NORMAL
        self.cash = ZERO
        self.orders: dict[str, Order] = {}
        # Not a plain dict: taking its oldest entry out walks past all taken before.
        self.closed: OrderedDict[str, Order] = OrderedDict()
        self.by_venue_id: dict[str, str] = {}
        self.holdings: dict[PositionKey, Holding] = {}
        self.drifts: dict[str, Drift] = {}
        self.markets: dict[str, Market] = {}
        self.payouts: dict[str, tuple[Decimal, Decimal]] = {}
        self.versions: dict[str, int] = {}
        self.exposure = Exposure()
        # What the risk check reads for every scope of every order.
        self.usage = self.exposure.usage
        self._tracks = tracks_exposure
        self._load_order = load_order
        self._by_token: dict[tuple[str, Outcome], list[Holding]] = {}
        self._lent: dict[PositionKey, int] = {}
        # Where exposure is not tracked: what each order adds to the sum, and who
        # changed since it was taken.
        self._summed = ZERO
        self._summands: dict[str, Decimal] = {}
        self._unsummed: set[str] = set()

    # The fold

    def apply(self, stream: str, version: int, event: ev.Event) -> Order | None:
        """Apply the next event of the log; the order's new state, if it is one's."""
        self.position += 1
        if stream.startswith(_ORDER_PREFIX):
            return self._apply_order(stream[_PREFIX_LENGTH:], version, event)
        self.versions[stream] = version
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        return None

    def _apply_order(self, order_id: str, version: int, event: ev.Event) -> Order:
        if not self._tracks:
            self._unsummed.add(order_id)
        order = self.orders.get(order_id)
        if order is None:
            if version == 1:
                order = requested(order_id, event)  # type: ignore[arg-type]
                self.orders[order_id] = order
                if self._tracks:
                    self.exposure.reserve(order, self._holding_of(order))
                return order
            order = self._reopened(order_id, version)
        if isinstance(event, _TRADE_EVENTS):
            self._apply_trade(order, event)
        elif self._tracks:
            self._apply_tracked(order, event)
        else:
            advance(order, event)
        if type(event) is ev.OrderPrepared:
            self.by_venue_id[order.venue_order_id] = order_id
        elif not order.unsettled and order.done_reason is not None:
            self._close(order)
        return order

    def _apply_tracked(self, order: Order, event: ev.Event) -> None:
        """Apply an event about the order alone, and count what it says."""
        kind = type(event)
        size = order.size
        was_disproved = order.refusal is not None or order.is_never_placed
        advance(order, event)
        if kind is ev.OrderPlaced:
            self.exposure.count_placed(order)
            if not was_disproved:
                return  # what is held back stays as it was
        elif kind is ev.OrderPrepared and order.size == size:
            return
        elif kind is ev.OrderOutcomeUnknown:
            self.exposure.count_failure(order)
        elif kind is ev.OrderRejected:
            self.exposure.count_reject(order)
        self.exposure.reserve(order, self._holding_of(order))

    def _reopened(self, order_id: str, version: int) -> Order:
        """Bring a closed order back: something is said of it after its end."""
        order = self.closed.pop(order_id, None)
        self._closed_at.pop(order_id, None)
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
        self._unsummed.discard(order_id)
        self._summed -= self._summands.pop(order_id, ZERO)
        self.by_venue_id.pop(order.venue_order_id, None)
        self.closed[order_id] = order
        self._closed_at[order_id] = self.position
        while len(self.closed) > _KEEP_CLOSED:
            oldest = next(iter(self.closed))
            if not self._is_durable(self._closed_at[oldest]):
                return  # its last word could not be read back from disk yet
            del self.closed[oldest], self._closed_at[oldest]

    def _is_durable(self, position: int) -> bool:
        if self._durable is None:
            return True
        # What is on disk stays there: asked only about what is not known to be.
        if position > self._durable_upto:
            self._durable_upto = self._durable()
        return position <= self._durable_upto

    def _holding_of(self, order: Order) -> Holding:
        known = self._line(order.strategy, order.market_id, order.outcome)
        if known is None:
            key = PositionKey(order.strategy, order.market_id, order.outcome)
            return self.holding(key)
        return known

    def _line(self, strategy: str, market_id: str, outcome: Outcome) -> Holding | None:
        # A plain tuple equals the key, and is made in a fraction of its time.
        key: Any = (strategy, market_id, outcome)
        return self.holdings.get(key)

    def _apply_trade(
        self, order: Order, event: ev.FillMatched | ev.SettlementEvent
    ) -> None:
        """Move order, position and cash by what one trade's news changes."""
        trade_id = event.trade_id
        before = order.trades.get(trade_id)
        advance(order, event)
        after = order.trades[trade_id]
        holding = self._holding_of(order)
        was_live = before is not None and before.is_live
        is_live = after.is_live
        if was_live is not is_live:
            self._book(order, after, holding, event, is_live=is_live)
        else:
            if is_live and after.confirmed_at is not None:
                holding.position.settle(f"{trade_id}/{order.order_id}")
            if self._tracks and type(event) is ev.FillMatched:
                self.exposure.reserve(order, holding)
        if (
            type(event) is ev.FillVoided
            and self._tracks
            and _turned_void(before, after)
        ):
            self.exposure.count_failure(order)

    def _book(
        self,
        order: Order,
        trade: Trade,
        holding: Holding,
        event: ev.Event,
        *,
        is_live: bool,
    ) -> None:
        """Add a trade that became live, or take one out that became void."""
        position = holding.position
        totals = position.totals
        name = f"{trade.trade_id}/{order.order_id}"
        move = trade_movement(order.side, trade.size, trade.price, trade.fee)
        cash = move.amount if order.side is _SELL else -move.amount
        if is_live:
            position.book(name, move, is_settled=trade.confirmed_at is not None)
            self.cash += cash - move.fee
        else:
            position.void(name, move)
            self.cash -= cash - move.fee
        if self._tracks:
            self.exposure.book(order, holding, totals, event.at)

    def _move(self, key: PositionKey, move: Movement, event: ev.Event) -> None:
        position = self.holding(key).position
        totals = position.totals
        position.move(move)
        if self._tracks:
            self.exposure.post(key, totals, position.totals, event.at)

    # Account, reconciliation, system

    def _on_traded(self, event: ev.PositionTraded) -> None:
        move = trade_movement(event.side, event.size, event.price, event.fee)
        move = replace(move, amount=event.amount)
        sign = 1 if event.side is Side.SELL else -1
        self.cash += sign * event.amount - event.fee
        self._move(
            PositionKey(event.strategy, event.market_id, event.outcome), move, event
        )

    def _on_split(self, event: ev.PositionSplit) -> None:
        self.cash -= event.size
        for outcome in Outcome:
            key = PositionKey(event.strategy, event.market_id, outcome)
            self._move(key, split_leg(event.size, outcome), event)

    def _on_merged(self, event: ev.PositionMerged) -> None:
        self.cash += event.size
        for outcome in Outcome:
            key = PositionKey(event.strategy, event.market_id, outcome)
            self._move(key, merge_leg(event.size, outcome), event)

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
            payout = self._payout(key.market_id, key.outcome)
            assert payout is not None
            self._move(key, resolution(payout), event)

    def _payout(self, market_id: str, outcome: Outcome) -> Decimal | None:
        payouts = self.payouts.get(market_id)
        if payouts is None:
            return None
        return payouts[0 if outcome is Outcome.YES else 1]

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
            self.drifts[event.drift_id] = replace(known, acknowledged=True)

    def _on_drift_closed(self, event: ev.DriftClosed) -> None:
        self.drifts.pop(event.drift_id, None)

    def _on_halted(self, _: ev.LedgerHalted) -> None:
        self.mode = TradingMode.HALTED

    def _on_reduce_only(self, _: ev.LedgerReduceOnly) -> None:
        self.mode = TradingMode.REDUCE_ONLY

    def _on_resumed(self, _: ev.LedgerResumed) -> None:
        self.mode = TradingMode.NORMAL
        self.exposure.forgive()

    def _on_listed(self, event: ev.MarketListed) -> None:
        self.markets[event.market.market_id] = event.market

    # What the risk check reads

    def group_usage(self, markets: frozenset[str]) -> ScopeUsage:
        """The sum over markets."""
        return self.exposure.group_usage(markets)

    def requests(self, scope: str) -> Sequence[datetime]:
        """Times of the latest requests in a scope, oldest first."""
        return self.exposure.requests(scope)

    def holding(self, key: PositionKey) -> Holding:
        """One strategy's line in one outcome, made if absent."""
        known = self.holdings.get(key)
        if known is None:
            known = self._blank(key)
            self.holdings[key] = known
            self._by_token.setdefault((key.market_id, key.outcome), []).append(known)
        return known

    def _blank(self, key: PositionKey) -> Holding:
        # What comes after the resolution is worth its payout all the same.
        start = Totals(payout=self._payout(key.market_id, key.outcome))
        position = Position(key.strategy, key.market_id, key.outcome, start, start)
        return Holding(position)

    def _is_blank(self, line: Holding) -> bool:
        position = line.position
        start = Totals(payout=self._payout(position.market_id, position.outcome))
        is_idle = not (position.tail or line.open_buys or line.open_sells)
        return is_idle and position.totals == start

    def position_with_open_buys(
        self, strategy: str | None, market_id: str, outcome: Outcome
    ) -> Decimal:
        """Shares held plus shares open BUYs may still buy."""
        if strategy is not None:
            line = self._line(strategy, market_id, outcome)
            return line.position.totals.shares + line.open_buys if line else ZERO
        lines = self._by_token.get((market_id, outcome), ())
        return sum((line.position.shares + line.open_buys for line in lines), ZERO)

    def sellable(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        """Settled shares minus those that open SELLs hold."""
        line = self._line(strategy, market_id, outcome)
        return line.position.settled_shares - line.open_sells if line else ZERO

    def believed(self) -> dict[tuple[str, Outcome], Believed]:
        """Shares per market and outcome over all strategies."""
        found: dict[tuple[str, Outcome], Believed] = {}
        for token, lines in self._by_token.items():
            settled = sum((line.position.settled_shares for line in lines), ZERO)
            total = sum(
                (line.position.shares + line.position.leaving for line in lines), ZERO
            )
            if total or settled:
                found[token] = Believed(settled=settled, total=total)
        return found

    @property
    def reserved_cash(self) -> Decimal:
        """pUSD that open BUY orders hold back."""
        if self._tracks:
            return self.exposure.reserved_cash
        # Not a sum over all: whoever asks after every few events has thousands.
        for order_id in self._unsummed:
            cash = reservation_of(self.orders[order_id]).cash
            self._summed += cash - self._summands.get(order_id, ZERO)
            self._summands[order_id] = cash
        self._unsummed.clear()
        return self._summed

    def free_cash(self) -> Decimal:
        """Cash minus what open BUY orders reserve."""
        return self.cash - self.reserved_cash

    @contextmanager
    def hold(
        self, intent: OrderIntent, size: Decimal, fee_rate: Decimal
    ) -> Iterator[None]:
        """Count an intent in full while its order is being prepared."""
        key = PositionKey(intent.strategy, intent.market_id, intent.outcome)
        is_lent = key in self._lent or key not in self.holdings
        held = held_by(intent, size, fee_rate, self.holding(key))
        if is_lent:
            self._lent[key] = self._lent.get(key, 0) + 1
        try:
            with self.exposure.hold(held):
                yield
        finally:
            if is_lent:
                self._take_back(key)

    def _take_back(self, key: PositionKey) -> None:
        """Let a line go that was made for intents and that no event has used."""
        self._lent[key] -= 1
        if self._lent[key]:
            return
        del self._lent[key]
        line = self.holdings[key]
        if self._is_blank(line):
            del self.holdings[key]
            lines = self._by_token[key.market_id, key.outcome]
            lines.remove(line)
            if not lines:
                del self._by_token[key.market_id, key.outcome]

    @contextmanager
    def hold_cash(
        self, strategy: str, market_id: str, amount: Decimal
    ) -> Iterator[None]:
        """Keep `amount` pUSD for a split that is under way."""
        with self.exposure.hold(Held(strategy, market_id, cash=amount)):
            yield

    @contextmanager
    def hold_shares(
        self, strategy: str, market_id: str, size: Decimal, *outcomes: Outcome
    ) -> Iterator[None]:
        """Keep shares of each outcome for a merge or redemption that is under way."""
        lines = tuple(
            self.holding(PositionKey(strategy, market_id, outcome))
            for outcome in outcomes
        )
        with self.exposure.hold(Held(strategy, market_id, lines, sells=size)):
            yield

    # Checkpoints

    def dump(self) -> bytes:
        """Encode the state for a checkpoint."""
        with self.exposure.recorded_only():
            return _ENCODER.encode(
                Snapshot(
                    version=STATE_VERSION,
                    position=self.position,
                    account=self.account,
                    mode=self.mode,
                    cash=self.cash,
                    reserved_cash=self.exposure.reserved_cash,
                    orders=self.orders,
                    holdings=self._recorded_lines(),
                    scopes=self.exposure.scopes,
                    drifts=self.drifts,
                    markets=self.markets,
                    payouts=self.payouts,
                    versions=self.versions,
                )
            )

    def _recorded_lines(self) -> list[Holding]:
        return [
            line
            for key, line in self.holdings.items()
            if key not in self._lent or not self._is_blank(line)
        ]

    def restore(self, data: bytes) -> bool:
        """Take a checkpoint over; false if it is of another version or account."""
        try:
            kept = _DECODER.decode(data)
        except msgspec.MsgspecError:
            return False
        if kept.version != STATE_VERSION or kept.account != self.account:
            return False
        self.position, self.mode = kept.position, kept.mode
        self.cash = kept.cash
        self.exposure.restore(kept.scopes, kept.reserved_cash)
        self._unsummed.update(kept.orders)
        self.orders, self.drifts = kept.orders, kept.drifts
        self.markets, self.payouts = kept.markets, kept.payouts
        self.versions = kept.versions
        for holding in kept.holdings:
            self.holdings[holding.position.key] = holding
            token = (holding.position.market_id, holding.position.outcome)
            self._by_token.setdefault(token, []).append(holding)
        for order in kept.orders.values():
            if order.venue_order_id:
                self.by_venue_id[order.venue_order_id] = order.order_id
            self.exposure.adopt(order)
        return True


def _turned_void(before: Trade | None, after: Trade) -> bool:
    """Whether news made a trade void: told again, it is one failure still."""
    was_void = before is not None and before.settlement is Settlement.FAILED
    return after.settlement is Settlement.FAILED and not was_void


_ENCODER: Final = msgspec.msgpack.Encoder(decimal_format="string")
_DECODER: Final = msgspec.msgpack.Decoder(Snapshot)

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
