"""The queue: when and how much a resting order of ours fills.

Pure functions over the open orders of one market; prices are those of YES.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from executors.paper.records import PaperRecord
from executors.rules import signed_size
from ledger.book import Level
from ledger.values import ZERO, Side

SAME_EVENT_MS: Final = 1_000
"""A level that shrinks and a print this close together tell of one trade."""


def by_priority(records: Iterable[PaperRecord]) -> list[PaperRecord]:
    """Open orders of one side, best price first, then in the order given."""

    def rank(record: PaperRecord) -> Decimal:
        price = record.order.yes_price
        return -price if record.order.yes_side is Side.BUY else price

    return sorted(records, key=rank)


def see_level(record: PaperRecord, displayed: Decimal, now_ms: int) -> None:
    """Learn from the size that the market shows at the order's price.

    Nobody says who left when a level shrinks.
    We assume the ones behind us, until what is shown is less than what we
    thought stood ahead.
    """
    if record.ahead is None or record.ahead <= displayed:
        return
    if now_ms - record.drop_ms > SAME_EVENT_MS:
        record.seen_drop = ZERO
    record.seen_drop += record.ahead - displayed
    record.drop_ms = now_ms
    record.ahead = displayed


def filled_by_print(
    records: list[PaperRecord], printed: Level, now_ms: int
) -> list[tuple[PaperRecord, Decimal]]:
    """Share a printed trade out among our orders on the side it hit.

    An order at a better price than the print fills first: the market traded
    through it.
    At the printed price the shares ahead go first, then the order, and all of
    them together get no more than was printed.

    Args:
        records: Open orders of one side, by priority.
        printed: The printed price and shares.
        now_ms: Unix milliseconds.

    Returns:
        Orders that fill and how many shares, above 0; their positions in the
        queue have moved.
    """
    price, budget = printed
    passed = ZERO  # other people's shares at this price that the print took
    fills: list[tuple[PaperRecord, Decimal]] = []
    at_price: list[tuple[PaperRecord, Decimal]] = []
    for record in records:
        if _is_worse(record, price):
            continue
        if record.order.yes_price == price:
            if record.ahead is None:
                continue
            before = record.ahead + _seen_drop(record, now_ms)
            at_price.append((record, before))
            step = min(max(before - passed, ZERO), budget)
            passed += step
            budget -= step
        part = min(record.remaining, signed_size(budget))
        if part > ZERO:
            budget -= part
            fills.append((record, part))
    for record, before in at_price:
        assert record.ahead is not None
        record.ahead = min(record.ahead, max(before - passed, ZERO))
        record.seen_drop = max(record.seen_drop - passed, ZERO)
    return fills


def _is_worse(record: PaperRecord, price: Decimal) -> bool:
    limit = record.order.yes_price
    return limit < price if record.order.yes_side is Side.BUY else limit > price


def _seen_drop(record: PaperRecord, now_ms: int) -> Decimal:
    """Shares ahead that the book took away just before the print told of them."""
    return record.seen_drop if now_ms - record.drop_ms <= SAME_EVENT_MS else ZERO
