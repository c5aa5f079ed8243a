"""`order-ledger exchange`: how it starts, what it writes, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[3]


def _soon(read: Callable[[], Any]) -> Any:
    """Wait for something to become true."""
    until = time.monotonic() + 15
    while not (found := read()) and time.monotonic() < until:
        time.sleep(0.05)
    assert found
    return found


def test_the_ready_file_names_everything(start: Any) -> None:
    """A bot needs nothing else to begin."""
    running = start("--markets", "3", "--wallets", "2", "--cash", "12.5")
    ready = running.ready
    assert set(ready) == {
        *("rest_url", "ws_user_url", "ws_market_url", "data_url", "admin_url"),
        *("markets", "wallets"),
    }
    assert [m["neg_risk"] for m in ready["markets"]] == [False, True, False]
    assert set(ready["markets"][0]) == {
        *("condition_id", "tokens", "tick_size", "min_size", "neg_risk"),
    }
    assert [t["outcome"] for t in ready["markets"][0]["tokens"]] == ["Yes", "No"]
    assert ready["wallets"][0]["cash"] == "12.5"
    assert ready["wallets"][0]["address"] != ready["wallets"][1]["address"]


def test_one_seed_gives_one_set_of_keys_and_markets(start: Any) -> None:
    """Settings written for one run must fit the next."""
    same, again, other = start("--seed", "5"), start("--seed", "5"), start()
    assert same.ready["wallets"] == again.ready["wallets"]
    assert same.ready["markets"] == again.ready["markets"]
    assert same.ready["wallets"] != other.ready["wallets"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(start: Any, number: int) -> None:
    """A supervisor must not take a stop for a crash."""
    running = start()
    with httpx2.Client(base_url=running.base) as held_open:
        held_open.get("/time")
        running.process.send_signal(number)
        _, said = running.process.communicate(timeout=15)
    assert running.process.returncode == 0
    assert "stopped" in said
    assert "Traceback" not in said


def test_it_ends_when_its_parent_has_gone(tmp_path: Path) -> None:
    """A killed test run must leave no server behind."""
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "service", "exchange"]
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    options = ["--ready-file", str(ready), "--parent-pid", str(parent.pid)]
    child = subprocess.Popen(
        [*command, *options], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        _soon(ready.exists)
        parent.kill()  # it stays a zombie: nobody waits for it yet
        child.communicate(timeout=15)
        assert child.returncode == 0
    finally:
        parent.communicate(timeout=5)
        if child.returncode is None:
            os.kill(child.pid, signal.SIGKILL)
            child.communicate()


def test_others_trade_if_asked_to(start: Any) -> None:
    """An order in an empty world never fills."""
    running = start("--flow", "makers", "--markets", "1")
    token = running.token()

    def has_both_sides() -> bool:
        book = httpx2.get(f"{running.base}/book?token_id={token}").json()
        return bool(book["bids"] and book["asks"])

    _soon(has_both_sides)


def test_a_recording_gives_markets_and_books(start: Any, tmp_path: Path) -> None:
    """Practice on a real afternoon, offline."""
    yes, no = "1" + "0" * 40 + "7", "2" + "0" * 40 + "9"
    condition = "0x" + "5" * 64

    def book(token: str, bid: str, ask: str) -> dict[str, Any]:
        return {
            "event_type": "book",
            "asset_id": token,
            "market": condition,
            "bids": [{"price": bid, "size": "50"}],
            "asks": [{"price": ask, "size": "50"}],
            "timestamp": "1757908892351",
            "hash": "0x0",
        }

    frames = [book(yes, "0.40", "0.42"), book(no, "0.58", "0.60")]
    recording = tmp_path / "recording.jsonl"
    recording.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    running = start("--recording", str(recording))
    assert [m["condition_id"] for m in running.ready["markets"]] == [condition]

    def best() -> Any:
        told = httpx2.get(f"{running.base}/book?token_id={yes}").json()
        return told["bids"] and told["bids"][-1]["price"]

    assert _soon(best) == "0.4"


def test_faults_come_from_a_file_or_the_command_line(
    start: Any, tmp_path: Path
) -> None:
    """The same plan serves a test and a person."""
    plan = '[{"kind": "rate_limited", "on": "GET /time", "count": 1}]'
    file = tmp_path / "plan.json"
    file.write_text(plan)
    for given in (plan, str(file)):
        running = start("--faults", given)
        codes = [httpx2.get(f"{running.base}/time").status_code for _ in range(2)]
        assert codes == [429, 200]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--faults", '[{"kind": "x"}]'), 2, "kind"),
        (("--faults", "/no/such/plan.json"), 1, "No such file"),
        (("--flow", "recording"), 2, "--recording"),
        (("--recording", "/no/such/recording"), 1, "recording"),
        (("--cash", "-1"), 2, "negative"),
        (("--failure-rate", "2"), 2, "0 to 1"),
    ],
)
def test_wrong_options_are_refused_with_a_reason(
    options: tuple[str, ...], code: int, said: str
) -> None:
    """A plan that is not what was meant must not run as another."""
    ran = subprocess.run(
        [sys.executable, "-m", "service", "exchange", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == code, ran.stderr
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
