"""The service as a process: starts, ends, dies, comes back, and refuses plainly."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ledger.errors import VenueError
from ledger.events import OrderRequested
from ledger.intent import OrderIntent
from ledger.store import LedgerStore
from service.client import LedgerClient, SyncLedgerClient
from service.places import ledger_path, unix_us
from tests.e2e.service.process import ROOT, SECONDS, started

BUNDLED = ("--bundled", "--speed", "0.01")


def run(*arguments: str) -> tuple[int, str]:
    """One command that ends by itself; exit code and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stderr


def market_in(url: str, token: str) -> str:
    """A market that the service lists."""
    with SyncLedgerClient(url, token) as client:
        for event in client.follow(after=0, topic="market.listed."):
            return event.market_id
    raise AssertionError


def resting(market_id: str, key: str) -> OrderIntent:
    """An intent that rests far from the market."""
    return OrderIntent.parse(
        {
            "strategy": "tester",
            "idempotency_key": key,
            "market_id": market_id,
            "outcome": "YES",
            "side": "BUY",
            "size": "5",
            "price": "0.01",
            "post_only": True,
        }
    )


def keys_in(folder: Path) -> Counter[str]:
    """How often each key is in the log."""
    with LedgerStore.open(ledger_path(folder), clock_us=unix_us, writer=False) as store:
        return Counter(
            recorded.event.idempotency_key
            for recorded in store.read(topics=[OrderRequested.TOPIC])
            if isinstance(recorded.event, OrderRequested)
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: int) -> None:
    """A supervisor that has to kill it finds a ledger that was cut off."""
    with started(tmp_path, *BUNDLED) as process:
        url = process.wait_ready()
        with SyncLedgerClient(url, process.token) as client:
            placed = client.place(resting(market_in(url, process.token), "a"))
        assert placed.success
        code, errors = process.end(number)
    assert code == 0, errors
    assert not process.ready.exists()
    assert "Traceback" not in errors
    assert run("verify", "--data", str(tmp_path), "--full")[0] == 0


def test_open_orders_are_cancelled_at_the_end_if_asked_for(tmp_path: Path) -> None:
    """Who leaves the desk may not want to leave quotes behind."""
    with started(tmp_path, *BUNDLED, "--cancel-on-exit") as process:
        url = process.wait_ready()
        with SyncLedgerClient(url, process.token) as client:
            client.place(resting(market_in(url, process.token), "a"))
        assert process.end()[0] == 0
    with started(tmp_path) as process:
        url = process.wait_ready()
        with SyncLedgerClient(url, process.token) as client:
            (order,) = client.orders()
            assert order.status == "CANCELLED"


async def test_what_was_accepted_survives_a_kill_each_once(tmp_path: Path) -> None:
    """P1 and P2 of the service: accepted is durable, and never twice.

    Clients repeat what was not answered, and follow through the restart.
    """
    accepted: set[str] = set()
    refused: list[object] = []
    with started(tmp_path, *BUNDLED) as first:
        url, token = first.wait_ready(), first.token
        market_id = await asyncio.to_thread(market_in, url, token)
        port = url.rpartition(":")[2]

        async def strategy(name: int, client: LedgerClient) -> None:
            for number in range(60):
                key = f"{name}-{number}"
                result = await client.place(resting(market_id, key))
                # What the kill cut short exists, though its outcome is not known.
                code = result.error.code if result.error else ""
                if result.success or code == "outcome_unknown":
                    accepted.add(key)
                else:
                    refused.append((key, code))

        async with LedgerClient(url, token, wait="recorded") as client:
            seen: list[int] = []

            async def follow() -> None:
                async for event in client.follow(after=0):
                    seen.append(event.position)  # noqa: PERF401 -- looked at meanwhile

            following = asyncio.create_task(follow())
            trading = [asyncio.create_task(strategy(n, client)) for n in range(10)]
            while len(accepted) < 100:  # noqa: ASYNC110 -- tasks of this test fill it
                await asyncio.sleep(0.01)
            await asyncio.to_thread(first.end, signal.SIGKILL)
            before = set(accepted)
            found = await asyncio.to_thread(keys_in, tmp_path)
            assert before <= set(found)
            with started(tmp_path, *BUNDLED, "--port", port) as second:
                await asyncio.to_thread(second.wait_ready)
                await asyncio.wait_for(asyncio.gather(*trading), SECONDS)
                head = (await client.health())["position"]
                for _ in range(SECONDS * 20):
                    if seen and seen[-1] >= head:
                        break
                    await asyncio.sleep(0.05)
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                await asyncio.to_thread(second.end)
    assert refused == []
    assert len(accepted) == 600
    found = await asyncio.to_thread(keys_in, tmp_path)
    assert set(found) == accepted
    assert set(found.values()) == {1}
    assert seen == list(range(1, seen[-1] + 1))


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    """The most common mistake of all."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, errors = run("run", "--data", str(tmp_path), "--port", port)
    assert code == 1
    assert errors.startswith(f"port 127.0.0.1:{port}: ")
    assert "--port" in errors
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A slip in a path must not begin an empty ledger."""
    code, errors = run("run", "--data", str(tmp_path / "typo"), "--port", "0")
    assert code == 1
    assert "there is no folder" in errors
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    ("content", "mode"), [("{", 0o600), ('{"tokens": [1]}', 0o600), ("{}", 0o644)]
)
def test_a_wrong_token_file_ends_the_start(
    tmp_path: Path, content: str, mode: int
) -> None:
    """It must not be taken for "no token yet", which would make a new one."""
    path = tmp_path / "tokens.json"
    path.write_text(content)
    path.chmod(mode)
    code, errors = run("run", "--data", str(tmp_path), "--port", "0")
    assert code == 3, errors
    assert str(path) in errors
    assert not (tmp_path / "token").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1"])  # noqa: S104 -- refused
def test_the_network_gets_in_only_with_encryption(tmp_path: Path, host: str) -> None:
    """A token that is sent in clear is everybody's token."""
    code, errors = run("run", "--data", str(tmp_path), "--port", "0", "--host", host)
    assert code == 3
    assert "--tls-cert" in errors


@pytest.mark.parametrize("is_there", [False, True])
def test_a_certificate_that_cannot_be_used_ends_the_start(
    tmp_path: Path, is_there: bool
) -> None:
    """A service that neither listens nor ends would look as if it ran."""
    data, pem = tmp_path / "data", tmp_path / "pem"
    data.mkdir()
    if is_there:
        pem.write_text("no certificate\n")
    tls = ("--tls-cert", str(pem), "--tls-key", str(pem))
    code, errors = run("run", "--data", str(data), "--port", "0", *tls)
    assert code == 3
    assert "--tls-cert" in errors
    assert not list(data.iterdir())


def test_a_second_service_on_one_ledger_is_refused(tmp_path: Path) -> None:
    """Two writers would both be wrong."""
    with started(tmp_path) as process:
        process.wait_ready()
        code, errors = run("run", "--data", str(tmp_path), "--port", "0")
    assert code == 6
    assert "writer" in errors


def test_tokens_are_made_listed_and_revoked(tmp_path: Path) -> None:
    """Each strategy gets its own, and a leaked one goes without a restart."""
    with started(tmp_path) as process:
        url = process.wait_ready()
        made = subprocess.run(
            [
                *(sys.executable, "-m", "service", "token", "create", "reader"),
                *("--scope", "read", "--data", str(tmp_path), "-o", "json"),
            ],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        text = json.loads(made.stdout)["token"]
        with SyncLedgerClient(url, text) as client:
            assert client.health()["status"] == "ok"
        assert run("token", "list", "--data", str(tmp_path))[0] == 0
        code, errors = run("token", "revoke", "nobody", "--data", str(tmp_path))
        assert code == 2, errors


def test_the_client_waits_for_a_service_that_is_not_up_yet(tmp_path: Path) -> None:
    """Strategy and service start together after a reboot."""
    with started(tmp_path, *BUNDLED) as process:
        url = process.wait_ready()
        with SyncLedgerClient(url, process.token, retry_seconds=0.2) as client:
            process.end()
            with pytest.raises(VenueError):
                client.health()
