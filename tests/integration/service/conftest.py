"""Ledgers to look at, made by the commands themselves."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.integration.service.commands import (
    AT_ONCE,
    intent,
    invoke,
    write_market,
    write_recording,
)


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings from outside; and no logger that writes to a closed stream."""
    for name in ("CONFIG", "DATA"):
        monkeypatch.delenv(f"ORDER_LEDGER_{name}", raising=False)
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with a filled, a resting and a refused order; read it only."""
    folder = tmp_path_factory.mktemp("traded")
    fill_ledger(folder)
    structlog.reset_defaults()
    return folder / "data"


@pytest.fixture
def own(traded: Path, tmp_path: Path) -> Path:
    """Such a ledger for one test alone; no writer has it open, so a copy is whole."""
    files = shutil.ignore_patterns("*.ballast", "read_models*")
    return Path(shutil.copytree(traded, tmp_path / "data", ignore=files))


def fill_ledger(folder: Path) -> None:
    """Trade one recorded market by hand."""
    data = ("--data", folder / "data", *AT_ONCE)
    market = ("--market-file", write_market(folder / "market.json"))
    book = ("--book", write_recording(folder / "frames.jsonl"))
    filled = invoke("place", *data, *market, *book, *intent("filled", tif="FAK"))
    assert filled.exit_code == 0, filled
    resting = invoke(
        "place", *data, *intent("resting", price="0.41", size="30"), "--post-only"
    )
    assert resting.exit_code == 0, resting
    refused = invoke("place", *data, *intent("refused", size="5000", tif="FAK"))
    assert refused.exit_code == 1, refused
