"""The exchange's book-keeping: what happens to orders and trades happens here.

Locks, books, messages and the agenda change together, so that they cannot
disagree.
"""

from collections import deque
from random import Random
from uuid import UUID

import msgspec

from executors.exchange.engine.agenda import Agenda
from executors.exchange.engine.bank import Bank
from executors.exchange.engine.book import MarketBook, Side
from executors.exchange.engine.dataindex import DataIndex
from executors.exchange.engine.matching import Match
from executors.exchange.engine.publishing import Publisher
from executors.exchange.engine.records import (
    CANCELED,
    LIVE,
    MATCHED,
    Leg,
    Order,
    Trade,
)
from executors.exchange.engine.settlement import Steps, fate_of
from executors.exchange.engine.types import ExchangeConfig, ExchangeMarket
from ledger.values import Settlement

GTD_EARLY_MS = 60_000
"""The venue ends a GTD order this long before its expiration."""

EXPIRED = "CANCELED_EXPIRED_ORDER"
RESOLVED = "CANCELED_MARKET_RESOLVED"


class Clearing:
    """Orders, trades, books and wallets of one exchange."""

    def __init__(self, config: ExchangeConfig, now_ms: int) -> None:
        self.config = config
        self.agenda = Agenda(now_ms)
        self.bank = Bank()
        self.index = DataIndex()
        self.publisher = Publisher()
        self.markets: dict[str, ExchangeMarket] = {}
        self.by_token: dict[str, ExchangeMarket] = {}
        self.winners: dict[str, str] = {}
        self.books: dict[str, MarketBook] = {}
        self.orders: dict[str, Order] = {}
        self.trades: dict[str, Trade] = {}
        self.scripts: deque[Steps] = deque()
        self._rng = Random(config.seed)  # noqa: S311 -- chance, not secrecy
        self._open: dict[str, dict[str, Order]] = {}
        self._trades_of: dict[str, dict[str, Trade]] = {}
        self._ended: deque[str] = deque()

    @property
    def now_ms(self) -> int:
        """The moment that is being worked on."""
        return self.agenda.now_ms

    def add_market(self, market: ExchangeMarket) -> None:
        """Open a market, or give it another description."""
        old = self.markets.get(market.condition_id)
        self.markets[market.condition_id] = market
        self.by_token |= dict.fromkeys(market.tokens, market)
        self.books.setdefault(market.condition_id, MarketBook(market)).market = market
        if old is not None and old.tick_size != market.tick_size:
            self.publisher.tick_size(old, market, self.now_ms)

    def resolve(self, condition_id: str, winner: str) -> None:
        """End a market: cancel its orders; its trades settle on."""
        market = msgspec.structs.replace(
            self.markets[condition_id], accepting_orders=False
        )
        self.add_market(market)
        self.winners[condition_id] = winner
        for order in self.open_orders():
            if order.market.condition_id == condition_id:
                self.end(order, RESOLVED)
        self.publisher.resolved(market, winner, self.now_ms)

    def open_orders(self, owner: str | None = None) -> list[Order]:
        """Orders that can still match, of one API key or of all, oldest first."""
        if owner is not None:
            return list(self._open.get(owner, {}).values())
        return [
            order for of_owner in self._open.values() for order in of_owner.values()
        ]

    def trades_of(self, owner: str) -> list[Trade]:
        """Trades with an order of an API key, oldest first."""
        return list(self._trades_of.get(owner, {}).values())

    def accept(self, order: Order) -> None:
        """Remember an order and reserve what it may cost."""
        self.orders[order.order_id] = order
        self._open.setdefault(order.owner, {})[order.order_id] = order
        self._reserve(order)

    def rest(self, order: Order) -> None:
        """Put what is left of an order on the book until it fills or ends."""
        order.status = LIVE
        self._side(order).add(order)
        self._touch(order)
        if order.order_type == "GTD":
            due_ms = order.expiration * 1000 - GTD_EARLY_MS
            self.agenda.at(due_ms, lambda: self._expire(order))

    def match(self, matches: list[Match]) -> list[Trade]:
        """Carry out a plan: one trade for each of its prices."""
        return [self._trade(taker, makers) for taker, makers in matches]

    def end(self, order: Order, status: str, *, kind: str = "CANCELLATION") -> None:
        """End an order that is not filled; its trades settle on."""
        order.status = status
        self._close(order)
        self.publisher.order(order, kind, self.now_ms)
        self.flush(order.market)

    def shrink(self, order: Order, shares: int) -> None:
        """Take shares off a resting order, which keeps its place in the queue."""
        order.shares -= shares
        self._reserve(order)
        self._touch(order)
        self.flush(order.market)

    def kill(self, order: Order) -> None:
        """End an order that had to match at once and did not."""
        order.status = CANCELED
        self.orders[order.order_id] = order
        self._close(order)
        self.publisher.killed(order, self.now_ms)

    def flush(self, market: ExchangeMarket) -> None:
        """Tell the market which levels have changed since the last time."""
        self.publisher.levels(self.books[market.condition_id], self.now_ms)

    def _expire(self, order: Order) -> None:
        if order.is_open:
            self.end(order, EXPIRED)

    def _close(self, order: Order) -> None:
        self._touch(order)
        self._side(order).remove(order)
        self._open.get(order.owner, {}).pop(order.order_id, None)
        self._reserve(order)
        self._ended.append(order.order_id)
        if len(self._ended) > self.config.history:
            self.orders.pop(self._ended.popleft(), None)

    def _side(self, order: Order) -> Side:
        return self.books[order.market.condition_id].side(is_bid=order.is_bid)

    def _touch(self, order: Order) -> None:
        if self._side(order).holds(order):
            self.publisher.touch(order)

    def _reserve(self, order: Order) -> None:
        amount = order.reserve if order.is_open else 0
        self.bank.wallet(order.wallet).lock(order.order_id, order.asset, amount)

    def _trade(self, taker: Leg, makers: list[Leg]) -> Trade:
        trade_id = str(UUID(int=self._rng.getrandbits(128), version=4))
        steps = self.scripts.popleft() if self.scripts else []
        trade = Trade(
            trade_id=trade_id,
            taker=taker,
            makers=makers,
            match_ms=self.now_ms,
            update_ms=self.now_ms,
            steps=steps or fate_of(trade_id, self.config),
        )
        self._remember(trade)
        self.books[trade.market.condition_id].last_price[taker.order.token_id] = (
            taker.price
        )
        for leg in trade.legs:
            _count(leg, trade_id)
        self.bank.lock(trade)
        self.publisher.trade(trade, self.now_ms)
        for leg in makers:
            self._after_match(leg.order)
        self._after_match(taker.order)
        self.publisher.matched(trade)
        self._schedule(trade)
        return trade

    def _after_match(self, order: Order) -> None:
        self._touch(order)
        self._reserve(order)
        if order.is_filled:
            order.status = MATCHED
            self._close(order)
        self.publisher.order(order, "UPDATE", self.now_ms)

    def _remember(self, trade: Trade) -> None:
        self.trades[trade.trade_id] = trade
        for leg in trade.legs:
            of_owner = self._trades_of.setdefault(leg.order.owner, {})
            of_owner[trade.trade_id] = trade
        if len(self.trades) > self.config.history:
            oldest = self.trades.pop(next(iter(self.trades)))
            for leg in oldest.legs:
                self._trades_of[leg.order.owner].pop(oldest.trade_id, None)

    def _schedule(self, trade: Trade) -> None:
        due_ms = self.now_ms + trade.steps[0][0]
        self.agenda.at(due_ms, lambda: self._settle(trade))

    def _settle(self, trade: Trade) -> None:
        """Take the next step; a wallet that cannot pay makes the trade fail."""
        _, status = trade.steps.pop(0)
        if status is Settlement.CONFIRMED and not self.bank.can_settle(trade):
            status = Settlement.FAILED
        if status is Settlement.MINED or (
            status is Settlement.CONFIRMED and not trade.tx_hash
        ):
            trade.tx_hash = f"0x{self._rng.getrandbits(256):064x}"
        trade.status, trade.update_ms = status, self.now_ms
        if status.is_final:
            self.bank.release(trade)
        else:
            self._schedule(trade)
        if status is Settlement.CONFIRMED:
            self.bank.settle(trade)
            self.index.settled(trade, self.now_ms)
        self.publisher.trade(trade, self.now_ms)


def _count(leg: Leg, trade_id: str) -> None:
    order = leg.order
    order.matched += leg.shares
    order.spent += leg.money
    order.trade_ids.append(trade_id)
