"""Figures of the past: the same however they were come by."""

from decimal import Decimal

import pytest

from ledger.store import LedgerStore
from projections import state_as_of
from service.bench.logs import write_log
from service.bootstrap import ledger_path, unix_us
from service.web.moments import Moments, figures_of
from service.web.series import Series

EVENTS = 3_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LedgerStore:
    """A log of some thousand events."""
    folder = tmp_path_factory.mktemp("moments") / "log"
    write_log(folder, events=EVENTS, checkpoint=False)
    return LedgerStore.open(ledger_path(folder), clock_us=unix_us, writer=False)


def test_a_moment_is_the_fold_up_to_it(store: LedgerStore) -> None:
    """A slider that shows another past than the log is worse than none."""
    series = Series(store, "paper")
    moments = Moments(store, "paper", series)
    positions = [1, 1_700, 1_701, 1_900, 700, 2_700, 0, store.head, 1_250]
    cold = [moments.figures(position) for position in positions]
    series.catch_up()
    warm = [Moments(store, "paper", series).figures(p) for p in positions]
    wanted = [
        figures_of(state_as_of(store, position, account="paper"))
        for position in positions
    ]
    assert cold == wanted
    assert warm == wanted
    assert wanted[-2]["open_count"] == 100


def test_a_long_log_keeps_a_bounded_line(store: LedgerStore) -> None:
    """The page must not grow with the log, and the end of the line must not be lost."""
    series = Series(store, "paper", most=50)
    series.catch_up()
    points = series.upto(store.head)
    assert 25 <= len(points) <= 51
    whole = Series(store, "paper", most=10_000)
    whole.catch_up()
    assert points[-1] == whole.upto(store.head)[-1]
    assert isinstance(points[-1].equity, Decimal)


def test_nobody_reads_on_for_a_service_that_stops(store: LedgerStore) -> None:
    """A stop must not wait for a plot."""
    series = Series(store, "paper", goes_on=lambda: False)
    series.catch_up()
    assert series.position == 0
