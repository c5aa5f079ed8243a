"""What orders hold back and what scopes use up, counted by hand."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ledger import events as ev
from ledger.decide import (
    GiveUp,
    LookedUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
    TradesSwept,
)
from ledger.exposure import NOTHING, Exposure, Reservation, reservation_of
from ledger.intent import OrderIntent
from ledger.position import PositionKey
from ledger.risk import ScopeUsage
from ledger.values import Outcome, Role, Side, TradingMode
from tests.unit.core.accounts import Account, picture
from tests.unit.core.stories import (
    LIVE,
    REFUSED,
    START,
    UNKNOWN,
    confirmed,
    ended,
    fill,
    given,
    requested,
    voided,
)

D = Decimal
RATE = D("0.07")
SCOPES = ("account", "strategy:alpha", "market:0xmarket")


def usage(account: Account, scope: str = "account") -> tuple[Decimal, int, int, int]:
    """pUSD at risk, open orders, rejects and failures in a row."""
    use = account.state.usage(scope)
    return use.gross, use.open_orders, use.rejects, use.failures


def numbers(gross: str, opened: int, *row: int) -> tuple[Decimal, int, int, int]:
    rejects, failures = row or (0, 0)
    return D(gross), opened, rejects, failures


def test_an_order_holds_back_what_it_may_still_cost() -> None:
    """100 at 0.40 and a fee of at most 0.0168 each: 41.68 pUSD."""
    order = given(LIVE, fee_rate=RATE).order
    assert reservation_of(order) == Reservation(D("41.68"), D("100"), D("0"))
    maker = given(LIVE, fee_rate=RATE, post_only=True).order
    assert reservation_of(maker) == Reservation(D("40"), D("100"), D("0"))
    seller = given(LIVE, side=Side.SELL).order
    assert reservation_of(seller) == Reservation(D("0"), D("0"), D("100"))


def test_what_is_matched_is_held_back_no_more() -> None:
    """It is a position by then; a void fill does not rest again."""
    order = given(LIVE, fill("t1", "30")).order
    assert reservation_of(order) == Reservation(D("28"), D("70"), D("0"))
    assert reservation_of(given(LIVE, fill("t1", "30"), voided()).order).buys == 70
    assert reservation_of(given(LIVE, fill("t1", "100")).order) == NOTHING
    assert reservation_of(given(LIVE, fill("t1", "130")).order) == NOTHING
    assert reservation_of(given(LIVE, ended()).order) == NOTHING


def test_an_unknown_outcome_is_held_back_in_full() -> None:
    """It may have filled: whoever forgets it buys twice."""
    assert reservation_of(given(UNKNOWN).order) == Reservation(
        D("40"), D("100"), D("0")
    )
    assert reservation_of(given(REFUSED).order) == NOTHING


def test_a_void_fill_frees_no_room_to_rest_again() -> None:
    """30 of 100 matched and void: 70 may still match, before and after the next."""
    account = Account()
    account.ask("o1")
    account.learn("o1", LIVE, fill("t1", "30"), voided("t1"), fill("t2", "10"))
    line = account.state.holding(PositionKey("alpha", "0xmarket", Outcome.YES))
    assert line.open_buys == 60
    assert account.state.reserved_cash == 24


def test_an_order_holds_back_what_was_signed() -> None:
    """Signing may round the size down: the rest can never match."""
    account = Account()
    account.ask("o1")
    signed = ev.OrderPrepared(
        at=START,
        venue_order_id="0xo2",
        size=D("99.99"),
        maker_amount=1,
        taker_amount=1,
        signed_order="{}",
    )
    account.record("order-o2", requested(size=D("99.995")), signed)
    assert account.state.reserved_cash == D("79.996")


@pytest.mark.parametrize("scope", SCOPES)
def test_an_order_counts_in_its_three_scopes(scope: str) -> None:
    """Requested, matched in part, ended: the pUSD at risk at each step."""
    account = Account()
    account.ask("o1")
    assert usage(account, scope) == numbers("40", 1)
    account.learn("o1", LIVE, fill("t1", "30", "0.39"))
    # 30 at 0.39 are held, 70 at 0.40 may still come.
    assert usage(account, scope) == numbers("39.7", 1)
    account.learn("o1", ended())
    assert usage(account, scope) == numbers("11.7", 0)
    account.learn("o1", confirmed("t1"))
    assert usage(account, scope) == numbers("11.7", 0)


def test_other_scopes_are_left_alone() -> None:
    """A market's limit must not be used up by another market."""
    account = Account()
    account.ask("o1")
    account.ask("o2", strategy="beta", market_id="0xother", price=D("0.10"))
    assert usage(account) == numbers("50", 2)
    assert usage(account, "strategy:beta") == numbers("10", 1)
    assert usage(account, "market:0xother") == numbers("10", 1)
    assert usage(account, "market:0xthird") == numbers("0", 0)


def test_a_sell_holds_shares_and_no_cash() -> None:
    """The same shares must not be sold twice."""
    account = Account()
    account.ask("o1")
    account.learn("o1", LIVE, fill("t1", "100"), confirmed("t1"))
    account.ask("o2", side=Side.SELL, size=D("60"), price=D("0.50"))
    state = account.state
    assert usage(account) == numbers("40", 1)
    assert state.reserved_cash == 0
    assert state.sellable("alpha", "0xmarket", Outcome.YES) == 40
    account.learn("o2", LIVE, fill("t2", "10", "0.50"))
    # 10 are gone, 50 are held: what is left to sell is the same.
    assert state.sellable("alpha", "0xmarket", Outcome.YES) == 40
    account.learn("o2", ended())
    assert state.sellable("alpha", "0xmarket", Outcome.YES) == 90


def test_pending_fills_count_in_full_and_cannot_be_sold() -> None:
    """Until the chain has spoken the shares may still vanish."""
    account = Account()
    account.ask("o1")
    account.learn("o1", LIVE, fill("t1", "60"))
    state = account.state
    assert state.position_with_open_buys("alpha", "0xmarket", Outcome.YES) == 100
    assert state.sellable("alpha", "0xmarket", Outcome.YES) == 0
    account.learn("o1", confirmed("t1"))
    assert state.sellable("alpha", "0xmarket", Outcome.YES) == 60


def test_a_position_counts_all_strategies_or_one() -> None:
    """The account's limit is about the token, whoever holds it."""
    account = Account()
    account.ask("o1")
    account.ask("o2", strategy="beta", size=D("7"))
    account.ask("o3", strategy="beta", size=D("1"), outcome=Outcome.NO)
    held = account.state.position_with_open_buys
    assert held("alpha", "0xmarket", Outcome.YES) == 100
    assert held("beta", "0xmarket", Outcome.YES) == 7
    assert held(None, "0xmarket", Outcome.YES) == 107
    assert held(None, "0xmarket", Outcome.NO) == 1
    assert held("gamma", "0xmarket", Outcome.YES) == 0
    assert held(None, "0xother", Outcome.YES) == 0
    assert account.state.sellable("gamma", "0xmarket", Outcome.YES) == 0


def test_a_resized_order_holds_back_its_smaller_size() -> None:
    """What risk cut off can cost nothing any more."""
    account = Account()
    account.ask("o1")
    account.learn(
        "o1",
        ev.OrderResized(
            at=START, size=D("25"), requested_size=D("100"), code="", text=""
        ),
    )
    assert usage(account) == numbers("10", 1)
    assert account.state.reserved_cash == 10


def test_rows_of_rejects_end_with_an_acceptance() -> None:
    """The circuit breaker counts what fails one after another."""
    account = Account()
    for number in range(3):
        account.ask(f"o{number}")
        account.learn(f"o{number}", REFUSED)
    assert usage(account) == numbers("0", 0, 3, 0)
    account.ask("other", strategy="beta", market_id="0xother")
    account.learn("other", LIVE)
    # The account has seen an acceptance, the strategy alpha has not.
    assert usage(account)[2:] == (0, 0)
    assert usage(account, "strategy:alpha")[2:] == (3, 0)


def test_unknown_outcomes_and_void_trades_are_failures() -> None:
    """A venue that does not answer, a chain that does not settle: stop."""
    account = Account()
    account.ask("o1")
    account.learn("o1", UNKNOWN)
    assert usage(account) == numbers("40", 1, 0, 1)
    account.learn("o1", fill("t1", "60"), voided("t1"))
    assert usage(account)[2:] == (0, 2)
    account.learn("o1", LIVE)
    assert usage(account)[2:] == (0, 0)


def test_a_refusal_of_our_own_is_no_reject() -> None:
    """A limit that refuses must not trip the breaker on top."""
    account = Account()
    account.ask("o1")
    refused = ev.OrderRefused(at=START, by="risk", code="cash", text="no")
    account.learn("o1", refused)
    assert usage(account) == numbers("0", 0)


def test_who_resumes_forgives() -> None:
    """Otherwise the breaker would stay open for ever: nothing could be accepted."""
    account = Account()
    account.ask("o1")
    account.learn("o1", REFUSED)
    account.ask("o2")
    account.learn("o2", UNKNOWN)
    account.system(ev.LedgerHalted(at=START, reason="test"))
    assert account.state.mode is TradingMode.HALTED
    assert usage(account)[2:] == (1, 1)
    account.system(ev.LedgerResumed(at=START, reason="test"))
    assert usage(account)[2:] == (0, 0)


def test_a_refused_order_that_turns_out_to_live_counts_again() -> None:
    """Evidence of acceptance beats a refusal, and the cash is held back again."""
    account = Account()
    account.ask("o1")
    account.learn("o1", REFUSED)
    assert usage(account) == numbers("0", 0, 1, 0)
    account.learn("o1", LIVE)
    assert usage(account) == numbers("40", 1)
    assert account.state.reserved_cash == 40


def test_an_order_given_up_that_fills_after_all_counts_again() -> None:
    """Absence proves little; the fill proves that it works."""
    account = Account()
    account.ask("o1")
    none = LookedUp(found=LookupFound.NONE)
    account.learn("o1", UNKNOWN, none, TradesSwept())
    account.now += timedelta(seconds=60)
    account.learn("o1", none, TradesSwept(), GiveUp())
    assert usage(account) == numbers("0", 0, 0, 1)
    account.learn("o1", fill("t1", "30"))
    assert usage(account)[:2] == (D("40"), 1)
    assert account.state.reserved_cash == 28


def test_a_killed_order_holds_nothing_back() -> None:
    """A FOK that found no match was accepted and ended in one answer."""
    account = Account()
    account.ask("o1")
    account.learn("o1", PostAnswered(outcome=PostOutcome.KILLED))
    assert usage(account) == numbers("0", 0)


# The day's profit


def day_pnl(account: Account, scope: str = "account") -> tuple[int, Decimal]:
    use = account.state.usage(scope)
    return use.day, use.day_pnl


def test_the_days_profit_is_realised_and_after_fees() -> None:
    """10 bought at 0.40 for a fee of 0.1, sold at 0.30 for 0.2: 1.3 lost."""
    account = Account()
    account.ask("o1", size=D("10"))
    account.learn("o1", fill("t1", "10", fee="0.1"), confirmed("t1"))
    assert day_pnl(account) == (START.toordinal(), D("-0.1"))
    account.ask("o2", side=Side.SELL, size=D("10"), price=D("0.30"))
    account.learn("o2", fill("t2", "10", "0.30", fee="0.2"))
    for scope in SCOPES:
        assert day_pnl(account, scope) == (START.toordinal(), D("-1.3"))
    account.learn("o2", voided("t2"))
    assert day_pnl(account) == (START.toordinal(), D("-0.1"))


def sale(account: Account, amount: str) -> None:
    """10 shares leave for an amount; they cost 4."""
    account.moved(
        ev.PositionTransferred(
            at=account.now,
            strategy="alpha",
            market_id="0xmarket",
            outcome=Outcome.YES,
            size=D("10"),
            cost=D("4"),
        ),
        ev.PositionRedeemed(
            at=account.now,
            strategy="alpha",
            market_id="0xmarket",
            outcome=Outcome.YES,
            size=D("10"),
            payout=D(amount),
        ),
    )


def test_a_new_day_begins_without_profit() -> None:
    """The limit is per UTC day."""
    account = Account()
    sale(account, "1")
    account.now += timedelta(days=1)
    assert day_pnl(account) == (START.toordinal(), D("-3"))
    sale(account, "2")
    assert day_pnl(account) == (START.toordinal() + 1, D("-2"))


def test_news_of_an_earlier_day_does_not_forget_todays_loss() -> None:
    """Importing last week's trades must not lift today's loss limit."""
    account = Account()
    sale(account, "1")
    account.now -= timedelta(days=7)
    sale(account, "2")
    assert day_pnl(account) == (START.toordinal(), D("-3"))


def test_a_groups_day_is_its_latest() -> None:
    """A market's loss of yesterday is none of today's."""
    account = Account()
    sale(account, "1")
    account.now += timedelta(days=1)
    account.ask("o1", market_id="0xother", size=D("10"))
    account.learn("o1", fill("t1", "10", fee="0.1"))
    account.ask("o2", market_id="0xother")
    account.learn("o2", REFUSED)
    group = account.state.group_usage(frozenset({"0xmarket", "0xother"}))
    assert group == ScopeUsage(
        gross=D("4"),
        open_orders=0,
        rejects=1,
        failures=0,
        day=START.toordinal() + 1,
        day_pnl=D("-0.1"),
    )
    both = account.state.group_usage(frozenset({"0xmarket"}))
    assert (both.day, both.day_pnl) == (START.toordinal(), D("-3"))
    assert account.state.group_usage(frozenset()) == ScopeUsage()


def test_a_group_sums_its_markets() -> None:
    """Pennies at risk in many markets are pounds at risk in one underlying."""
    account = Account()
    account.ask("o1")
    account.ask("o2", market_id="0xother", price=D("0.10"))
    account.ask("o3", market_id="0xthird")
    group = account.state.group_usage(frozenset({"0xmarket", "0xother"}))
    assert (group.gross, group.open_orders) == (D("50"), 2)


# While an order is being prepared


def wanted(**changes: str) -> OrderIntent:
    content = {
        "strategy": "alpha",
        "idempotency_key": "k9",
        "market_id": "0xmarket",
        "outcome": "YES",
        "side": "BUY",
        "size": "100",
        "price": "0.40",
    }
    return OrderIntent.parse(content | changes)


def test_an_intent_counts_while_it_is_being_signed() -> None:
    """Two intents that are decided at once must not both have the last dollar."""
    account = Account()
    account.deposit("100")
    state, before = account.state, picture(account.state)
    with state.hold(wanted(), D("50"), RATE):
        # 50 x (0.40 + 0.0168)
        assert usage(account) == numbers("20.84", 1)
        assert usage(account, "strategy:alpha") == numbers("20.84", 1)
        assert state.free_cash() == D("79.16")
        held = state.position_with_open_buys("alpha", "0xmarket", Outcome.YES)
        assert held == 50
    assert picture(state) == before


def test_shares_count_while_their_sale_is_being_signed() -> None:
    """The same shares must not be sold twice at once."""
    account = Account()
    account.ask("o1")
    account.learn("o1", fill("t1", "100"), confirmed("t1"))
    state, before = account.state, picture(account.state)
    with state.hold(wanted(side="SELL"), D("60"), RATE):
        assert state.sellable("alpha", "0xmarket", Outcome.YES) == 40
        assert usage(account) == numbers("40", 1)
        assert state.reserved_cash == 0
    assert picture(state) == before


def test_a_failed_signature_lets_go_of_what_it_held() -> None:
    """Otherwise each failure would eat a piece of the limits."""
    account = Account()
    state, before = account.state, picture(account.state)
    with pytest.raises(OSError, match="no key"), state.hold(wanted(), D("9"), RATE):
        raise OSError("no key")
    assert picture(state) == before


def test_what_is_being_signed_is_in_no_checkpoint() -> None:
    """No event says it: after a crash nobody would ever let go of it."""
    account = Account()
    account.deposit("100")
    account.ask("o1", size=D("10"))
    before = picture(account.state)
    kept = account.empty()
    with (
        account.state.hold(wanted(), D("50"), RATE),
        account.state.hold(wanted(side="SELL", strategy="beta"), D("5"), RATE),
    ):
        held = picture(account.state)
        data = account.state.dump()
        assert picture(account.state) == held, "the dump let go of what is held"
    assert kept.restore(data)
    assert picture(kept) == before


# Rates


def test_request_times_are_kept_per_scope() -> None:
    """Only scopes with a limited rate are asked for, and only they are noted."""
    exposure = Exposure()
    assert list(exposure.requests("account")) == []
    exposure.count_request(("account", "strategy:alpha"), START)
    later = START + timedelta(seconds=1)
    exposure.count_request(("account",), later)
    assert list(exposure.requests("account")) == [START, later]
    assert list(exposure.requests("strategy:alpha")) == [START]
    assert list(exposure.requests("market:0xmarket")) == []


def test_only_the_latest_requests_are_kept() -> None:
    """A bot that runs for a year must not fill the memory with times."""
    account = Account()
    for number in range(1_500):
        at = START + timedelta(seconds=number)
        account.state.exposure.count_request(("account",), at)
    times = account.state.requests("account")
    assert len(times) == 1_000
    assert times[-1] == START + timedelta(seconds=1_499)


def test_a_role_does_not_change_what_is_at_risk() -> None:
    """The reservation's fee is an upper bound; the fill brings the real one."""
    account = Account()
    account.deposit("100")
    account.ask("o1", fee_rate=RATE)
    assert account.state.free_cash() == D("58.32")
    account.learn("o1", fill("t1", "100", "0.38", role=Role.MAKER))
    assert account.state.free_cash() == 62
    assert account.state.reserved_cash == 0
    assert usage(account) == numbers("38", 0)
