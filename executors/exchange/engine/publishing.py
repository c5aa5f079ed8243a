"""Who hears what: messages of both channels to whoever subscribed."""

from executors.exchange.engine import messages
from executors.exchange.engine.book import MarketBook
from executors.exchange.engine.records import Order, Trade
from executors.exchange.engine.types import (
    UNIT,
    Audience,
    ExchangeMarket,
    MarketAudience,
    Message,
    Subscriber,
    UserAudience,
)
from executors.exchange.engine.units import text


class Publisher:
    """Builds messages only when somebody listens."""

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []
        self._touched: dict[str, dict[tuple[bool, int], None]] = {}
        self._versions: dict[str, int] = {}

    def subscribe(self, callback: Subscriber) -> None:
        """Give every message from now on to a callback."""
        self._subscribers.append(callback)

    def version(self, condition_id: str) -> int:
        """How often the book of a market has changed."""
        return self._versions.get(condition_id, 0)

    def order(self, order: Order, kind: str, now_ms: int) -> None:
        """Tell an order's owner what became of it."""
        if self._subscribers:
            self._to_user(order, messages.order_message(order, kind, now_ms))

    def killed(self, order: Order, now_ms: int) -> None:
        """Tell an order's owner that it was killed."""
        self._to_user(order, messages.killed_message(order, now_ms))

    def trade(self, trade: Trade, now_ms: int) -> None:
        """Tell both sides of a trade its state, each owner once per role."""
        if not self._subscribers:
            return
        row = messages.trade_message(trade, "TAKER", now_ms)
        self._to_user(trade.taker.order, row)
        for order in {leg.order.owner: leg.order for leg in trade.makers}.values():
            self._to_user(order, row | {"trader_side": "MAKER"})

    def matched(self, trade: Trade) -> None:
        """Tell the market that a trade happened."""
        if self._subscribers:
            audience = MarketAudience(trade.taker.order.token_id)
            self._emit(audience, messages.last_trade(trade))

    def touch(self, order: Order) -> None:
        """Remember that the level of an order changed."""
        market = order.market.condition_id
        level = order.is_bid, order.yes_price
        self._touched.setdefault(market, {})[level] = None
        self._versions[market] = self._versions.get(market, 0) + 1

    def levels(self, book: MarketBook, now_ms: int) -> None:
        """Tell the market the new totals of all levels that changed."""
        market = book.market
        touched = self._touched.pop(market.condition_id, {})
        if not touched or not self._subscribers:
            return
        for token_id in market.tokens:
            is_first = token_id == market.tokens[0]
            name = messages.book_hash(token_id, self.version(market.condition_id))
            best = _best(book, is_first=is_first)
            changes = [
                {
                    "asset_id": token_id,
                    "price": text(price if is_first else UNIT - price),
                    "size": text(book.side(is_bid=is_bid).shares(price)),
                    "side": "BUY" if is_bid == is_first else "SELL",
                    "hash": name,
                    "best_bid": text(best[0]),
                    "best_ask": text(best[1]),
                }
                for is_bid, price in touched
            ]
            message = messages.price_change(market, changes, now_ms)
            self._emit(MarketAudience(token_id), message)

    def tick_size(self, old: ExchangeMarket, new: ExchangeMarket, now_ms: int) -> None:
        """Tell the market its new grid."""
        for token in new.tokens:
            message = messages.tick_size_change(token, old, new, now_ms)
            self._emit(MarketAudience(token), message)

    def resolved(self, market: ExchangeMarket, winner: str, now_ms: int) -> None:
        """Tell the market that it has ended."""
        for token in market.tokens:
            message = messages.market_resolved(market, winner, now_ms)
            self._emit(MarketAudience(token), message)

    def _to_user(self, order: Order, message: Message) -> None:
        self._emit(UserAudience(order.owner, order.market.condition_id), message)

    def _emit(self, audience: Audience, message: Message) -> None:
        for callback in self._subscribers:
            callback(audience, message)


def _best(book: MarketBook, *, is_first: bool) -> tuple[int, int]:
    """Best bid and ask of a token; 0 and 1 stand for an empty side."""
    bid, ask = book.bids.best(), book.asks.best()
    low = 0 if bid is None else bid
    high = UNIT if ask is None else ask
    return (low, high) if is_first else (UNIT - high, UNIT - low)
