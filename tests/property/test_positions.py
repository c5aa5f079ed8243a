"""Random histories: void fills, checkpoints and sums that must agree."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from functools import reduce
from typing import Any, Final

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from ledger import events as ev
from ledger.decide import GiveUp, LookedUp, LookupFound, TradesSwept
from ledger.errors import EvidenceMissingError
from ledger.order import Order
from ledger.position import (
    Movement,
    Position,
    Totals,
    merge_leg,
    moved,
    redemption,
    resolution,
    split_leg,
    trade_movement,
    transfer,
)
from ledger.values import MICRO, EndReason, Outcome, Phase, Settlement, Side
from tests.unit.core.accounts import Account, counted, picture, recounted
from tests.unit.core.conformance import check_invariants
from tests.unit.core.stories import DELAYED, LIVE, REFUSED, START, UNKNOWN, ended, fill

D = Decimal

# One position

SIZES = st.integers(1, 40_000_000).map(lambda n: D(n) / 1_000_000)
PRICES = st.integers(1, 999).map(lambda n: D(n) / 1_000)
PAYOUTS = st.one_of(st.sampled_from([D("0"), D("0.5"), D("1")]), PRICES)
FEES = st.integers(0, 300_000).map(lambda n: D(n) / 1_000_000)
TRADES = st.builds(trade_movement, st.sampled_from(Side), SIZES, PRICES, FEES)
MOVES = st.one_of(
    st.builds(split_leg, SIZES, st.sampled_from(Outcome)),
    st.builds(merge_leg, SIZES, st.sampled_from(Outcome)),
    st.builds(redemption, SIZES, FEES),
    st.builds(transfer, SIZES, FEES),
    SIZES.map(lambda size: transfer(-size, D("0"))),
    PRICES.map(resolution),
)

STEPS = st.one_of(
    st.tuples(st.just("trade"), TRADES),
    st.tuples(st.just("settled_trade"), TRADES),
    st.tuples(st.just("move"), MOVES),
    st.tuples(st.just("settle"), st.integers(0, 9)),
    st.tuples(st.just("void"), st.integers(0, 9)),
)


Step = tuple[str, Any]


class Teller:
    """Tells a position step by step.

    Steps settle and void trades by their number; only what is not settled yet
    may turn out void.
    """

    def __init__(self) -> None:
        self.position = Position("alpha", "0xmarket", Outcome.YES)
        self.trades: list[Movement] = []
        self.opened: set[int] = set()

    def tell(self, steps: Sequence[Step]) -> Position:
        for kind, what in steps:
            getattr(self, kind)(what)
        return self.position

    def trade(self, move: Movement) -> None:
        self.opened.add(len(self.trades))
        self.position.book(f"t{len(self.trades)}", move, is_settled=False)
        self.trades.append(move)

    def settled_trade(self, move: Movement) -> None:
        self.position.book(f"t{len(self.trades)}", move, is_settled=True)
        self.trades.append(move)

    def move(self, move: Movement) -> None:
        self.position.move(move)

    def settle(self, number: int) -> None:
        if number in self.opened:
            self.opened.remove(number)
            self.position.settle(f"t{number}")

    def void(self, number: int) -> None:
        if number in self.opened:
            self.opened.remove(number)
            self.position.void(f"t{number}", self.trades[number])

    def other_trade(self, move: Movement) -> None:
        self.position.book("other", move, is_settled=False)

    def other_void(self, move: Movement) -> None:
        self.position.void("other", move)


@for_all(
    st.lists(STEPS, min_size=8, max_size=25),
    st.integers(0, 25),
    st.integers(0, 25),
    TRADES,
)
def test_a_void_fill_leaves_no_trace(
    steps: list[Step], booked: int, later: int, move: Movement
) -> None:
    """Whatever came between, average, profit and shares forget the void fill."""
    told = [*steps[:booked], ("other_trade", move), *steps[booked:]]
    told.insert(min(booked, len(steps)) + 1 + later, ("other_void", move))
    assert Teller().tell(told) == Teller().tell(steps)


@for_all(st.lists(st.one_of(TRADES, MOVES), min_size=5, max_size=25))
def test_no_cost_is_lost_or_made(moves: list[Movement]) -> None:
    """What was paid is in the position, in what was received, or in the result."""
    position = Position("alpha", "0xmarket", Outcome.YES)
    paid = D("0")
    for number, move in enumerate(moves):
        if move.is_trade:
            position.book(f"t{number}", move, is_settled=True)
        else:
            position.move(move)
        if move.kind.name == "GAIN":
            paid += move.amount
        elif move.kind.name == "LOSS":
            paid -= move.amount
    totals = position.totals
    assert totals.cost - totals.realized_pnl == paid
    assert totals.shares >= 0
    assert position.tail == {}
    if not totals.shares:
        assert totals.cost == 0


@for_all(st.lists(st.one_of(TRADES, MOVES), max_size=12), st.integers(0, 12), PAYOUTS)
def test_the_time_of_the_resolution_does_not_matter(
    moves: list[Movement], at: int, payout: Decimal
) -> None:
    """News come late; whoever redeems must not see another result for it."""
    moves = [move for move in moves if move.kind.name != "RESOLVE"]
    end = resolution(payout)
    early = reduce(moved, [*moves[:at], end, *moves[at:]], Totals())
    assert early == reduce(moved, [*moves, end], Totals())


@for_all(st.lists(st.one_of(TRADES, MOVES), max_size=12), st.integers(0, 11))
def test_no_sum_falls_below_zero_or_is_finer_than_the_chain(
    moves: list[Movement], voided: int
) -> None:
    """Also when the venue takes a confirmed trade back."""
    position = Position("alpha", "0xmarket", Outcome.YES)
    for number, move in enumerate(moves):
        position.book(f"t{number}", move, is_settled=True)
    trades = [n for n, move in enumerate(moves) if move.is_trade]
    if trades:
        number = trades[voided % len(trades)]
        position.void(f"t{number}", moves[number])
    totals = position.totals
    assert totals.shares >= 0
    assert totals.cost >= 0
    for amount in (totals.shares, totals.cost, totals.realized_pnl):
        assert not amount % MICRO


@for_all(st.lists(STEPS, min_size=8, max_size=25))
def test_pending_shares_are_those_of_open_trades(steps: list[Step]) -> None:
    """They cannot be sold, and each must stop being pending once."""
    position = Teller().tell(steps)
    opened = [move for move, is_settled in position.tail.values() if not is_settled]
    gains = [move.size for move in opened if move.kind.name == "GAIN"]
    losses = [move.size for move in opened if move.kind.name == "LOSS"]
    assert position.pending == sum(gains, D("0"))
    assert position.leaving == sum(losses, D("0"))
    assert position.settled_shares == position.shares - position.pending


# A whole account

MOST_ORDERS: Final = 4  # few, so that each meets many facts
NONE = LookedUp(found=LookupFound.NONE)
STRATEGIES = st.sampled_from(["alpha", "beta"])
MARKETS = st.sampled_from(["0xmarket", "0xother"])
OUTCOMES = st.sampled_from(Outcome)
PIECES = st.sampled_from(["10", "25.5", "40", "100", "0.000001"])
TIMES = st.sampled_from([None, 5, 9])
SETTLED = st.sampled_from(list(Settlement))
TRADE_IDS = st.sampled_from(["t1", "t2", "t3"])

ORDERS = st.fixed_dictionaries(
    {
        "strategy": STRATEGIES,
        "market_id": MARKETS,
        "outcome": OUTCOMES,
        "side": st.sampled_from(Side),
        "price": st.sampled_from([D("0.07"), D("0.40"), D("0.93")]),
        "fee_rate": st.sampled_from([D("0"), D("0.07")]),
        "post_only": st.booleans(),
    }
)
FACTS = st.one_of(
    st.sampled_from([LIVE, DELAYED, REFUSED, UNKNOWN, NONE, TradesSwept(), GiveUp()]),
    st.sampled_from([ended(), ended(EndReason.EXPIRED)]),
    st.builds(
        fill,
        TRADE_IDS,
        PIECES,
        st.sampled_from(["0.07", "0.39"]),
        SETTLED,
        TIMES,
        fee=st.sampled_from(["0", "0.12345"]),
    ),
)
ACTIVITY = st.one_of(
    st.builds(
        lambda s, m, n: [ev.PositionSplit(at=START, strategy=s, market_id=m, size=n)],
        STRATEGIES,
        MARKETS,
        SIZES,
    ),
    st.builds(
        lambda s, m, n: [ev.PositionMerged(at=START, strategy=s, market_id=m, size=n)],
        STRATEGIES,
        MARKETS,
        SIZES,
    ),
    st.builds(
        lambda s, m, o, n, f: [
            ev.PositionRedeemed(
                at=START, strategy=s, market_id=m, outcome=o, size=n, payout=f
            )
        ],
        *(STRATEGIES, MARKETS, OUTCOMES, SIZES, FEES),
    ),
    st.builds(
        lambda m, yes: [
            ev.MarketResolved(
                at=START, market_id=m, yes_payout=D(yes), no_payout=1 - D(yes)
            )
        ],
        *(MARKETS, st.sampled_from(["0", "0.5", "1"])),
    ),
    st.builds(
        lambda s, o, side, n, paid, f: [
            ev.PositionTraded(
                at=START,
                strategy=s,
                market_id="0xmarket",
                outcome=o,
                side=side,
                size=n,
                price=D("0.5"),
                amount=paid,
                fee=f,
            )
        ],
        *(STRATEGIES, OUTCOMES, st.sampled_from(Side), SIZES, SIZES, FEES),
    ),
    st.just([]),
)

ACCOUNT_STEPS = st.one_of(
    st.tuples(st.just("ask"), ORDERS),
    st.tuples(st.just("learn"), st.integers(0, MOST_ORDERS - 1), FACTS),
    st.tuples(st.just("learn"), st.integers(0, MOST_ORDERS - 1), FACTS),
    st.tuples(st.just("learn"), st.integers(0, MOST_ORDERS - 1), FACTS),
    st.tuples(st.just("moved"), ACTIVITY),
    st.tuples(st.just("resume")),
    st.tuples(st.just("wait")),
    st.tuples(st.just("forget")),
)


def take(account: Account, step: tuple[Any, ...]) -> None:
    """One step of a random history."""
    asked = [name for name in account.versions if name.startswith("order-")]
    match step:
        case ("ask", changes) if len(asked) < MOST_ORDERS:
            account.ask(f"o{len(asked)}", **changes)
        case ("learn", number, fact) if asked:
            try:
                account.learn(asked[number % len(asked)].removeprefix("order-"), fact)
            except EvidenceMissingError:
                assert isinstance(fact, GiveUp)
        case ("moved", events):
            account.moved(*events)
        case ("resume",):
            account.system(ev.LedgerResumed(at=account.now, reason="test"))
        case ("wait",):
            account.now += timedelta(seconds=61)
        case ("forget",):
            account.state.closed.clear()
        case _:
            pass


def histories(most: int) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    # Without a lower bound most lists are a handful of steps long.
    return st.lists(ACCOUNT_STEPS, min_size=most // 2, max_size=most)


@settings(max_examples=150)
@for_all(histories(30))
def test_exposure_equals_what_orders_and_positions_sum_up_to(
    steps: list[tuple[Any, ...]],
) -> None:
    """Risk decides on running sums; one that drifts lets too much pass, or nothing."""
    account = Account()
    for step in steps:
        take(account, step)
        expected = recounted(account.state, account.log)
        assert counted(account.state, expected) == expected, step
        check_orders(account)


def check_orders(account: Account) -> None:
    """Memory holds the orders that are not closed, as their streams say."""
    asked = [name for name in account.versions if name.startswith("order-")]
    cash = D("0")
    for stream in asked:
        order = account.order(stream.removeprefix("order-"))
        check_invariants(order)
        cash += order_cash(order)
        kept = account.state.orders.get(order.order_id)
        if order.is_closed:
            assert kept is None
        else:
            assert kept == order
            assert account.state.by_venue_id[order.venue_order_id] == order.order_id
    assert set(account.state.by_venue_id.values()) == set(account.state.orders)
    assert account.state.cash == cash + account_cash(account)


def order_cash(order: Order) -> Decimal:
    """What an order's live fills brought (or cost, if negative), to the millionth."""
    sign = 1 if order.side is Side.SELL else -1
    amounts = (t.size * t.price for t in order.trades.values() if t.is_live)
    paid = sum((a.quantize(MICRO, rounding=ROUND_FLOOR) for a in amounts), D("0"))
    return sign * paid - order.fees


def account_cash(account: Account) -> Decimal:
    """What happened to the cash outside orders."""
    cash = D("0")
    for _, _, event in account.log:
        match event:
            case ev.CashMoved(amount=amount):
                cash += amount
            case ev.PositionSplit(size=size):
                cash -= size
            case ev.PositionMerged(size=size):
                cash += size
            case ev.PositionRedeemed(payout=payout):
                cash += payout
            case ev.PositionTraded(side=Side.BUY, amount=amount, fee=fee):
                cash -= amount + fee
            case ev.PositionTraded(amount=amount, fee=fee):
                cash += amount - fee
            case _:
                pass
    return cash


@settings(max_examples=150)
@for_all(histories(40), st.lists(st.integers(0, 120), min_size=1, max_size=4))
def test_a_start_from_any_checkpoint_gives_the_state_of_a_whole_fold(
    steps: list[tuple[Any, ...]], cuts: list[int]
) -> None:
    """Where the last checkpoint was must not decide what the ledger believes."""
    account = Account()
    for step in steps:
        take(account, step)
    whole = picture(account.refolded())
    assert picture(account.state) == whole
    for cut in cuts:
        assert picture(account.restored(min(cut, len(account.log)))) == whole, cut


@settings(max_examples=100)
@for_all(histories(30))
def test_what_is_held_back_is_released_with_the_last_order(
    steps: list[tuple[Any, ...]],
) -> None:
    """When every order has ended nothing may be left in the sums."""
    account = Account()
    for step in steps:
        take(account, step)
    for order in list(account.state.orders.values()):
        if order.phase is not Phase.DONE:
            account.learn(order.order_id, ended(EndReason.KILLED))
    state = account.state
    assert state.reserved_cash == 0
    assert state.usage("account").open_orders == 0
    assert not any(h.open_buys or h.open_sells for h in state.holdings.values())
    cost = sum((h.position.totals.cost for h in state.holdings.values()), D("0"))
    assert state.usage("account").gross == cost
