"""The read models as of any past position, soon enough for a slider.

A fold from the first event takes as long as the log is.
So the first one leaves copies on its way, and every later one starts from the
nearest copy before its position.
"""

import sqlite3
import tempfile
from collections import OrderedDict
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from ledger.state import LedgerState
from ledger.store import LedgerStore
from projections.folding import new_state
from projections.tables import Tables
from projections.touched import Touched, fold

_OPEN: Final = 4
"""Positions whose tables stay open: one page asks for several read models."""

_EVERY: Final = 2_000
_MOST_COPIES: Final = 64
_MOST_BYTES: Final = 1 << 30
"""When there are more of either, every second copy goes, and those to come lie twice
as far apart."""


class _Moment(NamedTuple):
    state: LedgerState
    tables: Tables


class _Copy(NamedTuple):
    state: bytes
    path: Path
    size: int


class Past:
    """Tables as of past positions; for one thread only, the one that made it."""

    def __init__(
        self,
        store: LedgerStore,
        account: str,
        *,
        every: int = _EVERY,
        most_copies: int = _MOST_COPIES,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """Read nothing yet.

        Args:
            store: The log.
            account: The account that the ledger trades.
            every: Events between two copies, at first.
            most_copies: Copies that are kept at once, in a temporary folder.
            most_bytes: What they may take there.
        """
        self._store = store
        self._account = account
        self._every = every
        self._most_copies = most_copies
        self._most_bytes = most_bytes
        self._folder = tempfile.TemporaryDirectory(prefix="order-ledger-past-")
        self._copies: dict[int, _Copy] = {}
        self._open: OrderedDict[int, _Moment] = OrderedDict()

    def close(self) -> None:
        """Forget everything."""
        while self._open:
            self._open.popitem()[1].tables.close()
        self._folder.cleanup()

    def at(self, position: int) -> Tables:
        """The tables as of a position that the log has reached.

        Raises:
            IntegrityError: the log cannot be read.
        """
        moment = self._open.get(position)
        if moment is None:
            moment = self._start(position)
            self._advance(moment, position)
            self._open[position] = moment
            while len(self._open) > _OPEN:
                self._open.popitem(last=False)[1].tables.close()
        self._open.move_to_end(position)
        return moment.tables

    def _start(self, position: int) -> _Moment:
        """Tables to go on from: a copy of the nearest that is not later."""
        tables = Tables(sqlite3.connect("", isolation_level=None))
        state = new_state(self._store, self._account)
        base = max((p for p in self._copies if p <= position), default=0)
        near = max((p for p in self._open if p <= position), default=0)
        if near > base:
            source = self._open[near]
            source.tables.connection.backup(tables.connection)
            state.restore(source.state.dump())
        elif base:
            copy = self._copies[base]
            kept = sqlite3.connect(copy.path)
            try:
                kept.backup(tables.connection)
            finally:
                kept.close()
            state.restore(copy.state)
        else:
            tables.create()
        return _Moment(state, tables)

    def _advance(self, moment: _Moment, position: int) -> None:
        state, tables = moment
        while state.position < position:
            stop = min(position, (state.position // self._every + 1) * self._every)
            events = self._store.read(after=state.position, upto=stop)
            touched = Touched()
            with tables.atomic():
                if not fold(state, islice(events, stop), touched):
                    return
                tables.write(state, touched)
            if stop % self._every == 0 and stop not in self._copies:
                self._keep(moment)

    def _keep(self, moment: _Moment) -> None:
        position = moment.state.position
        path = Path(self._folder.name) / f"{position}.db"
        copy = sqlite3.connect(path)
        try:
            copy.execute("PRAGMA synchronous=OFF")
            copy.execute("PRAGMA journal_mode=OFF")
            moment.tables.connection.backup(copy)
        finally:
            copy.close()
        size = path.stat().st_size
        self._copies[position] = _Copy(moment.state.dump(), path, size)
        while self._is_too_much():
            self._every *= 2
            for known in [p for p in self._copies if p % self._every]:
                self._copies.pop(known).path.unlink(missing_ok=True)

    def _is_too_much(self) -> bool:
        count, size = len(self._copies), sum(c.size for c in self._copies.values())
        return count > 1 and (count > self._most_copies or size > self._most_bytes)
