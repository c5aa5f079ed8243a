"""Files are told by what they hold, and what cannot be read is named."""

import gzip
from pathlib import Path

import pytest

from executors.market_data import Frame, write_frames
from ledger.errors import InvalidInputError, RecordingError
from service.demo_sources import (
    BUNDLED,
    Files,
    recorded_source,
    series_source,
    sorted_out,
)
from tests.e2e.market import pair_tape

OWN = Path(__file__).parents[2] / "data" / "recordings"
OUTCOMES = "status,stake_eur,entry_price,exit_price,pnl_neto_eur,notas\n"


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("bare.jsonl", "frames"),
            ("connection.jsonl", "frames"),
            ("numbered.jsonl", "frames"),
            ("own.jsonl", "frames"),
            ("tops.csv", "frames"),
            ("nested.csv", "frames"),
            ("markets.jsonl", "markets"),
            ("ticks.csv", "ticks"),
        ],
    )
    def test_a_file_is_told_by_its_first_line(self, name: str, kind: str) -> None:
        """Nobody should have to say what a file says of itself."""
        found = sorted_out([OWN / name])
        assert getattr(found, kind) == [OWN / name]

    def test_an_account_s_history_is_no_recording(self, tmp_path: Path) -> None:
        """It is imported, not traded on; as lines or as a list."""
        row = '{"type":"TRADE","transactionHash":"0x1"}'
        lines, listed = tmp_path / "a.jsonl", tmp_path / "b.json"
        lines.write_text(row)
        listed.write_text(f"[{row}]")
        assert sorted_out([tmp_path]).histories == [lines, listed]

    def test_finished_bets_are_told_by_their_columns(self, tmp_path: Path) -> None:
        """They are added up, and nothing else."""
        path = tmp_path / "trades.csv"
        path.write_text(OUTCOMES)
        assert sorted_out([path]).outcomes == [path]

    def test_a_folder_stands_for_everything_in_it(self, tmp_path: Path) -> None:
        """Descriptions and hidden files are no data."""
        for name in ("README.md", ".hidden", "one.jsonl", "sub/two.jsonl"):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("PONG\n")
        found = sorted_out([tmp_path]).frames
        assert [path.name for path in found] == ["one.jsonl", "two.jsonl"]

    def test_standard_input_holds_frames(self) -> None:
        """It can be read only once, so nobody looks at it first."""
        assert sorted_out([Path("-")]) == Files(frames=[Path("-")])

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        """Rather than found out after a minute of trading."""
        with pytest.raises(InvalidInputError, match="nowhere"):
            sorted_out([tmp_path / "nowhere"])


class TestSeries:
    def test_the_bundled_series_covers_five_markets(self) -> None:
        """Four windows of 5 minutes and one of 15."""
        source = series_source(BUNDLED, None, seed=1)
        assert len(source.markets) == len(source.windows) == 5
        assert source.start_ms == source.ticks[0].ts_ms

    def test_the_seed_makes_the_books(self) -> None:
        """Not the prices, which are given."""
        texts = [
            [f.text for f in series_source(BUNDLED, None, seed=seed, most=1).frames]
            for seed in (1, 1, 2)
        ]
        assert texts[0] == texts[1] != texts[2]

    def test_markets_outside_the_prices_are_an_error(self, tmp_path: Path) -> None:
        """A run on nothing would look like a success."""
        path = tmp_path / "ticks.csv"
        path.write_text("ts_ms,price\n1000,1\n2000,1\n")
        with pytest.raises(RecordingError, match="no market"):
            series_source(path, None, seed=1)


class TestRecorded:
    def test_it_has_the_frames_and_markets_of_the_file(self, tmp_path: Path) -> None:
        """Nothing is added and nothing left out."""
        path = tmp_path / "a.jsonl"
        frames = pair_tape().frames
        write_frames(path, frames)
        source = recorded_source(path)
        assert [frame.text for frame in source.frames] == [f.text for f in frames]
        assert [market.market_id for market in source.markets] == ["m1"]
        assert source.start_ms == frames[0].received_ms

    def test_a_bad_line_is_a_problem_with_its_place(self, tmp_path: Path) -> None:
        """Somebody has to look at it."""
        path = tmp_path / "a.jsonl"
        write_frames(path, pair_tape().frames)
        path.write_text(path.read_text() + "{}\n")
        [problem] = recorded_source(path).problems
        assert "a.jsonl" in problem

    def test_what_was_read_before_the_end_broke_off_stays(self, tmp_path: Path) -> None:
        """Half a recording is still a recording."""
        path = tmp_path / "a.jsonl.gz"
        frames = [
            Frame(sequence=n, received_ms=n, text=pair_tape().frames[0].text)
            for n in range(2_000)
        ]
        write_frames(path, frames)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 3 // 4])
        source = recorded_source(path)
        assert len(list(source.frames)) > 100
        assert "cannot be read" in source.problems[0]

    def test_an_empty_archive_is_an_error(self, tmp_path: Path) -> None:
        """There is nothing to go on with."""
        path = tmp_path / "a.jsonl.gz"
        path.write_bytes(gzip.compress(b""))
        with pytest.raises(RecordingError, match=r"a\.jsonl\.gz"):
            recorded_source(path)
