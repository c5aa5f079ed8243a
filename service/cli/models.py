"""Rows of read models: kept ones, brought up to date, or folded from the log.

Reading never takes the writer's lock. Where the read models cannot be written,
and whenever the past is asked for, the answer comes from the log alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import structlog

from ledger.errors import IntegrityError, StoreError
from ledger.recorded import Recorded
from ledger.store import LedgerStore
from projections import (
    Filter,
    ReadModels,
    Record,
    TimelineEntry,
    micros,
    model_of,
    tables_as_of,
    timeline,
)
from service.cli.failures import Exit, Failure
from service.cli.moments import position_of, since_from
from service.cli.options import Slice
from service.places import account_in, ledger_path, read_models_path, unix_us

_log = structlog.get_logger("service.cli")

TIMELINE_COLUMNS: Final = TimelineEntry.__struct_fields__


class Queryable(Protocol):
    """Kept read models and folded ones answer alike."""

    def query(
        self,
        name: str,
        where: Mapping[str, Filter] | None = None,
        *,
        since: Mapping[str, int] | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Record]:
        """Rows of one read model."""
        ...


class Models:
    """The read models of one ledger, at its head or at one position of it."""

    def __init__(self, store: LedgerStore, tables: Queryable, position: int) -> None:
        self.store = store
        self._tables = tables
        self._position = position

    def banner(self) -> str:
        """One line that says as of when the rows are."""
        return f"as of position {self._position} of {self.store.head}"

    def rows(
        self,
        name: str,
        where: Mapping[str, str],
        *,
        since: tuple[str, int] | None = None,
        limit: int | None = None,
    ) -> tuple[Sequence[str], list[Record]]:
        """The columns and rows of one read model.

        Args:
            name: The read model.
            where: Values that columns must have.
            since: A column of Unix microseconds and its least value.
            limit: So many of the last rows, which are the newest where rows are
                named by time.
        """
        found = self._tables.query(
            name,
            where,
            since=dict([since]) if since else None,
            limit=limit,
            newest_first=limit is not None,
        )
        if limit is not None:
            found.reverse()
        return list(model_of(name).columns), found

    def timeline(self, order_id: str, since_us: int | None) -> list[Record]:
        """Every event of one order, up to the position.

        Raises:
            UnknownOrderError: there is no such order by then.
        """
        entries = timeline(self.store, order_id, upto=self._position)
        return [
            msgspec.structs.asdict(entry)
            for entry in entries
            if since_us is None or entry.recorded_us >= since_us
        ]

    def events(self, after: int, since_us: int | None) -> Iterator[Recorded]:
        """Events behind a position, up to ours."""
        events = self.store.read(after=after, upto=self._position)
        if since_us is None:
            return events
        # Times of recording never run backwards.
        return dropwhile(lambda recorded: recorded.recorded_us < since_us, events)


def since_us_of(common: Slice) -> int | None:
    """What `--since` asks for, in Unix microseconds."""
    if common.since is None:
        return None
    return micros(since_from(common.since, datetime.now(UTC)))


def reader(data: Path) -> LedgerStore:
    """Open a ledger for reading.

    Raises:
        Failure: there is none in this folder.
        StoreError: it cannot be read.
    """
    require_ledger(data)
    return LedgerStore.open(ledger_path(data), clock_us=unix_us, writer=False)


def require_ledger(data: Path) -> None:
    """Refuse a folder without a ledger before anything is made in it.

    Raises:
        Failure: there is none in this folder.
    """
    path = ledger_path(data)
    if not path.exists():
        raise Failure(
            Exit.FAILED,
            "no_ledger",
            f"there is no ledger at {path}",
            hint="check --data; `order-ledger demo --data DIR` makes a ledger",
        )


@contextmanager
def opened_log(common: Slice) -> Iterator[Models]:
    """The log alone: for what is read from streams and not from tables."""
    common.settings()
    with reader(common.data) as store:
        position = position_of(store, common.as_of) if common.as_of else store.head
        yield Models(store, _NoTables(), position)


@contextmanager
def opened_models(common: Slice) -> Iterator[Models]:
    """The read models, brought up to date or folded up to `--as-of`."""
    settings = common.settings()
    with ExitStack() as stack:
        store = stack.enter_context(reader(common.data))
        account = account_in(store, settings)
        if common.as_of is None:
            kept = stack.enter_context(
                ReadModels(read_models_path(common.data), account)
            )
            if _is_caught_up(kept, store):
                yield Models(store, kept, kept.position)
                return
            position = store.head
        else:
            position = position_of(store, common.as_of)
        tables = stack.enter_context(tables_as_of(store, position, account=account))
        yield Models(store, tables, position)


def _is_caught_up(kept: ReadModels, store: LedgerStore) -> bool:
    try:
        kept.catch_up(store)
    except IntegrityError:
        raise
    except (StoreError, OSError) as error:
        # A read-only disk, or a writer busy with the same: the log has it all.
        _log.debug("read_models.not_written", reason=str(error))
        return False
    return True


class _NoTables:
    """Stands where no table is asked."""

    def query(self, name: str, *_: Any, **__: Any) -> list[Record]:
        """Never called."""
        raise AssertionError(name)
