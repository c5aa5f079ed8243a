"""A real exchange, a real ledger, real sockets, and kill -9."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import msgspec
import pytest

from executors.exchange.setup import make_markets
from ledger.store import LedgerStore
from projections import ReadModels
from service.places import ledger_path, read_models_path
from tests.reliability.chaos import audit, truth
from tests.reliability.chaos.trader import ANSWERS, MARKETS, SERVING, Plan, read_answers
from tests.reliability.chaos.world import faults

ROOT = Path(__file__).parents[3]
START_SEC = 60.0
LAST_SEC = 300.0
LONGEST_LIFE_SEC = 4.0
_SHORTER = {"slow": 2.0, "visible_after": 2.0, "silence": 2.0}


def rules(*, duplicates_accepted: bool) -> str:
    """The faults as JSON, with waits for people who look on."""
    planned = [
        msgspec.structs.replace(
            rule, seconds=min(rule.lasts, _SHORTER.get(rule.kind, 1))
        )
        for rule in faults(duplicates_accepted=duplicates_accepted)
    ]
    return msgspec.json.encode(planned).decode()


class Exchange:
    """An exchange process that listens."""

    def __init__(self, folder: Path, seed: int, *, duplicates_accepted: bool) -> None:
        self.ready = folder / "ready.json"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "service", "exchange"),
                *("--ready-file", str(self.ready), "--seed", str(seed)),
                *("--markets", str(MARKETS), "--wallets", "1", "--shares", "0"),
                *("--flow", "makers", "--mined-ms", "200", "--confirmed-ms", "300"),
                *("--failure-rate", "0.05", "--retry-rate", "0.1"),
                *("--faults", rules(duplicates_accepted=duplicates_accepted)),
                *("--rate-limits", "off", "--parent-pid", str(os.getpid())),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SEC
        while not self.ready.exists():
            assert self.process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        told = json.loads(self.ready.read_text())
        self.address: str = told["wallets"][0]["address"]
        self._http = httpx2.Client(base_url=told["admin_url"], timeout=30)

    def admin(self, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body)
        answer = self._http.request(method, path, content=content)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self) -> None:
        self._http.close()
        self.process.terminate()
        self.process.wait(timeout=20)


class Lives:
    """The lives of the trading process, one after the other."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self._plan = plan
        self._rng = Random(f"lives/{seed}")
        self.killed = 0
        self.killed_serving = 0

    def one(self) -> None:
        """Live until a kill at any moment."""
        process = self._start(is_last=False)
        serving = threading.Event()
        reader = threading.Thread(target=_wait_for, args=(process, serving))
        reader.start()
        try:
            if self._rng.random() < 0.8:
                serving.wait(START_SEC)
            # Else it dies while it starts, or not long after.
            time.sleep(self._rng.random() * LONGEST_LIFE_SEC)
            self.killed_serving += serving.is_set()
        finally:
            process.kill()
            process.wait()
            reader.join()
            assert process.stdout is not None
            process.stdout.close()
        assert process.returncode == -signal.SIGKILL, "it ended by itself"
        self.killed += 1

    def last(self) -> None:
        """Live until everything is answered and nothing is open."""
        process = self._start(is_last=True)
        try:
            said, _ = process.communicate(timeout=LAST_SEC)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0, said

    def _start(self, *, is_last: bool) -> subprocess.Popen[str]:
        plan = msgspec.structs.replace(
            self._plan, life=self.killed, is_last=is_last, parent_pid=os.getpid()
        )
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.reliability.chaos.trader"),
                msgspec.json.encode(plan).decode(),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


def _wait_for(process: subprocess.Popen[str], serving: threading.Event) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == SERVING:
            serving.set()


def live_through(
    folder: Path,
    *,
    seed: int,
    intents: int,
    kills: int,
    pause_sec: float,
    duplicates_accepted: bool,
) -> Counter[str]:
    """Kill, restart, heal, compare; gives how often each fault has fired."""
    data = folder / "data"
    data.mkdir()
    exchange = Exchange(folder, seed, duplicates_accepted=duplicates_accepted)
    try:
        plan = Plan(
            data=str(data),
            exchange=str(exchange.ready),
            seed=seed,
            intents=intents,
            life=0,
            pause_sec=pause_sec,
        )
        lives = Lives(plan, seed)
        for _ in range(kills):
            lives.one()
        assert lives.killed_serving > 0
        before = len(read_answers(data / ANSWERS))
        fired = Counter(exchange.admin("GET", "/faults")["fired"])
        exchange.admin("DELETE", "/faults")
        lives.last()
        shown = truth.shown(
            exchange.admin("GET", "/state"),
            exchange.address,
            make_markets(seed, MARKETS),
        )
    finally:
        exchange.stop()
    told = read_answers(data / ANSWERS)
    with LedgerStore.open(ledger_path(data), clock_us=lambda: 0, writer=False) as store:
        log = audit.Log(store, exchange.address)
        print(f"seed {seed}: {dict(audit.counts(log, shown, told))}")
        print(f"  {before} answers before the last life, killed {lives.killed}")
        print(f"  fired {dict(fired)}")
        problems = audit.books(log, shown, told, intents)
        with ReadModels(read_models_path(data), exchange.address) as models:
            problems += audit.sound(log, models)
    assert problems == []
    assert len(shown.orders) >= intents * 0.2
    assert shown.fills
    return fired


def test_nothing_is_lost_or_doubled_over_3_kills(tmp_path: Path) -> None:
    """The short form of what follows, for every commit."""
    live_through(
        tmp_path,
        seed=1,
        intents=60,
        kills=3,
        pause_sec=0.3,
        duplicates_accepted=False,
    )


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_over_20_kills(tmp_path: Path) -> None:
    """1,000 intents in either world of a second post; no fault may stay away."""
    fired: Counter[str] = Counter()
    for seed in (21, 22):
        folder = tmp_path / str(seed)
        folder.mkdir()
        fired += live_through(
            folder,
            seed=seed,
            intents=1000,
            kills=20,
            pause_sec=0.2,
            duplicates_accepted=seed == 22,
        )
    expected = {rule.kind for rule in faults(duplicates_accepted=True)}
    assert expected - fired.keys() == set()
