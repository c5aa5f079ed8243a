"""Whom an order meets, at which price, and who pays what."""

from decimal import Decimal

import msgspec
import pytest

from executors.exchange.engine import ExchangeConfig, Placed, Refused
from tests.unit.exchange.desk import MARKET, NO, YES, Signed, Venue, units

LONG = 60_000


def test_better_price_wins_then_the_older_order() -> None:
    """A bot's place in the queue decides whether its practice run means anything."""
    venue = Venue()
    for who in "abc":
        venue.fund(who, yes=100)
    venue.fund("t")
    venue.place("a", "SELL", YES, "0.52", 10)
    venue.place("b", "SELL", YES, "0.51", 10)
    venue.place("c", "SELL", YES, "0.51", 10)
    answer = venue.place("t", "BUY", YES, "0.52", 25)
    assert isinstance(answer, Placed)
    trades = venue.exchange.trades("t")[::-1]
    filled = [
        (maker["owner"], maker["matched_amount"], trade["price"])
        for trade in trades
        for maker in trade["maker_orders"]
    ]
    assert filled == [("b", "10", "0.51"), ("c", "10", "0.51"), ("a", "5", "0.52")]


def test_price_improvement_goes_to_the_taker() -> None:
    """The maker's price holds: the taker pays less than it signed."""
    venue = Venue()
    venue.fund("m", yes=100)
    venue.fund("t")
    venue.place("m", "SELL", YES, "0.4", 10)
    answer = venue.place("t", "BUY", YES, "0.6", 10)
    assert isinstance(answer, Placed)
    assert (answer.making_amount, answer.taking_amount) == ("4", "10")
    venue.wait(LONG)
    assert venue.cash("t") == 996


def test_two_buys_of_both_tokens_mint_a_pair() -> None:
    """Most liquidity of the venue is on the other token's book."""
    venue = Venue()
    venue.fund("m")
    venue.fund("t")
    venue.place("m", "BUY", NO, "0.45", 10)
    venue.place("t", "BUY", YES, "0.6", 10)
    trade = venue.exchange.trades("t")[0]
    assert (trade["asset_id"], trade["price"]) == (YES, "0.55")
    entry = trade["maker_orders"][0]
    assert (entry["asset_id"], entry["price"], entry["side"]) == (NO, "0.45", "BUY")
    venue.wait(LONG)
    assert venue.holds("m", NO) == ("995.5", "10")
    assert venue.holds("t", YES) == ("994.5", "10")
    assert venue.exchange.state()["collateral"] == {"0xaa": units(10)}


def test_two_sells_of_both_tokens_merge_a_pair() -> None:
    """The other half of complementary matching gives the pUSD back."""
    venue = Venue()
    venue.fund("m", no=10)
    venue.fund("t", yes=10)
    venue.place("m", "SELL", NO, "0.45", 10)
    venue.place("t", "SELL", YES, "0.5", 10)
    venue.wait(LONG)
    assert venue.holds("m", NO) == ("1004.5", "0")
    assert venue.holds("t", YES) == ("1005.5", "0")


def test_both_tokens_show_one_book() -> None:
    """Clients read either token's book and must see the same liquidity."""
    venue = Venue()
    venue.fund("m")
    venue.place("m", "BUY", YES, "0.4", 10)
    venue.place("m", "BUY", YES, "0.42", 20)
    yes, no = venue.exchange.book(YES), venue.exchange.book(NO)
    assert yes is not None
    assert no is not None
    assert yes["bids"] == [
        {"price": "0.4", "size": "10"},
        {"price": "0.42", "size": "20"},
    ]
    assert no["asks"] == [
        {"price": "0.6", "size": "10"},
        {"price": "0.58", "size": "20"},
    ]


def test_market_buy_spends_its_money_and_may_get_more_shares_than_signed() -> None:
    """Operators saw 5 shares become 5.05: a ledger must not call that a fault."""
    venue = Venue()
    venue.fund("m", yes=100)
    venue.fund("t")
    venue.place("m", "SELL", YES, "0.5", 100)
    answer = venue.place("t", "BUY", YES, "0.6", 10, "FAK")
    assert isinstance(answer, Placed)
    assert (answer.making_amount, answer.taking_amount) == ("6", "12")
    row = venue.exchange.order(answer.order_id)
    assert row is not None
    assert (row["status"], row["original_size"], row["size_matched"]) == (
        "MATCHED",
        "10",
        "12",
    )


def test_market_buy_stops_at_its_shares_when_told_so() -> None:
    """Scenarios that count shares exactly need the plain reading."""
    venue = Venue(ExchangeConfig(spend_all=False))
    venue.fund("m", yes=100)
    venue.fund("t")
    venue.place("m", "SELL", YES, "0.5", 100)
    answer = venue.place("t", "BUY", YES, "0.6", 10, "FAK")
    assert isinstance(answer, Placed)
    assert (answer.making_amount, answer.taking_amount) == ("5", "10")


def test_fok_without_enough_is_killed_and_moves_nothing() -> None:
    """All or nothing: not a share may change hands."""
    venue = Venue()
    venue.fund("m", yes=10)
    venue.fund("t")
    venue.place("m", "SELL", YES, "0.5", 10)
    answer = venue.place("t", "BUY", YES, "0.5", 20, "FOK")
    assert isinstance(answer, Refused)
    assert answer.killed
    assert answer.error.startswith("order couldn't be fully filled.")
    assert venue.exchange.trades("t") == []


def test_fak_keeps_what_it_got_and_drops_the_rest() -> None:
    """The remainder ends in an UPDATE with status CANCELED, an odd shape."""
    venue = Venue()
    venue.fund("m", yes=10)
    venue.fund("t", yes=100)
    venue.place("m", "SELL", YES, "0.5", 10)
    venue.place("t", "BUY", YES, "0.5", 20, "FAK")
    last = venue.user("t", "order")[-1]
    assert (last["type"], last["status"], last["size_matched"]) == (
        "UPDATE",
        "CANCELED",
        "10",
    )
    assert venue.exchange.orders("t") == []


def test_protected_market_buy_below_the_cap_never_fills() -> None:
    """A taker amount rounded up implies a price under the cap, and meets nobody."""
    venue = Venue()
    venue.fund("m", yes=100)
    venue.fund("t")
    venue.place("m", "SELL", YES, "0.82", 100)
    rounded_up = Signed("0xT", YES, "BUY", units(1), 1_219_513)
    answer = venue.send("t", rounded_up, "FAK")
    assert isinstance(answer, Refused)
    assert answer.killed


def test_taker_pays_the_floored_fee_on_top_of_a_buy() -> None:
    """Fees decide between profit and loss of a thin edge."""
    market = msgspec.structs.replace(MARKET, fee_rate=Decimal("0.07"))
    venue = Venue(market=market)
    venue.fund("m", yes=100)
    venue.fund("t")
    venue.place("m", "SELL", YES, "0.33", "7.77")
    venue.place("t", "BUY", YES, "0.33", "7.77")
    venue.wait(LONG)
    assert venue.cash("t") == Decimal(1000) - Decimal("2.5641") - Decimal("0.12025")
    assert venue.cash("m") == Decimal("1002.5641")
    assert venue.exchange.state()["fees"] == units("0.12025")


def test_taker_pays_the_fee_of_a_sell_out_of_its_proceeds() -> None:
    """No pUSD is needed to sell."""
    market = msgspec.structs.replace(MARKET, fee_rate=Decimal("0.07"))
    venue = Venue(market=market)
    venue.fund("m")
    venue.fund("t", cash=0, yes=10)
    venue.place("m", "BUY", YES, "0.5", 10)
    venue.place("t", "SELL", YES, "0.5", 10)
    venue.wait(LONG)
    assert venue.cash("t") == Decimal("4.825")


def test_delayed_order_matches_later_and_cannot_be_canceled_before() -> None:
    """`delayed` is live exposure: who reads it as no fill oversells."""
    venue = Venue(market=msgspec.structs.replace(MARKET, taker_delay_ms=3_000))
    venue.fund("m", yes=100)
    venue.fund("t")
    venue.place("m", "SELL", YES, "0.5", 100)
    answer = venue.place("t", "BUY", YES, "0.5", 10)
    assert isinstance(answer, Placed)
    assert (answer.status, answer.due_ms) == ("delayed", venue.now_ms + 3_000)
    canceled = venue.exchange.cancel("t", [answer.order_id])
    assert answer.order_id in canceled.not_canceled  # type: ignore[union-attr]
    venue.wait(3_000)
    after = venue.exchange.outcome(answer.order_id)
    assert isinstance(after, Placed)
    assert (after.status, after.taking_amount) == ("matched", "10")


def test_delayed_order_whose_match_is_gone_rests_unmatched() -> None:
    """The venue calls that `unmatched` and a success."""
    venue = Venue(market=msgspec.structs.replace(MARKET, taker_delay_ms=3_000))
    venue.fund("m", yes=100)
    venue.fund("t")
    resting = venue.place("m", "SELL", YES, "0.5", 100)
    answer = venue.place("t", "BUY", YES, "0.5", 10)
    assert isinstance(resting, Placed)
    assert isinstance(answer, Placed)
    venue.exchange.cancel("m", [resting.order_id])
    venue.wait(3_000)
    after = venue.exchange.outcome(answer.order_id)
    assert isinstance(after, Placed)
    assert after.status == "unmatched"
    assert [row["status"] for row in venue.exchange.orders("t")] == ["LIVE"]


@pytest.mark.parametrize("tick", ["0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001"])
def test_a_market_buy_leaves_less_than_a_lot_unspent(tick: str) -> None:
    """FOK of a sum must fill on every grid although shares come in steps."""
    venue = Venue(market=msgspec.structs.replace(MARKET, tick_size=Decimal(tick)))
    venue.fund("m", yes=1000)
    venue.fund("t")
    price = 7 * Decimal(tick)
    shares = 700
    venue.place("m", "SELL", YES, str(price), shares)
    money = units("4.37")
    signed = Signed("0xT", YES, "BUY", money, int(money / price))
    if money / price > units(shares):
        signed = Signed("0xT", YES, "BUY", units("0.37"), int(units("0.37") / price))
        answer = venue.send("t", signed, "FOK")
        assert isinstance(answer, Refused)  # below 1 pUSD
        return
    answer = venue.send("t", signed, "FOK")
    assert isinstance(answer, Placed)
    spent = units(answer.making_amount)
    assert 0 <= money - spent < units("0.01")
