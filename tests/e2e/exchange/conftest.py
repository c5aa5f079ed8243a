"""A local exchange as a process of its own, and the venue's clients against it."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[3]
START_SEC = 30


class Running:
    """An exchange process that listens."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.ready = ready
        self.base: str = ready["rest_url"]
        self.port = int(self.base.rpartition(":")[2])
        self._http = httpx2.Client(base_url=ready["admin_url"], timeout=10)

    def admin(self, path: str, body: object = None, method: str = "") -> Any:
        """Ask the operator's routes; a body makes it a POST."""
        method = method or ("GET" if body is None else "POST")
        answer = self._http.request(
            method, path, content=None if body is None else json.dumps(body)
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self) -> Any:
        """Everything the exchange knows."""
        return self.admin("/state")

    def token(self, market: int = 0, outcome: int = 0) -> str:
        """A token of the ready file."""
        return str(self.ready["markets"][market]["tokens"][outcome]["token_id"])

    def wallet(self, number: int = 0) -> tuple[str, str]:
        """Address and key of a throwaway wallet."""
        wallet = self.ready["wallets"][number]
        return wallet["address"], wallet["private_key"]

    def environment(self) -> Any:
        """The official client's environment with our addresses.

        Its public door takes none: this is the private one, for one pinned version.
        """
        import polymarket.environments as envs
        from polymarket import PRODUCTION

        base = self.base
        config = dataclasses.replace(
            PRODUCTION._config,
            clob_url=base,
            gamma_url=base,
            data_url=base,
            relayer_url=base,
            rpc_url=base,
            rfq_url=base,
            clob_user_ws_url=self.ready["ws_user_url"],
            clob_market_ws_url=self.ready["ws_market_url"],
        )
        return envs._create_environment(name="local", config=config)

    def client(self, number: int = 0, wallet: str = "") -> Any:
        """The official client, unmodified, with one of the throwaway keys."""
        from polymarket import SecureClient

        address, key = self.wallet(number)
        return SecureClient.create(
            private_key=key, wallet=wallet or address, environment=self.environment()
        )

    def stop(self) -> tuple[int, str]:
        """End it; exit code and what it said."""
        self._http.close()
        with suppress(ProcessLookupError):
            self.process.terminate()
        _, said = self.process.communicate(timeout=15)
        return self.process.returncode, said


Start = Callable[..., Running]


def start_exchange(folder: Path, *options: str) -> Running:
    """Start one and wait until it listens."""
    ready = folder / f"ready-{time.monotonic_ns()}.json"
    process = subprocess.Popen(
        [
            sys.executable,
            *("-m", "service", "exchange", "--ready-file", str(ready)),
            *("--parent-pid", str(os.getpid()), *options),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + START_SEC
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise AssertionError(process.communicate()[1])
        time.sleep(0.02)
    return Running(process, json.loads(ready.read_text()))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start exchanges that end with the test."""
    started: list[Running] = []

    def begin(*options: str) -> Running:
        started.append(start_exchange(tmp_path, *options))
        return started[-1]

    yield begin
    for running in started:
        if running.process.returncode is None:
            running.stop()


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One exchange for the tests of a module."""
    running = start_exchange(
        tmp_path_factory.mktemp("exchange"),
        *("--rate-limits", "off", "--mined-ms", "50", "--confirmed-ms", "50"),
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def start_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start exchanges that end with the module."""
    started: list[Running] = []

    def begin(*options: str) -> Running:
        folder = tmp_path_factory.mktemp("exchange")
        started.append(start_exchange(folder, *options))
        return started[-1]

    yield begin
    for running in started:
        running.stop()
