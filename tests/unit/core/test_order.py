"""The state of one order and the label derived from it."""

from decimal import Decimal
from typing import Any

import pytest

from ledger import events as ev
from ledger.decide import DustSeen, SettlementSeen, discrepancies
from ledger.intent import UserFill
from ledger.order import END_RANK, Trade, replay
from ledger.values import EndReason, OrderStatus, Phase, Role, Settlement
from tests.unit.core.conformance import check_invariants
from tests.unit.core.stories import (
    DELAYED,
    LIVE,
    ORDER_ID,
    REFUSED,
    START,
    UNKNOWN,
    Facts,
    Story,
    confirmed,
    ended,
    fill,
    given,
    mined,
    prepared,
    requested,
    said,
    settle,
    voided,
)

D = Decimal
S = Settlement


def raised(story: Story, news: UserFill | SettlementSeen) -> list[Any]:
    """What a person must see after this news of a trade."""
    before = story.order
    known = before.trades.get(news.trade_id)
    order = story.when(news).order
    return discrepancies(order, news.trade_id, before.matched, known)


class TestRequest:
    def test_the_first_state_is_the_intent(self) -> None:
        """What the strategy asked for must be readable from the order for ever."""
        event = requested(post_only=True, expires_at=START, fee_rate=D("0.07"))
        order = replay(ORDER_ID, [event])
        assert order is not None
        for name in (
            *("strategy", "idempotency_key", "fingerprint", "correlation_id"),
            *("market_id", "token_id", "outcome", "side", "size", "price"),
            *("time_in_force", "post_only", "expires_at", "fee_rate"),
        ):
            assert getattr(order, name) == getattr(event, name)
        assert (order.order_id, order.requested_size) == (ORDER_ID, event.size)
        assert (order.requested_at, order.version) == (START, 1)
        assert (order.status, order.phase) == (OrderStatus.PENDING, Phase.PENDING)

    def test_an_empty_stream_is_no_order(self) -> None:
        """A look-up of an id that was never used must not invent an order."""
        assert replay(ORDER_ID, []) is None

    def test_a_capped_size_keeps_the_requested_one(self) -> None:
        """The audit shows both what was wanted and what risk allowed."""
        capped = ev.OrderResized(
            at=START, size=D("60"), requested_size=D("100"), code="size", text="cap"
        )
        order = Story([requested(), capped]).order
        assert (order.size, order.requested_size) == (D("60"), D("100"))
        assert order.remaining == D("60")

    def test_preparing_gives_the_venues_id_and_the_signed_size(self) -> None:
        """Signing may truncate; what works is what was signed."""
        order = Story([requested(), prepared(D("99.99"))]).order
        assert (order.size, order.requested_size) == (D("99.99"), D("100"))
        assert order.venue_order_id == "0xorder"

    def test_our_own_refusal_says_who_and_why(self) -> None:
        """Refused by risk and refused by the venue are mended differently."""
        refusal = ev.OrderRefused(at=START, by="risk", code="size", text="too large")
        order = Story([requested(), refusal]).order
        assert (order.status, order.phase) == (OrderStatus.REJECTED, Phase.DONE)
        assert order.refusal is not None
        assert order.refusal.by == "risk"
        assert (order.refusal.code, order.refusal.text) == ("size", "too large")
        assert order.is_closed

    def test_every_event_counts_as_one_version(self) -> None:
        """The store refuses a version that is taken; one too few loses an append."""
        story = given(UNKNOWN, LIVE, fill("t1"), mined(), confirmed(), ended())
        assert story.order.version == len(story.history) == 8


class TestPhase:
    @pytest.mark.parametrize(
        ("facts", "phase", "reason"),
        [
            (said(), Phase.PENDING, None),
            (said(UNKNOWN), Phase.PENDING, None),
            (said(LIVE), Phase.WORKING, None),
            (said(DELAYED), Phase.WORKING, None),
            (said(fill("t1", "1")), Phase.WORKING, None),
            (said(REFUSED), Phase.DONE, EndReason.REJECTED),
            (said(REFUSED, LIVE), Phase.WORKING, None),
            (said(REFUSED, fill("t1", "1")), Phase.WORKING, None),
            (said(REFUSED, ended()), Phase.DONE, EndReason.CANCELLED),
            (said(fill("t1", "100")), Phase.DONE, EndReason.FILLED),
            (said(fill("t1", "101")), Phase.DONE, EndReason.FILLED),
            (said(fill("t1", "99.999999")), Phase.WORKING, None),
            (said(ended(), fill("t1", "100")), Phase.DONE, EndReason.FILLED),
            (said(ended(), fill("t1", "1")), Phase.DONE, EndReason.CANCELLED),
        ],
    )
    def test_the_order_axis_follows_the_evidence(
        self, facts: Facts, phase: Phase, reason: EndReason | None
    ) -> None:
        """Acceptance beats a refusal; a proven end beats acceptance; full is done."""
        story = given(*facts)
        assert (story.order.phase, story.order.done_reason) == (phase, reason)

    @pytest.mark.parametrize("reason", END_RANK)
    def test_any_end_the_venue_can_prove_is_a_cancellation(
        self, reason: EndReason
    ) -> None:
        """The label has one word for them; the reason stays beside it."""
        order = given(LIVE, ended(reason)).order
        assert (order.status, order.done_reason) == (OrderStatus.CANCELLED, reason)

    def test_the_more_specific_end_stays(self) -> None:
        """A look-up's "expired" says more than the stream's "cancelled"."""
        order = given(*(ended(reason) for reason in END_RANK)).order
        assert order.ended is EndReason.KILLED
        order = given(*(ended(reason) for reason in reversed(END_RANK))).order
        assert order.ended is EndReason.KILLED
        lesser = ev.OrderCancelled(at=START, reason=EndReason.CANCELLED)
        assert given(ended(EndReason.EXPIRED)).record(lesser).order.ended is (
            EndReason.EXPIRED
        )

    def test_never_placed_is_failed_until_a_fill_disproves_it(self) -> None:
        """Absence is a conclusion; a trade is a fact."""
        never = ev.OrderNeverPlaced(at=START, probes=())
        story = given(UNKNOWN).record(never)
        assert story.status == "FAILED"
        assert story.order.done_reason is EndReason.NEVER_PLACED
        assert story.order.is_outcome_unknown is False
        story.record(ev.OrderOutcomeUnknown(at=START, reason="late"))
        assert story.order.is_outcome_unknown is False
        story.when(fill("t1", "10"))
        assert story.status == "PARTIAL_FILL"
        assert story.order.remaining == D("90")

    def test_a_refused_second_post_says_nothing_of_the_first(self) -> None:
        """The first one may be filling while the second is turned away."""
        for facts in ((UNKNOWN, REFUSED), (REFUSED, UNKNOWN)):
            story = given(*facts)
            assert story.status == "PENDING"
            assert story.order.resting == D("100")
            assert story.order.refusal is not None
            assert story.order.is_outcome_unknown
            story.record(ev.OrderNeverPlaced(at=START, probes=()))
            assert story.status == "REJECTED"

    def test_a_repost_makes_earlier_probes_worthless(self) -> None:
        """What was not there before it was sent may be there now."""
        probe = ev.OrderProbed(at=START, probe="sweep")
        story = given(UNKNOWN, probe).record(ev.OrderReposted(at=START))
        assert story.order.probes == ()
        assert story.order.is_outcome_unknown

    @pytest.mark.parametrize("fact", [LIVE, fill("t1", "1"), ended()])
    def test_anything_definite_ends_the_uncertainty(self, fact: object) -> None:
        """An unknown outcome holds back the strategy's money."""
        unknown = ev.OrderOutcomeUnknown(at=START, reason="late")
        probe = ev.OrderProbed(at=START, probe="sweep")
        assert given(UNKNOWN, probe).order.is_outcome_unknown
        for facts in ((unknown, probe, fact), (fact, unknown, probe)):
            order = given(*facts).order
            assert order.is_outcome_unknown is False
            assert order.probes == ()

    def test_a_delay_ends_with_the_first_definite_word(self) -> None:
        """A delayed order may still be refused; a matched one may not."""
        assert given(DELAYED).order.is_delayed
        assert given(DELAYED).status is OrderStatus.PLACED
        for fact in (LIVE, fill("t1", "1"), ended()):
            assert given(DELAYED, fact).order.is_delayed is False
            assert given(fact, DELAYED).order.is_delayed is False


class TestStatus:
    @pytest.mark.parametrize(
        ("facts", "status"),
        [
            (said(), "PENDING"),
            (said(UNKNOWN), "PENDING"),
            (said(REFUSED), "REJECTED"),
            (said(LIVE), "PLACED"),
            (said(LIVE, fill("t1", "0.000001")), "PARTIAL_FILL"),
            (said(fill("t1", "99.999999")), "PARTIAL_FILL"),
            (said(fill("t1")), "MATCHED"),
            (said(fill("t1"), settle("t1", S.RETRYING)), "MATCHED"),
            (said(fill("t1"), mined("t1")), "MINED"),
            (said(fill("t1", "60"), fill("t2", "40"), mined("t1")), "MATCHED"),
            (said(fill("t1", "60"), fill("t2", "40"), confirmed("t1")), "MATCHED"),
            (
                said(fill("t1", "60"), fill("t2", "40"), mined("t2"), confirmed("t1")),
                "MINED",
            ),
            (said(fill("t1"), confirmed("t1")), "CONFIRMED"),
            (said(fill("t1", "60"), confirmed("t1")), "PARTIAL_FILL"),
            (said(fill("t1", "60"), confirmed("t1"), ended()), "CANCELLED"),
            (said(fill("t1"), voided("t1")), "FAILED"),
            (said(fill("t1", "60"), fill("t2", "40"), voided("t1")), "CANCELLED"),
            (said(LIVE, fill("t1", "60"), voided("t1")), "PLACED"),
            (said(fill("t1", "60"), voided("t1"), ended()), "CANCELLED"),
            (said(ended(), fill("t1"), confirmed("t1")), "CONFIRMED"),
            # Overfilled by 20, and 20 of it void: still full.
            (
                said(fill("t1", "100"), fill("t2", "20"), voided("t2"), mined("t1")),
                "MINED",
            ),
            (
                said(fill("t1", "100"), fill("t2", "20"), voided("t1")),
                "CANCELLED",
            ),
        ],
    )
    def test_the_label_follows_the_table(self, facts: Facts, status: str) -> None:
        """Nine words for two axes: each row is a promise of the documentation."""
        story = given(*facts)
        assert story.status == status
        check_invariants(story.order)

    def test_dust_counts_as_full(self) -> None:
        """The venue closes an order as matched with up to 0.01 share left."""
        dust = DustSeen(tolerance=D("0.01"))
        story = given(LIVE, fill("t1", "99.99"), dust)
        assert story.status is OrderStatus.MATCHED
        assert story.order.remaining == 0
        assert story.when(confirmed("t1")).status is OrderStatus.CONFIRMED

    def test_dust_is_no_more_than_the_tolerance(self) -> None:
        """A share more than dust still works at the venue."""
        dust = DustSeen(tolerance=D("0.01"))
        story = given(LIVE, fill("t1", "99.989999"), dust)
        assert story.status is OrderStatus.PARTIAL_FILL
        assert story.order.remaining == D("0.010001")
        assert story.when(fill("t2", "0.000001")).status is OrderStatus.MATCHED

    def test_dust_alone_is_no_fill(self) -> None:
        """An order that is smaller than the tolerance was not matched by it."""
        story = given(LIVE, DustSeen(tolerance=D("100")))
        assert story.status is OrderStatus.PLACED

    def test_a_void_fill_is_not_hidden_by_dust(self) -> None:
        """A void fill as small as dust is still void, and the label says so."""
        dust = DustSeen(tolerance=D("0.01"))
        story = given(fill("t1", "99.99"), fill("t2", "0.005"), dust, voided("t2"))
        assert story.status is OrderStatus.CANCELLED
        assert story.order.filled == D("99.99")


class TestSums:
    def test_only_live_fills_are_counted(self) -> None:
        """A void fill leaves the position as if it had never been."""
        story = given(
            LIVE,
            fill("t1", "20", "0.40", fee="0.1"),
            fill("t2", "30", "0.38", fee="0.2"),
            confirmed("t1"),
        )
        order = story.order
        assert (order.filled, order.matched) == (D("50"), D("50"))
        assert (order.cost, order.fees) == (D("19.4"), D("0.3"))
        assert (order.settled, order.fills) == (D("20"), 2)
        assert (order.avg_price, order.remaining) == (D("0.388"), D("50"))
        order = story.when(voided("t2")).order
        assert (order.filled, order.matched) == (D("20"), D("50"))
        assert (order.cost, order.fees) == (D("8"), D("0.1"))
        assert (order.settled, order.fills) == (D("20"), 1)
        assert (order.avg_price, order.remaining) == (D("0.4"), D("80"))

    def test_a_void_fill_does_not_rest_again(self) -> None:
        """Only what was never matched can still match."""
        story = given(LIVE, fill("t1", "30"), voided("t1"))
        assert (story.order.resting, story.order.remaining) == (D("70"), D("100"))
        assert story.when(fill("t2", "70")).order.resting == 0

    def test_nothing_rests_when_the_order_is_done(self) -> None:
        """Its reservation must be freed."""
        order = given(LIVE, fill("t1", "30"), ended()).order
        assert not order.resting
        assert not order.remaining

    def test_a_confirmed_fill_that_fails_later_is_taken_back(self) -> None:
        """A settled share that was voided must not be sold."""
        story = given(LIVE, fill("t1", "30", fee="0.1"), confirmed("t1", 10))
        assert story.order.settled == D("30")
        order = story.when(voided("t1", 20)).order
        assert not any((order.settled, order.filled, order.cost, order.fees))
        order = story.when(confirmed("t1", 30)).order
        assert (order.settled, order.filled, order.fees) == (D("30"), D("30"), D("0.1"))

    def test_an_average_is_rounded_half_to_even_at_six_places(self) -> None:
        """(1 x 0.10 + 2 x 0.11) / 3 = 0.10666..."""
        order = given(fill("t1", "1", "0.10"), fill("t2", "2", "0.11")).order
        assert str(order.avg_price) == "0.106667"

    def test_without_a_live_fill_there_is_no_average(self) -> None:
        """0 would be read as a price."""
        assert given(LIVE).order.avg_price is None
        assert given(fill("t1", "1"), voided("t1")).order.avg_price is None

    def test_confirmed_trades_add_up(self) -> None:
        """What is settled is what may be sold."""
        story = given(fill("t1", "20"), fill("t2", "30"), confirmed("t1"))
        assert story.order.settled == D("20")
        assert story.when(confirmed("t2")).order.settled == D("50")
        assert story.when(confirmed("t3"), fill("t3", "5")).order.settled == D("55")
        assert story.when(confirmed("t3", 9, "0xaa")).order.settled == D("55")
        check_invariants(story.order)

    def test_a_settlement_before_its_trade_counts_once_both_are_known(self) -> None:
        """The chain can be faster than the venue's stream."""
        story = given(LIVE, confirmed("t1", tx="0xaa"))
        assert not any((story.order.filled, story.order.fills))
        assert story.status == "PLACED"
        assert story.order.unsettled == 1
        check_invariants(story.order)
        story.when(fill("t1"))
        assert story.status == "CONFIRMED"
        assert story.order.trades["t1"].tx_hash == "0xaa"
        assert story.order.unsettled == 0

    def test_a_trade_that_was_void_before_it_was_known_never_counts(self) -> None:
        """A failure that overtakes its match still voids it."""
        order = given(LIVE, voided("t1"), fill("t1", "30", fee="0.1")).order
        assert not any((order.filled, order.fees))
        assert order.matched == D("30")

    def test_a_trade_keeps_what_was_first_said_of_it(self) -> None:
        """A second witness adds a time, not another size, price, fee or role."""
        first = fill("t1", "30", "0.40", fee="0.1", role=Role.MAKER)
        second = fill("t1", "31", "0.41", at=9, fee="0.2", role=Role.TAKER)
        trade = given(first, second).order.trades["t1"]
        assert (trade.size, trade.price, trade.fee) == (D("30"), D("0.40"), D("0.1"))
        assert trade.role is Role.MAKER
        assert trade.timed == (9, 0)


class TestClosed:
    @pytest.mark.parametrize(
        ("facts", "unsettled", "closed"),
        [
            (said(), 0, False),
            (said(LIVE), 0, False),
            (said(ended()), 0, True),
            (said(REFUSED), 0, True),
            (said(fill("t1")), 1, False),
            (said(fill("t1"), mined("t1")), 1, False),
            (said(fill("t1"), confirmed("t1")), 0, True),
            (said(fill("t1"), voided("t1")), 0, True),
            (said(fill("t1", "60"), confirmed("t1")), 0, False),
            (said(ended(), mined("t1")), 1, False),
            (said(ended(), mined("t1"), mined("t2")), 2, False),
            (said(ended(), confirmed("t1")), 1, False),
            (said(fill("t1", "1"), fill("t2", "1"), confirmed("t1")), 1, False),
        ],
    )
    def test_an_order_is_closed_when_nobody_owes_a_word(
        self, facts: Facts, unsettled: int, closed: bool
    ) -> None:
        """A closed order leaves memory; one closed too early loses its settlement."""
        story = given(*facts)
        assert story.order.unsettled == unsettled
        assert story.order.is_settling == bool(unsettled)
        assert story.order.is_closed == closed


class TestSettlement:
    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            ([], S.MATCHED),
            ([(S.RETRYING, None)], S.RETRYING),
            ([(S.MINED, None)], S.MINED),
            ([(S.MINED, None), (S.RETRYING, None)], S.MINED),
            ([(S.MINED, 10), (S.RETRYING, 20)], S.RETRYING),
            ([(S.MINED, 10), (S.MATCHED, 20)], S.MATCHED),
            ([(S.MINED, 10), (S.RETRYING, 10)], S.MINED),
            ([(S.RETRYING, 10), (S.MATCHED, 10)], S.RETRYING),
            ([(S.MINED, None), (S.RETRYING, 20)], S.MINED),
            ([(S.CONFIRMED, None), (S.MINED, 99)], S.CONFIRMED),
            ([(S.FAILED, None), (S.MINED, 99)], S.FAILED),
            ([(S.CONFIRMED, 10), (S.FAILED, 20)], S.FAILED),
            ([(S.CONFIRMED, 20), (S.FAILED, 10)], S.CONFIRMED),
            ([(S.CONFIRMED, 10), (S.FAILED, 10)], S.FAILED),
            ([(S.CONFIRMED, None), (S.FAILED, None)], S.FAILED),
            ([(S.CONFIRMED, 1), (S.FAILED, None)], S.CONFIRMED),
            ([(S.CONFIRMED, 10), (S.FAILED, 20), (S.CONFIRMED, 30)], S.CONFIRMED),
        ],
    )
    def test_the_venues_time_decides_not_the_arrival(
        self, claims: list[tuple[Settlement, int | None]], expected: Settlement
    ) -> None:
        """Streams deliver late; the venue's own timestamps do not lie about order."""
        told = []
        for arrival in (claims, claims[::-1]):
            trade = Trade(trade_id="t1", size=D("1"))
            for settlement, at in arrival:
                trade = trade.claimed(settlement, at, "")
            assert trade.settlement is expected
            assert trade.is_live == (expected is not S.FAILED)
            told.append(trade)
        assert told[0] == told[1]

    @pytest.mark.parametrize("last", [S.CONFIRMED, S.FAILED])
    @pytest.mark.parametrize("at", [None, 5])
    def test_the_last_word_leaves_no_trace_of_the_others(
        self, last: Settlement, at: int | None
    ) -> None:
        """A trace would differ by what had arrived before it."""
        trade = Trade(trade_id="t1", size=D("1")).claimed(S.MINED, at, "")
        trade = trade.claimed(last, 9, "")
        assert (trade.timed, trade.untimed) == ((0, 0), 0)

    @pytest.mark.parametrize("settlement", S)
    @pytest.mark.parametrize("at", [None, 0, 10])
    def test_a_claim_made_twice_says_nothing_new(
        self, settlement: Settlement, at: int | None
    ) -> None:
        """The same object back is how a repeated fact is known."""
        once = Trade(trade_id="t1").claimed(settlement, at, "0xaa")
        assert once.claimed(settlement, at, "0xaa") is once

    def test_the_confirmed_transaction_is_the_latest(self) -> None:
        """A transaction may be replaced; the last confirmed one holds the shares."""
        trade = Trade(trade_id="t1", size=D("1"))
        trade = trade.claimed(S.CONFIRMED, 10, "0xaa")
        assert trade.claimed(S.CONFIRMED, 5, "0xff").tx_hash == "0xaa"
        assert trade.claimed(S.CONFIRMED, 20, "0x11").tx_hash == "0x11"
        assert trade.claimed(S.CONFIRMED, 10, "").tx_hash == "0xaa"

    def test_only_two_final_claims_contradict_each_other(self) -> None:
        """Then a person must look; one claim alone is the ordinary case."""
        trade = Trade(trade_id="t1", size=D("1"))
        confirmed_trade = trade.claimed(S.CONFIRMED, 10, "")
        assert not trade.is_contradicted
        assert not confirmed_trade.is_contradicted
        assert not trade.claimed(S.FAILED, 10, "").is_contradicted
        assert confirmed_trade.claimed(S.FAILED, 5, "").is_contradicted


class TestNothingIsAbsorbingForMoney:
    """A proven fill always books, whatever was concluded before it."""

    @pytest.mark.parametrize(
        "before",
        [
            said(ended()),
            said(REFUSED),
            said(UNKNOWN, ev.OrderNeverPlaced(at=START, probes=())),
            said(fill("t0"), voided("t0")),
            said(fill("t0"), confirmed("t0")),
        ],
        ids=["cancelled", "rejected", "never placed", "failed", "confirmed"],
    )
    def test_a_late_fill_books(self, before: Facts) -> None:
        """The shares are in the wallet; a ledger that denies them is wrong."""
        story = given(*before)
        filled = story.order.filled
        story.when(fill("t1", "10", "0.4", fee="0.1"))
        assert story.order.filled == filled + 10
        assert story.order.trades["t1"].is_live
        assert story.order.fees == D("0.1")
        check_invariants(story.order)

    def test_an_overfill_books_and_is_reported_once(self) -> None:
        """The venue can overfill by price improvement; dropping it hides shares."""
        story = given(fill("t1", "90"))
        assert raised(story, fill("t2", "10.5")) == [
            ("overfill", ORDER_ID, {"size": "100", "matched": "100.5"})
        ]
        assert story.order.filled == D("100.5")
        assert not story.order.remaining
        assert raised(story, fill("t3", "1")) == []

    def test_an_exact_fill_is_no_overfill(self) -> None:
        """A false alarm for every full order would bury the real one."""
        story = given()
        assert raised(story, fill("t1", "100")) == []
        assert len(raised(story, fill("t2", "0.000001"))) == 1

    def test_confirmed_and_failed_of_one_trade_is_reported_once(self) -> None:
        """Two witnesses contradict each other about money: a person must look."""
        story = given(fill("t1"), confirmed("t1", 10))
        assert raised(story, voided("t1", 20)) == [
            (
                "settlement_conflict",
                f"t1/{ORDER_ID}",
                {"confirmed_at": "10", "voided_at": "20"},
            )
        ]
        assert raised(story, confirmed("t1", 30)) == []
        assert raised(story, mined("t2")) == []

    def test_one_word_about_a_new_trade_is_no_conflict(self) -> None:
        """The first thing heard of a trade cannot contradict itself."""
        story = given()
        assert raised(story, voided("t1", 10)) == []
        (conflict,) = raised(story, confirmed("t1", 10))
        assert conflict[0] == "settlement_conflict"

    def test_both_words_at_once_are_a_conflict(self) -> None:
        """A sweep can bring both, of a trade that nobody had heard of."""
        order = given(confirmed("t1", 10), voided("t1", 10)).order
        (conflict,) = discrepancies(order, "t1", D("0"), None)
        assert conflict[0] == "settlement_conflict"

    def test_a_stale_live_does_not_undo_an_end(self) -> None:
        """A look-up that was slower than the cancel shows the past."""
        story = given(ended(), LIVE)
        assert story.status is OrderStatus.CANCELLED
        assert story.order.remaining == 0
