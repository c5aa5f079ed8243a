"""What every read model is made of: tables, views, and rows from a fold.

The fold itself is `ledger.state.LedgerState`; a projection only says how what a
batch of events touched looks as rows.
So there is one definition of an order and of a position, and one write per row
and batch instead of one per event.

Numbers are stored as text, plain and without trailing zeros; times are Unix
microseconds, when the event was recorded unless the name says otherwise.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from ledger.state import LedgerState
from ledger.values import (
    EndReason,
    OrderStatus,
    Outcome,
    Phase,
    Role,
    Settlement,
    Side,
    TimeInForce,
    TradingMode,
    text_of,
)
from projections.touched import Touched

Cell: TypeAlias = str | int | None
Row: TypeAlias = tuple[Cell, ...]
"""The cells of one row, in the order of the table's columns."""

ABSENT: Final = ""
"""Stands for `None` on the way into SQLite, whose driver is slow with `None`."""

Columns: TypeAlias = Mapping[str, type[str] | type[int] | type[bool]]
"""Column names and what a cell holds besides `None`, in order."""

_TEXTS: Final = 65_536
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ENUMS: Final[tuple[type[StrEnum], ...]] = (
    EndReason,
    OrderStatus,
    Outcome,
    Phase,
    Role,
    Settlement,
    Side,
    TimeInForce,
    TradingMode,
)

PLAIN: Final[dict[str, str]] = {
    member: str(member.value) for kind in _ENUMS for member in kind
}
"""The plain text of every label: SQLite's driver is slow with subclasses."""


class Kept(Protocol):
    """The rows as they were before the batch."""

    def row(self, table: str, key: Row) -> Row | None:
        """One row by its key."""
        ...


RowsOf: TypeAlias = Callable[[LedgerState, Touched, Kept], Iterable[Row]]
"""Pure: the new state of every row that a batch touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A read model that is stored, and the function that gives its rows.

    `key` names the columns that identify a row.
    In the columns named in `absent` a row may say `ABSENT` for `None`.
    `index` is a column and a condition: rows that meet it are found without a
    scan.
    """

    name: str
    columns: Columns
    key: tuple[str, ...]
    rows: RowsOf
    absent: frozenset[str] = frozenset()
    index: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A read model that is a selection from others, and stores nothing."""

    name: str
    columns: Columns
    key: tuple[str, ...]
    select: str


class _Texts(dict[Decimal, str]):
    """Numbers and their text; equal numbers are one entry and read alike."""

    def __missing__(self, number: Decimal) -> str:
        if len(self) >= _TEXTS:
            self.clear()
        plain = str(number)
        if "E" in plain or plain.startswith("-0"):
            plain = text_of(number)
        elif "." in plain:
            plain = plain.rstrip("0").rstrip(".")
        self[number] = plain
        return plain


text: Final[Callable[[Decimal], str]] = _Texts().__getitem__
"""Write a number as `text_of` does, in a fraction of the time."""


def micros(at: datetime) -> int:
    """A time in Unix microseconds, exactly."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
