"""What the ledger believes against what the venue said."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ledger import events as ev
from ledger.events import ObservedOrder, ObservedPosition, VenueObserved
from ledger.order import Order
from ledger.reconcile import (
    Believed,
    OrderMismatch,
    PairPosition,
    PositionMismatch,
    compare_orders,
    compare_positions,
)
from ledger.values import Outcome, Side
from tests.unit.core.stories import (
    LIVE,
    START,
    UNKNOWN,
    VENUE_ORDER_ID,
    fill,
    given,
)

D = Decimal
LATER = START + timedelta(seconds=10)
TOKEN = ("0xmarket", Outcome.YES)


def listed(**changes: Any) -> ObservedOrder:
    """The venue's row of the story's order: BUY 100 at 0.40, nothing matched."""
    row = ObservedOrder(
        venue_order_id=VENUE_ORDER_ID,
        market_id="0xmarket",
        token_id="111",
        side=Side.BUY,
        price=D("0.40"),
        size=D("100"),
        size_matched=D("0"),
    )
    return replace(row, **changes)


def orders_said(*rows: ObservedOrder, **changes: Any) -> VenueObserved:
    """A complete list of open orders, ten seconds after the start."""
    said = VenueObserved(at=LATER, as_of=LATER, complete=True, open_orders=rows)
    return replace(said, **changes)


def positions_said(*rows: ObservedPosition, **changes: Any) -> VenueObserved:
    """A complete list of holdings."""
    said = VenueObserved(at=LATER, as_of=LATER, complete=True, positions=rows)
    return replace(said, **changes)


def held(size: str, outcome: Outcome = Outcome.YES) -> ObservedPosition:
    return ObservedPosition(market_id="0xmarket", outcome=outcome, size=D(size))


def working(*facts: object) -> Order:
    return given(LIVE, *facts).order


def differences(
    settled: str, total: str, actual: str, **changes: Any
) -> Sequence[PositionMismatch]:
    believed = {TOKEN: Believed(settled=D(settled), total=D(total))}
    return compare_positions(believed, positions_said(held(actual), **changes))


# Orders


def test_an_order_both_sides_see_alike_is_no_mismatch() -> None:
    """A clean answer is the usual one and must stay quiet."""
    order = working(fill("t1", "30"))
    said = orders_said(listed(size_matched=D("30.000000")))
    assert compare_orders([order], said) == []


def test_a_working_order_the_venue_does_not_list_is_missing() -> None:
    """It may have been cancelled or filled without a word to us."""
    order = working(fill("t1", "30"))
    found = compare_orders([order], orders_said())
    assert found == [
        OrderMismatch(
            kind="missing",
            venue_order_id=VENUE_ORDER_ID,
            order_id="o1",
            ledger="PARTIAL_FILL",
        )
    ]
    assert (found[0].missing, found[0].unexpected) == (True, False)
    assert found[0].drift_id == f"order_missing:{VENUE_ORDER_ID}"


def test_an_order_the_ledger_does_not_know_is_unexpected() -> None:
    """Somebody else trades with our key, or a crash lost an order."""
    row = listed(
        venue_order_id="0xelse", side=Side.SELL, size=D("12.50"), price=D("0.70")
    )
    found = compare_orders([], orders_said(row))
    assert found == [
        OrderMismatch(
            kind="unexpected", venue_order_id="0xelse", venue="SELL 12.5 @ 0.7"
        )
    ]
    assert (found[0].missing, found[0].unexpected) == (False, True)
    assert found[0].drift_id == "order_unexpected:0xelse"


def test_every_field_that_differs_is_named() -> None:
    """A lost fill shows as a difference in what is matched."""
    row = listed(size=D("90"), price=D("0.41"), size_matched=D("30"))
    found = compare_orders([working(fill("t1", "20"))], orders_said(row))
    assert [(m.kind, m.field, m.ledger, m.venue) for m in found] == [
        ("diverged", "matched", "20", "30"),
        ("diverged", "price", "0.4", "0.41"),
        ("diverged", "size", "100", "90"),
    ]
    assert {m.drift_id for m in found} == {f"order_diverged:{VENUE_ORDER_ID}"}
    assert {m.order_id for m in found} == {"o1"}
    assert not any(m.missing or m.unexpected for m in found)


def test_a_void_fill_still_counts_as_matched() -> None:
    """The venue does not rest a void fill again, so neither list may differ."""
    order = given(LIVE, fill("t1", "30"), ev.FillVoided(at=START, trade_id="t1")).order
    assert order.filled == 0
    assert compare_orders([order], orders_said(listed(size_matched=D("30")))) == []


def test_a_young_order_need_not_be_listed_yet() -> None:
    """The venue's list lags behind its own answers."""
    grace = orders_said(grace_ms=10_000)
    assert [m.kind for m in compare_orders([working()], grace)] == ["missing"]
    longer = orders_said(grace_ms=10_001)
    assert compare_orders([working()], longer) == []


def test_a_young_order_that_is_listed_is_compared() -> None:
    """Grace is for absence; what the venue does say counts at once."""
    said = orders_said(listed(size_matched=D("5")), grace_ms=60_000)
    assert [m.kind for m in compare_orders([working()], said)] == ["diverged"]


def test_an_incomplete_list_proves_no_absence() -> None:
    """A page that failed to load is not a cancelled order."""
    said = orders_said(complete=False)
    assert compare_orders([working()], said) == []
    said = orders_said(listed(venue_order_id="0xelse"), complete=False)
    assert [m.kind for m in compare_orders([working()], said)] == ["unexpected"]


def test_an_unknown_outcome_is_not_missing() -> None:
    """Whether it exists is asked by its id; a list cannot answer that."""
    assert compare_orders([given(UNKNOWN).order], orders_said()) == []
    assert compare_orders([given(UNKNOWN).order], orders_said(listed())) == []


def test_a_done_order_need_not_be_listed() -> None:
    """It is kept while its trades settle, and works no more."""
    assert compare_orders([working(fill("t1", "100"))], orders_said()) == []


def test_orders_that_were_not_asked_for_are_not_compared() -> None:
    """An answer about positions says nothing about orders."""
    assert compare_orders([working()], positions_said()) == []


def test_mismatches_come_in_one_order() -> None:
    """The log must be the same whatever order the venue lists in."""
    rows = [listed(venue_order_id=f"0x{n}", size=D(n)) for n in (3, 1, 2)]
    found = compare_orders([working()], orders_said(*rows))
    assert [m.venue_order_id for m in found] == ["0x1", "0x2", "0x3", VENUE_ORDER_ID]


def test_a_done_order_that_the_venue_lists_as_live_is_diverged() -> None:
    """It may match again while nothing is kept back for it."""
    order = working(fill("t1", "100"))
    row = listed(size_matched=D("100"))
    found = compare_orders([order], orders_said(row))
    assert [(m.kind, m.field, m.ledger, m.venue) for m in found] == [
        ("diverged", "status", "MATCHED", "live")
    ]
    just_placed = orders_said(row, grace_ms=20_000)
    assert compare_orders([order], just_placed) == []


# Positions


def test_holdings_within_the_tolerance_agree() -> None:
    """Fees taken in shares and rounding leave hundredths."""
    assert differences("100", "100", "100") == []
    assert differences("100", "100", "100.01") == []
    assert differences("100", "100", "99.99") == []
    assert len(differences("100", "100", "100.010001")) == 1
    assert len(differences("100", "100", "99.989999")) == 1
    exact = {"position_tolerance": D("0")}
    assert len(differences("100", "100", "100.000001", **exact)) == 1


def test_the_venue_may_stand_anywhere_between_settled_and_total() -> None:
    """It counts a pending trade at some moment of its own."""
    assert differences("40", "100", "40") == []
    assert differences("40", "100", "70") == []
    assert differences("40", "100", "100.01") == []
    assert len(differences("40", "100", "39.98")) == 1
    assert len(differences("40", "100", "100.02")) == 1


def test_a_difference_is_measured_from_what_can_be_explained() -> None:
    """Its sign tells whether the venue has more or less."""
    (more,) = differences("40", "100", "103")
    (less,) = differences("40", "100", "35")
    assert (more.difference, less.difference) == (D("3"), D("-5"))
    assert more == PositionMismatch(
        market_id="0xmarket",
        outcome=Outcome.YES,
        settled=D("40"),
        total=D("100"),
        actual=D("103"),
    )
    assert more.drift_id == "position:0xmarket:YES"


def test_settled_shares_may_exceed_the_total() -> None:
    """Whichever of the two is smaller is the lower end of what can be explained."""
    assert differences("50", "40", "45") == []
    (more,) = differences("50", "40", "60")
    (less,) = differences("50", "40", "30")
    assert (more.difference, less.difference) == (D("10"), D("-10"))


def test_a_row_that_lacks_counts_as_nothing_in_a_complete_answer_alone() -> None:
    """Absence is proof only where nothing can be missing."""
    believed = {TOKEN: Believed(settled=D("5"), total=D("5"))}
    (gone,) = compare_positions(believed, positions_said())
    assert (gone.actual, gone.difference) == (D("0"), D("-5"))
    assert compare_positions(believed, positions_said(complete=False)) == []


def test_a_holding_the_ledger_does_not_know_is_a_mismatch() -> None:
    """Shares came in that no event explains; also in an incomplete answer."""
    for complete in (True, False):
        said = positions_said(held("7", Outcome.NO), complete=complete)
        (found,) = compare_positions({}, said)
        assert found.outcome is Outcome.NO
        assert (found.total, found.actual) == (D("0"), D("7"))


def test_positions_that_were_not_asked_for_are_not_compared() -> None:
    """An answer about orders says nothing about positions."""
    believed = {TOKEN: Believed(settled=D("5"), total=D("5"))}
    assert compare_positions(believed, orders_said()) == []


def test_position_mismatches_come_in_one_order() -> None:
    """NO before YES, market by market, whatever order the venue lists in."""
    rows = [
        ObservedPosition(market_id=market, outcome=outcome, size=D("1"))
        for market in ("0xb", "0xa")
        for outcome in Outcome
    ]
    found = compare_positions({}, positions_said(*rows))
    assert [(m.market_id, str(m.outcome)) for m in found] == [
        ("0xa", "NO"),
        ("0xa", "YES"),
        ("0xb", "NO"),
        ("0xb", "YES"),
    ]


def test_a_pair_is_as_large_as_its_smaller_leg() -> None:
    """Only complete pairs can be merged into cash."""
    pair = PairPosition(market_id="0xmarket", q_yes=D("30"), q_no=D("12.5"))
    assert pair.pairs == D("12.5")
    assert PairPosition(market_id="0xmarket", q_yes=D("30")).pairs == 0
