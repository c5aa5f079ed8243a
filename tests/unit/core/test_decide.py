"""Per fact and command three questions: does it record, refuse, stay quiet?"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ledger import events as ev
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    CancelWanted,
    DustSeen,
    GiveUp,
    LookedUp,
    LookupFound,
    Meta,
    OrderEnded,
    PostAgain,
    PostAnswered,
    PostOutcome,
    SettlementSeen,
    TradesSwept,
    decide,
)
from ledger.errors import CommandRefusedError, EvidenceMissingError
from ledger.order import END_RANK
from ledger.values import EndReason, OrderStatus, Outcome, Role, Settlement, Side
from tests.unit.core.stories import (
    DELAYED,
    LIVE,
    NOT_PROCESSED,
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
    said,
    settle,
    voided,
)

D = Decimal
KILLED = PostAnswered(outcome=PostOutcome.KILLED, text="fully filled or killed")
MATCHED = PostAnswered(outcome=PostOutcome.MATCHED)
CANCELED = CancelAnswered(outcome=CancelOutcome.CANCELED, text="pulled")
NOT_CANCELED = CancelAnswered(outcome=CancelOutcome.NOT_CANCELED, text="matched")
NOTHING = LookedUp(found=LookupFound.NONE)
SWEPT = TradesSwept()
META = Meta(at=START, actor="bot", source="stream", causation="frame 7")


class TestMeta:
    @pytest.mark.parametrize(
        "fact",
        [LIVE, REFUSED, KILLED, UNKNOWN, fill("t1"), mined("t1"), CancelWanted()],
    )
    def test_every_event_says_who_and_on_whose_word(self, fact: object) -> None:
        """The audit's first question is who said so."""
        (event,) = decide(given().order, fact, META)
        assert (event.at, event.actor) == (START, "bot")
        assert (event.source, event.causation) == ("stream", "frame 7")
        assert event.correlation_id == "c1"


class TestPost:
    @pytest.mark.parametrize("answer", [LIVE, MATCHED])
    def test_an_accepted_post_is_a_placement(self, answer: PostAnswered) -> None:
        """From here on the order is on the venue's book."""
        story = given(answer)
        assert story.topics == ["order.placed"]
        assert story.status is OrderStatus.PLACED
        assert not story.order.is_delayed

    def test_a_delayed_post_is_a_placement_with_a_mark(self) -> None:
        """The venue has it, and still decides."""
        assert given(DELAYED).topics == ["order.placed"]
        assert given(DELAYED).order.is_delayed
        assert given(DELAYED, LIVE).topics == ["order.placed"]

    def test_a_refusal_keeps_the_code_and_the_text(self) -> None:
        """The text is the venue's evidence."""
        story = given(REFUSED)
        (event,) = story.news
        assert isinstance(event, ev.OrderRejected)
        assert (event.code, event.text) == ("balance", "no money")
        refusal = story.order.refusal
        assert refusal is not None
        assert (refusal.by, refusal.code, refusal.text) == (
            "venue",
            "balance",
            "no money",
        )

    def test_a_post_that_was_not_processed_is_a_refusal(self) -> None:
        """Once retries are used up, the proof of non-acceptance is the answer."""
        fact = PostAnswered(
            outcome=PostOutcome.NOT_PROCESSED, code="busy", retry_after_ms=5
        )
        story = given(fact)
        assert story.topics == ["order.rejected"]
        assert story.status is OrderStatus.REJECTED
        assert story.when(fact).news == []

    def test_a_killed_order_is_an_outcome_not_a_fault(self) -> None:
        """HTTP 400 "fully filled or killed" is how a FOK says no."""
        story = given(KILLED)
        (event,) = story.news
        assert isinstance(event, ev.OrderCancelled)
        assert (event.reason, event.text) == (EndReason.KILLED, KILLED.text)
        assert event.size_matched is None

    def test_an_answer_that_proves_nothing_is_unknown(self) -> None:
        """A timeout may have filled."""
        (event,) = given(UNKNOWN).news
        assert isinstance(event, ev.OrderOutcomeUnknown)
        assert event.reason == "timeout"
        (event,) = given(PostAnswered(outcome=PostOutcome.UNKNOWN)).news
        assert isinstance(event, ev.OrderOutcomeUnknown)
        assert event.reason == "unknown"

    @pytest.mark.parametrize(
        ("before", "answer"),
        [
            (LIVE, LIVE),
            (LIVE, MATCHED),
            (LIVE, DELAYED),
            (DELAYED, DELAYED),
            (REFUSED, REFUSED),
            (KILLED, KILLED),
            (UNKNOWN, UNKNOWN),
            (LIVE, UNKNOWN),
            (UNKNOWN, NOT_PROCESSED),
            (KILLED, UNKNOWN),
            (fill("t1", "1"), UNKNOWN),
        ],
    )
    def test_an_answer_without_news_is_quiet(
        self, before: object, answer: object
    ) -> None:
        """A log that grows by repetition hides what happened."""
        assert given(before, answer).news == []

    def test_a_post_is_not_unknown_again_once_it_is_given_up(self) -> None:
        """The conclusion stands until a fact disproves it."""
        never = ev.OrderNeverPlaced(at=START, probes=())
        assert given(UNKNOWN).record(never).when(UNKNOWN).news == []


class TestFill:
    def test_a_trade_is_recorded_with_all_that_positions_need(self) -> None:
        """A fill must book without looking anything up."""
        story = given(
            fill("t1", "40", "0.39", at=7, fee="0.1", role=Role.MAKER, tx_hash="0xaa")
        )
        (event,) = story.news
        assert isinstance(event, ev.FillMatched)
        assert (event.trade_id, event.size, event.price) == ("t1", D("40"), D("0.39"))
        assert (event.fee, event.role, event.venue_time) == (D("0.1"), Role.MAKER, 7)
        assert (event.strategy, event.market_id) == ("alpha", "0xmarket")
        assert (event.outcome, event.side) == (Outcome.YES, Side.BUY)
        assert event.tx_hash == "0xaa"

    @pytest.mark.parametrize(
        ("status", "topic"),
        [
            ("RETRYING", "fill.retrying"),
            ("MINED", "fill.mined"),
            ("CONFIRMED", "fill.confirmed"),
            ("FAILED", "fill.voided"),
        ],
    )
    def test_a_first_report_of_a_later_state_records_both(
        self, status: str, topic: str
    ) -> None:
        """After a gap in the stream the sweep shows only the end."""
        fact = fill("t1", status=Settlement(status), at=9, tx_hash="0xaa")
        story = given(fact)
        assert story.topics == ["fill.matched", topic]
        match, settlement = story.news
        assert isinstance(match, ev.FillMatched)
        assert match.venue_time is None  # the time is that of the later state
        assert isinstance(settlement, ev.SettlementEvent)
        assert (settlement.trade_id, settlement.venue_time) == ("t1", 9)
        assert settlement.tx_hash == "0xaa"
        assert story.when(fact).news == []

    def test_a_later_state_of_a_known_trade_records_only_that(self) -> None:
        """The trade is booked once."""
        story = given(fill("t1", at=5), fill("t1", status=Settlement.MINED, at=9))
        assert story.topics == ["fill.mined"]

    def test_a_known_trade_is_quiet(self) -> None:
        """The venue may deliver a trade twice; the ledger holds it once."""
        assert given(fill("t1", at=5)).when(fill("t1", at=5)).news == []
        assert given(fill("t1", at=5)).when(fill("t1", at=4)).news == []
        assert given(fill("t1", at=5)).when(fill("t1")).news == []
        assert given(fill("t1")).when(fill("t1")).news == []
        assert given(fill("t1"), confirmed("t1")).when(fill("t1", at=9)).news == []

    def test_a_match_newer_than_a_retry_is_news(self) -> None:
        """Provisional states follow the venue's clock, backwards too."""
        story = given(fill("t1", at=5), settle("t1", Settlement.RETRYING, 6))
        assert story.when(fill("t1", at=7)).topics == ["fill.matched"]
        assert story.order.trades["t1"].settlement is Settlement.MATCHED
        assert story.order.filled == 100

    def test_the_match_of_a_trade_known_by_its_settlement_is_news(self) -> None:
        """Only the match brings size and price."""
        story = given(confirmed("t1", 9)).when(fill("t1", at=5))
        assert story.topics == ["fill.matched"]
        assert story.order.settled == 100


class TestSettlement:
    @pytest.mark.parametrize(
        ("fact", "topic"),
        [
            (settle("t1", Settlement.RETRYING, 9, "0xaa"), "fill.retrying"),
            (settle("t1", Settlement.MINED, 9, "0xaa"), "fill.mined"),
            (settle("t1", Settlement.CONFIRMED, 9, "0xaa"), "fill.confirmed"),
            (settle("t1", Settlement.FAILED, 9, "0xaa"), "fill.voided"),
        ],
    )
    def test_news_of_a_settlement_is_recorded(
        self, fact: SettlementSeen, topic: str
    ) -> None:
        """With the venue's time and the transaction, so that it can be checked."""
        story = given(fill("t1"), fact)
        assert story.topics == [topic]
        (event,) = story.news
        assert isinstance(event, ev.SettlementEvent)
        assert (event.trade_id, event.venue_time, event.tx_hash) == ("t1", 9, "0xaa")
        assert story.when(fact).news == []

    def test_a_match_without_size_and_price_is_quiet(self) -> None:
        """It would book nothing."""
        assert given(settle("t1", Settlement.MATCHED, 9)).news == []

    def test_a_provisional_state_after_the_last_word_is_quiet(self) -> None:
        """The chain has spoken."""
        assert given(fill("t1"), confirmed("t1"), mined("t1", 99)).news == []
        assert given(fill("t1"), voided("t1"), mined("t1", 99)).news == []


class TestCancel:
    def test_a_wish_is_recorded_with_its_reason(self) -> None:
        """Why an order was pulled is asked a month later."""
        story = given(LIVE, CancelWanted(reason="unwind"))
        (event,) = story.news
        assert isinstance(event, ev.OrderCancelRequested)
        assert event.reason == "unwind"
        assert story.order.is_cancel_requested
        assert story.status is OrderStatus.PLACED

    def test_a_wish_before_the_post_is_answered_is_kept(self) -> None:
        """The venue's id is known, so it is carried out, not refused."""
        assert given(CancelWanted()).order.is_cancel_requested

    def test_a_second_wish_is_quiet(self) -> None:
        """Impatience is no news."""
        assert given(LIVE, CancelWanted(), CancelWanted(reason="again")).news == []

    @pytest.mark.parametrize(
        ("facts", "reason"),
        [
            (said(fill("t1")), "filled"),
            (said(ended(EndReason.EXPIRED)), "expired"),
            (said(REFUSED), "rejected"),
        ],
    )
    def test_a_wish_for_a_done_order_is_refused(
        self, facts: Facts, reason: str
    ) -> None:
        """The strategy must learn that there is nothing to cancel."""
        story = given(*facts)
        with pytest.raises(
            CommandRefusedError, match=rf"^order o1 is done \({reason}\)$"
        ):
            story.when(CancelWanted())

    def test_a_confirmed_cancel_ends_the_order(self) -> None:
        """The venue listed it as cancelled."""
        story = given(LIVE, CancelWanted(), CANCELED)
        (event,) = story.news
        assert isinstance(event, ev.OrderCancelled)
        assert (event.reason, event.text) == (EndReason.CANCELLED, "pulled")
        assert story.order.done_reason is EndReason.CANCELLED
        assert story.when(CANCELED).news == []

    def test_a_refused_cancel_is_ambiguous_and_may_be_asked_again(self) -> None:
        """The venue's word "matched" may be wrong; only a look-up decides."""
        story = given(LIVE, CancelWanted(), NOT_CANCELED)
        (event,) = story.news
        assert isinstance(event, ev.OrderCancelRefused)
        assert event.text == "matched"
        assert story.status is OrderStatus.PLACED
        assert story.order.is_cancel_requested is False
        assert story.when(NOT_CANCELED).news == []
        assert story.when(CancelWanted()).topics == ["order.cancel_requested"]

    def test_an_unanswered_cancel_is_quiet(self) -> None:
        """The wish stays open and is asked again."""
        story = given(
            LIVE, CancelWanted(), CancelAnswered(outcome=CancelOutcome.UNKNOWN)
        )
        assert story.news == []
        assert story.order.is_cancel_requested


class TestEnd:
    def test_an_end_keeps_what_the_venue_said(self) -> None:
        """`size_matched` shows whether trades are still missing."""
        fact = OrderEnded(
            reason=EndReason.MARKET_RESOLVED, text="resolved", size_matched=D("30")
        )
        (event,) = given(LIVE, fact).news
        assert isinstance(event, ev.OrderCancelled)
        assert (event.reason, event.text) == (EndReason.MARKET_RESOLVED, "resolved")
        assert event.size_matched == D("30")

    @pytest.mark.parametrize("first", END_RANK)
    @pytest.mark.parametrize("second", END_RANK)
    def test_only_a_more_specific_end_is_news(
        self, first: EndReason, second: EndReason
    ) -> None:
        """Stream and look-up name one end differently."""
        is_news = END_RANK[second] > END_RANK[first]
        assert bool(given(ended(first), ended(second)).news) == is_news

    @pytest.mark.parametrize(
        "reason", [EndReason.FILLED, EndReason.REJECTED, EndReason.NEVER_PLACED]
    )
    def test_what_the_venue_cannot_prove_is_no_end(self, reason: EndReason) -> None:
        """Those follow from trades, answers and probes, never from a claim."""
        with pytest.raises(AssertionError, match=f"^{reason} is no end that the venue"):
            given(LIVE, ended(reason))


class TestLookup:
    @pytest.mark.parametrize("found", [LookupFound.LIVE, LookupFound.MATCHED])
    def test_a_found_order_is_placed(self, found: LookupFound) -> None:
        """The lost answer to the post is replaced by evidence."""
        story = given(UNKNOWN, LookedUp(found=found))
        assert story.topics == ["order.placed"]
        assert not story.order.is_outcome_unknown
        assert story.when(LookedUp(found=found)).news == []

    def test_a_found_order_is_no_longer_delayed(self) -> None:
        """It rests or has matched."""
        story = given(DELAYED, LookedUp(found=LookupFound.LIVE))
        assert not story.order.is_delayed

    def test_a_cancelled_order_is_ended_for_the_given_reason(self) -> None:
        """Without one it was the venue's doing."""
        fact = LookedUp(found=LookupFound.CANCELED, size_matched=D("3"))
        (event,) = given(LIVE, fact).news
        assert isinstance(event, ev.OrderCancelled)
        assert (event.reason, event.size_matched) == (EndReason.VENUE, D("3"))
        assert event.text == ""
        fact = LookedUp(found=LookupFound.CANCELED, reason=EndReason.EXPIRED)
        assert given(LIVE, fact).order.ended is EndReason.EXPIRED

    def test_an_empty_probe_of_an_unproven_order_is_recorded(self) -> None:
        """Probes are the only proof of absence."""
        story = given(UNKNOWN, NOTHING)
        (event,) = story.news
        assert isinstance(event, ev.OrderProbed)
        assert event.probe == "lookup"
        (event,) = story.when(SWEPT).news
        assert isinstance(event, ev.OrderProbed)
        assert event.probe == "sweep"
        assert story.order.probes == (("lookup", START), ("sweep", START))
        assert story.status is OrderStatus.PENDING

    @pytest.mark.parametrize("probe", [NOTHING, SWEPT])
    def test_one_answer_counts_once(self, probe: object) -> None:
        """The same answer twice is not two probes."""
        story = given(UNKNOWN, probe)
        assert story.when(probe).news == []
        assert story.wait(1).when(probe).topics == ["order.probed"]

    @pytest.mark.parametrize("fact", [LIVE, ended(), fill("t1", "1")])
    def test_a_proven_order_needs_no_probes(self, fact: object) -> None:
        """Evidence clears them, and later ones say nothing."""
        assert given(NOTHING, fact).order.probes == ()
        assert given(fact, NOTHING).news == []


@dataclass
class Probes:
    """Empty look-ups and sweeps at these seconds."""

    lookups: tuple[int, ...] = (0, 60)
    sweeps: tuple[int, ...] = (0, 60)


def probed(probes: Probes, **changes: Any) -> Story:
    """An order of unknown outcome after those probes."""
    story = given(UNKNOWN, **changes)
    for second in sorted({*probes.lookups, *probes.sweeps}):
        story.now = START + timedelta(seconds=second)
        if second in probes.lookups:
            story.when(NOTHING)
        if second in probes.sweeps:
            story.when(SWEPT)
    return story


class TestGiveUp:
    def test_two_sources_over_a_minute_prove_absence(self) -> None:
        """Then the money may be freed; the event holds the proof."""
        story = probed(Probes()).when(GiveUp())
        (event,) = story.news
        assert isinstance(event, ev.OrderNeverPlaced)
        assert event.probes == (
            "lookup at 2026-09-19T12:00:00+00:00",
            "lookup at 2026-09-19T12:01:00+00:00",
            "sweep at 2026-09-19T12:00:00+00:00",
            "sweep at 2026-09-19T12:01:00+00:00",
        )
        assert story.status is OrderStatus.FAILED

    @pytest.mark.parametrize(
        ("probes", "missing"),
        [
            (Probes((), ()), "2 answered lookups over 60 s, has 0"),
            (Probes((0,), (0, 60)), "2 answered lookups over 60 s, has 1"),
            (Probes((0, 59), (0, 60)), "2 answered lookups over 60 s, has 2"),
            (Probes((0, 60), (0,)), "2 answered sweeps over 60 s, has 1"),
            (Probes((0, 60), (1, 60)), "2 answered sweeps over 60 s, has 2"),
            (Probes((0, 60), ()), "2 answered sweeps over 60 s, has 0"),
        ],
        ids=str,
    )
    def test_less_than_that_proves_nothing(self, probes: Probes, missing: str) -> None:
        """A venue that is down for a minute finds nothing either."""
        with pytest.raises(EvidenceMissingError, match=f"^order o1 needs {missing}$"):
            probed(probes).when(GiveUp())

    def test_the_demanded_proof_can_be_set(self) -> None:
        """A venue with a slow index needs more."""
        strict = GiveUp(min_spread=timedelta(seconds=90), min_probes=3)
        with pytest.raises(EvidenceMissingError, match="3 answered lookups over 90 s"):
            probed(Probes((0, 90), (0, 45, 90))).when(strict)
        story = probed(Probes((0, 45, 90), (0, 45, 90))).when(strict)
        assert story.status is OrderStatus.FAILED
        one = GiveUp(min_spread=timedelta(0), min_probes=1)
        assert probed(Probes((0,), (0,))).when(one).status is OrderStatus.FAILED

    @pytest.mark.parametrize(
        ("fact", "status"),
        [(LIVE, "PLACED"), (ended(), "CANCELLED")],
    )
    def test_a_proven_order_cannot_be_given_up(self, fact: object, status: str) -> None:
        """Absence loses against any word of the venue."""
        with pytest.raises(
            EvidenceMissingError, match=f"^order o1 is proven: {status}$"
        ):
            probed(Probes()).when(fact, GiveUp())

    def test_a_proven_order_is_not_posted_again(self) -> None:
        """Its bytes have arrived, whatever became of them."""
        for fact in (LIVE, ended(), fill("t1", "1")):
            with pytest.raises(EvidenceMissingError, match="is proven"):
                given(fact, PostAgain())
        assert given(UNKNOWN, PostAgain()).topics == ["order.reposted"]

    def test_a_settlement_without_its_trade_forbids_giving_up(self) -> None:
        """A trade of this order exists, though its size is not known yet."""
        with pytest.raises(EvidenceMissingError, match="is proven"):
            probed(Probes()).when(mined("t1"), GiveUp())

    def test_an_order_that_may_still_be_valid_is_not_given_up(self) -> None:
        """Until its expiry the signed bytes can still be taken."""
        expiry = START + timedelta(seconds=90)
        story = probed(Probes(), expires_at=expiry)
        with pytest.raises(
            EvidenceMissingError, match=r"^order o1 has not expired yet$"
        ):
            story.wait(29).when(GiveUp())
        assert story.wait(1).when(GiveUp()).status is OrderStatus.FAILED

    def test_giving_up_twice_is_quiet(self) -> None:
        """And so is every probe after it."""
        story = probed(Probes()).when(GiveUp())
        assert story.when(GiveUp()).news == []
        assert story.wait(1).when(NOTHING).news == []
        assert story.when(SWEPT).news == []

    def test_a_fill_that_disproves_it_is_not_given_up_again(self) -> None:
        """The order works until the venue proves its end."""
        story = probed(Probes()).when(GiveUp(), fill("t1", "10"))
        assert story.status is OrderStatus.PARTIAL_FILL
        assert story.when(GiveUp()).news == []
        assert story.when(ended()).status is OrderStatus.CANCELLED


class TestDust:
    def test_dust_is_kept_with_its_tolerance(self) -> None:
        """It may be reported before the trades that leave it."""
        story = given(DustSeen(tolerance=D("0.01")))
        (event,) = story.news
        assert isinstance(event, ev.OrderDustClosed)
        assert event.tolerance == D("0.01")
        assert story.order.dust == D("0.01")

    def test_only_a_larger_tolerance_is_news(self) -> None:
        """A repeated report adds nothing."""
        story = given(DustSeen(tolerance=D("0.01")))
        assert story.when(DustSeen(tolerance=D("0.01"))).news == []
        assert story.when(DustSeen(tolerance=D("0.001"))).news == []
        assert story.when(DustSeen(tolerance=D("0.02"))).topics == ["order.dust_closed"]
        assert story.order.dust == D("0.02")

    def test_no_tolerance_is_no_dust(self) -> None:
        """Nothing was left, so nothing is said."""
        assert given(DustSeen(tolerance=D("0"))).news == []
