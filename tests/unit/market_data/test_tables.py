"""Polled tables become the books that would have shown the same."""

from decimal import Decimal
from pathlib import Path

import pytest

from executors.market_data import (
    BookKeeper,
    BookSnapshot,
    Frame,
    Quarantine,
    infer_markets,
    read_recording,
)
from ledger.book import Level
from ledger.errors import RecordingError
from tests.unit.market_data.messages import DATA, START_MS

UP, DOWN = "1001", "1002"


def snapshot(frame: Frame) -> BookSnapshot:
    [fact] = frame.parsed().facts
    assert isinstance(fact, BookSnapshot)
    return fact


def test_top_of_both_tokens_is_two_books_of_one_time() -> None:
    """The table does not say which token was read first."""
    up, down, *_ = read_recording(DATA / "tops.csv")
    assert (up.received_ms, down.received_ms) == (START_MS + 500, START_MS + 500)
    assert snapshot(up).token_id == UP
    assert snapshot(up).bids == (Level(Decimal("0.64"), Decimal("93.52")),)
    assert snapshot(up).asks == (Level(Decimal("0.65"), Decimal("427.66")),)
    assert snapshot(down).token_id == DOWN
    assert snapshot(down).asks == (Level(Decimal("0.37"), Decimal("67.96")),)


def test_empty_cells_are_an_empty_side() -> None:
    """Near the close one side has no quotes."""
    *_, up, down = read_recording(DATA / "tops.csv")
    assert (snapshot(up).asks, snapshot(down).bids) == ((), ())


def test_bad_row_is_put_aside() -> None:
    """One broken row costs that row."""
    aside = Quarantine()
    assert len(list(read_recording(DATA / "tops.csv", quarantine=aside))) == 4
    assert aside.samples[0].source == "tops.csv:4"


@pytest.mark.parametrize(
    ("old", "new"), [("0.64,", "1.64,"), ("x-updown", "x,updown"), ("1001", "")]
)
def test_impossible_cells_are_put_aside(tmp_path: Path, old: str, new: str) -> None:
    """A quote out of range would cross or empty the book."""
    header, row, *_ = (DATA / "tops.csv").read_text().splitlines()
    (tmp_path / "t").write_text(f"{header}\n{row}\n{row.replace(old, new)}\n")
    aside = Quarantine()
    assert len(list(read_recording(tmp_path / "t", quarantine=aside))) == 2
    assert aside.count == 1


def test_table_without_a_usable_row_is_an_error(tmp_path: Path) -> None:
    """A header alone is no recording."""
    (tmp_path / "t").write_text((DATA / "tops.csv").read_text().splitlines()[0])
    with pytest.raises(RecordingError, match="t:1: no market frame"):
        list(read_recording(tmp_path / "t"))


def test_asks_of_nested_windows_name_their_legs() -> None:
    """Leg 1 is the outer window, leg 2 the inner; shares are money by price."""
    outer_yes, inner_no, outer_no, inner_yes = map(
        snapshot, read_recording(DATA / "nested.csv")
    )
    assert (outer_yes.token_id, inner_no.token_id) == ("x-15m-1:YES", "x-5m-1:NO")
    assert (outer_no.token_id, inner_yes.token_id) == ("x-15m-1:NO", "x-5m-1:YES")
    assert outer_yes.asks == (Level(Decimal("0.75"), Decimal("13.333333")),)
    assert inner_no.asks == (Level(Decimal("0.3"), Decimal("33.333333")),)
    assert inner_yes.market_id == "x-5m-1"


def test_nested_windows_give_whole_markets() -> None:
    """A market of which only one token was polled still has two."""
    markets = infer_markets(read_recording(DATA / "nested.csv"))
    assert [(m.market_id, m.yes_token, m.no_token) for m in markets] == [
        ("x-15m-1", "x-15m-1:YES", "x-15m-1:NO"),
        ("x-5m-1", "x-5m-1:YES", "x-5m-1:NO"),
    ]
    assert [str(m.tick_size) for m in markets] == ["0.005", "0.005"]


def test_books_of_a_table_need_not_be_complements() -> None:
    """The two reads are of different moments, and that must stay visible."""
    keeper = BookKeeper()
    for frame in list(read_recording(DATA / "tops.csv"))[:2]:
        keeper.feed(frame)
    up, down = keeper.book(UP), keeper.book(DOWN)
    assert up is not None
    assert down is not None
    assert up.mirrored(DOWN).asks() != down.asks()
