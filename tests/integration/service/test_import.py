"""`import-activity` through the command line, up to the profit it shows."""

import gzip
import json
from pathlib import Path

import pytest

from tests.integration.service.commands import SHARED, SMALL_HISTORY, invoke

RECORDED = SHARED / "recordings" / "wallet_activity_trade_merge_redeem_2026-09-19"

TABLE = {
    "btc-updown-15m-1789833600": ("417.060107", "557.055385", "139.995278"),
    "btc-updown-5m-1789833900": ("158.237203", "115.64", "-42.597203"),
    "sol-updown-5m-1789833900": ("13.364169", "6.66", "-6.704169"),
    "eth-updown-5m-1789833900": ("2.9016", "0", "-2.9016"),
    "bnb-updown-5m-1789833900": ("1.631579", "0", "-1.631579"),
    "xrp-updown-5m-1789834500": ("1.216134", "1.737334", "0.5212"),
}
"""Paid with fees, redeemed, profit: pUSD, as the recording's description states."""

BOUGHT = {
    "btc-updown-15m-1789833600": ("557.055385", "50.746522"),
    "btc-updown-5m-1789833900": ("115.64", "115.648309"),
    "sol-updown-5m-1789833900": ("6.66", "8.470589"),
    "eth-updown-5m-1789833900": ("0", "8.06"),
    "bnb-updown-5m-1789833900": ("0", "2.631579"),
    "xrp-updown-5m-1789834500": ("0", "1.737334"),
}
"""Shares of Up and Down bought."""


def test_a_history_becomes_positions_and_profit(tmp_path: Path) -> None:
    """Worked out by hand: 5 in the first market, 5 less 0.238 of fees in the second."""
    answer = invoke("import-activity", SMALL_HISTORY, "--data", tmp_path, "-o", "json")
    assert answer.exit_code == 0, answer
    report = answer.json()
    assert (report["rows"], report["recorded"]) == (15, 13)
    rows = invoke("pnl", "--data", tmp_path, "-o", "json").json()
    assert {row["market_id"]: row["net"] for row in rows} == {
        "0xone": "5",
        "0xthree": "0",
        "0xtwo": "4.762",
    }
    # No paper money in an account that brings its own.
    assert "paper deposit" not in invoke("export", "--data", tmp_path).stdout


def test_a_history_that_begins_too_late_is_said_to(tmp_path: Path) -> None:
    """The profit of what was bought before it looks better than it was."""
    file = tmp_path / "late.jsonl"
    lines = SMALL_HISTORY.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if '"TRADE"' not in line))
    answer = invoke("import-activity", file, "--data", tmp_path / "x")
    assert "unexplained" in answer.stdout
    assert "positions sold or redeemed more than this history bought" in answer.stderr
    for command in ("positions", "pnl"):
        assert "unexplained" in invoke(command, "--data", tmp_path / "x").stdout
    whole = invoke("import-activity", SMALL_HISTORY, "--data", tmp_path / "y")
    assert "more than this history bought" not in whole.stderr
    for command in ("positions", "pnl"):
        said = invoke(command, "--data", tmp_path / "y").stdout
        assert "unexplained" not in said
    assert "slug" in said


def test_a_second_import_adds_nothing(tmp_path: Path) -> None:
    """Whoever is not sure whether it worked runs it again."""
    invoke("import-activity", SMALL_HISTORY, "--data", tmp_path)
    before = invoke("positions", "--data", tmp_path, "-o", "json").stdout
    answer = invoke("import-activity", SMALL_HISTORY, "--data", tmp_path, "-o", "json")
    assert answer.json()["recorded"] == 0
    assert invoke("positions", "--data", tmp_path, "-o", "json").stdout == before


def test_an_imported_history_verifies(tmp_path: Path) -> None:
    """Its events are as good as any other."""
    invoke("import-activity", SMALL_HISTORY, "--data", tmp_path)
    answer = invoke("verify", "--full", "--data", tmp_path)
    assert answer.exit_code == 0, answer
    assert invoke("reconcile", "--data", tmp_path).exit_code == 0


def test_a_bad_row_refuses_the_file(tmp_path: Path) -> None:
    """Named by file and line; nothing of the rest is recorded."""
    file = tmp_path / "bad.jsonl"
    file.write_text(SMALL_HISTORY.read_text() + '{"type": "TRADE"}\n')
    data = tmp_path / "data"
    answer = invoke("import-activity", file, "--data", data)
    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[0].startswith("bad_activity ")
    assert f"{file}:16: size: is missing" in answer.stderr
    assert not data.exists()


@pytest.mark.parametrize("strategy", ["a b", ""])
def test_a_bad_strategy_name_is_refused(tmp_path: Path, strategy: str) -> None:
    """It would become the key of positions that nothing can trade."""
    answer = invoke(
        *("import-activity", SMALL_HISTORY, "--data", tmp_path / "x"),
        f"--strategy={strategy}",
    )
    assert answer.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_a_history_may_come_from_a_pipe(tmp_path: Path) -> None:
    """`curl ... | order-ledger import-activity -`."""
    answer = invoke(
        *("import-activity", "-", "--data", tmp_path, "-o", "json"),
        stdin=SMALL_HISTORY.read_text(),
    )
    assert answer.json()["recorded"] == 13


@pytest.mark.skipif(not RECORDED.exists(), reason="the recording is not here")
def test_a_real_wallets_profit_to_the_last_digit(tmp_path: Path) -> None:
    """Six complete markets of a real account, fees and losses included."""
    assert invoke("import-activity", RECORDED, "--data", tmp_path).exit_code == 0
    slugs = {}
    with gzip.open(RECORDED / "activity.jsonl.gz", "rt") as file:
        for line in file:
            row = json.loads(line)
            slugs[row["conditionId"]] = row["slug"]
    pnl = invoke("pnl", "--data", tmp_path, "-o", "json").json()
    assert {row["market_id"]: row["slug"] for row in pnl}.items() <= slugs.items()
    found = {
        row["slug"]: (row["paid_with_fees"], row["received"], row["net"]) for row in pnl
    }
    assert {slug: found[slug] for slug in TABLE} == TABLE
    bought: dict[str, dict[str, str]] = {}
    for row in invoke("positions", "--data", tmp_path, "-o", "json").json():
        sides = bought.setdefault(slugs[row["market_id"]], {})
        sides[row["outcome"]] = row["bought"]
    assert {
        slug: (bought[slug].get("YES", "0"), bought[slug].get("NO", "0"))
        for slug in BOUGHT
    } == BOUGHT
