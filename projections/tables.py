"""The read models in one SQLite database: create, write a batch, query, dump."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from ledger.errors import InvalidInputError
from ledger.state import LedgerState
from ledger.values import text_of
from projections.base import Cell, Row, Table, View
from projections.catalogue import MODELS, TABLES, VERSION, VIEWS
from projections.touched import Touched

Filter: TypeAlias = str | int | bool | Decimal | Collection[str] | None
Record: TypeAlias = dict[str, Any]
"""One row by column name: `str`, `int`, `bool` or `None`."""

_PROGRESS: Final = "progress"
_TOGETHER: Final = 30
"""Rows in one statement: of the widest table, fewer than 1,000 cells, which every
build of SQLite accepts."""


class Progress(NamedTuple):
    """How far the log was read, and the fold's state to go on from.

    `mark` names the last event taken in; the state may be older than the rows,
    never newer.
    """

    version: str
    ledger_id: str
    account: str
    position: int
    mark: str
    state_position: int
    state: bytes


class Tables:
    """All read models behind one connection; not for two threads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        from sqlite_utils import Database  # it may pull heavy packages in

        self.connection = connection
        self._db = Database(connection, recursive_triggers=False, execute_plugins=False)
        self._selects = {table.name: _select_row(table) for table in TABLES}

    def create(self) -> None:
        """Make every table and view in an empty database, in one transaction."""
        with self._db.atomic():
            for table in TABLES:
                self._db.table(table.name).create(
                    {name: _stored(kind) for name, kind in table.columns.items()},
                    pk=table.key[0] if len(table.key) == 1 else table.key,
                    strict=True,
                )
            for view in VIEWS:
                self._db.create_view(view.name, view.select)
            self._db.table(_PROGRESS).create(
                {"id": int, **Progress.__annotations__}, pk="id", strict=True
            )

    def create_indexes(self) -> None:
        """Add what speeds up reading; cheaper once the rows are there."""
        for table in TABLES:
            if table.index is not None:
                column, condition = table.index
                self.connection.execute(
                    f"CREATE INDEX {table.name}_{column}_index "
                    f"ON {table.name} ({column}) WHERE {condition}"
                )

    def atomic(self) -> AbstractContextManager[Any]:
        """One transaction: everything inside or nothing."""
        return self._db.atomic()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """As `atomic`, with the write lock from the first read on."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            self.connection.rollback()
            raise

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    # --- writing -------------------------------------------------------------

    def write(
        self,
        state: LedgerState,
        touched: Touched,
        tables: Sequence[Table] = TABLES,
    ) -> None:
        """Write the row of everything a batch touched; inside a transaction."""
        # All rows are made before any is written: some look at the kept ones.
        rows = [(table, list(table.rows(state, touched, self))) for table in tables]
        for table, found in rows:
            self._insert(table, found)

    def _insert(self, table: Table, rows: list[Row]) -> None:
        # Many rows in one statement: it gives the interpreter lock away once, and
        # a row costs a sixth less.
        several, one = _INSERTS[table.name]
        whole = len(rows) - len(rows) % _TOGETHER
        groups = (rows[at : at + _TOGETHER] for at in range(0, whole, _TOGETHER))
        cells = (tuple(chain.from_iterable(group)) for group in groups)
        self.connection.executemany(several, cells)
        self.connection.executemany(one, rows[whole:])

    def row(self, table: str, key: Row) -> Row | None:
        """One row by its key, as it is stored."""
        found: Row | None = self.connection.execute(
            self._selects[table], key
        ).fetchone()
        return found

    def progress(self) -> Progress | None:
        """How far these tables are; `None` if nothing was ever written."""
        row = self.connection.execute(
            f"SELECT {', '.join(Progress._fields)} FROM {_PROGRESS}"  # noqa: S608 -- own names
        ).fetchone()
        return None if row is None else Progress(*row)

    @property
    def position(self) -> int:
        """The last position that the rows hold."""
        # Not with the state, which is large and not needed for this.
        row = self.connection.execute(f"SELECT position FROM {_PROGRESS}").fetchone()  # noqa: S608 -- own name
        return 0 if row is None else int(row[0])

    def save_progress(self, progress: Progress) -> None:
        """Remember how far these tables are; inside the rows' transaction."""
        self.connection.execute(
            f"INSERT OR REPLACE INTO {_PROGRESS} VALUES (1, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 -- own names
            progress,
        )

    def move_progress(self, position: int, mark: str) -> None:
        """Remember how far the rows are, and leave the older state in place."""
        self.connection.execute(
            f"UPDATE {_PROGRESS} SET position = ?, mark = ?",  # noqa: S608 -- own names
            (position, mark),
        )

    # --- reading -------------------------------------------------------------

    def query(  # noqa: PLR0913 -- what a caller may leave out
        self,
        name: str,
        where: Mapping[str, Filter] | None = None,
        *,
        since: Mapping[str, int] | None = None,
        after: Sequence[Cell] | Cell = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Record]:
        """Rows of one read model in the order of its key.

        Args:
            name: The read model.
            where: Values that columns must have; a collection means any of them.
            since: Least values of columns, such as microseconds.
            after: The key of the last row seen, to go on behind it.
            limit: The most rows to return.
            newest_first: Reverse the order; keys of orders grow with time.

        Raises:
            InvalidInputError: no such read model or column, or a bad limit.
        """
        model = model_of(name)
        conditions, values = _conditions(model, where or {}, since or {})
        if after is not None:
            key = (after,) if isinstance(after, str | int) else tuple(after)
            if len(key) != len(model.key):
                field = "after"
                raise InvalidInputError(field, f"must be {', '.join(model.key)}")
            sign = "<" if newest_first else ">"
            marks = ", ".join("?" * len(key))
            conditions.append(f"({', '.join(model.key)}) {sign} ({marks})")
            values.extend(key)
        if limit is not None and limit < 0:
            field = "limit"
            raise InvalidInputError(field, "must not be negative")
        statement = (
            f"SELECT {', '.join(model.columns)} FROM {model.name}"  # noqa: S608 -- names from the catalogue
            f" WHERE {' AND '.join(conditions) or '1'}"
            f" ORDER BY {', '.join(_sorting(model, newest_first=newest_first))}"
            " LIMIT ?"
        )
        values.append(-1 if limit is None else limit)
        return [
            _record(model, row) for row in self.connection.execute(statement, values)
        ]

    def rows_of(self, table: Table) -> Iterator[Row]:
        """Every stored row of one table, in the order of its key."""
        return self.connection.execute(
            f"SELECT {', '.join(table.columns)} FROM {table.name} "  # noqa: S608 -- names from the catalogue
            f"ORDER BY {', '.join(table.key)}"
        )

    def lines(self) -> Iterator[bytes]:
        """Every stored row as canonical text, one line each, in a fixed order."""
        encode = msgspec.json.encode
        for table in TABLES:
            yield encode([table.name, *table.columns]) + b"\n"
            for row in self.rows_of(table):
                yield encode(row) + b"\n"

    def dump(self) -> bytes:
        """All lines: equal logs give equal bytes."""
        return b"".join(self.lines())


def model_of(name: str) -> Table | View:
    """A read model by name.

    Raises:
        InvalidInputError: there is none of that name.
    """
    model = MODELS.get(name)
    if model is None:
        field = "read_model"
        raise InvalidInputError(field, f"{name!r} is none of {', '.join(MODELS)}")
    return model


def is_current(progress: Progress | None, *, ledger_id: str, account: str) -> bool:
    """Whether tables were made by this version, for this ledger and account."""
    return progress is not None and progress[:3] == (VERSION, ledger_id, account)


def _stored(kind: type[str] | type[int] | type[bool]) -> type[str] | type[int]:
    return str if kind is str else int


def _insert(table: Table, rows: int) -> str:
    marks = ("nullif(?, '')" if name in table.absent else "?" for name in table.columns)
    row = f"({', '.join(marks)})"
    return f"INSERT OR REPLACE INTO {table.name} VALUES {', '.join([row] * rows)}"  # noqa: S608 -- names from the catalogue


def _select_row(table: Table) -> str:
    match = " AND ".join(f"{name} = ?" for name in table.key)
    return f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {match}"  # noqa: S608 -- names from the catalogue


_INSERTS: Final = {
    table.name: (_insert(table, _TOGETHER), _insert(table, 1)) for table in TABLES
}


def _conditions(
    model: Table | View, where: Mapping[str, Filter], since: Mapping[str, int]
) -> tuple[list[str], list[Cell]]:
    conditions: list[str] = []
    values: list[Cell] = []
    for column, wanted in where.items():
        _check_column(model, column)
        if wanted is None:
            conditions.append(f"{column} IS NULL")
        elif isinstance(wanted, Decimal):
            conditions.append(f"{column} = ?")
            values.append(text_of(wanted))
        elif isinstance(wanted, str | int):
            conditions.append(f"{column} = ?")
            values.append(wanted)
        else:
            conditions.append(f"{column} IN ({', '.join('?' * len(wanted))})")
            values.extend(wanted)
    for column, least in since.items():
        _check_column(model, column)
        conditions.append(f"{column} >= ?")
        values.append(least)
    return conditions, values


def _check_column(model: Table | View, column: str) -> None:
    if column not in model.columns:
        raise InvalidInputError(column, f"is no column of {model.name}")


def _sorting(model: Table | View, *, newest_first: bool) -> Iterator[str]:
    for column in model.key:
        yield f"{column} DESC" if newest_first else column


def _record(model: Table | View, row: Row) -> Record:
    return {
        name: bool(cell) if kind is bool and cell is not None else cell
        for (name, kind), cell in zip(model.columns.items(), row, strict=True)
    }
