"""Orders, trades and books in the venue's own shapes: rows and stream messages.

Amounts are decimal text; times are text of Unix seconds or, in `timestamp`,
milliseconds, except where the venue writes a number.
"""

import hashlib
from typing import Final

from executors.exchange.engine.admission import KILLED
from executors.exchange.engine.book import MarketBook
from executors.exchange.engine.records import CANCELED, Leg, Order, Trade
from executors.exchange.engine.types import ExchangeMarket, Message
from executors.exchange.engine.units import seconds_text, text
from ledger.values import text_of

_ROW_STATUS: Final = {"INVALID", "CANCELED_MARKET_RESOLVED"}


def order_row(order: Order) -> Message:
    """An order as `/data/orders` gives it."""
    status = order.status
    if status.startswith(CANCELED) and status not in _ROW_STATUS:
        status = CANCELED
    return {
        "id": order.order_id,
        "market": order.market.condition_id,
        "asset_id": order.token_id,
        "owner": order.owner,
        "maker_address": order.maker,
        "side": order.side,
        "price": text(order.price),
        "original_size": text(order.shares),
        "size_matched": text(order.matched),
        "outcome": order.market.outcome(order.token_id),
        "order_type": order.order_type,
        "status": status,
        "associate_trades": list(order.trade_ids),
        "created_at": order.created_ms // 1000,
        "expiration": str(order.expiration),
    }


def order_message(order: Order, kind: str, now_ms: int) -> Message:
    """An order on the user channel; `kind` is PLACEMENT, UPDATE or CANCELLATION."""
    return order_row(order) | {
        "associate_trades": list(order.trade_ids) or None,
        "created_at": seconds_text(order.created_ms),
        "event_type": "order",
        "order_owner": order.owner,
        "status": order.status,
        "timestamp": str(now_ms),
        "type": kind,
    }


def killed_message(order: Order, now_ms: int) -> Message:
    """The odd shape of a kill: prose as status, empty fields, a BUY's size in pUSD."""
    size = order.money if order.in_collateral else order.shares
    return order_message(order, "CANCELLATION", now_ms) | {
        "associate_trades": [],
        "created_at": "",
        "original_size": text(size),
        "outcome": "",
        "size_matched": "",
        "status": f"{CANCELED}_{KILLED[order.order_type]}",
    }


def trade_row(trade: Trade, role: str) -> Message:
    """A trade as `/data/trades` gives it; `role` is TAKER or MAKER.

    The top level is the taker's in both roles.
    """
    taker = trade.taker.order
    return {
        "id": trade.trade_id,
        "taker_order_id": taker.order_id,
        "market": taker.market.condition_id,
        "asset_id": taker.token_id,
        "side": taker.side,
        "size": text(trade.taker.shares),
        "fee_rate_bps": "0",
        "price": text(trade.taker.price),
        "status": trade.status.value,
        "match_time": seconds_text(trade.match_ms),
        "last_update": seconds_text(trade.update_ms),
        "outcome": taker.market.outcome(taker.token_id),
        "bucket_index": 0,
        "owner": taker.owner,
        "maker_address": taker.maker,
        "transaction_hash": trade.tx_hash,
        "trader_side": role,
        "maker_orders": [_maker_entry(leg) for leg in trade.makers],
    }


def trade_message(trade: Trade, role: str, now_ms: int) -> Message:
    """A trade on the user channel."""
    return trade_row(trade, role) | {
        "event_type": "trade",
        "timestamp": str(now_ms),
        "trade_owner": trade.taker.order.owner,
        "type": "TRADE",
    }


def _maker_entry(leg: Leg) -> Message:
    order = leg.order
    return {
        "order_id": order.order_id,
        "owner": order.owner,
        "maker_address": order.maker,
        "matched_amount": text(leg.shares),
        "price": text(leg.price),
        "fee_rate_bps": "0",
        "asset_id": order.token_id,
        "outcome": order.market.outcome(order.token_id),
        "side": order.side,
    }


def book_row(book: MarketBook, token_id: str, now_ms: int, version: int) -> Message:
    """A book as `/book` gives it: the best price of either side comes last."""
    market = book.market
    bids, asks = book.levels(token_id)
    return {
        "market": market.condition_id,
        "asset_id": token_id,
        "timestamp": str(now_ms),
        "hash": book_hash(token_id, version),
        "bids": [_level(*level) for level in reversed(bids)],
        "asks": [_level(*level) for level in reversed(asks)],
        "min_order_size": text_of(market.min_size),
        "tick_size": text_of(market.tick_size),
        "neg_risk": market.neg_risk,
        "last_trade_price": text(book.last_price.get(token_id, 0)),
    }


def price_change(
    market: ExchangeMarket, changes: list[Message], now_ms: int
) -> Message:
    """New totals of levels on the market channel."""
    return {
        "market": market.condition_id,
        "price_changes": changes,
        "timestamp": str(now_ms),
        "event_type": "price_change",
    }


def last_trade(trade: Trade) -> Message:
    """A trade on the market channel: the taker's token, side and price."""
    taker = trade.taker
    return {
        "asset_id": taker.order.token_id,
        "event_type": "last_trade_price",
        "fee_rate_bps": "0",
        "market": trade.market.condition_id,
        "price": text(taker.price),
        "side": taker.order.side,
        "size": text(taker.shares),
        "timestamp": str(trade.match_ms),
    }


def tick_size_change(
    token_id: str, old: ExchangeMarket, new: ExchangeMarket, now_ms: int
) -> Message:
    """A finer or coarser grid on the market channel."""
    return {
        "event_type": "tick_size_change",
        "asset_id": token_id,
        "market": new.condition_id,
        "old_tick_size": text_of(old.tick_size),
        "new_tick_size": text_of(new.tick_size),
        "timestamp": str(now_ms),
    }


def market_resolved(market: ExchangeMarket, winner: str, now_ms: int) -> Message:
    """The end of a market on the market channel."""
    return {
        "event_type": "market_resolved",
        "market": market.condition_id,
        "assets_ids": list(market.tokens),
        "outcomes": list(market.outcomes),
        "winning_asset_id": winner,
        "winning_outcome": market.outcome(winner),
        "timestamp": str(now_ms),
    }


def book_hash(token_id: str, version: int) -> str:
    """A name for one state of a book."""
    state = f"{token_id}/{version}".encode()
    return hashlib.sha1(state, usedforsecurity=False).hexdigest()


def _level(price: int, shares: int) -> Message:
    return {"price": text(price), "size": text(shares)}
