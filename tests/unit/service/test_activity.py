"""Reading the venue's activity rows: exact numbers, named mistakes."""

import gzip
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import RecordingError
from ledger.values import Outcome, Side
from service.activity import ActivityError, ActivityRow, parse_row, read_activity

SMALL = Path(__file__).resolve().parents[2] / "data" / "activity" / "small.jsonl"

TRADE: dict[str, Any] = {
    "proxyWallet": "0xAA",
    "timestamp": 1789000001,
    "conditionId": "0xone",
    "type": "TRADE",
    "size": Decimal("47.619048"),
    "usdcSize": Decimal("37.619048"),
    "transactionHash": "0xb",
    "price": Decimal("0.7900000017"),
    "asset": "11",
    "side": "BUY",
    "outcomeIndex": 0,
    "title": "A market",
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in TRADE.items() if key != name}


class TestRow:
    def test_numbers_are_exact(self) -> None:
        """A price through a float would carry a digit that nobody traded."""
        row = parse_row(TRADE)
        assert row == ActivityRow(
            kind="TRADE",
            at=datetime(2026, 9, 10, 0, 26, 41, tzinfo=UTC),
            wallet="0xaa",
            market_id="0xone",
            outcome=Outcome.YES,
            side=Side.BUY,
            size=Decimal("47.619048"),
            usdc=Decimal("37.619048"),
            price=Decimal("0.7900000017"),
            tx_hash="0xb",
        )

    def test_the_newer_spelling_says_the_same(self) -> None:
        """The venue offers both; a history may be downloaded from either."""
        newer = {
            "conditionId": "condition_id",
            "outcomeIndex": "outcome_index",
            "proxyWallet": "proxy_wallet",
            "transactionHash": "transaction_hash",
            "usdcSize": "usdc_size",
        }
        record = {newer.get(name, name): value for name, value in TRADE.items()}
        assert parse_row(record) == parse_row(TRADE)

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("size", 0.1, "size: must be a decimal number as text, not float"),
            ("size", Decimal(0), "size: must be above 0"),
            ("size", Decimal("0.0000001"), "size: must have at most 6 decimal places"),
            ("size", Decimal("1E+400"), "size: must be below 10^12"),
            ("usdcSize", Decimal(-1), "usdcSize: must not be below 0"),
            ("usdcSize", None, "usdcSize: is missing"),
            ("price", Decimal("1.1"), "price: must lie between 0 and 1"),
            ("price", True, "price: must be a decimal number as text, not bool"),
            ("side", "HOLD", "side: must be BUY or SELL"),
            ("side", "", "side: must be BUY or SELL"),
            ("outcomeIndex", 2, "outcomeIndex: must be 0 or 1"),
            ("outcomeIndex", True, "outcomeIndex: must be 0 or 1"),
            ("timestamp", "1789000001", "timestamp: must be Unix seconds"),
            ("timestamp", 10**15, "timestamp: must be Unix seconds"),
            ("conditionId", "", "conditionId: is missing"),
            ("conditionId", "x" * 101, "conditionId: must be text of at most 100"),
            ("conditionId", "a\x1b[2J", "conditionId: must be printable ASCII"),
            ("type", "", "type: is missing"),
            ("type", 3, "type: must be text of at most 100 characters"),
        ],
    )
    def test_a_wrong_field_is_named(self, field: str, value: object, said: str) -> None:
        """Whoever corrects a file of thousands of rows needs the column."""
        with pytest.raises(ValueError, match=r".") as caught:
            parse_row({**TRADE, field: value})
        assert str(caught.value).startswith(said)

    def test_a_row_must_be_an_object(self) -> None:
        """A list of numbers is JSON as well."""
        with pytest.raises(ValueError, match="row: must be an object"):
            parse_row([1, 2])

    def test_an_empty_redemption_needs_no_outcome(self) -> None:
        """The venue writes such rows; they moved nothing and must not fail."""
        empty = {**TRADE, "type": "REDEEM", "size": 0, "usdcSize": 0, "asset": ""}
        row = parse_row({**empty, "outcomeIndex": 999, "side": ""})
        assert not row.size
        assert row.outcome is None

    def test_a_redemption_of_shares_needs_an_outcome(self) -> None:
        """Guessing whose shares are gone would be worse than asking."""
        with pytest.raises(ValueError, match="outcomeIndex: must be 0 or 1"):
            parse_row({**TRADE, "type": "REDEEM", "outcomeIndex": 999})

    def test_of_an_unknown_type_only_the_type_is_read(self) -> None:
        """Types come and go; their fields are no reason to refuse a history."""
        row = parse_row({"type": "AIRDROP", "timestamp": 1, "size": "much"})
        assert row.kind == "AIRDROP"
        assert not row.size

    def test_the_fingerprint_ignores_names_and_pictures(self) -> None:
        """A profile renamed between two downloads must not double the history."""
        renamed = {**TRADE, "title": "Another", "name": "new", "slug": "other"}
        assert parse_row(renamed).fingerprint() == parse_row(TRADE).fingerprint()

    @pytest.mark.parametrize("slug", [None, 7, "x" * 101, "caf\u00e9", "a\x1b[2J"])
    def test_a_slug_that_is_none_refuses_nothing(self, slug: object) -> None:
        """It is for people to read; money does not wait for it."""
        assert parse_row({**TRADE, "slug": slug}).slug == ""
        assert parse_row({**TRADE, "slug": "coin-up"}).slug == "coin-up"

    def test_the_fingerprint_ignores_how_numbers_are_written(self) -> None:
        """Two downloads may write 10 and 10.0."""
        padded = {**TRADE, "size": Decimal("47.6190480")}
        assert parse_row(padded).fingerprint() == parse_row(TRADE).fingerprint()

    @pytest.mark.parametrize(
        "change",
        [
            {"timestamp": 1789000002},
            {"size": Decimal("47.619049")},
            {"usdcSize": Decimal("37.619047")},
            {"side": "SELL"},
            {"outcomeIndex": 1},
            {"transactionHash": "0xc"},
            {"conditionId": "0xtwo"},
        ],
    )
    def test_the_fingerprint_covers_every_fact(self, change: dict[str, Any]) -> None:
        """Two different trades under one key would lose the second."""
        other = parse_row({**TRADE, **change})
        assert other.fingerprint() != parse_row(TRADE).fingerprint()


class TestFile:
    def test_rows_come_oldest_first(self) -> None:
        """The venue lists the newest first; a sale before its purchase has no cost."""
        rows = read_activity(SMALL)
        times = [row.at for row in rows]
        assert times == sorted(times)
        assert [row.kind for row in rows[:2]] == ["SPLIT", "TRADE"]

    def test_rows_of_one_second_keep_their_order(self) -> None:
        """Within a second only the order of the list tells what came first."""
        last = [row.market_id for row in read_activity(SMALL) if row.kind == "MERGE"]
        assert last == ["0xone", "0xthree"]

    def test_every_form_of_file_gives_the_same_rows(self, tmp_path: Path) -> None:
        """People keep what they downloaded in the form they got it."""
        lines = SMALL.read_text().splitlines()
        listed = "[" + ",\n".join(lines) + "]"
        forms = {
            "a.jsonl.gz": gzip.compress(SMALL.read_bytes()),
            "list.json": listed.encode(),
            "one-line-list.json": ("[" + ",".join(lines) + "]").encode(),
            "page.json": f'{{\n "data": {listed}, "pagination": {{}}\n}}'.encode(),
            "one-line-page.json": ('{"data": [' + ",".join(lines) + "]}").encode(),
        }
        for name, data in forms.items():
            (tmp_path / name).write_bytes(data)
            assert read_activity(tmp_path / name) == read_activity(SMALL), name
        stdin = io.BytesIO(SMALL.read_bytes())
        assert read_activity("-", stdin=stdin) == read_activity(SMALL)

    def test_every_wrong_row_is_named_with_its_line(self, tmp_path: Path) -> None:
        """One mistake at a time would be a long evening."""
        lines = SMALL.read_text().splitlines()
        lines[2] = "{not json"
        lines[4] = json.dumps({"type": "TRADE", "timestamp": 5})
        file = tmp_path / "bad.jsonl"
        file.write_text("\n".join(lines))
        with pytest.raises(ActivityError) as caught:
            read_activity(file)
        assert str(caught.value).startswith(f"{file}: 2 rows cannot be read")
        assert caught.value.problems[0].startswith(f"{file}:3: is no JSON")
        assert caught.value.problems[1] == f"{file}:5: size: is missing"

    def test_a_row_of_a_list_is_named_by_its_number(self, tmp_path: Path) -> None:
        """A list on one line has no line numbers to tell."""
        file = tmp_path / "list.json"
        file.write_text('[{"type": "AIRDROP", "timestamp": 1}, 7]')
        with pytest.raises(ActivityError) as caught:
            read_activity(file)
        assert caught.value.problems == (f"{file}: row 2: row: must be an object",)

    def test_two_wallets_are_not_one_account(self, tmp_path: Path) -> None:
        """Mixed histories would give positions that nobody holds."""
        lines = SMALL.read_text().splitlines()
        lines[3] = lines[3].replace("00aa", "00bb")
        file = tmp_path / "mixed.jsonl"
        file.write_text("\n".join(lines))
        with pytest.raises(ActivityError) as caught:
            read_activity(file)
        assert caught.value.problems == (
            f"{file}:4: proxyWallet: differs from the row before",
        )

    def test_problems_are_bounded(self, tmp_path: Path) -> None:
        """A wrong file of a million lines must not print a million."""
        file = tmp_path / "wrong.jsonl"
        file.write_text("7\n" * 100)
        with pytest.raises(ActivityError) as caught:
            read_activity(file)
        assert "100 rows" in str(caught.value)
        assert len(caught.value.problems) == 20

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "the file is empty"),
            (b"[1, 2", "is no JSON"),
            (b"[" * 100_000, "is nested too deep"),
            (b"\n\n[{]", ":3: is no JSON"),
        ],
    )
    def test_a_file_that_is_no_history_is_refused(
        self, tmp_path: Path, data: bytes, said: str
    ) -> None:
        """The reason must name the place, not a Python exception."""
        file = tmp_path / "x.json"
        file.write_bytes(data)
        with pytest.raises(RecordingError, match=said):
            read_activity(file)

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        """A mistyped name is the most common mistake."""
        with pytest.raises(RecordingError, match="No such file"):
            read_activity(tmp_path / "none.jsonl")

    def test_no_number_passes_through_a_float(self, tmp_path: Path) -> None:
        """0.1 + 0.2 in somebody's profit is how trust ends."""
        file = tmp_path / "exact.jsonl"
        row = {**TRADE, "size": 0, "usdcSize": 0, "price": 0}
        text = json.dumps(row).replace('"size": 0', '"size": 123456789.123456')
        file.write_text(text.replace('"price": 0', '"price": 0.12345678901234567890'))
        (found,) = read_activity(file)
        assert found.size == Decimal("123456789.123456")
        assert found.price == Decimal("0.12345678901234567890")

    def test_not_a_number_is_refused(self, tmp_path: Path) -> None:
        """Python's JSON reader takes NaN unless it is told not to."""
        file = tmp_path / "nan.jsonl"
        file.write_text('{"type": "TRADE", "size": NaN}')
        with pytest.raises(ActivityError) as caught:
            read_activity(file)
        assert "NaN is not a number" in caught.value.problems[0]
