"""What the chain does with a match, and what the exchange does by itself."""

from decimal import Decimal

import pytest

from executors.exchange.engine import (
    Canceled,
    ExchangeConfig,
    Message,
    Placed,
    Refused,
    TradeFilter,
)
from ledger.values import Settlement
from tests.unit.exchange.desk import NO, START_MS, UNIT, YES, Venue

MATCHED, MINED, RETRYING = Settlement.MATCHED, Settlement.MINED, Settlement.RETRYING
CONFIRMED, FAILED = Settlement.CONFIRMED, Settlement.FAILED


def traded(config: ExchangeConfig | None = None, *path: Settlement) -> Venue:
    """A venue with one trade: t bought 10 YES of m at 0.5."""
    venue = Venue(config)
    venue.fund("m", yes=100)
    venue.fund("t")
    if path:
        venue.exchange.script_settlement(path)
    venue.place("m", "SELL", YES, "0.5", 20)
    venue.place("t", "BUY", YES, "0.5", 10)
    return venue


def told(venue: Venue, who: str) -> list[Message]:
    """The trade messages of an API key."""
    return venue.user(who, "trade")


def test_nothing_moves_before_the_confirmation() -> None:
    """MATCHED is a promise, and a block can still be undone."""
    venue = traded()
    venue.wait(2_000)
    assert venue.exchange.trades("t")[0]["status"] == "MINED"
    assert venue.holds("t", YES) == ("1000", "0")
    venue.wait(3_000)
    assert venue.exchange.trades("t")[0]["status"] == "CONFIRMED"
    assert venue.holds("t", YES) == ("995", "10")
    assert venue.holds("m", YES) == ("1005", "90")


def test_both_sides_hear_every_state_in_their_role() -> None:
    """A maker that reads the taker's side books the wrong fill."""
    venue = traded()
    venue.wait(60_000)
    for who, role in (("t", "TAKER"), ("m", "MAKER")):
        assert [m["status"] for m in told(venue, who)] == [
            "MATCHED",
            "MINED",
            "CONFIRMED",
        ]
        assert {m["trader_side"] for m in told(venue, who)} == {role}


def test_failed_trade_leaves_balances_alone_and_size_matched_as_it_was() -> None:
    """Failure mode 2: the order says matched, the tokens never come."""
    venue = traded(None, FAILED)
    venue.wait(60_000)
    assert venue.holds("t", YES) == ("1000", "0")
    row = venue.exchange.order("0x02")
    assert row is not None
    assert (row["status"], row["size_matched"]) == ("MATCHED", "10")
    answer = venue.place("t", "BUY", YES, "0.4", 2500)
    assert isinstance(answer, Placed), "its money is free again"


def test_a_retried_trade_is_mined_under_another_hash() -> None:
    """A hash seen before the confirmation may be replaced."""
    venue = traded(None, MINED, RETRYING, MINED, CONFIRMED)
    venue.wait(60_000)
    hashes = [m["transaction_hash"] for m in told(venue, "t")]
    assert hashes[0] == ""
    assert hashes[1] == hashes[2]
    assert hashes[2] != hashes[3] == hashes[4]


@pytest.mark.parametrize("path", [(), (MINED,), (FAILED, MINED), (FAILED, FAILED)])
def test_a_scripted_path_must_end_in_its_only_final_state(
    path: tuple[Settlement, ...],
) -> None:
    """A trade that never ends would hang every test that waits for it."""
    with pytest.raises(ValueError, match="settlement"):
        Venue().exchange.script_settlement(path)


def test_a_trade_that_a_wallet_cannot_pay_any_more_fails() -> None:
    """The usual ghost fill: the counterparty moved its tokens away."""
    venue = traded()
    venue.exchange.fund("0xm", shares={YES: -95 * UNIT})
    venue.wait(60_000)
    assert venue.exchange.trades("t")[0]["status"] == "FAILED"
    assert venue.shares("t", YES) == 0


def test_orders_that_a_wallet_cannot_pay_any_more_become_invalid() -> None:
    """The venue cancels by itself, and a ledger has to hear it."""
    venue = traded()
    venue.exchange.fund("0xm", shares={YES: -85 * UNIT})
    last = venue.user("m", "order")[-1]
    assert (last["type"], last["status"], last["size_matched"]) == (
        "CANCELLATION",
        "INVALID",
        "10",
    )


def test_rates_decide_how_many_trades_fail() -> None:
    """An operator who asks for failures must get them, and the same ones again."""
    config = ExchangeConfig(failure_rate=Decimal("0.5"), retry_rate=Decimal("0.5"))

    def fates() -> list[str]:
        venue = Venue(config)
        venue.fund("m", yes=1000)
        venue.fund("t")
        for _ in range(40):
            venue.place("m", "SELL", YES, "0.5", 5)
            venue.place("t", "BUY", YES, "0.5", 5)
        venue.wait(600_000)
        return [m["status"] for m in told(venue, "t")]

    first = fates()
    assert first == fates()
    assert 10 < first.count("FAILED") < 30
    assert first.count("RETRYING") > 5


def test_gtd_ends_a_minute_before_its_expiration() -> None:
    """Who counts on the last minute trades on a dead order."""
    venue = Venue()
    venue.fund("t")
    expiration = START_MS // 1000 + 180
    venue.place("t", "BUY", YES, "0.5", 10, "GTD", expiration=expiration)
    venue.wait(119_999)
    assert len(venue.exchange.orders("t")) == 1
    venue.wait(1)
    assert venue.exchange.orders("t") == []
    assert venue.user("t", "order")[-1]["status"] == "CANCELED_EXPIRED_ORDER"
    row = venue.exchange.orders("t", order_id="0x01")[0]
    assert row["status"] == "CANCELED"


def test_cancel_ends_only_what_is_left_and_says_why_it_did_not() -> None:
    """Every reason is ambiguous: the ledger must look the order up."""
    venue = traded()
    answer = venue.exchange.cancel("m", ["0x01", "0x02", "0x99"])
    assert answer == Canceled(
        ["0x01"],
        {
            "0x02": "order can't be found - already canceled or matched",
            "0x99": "order can't be found - already canceled or matched",
        },
    )
    row = venue.exchange.order("0x01")
    assert row is not None
    assert (row["status"], row["size_matched"]) == ("CANCELED", "10")
    own = venue.exchange.cancel("t", ["0x02"])
    assert own == Canceled([], {"0x02": "order already matched"})


def test_cancel_market_takes_the_token_or_the_market() -> None:
    """Bots leave one market while they stay in others."""
    venue = Venue()
    venue.fund("t")
    for token in (YES, NO):
        venue.place("t", "BUY", token, "0.3", 10)
    other = venue.exchange.cancel_market("t", market="0xbb")
    assert other == Canceled([], {})
    one = venue.exchange.cancel_market("t", asset_id=YES)
    assert one == Canceled(["0x01"], {})
    rest = venue.exchange.cancel_all("t")
    assert rest == Canceled(["0x02"], {})


def test_silence_after_the_first_heartbeat_cancels_everything() -> None:
    """Failure mode 17: one missed heartbeat takes the orders of every process."""
    venue = traded()
    assert venue.exchange.heartbeat("m", "").accepted
    venue.wait(9_999)
    assert len(venue.exchange.orders("m")) == 1
    venue.wait(1)
    assert venue.exchange.orders("m") == []


def test_a_heartbeat_must_carry_the_last_id() -> None:
    """The answer to a wrong one says which it should have been."""
    venue = Venue()
    first = venue.exchange.heartbeat("t", "")
    wrong = venue.exchange.heartbeat("t", "nonsense")
    assert (wrong.accepted, wrong.heartbeat_id) == (False, first.heartbeat_id)
    assert venue.exchange.heartbeat("t", first.heartbeat_id).accepted


def test_heartbeats_in_time_keep_the_orders() -> None:
    """An old deadline must not fire after a newer heartbeat."""
    venue = traded()
    beat = venue.exchange.heartbeat("m", "")
    for _ in range(6):
        venue.wait(5_000)
        beat = venue.exchange.heartbeat("m", beat.heartbeat_id)
    assert len(venue.exchange.orders("m")) == 1


def test_resolution_cancels_what_rests_and_closes_the_market() -> None:
    """After the end an order is exposure to nothing."""
    venue = traded()
    venue.exchange.resolve("0xaa", YES)
    assert venue.user("m", "order")[-1]["status"] == "CANCELED_MARKET_RESOLVED"
    assert venue.market(NO, "market_resolved")[0]["winning_asset_id"] == YES
    assert isinstance(venue.place("t", "BUY", YES, "0.4", 10), Refused)
    venue.wait(60_000)
    position = venue.exchange.positions("0xT")[0]
    assert (position["redeemable"], position["current_price"]) == (True, 1)


def test_wipe_drops_every_open_order() -> None:
    """What the cut-over of 2026-04-28 did."""
    venue = traded()
    assert venue.exchange.wipe_orders() == 1
    assert venue.exchange.orders("m") == []


def test_positions_lag_behind_the_chain() -> None:
    """Failure mode 16: who trades from positions buys twice."""
    venue = traded(ExchangeConfig(data_lag_ms=60_000))
    venue.wait(60_000)
    assert venue.shares("t", YES) == 10
    assert venue.exchange.positions("0xt") == []
    venue.wait(10_000)
    position = venue.exchange.positions("0xt")[0]
    assert (position["current_size"], position["avg_price"]) == (10, Decimal("0.5"))
    activity = venue.exchange.activity("0xt")[0]
    assert (activity["side"], activity["size"], activity["usdc_size"]) == (
        "BUY",
        10,
        5,
    )


def test_trades_are_filtered_as_at_the_venue() -> None:
    """Sweeps after a gap read by time; an off-by-one there loses a fill."""
    venue = traded()
    at = START_MS // 1000
    trade_id = venue.exchange.trades("t")[0]["id"]
    hits = [
        TradeFilter(trade_id=trade_id),
        TradeFilter(after=at, before=at),
        TradeFilter(maker_address="0xT", market="0xaa", asset_id=YES),
    ]
    misses = [
        TradeFilter(trade_id="x"),
        TradeFilter(after=at + 1),
        TradeFilter(before=at - 1),
        TradeFilter(maker_address="0xZ"),
        TradeFilter(asset_id=NO),
    ]
    assert [len(venue.exchange.trades("t", wanted)) for wanted in hits] == [1, 1, 1]
    assert not any(venue.exchange.trades("t", wanted) for wanted in misses)


def test_old_orders_and_trades_are_forgotten() -> None:
    """An exchange that runs for weeks must not grow for weeks."""
    venue = Venue(ExchangeConfig(history=3))
    venue.fund("m", yes=1000)
    venue.fund("t")
    for _ in range(10):
        venue.place("m", "SELL", YES, "0.5", 5)
        venue.place("t", "BUY", YES, "0.5", 5)
    venue.wait(60_000)
    assert len(venue.exchange.trades("t")) == 3
    assert len(venue.exchange.state()["orders"]) == 3
    assert venue.shares("t", YES) == 50
