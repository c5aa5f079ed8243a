"""Live market data by settings alone, against a local stand-in for the venue."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from tests.integration.market_data.local_venue import LocalVenue, says
from tests.integration.service.commands import (
    AT_ONCE,
    MARKET,
    REPOSITORY,
    Answer,
    book_frame,
    clean_environment,
    intent,
    invoke,
    run,
)

TERMS = {
    "t": [{"t": "yes", "o": "Up"}, {"t": "no", "o": "Down"}],
    "mos": 5,
    "mts": 0.01,
    "fd": {"r": 0.07, "e": 1},
}
YES = book_frame("yes", ["0.40x100"], ["0.45x50", "0.44x10"])
NO = book_frame("no", ["0.55x50", "0.56x10"], ["0.60x100"])
HTML = "<html>\n<h1>Attention required</h1>\n</html>"


def venue(**changed: Any) -> LocalVenue:
    answers = {"terms": TERMS, "yes": YES, "no": NO, **changed}
    return LocalVenue(
        says(YES, NO),
        answers={
            f"/clob-markets/{MARKET}": answers["terms"],
            "/book?token_id=yes": answers["yes"],
            "/book?token_id=no": answers["no"],
        },
    )


async def start(at: LocalVenue, *arguments: str | Path) -> Process:
    """Start a command in a process of its own, with the local venue as the venue."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service",
        *map(str, arguments),
        "--set=market_data.source=live",
        f"--set=polymarket.host={at.host}",
        f"--set=polymarket.ws_market_url={at.url}",
        cwd=REPOSITORY,
        env={**clean_environment(), "NO_PROXY": "127.0.0.1"},
        stdout=PIPE,
        stderr=PIPE,
    )


async def ended(process: Process) -> Answer:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Answer(process.returncode, out.decode(), err.decode())


async def placed(at: LocalVenue, data: Path) -> Answer:
    order = intent("k", tif="FAK")
    place: list[str | Path] = ["place", "--data", data, *AT_ONCE, "-o", "json", *order]
    return await ended(await start(at, *place))


async def test_a_recording_of_the_live_channel_can_be_traded(tmp_path: Path) -> None:
    """What was recorded today is what strategies are tried on tomorrow."""
    out = tmp_path / "frames.jsonl"
    async with venue().running() as at:
        wanted = ("record", f"--market={MARKET}", "--out", out, "--max-frames=4")
        answer = await ended(await start(at, *wanted))
    assert answer.exit_code == 0, answer
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert ["gap" in line for line in lines] == [True, False, False, False, False]
    replay = ("demo", "--recording", out, "--data", tmp_path / "demo", "-q")
    demo = await asyncio.to_thread(run, *replay)
    assert demo.exit_code == 0, demo


async def test_an_interrupt_ends_a_recording_well(tmp_path: Path) -> None:
    """A recording without end has no other end, so it is no failure."""
    out = tmp_path / "frames.jsonl"
    async with venue().running() as at:
        process = await start(at, "record", f"--market={MARKET}", "--out", out)
        async with asyncio.timeout(60):
            while not out.exists() or len(out.read_text().splitlines()) < 5:  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        answer = await ended(process)
    assert answer.exit_code == 0, answer
    assert "4 frames, 1 breaks" in answer.stderr


def test_recording_needs_the_live_source(tmp_path: Path) -> None:
    """Nothing reaches for the network that was not told to."""
    out = tmp_path / "frames.jsonl"
    answer = invoke("record", "--market", MARKET, "--out", out)
    assert answer.exit_code == 3
    assert "market_data.source" in answer.stderr
    assert not out.exists()


async def test_an_order_is_placed_on_paper_against_live_books(tmp_path: Path) -> None:
    """The fee and the levels are the venue's own: 10 at 0.44, 10 at 0.45."""
    async with venue().running() as at:
        answer = await placed(at, tmp_path / "data")
    assert answer.exit_code == 0, answer
    row = answer.json()
    assert (row["filled"], row["avg_price"], row["fees"]) == ("20", "0.445", "0.34573")


@pytest.mark.parametrize(
    "changed", [{"terms": HTML}, {"yes": HTML}, {"no": YES}, {"terms": {"t": []}}]
)
async def test_a_useless_answer_leaves_nothing_behind(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    """A page of a proxy is no book: one line, the venue's exit code, no ledger."""
    async with venue(**changed).running() as at:
        answer = await placed(at, tmp_path / "data")
    refused(answer, tmp_path / "data")


async def test_an_unreachable_host_leaves_nothing_behind(tmp_path: Path) -> None:
    """A host that is down is the venue's trouble, not the ledger's."""
    at = venue()
    async with at.running():
        pass  # its port is now closed
    answer = await placed(at, tmp_path / "data")
    refused(answer, tmp_path / "data")
    assert f"127.0.0.1:{at.port}" in answer.stderr


def refused(answer: Answer, data: Path) -> None:
    assert answer.exit_code == 5, answer
    message, hint = answer.stderr.splitlines()
    assert message.startswith("venue 127.0.0.1:")
    assert hint.startswith("hint: ")
    assert not data.exists()
