"""A bot's own table of finished bets adds up, or says where it does not."""

from decimal import Decimal
from pathlib import Path

import pytest

from ledger.errors import RecordingError
from service.demo_outcomes import read_outcomes

HEADER = "status,stake_eur,entry_price,exit_price,pnl_neto_eur,notas"


def table(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "trades.csv"
    path.write_text("\n".join([HEADER, *rows]))
    return path


def test_profit_is_what_stake_entry_and_exit_give(tmp_path: Path) -> None:
    """1.89 / 0.485 - 1.89 is 2.0069 to 4 decimals."""
    path = table(tmp_path, "CLOSED,1.89,0.485,1.0,2.0069,", "CLOSED,2,0.5,0.0,-2.0000,")
    found = read_outcomes(path)
    assert (found.closed, found.agreeing, found.profit) == (2, 2, Decimal("0.0069"))


def test_a_profit_that_does_not_follow_is_counted(tmp_path: Path) -> None:
    """Somebody else's sums are not taken on trust."""
    found = read_outcomes(table(tmp_path, "CLOSED,1.89,0.485,1.0,2.0070,"))
    assert (found.closed, found.agreeing) == (1, 0)


def test_refusals_are_counted_by_text(tmp_path: Path) -> None:
    """The texts are what a bot author has to recognise."""
    path = table(tmp_path, *["ERROR,0,0.5,,,no balance"] * 2, "ERROR,0,0.5,,,too late")
    assert read_outcomes(path).refusals == {"no balance": 2, "too late": 1}


@pytest.mark.parametrize("row", ["CLOSED,1,0,1,0,", "CLOSED,x,0.5,1,1,", "CLOSED"])
def test_a_row_that_is_no_bet_is_named(tmp_path: Path, row: str) -> None:
    """A zero price, a word for a number, half a row."""
    with pytest.raises(RecordingError, match=r"trades\.csv:2"):
        read_outcomes(table(tmp_path, row))


def test_an_empty_table_is_an_error(tmp_path: Path) -> None:
    """It is not a table of nothing, it is nothing."""
    path = tmp_path / "trades.csv"
    path.write_text("")
    with pytest.raises(RecordingError, match="empty"):
        read_outcomes(path)
