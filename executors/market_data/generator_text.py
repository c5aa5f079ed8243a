"""The text of made-up frames, in either of the venue's two shapes."""

from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

import msgspec

from executors.market_data.generator_book import (
    PRICE_UNITS,
    SIZE_UNITS,
    Changed,
    GeneratedBook,
    Print,
)
from ledger.market import Market
from ledger.values import Outcome, Side, text_of

Message = dict[str, Any]

_HASH_BYTES: Final = 20  # as long as the venue's


class FrameWriter:
    """Writes messages; each has a hash of its own."""

    def __init__(self, *, older_shape: bool) -> None:
        self._older = older_shape
        self._count = 0

    def snapshots(self, market: Market, book: GeneratedBook, at_ms: int) -> str:
        """Both books in one array, as the venue answers a subscription."""
        return _text(
            [
                {
                    "event_type": "book",
                    "market": market.market_id,
                    "asset_id": market.token(outcome),
                    "timestamp": str(at_ms),
                    "hash": self._hash(),
                    "bids": _levels(book, outcome, Side.BUY),
                    "asks": _levels(book, outcome, Side.SELL),
                    "tick_size": text_of(book.tick),
                    "last_trade_price": "",
                }
                for outcome in Outcome
            ]
        )

    def changes(
        self,
        market: Market,
        book: GeneratedBook,
        changes: Iterable[Changed],
        at_ms: int,
    ) -> list[str]:
        """Level changes of both tokens; `book` has them already."""
        entries = {
            outcome: [self._entry(market, book, outcome, c) for c in changes]
            for outcome in Outcome
        }
        if not entries[Outcome.YES]:
            return []
        head = {"market": market.market_id, "timestamp": str(at_ms)}
        if self._older:
            return [self._older_change(head, rows) for rows in entries.values()]
        paired = zip(*entries.values(), strict=True)
        both = [entry for pair in paired for entry in pair]
        message = {**head, "event_type": "price_change", "price_changes": both}
        return [_text(message)]

    def _older_change(self, head: Message, rows: list[Message]) -> str:
        names = ("price", "side", "size")
        return _text(
            {
                "event_type": "price_change",
                **head,
                "asset_id": rows[0]["asset_id"],
                "hash": self._hash(),
                "changes": [{name: row[name] for name in names} for row in rows],
            }
        )

    def _entry(
        self, market: Market, book: GeneratedBook, outcome: Outcome, change: Changed
    ) -> Message:
        is_yes = outcome is Outcome.YES
        bid, ask = _top(book, outcome)
        return {
            "asset_id": market.token(outcome),
            "price": _price(change.price if is_yes else PRICE_UNITS - change.price),
            "size": _size(change.size),
            "side": change.side if is_yes else change.side.opposite,
            "hash": self._hash(),
            "best_bid": bid,
            "best_ask": ask,
        }

    def printed(self, market: Market, trade: Print, at_ms: int) -> str:
        """One trade on the token it was made in."""
        return _text(
            {
                "event_type": "last_trade_price",
                "market": market.market_id,
                "asset_id": market.token(trade.outcome),
                "price": _price(trade.price),
                "size": _size(trade.size),
                "side": trade.side,
                "fee_rate_bps": "0",
                "timestamp": str(at_ms),
                "transaction_hash": "0x" + self._hash(),
            }
        )

    def tick_changes(
        self, market: Market, old: Decimal, new: Decimal, at_ms: int
    ) -> list[str]:
        """The grid of both tokens became finer."""
        return [
            _text(
                {
                    "event_type": "tick_size_change",
                    "market": market.market_id,
                    "asset_id": market.token(outcome),
                    "old_tick_size": text_of(old),
                    "new_tick_size": text_of(new),
                    "timestamp": str(at_ms),
                }
            )
            for outcome in Outcome
        ]

    def resolved(self, market: Market, winner: Outcome, at_ms: int) -> str:
        """The market has its answer."""
        labels = {Outcome.YES: market.yes_label, Outcome.NO: market.no_label}
        return _text(
            {
                "event_type": "market_resolved",
                "market": market.market_id,
                "assets_ids": [market.yes_token, market.no_token],
                "outcomes": [market.yes_label, market.no_label],
                "winning_asset_id": market.token(winner),
                "winning_outcome": labels[winner],
                "timestamp": str(at_ms),
            }
        )

    def _hash(self) -> str:
        self._count += 1
        number = str(self._count).encode()
        return blake2b(number, digest_size=_HASH_BYTES).hexdigest()


def _levels(book: GeneratedBook, outcome: Outcome, side: Side) -> list[Message]:
    """One side of a token's book, the best level last."""
    is_yes = outcome is Outcome.YES
    own = side if is_yes else side.opposite
    levels = book.bids if own is Side.BUY else book.asks
    return [
        {
            "price": _price(price if is_yes else PRICE_UNITS - price),
            "size": _size(levels[price]),
        }
        for price in sorted(levels, reverse=own is Side.SELL)
    ]


def _top(book: GeneratedBook, outcome: Outcome) -> tuple[str, str]:
    """Best bid and ask of a token; 0 and 1 stand for an empty side."""
    bid = 0 if book.best_bid is None else book.best_bid
    ask = PRICE_UNITS if book.best_ask is None else book.best_ask
    if outcome is Outcome.NO:
        bid, ask = PRICE_UNITS - ask, PRICE_UNITS - bid
    return _price(bid), _price(ask)


def _price(units: int) -> str:
    if units == PRICE_UNITS:
        return "1"
    digits = f"{units:04d}".rstrip("0")
    return f"0.{digits}" if digits else "0"


def _size(units: int) -> str:
    whole, part = divmod(units, SIZE_UNITS)
    return f"{whole}.{part:02d}".rstrip("0") if part else str(whole)


def _text(message: Message | list[Message]) -> str:
    return msgspec.json.encode(message).decode()
