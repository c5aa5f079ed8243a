"""Positions: sums done by hand, and fills that turn out never to have been."""

from decimal import Decimal

import pytest

from ledger.position import (
    Kind,
    Movement,
    Position,
    PositionKey,
    Totals,
    merge_leg,
    moved,
    redemption,
    resolution,
    split_leg,
    trade_movement,
    transfer,
)
from ledger.values import Outcome, Side

D = Decimal


def bought(size: str, price: str, fee: str = "0") -> Movement:
    return trade_movement(Side.BUY, D(size), D(price), D(fee))


def sold(size: str, price: str, fee: str = "0") -> Movement:
    return trade_movement(Side.SELL, D(size), D(price), D(fee))


def after(*moves: Movement) -> Totals:
    """The sums after movements that are all final."""
    totals = Totals()
    for move in moves:
        totals = moved(totals, move)
    return totals


def position(*moves: Movement) -> Position:
    """A position after settled trades."""
    made = Position("alpha", "0xmarket", Outcome.YES)
    for number, move in enumerate(moves, 1):
        made.book(f"t{number}", move, is_settled=True)
    return made


def test_purchases_average() -> None:
    """100 at 0.40 and 50 at 0.46 cost 63 in all: 0.42 each."""
    made = position(bought("100", "0.40", "1.68"), bought("50", "0.46", "0.87"))
    assert made.totals == Totals(
        shares=D("150"), cost=D("63"), fees=D("2.55"), bought=D("150")
    )
    assert made.avg_price == D("0.42")


def test_an_average_is_rounded_half_even_at_six_places() -> None:
    """2 pUSD for 3 shares are 0.666667 each; half a millionth goes to the even."""
    assert position(bought("1", "0.70"), bought("2", "0.65")).avg_price == D("0.666667")
    halves = position(bought("1", "0.400001"), bought("1", "0.4"))
    assert str(halves.avg_price) == "0.400000"
    assert position().avg_price is None


def test_a_sale_takes_its_share_of_the_cost_along() -> None:
    """60 of 150 shares that cost 63 take 25.2 along; sold at 0.50 they bring 30."""
    totals = after(bought("100", "0.40"), bought("50", "0.46"), sold("60", "0.50", "1"))
    assert totals == Totals(
        shares=D("90"),
        cost=D("37.8"),
        fees=D("1"),
        realized_pnl=D("4.8"),
        bought=D("150"),
        sold=D("60"),
    )


def test_the_profit_of_a_closed_position_is_exact() -> None:
    """Thirds are rounded on the way, and the last sale takes the rest."""
    totals = after(
        bought("3", "0.333333"),
        bought("4", "0.1"),
        sold("1", "0.5"),
        sold("1", "0.5"),
        sold("1", "0.5"),
        sold("4", "0.2"),
    )
    # Paid 0.999999 + 0.4, received 1.5 + 0.8.
    assert (totals.shares, totals.cost) == (D("0"), D("0"))
    assert totals.realized_pnl == D("0.900001")


def test_the_basis_of_a_sale_is_rounded_half_even() -> None:
    """One of two shares that cost 0.000001 takes nothing, of 0.000003 all but one."""
    assert after(
        Movement(Kind.GAIN, D("2"), D("0.000001")), sold("1", "0.5")
    ).cost == D("0.000001")
    assert after(
        Movement(Kind.GAIN, D("2"), D("0.000003")), sold("1", "0.5")
    ).cost == D("0.000001")


def test_shares_that_were_never_seen_to_come_are_counted_apart() -> None:
    """An account's history may begin in the middle: no share count falls below 0."""
    totals = after(bought("10", "0.40"), sold("25", "0.50", "0.1"))
    assert totals.shares == 0
    assert totals.cost == 0
    assert totals.unexplained == D("15")
    assert totals.sold == D("25")
    # All proceeds count: 12.5 received for what cost 4.
    assert totals.realized_pnl == D("8.5")
    assert after(totals_move := sold("5", "0.2")).unexplained == totals_move.size


def test_a_split_costs_half_a_dollar_a_leg_and_a_merge_brings_it_back() -> None:
    """A split and its merge must leave no profit and count as no trade."""
    assert after(split_leg(D("10"), Outcome.YES)) == Totals(
        shares=D("10"), cost=D("5.0")
    )
    assert after(
        split_leg(D("10"), Outcome.YES), merge_leg(D("4"), Outcome.YES)
    ) == Totals(shares=D("6"), cost=D("3.0"))
    cheap = after(bought("10", "0.45"), merge_leg(D("10"), Outcome.YES))
    assert cheap == Totals(
        cost=D("0"), realized_pnl=D("0.50"), bought=D("10"), fees=D("0")
    )


def test_a_redemption_brings_its_payout() -> None:
    """A market that was never seen to resolve pays all the same."""
    won = after(bought("10", "0.40"), redemption(D("10"), D("10")))
    assert (won.shares, won.cost, won.realized_pnl) == (D("0"), D("0"), D("6"))
    lost = after(bought("10", "0.40"), redemption(D("10"), D("0")))
    assert lost.realized_pnl == D("-4")
    assert lost.sold == 0


def test_a_resolution_realises_the_result_once() -> None:
    """Whether it is redeemed today or in a year, the profit is of the day it was won."""
    won = after(bought("10", "0.40"), resolution(D("1")))
    assert (won.shares, won.cost) == (D("10"), D("10"))
    assert (won.realized_pnl, won.payout) == (D("6"), D("1"))
    redeemed = moved(won, redemption(D("10"), D("10")))
    assert (redeemed.shares, redeemed.cost) == (D("0"), D("0"))
    assert (redeemed.realized_pnl, redeemed.payout) == (D("6"), D("1"))
    lost = after(bought("10", "0.40"), resolution(D("0")))
    assert (lost.cost, lost.realized_pnl) == (D("0"), D("-4"))
    drawn = after(bought("10", "0.40"), resolution(D("0.5")))
    assert (drawn.cost, drawn.realized_pnl) == (D("5"), D("1"))


@pytest.mark.parametrize(
    "late",
    [
        bought("10", "0.40", "0.1"),
        sold("4", "0.30", "0.1"),
        sold("30", "0.30"),
        split_leg(D("3"), Outcome.YES),
        transfer(D("7"), D("2")),
        transfer(D("-7"), D("0")),
    ],
    ids=["purchase", "sale", "oversale", "split", "transfer in", "transfer out"],
)
@pytest.mark.parametrize("payout", ["1", "0", "0.5", "0.333333"])
def test_what_arrives_after_the_resolution_counts_as_if_before(
    late: Movement, payout: str
) -> None:
    """The news of a fill may come after the market's end; the result is the same."""
    first, end = bought("20.000001", "0.60"), resolution(D(payout))
    assert after(first, end, late) == after(first, late, end)


def test_a_purchase_told_after_the_resolution_is_worth_its_payout() -> None:
    """10 bought at 0.40 pay 10: 6 won, and 10 at stake until they are redeemed."""
    won = after(resolution(D("1")), bought("10", "0.40"))
    assert (won.shares, won.cost, won.realized_pnl) == (D("10"), D("10"), D("6"))
    lost = after(resolution(D("0")), bought("10", "0.40"))
    assert (lost.shares, lost.cost, lost.realized_pnl) == (D("10"), D("0"), D("-4"))


def test_no_amount_is_finer_than_the_chain() -> None:
    """0.000007 shares at 0.333333 cost 2.333331 millionths; 2 can be paid."""
    for make in (bought, sold):
        assert make("0.000007", "0.333333").amount == D("0.000002")
        assert make("10", "0.333333").amount == D("3.33333")
    third = after(bought("0.000007", "0.5"), resolution(D("0.333333")))
    assert third.cost == D("0.000002")


def test_an_odd_millionth_of_a_split_is_in_one_leg_only() -> None:
    """Two halves that are both cut would lose money, both raised would invent it."""
    size = D("0.000003")
    for leg in (split_leg, merge_leg):
        assert leg(size, Outcome.YES).amount == D("0.000001")
        assert leg(size, Outcome.NO).amount == D("0.000002")


def test_transfers_move_shares_without_payment() -> None:
    """Shares come with the cost that is stated; what leaves is written off."""
    assert after(transfer(D("10"), D("3"))) == Totals(shares=D("10"), cost=D("3"))
    gone = after(bought("10", "0.40"), transfer(D("-4"), D("0")))
    assert (gone.shares, gone.cost) == (D("6"), D("2.4"))
    assert (gone.realized_pnl, gone.sold) == (D("-1.6"), D("0"))


def test_only_confirmed_purchases_can_be_sold() -> None:
    """Sold shares are gone at once: the venue holds them for the buyer."""
    made = Position("alpha", "0xmarket", Outcome.YES)
    made.book("t1", bought("100", "0.40"), is_settled=False)
    assert (made.shares, made.settled_shares, made.pending) == (
        D("100"),
        D("0"),
        D("100"),
    )
    made.settle("t1")
    assert (made.shares, made.settled_shares, made.pending) == (
        D("100"),
        D("100"),
        D("0"),
    )
    made.book("t2", sold("30", "0.50"), is_settled=False)
    assert (made.shares, made.settled_shares, made.pending) == (
        D("70"),
        D("70"),
        D("0"),
    )
    assert made.leaving == 30
    made.settle("t2")
    assert (made.settled_shares, made.leaving) == (D("70"), D("0"))
    assert made.tail == {}


def test_a_trade_settles_once() -> None:
    """Stream and sweep both tell of the confirmation."""
    made = Position("alpha", "0xmarket", Outcome.YES)
    made.book("t1", bought("10", "0.40"), is_settled=False)
    made.book("t2", bought("20", "0.40"), is_settled=False)
    made.settle("t2")
    made.settle("t2")
    made.settle("unknown")
    assert (made.settled_shares, made.pending) == (D("20"), D("10"))
    made.settle("t1")
    made.settle("t1")
    assert (made.settled_shares, made.pending) == (D("30"), D("0"))


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_void_fill_is_as_if_it_had_never_been(is_settled: bool) -> None:
    """The average of what came later must forget the price of the void fill."""
    made = Position("alpha", "0xmarket", Outcome.YES)
    made.book("t0", bought("10", "0.30"), is_settled=False)
    made.book("t1", bought("100", "0.40", "1"), is_settled=is_settled)
    made.book("t2", bought("50", "0.46", "2"), is_settled=False)
    made.book("t3", sold("20", "0.60", "3"), is_settled=False)
    made.void("t1", bought("100", "0.40", "1"))
    other = Position("alpha", "0xmarket", Outcome.YES)
    other.book("t0", bought("10", "0.30"), is_settled=False)
    other.book("t2", bought("50", "0.46", "2"), is_settled=False)
    other.book("t3", sold("20", "0.60", "3"), is_settled=False)
    assert made == other


def test_a_void_sale_gives_its_shares_back() -> None:
    """They were ours all along, at the cost they had."""
    made = position(bought("10", "0.40"))
    made.book("t2", sold("4", "0.90"), is_settled=False)
    assert made.leaving == 4
    made.void("t2", sold("4", "0.90"))
    assert made == position(bought("10", "0.40"))


def test_a_void_fill_lets_go_of_what_waited_behind_it() -> None:
    """Settled movements must not be kept for ever for a trade that is gone."""
    made = Position("alpha", "0xmarket", Outcome.YES)
    made.book("t1", bought("10", "0.40"), is_settled=False)
    made.book("t2", bought("5", "0.20"), is_settled=True)
    made.move(split_leg(D("3"), Outcome.YES))
    assert list(made.tail) == ["t1", "t2", "#1"]
    made.void("t1", bought("10", "0.40"))
    assert made.tail == {}
    assert made.base == made.totals == Totals(D("8"), D("2.5"), bought=D("5"))


def test_what_is_settled_is_kept_only_behind_something_open() -> None:
    """The tail is what may have to be folded again, and no more."""
    made = Position("alpha", "0xmarket", Outcome.YES)
    made.book("t1", bought("10", "0.40"), is_settled=True)
    assert made.tail == {}
    made.book("t2", bought("5", "0.20"), is_settled=False)
    made.book("t3", bought("1", "0.20"), is_settled=False)
    made.book("t4", bought("2", "0.20"), is_settled=False)
    made.settle("t3")
    assert list(made.tail) == ["t2", "t3", "t4"]
    made.settle("t2")
    assert list(made.tail) == ["t4"]
    assert made.base == after(
        bought("10", "0.40"), bought("5", "0.20"), bought("1", "0.20")
    )


def test_a_void_after_the_confirmation_is_undone_at_its_own_price() -> None:
    """The venue contradicts itself; money must follow its last word all the same."""
    made = position(bought("10", "0.40", "0.5"), bought("10", "0.60", "0.7"))
    made.void("t1", bought("10", "0.40", "0.5"))
    expected = Totals(D("10"), D("6"), D("0.7"), bought=D("10"))
    assert made.totals == made.base == expected
    made.void("t2", bought("10", "0.60", "0.7"))
    assert made.totals == Totals(fees=D("0"), cost=D("0"))


def test_a_void_sale_after_its_confirmation_is_undone_as_well() -> None:
    """10 shares come back at what they were sold for; their profit stays."""
    made = position(bought("10", "0.40"), sold("10", "0.50", "0.1"))
    assert made.totals.realized_pnl == D("1")
    made.void("t2", sold("10", "0.50", "0.1"))
    assert made.totals == Totals(
        D("10"), D("5"), D("0"), D("1"), bought=D("10"), sold=D("0")
    )
    assert made.avg_price == D("0.5")


def test_a_void_purchase_whose_shares_were_sold_leaves_no_negative_shares() -> None:
    """What is left is the sale alone, of shares that were never seen to come."""
    made = position(
        bought("10", "0.40", "0.5"), bought("10", "0.60"), sold("15", "0.70", "0.2")
    )
    made.void("t1", bought("10", "0.40", "0.5"))
    assert made == position(bought("10", "0.60"), sold("15", "0.70", "0.2"))
    assert made.totals.unexplained == 5
    # 10.5 received, 6 paid.
    assert (made.shares, made.totals.cost) == (D("0"), D("0"))
    assert made.totals.realized_pnl == D("4.5")
    made.book("t9", sold("5", "0.10"), is_settled=True)
    assert (made.shares, made.totals.realized_pnl) == (D("0"), D("5.0"))
    assert made.totals.unexplained == 10


def test_no_cost_is_left_without_shares() -> None:
    """The sale took half of both along; what is left of the other is a loss."""
    made = position(bought("10", "0.40"), bought("10", "0.60"), sold("10", "0.50"))
    made.void("t1", bought("10", "0.40"))
    assert made == position(bought("10", "0.60"), sold("10", "0.50"))
    assert (made.shares, made.totals.cost) == (D("0"), D("0"))
    assert made.totals.realized_pnl == -1


def test_a_void_purchase_leaves_no_negative_cost() -> None:
    """A negative cost would lower what is at risk, and the average below 0."""
    made = position(bought("10", "0.10"), bought("10", "0.90"), sold("5", "0.50"))
    assert made.totals.cost == D("7.5")
    made.void("t2", bought("10", "0.90"))
    totals = made.totals
    assert (totals.shares, totals.cost) == (D("5"), D("0"))
    # 2.5 received, 1 paid.
    assert totals.realized_pnl - totals.cost == D("1.5")


def test_account_activity_is_final_from_the_start() -> None:
    """A split is on chain when it is recorded: it can be sold at once."""
    made = Position("alpha", "0xmarket", Outcome.YES)
    made.move(split_leg(D("10"), Outcome.YES))
    made.move(transfer(D("-3"), D("0")))
    assert (made.settled_shares, made.pending) == (D("7"), D("0"))
    assert made.tail == {}
    assert made.moves == 2


def test_a_position_names_its_owner() -> None:
    """Positions of two strategies in one token must not meet."""
    made = Position("alpha", "0xmarket", Outcome.NO)
    assert made.key == PositionKey("alpha", "0xmarket", Outcome.NO)
    assert made.shares == 0
