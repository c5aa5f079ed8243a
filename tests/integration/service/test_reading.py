"""Reading commands: the same rows from kept tables, from the log, in every form."""

import csv
import io
import json
from pathlib import Path

import pytest

from ledger.store import WriterLock
from ledger.values import OrderStatus
from tests.integration.service.commands import MARKET, Answer, invoke, run

TABLES = ("orders", "open-orders", "fills", "positions", "pnl", "reservations")


def read(command: str, data: Path, *arguments: str) -> Answer:
    answer = invoke(command, "--data", data, *arguments)
    assert answer.exit_code == 0, answer
    return answer


class TestRows:
    def test_orders_show_the_present_state(self, traded: Path) -> None:
        """One line per order, refused ones included: silence explains nothing."""
        rows = read("orders", traded, "-o", "json").json()
        assert [row["status"] for row in rows] == ["CONFIRMED", "PLACED", "REJECTED"]
        assert rows[0]["avg_price"] == "0.445"
        assert rows[2]["refusal_text"]

    def test_filters_narrow(self, traded: Path) -> None:
        """By status, strategy and market."""
        rows = read("orders", traded, "-o", "json", "--status", "placed").json()
        assert [row["idempotency_key"] for row in rows] == ["resting"]
        assert read("orders", traded, "-o", "json", "--strategy", "x").json() == []
        assert len(read("orders", traded, "-o", "json", "--market", MARKET).json()) == 3

    def test_a_status_that_is_none_is_refused(self, traded: Path) -> None:
        """No rows would read as "no such orders"."""
        answer = invoke("orders", "--data", traded, "--status", "FOO")
        assert answer.exit_code == 2
        for status in OrderStatus:
            assert status in answer.stderr

    @pytest.mark.parametrize("command", ["orders", "positions", "cancel-all"])
    @pytest.mark.parametrize("option", ["--strategy", "--market"])
    def test_an_empty_filter_is_no_wish_for_everything(
        self, traded: Path, command: str, option: str
    ) -> None:
        """A variable that is not set must not cancel what others placed."""
        answer = invoke(command, "--data", traded, f"{option}=")
        assert answer.exit_code == 2
        assert f"must not be empty: {option}" in answer.stderr

    @pytest.mark.parametrize(
        ("command", "which"), [("orders", "newest"), ("export", "first")]
    )
    def test_help_says_which_rows_a_limit_leaves(
        self, command: str, which: str
    ) -> None:
        """Ten of a million, from which end?"""
        text = " ".join(invoke(command, "--help").stdout.split())
        assert which in text.split("--limit N")[1].split("--")[0]

    def test_open_orders_are_those_that_may_match(self, traded: Path) -> None:
        """What a restart has to care about."""
        (row,) = read("open-orders", traded, "-o", "json").json()
        assert (row["status"], row["remaining"]) == ("PLACED", "30")

    def test_fills_are_one_per_trade(self, traded: Path) -> None:
        """Two levels were taken."""
        rows = read("fills", traded, "-o", "json").json()
        assert [(r["size"], r["price"], r["fee"]) for r in rows] == [
            ("10", "0.44", "0.17248"),
            ("10", "0.45", "0.17325"),
        ]
        assert all(row["live"] is True for row in rows)

    def test_positions_are_exact(self, traded: Path) -> None:
        """20 shares for 8.90 pUSD, the fee apart."""
        (row,) = read("positions", traded, "-o", "json").json()
        assert (row["shares"], row["cost"], row["fees"]) == ("20", "8.9", "0.34573")

    def test_reservations_hold_what_rests(self, traded: Path) -> None:
        """30 shares at 0.41, and no fee for a post-only order."""
        (row,) = read("reservations", traded, "-o", "json").json()
        assert row["cash"] == "12.3"

    def test_limit_keeps_the_newest(self, traded: Path) -> None:
        """The last orders are what one asks for."""
        rows = read("orders", traded, "-o", "json", "--limit", "2").json()
        assert [row["idempotency_key"] for row in rows] == ["resting", "refused"]
        assert read("orders", traded, "-o", "json", "--limit", "0").json() == []

    def test_since_leaves_the_old_out(self, traded: Path) -> None:
        """All of it happened less than a day ago, and none of it in 2100."""
        assert len(read("orders", traded, "-o", "json", "--since", "1d").json()) == 3
        late = read("orders", traded, "-o", "json", "--since", "2100-01-01")
        assert late.json() == []

    def test_since_needs_rows_with_a_time(self, traded: Path) -> None:
        """A position is as of a moment; filtering it would show half of it."""
        answer = invoke("positions", "--data", traded, "--since", "7d")
        assert answer.exit_code == 2
        assert "use --as-of" in answer.stderr

    @pytest.mark.parametrize("command", TABLES)
    def test_every_form_has_the_same_rows(self, traded: Path, command: str) -> None:
        """A script may switch its parser without another result."""
        rows = read(command, traded, "-o", "json").json()
        lines = read(command, traded, "-o", "jsonl").stdout.splitlines()
        assert [json.loads(line) for line in lines] == rows
        table = csv.DictReader(io.StringIO(read(command, traded, "-o", "csv").stdout))
        assert [row["strategy"] for row in table] == [row["strategy"] for row in rows]
        plain = read(command, traded).stdout
        assert len(plain.splitlines()) == len(rows) + 1
        assert "\x1b" not in plain


class TestAsOf:
    def test_a_position_shows_what_was_known_then(self, traded: Path) -> None:
        """After the first order's request nothing was filled yet."""
        first = read("order", traded, order_ids(traded)[0], "-o", "json").json()[0]
        at = str(first["position"])
        (row,) = read("orders", traded, "-o", "json", "--as-of", at).json()
        assert (row["status"], row["filled"]) == ("PENDING", "0")
        assert read("positions", traded, "-o", "json", "--as-of", at).json() == []

    def test_a_time_shows_what_was_known_then(self, traded: Path) -> None:
        """ "What did we believe at 14:03:22?" is asked with a clock."""
        rows = read("orders", traded, "-o", "json").json()
        at = rows[1]["requested_at"]
        known = read("orders", traded, "-o", "json", "--as-of", at).json()
        assert [row["idempotency_key"] for row in known] == ["filled", "resting"]
        assert (
            read("orders", traded, "-o", "json", "--as-of", "2020-01-01").json() == []
        )

    @pytest.mark.parametrize("command", TABLES)
    def test_as_of_the_head_is_the_present(self, traded: Path, command: str) -> None:
        """Kept tables and a fold of the log must never disagree."""
        head = invoke("verify", "--data", traded, "-o", "json").json()["head"]
        folded = read(command, traded, "-o", "json", "--as-of", str(head))
        assert folded.stdout == read(command, traded, "-o", "json").stdout
        assert f"as of position {head} of {head}" in folded.stderr

    @pytest.mark.parametrize("moment", ["999999", "never", "-1", "12:00"])
    def test_a_moment_that_is_none_is_refused(self, traded: Path, moment: str) -> None:
        """Answering for another moment than asked would be a lie."""
        answer = invoke("orders", "--data", traded, f"--as-of={moment}")
        assert answer.exit_code == 2
        assert answer.stderr.startswith("invalid_input as-of: ")


def order_ids(data: Path) -> list[str]:
    return [row["order_id"] for row in read("orders", data, "-o", "json").json()]


class TestTimeline:
    def test_every_event_with_its_cause(self, traded: Path) -> None:
        """What happened to this order, why, and on whose word."""
        rows = read("order", traded, order_ids(traded)[0], "-o", "json").json()
        assert [row["topic"] for row in rows][:3] == [
            "order.requested.v1",
            "order.prepared.v1",
            "order.placed.v1",
        ]
        assert rows[0]["actor"] == "hand"
        assert rows[-1]["status"] == "CONFIRMED"
        text = read("order", traded, order_ids(traded)[0]).stdout
        assert "BUY 20 YES" in text

    def test_the_past_of_an_order(self, traded: Path) -> None:
        """Up to the second event of it."""
        order_id = order_ids(traded)[0]
        rows = read("order", traded, order_id, "-o", "json").json()
        at = str(rows[1]["position"])
        assert (
            len(read("order", traded, order_id, "-o", "json", "--as-of", at).json())
            == 2
        )
        last = read("order", traded, order_id, "-o", "json", "--limit", "1").json()
        assert last == rows[-1:]
        late = read("order", traded, order_id, "-o", "json", "--since", "2100-01-01")
        assert late.json() == []

    def test_an_unknown_order_is_a_failure(self, traded: Path) -> None:
        """With a hint where the known ones are."""
        answer = invoke("order", "nope", "--data", traded)
        assert answer.exit_code == 1
        assert answer.stderr.splitlines() == [
            "unknown_order order_id: no order 'nope' in this ledger",
            "hint: `order-ledger orders` lists the orders of this ledger",
        ]


class TestExport:
    def test_every_event_and_no_signed_order(self, traded: Path) -> None:
        """A signed order can be posted by whoever reads it."""
        lines = read("export", traded).stdout.splitlines()
        events = [json.loads(line) for line in lines]
        assert [e["position"] for e in events] == list(range(1, len(events) + 1))
        prepared = [e for e in events if e["topic"] == "order.prepared.v1"]
        assert prepared
        assert all("signed_order" not in e["event"] for e in prepared)
        assert "maker_amount" in prepared[0]["event"]
        assert '"order_id"' not in "".join(lines)  # it stands in the signed order

    def test_it_can_be_continued(self, traded: Path) -> None:
        """A nightly job exports what is new."""
        whole = read("export", traded).stdout
        first = read("export", traded, "--limit", "4").stdout
        rest = read("export", traded, "--after", "4").stdout
        assert first + rest == whole
        assert read("export", traded, "--since", "2100-01-01").stdout == ""

    def test_a_reader_that_stops_early_is_no_error(self, traded: Path) -> None:
        """`export | head` is everyday; a traceback there is noise."""
        import subprocess
        import sys

        from tests.integration.service.commands import REPOSITORY

        with subprocess.Popen(
            [sys.executable, "-m", "service", "export", "--data", str(traded)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 0


class TestBesideAWriter:
    def test_reading_needs_no_lock(self, own: Path) -> None:
        """A dashboard must work while the bots trade."""
        with WriterLock(own / "ledger.db.lock"):
            for command in ("orders", "positions"):
                assert run(command, "--data", own).exit_code == 0

    def test_without_a_place_for_read_models_the_log_answers(self, own: Path) -> None:
        """A full or read-only disk is when one needs to look."""
        expected = read("orders", own, "-o", "json").stdout
        (own / "read_models.db").unlink()
        (own / "read_models.db").mkdir()
        assert read("orders", own, "-o", "json").stdout == expected

    def test_damaged_read_models_are_built_anew(self, own: Path) -> None:
        """They are disposable; the log is not."""
        expected = read("orders", own, "-o", "json").stdout
        (own / "read_models.db").write_bytes(b"no database at all" * 1000)
        assert read("orders", own, "-o", "json").stdout == expected

    def test_a_reader_changes_nothing_in_the_log(self, own: Path) -> None:
        """Not even an event that somebody looked."""
        before = read("export", own).stdout
        for command in TABLES:
            read(command, own)
        assert read("export", own).stdout == before
