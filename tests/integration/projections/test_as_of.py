"""Reading the past: by position, by time, from a checkpoint."""

from datetime import datetime, timedelta

import pytest

from ledger.errors import InvalidInputError
from ledger.state import LedgerState
from ledger.store import LedgerStore
from ledger.values import Settlement
from projections import position_of, rows_as_of, state_as_of
from tests.integration.projections.histories import ACCOUNT, START, History


@pytest.fixture
def full(store: LedgerStore, history: History) -> LedgerStore:
    """An order that is requested, filled and confirmed, seconds apart."""
    number = history.order()
    trade = history.fill(number)
    history.settle(number, trade, Settlement.CONFIRMED)
    history.write(store)
    return store


def status_as_of(store: LedgerStore, at: int | datetime) -> list[str]:
    rows = rows_as_of(store, "orders", at, account=ACCOUNT)
    return [row["status"] for row in rows]


def test_each_position_shows_its_own_past(full: LedgerStore) -> None:
    """What did we believe then: the question an audit asks."""
    assert [status_as_of(full, at) for at in range(full.head + 1)] == [
        [],
        ["PENDING"],
        ["PENDING"],
        ["MATCHED"],
        ["CONFIRMED"],
    ]


def test_a_time_means_all_that_was_recorded_by_then(full: LedgerStore) -> None:
    """Up to and including the moment; before the first event there is nothing."""
    times = [recorded.event.at for recorded in full.read()]
    assert status_as_of(full, times[0] - timedelta(microseconds=1)) == []
    assert status_as_of(full, times[2] - timedelta(microseconds=1)) == ["PENDING"]
    assert status_as_of(full, times[2]) == ["MATCHED"]
    assert status_as_of(full, times[-1] + timedelta(days=1)) == ["CONFIRMED"]


def test_filters_apply_to_the_past_as_to_the_present(full: LedgerStore) -> None:
    """One way of asking, whenever."""
    rows = rows_as_of(full, "orders", 3, account=ACCOUNT, where={"strategy": "beta"})
    assert rows == []


@pytest.mark.parametrize("at", [-1, 5, 10**9, START.replace(tzinfo=None)])
def test_what_is_no_past_is_refused(full: LedgerStore, at: int | datetime) -> None:
    """The future must not look like the present."""
    with pytest.raises(InvalidInputError, match="as_of"):
        position_of(full, at)


def test_an_unknown_name_is_refused_before_the_log_is_read(full: LedgerStore) -> None:
    """A typing error must not cost a fold of the whole log."""
    with pytest.raises(InvalidInputError, match="read_model"):
        rows_as_of(full, "nothing", -1, account=ACCOUNT)


class TestCheckpoint:
    @pytest.mark.parametrize("kept_at", [1, 3, 4])
    def test_a_checkpoint_changes_nothing(
        self, full: LedgerStore, kept_at: int
    ) -> None:
        """It may shorten the way to a state, never lead to another one."""
        plain = [state_as_of(full, at, account=ACCOUNT).dump() for at in range(5)]
        state = state_as_of(full, kept_at, account=ACCOUNT)
        full.save_checkpoint(kept_at, state.dump())
        again = [state_as_of(full, at, account=ACCOUNT).dump() for at in range(5)]
        assert again == plain

    def test_a_checkpoint_is_used(
        self, full: LedgerStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise the present of a long log would cost its whole past."""
        full.save_checkpoint(3, state_as_of(full, 3, account=ACCOUNT).dump())
        read_from: list[int] = []
        plain = full.read

        def read(after: int = 0, *, upto: int | None = None) -> object:
            read_from.append(after)
            return plain(after, upto=upto)

        monkeypatch.setattr(full, "read", read)
        state_as_of(full, 4, account=ACCOUNT)
        assert read_from == [3]

    def test_a_checkpoint_of_another_account_is_passed_over(
        self, full: LedgerStore
    ) -> None:
        """The state would speak of somebody else's cash."""

        def load(*_: object) -> None:
            raise AssertionError

        other = LedgerState("other", load)  # type: ignore[arg-type]
        for recorded in full.read():
            other.apply(recorded.stream, recorded.version, recorded.event)
        full.save_checkpoint(4, other.dump())
        assert state_as_of(full, 4, account=ACCOUNT).account == ACCOUNT
