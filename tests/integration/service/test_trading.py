"""`place`, `cancel` and `cancel-all` through the command line."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.service.commands import (
    AT_ONCE,
    MARKET,
    REPOSITORY,
    Answer,
    book_frame,
    clean_environment,
    intent,
    invoke,
    write_market,
    write_recording,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_market(tmp_path / "market.json")
    write_recording(tmp_path / "frames.jsonl")
    return tmp_path


def place(folder: Path, *arguments: str, book: bool = True) -> Answer:
    books = [f"--book={folder / 'frames.jsonl'}"] if book else []
    return invoke(
        "place",
        "--data",
        folder / "data",
        "--market-file",
        folder / "market.json",
        *AT_ONCE,
        *books,
        "-o",
        "json",
        *arguments,
    )


def orders(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = invoke(
        "orders", "--data", folder / "data", "-o", "json"
    ).json()
    return found


_KILLED_BEFORE_THE_POST = """
import os, signal
from executors.paper import PaperExecutor
from service.cli import main

async def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)

PaperExecutor.submit = killed
main()
"""
"""Runs the command line, and dies once the order is prepared and not yet sent."""


def place_and_die(folder: Path, *arguments: str) -> None:
    """Run `place` as `place` does, in a process that is killed before the post."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", _KILLED_BEFORE_THE_POST, "place"),
            f"--data={folder / 'data'}",
            f"--market-file={folder / 'market.json'}",
            f"--book={folder / 'frames.jsonl'}",
            *AT_ONCE,
            *arguments,
        ],
        cwd=REPOSITORY,
        env=clean_environment(),
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


class TestAfterAKill:
    """The process ended between the commit of the order and its post."""

    def test_the_repeated_command_sends_the_order_that_was_cut_short(
        self, folder: Path
    ) -> None:
        """The person's retry must get the order, once, and not a rejection."""
        place_and_die(folder, *intent("k", tif="FAK"))
        (before,) = orders(folder)
        assert before["status"] == "PENDING"
        answer = place(folder, *intent("k", tif="FAK"))
        assert answer.exit_code == 0, answer
        row = answer.json()
        assert (row["status"], row["filled"]) == ("CONFIRMED", "20")
        assert row["order_id"] == before["order_id"]
        assert row["deduplicated"] is True
        assert len(orders(folder)) == 1

    def test_a_resting_order_needs_no_book_to_go_out(self, folder: Path) -> None:
        """The retry without --book must do what the first run would have done."""
        place_and_die(folder, *intent("k", price="0.41"), "--post-only")
        answer = place(folder, *intent("k", price="0.41"), "--post-only", book=False)
        assert answer.exit_code == 0, answer
        assert answer.json()["status"] == "PLACED"

    def test_without_a_book_the_order_stays_open_and_is_said_to_be(
        self, folder: Path
    ) -> None:
        """Nothing is proven of it yet: it is neither placed nor rejected."""
        place_and_die(folder, *intent("k", tif="FAK"))
        row = place(folder, *intent("k", tif="FAK"), book=False).json()
        assert row["status"] == "PENDING"
        assert row["deduplicated"] is True


class TestPlace:
    def test_a_taking_order_walks_the_recorded_book(self, folder: Path) -> None:
        """10 at 0.44 and 10 at 0.45, each with the taker's fee of 7 %."""
        answer = place(folder, *intent("k", tif="FAK"))
        assert answer.exit_code == 0, answer
        row = answer.json()
        assert row["status"] == "CONFIRMED"
        assert row["filled"] == "20"
        assert row["avg_price"] == "0.445"
        # floor(0.07 x 0.44 x 0.56 x 10) + floor(0.07 x 0.45 x 0.55 x 10)
        assert row["fees"] == "0.34573"

    def test_a_repeated_key_is_the_same_order(self, folder: Path) -> None:
        """The retry of a script must not buy twice, days later either."""
        first = place(folder, *intent("k", tif="FAK")).json()
        second = place(folder, *intent("k", tif="FAK")).json()
        assert second["order_id"] == first["order_id"]
        assert (first["deduplicated"], second["deduplicated"]) == (False, True)
        assert len(orders(folder)) == 1

    def test_a_repeated_key_with_another_intent_is_refused(self, folder: Path) -> None:
        """A key that was mistyped must not pass for an order placed."""
        place(folder, *intent("k", tif="FAK"))
        answer = place(folder, *intent("k", tif="FAK", size="21"))
        assert answer.exit_code == 1
        assert answer.stderr.startswith("idempotency_conflict ")

    def test_the_intent_may_come_as_json(self, folder: Path) -> None:
        """Scripts in other languages write JSON sooner than flags."""
        wanted = {
            "strategy": "hand",
            "idempotency_key": "j",
            "market_id": MARKET,
            "outcome": "NO",
            "side": "BUY",
            "size": "10",
            "price": "0.60",
            "time_in_force": "FOK",
        }
        file = folder / "intent.json"
        file.write_text(json.dumps(wanted))
        assert place(folder, f"--json={file}").json()["filled"] == "10"
        answer = invoke(
            *("place", "--data", folder / "data", "--json", "-", "-o", "json"),
            stdin=json.dumps(wanted),
        )
        assert answer.json()["deduplicated"] is True

    def test_without_a_book_only_resting_orders_pass(self, folder: Path) -> None:
        """Taking blindly is what slippage limits are against; the hint says how."""
        answer = place(folder, *intent("k"), book=False)
        assert answer.exit_code == 1
        assert answer.stderr.startswith("no_market_data no current order book")
        assert "--book" in answer.stderr
        answer = place(folder, *intent("k2"), "--post-only", book=False)
        assert answer.exit_code == 0
        assert answer.json()["status"] == "PLACED"

    def test_a_recording_alone_makes_its_market_known(self, folder: Path) -> None:
        """A first try needs one file, not two."""
        answer = invoke(
            *("place", f"--data={folder / 'data'}", *AT_ONCE),
            *(f"--book={folder / 'frames.jsonl'}", *intent("k", tif="FAK")),
        )
        assert answer.exit_code == 0, answer

    def test_an_order_settles_while_we_wait(self, folder: Path) -> None:
        """Without --wait the answer comes at the match; settlement goes on in time."""
        slow = ("--set=paper.settle_mined_ms=20", "--set=paper.settle_confirmed_ms=40")
        first = place(folder, *intent("k1", tif="FAK", size="5"), *slow)
        assert first.json()["status"] == "MATCHED"
        second = place(folder, *intent("k2", tif="FAK", size="5"), *slow, "--wait=20")
        assert second.json()["status"] == "CONFIRMED"

    def test_the_venues_no_has_its_own_exit_code(self, folder: Path) -> None:
        """A script treats "the venue refused" and "we refused" differently."""
        crossing = place(folder, *intent("k", price="0.45"), "--post-only")
        assert crossing.exit_code == 5
        assert "post_only_crosses" in crossing.stderr

    def test_our_own_no_is_a_failure(self, folder: Path) -> None:
        """More than the paper cash of 1000 pUSD."""
        answer = place(folder, *intent("k", size="5000", price="0.45", tif="FAK"))
        assert answer.exit_code == 1
        assert answer.json()["status"] == "REJECTED"

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"price": "1"}, "price"),
            ({"price": "0.1234567"}, "price"),
            ({"price": "NaN"}, "price"),
            ({"price": "1e-2"}, "price"),
            ({"size": "0"}, "size"),
            ({"size": "-5"}, "size"),
            ({"size": "1e400"}, "size"),
            ({"size": "5.0000001"}, "size"),
            ({"outcome": "MAYBE"}, "outcome"),
            ({"side": "HOLD"}, "side"),
            ({"tif": "IOC"}, "time_in_force"),
            ({"tif": "GTD"}, "expires_at"),
            ({"strategy": "a b"}, "strategy"),
            ({"key": ""}, "idempotency_key"),
            ({"market": ""}, "market_id"),
            ({"max-slippage-bps": "-1"}, "max_slippage_bps"),
            ({"note": "x" * 1000}, "note"),
        ],
    )
    def test_bad_input_names_the_field_and_leaves_no_trace(
        self, folder: Path, change: dict[str, str], field: str
    ) -> None:
        """Not even a data folder appears for an intent that is none."""
        answer = place(folder, *intent(**{"key": "k", **change}))
        assert answer.exit_code == 2
        assert answer.stderr.startswith(f"invalid_input {field}: ")
        assert not (folder / "data").exists()

    def test_post_only_cannot_be_killed(self, folder: Path) -> None:
        """The two contradict each other."""
        answer = place(folder, *intent("k", tif="FOK"), "--post-only")
        assert answer.exit_code == 2
        assert answer.stderr.startswith("invalid_input post_only: ")

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"price": "0.455"}, "invalid_price"),
            ({"market": "0xother"}, "unknown_market"),
            ({"tif": "GTD", "expires-at": "2020-01-01T00:00:00Z"}, "expired"),
        ],
    )
    def test_what_only_the_ledger_can_check_records_no_order(
        self, folder: Path, change: dict[str, str], code: str
    ) -> None:
        """The tick of the market, the names it knows, the time it is."""
        answer = place(folder, *intent("k", **change), book=False)
        assert answer.exit_code == 2
        assert answer.stderr.startswith(f"{code} ")
        assert orders(folder) == []

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{", "intent.json:1:2: is no JSON"),
            ("[1]", "must be a JSON object"),
            ("[" * 100_000, "is no JSON"),
            ('{"x": "' + "y" * 10_000_000 + '"}', "is longer than"),
            ('{"strategy": "s", "surprise": 1}', "invalid_input"),
        ],
        ids=["cut", "list", "deep", "long", "unknown"],
    )
    def test_a_file_that_is_no_intent_is_refused(
        self, folder: Path, text: str, said: str
    ) -> None:
        """Ten megabytes of anything must not end up in memory or in the log."""
        file = folder / "intent.json"
        file.write_text(text)
        answer = place(folder, f"--json={file}")
        assert answer.exit_code == 2
        assert said in answer.stderr
        assert len(answer.stderr) < 1000

    def test_a_json_number_is_refused_where_it_passed_through_a_float(
        self, folder: Path
    ) -> None:
        """0.1 in JSON is a float to most readers; money is text."""
        file = folder / "intent.json"
        file.write_text('{"strategy": "s", "price": 0.45}')
        answer = place(folder, f"--json={file}")
        assert answer.exit_code == 2

    @pytest.mark.parametrize("option", ["key", "strategy", "market", "price"])
    def test_an_empty_option_is_named_as_it_was_typed(
        self, folder: Path, option: str
    ) -> None:
        """The field's own name is not what stands in the script."""
        answer = place(folder, *intent(**{"key": "k", option: ""}))
        assert answer.exit_code == 2
        assert f"must not be empty: --{option}" in answer.stderr

    def test_no_timeline_is_promised_where_nothing_was_recorded(
        self, folder: Path
    ) -> None:
        """Whoever follows a hint into nothing follows no second one."""
        answer = place(folder, *intent("k", price="0.455"), book=False)
        assert "nothing was recorded" in answer.stderr
        assert "timeline" not in answer.stderr
        answer = place(folder, *intent("k", tif="FAK"), book=False)
        assert "--book" in answer.stderr
        answer = place(folder, *intent("k2", size="5000", tif="FAK"))
        assert "timeline" in answer.stderr

    def test_an_almost_full_disk_takes_no_orders(self, folder: Path) -> None:
        """What cannot be recorded must not be sent."""
        answer = place(
            folder, *intent("k", tif="FAK"), "--set=store.min_free_mb_halt=999999999"
        )
        assert answer.exit_code == 1
        assert "MB of disk are free" in answer.stderr
        assert orders(folder) == []


class TestRecordings:
    def test_an_unreadable_recording_is_named(self, folder: Path) -> None:
        """Nothing was placed; the path says which file."""
        (folder / "frames.jsonl").unlink()
        answer = place(folder, *intent("k"))
        assert answer.exit_code == 1
        assert answer.stderr.startswith("recording ")
        assert "frames.jsonl" in answer.stderr

    def test_a_recording_without_a_frame_is_refused(self, folder: Path) -> None:
        """A wrong file is not an empty market."""
        (folder / "frames.jsonl").write_text("hello\nworld\n")
        answer = place(folder, *intent("k"))
        assert answer.exit_code == 1
        assert "frames.jsonl:1" in answer.stderr

    def test_one_frame_that_is_no_json_does_not_stop_the_rest(
        self, folder: Path
    ) -> None:
        """A connection that broke in the middle of a frame leaves one behind."""
        write_recording(folder / "frames.jsonl", "{broken")
        answer = place(folder, *intent("k", tif="FAK"))
        assert answer.exit_code == 0, answer

    def test_a_recording_of_another_market_is_refused(self, folder: Path) -> None:
        """Its books say nothing about this one."""
        answer = place(folder, *intent("k", market="0xother"))
        assert answer.exit_code == 1
        assert "no market 0xother in it" in answer.stderr

    def test_a_book_that_crosses_is_not_traded_on(self, folder: Path) -> None:
        """Bid above ask is a book in between two states."""
        crossed = book_frame("yes", ["0.50x10"], ["0.40x10"])
        (folder / "frames.jsonl").write_text(crossed + "\n")
        answer = place(folder, *intent("k", tif="FAK"))
        assert answer.exit_code == 1
        assert "can be trusted" in answer.stderr

    @pytest.mark.parametrize("text", ["{}", "7", '{"market_id": 1}', "{", '{"x": 1}'])
    def test_a_market_file_that_is_none_is_refused(
        self, folder: Path, text: str
    ) -> None:
        """Wrong terms would make wrong amounts."""
        (folder / "market.json").write_text(text)
        answer = place(folder, *intent("k"))
        assert answer.exit_code == 2
        assert "market.json" in answer.stderr


class TestCancel:
    def resting(self, folder: Path, *keys: str) -> list[str]:
        ids = []
        for key in keys:
            answer = place(folder, *intent(key, price="0.41"), "--post-only")
            ids.append(answer.json()["order_id"])
        return ids

    def cancel(self, folder: Path, *arguments: str) -> Answer:
        return invoke(*arguments, "--data", folder / "data", *AT_ONCE, "-o", "json")

    def test_a_resting_order_is_cancelled(self, folder: Path) -> None:
        """It was placed by another process: the venue's memory is rebuilt."""
        (order_id,) = self.resting(folder, "k")
        answer = self.cancel(folder, "cancel", order_id)
        assert answer.exit_code == 0, answer
        assert answer.json()["status"] == "CANCELLED"

    def test_a_second_cancel_is_refused(self, folder: Path) -> None:
        """It is done already; nothing is asked of the venue."""
        (order_id,) = self.resting(folder, "k")
        self.cancel(folder, "cancel", order_id)
        answer = self.cancel(folder, "cancel", order_id)
        assert answer.exit_code == 1
        assert answer.stderr.startswith("refused ")

    def test_an_unknown_order_is_a_failure(self, folder: Path) -> None:
        """A mistyped id must not look like success."""
        self.resting(folder, "k")
        answer = self.cancel(folder, "cancel", "nope")
        assert answer.exit_code == 1
        assert answer.stderr.startswith("unknown_order ")
        assert "hint: `order-ledger orders`" in answer.stderr

    def test_all_means_all_of_a_kind(self, folder: Path) -> None:
        """The red button, and the one for a single strategy."""
        self.resting(folder, "k1", "k2")
        other = place(
            folder, *intent("k3", price="0.41", strategy="other"), "--post-only"
        ).json()["order_id"]
        answer = self.cancel(folder, "cancel-all", "--strategy=hand")
        assert answer.exit_code == 0, answer
        assert [row["status"] for row in answer.json()] == ["CANCELLED"] * 2
        (left,) = self.cancel(folder, "open-orders").json()
        assert left["order_id"] == other
        assert len(self.cancel(folder, "cancel-all").json()) == 1
        assert self.cancel(folder, "cancel-all").json() == []
