"""History becomes events once, whole, and to the last digit."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from config import Settings
from ledger import events as ev
from ledger.errors import InvalidInputError
from ledger.position import PositionKey
from ledger.values import Outcome, Side
from service.activity import ActivityError, ActivityRow
from service.bootstrap import OpenLedger, open_ledger
from service.importer import TAKER_RATE, import_activity, split_fee, strategy_name

SMALL = Path(__file__).resolve().parents[2] / "data" / "activity" / "small.jsonl"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[OpenLedger]:
    opened = await open_ledger(Settings(), tmp_path / "data", funded=False)
    yield opened
    await opened.close()


def trade(size: str, price: str, usdc: str, side: Side = Side.BUY) -> ActivityRow:
    return ActivityRow(
        kind="TRADE",
        at=datetime(2026, 9, 19, tzinfo=UTC),
        wallet="0xaa",
        market_id="0xone",
        outcome=Outcome.YES,
        side=side,
        size=Decimal(size),
        usdc=Decimal(usdc),
        price=Decimal(price),
        tx_hash="0xb",
    )


class TestFee:
    """What a trade's money consists of; `price` excludes the fee."""

    @pytest.mark.parametrize(
        ("row", "amount", "fee"),
        [
            (trade("10", "0.4", "4"), "4", "0"),
            # A maker's price carries rounding; the money does not.
            (trade("47.619048", "0.7900000017", "37.619048"), "37.619048", "0"),
            # 0.07 x 0.4 x 0.6 x 10
            (trade("10", "0.4", "4.168"), "4", "0.168"),
            # 0.07 x 0.33 x 0.67 x 7.3 = 0.11298..., floored to 5 places
            (trade("7.3", "0.33", "2.52198"), "2.409", "0.11298"),
            # The rounding of the price must not end up in the fee.
            (trade("1000", "0.330000004", "345.477"), "330", "15.477"),
            # Sold: the fee is taken off the proceeds.
            (trade("4", "0.5", "1.93", Side.SELL), "2", "0.07"),
            # A market with another rate: the money says that it was a fee.
            (trade("10", "0.4", "4.1"), "4", "0.1"),
            # Cheaper than size times price: no fee is negative.
            (trade("10", "0.4", "3.9"), "3.9", "0"),
        ],
    )
    def test_money_parts_into_shares_and_fee(
        self, row: ActivityRow, amount: str, fee: str
    ) -> None:
        """Profit before fees must not change with who made the trade."""
        assert split_fee(row, TAKER_RATE) == (Decimal(amount), Decimal(fee))


class TestImport:
    async def test_positions_and_cash_are_exact(self, ledger: OpenLedger) -> None:
        """Worked out by hand from the rows of the file."""
        await import_activity(SMALL, ledger.manager)
        state = ledger.journal.state
        found = {
            (key.market_id, key.outcome): (
                line.position.shares,
                line.position.totals.realized_pnl,
                line.position.totals.fees,
            )
            for key, line in state.holdings.items()
        }
        zero = Decimal(0)
        assert found == {
            ("0xone", Outcome.YES): (zero, zero, zero),
            ("0xone", Outcome.NO): (zero, Decimal(5), zero),
            ("0xtwo", Outcome.YES): (zero, Decimal("-2"), Decimal("0.238")),
            ("0xtwo", Outcome.NO): (zero, Decimal(7), zero),
            ("0xthree", Outcome.YES): (zero, zero, zero),
            ("0xthree", Outcome.NO): (zero, zero, zero),
        }
        assert state.cash == Decimal("11.012")

    async def test_the_report_accounts_for_every_row(self, ledger: OpenLedger) -> None:
        """A row that silently vanished would be a hole in somebody's history."""
        report = await import_activity(SMALL, ledger.manager)
        assert (report.rows, report.recorded, report.known, report.empty) == (
            15,
            13,
            0,
            1,
        )
        assert report.skipped == {"CONVERSION": 1}
        assert report.by_type == {
            "CONVERSION": 1,
            "MERGE": 2,
            "REDEEM": 4,
            "REWARD": 1,
            "SPLIT": 1,
            "TRADE": 6,
        }
        assert report.first_at == datetime.fromtimestamp(1789000000, UTC)
        assert report.last_at == datetime.fromtimestamp(1789000011, UTC)

    async def test_a_second_import_adds_nothing(self, ledger: OpenLedger) -> None:
        """Whoever is not sure whether it worked runs it again."""
        await import_activity(SMALL, ledger.manager)
        head = ledger.store.head
        report = await import_activity(SMALL, ledger.manager, strategy="other")
        assert (report.recorded, report.known) == (0, 13)
        assert ledger.store.head == head

    async def test_an_overlapping_history_adds_only_what_is_new(
        self, ledger: OpenLedger, tmp_path: Path
    ) -> None:
        """The venue serves pages; the next download overlaps the last."""
        rows = SMALL.read_text().splitlines()
        older, newer = tmp_path / "older.jsonl", tmp_path / "newer.jsonl"
        older.write_text("\n".join(rows[6:]))
        newer.write_text("\n".join(rows[:11]))
        await import_activity(older, ledger.manager)
        await import_activity(newer, ledger.manager)
        assert ledger.journal.state.cash == Decimal("11.012")

    async def test_equal_rows_both_count(self, ledger: OpenLedger) -> None:
        """Two equal trades in one transaction are two trades."""
        await import_activity(SMALL, ledger.manager)
        key = PositionKey("imported", "0xtwo", Outcome.NO)
        bought = ledger.journal.state.holdings[key].position.totals.bought
        assert bought == Decimal(10)

    async def test_one_bad_row_leaves_no_trace(
        self, ledger: OpenLedger, tmp_path: Path
    ) -> None:
        """Half a history is worse than none: positions would look real."""
        head = ledger.store.head
        file = tmp_path / "bad.jsonl"
        file.write_text(SMALL.read_text() + '{"type": "TRADE"}\n')
        with pytest.raises(ActivityError):
            await import_activity(file, ledger.manager)
        assert ledger.store.head == head

    async def test_events_carry_the_time_they_happened(
        self, ledger: OpenLedger
    ) -> None:
        """A loss of last week must not count as a loss of today."""
        await import_activity(SMALL, ledger.manager)
        (split,) = ledger.store.read(topics=(ev.PositionSplit.TOPIC,))
        assert split.event.at == datetime.fromtimestamp(1789000000, UTC)
        assert split.event.source == "import"
        assert split.event.causation.startswith("activity:")

    async def test_progress_reaches_the_end(self, ledger: OpenLedger) -> None:
        """Ten thousand rows take seconds; somebody is watching."""
        seen: list[int] = []
        await import_activity(SMALL, ledger.manager, progress=seen.append)
        assert seen == [13]

    async def test_many_rows_keep_their_order(
        self, ledger: OpenLedger, tmp_path: Path
    ) -> None:
        """Rows are recorded together; a sale must still follow its purchase."""
        first = json.loads(SMALL.read_text().splitlines()[-2])
        file = tmp_path / "many.jsonl"
        with file.open("w") as out:
            for second in range(1200):
                side = "SELL" if second % 2 else "BUY"
                row = {"timestamp": 1789000000 + second, "side": side}
                out.write(json.dumps({**first, **row}) + "\n")
        await import_activity(file, ledger.manager)
        key = PositionKey("imported", "0xone", Outcome.YES)
        totals = ledger.journal.state.holdings[key].position.totals
        assert not totals.shares
        assert not totals.unexplained


class TestStrategyName:
    def test_a_plain_name_passes(self) -> None:
        """It becomes part of every position's key."""
        assert strategy_name("by-hand.2") == "by-hand.2"

    @pytest.mark.parametrize("name", ["", "a b", "x" * 65, "\x1b[2J"])
    def test_another_is_refused(self, name: str) -> None:
        """An intent could never name it again."""
        with pytest.raises(InvalidInputError, match="strategy: "):
            strategy_name(name)
