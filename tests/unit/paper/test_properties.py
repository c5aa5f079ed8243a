"""Whatever happens, nothing is created, sold twice or filled out of air."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.intent import UserFill
from ledger.values import Outcome, Role, Settlement, Side, TimeInForce
from ledger.venue import VenueFact
from tests.unit.paper.kit import MARKET, Desk, d

# The simplest draws are the likeliest ones, so they are orders that match.
PRICES = st.integers(0, 14).map(lambda cents: f"0.{57 - cents}")
SIZES = st.integers(500, 6_000).map(lambda n: str(Decimal(n) / 100))
SHOWN = st.integers(1, 50_000_000).map(lambda n: str(Decimal(n) / 1_000_000))
SIDES, OUTCOMES = st.sampled_from(Side), st.sampled_from(Outcome)

BOOKS = st.tuples(
    st.just("show"),
    st.lists(st.tuples(st.integers(1, 8), SHOWN), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(1, 8), SHOWN), min_size=1, max_size=4),
    st.integers(47, 53),
)
ORDERS = st.tuples(
    st.just("place"),
    SIDES,
    PRICES,
    SIZES,
    st.sampled_from((TimeInForce.GTC, TimeInForce.FAK, TimeInForce.FOK)),
    OUTCOMES,
)
TRADES = st.tuples(st.just("trade"), SIDES, PRICES, SHOWN, OUTCOMES)
STEPS = st.one_of(
    ORDERS,
    BOOKS,
    ORDERS,
    TRADES,
    ORDERS,
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.integers(1, 6_000)),
    st.tuples(st.just("split"), st.integers(1, 100)),
    st.tuples(st.just("merge"), st.integers(1, 100)),
)
CONFIG: dict[str, Any] = {
    "initial_cash": d("300"),
    "failure_rate": d("0.3"),
    "retry_rate": d("0.3"),
    "settlement_jitter_ms": 500,
}


def run(seed: int, steps: list[tuple[object, ...]]) -> tuple[Desk, list[VenueFact]]:
    """Do all the steps, then let everything settle; check what always holds."""
    desk = Desk(seed=seed, **CONFIG)
    desk.venue.chain.split(MARKET, d("100"))
    desk.show([("0.48", "20"), ("0.47", "40")], [("0.51", "20"), ("0.52", "40")])
    facts: list[VenueFact] = []
    names: list[str] = []
    for step in steps:
        _do(desk, names, step)
        facts += desk.venue.take_facts()
        assert desk.venue.available_cash() >= 0
        for token in (MARKET.yes_token, MARKET.no_token):
            assert desk.venue.available_shares(token) >= 0
    for name in names:
        desk.venue.cancel(desk.now_ms, name)
    desk.wait(60_000)
    return desk, facts + desk.venue.take_facts()


def _do(desk: Desk, names: list[str], step: tuple[object, ...]) -> None:
    match step:
        case ("show", list(bids), list(asks), int(middle)):
            desk.show(
                [
                    (f"0.{middle - offset:02d}", size)
                    for offset, size in dict(bids).items()
                ],
                [
                    (f"0.{middle + offset:02d}", size)
                    for offset, size in dict(asks).items()
                ],
            )
        case (
            "place",
            Side() as side,
            str(price),
            str(size),
            tif,
            Outcome() as outcome,
        ):
            assert isinstance(tif, TimeInForce)
            desk.place(side, price, size, tif, outcome=outcome)
            names.append(desk.last)
        case ("trade", Side() as side, str(price), str(size), Outcome() as outcome):
            desk.trade(side, price, size, asset=MARKET.token(outcome))
        case ("cancel", int(index)) if index < len(names):
            desk.venue.cancel(desk.now_ms, names[index])
        case ("wait", int(milliseconds)):
            desk.wait(milliseconds)
        case ("split", int(size)) if desk.venue.available_cash() >= size:
            desk.venue.chain.split(MARKET, Decimal(size))
        case ("merge", int(size)) if _pairs(desk) >= size:
            desk.venue.chain.merge(MARKET, Decimal(size))


def _pairs(desk: Desk) -> Decimal:
    return min(map(desk.venue.available_shares, (MARKET.yes_token, MARKET.no_token)))


HISTORIES = st.lists(STEPS, min_size=15, max_size=40)
SEEDS = st.integers(1, 1_000)


@settings(max_examples=60)
@given(SEEDS, HISTORIES)
def test_the_account_is_the_sum_of_its_confirmed_trades(
    seed: int, steps: list[tuple[object, ...]]
) -> None:
    """Cash, fees and shares balance to the last digit, void trades left out.

    A pair of shares is worth one pUSD, so splits and merges cancel out of
    cash plus YES shares, and out of YES minus NO.
    """
    desk, _ = run(seed, steps)
    cash, moved = d("300"), defaultdict[Outcome, Decimal](Decimal)
    for fill in desk.venue.trades_since(0):
        assert fill.status.is_final
        if fill.status is Settlement.FAILED:
            continue
        order = desk.venue._clearing.find(fill.order_id)
        assert order is not None
        sign = 1 if order.order.side is Side.BUY else -1
        cash -= sign * fill.size * fill.price + fill.fee
        moved[order.order.outcome] += sign * fill.size
    held = {
        position.outcome: position.size for position in desk.venue.holdings().positions
    }
    now = desk.venue.holdings().cash
    assert now is not None
    yes, no = held.get(Outcome.YES, d("0")), held.get(Outcome.NO, d("0"))
    assert now + yes == cash + moved[Outcome.YES]
    assert yes - no == moved[Outcome.YES] - moved[Outcome.NO]
    # Nothing works any more, so nothing is locked any more.
    assert desk.venue.available_cash() == now
    assert desk.venue.available_shares(MARKET.yes_token) == yes


@settings(max_examples=60)
@given(SEEDS, HISTORIES)
def test_no_order_fills_beyond_its_size_or_limit(
    seed: int, steps: list[tuple[object, ...]]
) -> None:
    """A fill that its order did not allow is somebody else's money."""
    desk, facts = run(seed, steps)
    filled = defaultdict[str, Decimal](Decimal)
    for seen in facts:
        if not isinstance(seen.fact, UserFill):
            continue
        record = desk.venue._clearing.find(seen.venue_order_id)
        assert record is not None
        order, fill = record.order, seen.fact
        filled[seen.venue_order_id] += fill.size
        assert fill.size % d("0.01") == 0
        assert filled[seen.venue_order_id] <= order.size
        is_buy = order.side is Side.BUY
        assert fill.price <= order.price if is_buy else fill.price >= order.price
        assert (fill.price == order.price) or fill.role is Role.TAKER
        assert fill.fee == 0 or fill.role is Role.TAKER


@settings(max_examples=60)
@given(
    BOOKS, st.lists(st.tuples(SIDES, PRICES, SIZES, OUTCOMES), min_size=4, max_size=12)
)
def test_nothing_fills_beyond_what_is_displayed(
    shown: tuple[object, ...], orders: list[tuple[Side, str, str, Outcome]]
) -> None:
    """However many orders ask for it, on either token, depth is there once."""
    desk = Desk(initial_cash=d("100000"))
    desk.venue.chain.split(MARKET, d("50000"))
    _do(desk, [], shown)
    taken = defaultdict[tuple[Side, Decimal], Decimal](Decimal)
    view = desk.venue._views[MARKET.market_id]
    for side, price, size, outcome in orders:
        desk.place(side, price, size, outcome=outcome)
        _do(desk, [], shown)
        record = desk.venue._clearing.find(desk.last)
        if record is None:
            continue  # refused
        for seen in desk.venue.take_facts():
            assert isinstance(seen.fact, UserFill)
            yes_price = record.order.own_price(seen.fact.price)
            key = (record.order.yes_side.opposite, yes_price)
            taken[key] += seen.fact.size
    for (side, at), total in taken.items():
        assert total <= view.displayed(side, at)


@settings(max_examples=30)
@given(SEEDS, HISTORIES)
def test_the_same_calls_give_the_same_facts(
    seed: int, steps: list[tuple[object, ...]]
) -> None:
    """A paper result that cannot be repeated cannot be examined."""
    assert run(seed, steps)[1] == run(seed, steps)[1]
