"""The domain check finds what the hash chain cannot: events that make no sense."""

import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ledger import events as ev
from ledger.order import replay
from ledger.recorded import NewEvent
from ledger.store import AppendRequest, LedgerStore
from ledger.values import Outcome, Role, Side
from projections import ReadModels, check_domain
from projections.verify import broken_rules
from tests.integration.projections.histories import START, History, opened


def matched(size: str = "100", trade: str = "t1") -> ev.FillMatched:
    return ev.FillMatched(
        at=START,
        trade_id=trade,
        strategy="alpha",
        market_id="0xm1",
        outcome=Outcome.YES,
        side=Side.BUY,
        size=Decimal(size),
        price=Decimal("0.4"),
        fee=Decimal(0),
        role=Role.TAKER,
    )


def problems(store: LedgerStore, history: History) -> list[str]:
    history.write(store)
    return [str(problem) for problem in check_domain(store)]


def test_a_sound_log_has_no_problems(store: LedgerStore, history: History) -> None:
    """Silence means that everything was looked at."""
    number = history.order()
    history.fill(number, "50")
    history.fill(number, "60")  # the venue may overfill
    assert problems(store, history) == []


def test_a_gap_in_a_stream_is_found(store: LedgerStore, history: History) -> None:
    """A missing version is a missing event."""
    history.order()
    stream = f"order-{history.orders[0].order_id}"
    lost = NewEvent(stream, 4, ev.OrderPlaced(at=START))
    history.requests.append(AppendRequest([lost]))
    [problem] = problems(store, history)
    assert problem.startswith("position 3: order-")
    assert "version 4 follows 2" in problem


def test_a_stream_without_a_request_is_found(
    store: LedgerStore, history: History
) -> None:
    """An order that nobody asked for."""
    history.record("order-x", ev.OrderPlaced(at=START))
    [problem] = problems(store, history)
    assert "order.placed.v1 at version 1" in problem


def test_a_second_request_is_found(store: LedgerStore, history: History) -> None:
    """An order is asked for once."""
    history.order()
    order_id = history.orders[0].order_id
    history.order()
    requested = history.requests[1].events[0].event
    history.requests.pop()
    history.record(f"order-{order_id}", requested)
    found = problems(store, history)
    assert "order.requested.v1 at version 3" in found[0]


def test_an_event_in_a_foreign_stream_is_found(
    store: LedgerStore, history: History
) -> None:
    """It would be folded into the wrong thing, or into nothing."""
    history.system(matched())
    [problem] = problems(store, history)
    assert "does not belong into this stream" in problem


def test_a_trade_matched_twice_and_differently_is_found(
    store: LedgerStore, history: History
) -> None:
    """One trade has one size."""
    number = history.order()
    history.add(number, matched("40"), matched("41"))
    [problem] = problems(store, history)
    assert "trade t1 was matched twice, and differently" in problem


def test_a_venue_id_of_two_orders_is_found(
    store: LedgerStore, history: History
) -> None:
    """Every fill of the one would be booked on the other."""
    first, second = history.order(), history.order()
    venue_id = history.orders[first].venue_order_id
    again = ev.OrderPrepared(
        at=START,
        venue_order_id=venue_id,
        size=Decimal(1),
        maker_amount=1,
        taker_amount=1,
        signed_order="",
    )
    history.add(second, again)
    [problem] = problems(store, history)
    assert f"venue order id {venue_id} belongs to" in problem


def test_a_stream_that_does_not_replay_is_found(
    store: LedgerStore, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks is a finding, and not the end of the check."""

    def broken(*_: object) -> None:
        raise KeyError

    history.order()
    monkeypatch.setattr("ledger.state.LedgerState.apply", broken)
    [problem] = problems(store, history)
    assert "does not replay: KeyError" in problem


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"settled": Decimal(50)}, "settled is not the sum of confirmed fills"),
        ({"settled": Decimal(150)}, "settled lies outside 0 to filled"),
        ({"filled": Decimal(101)}, "more is filled than was matched"),
        ({"filled": Decimal(99)}, "filled is not the sum of live fills"),
        ({"matched": Decimal(200)}, "matched is not the sum of trades"),
        ({"cost": Decimal(1)}, "cost is not the sum over live fills"),
        ({"size": Decimal(0)}, "the size is not above 0"),
    ],
)
def test_an_impossible_state_is_named(
    history: History, changes: dict[str, Decimal], rule: str
) -> None:
    """Each sum must be the sum of what it stands for."""
    order = history.orders[history.order()]
    events = [e.event for e in history.requests[0].events]
    order = replay(order.order_id, [*events, matched()])  # type: ignore[assignment]
    assert broken_rules(order) == []
    assert rule in broken_rules(replace(order, **changes))


def test_progress_is_told(
    store: LedgerStore, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check of a long log takes a while."""
    monkeypatch.setattr("projections.verify._REPORT_EVERY", 2)
    history.fill(history.order(), "10")
    history.write(store)
    told: list[tuple[int, int]] = []
    check_domain(store, progress=lambda *at: told.append(at))
    assert told == [(2, 3)]


class TestReadModels:
    @pytest.fixture
    def kept(
        self, store: LedgerStore, history: History, models: ReadModels
    ) -> ReadModels:
        """Two orders, one filled; up to date."""
        history.fill(history.order())
        history.order()
        history.write(store)
        models.catch_up(store)
        return models

    def test_rows_that_are_behind_are_judged_at_their_position(
        self, store: LedgerStore, history: History, kept: ReadModels
    ) -> None:
        """Being late is not being wrong."""
        later = History()
        later.system(ev.LedgerHalted(at=START, reason="r"))
        later.write(store)
        assert check_domain(store, models=kept) == []

    @pytest.mark.parametrize(
        ("change", "table"),
        [
            ("UPDATE orders SET filled = '1'", "orders"),
            ("DELETE FROM trades", "trades"),
            ("UPDATE account SET cash = '0.1'", "account"),
            ("INSERT INTO pnl (strategy, market_id) VALUES ('z', 'm')", "pnl"),
        ],
    )
    def test_a_changed_row_is_found(
        self, store: LedgerStore, kept: ReadModels, change: str, table: str
    ) -> None:
        """Somebody repaired a number by hand, and the log knows better."""
        kept.close()
        with closing(sqlite3.connect(kept.path)) as connection, connection:
            connection.execute(change)
        [problem] = check_domain(store, models=kept)
        assert problem.subject == f"read model {table}"

    def test_rows_ahead_of_the_log_are_found(self, kept: ReadModels) -> None:
        """They speak of events that are gone."""
        with opened(kept.path.with_name("shorter.db")) as shorter:
            [problem] = check_domain(shorter, models=kept)
        assert problem.text == "they are at position 5, behind the log's end"

    def test_no_read_models_are_a_problem_to_name(
        self, store: LedgerStore, models: ReadModels
    ) -> None:
        """Asked to compare, it must not be silent because there is nothing."""
        [problem] = check_domain(store, models=models)
        assert "does not exist" in problem.text
