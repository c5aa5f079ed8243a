"""Resting orders wait their turn; every scenario is computed by hand."""

import pytest

from ledger.decide import CancelOutcome, LookupFound, OrderEnded, PostOutcome
from ledger.values import EndReason
from tests.unit.paper.kit import BUY, GTD, NO, SELL, Desk, book, d

ASKS = [("0.42", "100")]
BIDS = [("0.40", "100"), ("0.39", "50")]


@pytest.fixture
def desk() -> Desk:
    """Our order of 30 rests at 0.40 behind the 100 that were there."""
    desk = Desk()
    desk.show(BIDS, ASKS)
    assert desk.place(BUY, "0.40", "30").outcome is PostOutcome.LIVE
    return desk


class TestPrints:
    def test_prints_go_to_those_ahead_first(self, desk: Desk) -> None:
        """60 and 40 clear the queue, of the next 20 all are ours, then 10 of 50."""
        desk.trade(SELL, "0.40", "60")
        desk.trade(SELL, "0.40", "40")
        assert desk.fills() == []
        desk.trade(SELL, "0.40", "20")
        assert desk.fills() == [("0.40", "20")]
        desk.trade(SELL, "0.40", "50")
        assert desk.fills() == [("0.40", "10")]

    def test_one_print_can_clear_the_queue_and_reach_us(self, desk: Desk) -> None:
        """115 printed, 100 ahead: 15 are left for us."""
        desk.trade(SELL, "0.40", "115")
        assert desk.fills() == [("0.40", "15")]

    def test_at_the_front_the_first_print_is_ours(self) -> None:
        """The optimistic setting, for comparison."""
        desk = Desk(queue_position="front")
        desk.show(BIDS, ASKS)
        desk.place(BUY, "0.40", "30")
        desk.trade(SELL, "0.40", "20")
        assert desk.fills() == [("0.40", "20")]

    def test_a_price_of_our_own_has_nobody_ahead(self, desk: Desk) -> None:
        """We improved the bid: who joins later stands behind us."""
        desk.place(BUY, "0.41", "30")
        desk.show([("0.41", "500"), *BIDS], ASKS)
        desk.trade(SELL, "0.41", "20")
        assert desk.fills() == [("0.41", "20")]

    def test_a_print_through_our_price_fills_at_our_price(self, desk: Desk) -> None:
        """Somebody sold at 0.39; at 0.40 we came first, whatever stood ahead."""
        desk.trade(SELL, "0.39", "25")
        assert desk.fills() == [("0.40", "25")]

    def test_a_print_above_our_price_says_nothing(self, desk: Desk) -> None:
        """It was other people's better price."""
        desk.trade(SELL, "0.41", "500")
        assert desk.fills() == []

    def test_a_print_that_hit_the_other_side_says_nothing(self, desk: Desk) -> None:
        """A buyer took an ask; our bid was not asked."""
        desk.trade(BUY, "0.40", "500")
        desk.trade(BUY, "0.39", "500")
        assert desk.fills() == []

    def test_fills_are_bounded_by_the_print_over_all_our_orders(
        self, desk: Desk
    ) -> None:
        """130 printed: 100 ahead, 30 for the first order, none for the second."""
        desk.place(BUY, "0.40", "30")
        desk.trade(SELL, "0.40", "130")
        assert desk.fills() == [("0.40", "30")]
        desk.trade(SELL, "0.40", "10")
        assert desk.fills() == [("0.40", "10")]

    def test_a_later_order_waits_for_the_shares_between(self, desk: Desk) -> None:
        """100, our 30, 40 of others, our 10: of 175 printed the last gets 5."""
        desk.show([("0.40", "140")], ASKS)
        desk.place(BUY, "0.40", "10")
        desk.trade(SELL, "0.40", "175")
        assert desk.fills() == [("0.40", "30"), ("0.40", "5")]

    def test_the_better_price_fills_first(self, desk: Desk) -> None:
        """One print through both prices: 0.41 before 0.40."""
        desk.place(BUY, "0.41", "30")
        desk.trade(SELL, "0.39", "40")
        assert desk.fills() == [("0.41", "30"), ("0.40", "10")]

    def test_a_resting_sell_mirrors_all_this(self) -> None:
        """30 offered at 0.42 behind 100: a buyer of 110 leaves us 10."""
        desk = Desk()
        desk.own("30")
        desk.show(BIDS, ASKS)
        desk.place(SELL, "0.42", "30")
        desk.trade(BUY, "0.42", "110")
        desk.trade(BUY, "0.43", "5")
        assert desk.fills() == [("0.42", "10"), ("0.42", "5")]


class TestLevels:
    def test_who_leaves_is_assumed_to_stand_behind_us(self, desk: Desk) -> None:
        """150 shown, 50 leave: 100 may all still be ahead."""
        desk.show([("0.40", "150")], ASKS)
        desk.show([("0.40", "100")], ASKS)
        desk.trade(SELL, "0.40", "100")
        assert desk.fills() == []

    def test_no_more_stand_ahead_than_are_shown(self, desk: Desk) -> None:
        """Of 100 only 20 are left: a minute later 25 printed reach us."""
        desk.show([("0.40", "20")], ASKS)
        desk.wait(60_000)
        desk.trade(SELL, "0.40", "25")
        assert desk.fills() == [("0.40", "5")]

    def test_a_print_and_its_own_drop_count_once(self, desk: Desk) -> None:
        """The book may tell of a trade before its print does: 40 went, not 80."""
        desk.show([("0.40", "60")], ASKS)
        desk.trade(SELL, "0.40", "40")
        desk.wait(60_000)
        desk.trade(SELL, "0.40", "60")
        assert desk.fills() == []
        desk.trade(SELL, "0.40", "5")
        assert desk.fills() == [("0.40", "5")]

    def test_several_prints_may_share_one_drop(self, desk: Desk) -> None:
        """25 and 15 explain the 40 that left; the next 60 clear the queue."""
        desk.show([("0.40", "60")], ASKS)
        desk.trade(SELL, "0.40", "25")
        desk.trade(SELL, "0.40", "15")
        desk.trade(SELL, "0.40", "60")
        desk.trade(SELL, "0.40", "5")
        assert desk.fills() == [("0.40", "5")]

    def test_a_print_never_moves_us_back(self, desk: Desk) -> None:
        """60 are shown, 25 of the 40 that left were traded: still 60 ahead."""
        desk.show([("0.40", "60")], ASKS)
        desk.trade(SELL, "0.40", "25")
        desk.wait(60_000)
        desk.trade(SELL, "0.40", "65")
        assert desk.fills() == [("0.40", "5")]

    def test_a_drop_after_its_print_counts_once(self, desk: Desk) -> None:
        """The same trade in the other order."""
        desk.trade(SELL, "0.40", "40")
        desk.show([("0.40", "60")], ASKS)
        desk.trade(SELL, "0.40", "60")
        assert desk.fills() == []


class TestQuotes:
    def test_an_ask_at_our_bid_fills_us(self, desk: Desk) -> None:
        """Whoever offers at 0.40 would have met us; only what he shows counts."""
        desk.show([("0.39", "50")], [("0.40", "12"), ("0.41", "90")])
        assert desk.fills() == [("0.40", "12")]

    def test_asks_through_our_bid_fill_at_our_price(self, desk: Desk) -> None:
        """He comes to us, so the price is ours and so is the maker's role."""
        desk.show([("0.30", "50")], [("0.38", "5"), ("0.39", "90")])
        assert desk.fills() == [("0.40", "5"), ("0.40", "25")]
        assert desk.venue.open_orders() == ()

    def test_the_better_of_our_bids_meets_the_ask_first(self, desk: Desk) -> None:
        """Price before time, as at the venue."""
        desk.place(BUY, "0.41", "30")
        desk.show([("0.39", "50")], [("0.40", "40")])
        assert desk.fills() == [("0.41", "30"), ("0.40", "10")]

    def test_the_same_ask_does_not_fill_us_twice(self, desk: Desk) -> None:
        """The recording shows it on, because it never met us there."""
        for _ in range(3):
            desk.show([("0.39", "50")], [("0.40", "12")])
        assert desk.fills() == [("0.40", "12")]

    def test_what_we_took_does_not_come_back_to_our_remainder(self) -> None:
        """We took all 10 at 0.42 and bid on: the book still shows those 10."""
        desk = Desk()
        desk.show([], [("0.42", "10")])
        desk.place(BUY, "0.42", "30")
        desk.show([], [("0.42", "10")])
        assert desk.fills() == [("0.42", "10")]
        desk.show([], [("0.42", "14")])
        assert desk.fills() == [("0.42", "4")]


class TestComplement:
    def test_a_print_of_no_fills_an_order_of_yes(self, desk: Desk) -> None:
        """Buying NO at 0.61 is selling YES at 0.39, through our bid."""
        desk.trade(BUY, "0.61", "25", asset="222")
        assert desk.fills() == [("0.40", "25")]

    def test_a_trade_printed_on_both_tokens_counts_once(self, desk: Desk) -> None:
        """Otherwise the queue would melt twice as fast as in life."""
        desk.trade(SELL, "0.40", "80")
        desk.trade(BUY, "0.60", "80", asset="222")
        assert desk.fills() == []
        desk.trade(SELL, "0.40", "25")
        assert desk.fills() == [("0.40", "5")]

    def test_two_equal_trades_on_one_token_count_twice(self, desk: Desk) -> None:
        """Only the other token's print can be an echo."""
        desk.trade(SELL, "0.40", "80")
        desk.trade(SELL, "0.40", "80")
        assert desk.fills() == [("0.40", "30")]

    def test_an_order_of_no_waits_in_the_book_of_yes(self) -> None:
        """A bid of 0.58 for NO stands behind the 100 that offer YES at 0.42."""
        desk = Desk()
        desk.show(BIDS, ASKS)
        desk.place(BUY, "0.58", "30", outcome=NO)
        desk.trade(BUY, "0.42", "110")
        assert desk.fills() == [("0.58", "10")]

    def test_a_book_of_no_tells_the_queue_of_yes(self) -> None:
        """100 offer NO at 0.60, so 100 bid for YES at 0.40, ahead of us."""
        desk = Desk()
        desk.show_book(book([("0.58", "100")], [("0.60", "100")], asset="222"))
        desk.place(BUY, "0.40", "30")
        desk.trade(SELL, "0.40", "110")
        assert desk.fills() == [("0.40", "10")]
        desk.show_book(book([("0.60", "15")], [("0.61", "9")], asset="222"))
        assert desk.fills() == [("0.40", "15")]

    def test_a_print_of_a_stranger_is_ignored(self, desk: Desk) -> None:
        """Market data may carry more markets than we trade."""
        desk.trade(SELL, "0.10", "999", asset="999")
        assert desk.fills() == []


class TestEnds:
    def test_cancel_ends_what_is_left(self, desk: Desk) -> None:
        """The filled part stays filled."""
        desk.trade(SELL, "0.39", "10")
        assert desk.venue.cancel(desk.now_ms, desk.last).outcome is (
            CancelOutcome.CANCELED
        )
        assert desk.said() == ["MATCHED", "cancelled"]
        desk.trade(SELL, "0.39", "10")
        assert desk.said() == []

    def test_a_cancel_too_late_says_which_way(self, desk: Desk) -> None:
        """These are the venue's two reasons, and both need a look-up."""
        venue = desk.venue
        venue.cancel(desk.now_ms, desk.last)
        again = venue.cancel(desk.now_ms, desk.last)
        assert (again.outcome, again.text) == (
            CancelOutcome.NOT_CANCELED,
            "Order not found or already canceled",
        )
        assert venue.cancel(desk.now_ms, "0xnever").text == again.text
        desk.place(BUY, "0.42", "10")
        assert venue.cancel(desk.now_ms, desk.last).text == "order already matched"

    def test_gtd_ends_a_minute_before_its_expiration(self, desk: Desk) -> None:
        """The venue does that; a bot that counts on the last minute loses it."""
        desk.place(BUY, "0.40", "30", GTD, expires_in=180_000)
        desk.wait(119_999)
        assert desk.said() == []
        desk.wait(1)
        [seen] = desk.venue.take_facts()
        assert isinstance(seen.fact, OrderEnded)
        assert (seen.fact.reason, seen.fact.size_matched) == (EndReason.EXPIRED, d("0"))
        assert seen.venue_order_id == desk.last

    def test_gtd_that_arrives_too_late_is_refused(self, desk: Desk) -> None:
        """Latency may eat the last of its life."""
        answer = desk.place(BUY, "0.40", "30", GTD, expires_in=60_000)
        assert (answer.outcome, answer.text) == (
            PostOutcome.REFUSED,
            "invalid expiration",
        )

    def test_a_filled_gtd_does_not_expire(self, desk: Desk) -> None:
        """It is done already; an end after the end would confuse the audit."""
        desk.place(BUY, "0.41", "10", GTD, expires_in=180_000)
        desk.trade(SELL, "0.41", "10")
        desk.wait(300_000)
        assert desk.said() == ["MATCHED", "MINED", "CONFIRMED"]

    def test_resolution_cancels_what_rests(self, desk: Desk) -> None:
        """The market is over; cash locked in it is free again."""
        free = desk.venue.available_cash()
        desk.venue.on_resolved(desk.now_ms, desk.market, {})
        [seen] = desk.venue.take_facts()
        assert isinstance(seen.fact, OrderEnded)
        assert seen.fact.reason is EndReason.MARKET_RESOLVED
        assert seen.fact.text == "CANCELED_MARKET_RESOLVED"
        assert desk.venue.available_cash() == free + d("12")
        assert desk.venue.look_up(desk.last).found is LookupFound.CANCELED
        desk.show(BIDS, ASKS)
        assert desk.place(BUY, "0.40", "10").code == "no_orderbook"

    def test_an_order_survives_a_gap_in_the_data(self, desk: Desk) -> None:
        """Our ignorance of the market is no event at the venue."""
        desk.venue.on_gap(desk.market.market_id)
        desk.show_book(book([("0.40", "10")], ASKS))
        desk.wait(60_000)
        desk.trade(SELL, "0.40", "15")
        assert desk.fills() == [("0.40", "5")]
