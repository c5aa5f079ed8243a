"""The service trades for real at the local exchange, at DEBUG, and leaks nothing.

Key, API secret, passphrase and tokens are real ones that work; then everything that
was written or answered is searched for them, as an attacker with a copy would.
"""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from executors.polymarket import WalletKind
from executors.polymarket.clients import OfficialClient
from executors.protocol import SigningKey
from ledger.store import LedgerStore
from service.bootstrap import SystemClock
from service.places import ledger_path, unix_us

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 60

_AT_DEBUG: Final = (
    "import logging, sys; logging.basicConfig(level=logging.DEBUG);"
    "from service.cli import main; sys.exit(main())"
)
"""The root logger tells everything: what is quiet then was made quiet by us."""

READS: Final = (
    "openapi.json",
    "metrics",
    "v1/ready",
    "v1/health",
    "v1/orders",
    "v1/open-orders",
    "v1/fills",
    "v1/positions",
    "v1/reconciliation",
    "v1/risk",
    "v1/events?after=0&follow=false",
)
FAULTS: Final = (
    {"kind": "answer_lost", "on": "POST /order", "count": 1},
    {"kind": "refused", "on": "POST /order", "nth": 3, "status": 401, "text": "no"},
    {"kind": "unreadable", "on": "GET /data/*", "count": 2},
    {"kind": "error_after_accept", "on": "GET /data/*", "nth": 3},
    {"kind": "disconnect", "on": "user", "count": 1},
)


@dataclass
class Evidence:
    """Everything that was written or answered, by where it was found."""

    secrets: dict[str, str]
    found: dict[str, bytes] = field(default_factory=dict)

    def leaks(self) -> list[tuple[str, str]]:
        """Which secret is where, in any spelling."""
        return [
            (where, name)
            for where, content in self.found.items()
            for name, text in self.secrets.items()
            for form in spellings(text)
            if form in content or form in content.lower()
        ]


def spellings(text: str) -> set[bytes]:
    """A secret as text, in hex, as a number and in base 64."""
    plain = text.removeprefix("0x")
    forms = {plain, plain.lower(), text.encode().hex()}
    forms.add(base64.b64encode(text.encode()).decode().rstrip("="))
    if text.startswith("0x"):
        forms.add(str(int(text, 16)))
        forms.add(base64.b64encode(bytes.fromhex(plain)).decode().rstrip("="))
    return {form.encode() for form in forms}


@contextmanager
def process(
    folder: Path, name: str, *arguments: str, debug: bool = False
) -> Iterator[dict[str, Any]]:
    """A command that writes a ready file; all it says is in `NAME.log`."""
    ready = folder / f"{name}.json"
    ready.unlink(missing_ok=True)
    how = ["-X", "dev", "-c", _AT_DEBUG] if debug else ["-m", "service"]
    with (folder / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, *how, *arguments, "--ready-file", str(ready)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env=environment(folder),
        )
        try:
            ends = time.monotonic() + SECONDS
            while not ready.exists():
                assert child.poll() is None, (folder / f"{name}.log").read_text()
                assert time.monotonic() < ends, name
                time.sleep(0.05)
            yield json.loads(ready.read_text())
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(SECONDS)


def environment(folder: Path) -> dict[str, str]:
    """Ours without settings, and where the exchange is."""
    found = {k: v for k, v in os.environ.items() if not k.startswith("ORDER_LEDGER")}
    return found | {"ORDER_LEDGER_EXCHANGE": str(folder / "exchange.json")}


async def secrets_of(exchange: dict[str, Any]) -> dict[str, str]:
    """What must stay inside, as the exchange gives it to whoever has the key."""
    key = exchange["wallets"][0]["private_key"]
    client = OfficialClient(
        SigningKey(key),
        kind=WalletKind.EOA,
        clock=SystemClock(),
        rest_url=exchange["rest_url"],
    )
    made = await client.credentials()
    return {
        "private key": key,
        "API secret": made.secret,
        "passphrase": made.passphrase,
        "API key": made.api_key,
    }


def trade(url: str, token: str, exchange: dict[str, Any], evidence: Evidence) -> None:
    """Orders good and bad, faults at the exchange, every read."""
    market = exchange["markets"][0]["condition_id"]
    httpx2.post(exchange["admin_url"] + "/faults", json=list(FAULTS)).raise_for_status()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=SECONDS) as client:
        answers = [
            client.post(
                "/v1/intents?wait=placed&timeout_ms=3000",
                headers={"Idempotency-Key": f"canary-{number}"},
                json={
                    "strategy": "tester",
                    "market_id": market,
                    "outcome": "YES",
                    "side": "BUY",
                    "size": "20",
                    "price": price,
                    "post_only": price < "0.5",
                },
            )
            for number, price in enumerate(["0.05", "0.90", "0.05", "0.06", "0.123"])
        ]
        assert sum(answer.status_code in {200, 202} for answer in answers) >= 4
        answers += [
            client.post("/v1/intents", content=token.encode()),
            client.get("/v1/orders", headers={"Authorization": f"Bearer {token}x"}),
            client.get("/v1/orders", params={"cursor": token}),
            client.get(f"/v1/orders/{answers[0].json()['order']['order_id']}/timeline"),
            client.post("/v1/orders:cancel", json={}),
            *(client.get(f"/{path}") for path in READS),
        ]
    for number, answer in enumerate(answers):
        head = repr(answer.headers).encode()
        evidence.found[f"answer {number}"] = head + answer.content


def keep_files(folder: Path, evidence: Evidence, when: str) -> None:
    """Every file that the ledger has, but the one that hands out the token."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "token":
            evidence.found[f"{when} {path.name}"] = path.read_bytes()


def keep_commands(folder: Path, data: Path, evidence: Evidence) -> None:
    """What the command line says about the same ledger."""
    for command in (
        ["doctor", "--debug"],
        ["config", "show"],
        ["config", "check", "--debug"],
        ["export"],
        ["token", "list"],
        ["orders", "--debug", "-o", "json"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "service", *command],
            cwd=ROOT,
            env=environment(folder) | {"ORDER_LEDGER_DATA": str(data)},
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
        evidence.found[" ".join(command[:2])] = done.stdout + done.stderr
    copy = folder / "copy.db"
    with LedgerStore.open(ledger_path(data), clock_us=unix_us, writer=False) as store:
        store.backup(copy)
    evidence.found["the backup"] = copy.read_bytes()


@pytest.mark.slow
def test_a_service_that_trades_for_real_leaks_no_secret(tmp_path: Path) -> None:
    """P9: logs are copied, backups lie around, answers are cached."""
    data = tmp_path / "data"
    data.mkdir()
    venue = ["exchange", "--seed", "1", "--flow", "makers", "--shares", "0"]
    with process(tmp_path, "exchange", *venue) as exchange:
        evidence = Evidence(asyncio.run(secrets_of(exchange)))
        run = ["run", "--data", str(data), "--port", "0", "--debug"]
        run += ["--market", exchange["markets"][0]["condition_id"]]
        with process(tmp_path, "run", *run, debug=True) as service:
            token = (data / "token").read_text().strip()
            evidence.secrets["token"] = token
            trade(service["url"], token, exchange, evidence)
            keep_files(data, evidence, "running")
        keep_files(data, evidence, "stopped")
        keep_commands(tmp_path, data, evidence)
        evidence.found["the log"] = (tmp_path / "run.log").read_bytes()
    assert b"order_placed" in evidence.found["the log"]
    assert b"order.prepared" in evidence.found["export"]
    assert evidence.leaks() == []


def test_the_search_finds_what_it_looks_for() -> None:
    """A search that finds nothing proves nothing unless it can."""
    key = "0x" + "5a" * 32
    for content in (
        key.upper().encode(),
        repr({"key": int(key, 16)}).encode(),
        b"..." + base64.b64encode(bytes.fromhex(key[2:])),
        key.encode().hex().encode(),
    ):
        assert Evidence({"private key": key}, {"here": content}).leaks()
    assert not Evidence({"private key": key}, {"here": b"5a" * 31}).leaks()
