"""The order book against a plain dict and exact fractions."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.book import OrderBook
from ledger.values import Side

PRICES = st.integers(1, 99).map(lambda cents: Decimal(cents) / 100)
SIZES = st.integers(0, 10**9).map(lambda micros: Decimal(micros) / 10**6)
AMOUNTS = st.integers(1, 10**10).map(lambda micros: Decimal(micros) / 10**6)
UPDATES = st.lists(st.tuples(st.sampled_from(Side), PRICES, SIZES), max_size=30)
LIMITS = st.none() | PRICES

Model = dict[tuple[Side, Decimal], Decimal]


def kept(updates: list[tuple[Side, Decimal, Decimal]]) -> tuple[OrderBook, Model]:
    """The same updates in a book and in a dict."""
    book, model = OrderBook("111"), Model()
    for side, price, size in updates:
        book.set_level(side, price, size)
        model.pop((side, price), None)
        if size:
            model[side, price] = size
    return book, model


def taken(
    model: Model, side: Side, limit: Decimal | None
) -> list[tuple[Fraction, ...]]:
    """The levels a taker may take, best first, as fractions."""
    sign = 1 if side is Side.BUY else -1
    levels = sorted(
        (sign * price, size) for (of, price), size in model.items() if of is not side
    )
    return [
        (Fraction(abs(price)), Fraction(size))
        for price, size in levels
        if limit is None or price <= sign * limit
    ]


@for_all(UPDATES)
def test_levels_are_those_last_set(
    updates: list[tuple[Side, Decimal, Decimal]],
) -> None:
    """One level too many or too few is a price that does not exist."""
    book, model = kept(updates)
    bids = sorted((p, s) for (side, p), s in model.items() if side is Side.BUY)
    asks = sorted((p, s) for (side, p), s in model.items() if side is Side.SELL)
    assert book.bids() == bids[::-1]
    assert book.asks() == asks
    assert book.best_bid == (bids[-1] if bids else None)
    assert book.best_ask == (asks[0] if asks else None)
    for side, price, _ in updates:
        assert book.size_at(side, price) == model.get((side, price), 0)
    again = OrderBook("111", bids=bids, asks=asks)
    assert (again.bids(), again.asks()) == (book.bids(), book.asks())


@for_all(UPDATES, st.sampled_from(Side), AMOUNTS, LIMITS)
def test_walking_shares_is_exact(
    updates: list[tuple[Side, Decimal, Decimal]],
    side: Side,
    shares: Decimal,
    limit: Decimal | None,
) -> None:
    """Every share is paid at the price of its level, to the last digit."""
    book, model = kept(updates)
    left, paid, worst = Fraction(shares), Fraction(0), None
    for price, size in taken(model, side, limit):
        if left:
            part = min(left, size)
            left, paid, worst = left - part, paid + part * price, price
    walk = book.walk(side, shares=shares, limit=limit)
    assert Fraction(walk.shares) == Fraction(shares) - left
    assert Fraction(walk.usdc) == paid
    assert walk.complete == (left == 0)
    assert (walk.worst is None) == (worst is None)
    assert walk.worst is None or Fraction(walk.worst) == worst


@for_all(UPDATES, st.sampled_from(Side), AMOUNTS, LIMITS)
def test_walking_money_spends_exactly_what_was_asked(
    updates: list[tuple[Side, Decimal, Decimal]],
    side: Side,
    usdc: Decimal,
    limit: Decimal | None,
) -> None:
    """The shares may be an endless fraction; the money never is."""
    book, model = kept(updates)
    left, got, worst = Fraction(usdc), Fraction(0), None
    for price, size in taken(model, side, limit):
        if left:
            part = min(left, size * price)
            left, got, worst = left - part, got + part / price, price
    walk = book.walk(side, usdc=usdc, limit=limit)
    assert Fraction(walk.usdc) == Fraction(usdc) - left
    assert abs(Fraction(walk.shares) - got) < Fraction(1, 10**15)
    assert walk.complete == (left == 0)
    assert walk.worst is None or Fraction(walk.worst) == worst


@for_all(UPDATES, st.sampled_from(Side), AMOUNTS)
def test_the_mirror_costs_the_complement(
    updates: list[tuple[Side, Decimal, Decimal]], side: Side, shares: Decimal
) -> None:
    """Buying YES for p and selling NO for 1 - p are one trade at the venue."""
    book, _ = kept(updates)
    this = book.walk(side, shares=shares)
    other = book.mirrored("222").walk(side.opposite, shares=shares)
    assert other.shares == this.shares
    assert this.usdc + other.usdc == this.shares
