"""The commands against a local exchange: real protocol, money of nobody."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service.commands import (
    REPOSITORY,
    Answer,
    clean_environment,
    intent,
    invoke,
)

LOSES_ANSWERS = '[{"kind": "answer_lost", "on": "POST /order", "probability": 1}]'


class Practice:
    """A local exchange that loses the answer to every post, and a ledger."""

    def __init__(self, folder: Path, ready: Path) -> None:
        self.data = folder / "data"
        self.ready = ready
        told = json.loads(ready.read_text())
        self.market = told["markets"][0]["condition_id"]

    def run(self, *arguments: str | Path, form: str = "json") -> Answer:
        """Run a command on the ledger."""
        return invoke(
            *arguments, "--data", self.data, "--exchange", self.ready, "-o", form
        )

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        answer = self.run(*arguments)
        found: list[dict[str, Any]] = answer.json()
        return found


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("exchange") / "ready.json"
    command = [sys.executable, "-m", "service", "exchange", "--port", "0"]
    command += ["--ready-file", str(path), "--flow", "makers"]
    command += ["--mined-ms", "0", "--confirmed-ms", "0", "--faults", LOSES_ANSWERS]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            if path.exists():
                break
            assert process.poll() is None
            time.sleep(0.1)
        yield path
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def practice(tmp_path: Path, ready: Path) -> Practice:
    return Practice(tmp_path, ready)


def test_an_order_is_placed_found_and_cancelled(practice: Practice) -> None:
    """Every answer to a post is lost on the way; nothing is lost, nothing doubled."""
    order = intent("k1", market=practice.market, price="0.02", size="10")
    placed = practice.run("place", *order, "--post-only")
    assert placed.exit_code == 0, placed
    assert placed.json()["status"] == "PLACED"
    again = practice.run("place", *order, "--post-only")
    assert again.json()["deduplicated"] is True

    refused = practice.run("cancel-all")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    [cancelled] = practice.rows("cancel-all", "--yes")
    assert cancelled["status"] == "CANCELLED"
    assert practice.run("reconcile").exit_code == 0

    # Whoever reads need not say again what the ledger trades.
    told = invoke("orders", "--data", practice.data, "-o", "json").json()
    assert [row["status"] for row in told] == ["CANCELLED"]

    mixed = invoke("place", "--data", practice.data, *order, "--post-only")
    assert mixed.exit_code == 3
    assert "give another --data" in mixed.stderr


def test_the_doctor_asks_the_venue(practice: Practice) -> None:
    """Before the first order everything that could stop it is named."""
    checks = {row["check"]: row for row in practice.rows("doctor")}
    for name in ("venue", "wallet", "credentials", "venue clock", "cash"):
        assert checks[name]["status"] == "ok", checks[name]
    assert checks["cash"]["detail"] == "10000 pUSD"
    assert not practice.data.exists()


def test_the_doctor_names_a_wallet_of_another_kind(practice: Practice) -> None:
    """Type 2 with a plain key's address: every order would be refused."""
    rows = practice.rows("doctor", "--set=polymarket.signature_type=2")
    checks = {row["check"]: row for row in rows}
    assert checks["wallet"]["status"] == "fail"
    assert checks["wallet"]["detail"].startswith("wallet_kind")


def test_a_wallet_of_another_kind_does_not_start(practice: Practice) -> None:
    """And leaves nothing that stands in the way of the next try."""
    order = intent("k1", market=practice.market, price="0.02", size="10")
    wrong = "--set=polymarket.signature_type=2"
    answer = practice.run("place", *order, "--post-only", wrong)
    assert answer.exit_code == 5
    assert "wallet_kind" in answer.stderr
    assert practice.run("place", *order, "--post-only").exit_code == 0


def test_the_doctor_names_what_was_put_aside(practice: Practice) -> None:
    """A frame that nobody could read may have been a fill."""
    practice.data.mkdir()
    line = {
        "sequence": 7,
        "received_ms": 1_800_000_000_000,
        "text": "{}",
        "reason": "no known event_type",
    }
    (practice.data / "quarantine.jsonl").write_text(json.dumps(line) + "\n")
    checks = {row["check"]: row for row in practice.rows("doctor")}
    assert checks["stream frames"]["status"] == "warn"
    assert "no known event_type" in checks["stream frames"]["detail"]


def test_a_venue_that_is_not_there_is_named(practice: Practice) -> None:
    """The host, and that nobody answered."""
    away = "--set=polymarket.host=http://127.0.0.1:9"
    checks = {row["check"]: row for row in practice.rows("doctor", away)}
    assert checks["venue"]["status"] == "fail"
    assert "127.0.0.1:9" in checks["venue"]["detail"]
