"""Runs the command line: in this process for breadth, in another for the truth."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from service.cli import app

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = REPOSITORY.parent / "shared"
SMALL_HISTORY = REPOSITORY / "tests" / "data" / "activity" / "small.jsonl"

AT_ONCE = (
    "--set=paper.submit_latency_ms=0",
    "--set=paper.cancel_latency_ms=0",
    "--set=paper.settle_mined_ms=0",
    "--set=paper.settle_confirmed_ms=0",
    "--set=paper.settle_jitter_ms=0",
)
"""A paper venue without delays: everything has settled when a command returns."""

MARKET = "0xm"
START_MS = 1_800_000_000_000


class Answer(NamedTuple):
    """What a command said and how it ended."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """The data it wrote."""
        return json.loads(self.stdout)


def invoke(*arguments: str | Path, stdin: str | None = None) -> Answer:
    """Run a command in this process."""
    result = CliRunner().invoke(app, list(map(str, arguments)), input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def run(
    *arguments: str | Path, env: dict[str, str] | None = None, stdin: str = ""
) -> Answer:
    """Run a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "service", *map(str, arguments)],
        cwd=REPOSITORY,
        env={**clean_environment(), **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def clean_environment() -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    return {k: v for k, v in os.environ.items() if not k.startswith("ORDER_LEDGER_")}


def intent(key: str, **changes: str) -> list[str]:
    """The options of one intent: BUY 20 YES at 0.45 unless changed."""
    fields = {
        "strategy": "hand",
        "key": key,
        "market": MARKET,
        "outcome": "YES",
        "side": "BUY",
        "size": "20",
        "price": "0.45",
        **changes,
    }
    return [f"--{name}={value}" for name, value in fields.items()]


def book_frame(token: str, bids: Sequence[str], asks: Sequence[str]) -> str:
    """One snapshot; levels are "price x size"."""
    frame = {
        "event_type": "book",
        "market": MARKET,
        "asset_id": token,
        "timestamp": str(START_MS),
        "bids": [_level(level) for level in bids],
        "asks": [_level(level) for level in asks],
        "hash": token,
        "tick_size": "0.01",
    }
    return json.dumps(frame)


def _level(text: str) -> dict[str, str]:
    price, size = text.split("x")
    return {"price": price, "size": size}


def write_recording(path: Path, *extra: str) -> Path:
    """A recording of one market: YES bid 0.40, ask 0.44 and 0.45."""
    frames = (
        book_frame("yes", ["0.40x100"], ["0.45x50", "0.44x10"]),
        *extra,
        book_frame("no", ["0.55x50", "0.56x10"], ["0.60x100"]),
    )
    path.write_text("\n".join(frames) + "\n")
    return path


def write_market(path: Path) -> Path:
    """The same market's terms."""
    terms = {
        "market_id": MARKET,
        "yes_token": "yes",
        "no_token": "no",
        "fee_rate": "0.07",
    }
    path.write_text(json.dumps(terms))
    return path
