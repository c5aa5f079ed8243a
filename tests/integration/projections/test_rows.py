"""What the rows of each read model say."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ledger import events as ev
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    CancelWanted,
    PostAnswered,
    PostOutcome,
)
from ledger.market import Market
from ledger.values import Outcome, Settlement, Side
from projections import Record
from tests.integration.projections.conftest import Shown
from tests.integration.projections.histories import (
    MARKETS,
    START,
    START_US,
    History,
    traded,
)

LIVE = PostAnswered(outcome=PostOutcome.LIVE)
UNKNOWN = PostAnswered(outcome=PostOutcome.UNKNOWN, text="timeout")


def only(row: Record, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


class TestOrders:
    def test_an_order_follows_its_life(self, history: History, shown: Shown) -> None:
        """The label and the numbers beside it change together."""
        names = ("status", "phase", "done_reason", "filled", "remaining", "avg_price")
        number = history.order()
        row = shown.row(history, "orders")
        assert only(row, *names) == ("PENDING", "PENDING", None, "0", "100", None)
        history.tell(number, LIVE)
        first = history.fill(number, "40", "0.35")
        row = shown.row(history, "orders")
        assert only(row, *names) == (
            "PARTIAL_FILL",
            "WORKING",
            None,
            "40",
            "60",
            "0.35",
        )
        second = history.fill(number, "60", "0.40")
        for trade in (first, second):
            history.settle(number, trade, Settlement.CONFIRMED)
        row = shown.row(history, "orders")
        assert only(row, *names) == ("CONFIRMED", "DONE", "filled", "100", "0", "0.38")
        assert only(row, "cost", "settled") == ("38", "100")

    def test_an_order_tells_its_intent_and_when(
        self, history: History, shown: Shown
    ) -> None:
        """A row stands alone: nobody should need the log to read it."""
        history.order(expires_at=START + timedelta(hours=1), post_only=True)
        row = shown.row(history, "orders")
        assert only(row, "strategy", "side", "outcome", "size", "price") == (
            "alpha",
            "BUY",
            "YES",
            "100",
            "0.4",
        )
        assert row["requested_us"] == START_US
        assert row["expires_us"] == START_US + 3_600_000_000
        assert row["post_only"] is True
        assert row["position"] == 2

    def test_a_refusal_says_by_whom_and_why(
        self, history: History, shown: Shown
    ) -> None:
        """Whoever asks why an order was refused finds it in the row."""
        number = history.order()
        answer = PostAnswered(
            outcome=PostOutcome.REFUSED, code="balance", text="no money"
        )
        history.tell(number, answer)
        row = shown.row(history, "orders")
        assert row["status"] == "REJECTED"
        assert only(row, "refused_by", "refusal_code", "refusal_text") == (
            "venue",
            "balance",
            "no money",
        )

    def test_an_empty_text_is_no_missing_one(
        self, history: History, shown: Shown
    ) -> None:
        """`None` means that there is none; it must not creep into other columns."""
        history.order()
        row = shown.row(history, "orders")
        assert row["refusal_text"] == ""
        assert row["expires_us"] is None

    def test_the_signed_order_is_in_no_row(
        self, history: History, shown: Shown
    ) -> None:
        """It can be posted by whoever has it."""
        history.order()
        shown.rows(history, "orders")
        assert b"SECRET" not in shown._models.dump()


class TestOpenOrders:
    def test_only_what_may_still_match_is_open(
        self, history: History, shown: Shown
    ) -> None:
        """Pending, unknown and working orders can all cost money yet."""
        done = history.order()
        history.fill(done)
        pending, working = history.order(), history.order()
        history.tell(working, LIVE)
        rows = shown.rows(history, "open_orders")
        ids = [history.orders[number].order_id for number in (pending, working)]
        assert [row["order_id"] for row in rows] == ids


class TestReservations:
    def test_a_buy_locks_cash_with_its_fee(
        self, history: History, shown: Shown
    ) -> None:
        """Cash that an open order may take is not free."""
        number = history.order(fee_rate=Decimal("0.07"))
        history.fill(number, "50")
        row = shown.row(history, "reservations")
        # 50 x 0.40, and 50 x 0.07 x 0.40 x 0.60 for the fee
        assert only(row, "cash", "shares") == ("20.84", "0")

    def test_a_sell_locks_shares(self, history: History, shown: Shown) -> None:
        """The same shares must not be sold twice."""
        history.order(side=Side.SELL, size=Decimal("7.5"))
        row = shown.row(history, "reservations")
        assert only(row, "cash", "shares") == ("0", "7.5")

    def test_an_unknown_outcome_locks_in_full(
        self, history: History, shown: Shown
    ) -> None:
        """A timeout may have filled."""
        number = history.order()
        history.tell(number, UNKNOWN)
        row = shown.row(history, "reservations")
        assert only(row, "cash", "outcome_unknown") == ("40", True)

    def test_an_end_frees_everything(self, history: History, shown: Shown) -> None:
        """Money locked by a cancelled order would be lost to its owner."""
        number = history.order()
        assert shown.rows(history, "reservations")
        history.tell(number, LIVE, CancelWanted(reason="requested"))
        history.tell(number, CancelAnswered(outcome=CancelOutcome.CANCELED))
        assert shown.rows(history, "reservations") == []


class TestFills:
    def test_a_fill_keeps_the_time_of_its_first_word(
        self, history: History, shown: Shown
    ) -> None:
        """When it happened is when it was first heard of, not when it settled."""
        number = history.order()
        trade = history.fill(number, fee="0.5")
        before = shown.row(history, "fills")
        history.settle(number, trade, Settlement.CONFIRMED)
        after = shown.row(history, "fills")
        assert only(after, "settlement", "live", "fee") == ("CONFIRMED", True, "0.5")
        assert only(after, "first_us", "position") == (before["first_us"], 3)
        assert after["updated_us"] > before["updated_us"]

    def test_a_void_fill_stays_visible(self, history: History, shown: Shown) -> None:
        """It is evidence, though it does not count."""
        number = history.order()
        trade = history.fill(number)
        history.settle(number, trade, Settlement.FAILED)
        row = shown.row(history, "fills")
        assert only(row, "settlement", "live", "size") == ("FAILED", False, "100")

    def test_a_settlement_before_its_trade_has_size_nought(
        self, history: History, shown: Shown
    ) -> None:
        """Witnesses overtake each other; the row fills in when the trade comes."""
        number = history.order()
        history.settle(number, "t9", Settlement.CONFIRMED)
        assert only(shown.row(history, "fills"), "size", "live") == ("0", False)
        history.fill(number, trade="t9")
        row = shown.row(history, "fills")
        assert only(row, "size", "live", "settlement") == ("100", True, "CONFIRMED")

    def test_a_fill_carries_its_orders_attribution(
        self, history: History, shown: Shown
    ) -> None:
        """Fills are filtered by strategy and market."""
        history.fill(history.order(strategy="beta", market_id=MARKETS[1]))
        row = shown.row(history, "fills")
        assert only(row, "strategy", "market_id", "side") == ("beta", MARKETS[1], "BUY")


class TestPositions:
    def test_bought_shares_are_pending_until_confirmed(
        self, history: History, shown: Shown
    ) -> None:
        """What has not settled cannot be sold."""
        number = history.order()
        trade = history.fill(number, fee="1")
        names = ("shares", "settled_shares", "pending_shares")
        row = shown.row(history, "positions")
        assert only(row, *names) == ("100", "0", "100")
        assert only(row, "avg_price", "cost", "fees") == ("0.4", "40", "1")
        history.settle(number, trade, Settlement.CONFIRMED)
        assert only(shown.row(history, "positions"), *names) == ("100", "100", "0")

    def test_a_void_fill_leaves_no_trace_in_the_sums(
        self, history: History, shown: Shown
    ) -> None:
        """A fill that never settled was never a position."""
        number = history.order()
        trade = history.fill(number)
        shown.rows(history, "positions")
        history.settle(number, trade, Settlement.FAILED)
        row = shown.row(history, "positions")
        assert only(row, "shares", "cost", "bought", "avg_price") == (
            "0",
            "0",
            "0",
            None,
        )

    def test_splits_merges_and_resolution_move_both_legs(
        self, history: History, shown: Shown
    ) -> None:
        """A pair is worth 1 pUSD before and after."""
        about: dict[str, Any] = {"at": START, "strategy": "s", "market_id": MARKETS[0]}
        history.account(
            ev.PositionSplit(size=Decimal(10), **about),
            ev.PositionMerged(size=Decimal(4), **about),
            ev.MarketResolved(
                at=START,
                market_id=MARKETS[0],
                yes_payout=Decimal(1),
                no_payout=Decimal(0),
            ),
            ev.PositionRedeemed(
                outcome=Outcome.YES, size=Decimal(6), payout=Decimal(6), **about
            ),
        )
        rows = {row["outcome"]: row for row in shown.rows(history, "positions")}
        names = ("shares", "cost", "realized_pnl", "payout")
        assert only(rows["YES"], *names) == ("0", "0", "3", "1")
        assert only(rows["NO"], *names) == ("6", "0", "-3", "0")

    def test_shares_that_were_never_seen_to_come_are_unexplained(
        self, history: History, shown: Shown
    ) -> None:
        """An account's history may begin in the middle."""
        history.account(traded(Side.SELL, "5", "2"))
        row = shown.row(history, "positions")
        assert only(row, "shares", "unexplained", "sold") == ("0", "5", "5")


class TestPnl:
    def test_paid_and_received_close_to_the_last_digit(
        self, history: History, shown: Shown
    ) -> None:
        """Profit is what came in less what went out, with nothing rounded away."""
        history.account(
            traded(Side.BUY, "3", "1.000001", fee=Decimal("0.02")),
            traded(Side.SELL, "3", "1.5"),
        )
        row = shown.row(history, "pnl")
        assert only(row, "paid", "received", "cost") == ("1.000001", "1.5", "0")
        assert only(row, "realized_pnl", "fees", "net") == (
            "0.499999",
            "0.02",
            "0.479999",
        )
        assert row["paid_with_fees"] == "1.020001"

    def test_an_imported_markets_slug_outlives_its_batch(
        self, history: History, shown: Shown
    ) -> None:
        """A condition id tells a person nothing; a later trade may not repeat it."""
        named = {"source": "import", "correlation_id": "coin-up"}
        bought, sold = traded(Side.BUY, "3", "1"), traded(Side.SELL, "5", "2")
        history.account(msgspec.structs.replace(bought, **named))
        assert shown.row(history, "pnl")["slug"] == "coin-up"
        history.account(sold)
        row = shown.row(history, "pnl")
        assert only(row, "slug", "unexplained") == ("coin-up", "2")

    def test_a_void_purchase_was_never_paid(
        self, history: History, shown: Shown
    ) -> None:
        """The venue gives the money back; the sums must too, batches later."""
        kept, void = history.order(), history.order()
        history.fill(kept)
        trade = history.fill(void)
        assert only(shown.row(history, "pnl"), "paid", "cost") == ("80", "80")
        history.settle(void, trade, Settlement.FAILED)
        row = shown.row(history, "pnl")
        assert only(row, "paid", "received", "cost") == ("40", "0", "40")

    def test_fills_of_one_order_over_batches_are_paid_once(
        self, history: History, shown: Shown
    ) -> None:
        """A batch adds what it brought, not what the order cost so far."""
        number = history.order()
        for size in ("10", "20", "30"):
            history.fill(number, size, "0.5")
            shown.rows(history, "pnl")
        assert shown.row(history, "pnl")["paid"] == "30"

    def test_fractions_below_a_millionth_are_nobodys_income(
        self, history: History, shown: Shown
    ) -> None:
        """What was paid is what the position cost, to the last digit."""
        number = history.order(size=Decimal(2))
        history.fill(number, "0.333333", "0.333333")
        shown.rows(history, "pnl")
        history.fill(number, "0.333333", "0.333333")
        row = shown.row(history, "pnl")
        assert row["paid"] == row["cost"]
        assert row["received"] == "0"

    def test_sales_are_received(self, history: History, shown: Shown) -> None:
        """Both outcomes of a market make one row."""
        history.fill(history.order(size=Decimal(10)), "10", "0.4")
        history.fill(
            history.order(side=Side.SELL, size=Decimal(4)), "4", "0.75", fee="0.1"
        )
        history.fill(history.order(outcome=Outcome.NO, size=Decimal(10)), "10", "0.1")
        row = shown.row(history, "pnl")
        assert only(row, "paid", "received", "cost") == ("5", "3", "3.4")
        assert only(row, "realized_pnl", "fees", "net") == ("1.4", "0.1", "1.3")

    def test_a_void_sale_was_never_received_until_it_is_proven(
        self, history: History, shown: Shown
    ) -> None:
        """The chain may contradict itself; the later word counts, and once."""
        number = history.order(side=Side.SELL, size=Decimal(4))
        trade = history.fill(number, "4", "0.75")
        received = [shown.row(history, "pnl")["received"]]
        for at, status in enumerate((Settlement.FAILED, Settlement.CONFIRMED), 1):
            history.settle(number, trade, status, at=at)
            received.append(shown.row(history, "pnl")["received"])
        assert received == ["3", "0", "3"]

    def test_money_that_only_passed_through_shares_is_in_the_sums(
        self, history: History, shown: Shown
    ) -> None:
        """Splits cost, merges and transfers at a price bring."""
        about: dict[str, Any] = {"at": START, "strategy": "s", "market_id": MARKETS[0]}
        history.account(
            ev.PositionSplit(size=Decimal(10), **about),
            ev.PositionMerged(size=Decimal(4), **about),
            ev.PositionTransferred(
                outcome=Outcome.YES, size=Decimal(2), cost=Decimal("0.5"), **about
            ),
        )
        row = shown.row(history, "pnl")
        assert only(row, "paid", "received", "cost") == ("10.5", "4", "6.5")


class TestAccount:
    def test_cash_is_free_as_far_as_no_order_holds_it(
        self, history: History, shown: Shown
    ) -> None:
        """The dashboard's cash must be the one that risk reckons with."""
        history.account(ev.CashMoved(at=START, amount=Decimal(100), reason="deposit"))
        history.order()
        row = shown.row(history, "account")
        assert only(row, "cash", "reserved_cash", "free_cash") == ("100", "40", "60")

    def test_the_mode_is_shown(self, history: History, shown: Shown) -> None:
        """A halted ledger refuses everything; whoever looks must see why."""
        history.system(ev.LedgerHalted(at=START, reason="disk"))
        assert shown.row(history, "account")["mode"] == "halted"


class TestSettlementHealth:
    def test_markets_are_counted_apart(self, history: History, shown: Shown) -> None:
        """One market's failures say nothing about another's."""
        statuses = (Settlement.CONFIRMED, Settlement.FAILED, Settlement.MATCHED)
        for status in statuses:
            history.fill(history.order(), status=status)
        history.fill(history.order(market_id=MARKETS[1]), status=Settlement.CONFIRMED)
        first, second = shown.rows(history, "settlement_health")
        names = ("fills", "confirmed", "void", "unsettled", "failure_ppm")
        assert only(first, *names) == (3, 1, 1, 1, 333_333)
        assert only(second, *names) == (1, 1, 0, 0, 0)
        assert second["oldest_unsettled_us"] is None
        fills = shown.rows(history, "fills")
        open_since = [f["first_us"] for f in fills if f["settlement"] == "MATCHED"]
        assert [first["oldest_unsettled_us"]] == open_since

    def test_a_trade_of_unknown_size_is_not_counted(
        self, history: History, shown: Shown
    ) -> None:
        """It may not even be ours; it counts once its size is known."""
        number = history.order()
        history.settle(number, "t9", Settlement.CONFIRMED)
        assert shown.rows(history, "settlement_health") == []
        history.fill(number, trade="t9")
        assert shown.row(history, "settlement_health")["confirmed"] == 1


class TestIdempotency:
    def test_a_key_leads_to_its_order(self, history: History, shown: Shown) -> None:
        """Keys are per strategy."""
        history.order()
        history.order(strategy="beta", idempotency_key="k0")
        rows = shown.rows(history, "idempotency")
        assert [only(row, "strategy", "idempotency_key") for row in rows] == [
            ("alpha", "k0"),
            ("beta", "k0"),
        ]
        assert rows[1]["order_id"] == history.orders[1].order_id


class TestReconciliation:
    def test_differences_are_those_believed_at_that_position(
        self, history: History, shown: Shown
    ) -> None:
        """What was learned later must not change what was compared then."""
        number = history.order()
        history.tell(number, LIVE)
        held = ev.ObservedPosition(
            market_id=MARKETS[0], outcome=Outcome.YES, size=Decimal(5)
        )
        history.observe((), (held,), cash=Decimal(7))
        history.fill(number)
        [row] = shown.rows(history, "reconciliation")
        assert only(row, "open_orders", "positions") == (0, 1)
        assert only(row, "order_diffs", "position_diffs") == (1, 1)
        assert only(row, "cash_ledger", "cash_venue", "complete") == ("0", "7", True)
        missing, position = shown.rows(history, "reconciliation_diffs")
        assert only(missing, "number", "kind", "order_id", "ledger") == (
            1,
            "order_missing",
            history.orders[number].order_id,
            "PLACED",
        )
        assert only(position, "number", "kind", "ledger", "venue", "difference") == (
            2,
            "position",
            "0",
            "5",
            "5",
        )

    def test_what_was_not_asked_is_not_counted_as_none(
        self, history: History, shown: Shown
    ) -> None:
        """No answer and an empty answer are different things."""
        history.observe(None, ())
        row = shown.row(history, "reconciliation")
        assert only(row, "open_orders", "positions", "cash_venue") == (None, 0, None)

    def test_a_drift_is_open_until_it_is_closed(
        self, history: History, shown: Shown
    ) -> None:
        """It may open again, and then the acknowledgement is needed again."""
        opened = ev.DriftOpened(
            at=START, drift_id="d", kind="position", subject="x", detail={"b": "1"}
        )
        history.reconciliation(opened)
        row = shown.row(history, "open_drifts")
        assert only(row, "drift_id", "times", "acknowledged_us") == ("d", 1, None)
        assert msgspec.json.decode(row["detail"]) == {"b": "1"}
        history.reconciliation(
            ev.DriftAcknowledged(at=history.now, drift_id="d", note="known")
        )
        row = shown.row(history, "open_drifts")
        assert row["note"] == "known"
        assert row["acknowledged_us"] > row["opened_us"]
        history.reconciliation(ev.DriftClosed(at=START, drift_id="d", reason="gone"))
        assert shown.rows(history, "open_drifts") == []
        history.reconciliation(opened)
        row = shown.row(history, "open_drifts")
        assert only(row, "times", "acknowledged_us", "reason") == (2, None, "")

    def test_a_word_on_an_unknown_drift_makes_no_row(
        self, history: History, shown: Shown
    ) -> None:
        """Nothing was ever raised, so there is nothing to show."""
        history.reconciliation(ev.DriftClosed(at=START, drift_id="d"))
        assert shown.rows(history, "drifts") == []


class TestSystem:
    def test_the_ledgers_own_events_are_listed(
        self, history: History, shown: Shown
    ) -> None:
        """When it was opened, halted and resumed, and by whom."""
        history.system(
            ev.LedgerOpened(
                at=START, software_version="1", config_hash="h", mode="paper", epoch=3
            ),
            ev.LedgerHalted(at=START, actor="operator", reason="disk"),
            ev.MarketListed(
                at=START, market=Market(market_id="m", yes_token="1", no_token="2")
            ),
        )
        first, second = shown.rows(history, "system")
        assert msgspec.json.decode(first["detail"])["epoch"] == "3"
        assert only(second, "position", "topic", "actor", "at_us") == (
            2,
            "ledger.halted.v1",
            "operator",
            START_US,
        )


@pytest.mark.parametrize("name", ["orders", "positions", "account", "system"])
def test_an_empty_ledger_has_no_rows(name: str, history: History, shown: Shown) -> None:
    """Asking too early is no error."""
    assert shown.rows(history, name) == []
