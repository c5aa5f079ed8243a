"""The state in memory: what each event changes, what leaves and comes back."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from ledger import events as ev
from ledger.exposure import reservation_of
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.order import Order
from ledger.position import PositionKey, Totals
from ledger.reconcile import Believed
from ledger.state import Drift, LedgerState, Snapshot
from ledger.values import EndReason, Outcome, Phase, Settlement, Side, TradingMode
from tests.unit.core.accounts import Account, counted, picture, recounted
from tests.unit.core.stories import (
    LIVE,
    REFUSED,
    START,
    UNKNOWN,
    confirmed,
    ended,
    fill,
    mined,
    voided,
)

D = Decimal
YES = PositionKey("alpha", "0xmarket", Outcome.YES)
NO = PositionKey("alpha", "0xmarket", Outcome.NO)


@pytest.fixture
def account() -> Account:
    return Account()


def totals(account: Account, key: PositionKey = YES) -> Totals:
    return account.state.holding(key).position.totals


# Orders in memory


def test_an_order_stays_until_nobody_owes_a_word(account: Account) -> None:
    """Memory holds what is open, however long the log is."""
    account.ask("o1")
    account.learn("o1", LIVE, fill("t1", "100"))
    assert account.state.orders["o1"].phase is Phase.DONE
    account.learn("o1", mined("t1"))
    assert "o1" in account.state.orders
    account.learn("o1", confirmed("t1"))
    assert account.state.orders == {}
    assert account.state.by_venue_id == {}
    assert account.state.closed["o1"].status == "CONFIRMED"


@pytest.mark.parametrize("is_in_memory", [True, False])
def test_a_closed_order_comes_back_for_a_late_fact(
    account: Account, is_in_memory: bool
) -> None:
    """A cancelled order may have filled in the same second: money is never refused."""
    account.deposit("100")
    account.ask("o1")
    account.learn("o1", LIVE, ended())
    assert account.state.orders == {}
    if not is_in_memory:
        account.state.closed.clear()
    account.learn("o1", fill("t1", "30"))
    assert account.state.by_venue_id == {"0xo1": "o1"}
    assert account.state.orders["o1"].filled == 30
    assert totals(account).shares == 30
    assert account.state.cash == 88
    assert account.state.closed == {}
    account.learn("o1", confirmed("t1"))
    assert account.state.orders == {}
    assert account.state.holding(YES).position.settled_shares == 30


@pytest.mark.parametrize("is_in_memory", [True, False])
def test_a_rejected_order_that_lives_is_found_by_its_venue_id_again(
    account: Account, is_in_memory: bool
) -> None:
    """A refusal that was not true is corrected by the venue's own stream."""
    account.ask("o1")
    account.learn("o1", REFUSED)
    assert account.state.by_venue_id == {}
    if not is_in_memory:
        account.state.closed.clear()
    account.learn("o1", LIVE)
    assert account.state.by_venue_id == {"0xo1": "o1"}
    assert account.state.orders["o1"].phase is Phase.WORKING


def test_an_order_without_a_venue_id_comes_back_as_well(account: Account) -> None:
    """A refused intent never had one; its stream may still go on."""
    account.record("order-o1", *refused_intent())
    assert account.state.orders == {}
    account.state.closed.clear()
    account.learn("o1", ev.OrderCancelRequested(at=START))
    assert account.state.by_venue_id == {}
    assert account.state.closed["o1"].is_cancel_requested


def refused_intent() -> list[ev.Event]:
    one = Account()
    one.ask("o1")
    refused = ev.OrderRefused(at=START, by="risk", code="cash", text="no")
    return [one.log[0].event, refused]


def test_only_the_latest_closed_orders_are_kept(account: Account) -> None:
    """They bridge the moment until their events can be read, no more."""
    for number in range(1_100):
        account.record(f"order-o{number}", *refused_intent())
    assert len(account.state.closed) == 1_024
    assert "o75" not in account.state.closed
    assert "o76" in account.state.closed


def test_a_closed_order_stays_until_its_last_word_can_be_read(account: Account) -> None:
    """A late fact would find half a stream on disk and decide on it."""
    on_disk = 0
    account.state = LedgerState("main", account.load, durable=lambda: on_disk)
    for number in range(1_100):
        account.record(f"order-o{number}", *refused_intent())
    assert len(account.state.closed) == 1_100
    on_disk = 20  # the first ten orders, of two events each
    account.record("order-late", *refused_intent())
    assert len(account.state.closed) == 1_091
    assert "o9" not in account.state.closed
    assert "o10" in account.state.closed
    on_disk = 10_000
    account.record("order-later", *refused_intent())
    assert len(account.state.closed) == 1_024


# Cash and positions


def test_a_purchase_and_its_fee_are_paid_at_the_match(account: Account) -> None:
    """The venue counts the money as gone from the match on."""
    account.deposit("100")
    account.ask("o1")
    account.learn("o1", LIVE, fill("t1", "60", "0.40", fee="1.2"))
    assert account.state.cash == D("74.8")
    assert totals(account) == Totals(D("60"), D("24"), D("1.2"), bought=D("60"))
    account.learn("o1", confirmed("t1"))
    assert account.state.cash == D("74.8")


def test_a_sale_brings_cash_less_its_fee(account: Account) -> None:
    """60 bought at 0.40, 20 of them sold at 0.50 for a fee of 0.3."""
    account.deposit("100")
    account.ask("o1", size=D("60"))
    account.learn("o1", LIVE, fill("t1", "60"), confirmed("t1"))
    account.ask("o2", side=Side.SELL, size=D("20"), price=D("0.50"))
    account.learn("o2", LIVE, fill("t2", "20", "0.50", fee="0.3"))
    assert account.state.cash == D("85.7")
    assert totals(account).realized_pnl == D("2")
    account.learn("o2", voided("t2"))
    assert account.state.cash == 76
    assert totals(account).realized_pnl == 0


def test_a_void_fill_gives_back_what_it_cost(account: Account) -> None:
    """As if it had never been: cash, fee and shares."""
    account.deposit("100")
    before = picture(account.state)
    account.ask("o1")
    account.learn("o1", LIVE, fill("t1", "100", fee="1"), voided("t1"))
    now = picture(account.state)
    assert (now["cash"], now["lines"]) == (before["cash"], before["lines"])
    assert account.state.orders == {}


def test_a_trade_heard_of_first_when_it_failed_moves_nothing(account: Account) -> None:
    """Its size arrives later, and it is void by then."""
    account.ask("o1")
    account.learn("o1", LIVE, voided("t1"), fill("t1", "30"))
    assert totals(account) == Totals()
    assert account.state.cash == 0
    assert account.state.orders["o1"].matched == 30


def test_a_trade_confirmed_before_it_was_matched_is_settled(account: Account) -> None:
    """The chain's word may outrun the venue's."""
    account.ask("o1")
    account.learn("o1", confirmed("t1"), fill("t1", "30"))
    assert account.state.holding(YES).position.settled_shares == 30


def test_a_trade_that_was_void_and_is_confirmed_counts_again(account: Account) -> None:
    """The later word of the venue wins, in both directions."""
    account.deposit("100")
    account.ask("o1")
    account.learn("o1", fill("t1", "30", at=1), voided("t1", 2), confirmed("t1", 3))
    assert totals(account).shares == 30
    assert account.state.holding(YES).position.settled_shares == 30
    assert account.state.cash == 88
    account.learn("o1", voided("t1", 4))
    assert totals(account).shares == 0
    assert account.state.cash == 100


def test_a_trade_told_again_moves_nothing_again(account: Account) -> None:
    """The same match with a newer time is news of the trade, not of money."""
    account.deposit("100")
    account.ask("o1")
    account.learn("o1", fill("t1", "30", at=1), fill("t1", "30", at=2))
    assert account.versions["order-o1"] == 4
    assert totals(account).shares == 30
    assert account.state.cash == 88


def test_one_trade_of_two_orders_is_two_fills(account: Account) -> None:
    """A trade that matched two of our orders has one id; both must book."""
    account.ask("o1")
    account.ask("o2")
    for order in ("o1", "o2"):
        account.learn(order, fill("t1", "10"))
    assert totals(account).shares == 20
    account.learn("o1", voided("t1"))
    assert totals(account).shares == 10


def test_account_activity_moves_shares_and_cash(account: Account) -> None:
    """Split 10, merge 4, redeem 6 at 1, transfer 3 in: by hand."""
    strategy, market = "alpha", "0xmarket"
    about = {"at": START, "strategy": strategy, "market_id": market}
    account.deposit("100")
    account.moved(ev.PositionSplit(size=D("10"), **about))  # type: ignore[arg-type]
    assert account.state.cash == 90
    assert (totals(account).shares, totals(account, NO).shares) == (D("10"), D("10"))
    account.moved(ev.PositionMerged(size=D("4"), **about))  # type: ignore[arg-type]
    assert account.state.cash == 94
    assert (totals(account).shares, totals(account, NO).shares) == (D("6"), D("6"))
    redeemed = ev.PositionRedeemed(
        at=START,
        strategy=strategy,
        market_id=market,
        outcome=Outcome.NO,
        size=D("6"),
        payout=D("6"),
    )
    account.moved(redeemed)
    assert account.state.cash == 100
    assert totals(account, NO).realized_pnl == 3
    moved = ev.PositionTransferred(
        at=START,
        strategy=strategy,
        market_id=market,
        outcome=Outcome.YES,
        size=D("3"),
        cost=D("1"),
    )
    account.moved(moved)
    assert account.state.cash == 100
    assert totals(account) == Totals(D("9"), D("4"))
    account.moved(ev.CashMoved(at=START, amount=D("-60"), reason="withdrawal"))
    assert account.state.cash == 40


@pytest.mark.parametrize(
    ("side", "cash", "shares"), [(Side.BUY, "95.9", "10"), (Side.SELL, "103.9", "0")]
)
def test_a_trade_made_elsewhere_moves_its_amount_and_fee(
    account: Account, side: Side, cash: str, shares: str
) -> None:
    """Imported history states what was paid: 4 pUSD, not size times price."""
    account.deposit("100")
    traded = ev.PositionTraded(
        at=START,
        strategy="alpha",
        market_id="0xmarket",
        outcome=Outcome.YES,
        side=side,
        size=D("10"),
        price=D("0.41"),
        amount=D("4"),
        fee=D("0.1"),
    )
    account.moved(traded)
    assert account.state.cash == D(cash)
    assert totals(account).shares == D(shares)
    assert totals(account).fees == D("0.1")


def test_a_resolution_values_every_line_of_its_market_alone(account: Account) -> None:
    """All strategies' shares of both outcomes; other markets go on."""
    for strategy, market in (
        ("alpha", "0xmarket"),
        ("beta", "0xmarket"),
        ("alpha", "0xother"),
    ):
        account.moved(
            ev.PositionSplit(
                at=START, strategy=strategy, market_id=market, size=D("10")
            )
        )
    account.moved(
        ev.MarketResolved(
            at=START, market_id="0xmarket", yes_payout=D("1"), no_payout=D("0")
        )
    )
    profit = {k: h.position.totals for k, h in account.state.holdings.items()}
    assert profit[YES].realized_pnl == 5
    assert profit[NO].realized_pnl == -5
    assert profit[PositionKey("beta", "0xmarket", Outcome.YES)].cost == 10
    assert profit[PositionKey("alpha", "0xother", Outcome.YES)].payout is None
    assert account.state.payouts == {"0xmarket": (D("1"), D("0"))}
    assert account.state.usage("market:0xmarket").gross == 20
    assert account.state.usage("market:0xother").gross == 10


def resolve(account: Account) -> None:
    event = ev.MarketResolved(
        at=START, market_id="0xmarket", yes_payout=D("1"), no_payout=D("0")
    )
    account.moved(event)


Shown = tuple[dict[PositionKey, Totals], list[tuple[Decimal, Decimal]], Decimal]


def told(account: Account, *, first: str) -> Shown:
    """A resolution before or after late news: what the account shows for it."""
    account.deposit("100")
    account.ask("o1", size=D("10"))
    account.ask("o2", size=D("10"), outcome=Outcome.NO)
    account.learn("o1", LIVE, fill("t1", "4"))
    account.learn("o2", LIVE)
    if first == "resolution":
        resolve(account)
    account.learn("o1", fill("t2", "6", fee="0.1"), confirmed("t1"), confirmed("t2"))
    account.learn("o2", fill("t3", "10"), confirmed("t3"))
    account.moved(
        ev.PositionTransferred(
            at=START,
            strategy="beta",
            market_id="0xmarket",
            outcome=Outcome.YES,
            size=D("3"),
            cost=D("1"),
        )
    )
    if first == "news":
        resolve(account)
    state = account.state
    lines = {key: line.position.totals for key, line in state.holdings.items()}
    scopes = [
        (state.usage(name).gross, state.usage(name).day_pnl)
        for name in ("account", "strategy:alpha", "strategy:beta", "market:0xmarket")
    ]
    return lines, scopes, state.cash


def test_a_resolution_and_late_news_may_come_in_any_order(account: Account) -> None:
    """The result, what is at risk and the day's loss must not depend on it."""
    lines, scopes, cash = told(account, first="resolution")
    assert (lines, scopes, cash) == told(Account(), first="news")
    # 10 YES won 6, 10 NO lost 4, 3 more YES won 2, and a fee of 0.1.
    assert scopes[0] == (D("13"), D("3.9"))
    assert cash == D("91.9")


def test_a_trade_turns_void_once(account: Account) -> None:
    """A failure told three times must not trip the breaker of three."""
    account.ask("o1")
    account.learn("o1", LIVE, fill("t1", "10"), voided("t1", 5))
    account.learn("o1", voided("t1", 6), voided("t1", 7))
    assert account.state.usage("account").failures == 1
    account.learn("o1", voided("t2", 5), fill("t2", "10"), voided("t2", 6))
    assert account.state.usage("account").failures == 2


def test_money_is_never_finer_than_the_chain(account: Account) -> None:
    """0.000007 at 0.333333 is no amount that can be paid."""
    account.deposit("100")
    account.ask("o1")
    account.learn("o1", LIVE, fill("t1", "0.000007", "0.333333"))
    account.moved(
        ev.PositionSplit(
            at=START, strategy="alpha", market_id="0xmarket", size=D("0.000001")
        )
    )
    assert account.state.cash == D("99.999997")
    assert totals(account).cost == D("0.000002")
    assert totals(account, NO).cost == D("0.000001")
    at_risk = account.state.usage("market:0xmarket").gross
    assert at_risk - account.state.reserved_cash == D("0.000003")


# What is under way


def wanted(strategy: str = "alpha") -> OrderIntent:
    return OrderIntent.parse(
        {
            "strategy": strategy,
            "idempotency_key": "k9",
            "market_id": "0xmarket",
            "outcome": "YES",
            "side": "BUY",
            "size": "100",
            "price": "0.40",
        }
    )


def test_an_intent_that_comes_to_nothing_leaves_no_line(account: Account) -> None:
    """A fold from the first event would not have it, and memory would grow."""
    state = account.state
    with state.hold(wanted(), D("5"), D("0")):
        with state.hold(wanted(), D("7"), D("0")):
            assert state.holdings[YES].open_buys == 12
            assert msgspec.msgpack.decode(state.dump())["holdings"] == []
        assert state.holdings[YES].open_buys == 5
    assert state.holdings == {}
    assert state.position_with_open_buys(None, "0xmarket", Outcome.YES) == 0


def test_the_market_may_end_while_an_intent_is_prepared(account: Account) -> None:
    """The line that waits for the intent is resolved, and goes all the same."""
    with account.state.hold(wanted(), D("5"), D("0")):
        resolve(account)
    assert account.state.holdings == {}


def test_a_line_that_an_event_has_used_stays(account: Account) -> None:
    """Letting it go would lose its shares."""
    with account.state.hold(wanted(), D("5"), D("0")):
        account.ask("o1")
    with account.state.hold(wanted(), D("5"), D("0")):
        account.learn("o1", LIVE, ended())
    assert account.state.holdings.keys() == account.refolded().holdings.keys() == {YES}


def test_shares_of_a_merge_under_way_are_spoken_for(account: Account) -> None:
    """Whoever asks meanwhile must not use them a second time."""
    split = ev.PositionSplit(
        at=START, strategy="alpha", market_id="0xmarket", size=D("10")
    )
    account.moved(split)
    state, before = account.state, picture(account.state)
    with state.hold_shares("alpha", "0xmarket", D("4"), *Outcome):
        assert state.sellable("alpha", "0xmarket", Outcome.YES) == 6
        assert state.sellable("alpha", "0xmarket", Outcome.NO) == 6
        assert state.usage("account").open_orders == 0
        with state.hold_shares("alpha", "0xmarket", D("6"), Outcome.YES):
            assert state.sellable("alpha", "0xmarket", Outcome.YES) == 0
    assert picture(state) == before


def test_cash_of_a_split_under_way_is_spoken_for(account: Account) -> None:
    """It is at risk as well: shares will have cost it in a moment."""
    account.deposit("100")
    state, before = account.state, picture(account.state)
    with state.hold_cash("alpha", "0xmarket", D("30")):
        assert state.free_cash() == 70
        assert state.usage("market:0xmarket").gross == 30
    assert picture(state) == before


# What the reconciliation compares


def test_what_is_believed_sums_all_strategies(account: Account) -> None:
    """The venue knows one wallet, not our strategies."""
    account.ask("o1")
    account.ask("o2", strategy="beta")
    account.learn("o1", fill("t1", "30"), confirmed("t1"))
    account.learn("o2", fill("t2", "12"))
    believed = {("0xmarket", Outcome.YES): Believed(settled=D("30"), total=D("42"))}
    assert account.state.believed() == believed


def test_an_unsettled_sale_may_still_be_there(account: Account) -> None:
    """Until the chain moves them the venue still counts the sold shares."""
    account.ask("o1")
    account.learn("o1", fill("t1", "100"), confirmed("t1"))
    account.ask("o2", side=Side.SELL)
    account.learn("o2", fill("t2", "40"))
    token = ("0xmarket", Outcome.YES)
    assert account.state.believed()[token] == Believed(settled=D("60"), total=D("100"))
    account.learn("o2", confirmed("t2"))
    assert account.state.believed()[token] == Believed(settled=D("60"), total=D("60"))
    account.ask("o3", side=Side.SELL)
    account.learn("o3", fill("t3", "10"), voided("t3"))
    assert account.state.believed()[token] == Believed(settled=D("60"), total=D("60"))


def test_a_flat_line_is_not_believed_in(account: Account) -> None:
    """An old position must not be asked for for ever."""
    account.ask("o1")
    account.learn("o1", fill("t1", "30"), voided("t1"))
    assert account.state.believed() == {}


# Drifts, markets, modes


def test_drifts_are_open_until_they_are_closed(account: Account) -> None:
    """A person who has seen one does not close it."""
    opened = ev.DriftOpened(
        at=START, drift_id="position:m:YES", kind="position", subject="m:YES"
    )
    account.record(ev.RECONCILIATION_STREAM, opened)
    drift = Drift(
        drift_id="position:m:YES",
        kind="position",
        subject="m:YES",
        opened_us=1_789_819_200_000_000,
    )
    assert account.state.drifts == {"position:m:YES": drift}
    seen = ev.DriftAcknowledged(at=START, drift_id="position:m:YES")
    account.record(ev.RECONCILIATION_STREAM, seen)
    acknowledged = msgspec.structs.replace(drift, acknowledged=True)
    assert account.state.drifts == {"position:m:YES": acknowledged}
    unknown = ev.DriftAcknowledged(at=START, drift_id="other")
    closed = ev.DriftClosed(at=START, drift_id="position:m:YES")
    account.record(ev.RECONCILIATION_STREAM, unknown, closed, closed)
    assert account.state.drifts == {}


def test_the_mode_is_what_was_said_last(account: Account) -> None:
    """A halted ledger must still be halted after a restart."""
    modes = []
    for event in (
        ev.LedgerReduceOnly(at=START, reason="r"),
        ev.LedgerHalted(at=START, reason="r"),
        ev.LedgerResumed(at=START, reason="r"),
    ):
        account.system(event)
        modes.append(account.state.mode)
    assert modes == [TradingMode.REDUCE_ONLY, TradingMode.HALTED, TradingMode.NORMAL]


def test_a_market_is_what_was_listed_last(account: Account) -> None:
    """The venue changes the tick while a market is open."""
    market = Market(market_id="0xmarket", yes_token="1", no_token="2")
    finer = msgspec.structs.replace(market, tick_size=D("0.001"))
    account.system(
        ev.MarketListed(at=START, market=market),
        ev.MarketListed(at=START, market=finer),
    )
    assert account.state.markets == {"0xmarket": finer}


def test_positions_and_versions_count_every_event(account: Account) -> None:
    """The next event's place follows from them."""
    account.deposit("1")
    account.ask("o1")
    account.system(
        ev.LedgerOpened(
            at=START, software_version="1", config_hash="", mode="paper", epoch=1
        )
    )
    account.deposit("1")
    assert account.state.position == 5
    assert account.state.versions == {"account-main": 2, "system": 1}
    assert account.state.orders["o1"].version == 2


# Without exposure


def test_read_models_fold_the_same_orders_and_positions(account: Account) -> None:
    """They leave the counting of exposure out, and nothing else."""
    account.deposit("1000")
    story(account)
    plain = LedgerState("main", account.load, tracks_exposure=False)
    for entry in account.log:
        plain.apply(*entry)
        # Asked after every event, it must not drift away from the sum over all.
        held = (reservation_of(order).cash for order in plain.orders.values())
        assert plain.reserved_cash == sum(held)
    assert plain.orders == account.state.orders
    assert plain.cash == account.state.cash
    assert plain.reserved_cash == account.state.reserved_cash
    assert plain.free_cash() == account.state.free_cash()
    assert plain.believed() == account.state.believed()
    lines = account.state.holdings.items()
    kept = {k: h.position for k, h in lines if h.position.totals != Totals()}
    assert {k: h.position for k, h in plain.holdings.items()} == kept
    assert plain.exposure.scopes == {}


# Checkpoints


def story(account: Account) -> None:
    """A bit of everything that a state can hold."""
    market = Market(market_id="0xmarket", yes_token="1", no_token="2")
    account.system(ev.MarketListed(at=START, market=market))
    account.deposit("1000")
    account.ask("o1", fee_rate=D("0.07"))
    account.learn("o1", LIVE, fill("t1", "30", at=5), mined("t1", 6))
    account.ask("o2", strategy="beta", expires_at=START + timedelta(hours=1))
    account.learn("o2", UNKNOWN)
    account.ask("o3", side=Side.SELL, price=D("0.70"), size=D("5"))
    account.learn("o3", LIVE)
    account.ask("o4", market_id="0xother")
    account.learn("o4", REFUSED)
    account.ask("o5", outcome=Outcome.NO)
    account.learn("o5", LIVE, fill("t5", "100"), confirmed("t5"))
    account.moved(
        ev.PositionSplit(at=START, strategy="alpha", market_id="0xother", size=D("9")),
        ev.MarketResolved(
            at=START, market_id="0xother", yes_payout=D("0"), no_payout=D("1")
        ),
    )
    drift = ev.DriftOpened(at=START, drift_id="a:b", kind="a", subject="b")
    account.record(ev.RECONCILIATION_STREAM, drift)
    account.system(ev.LedgerReduceOnly(at=START, reason="test"))


def test_a_checkpoint_holds_everything(account: Account) -> None:
    """A start from it must decide as a start from the first event would."""
    story(account)
    whole = picture(account.state)
    for name, part in whole.items():
        assert part, f"{name} is empty: the story proves nothing about it"
    assert picture(account.restored(len(account.log))) == whole
    assert picture(account.refolded()) == whole
    assert recounted(account.state, account.log) == counted(
        account.state, recounted(account.state, account.log)
    )


def test_a_restored_state_goes_on_like_the_kept_one(account: Account) -> None:
    """What was restored must not hold back twice, nor forget what it holds."""
    story(account)
    cut = len(account.log)
    account.learn("o1", ended(), voided("t1"))
    account.learn("o2", fill("t2", "100"), confirmed("t2"))
    account.learn("o3", ended(EndReason.EXPIRED))
    account.learn("o5", voided("t5", 9))
    assert picture(account.restored(cut)) == picture(account.state)
    assert account.state.reserved_cash == 0


def test_a_checkpoint_may_fall_anywhere(account: Account) -> None:
    """Before an order is signed, and while a done one settles."""
    account.ask("o1")
    account.learn("o1", LIVE, fill("t1", "100"))
    account.ask("o2")
    account.learn("o2", LIVE, ended())
    account.learn("o1", confirmed("t1"))
    whole = picture(account.state)
    for cut in range(len(account.log) + 1):
        assert picture(account.restored(cut)) == whole, cut


def test_a_checkpoint_of_another_account_is_refused(account: Account) -> None:
    """Two wallets in one folder would mix their positions."""
    story(account)
    other = LedgerState("other", account.load)
    assert not other.restore(account.state.dump())
    assert other.position == 0
    assert other.orders == {}


def test_a_checkpoint_of_another_version_is_refused(account: Account) -> None:
    """What a number means may have changed; the log has not."""
    story(account)
    kept = msgspec.msgpack.decode(account.state.dump(), type=Snapshot)
    kept.version += 1
    data = msgspec.msgpack.Encoder(decimal_format="string").encode(kept)
    state = account.empty()
    assert not state.restore(data)
    assert state.position == 0


@pytest.mark.parametrize("data", [b"", b"no checkpoint", b"\x80"])
def test_what_is_no_checkpoint_is_refused(account: Account, data: bytes) -> None:
    """Folding anew is slow, and right."""
    assert not account.empty().restore(data)


def test_nothing_kept_changes_with_later_events(account: Account) -> None:
    """A checkpoint is encoded at once: what comes later must not reach it."""
    account.ask("o1")
    account.learn("o1", LIVE)
    data = account.state.dump()
    account.learn("o1", fill("t1", "100"))
    state = account.empty()
    assert state.restore(data)
    order: Order = state.orders["o1"]
    assert order.matched == 0
    assert order.trades == {}
    assert account.state.orders["o1"].trades["t1"].settlement == Settlement.MATCHED
