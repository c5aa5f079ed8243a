"""The rows are a function of the log: however they came about, they are equal."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import events as ev
from ledger.order import Order
from ledger.state import LedgerState
from ledger.store import LedgerStore
from ledger.values import ZERO
from projections import ReadModels, rows_as_of, state_as_of, tables_as_of
from projections.catalogue import MODELS
from projections.verify import check_domain
from tests.integration.projections.histories import ACCOUNT, History, histories, opened

CUTS = st.lists(st.integers(0, 10**6), max_size=4)


@contextmanager
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


@contextmanager
def shown(store: LedgerStore, path: Path) -> Iterator[ReadModels]:
    """Read models that are up to date."""
    with ReadModels(path / "models.db", ACCOUNT) as models:
        models.catch_up(store)
        yield models


@contextmanager
def ledger(history: History, path: Path) -> Iterator[LedgerStore]:
    with opened(path / "ledger.db") as store:
        history.write(store, together=100)
        yield store


def built(store: LedgerStore, path: Path) -> bytes:
    """The rows of a fresh build."""
    with ReadModels(path / "fresh.db", ACCOUNT) as models:
        models.rebuild(store)
        return models.dump()


def bounds(history: History, cuts: list[int]) -> list[tuple[int, int]]:
    """The history's requests, cut at random places."""
    whole = len(history.requests)
    return list(pairwise(sorted({0, whole, *(cut % whole for cut in cuts)})))


@settings(max_examples=60)
@given(histories, CUTS, st.integers(1, 30), st.booleans())
def test_rows_kept_up_equal_rows_rebuilt(
    history: History, cuts: list[int], batch: int, restarts: bool
) -> None:
    """A dashboard that ran for a month shows what a fresh build would show."""
    with folder() as path, opened(path / "ledger.db") as store:
        models = ReadModels(path / "kept.db", ACCOUNT, state_every=batch)
        for first, last in bounds(history, cuts):
            store.append(history.requests[first:last])
            models.catch_up(store, batch=batch)
            assert models.position == store.head
            if restarts:
                models.close()
                models = ReadModels(path / "kept.db", ACCOUNT, state_every=7)
        kept = models.dump()
        models.close()
        assert kept == built(store, path)


@settings(max_examples=25)
@given(histories, st.integers(1, 30))
def test_batches_do_not_show_in_the_rows(history: History, batch: int) -> None:
    """How many events a transaction held is nobody's business afterwards."""
    with folder() as path, ledger(history, path) as store:
        with ReadModels(path / "small.db", ACCOUNT) as models:
            models.rebuild(store, batch=batch)
            small = models.dump()
        assert small == built(store, path)


@settings(max_examples=40)
@given(histories, st.integers(0, 10**6))
def test_the_past_reads_as_it_read_then(history: History, cut: int) -> None:
    """`--as-of` must show what was known then, not what is known now of then."""
    position = cut % (history.events + 1)
    with folder() as path, opened(path / "then.db") as then:
        while then.head < position:
            then.append([history.requests.pop(0)])
        position = then.head  # a request is recorded as a whole
        with ReadModels(path / "models.db", ACCOUNT) as models:
            models.catch_up(then)
            shown = models.dump()
        state = LedgerState(ACCOUNT, _never)
        for recorded in then.read():
            state.apply(recorded.stream, recorded.version, recorded.event)
        history.write(then)
        with tables_as_of(then, position, account=ACCOUNT) as tables:
            assert tables.dump() == shown
        assert state_as_of(then, position, account=ACCOUNT).dump() == state.dump()


def _never(order_id: str, version: int) -> Order:
    raise AssertionError(order_id, version)


@settings(max_examples=40)
@given(histories)
def test_every_history_passes_the_domain_check(history: History) -> None:
    """A check that cries at legal states would be switched off."""
    with (
        folder() as path,
        ledger(history, path) as store,
        shown(store, path) as models,
    ):
        assert check_domain(store, models=models) == []


@settings(max_examples=20)
@given(histories)
def test_every_read_model_can_be_asked(history: History) -> None:
    """A column that a view forgot would show only when somebody asks for it."""
    with (
        folder() as path,
        ledger(history, path) as store,
        shown(store, path) as models,
    ):
        for name, model in MODELS.items():
            rows = models.query(name)
            assert all(list(row) == list(model.columns) for row in rows)
            assert rows == rows_as_of(store, name, store.head, account=ACCOUNT)


@settings(max_examples=60)
@given(histories, st.integers(1, 30))
def test_the_profit_table_explains_the_cash(history: History, batch: int) -> None:
    """Two independent sums of the same money: not a millionth may be missing."""
    with folder() as path, ledger(history, path) as store:
        with ReadModels(path / "models.db", ACCOUNT) as models:
            models.rebuild(store, batch=batch)
            [account] = models.query("account")
            rows = models.query("pnl")
        moved = [
            recorded.event.amount
            for recorded in store.read()
            if isinstance(recorded.event, ev.CashMoved)
        ]
    sums = {
        name: sum((Decimal(row[name]) for row in rows), ZERO)
        for name in ("paid", "received", "fees")
    }
    explained = sum(moved, ZERO) + sums["received"] - sums["paid"] - sums["fees"]
    assert explained == Decimal(account["cash"])
