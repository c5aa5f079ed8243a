"""Brings an account's existing history into the ledger as events.

The whole file is read and checked before anything is recorded, and every row has
a key of its own, so that the same history, or one that overlaps it, adds only
what is new.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from pydantic import TypeAdapter, ValidationError

from ledger import events as ev
from ledger.errors import InvalidInputError
from ledger.intent import StrategyName
from ledger.manager import OrderManager
from ledger.market import taker_fee
from ledger.values import MICRO, ZERO, Side
from service.activity import CASH_TYPES, IMPORTED_TYPES, ActivityRow, read_activity

DEFAULT_STRATEGY: Final = "imported"
"""Whom trades belong to that were not made through this ledger."""

TAKER_RATE: Final = Decimal("0.07")
"""The fee rate of the markets this was measured on; a taker pays, a maker does not."""

_CHUNK: Final = 500  # rows that wait for one commit together
_NOISE: Final = Decimal("0.000005")
_RELATIVE_NOISE: Final = Decimal("0.00000001")

Progress = Callable[[int], None]


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of one file.

    `rows` = `recorded` + `known` (there before) + `empty` (nothing moved) + the
    sum of `skipped` (types that are not imported, by name).
    `by_type` counts all rows; times are those of the oldest and the newest row.
    `unexplained` counts the positions in these markets of which more was sold or
    redeemed than the ledger saw come: the history begins too late.
    """

    rows: int
    recorded: int
    known: int
    empty: int
    skipped: dict[str, int]
    by_type: dict[str, int]
    markets: int
    unexplained: int
    first_at: datetime | None
    last_at: datetime | None


async def import_activity(
    path: str | Path,
    manager: OrderManager,
    *,
    strategy: str = DEFAULT_STRATEGY,
    fee_rate: Decimal = TAKER_RATE,
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Record an account's history, oldest row first.

    Args:
        path: As `service.activity.read_activity`.
        manager: The open ledger.
        strategy: Whom the positions belong to.
        fee_rate: The taker fee rate, to tell a fee from rounding.
        stdin: What "-" stands for; the process's own if absent.
        progress: Is told how many rows are done.

    Raises:
        RecordingError: the file cannot be opened or holds no JSON.
        ActivityError: rows are wrong; nothing was recorded.
        StoreFailedError: the log takes no more; what was recorded stays, and the
            same import may be run again.
    """
    return await import_rows(
        read_activity(path, stdin=stdin),
        manager,
        strategy=strategy,
        fee_rate=fee_rate,
        progress=progress,
    )


async def import_rows(
    rows: Sequence[ActivityRow],
    manager: OrderManager,
    *,
    strategy: str = DEFAULT_STRATEGY,
    fee_rate: Decimal = TAKER_RATE,
    progress: Progress | None = None,
) -> ImportReport:
    """Record rows that were read before, as `import_activity`."""
    skipped = Counter(row.kind for row in rows if row.kind not in IMPORTED_TYPES)
    found = _events(rows, strategy, fee_rate)
    recorded = 0
    for start in range(0, len(found), _CHUNK):
        # Each call moves the state before it waits, so the order stays; together
        # they share a commit.
        answers = await asyncio.gather(
            *(
                manager.account.record(event, key=event.causation)
                for event in found[start : start + _CHUNK]
            )
        )
        recorded += sum(answers)
        if progress is not None:
            progress(start + len(answers))
    markets = {row.market_id for row in rows if row.market_id}
    return ImportReport(
        rows=len(rows),
        recorded=recorded,
        known=len(found) - recorded,
        empty=len(rows) - len(found) - skipped.total(),
        skipped=dict(sorted(skipped.items())),
        by_type=dict(sorted(Counter(row.kind for row in rows).items())),
        markets=len(markets),
        unexplained=_unexplained(manager, strategy, markets),
        first_at=rows[0].at if rows else None,
        last_at=rows[-1].at if rows else None,
    )


def _unexplained(manager: OrderManager, strategy: str, markets: set[str]) -> int:
    lines = manager.journal.state.holdings.items()
    return sum(
        bool(line.position.totals.unexplained)
        for key, line in lines
        if key.strategy == strategy and key.market_id in markets
    )


def _events(
    rows: Sequence[ActivityRow], strategy: str, fee_rate: Decimal
) -> list[ev.AccountEvent]:
    """The events of imported rows; each carries its row's key as its causation."""
    found: list[ev.AccountEvent] = []
    seen: Counter[str] = Counter()
    for row in rows:
        # One transaction covers many rows, and two equal trades may share a
        # second: only a count tells them apart.
        content = row.fingerprint()
        seen[content] += 1
        event = event_of(
            row, strategy, fee_rate, key=f"activity:{content}:{seen[content]}"
        )
        if event is not None:
            found.append(event)
    return found


def event_of(
    row: ActivityRow, strategy: str, fee_rate: Decimal, *, key: str
) -> ev.AccountEvent | None:
    """The event a row stands for; `None` if it moved nothing we count.

    The event's time is the row's: a result belongs to the day it happened on.
    """
    common: dict[str, Any] = {
        "at": row.at,
        "actor": "operator",
        "source": "import",
        "causation": key,
        "correlation_id": row.slug,
    }
    if row.kind in CASH_TYPES and row.usdc:
        return ev.CashMoved(**common, amount=row.usdc, reason=row.kind.lower())
    if not row.size:
        return None
    common |= {
        "strategy": strategy,
        "market_id": row.market_id,
        "size": row.size,
        "tx_hash": row.tx_hash,
    }
    if row.kind == "SPLIT":
        return ev.PositionSplit(**common)
    if row.kind == "MERGE":
        return ev.PositionMerged(**common)
    assert row.outcome is not None
    if row.kind == "REDEEM":
        return ev.PositionRedeemed(**common, outcome=row.outcome, payout=row.usdc)
    assert row.side is not None
    amount, fee = split_fee(row, fee_rate)
    return ev.PositionTraded(
        **common,
        outcome=row.outcome,
        side=row.side,
        price=row.price.quantize(MICRO, rounding=ROUND_HALF_EVEN),
        amount=amount,
        fee=fee,
    )


def split_fee(row: ActivityRow, fee_rate: Decimal) -> tuple[Decimal, Decimal]:
    """Part a trade's money into what the shares cost (or brought) and the fee.

    A maker's money is size times price, up to the rounding of the price; a taker
    pays the fee on top, or has it taken off the proceeds.
    What exceeds the rounding without being the expected fee is a fee all the
    same: the money says so.

    Returns:
        pUSD for the shares, and the fee in pUSD; together the row's money.
    """
    notional = row.size * row.price
    is_buy = row.side is Side.BUY
    gap = row.usdc - notional if is_buy else notional - row.usdc
    noise = max(_NOISE, row.size * _RELATIVE_NOISE)
    expected = taker_fee(row.size, row.price, fee_rate)
    if gap <= noise:
        fee = ZERO
    elif abs(gap - expected) <= noise:
        fee = expected
    else:
        fee = gap.quantize(MICRO, rounding=ROUND_HALF_EVEN)
    return (row.usdc - fee if is_buy else row.usdc + fee), fee


def strategy_name(text: str) -> str:
    """Check a strategy's name as an intent's would be.

    Raises:
        InvalidInputError: it is not one.
    """
    field = "strategy"
    if not text:
        raise InvalidInputError(field, "must not be empty: --strategy")
    try:
        return TypeAdapter(StrategyName).validate_python(text)
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise InvalidInputError(field, reason) from None
