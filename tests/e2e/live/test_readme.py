"""What the README says about practising and about real money, done word by word."""

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.sources import variable

ROOT = Path(__file__).parents[3]
SECONDS = 60


def section(title: str) -> str:
    """One section of the README."""
    text = (ROOT / "README.md").read_text()
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def blocks(title: str) -> list[str]:
    """The shell blocks of a section, those in a list included."""
    found = re.findall(
        r"^( *)```sh\n(.*?)^\1```$", section(title), re.DOTALL | re.MULTILINE
    )
    return [textwrap.dedent(block) for _, block in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder where `.venv/bin` has what the README calls."""
    bin_ = tmp_path / ".venv" / "bin"
    bin_.mkdir(parents=True)
    for name, runs in {
        "python": f'exec {sys.executable} "$@"',
        "order-ledger": f'exec {sys.executable} -m service "$@"',
    }.items():
        script = bin_ / name
        script.write_text(f"#!/bin/sh\nexport PYTHONPATH={ROOT}\n{runs}\n")
        script.chmod(0o755)
    return tmp_path


def environment() -> dict[str, str]:
    """Ours, without what would change the settings."""
    return {k: v for k, v in os.environ.items() if not k.startswith("ORDER_LEDGER")}


def ran(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-ec", script],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=3 * SECONDS,
    )


@contextmanager
def in_another_terminal(folder: Path, command: str) -> Iterator[None]:
    """Run a command until the end, once its ready file is there."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command.strip()}"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + SECONDS
        while not (folder / "ready.json").exists() and time.monotonic() < until:
            assert process.poll() is None, "it ended"
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("curl"), reason="the README asks with curl")
def test_practising_goes_as_written(folder: Path) -> None:
    """Whoever copies the commands gets the orders that the text speaks of."""
    demo, exchange, *steps = blocks("Practise against the local exchange")
    assert demo.split() == ["make", "demo-live"]
    with in_another_terminal(folder, exchange):
        done = ran(folder, "\n".join(steps))
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    first, again = said.split("order_id", 2)[1:]
    assert "status CONFIRMED" in first
    assert "deduplicated no" in first
    assert "deduplicated yes" in again
    assert "1 of 1 cancelled" in done.stderr
    assert "the venue agrees" in done.stderr
    assert "outcome_unknown" in done.stderr
    # The order whose answer was lost is there, once, and filled.
    last = [row for row in done.stdout.splitlines() if " NO " in row and "BUY" in row]
    assert len(last) == 1
    assert "CONFIRMED" in last[0]
    assert "0 orders of which the outcome is unknown" in done.stdout


def test_the_target_of_make_runs_the_demo() -> None:
    """A name in a text is a promise."""
    done = subprocess.run(
        ["make", "-n", "demo-live"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "order-ledger demo --live-sim" in done.stdout


def test_without_a_wallet_real_trading_says_what_is_missing(folder: Path) -> None:
    """The text leads to the point where a funded wallet is needed, and no further."""
    settings, doctor, _order = blocks("Trade for real")
    check = "\n".join([settings, *doctor.splitlines()[:1]])
    missing = ran(folder, check)
    assert missing.returncode == 3
    assert "order-ledger-key" in missing.stderr
    key = folder / "key"
    key.write_text("0x" + "1" * 64)
    key.chmod(0o600)
    given = check.replace("$HOME/.order-ledger-key", str(key))
    done = ran(folder, given)
    assert done.returncode == 0, done.stderr
    assert not (folder / "ledger").exists(), "to look makes nothing"


def test_every_variable_of_the_text_is_one_that_is_read() -> None:
    """A mistyped name would leave a key unread, or worse, a limit unset."""
    from config.settings import Settings

    names = set(re.findall(r"ORDER_LEDGER_[A-Z_]+[A-Z]", section("Trade for real")))
    known = {
        variable((part, key))
        for part, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {})
    }
    known |= {f"{name}_FILE" for name in known}
    known |= {"ORDER_LEDGER_CONFIG", "ORDER_LEDGER_DATA"}
    assert names
    assert names <= known
