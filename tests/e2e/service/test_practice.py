"""The service over the local exchange: every part of it, and only money is missing."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.intent import OrderIntent
from ledger.values import OrderStatus
from service.client import SyncLedgerClient
from tests.e2e.service.process import ROOT, SECONDS, started


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A local exchange with makers: its ready file, and what it says."""
    path = tmp_path / "exchange.json"
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "service", "exchange", "--flow", "makers"),
            *("--ready-file", str(path), "--mined-ms", "0", "--confirmed-ms", "0"),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(SECONDS * 20):
            if path.exists():
                break
            time.sleep(0.05)
        yield path, json.loads(path.read_text())
    finally:
        child.terminate()
        child.wait(SECONDS)


def test_an_intent_is_filled_and_settled_at_the_exchange(
    tmp_path: Path, exchange: tuple[Path, dict[str, Any]]
) -> None:
    """Request, signature, post, user stream, settlement: one order through all."""
    path, told = exchange
    market_id = told["markets"][0]["condition_id"]
    data = tmp_path / "data"
    data.mkdir()
    practice = ("--exchange", str(path), "--market", market_id)
    with started(data, *practice) as process:
        url = process.wait_ready()
        with SyncLedgerClient(url, process.token, wait="final") as client:
            for number in range(SECONDS):  # until the market's books have come
                result = client.place(intent(market_id, f"try-{number}"))
                code = result.error.code if result.error else ""
                if code not in {"unknown_market", "no_market_data"}:
                    break
                time.sleep(0.2)
            assert result.order is not None, result.error
            assert result.order.status is OrderStatus.CONFIRMED, result
            assert client.health()["paper_trading"] is False
        status, errors = process.end()
    assert status == 0, errors


def intent(market_id: str, key: str) -> OrderIntent:
    """Takes what is offered, at any price."""
    return OrderIntent.parse(
        {
            "strategy": "tester",
            "idempotency_key": key,
            "market_id": market_id,
            "outcome": "YES",
            "side": "BUY",
            "size": "10",
            "price": "0.95",
            "time_in_force": "FAK",
            "max_slippage_bps": "20000",
        }
    )
