"""Markets with their outcome, and the prices that decided them."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executors.market_data import Quarantine, Tick, load_markets, load_ticks
from ledger.errors import RecordingError
from ledger.values import Outcome
from tests.unit.market_data.messages import DATA


class TestMarkets:
    """One JSON object a line, with JSON inside of its strings."""

    def test_market_is_read_whole(self) -> None:
        """The order of the tokens decides which one pays."""
        first = load_markets(DATA / "markets.jsonl")[0]
        market = first.market
        assert (market.yes_token, market.no_token) == ("11", "12")
        assert (market.yes_label, market.no_label) == ("Up", "Down")
        assert (market.slug, market.group) == ("x-updown-5m-1", "x")
        assert (market.fee_rate, market.min_size) == (Decimal("0.07"), Decimal(5))
        assert (first.start_sec, first.end_sec) == (1_800_000_300, 1_800_000_600)
        assert first.strike == Decimal("65026.457815")
        assert first.outcome is Outcome.YES

    def test_grid_after_the_close_is_not_the_grid_of_trading(self) -> None:
        """The row was read when the tick had shrunk; orders knew the wider one."""
        [first, *_] = load_markets(DATA / "markets.jsonl")
        assert first.market.tick_size == Decimal("0.01")
        assert first.closing_tick == Decimal("0.001")
        [fine, *_] = load_markets(DATA / "markets.jsonl", tick_size=Decimal("0.001"))
        assert fine.market.tick_size == Decimal("0.001")

    def test_markets_come_by_opening_time(self) -> None:
        """Files are in the order of their download."""
        markets = load_markets(DATA / "markets.jsonl")
        assert [m.start_sec for m in markets] == sorted(m.start_sec for m in markets)
        assert [m.outcome for m in markets] == [Outcome.YES, Outcome.NO, None]
        assert markets[2].strike is None

    def test_bad_row_is_put_aside(self) -> None:
        """One broken row must not cost the other markets."""
        aside = Quarantine()
        assert len(load_markets(DATA / "markets.jsonl", quarantine=aside)) == 3
        assert aside.samples[0].source == "markets.jsonl:4"
        assert aside.samples[0].reason == "tokens: must be two texts"

    @pytest.mark.parametrize(
        "broken",
        [
            {"slug": ""},
            {"strike_value": 6.5},
            {"strike_value": "-1"},
            {"strike_value": "0"},
            {"start_sec": "x"},
            {"raw": []},
            {"raw": {"feeSchedule": 1}},
            {"raw": {"outcomes": "{"}},
            {"outcome_prices": ["1"]},
            {"asset": 5},
        ],
    )
    def test_unusable_file_says_why(
        self, tmp_path: Path, broken: dict[str, Any]
    ) -> None:
        """Without a market there is nothing to run."""
        row = json.loads((DATA / "markets.jsonl").read_text().splitlines()[0])
        (tmp_path / "m").write_text(json.dumps(row | broken))
        with pytest.raises(RecordingError, match="m:1: no usable row"):
            load_markets(tmp_path / "m")

    def test_open_market_has_no_outcome(self, tmp_path: Path) -> None:
        """Prices of 1 and 0 may be quotes; only a resolution is an answer."""
        row = json.loads((DATA / "markets.jsonl").read_text().splitlines()[0])
        (tmp_path / "m").write_text(json.dumps(row | {"resolved": False}))
        assert load_markets(tmp_path / "m")[0].outcome is None


class TestTicks:
    """A price series, exact to the last digit."""

    def test_ticks_are_exact_ordered_and_one_per_time(self) -> None:
        """Of two prices for one second the later received one settled."""
        aside = Quarantine()
        assert load_ticks(DATA / "ticks.csv", quarantine=aside) == [
            Tick(1_800_000_300_000, Decimal("65048.078902260626")),
            Tick(1_800_000_301_000, Decimal(65052)),
        ]
        assert aside.count == 1

    def test_plain_columns_will_do(self, tmp_path: Path) -> None:
        """Anyone's series with a time and a price can drive the demo."""
        (tmp_path / "t").write_text("price,ts_ms\n1.5,2000\n1.25,1000\n1.75,2000\n")
        assert load_ticks(tmp_path / "t") == [
            Tick(1000, Decimal("1.25")),
            Tick(2000, Decimal("1.75")),
        ]

    @pytest.mark.parametrize(
        "content", ["", "a,b\n1,2\n", "ts_ms,price\n", "ts_ms,price\n1,x\n1\n-1,2\n"]
    )
    def test_what_is_no_series_is_refused(self, tmp_path: Path, content: str) -> None:
        """The error names the file, before anything was traded."""
        (tmp_path / "t").write_text(content)
        with pytest.raises(RecordingError, match="t:1: "):
            load_ticks(tmp_path / "t")
