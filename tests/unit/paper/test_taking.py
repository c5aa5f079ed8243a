"""Orders that meet the book at once: depth, time in force, fees."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.decide import LookupFound, OrderEnded, PostOutcome
from ledger.intent import UserFill
from ledger.market import taker_fee
from ledger.values import EndReason, Role, TimeInForce
from tests.unit.paper.kit import (
    BUY,
    FAK,
    FOK,
    GTC,
    MARKET,
    NO,
    SELL,
    Desk,
    book,
    d,
)

SHARED = Path(__file__).parents[4] / "shared" / "fixtures" / "polymarket"
ASKS = [("0.40", "10"), ("0.41", "20"), ("0.43", "100")]
BIDS = [("0.38", "15"), ("0.37", "30")]

OWN_FEES = [  # shares, price, rate, fee: rounded by hand from the formula
    ("10", "0.40", "0.07", "0.16800"),
    ("33.33", "0.41", "0.05", "0.40312"),  # 0.4031263...
    ("7.77", "0.9", "0.07", "0.04895"),  # 0.048951
]


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.show(BIDS, ASKS)
    return desk


class TestDepth:
    def test_taking_walks_the_levels_and_gives_the_better_price(
        self, desk: Desk
    ) -> None:
        """One price for all of it would be a profit that no venue pays."""
        assert desk.place(BUY, "0.42", "25").outcome is PostOutcome.MATCHED
        assert desk.fills() == [("0.40", "10"), ("0.41", "15")]

    def test_selling_walks_the_bids_downwards(self, desk: Desk) -> None:
        """The best bid first, then the next."""
        desk.own("40")
        desk.place(SELL, "0.37", "40")
        assert desk.fills() == [("0.38", "15"), ("0.37", "25")]

    def test_the_remainder_of_a_gtc_rests(self, desk: Desk) -> None:
        """Matched does not mean filled: part of it works on."""
        assert desk.place(BUY, "0.41", "50").outcome is PostOutcome.MATCHED
        [resting] = desk.venue.open_orders()
        assert (resting.size, resting.size_matched) == (d("50"), d("30"))
        assert desk.venue.look_up(desk.last).found is LookupFound.LIVE

    def test_an_order_that_meets_nothing_is_live(self, desk: Desk) -> None:
        """No fill, no fact: only the answer says that it works."""
        assert desk.place(BUY, "0.39", "50").outcome is PostOutcome.LIVE
        assert desk.said() == []

    def test_liquidity_we_took_stays_taken(self, desk: Desk) -> None:
        """A recorded book cannot know of us; without this we buy it twice."""
        desk.place(BUY, "0.40", "6", FAK)
        desk.place(BUY, "0.40", "10", FAK)
        assert desk.fills() == [("0.40", "6"), ("0.40", "4")]
        desk.show(BIDS, ASKS)
        assert desk.place(BUY, "0.40", "10", FAK).outcome is PostOutcome.KILLED

    def test_growth_of_a_level_is_new_liquidity(self, desk: Desk) -> None:
        """Ten were taken of ten; of seventeen shown, seven are somebody else's."""
        desk.place(BUY, "0.40", "10")
        desk.show(BIDS, [("0.40", "17")])
        desk.place(BUY, "0.40", "10", FAK)
        assert desk.fills() == [("0.40", "10"), ("0.40", "7")]

    def test_a_shrinking_level_shrinks_for_us_first(self, desk: Desk) -> None:
        """Of the ten shown six were ours; of seven shown only one is left."""
        desk.place(BUY, "0.40", "6", FAK)
        desk.show(BIDS, [("0.40", "7")])
        desk.place(BUY, "0.40", "10", FAK)
        assert desk.fills() == [("0.40", "6"), ("0.40", "1")]

    def test_a_level_that_shrank_below_our_take_may_grow_anew(self, desk: Desk) -> None:
        """Six of ours, then three shown: of ten shown later, seven are new."""
        desk.place(BUY, "0.40", "6", FAK)
        desk.show(BIDS, [("0.40", "3")])
        desk.show(BIDS, [("0.40", "10")])
        desk.place(BUY, "0.40", "10", FAK)
        assert desk.fills() == [("0.40", "6"), ("0.40", "7")]

    def test_a_level_that_vanished_comes_back_whole(self, desk: Desk) -> None:
        """A level at the same price a minute later is another order."""
        desk.place(BUY, "0.40", "10")
        desk.show(BIDS, [("0.41", "20")])
        desk.show(BIDS, ASKS)
        desk.place(BUY, "0.40", "10", FAK)
        assert desk.fills() == [("0.40", "10"), ("0.40", "10")]

    def test_matches_are_in_hundredths_of_a_share(self, desk: Desk) -> None:
        """Finer parts times a price would not fit the 6 places of pUSD."""
        desk.show(BIDS, [("0.40", "9.876543"), ("0.41", "20")])
        desk.place(BUY, "0.41", "10", FAK)
        assert desk.fills() == [("0.40", "9.87"), ("0.41", "0.13")]


class TestComplement:
    def test_buying_no_takes_the_bids_of_yes(self, desk: Desk) -> None:
        """The books are one: NO is offered at 0.62 because YES is bid at 0.38."""
        desk.place(BUY, "0.63", "20", outcome=NO)
        assert desk.fills() == [("0.62", "15"), ("0.63", "5")]

    def test_both_tokens_share_their_liquidity(self, desk: Desk) -> None:
        """Taken as YES it is gone as NO, or a pair would be bought out of air."""
        desk.own("15")
        desk.place(SELL, "0.38", "15")
        assert desk.place(BUY, "0.62", "15", FOK, outcome=NO).outcome is (
            PostOutcome.KILLED
        )

    def test_a_book_of_no_serves_orders_of_yes(self) -> None:
        """A recording may hold the other token's book only."""
        desk = Desk()
        desk.show_book(book([("0.55", "9")], [("0.60", "8")], asset="222"))
        desk.place(BUY, "0.46", "10", FAK)
        desk.own("10")
        desk.place(SELL, "0.40", "8", FAK)
        assert desk.fills() == [("0.45", "9"), ("0.40", "8")]

    def test_an_older_book_is_ignored(self) -> None:
        """Books of the two tokens may arrive out of order."""
        desk = Desk()
        desk.show_book(book(asks=[("0.40", "10")], at=2_000))
        desk.show_book(book(bids=[("0.70", "99")], asset="222", at=1_000))
        desk.place(BUY, "0.40", "50", FAK)
        assert desk.fills() == [("0.40", "10")]


class TestTimeInForce:
    def test_fok_fills_completely(self, desk: Desk) -> None:
        """All thirty are there at the limit or better."""
        assert desk.place(BUY, "0.41", "30", FOK).outcome is PostOutcome.MATCHED
        assert desk.fills() == [("0.40", "10"), ("0.41", "20")]

    def test_fok_that_cannot_fill_is_killed_whole(self, desk: Desk) -> None:
        """One share short is all it takes, and nothing may have been taken."""
        answer = desk.place(BUY, "0.41", "30.01", FOK)
        assert answer.outcome is PostOutcome.KILLED
        assert answer.text == (
            "order couldn't be fully filled. FOK orders are fully filled or killed."
        )
        [ended] = [seen.fact for seen in desk.venue.take_facts()]
        assert isinstance(ended, OrderEnded)
        assert (ended.reason, ended.size_matched) == (EndReason.KILLED, d("0"))
        assert desk.place(BUY, "0.41", "30", FOK).outcome is PostOutcome.MATCHED

    def test_fak_kills_its_remainder(self, desk: Desk) -> None:
        """It takes what is there and never rests."""
        assert desk.place(BUY, "0.41", "50", FAK).outcome is PostOutcome.MATCHED
        assert desk.said() == ["MATCHED", "MATCHED", "killed"]
        assert desk.venue.open_orders() == ()
        found = desk.venue.look_up(desk.last)
        assert (found.found, found.reason, found.size_matched) == (
            LookupFound.CANCELED,
            EndReason.KILLED,
            d("30"),
        )

    def test_fak_that_matches_nothing_is_killed(self, desk: Desk) -> None:
        """The venue has its own text for it."""
        answer = desk.place(BUY, "0.39", "50", FAK)
        assert answer.outcome is PostOutcome.KILLED
        assert answer.text.startswith("no orders found to match with FAK order.")

    def test_post_only_that_crosses_is_refused(self, desk: Desk) -> None:
        """Refused, not killed: the venue never had it."""
        answer = desk.place(BUY, "0.40", "10", post_only=True)
        assert (answer.outcome, answer.code) == (
            PostOutcome.REFUSED,
            "post_only_crosses",
        )
        assert desk.venue.look_up(desk.last).found is LookupFound.NONE
        assert desk.place(BUY, "0.39", "10", post_only=True).outcome is PostOutcome.LIVE

    def test_post_only_of_no_sees_the_book_of_yes(self, desk: Desk) -> None:
        """Bidding 0.62 for NO would hit the bid of 0.38 for YES."""
        answer = desk.place(BUY, "0.62", "10", outcome=NO, post_only=True)
        assert answer.code == "post_only_crosses"


class TestRefusals:
    @pytest.mark.parametrize(
        ("price", "size", "code"),
        [("0.405", "10", "tick_size"), ("0.40", "4", "min_size")],
    )
    def test_the_grid_and_the_minimum_hold_on_arrival(
        self, desk: Desk, price: str, size: str, code: str
    ) -> None:
        """They may have changed since the order was prepared."""
        answer = desk.place(BUY, price, size)
        assert (answer.outcome, answer.code) == (PostOutcome.REFUSED, code)

    def test_a_finer_tick_is_learned(self, desk: Desk) -> None:
        """The venue announces it when the price nears 0 or 1."""
        desk.market = replace(MARKET, tick_size=d("0.001"))
        desk.venue.on_tick(desk.now_ms, desk.market)
        assert desk.place(BUY, "0.395", "10").outcome is PostOutcome.LIVE

    def test_a_matching_buy_needs_a_dollar(self) -> None:
        """Resting, the same order is fine."""
        desk = Desk()
        desk.show(asks=[("0.10", "50")])
        assert desk.place(BUY, "0.10", "9.99").code == "min_notional"
        assert desk.place(BUY, "0.09", "9.99").outcome is PostOutcome.LIVE

    def test_without_a_book_nothing_is_taken(self) -> None:
        """Nobody knows the queue or the depth, so any fill would be a guess."""
        desk = Desk()
        answer = desk.place(BUY, "0.40", "10")
        assert (answer.outcome, answer.code) == (PostOutcome.NOT_PROCESSED, "not_ready")
        desk.show(BIDS, ASKS)
        desk.venue.on_gap(MARKET.market_id)
        assert desk.place(BUY, "0.40", "10").code == "not_ready"
        desk.show(BIDS, ASKS)
        assert desk.place(BUY, "0.40", "10").outcome is PostOutcome.MATCHED

    def test_a_second_post_of_the_same_order_is_no_second_order(
        self, desk: Desk
    ) -> None:
        """It proves the first one arrived; what became of it is for a look-up."""
        order = desk.order(BUY, "0.40", "10")
        desk.venue.place(desk.now_ms, order)
        answer = desk.venue.place(desk.now_ms, order)
        assert (answer.outcome, answer.code) == (PostOutcome.UNKNOWN, "duplicated")
        assert answer.text.endswith("is invalid. Duplicated.")
        assert desk.fills() == [("0.40", "10")]


class TestFees:
    @pytest.mark.parametrize(("shares", "price", "rate", "fee"), OWN_FEES)
    def test_the_taker_pays_the_curve_floored(
        self, shares: str, price: str, rate: str, fee: str
    ) -> None:
        """A fee rounded up is a loss the venue never charged."""
        market = replace(MARKET, fee_rate=d(rate))
        for side in (BUY, SELL):
            desk = Desk(market)
            desk.own(shares)
            desk.show([(price, shares)], [(price, shares)])
            desk.place(side, price, shares, FOK)
            [fill] = [seen.fact for seen in desk.venue.take_facts()]
            assert isinstance(fill, UserFill)
            assert (fill.fee, fill.role) == (d(fee), Role.TAKER)

    def test_fees_taken_on_chain_hold(self) -> None:
        """What the exchange contract charged is the only authority there is."""
        path = SHARED / "vectors_onchain_taker_fees.json"
        if not path.exists():
            pytest.skip("the shared vectors are not here")
        rows = json.loads(path.read_text())
        assert rows
        for row in rows:
            name = "taker" if row["side"] == "BUY" else "maker"
            shares = Decimal(row[f"{name}_amount_filled"]) / 1_000_000
            fee = taker_fee(shares, d(row["price"]), d(row["fee_rate"]))
            assert fee * 1_000_000 == int(row["fee"]), row

    def test_fees_taken_on_chain_hold_through_the_venue(self) -> None:
        """The rows in whole hundredths can be traded here as they were there."""
        path = SHARED / "vectors_onchain_taker_fees.json"
        if not path.exists():
            pytest.skip("the shared vectors are not here")
        traded = 0
        for row in json.loads(path.read_text()):
            shares = Decimal(row["maker_amount_filled"]) / 1_000_000
            if row["side"] == "BUY" or shares % d("0.01"):
                continue
            tick = d("0.001")
            market = replace(MARKET, fee_rate=d(row["fee_rate"]), tick_size=tick)
            desk = Desk(market)
            desk.own(str(shares))
            desk.show(bids=[(row["price"], "1000")])
            desk.place(SELL, row["price"], str(shares), FOK)
            [fill] = [seen.fact for seen in desk.venue.take_facts()]
            assert isinstance(fill, UserFill)
            assert fill.fee * 1_000_000 == int(row["fee"])
            assert fill.size * fill.price * 1_000_000 == int(row["taker_amount_filled"])
            traded += 1
        assert traded

    def test_each_level_is_a_fill_with_its_own_fee(self, desk: Desk) -> None:
        """Floored per fill, as the exchange floors per match."""
        desk.place(BUY, "0.41", "30", FOK)
        fees = [
            seen.fact.fee
            for seen in desk.venue.take_facts()
            if isinstance(seen.fact, UserFill)
        ]
        assert fees == [d("0.16800"), d("0.33866")]

    @pytest.mark.parametrize("tif", [GTC])
    def test_the_maker_pays_nothing(self, desk: Desk, tif: TimeInForce) -> None:
        """The fee is the taker's."""
        desk.place(BUY, "0.39", "10", tif)
        desk.trade(SELL, "0.39", "10")
        [fill] = [seen.fact for seen in desk.venue.take_facts()]
        assert isinstance(fill, UserFill)
        assert (fill.fee, fill.role) == (d("0"), Role.MAKER)
