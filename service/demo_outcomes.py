"""A table of finished bets, as one bot wrote it: its sums and its refusals.

Nothing of it becomes an event: it names neither orders nor trades.
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from executors.market_data.files import cells_of, read_lines, row_of
from ledger.errors import RecordingError
from ledger.values import ZERO, decimal_from

_PLACES: Final = Decimal("0.0001")
_MOST_TEXT: Final = 100


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """What the table adds up to.

    `agreeing` of the `closed` bets have the profit that stake / entry x exit -
    stake gives, to 4 decimals; `profit` is the sum the table claims.
    `refusals` counts error texts.
    """

    closed: int
    agreeing: int
    profit: Decimal
    refusals: dict[str, int]


def read_outcomes(path: Path) -> Outcomes:
    """Add up one table.

    Raises:
        RecordingError: it cannot be read; path and line are named.
    """
    lines = read_lines(path)
    header = next(lines, None)
    if header is None:
        msg = f"{path}:1: the table is empty"
        raise RecordingError(msg)
    columns = cells_of(header)
    refusals: Counter[str] = Counter()
    closed = agreeing = 0
    profit = ZERO
    for line in lines:
        try:
            row = row_of(line, columns)
            if row["status"] == "CLOSED":
                told = decimal_from(row["pnl_neto_eur"])
                closed, profit = closed + 1, profit + told
                agreeing += told == _profit(row)
            else:
                refusals[row["notas"][:_MOST_TEXT]] += 1
        except (KeyError, ValueError) as error:
            msg = f"{path}:{line.number}: not a finished bet: {error}"
            raise RecordingError(msg) from None
    return Outcomes(
        closed=closed, agreeing=agreeing, profit=profit, refusals=dict(refusals)
    )


def _profit(row: dict[str, str]) -> Decimal:
    stake, entry = decimal_from(row["stake_eur"]), decimal_from(row["entry_price"])
    if entry <= ZERO:
        msg = "entry_price: must be above 0"
        raise ValueError(msg)
    return (stake / entry * decimal_from(row["exit_price"]) - stake).quantize(_PLACES)
