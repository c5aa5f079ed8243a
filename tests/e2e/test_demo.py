"""The demo runs on whatever it is given, and proves its ledger every time."""

import gzip
import io
import sqlite3
from pathlib import Path
from random import Random

import pytest

from executors.market_data import write_frames
from executors.market_data.generator import generate_frames, windows_of
from ledger.errors import InvalidInputError, LockHeldError, RecordingError
from ledger.store import LedgerStore
from projections.read_models import ReadModels
from service.bootstrap import PAPER_ACCOUNT, ledger_path, read_models_path, unix_us
from service.demo import DemoOptions, DemoReport, run_demo
from service.demo_folder import MARKER
from service.demo_proof import prove
from tests.e2e.market import pair_tape
from tests.unit.demo.test_generator import walk

REPOSITORY = Path(__file__).parents[2]
RECORDINGS = REPOSITORY.parent / "shared" / "recordings"
OWN = REPOSITORY / "tests" / "data" / "recordings"

_BOUGHT_BEFORE = (
    '{"type":"TRADE","side":"BUY","size":10,"usdcSize":4,"price":0.4,"timestamp":'
    '1767610000,"conditionId":"0xold","asset":"1","outcomeIndex":0,"outcome":"Up",'
    '"transactionHash":"0xt","proxyWallet":"0xw","slug":"old","title":"Old"}\n'
)

needs_references = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the real recordings are not here"
)


def ran(tmp_path: Path, **options: object) -> tuple[DemoReport, str]:
    """Run in a fresh folder; the report and what was printed."""
    given = {"data": tmp_path / "ledger", **options}
    out = io.StringIO()
    report = run_demo(DemoOptions(**given), stdout=out)  # type: ignore[arg-type]
    return report, out.getvalue()


def log_of(data: Path) -> list[str]:
    with LedgerStore.open(ledger_path(data), clock_us=unix_us, writer=False) as store:
        return [stored.event.TOPIC.removesuffix(".v1") for stored in store.read()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoReport, str]:
    """One run on the bundled series, for every test that only looks at it."""
    return ran(tmp_path_factory.mktemp("demo"))


class TestBundled:
    def test_it_verifies(self, run: tuple[DemoReport, str]) -> None:
        """A demo that does not prove itself is an advertisement."""
        report, text = run
        assert report.exit_code == 0
        assert f"Verified: {report.proof.events} events, chain intact" in text
        assert report.proof.head_hash[:16] in text

    def test_it_shows_every_part_of_an_order_s_life(
        self, run: tuple[DemoReport, str]
    ) -> None:
        """Fills, cancels, a merge, a redemption and a failure on chain."""
        topics = log_of(run[0].data)
        for topic, least in {
            "fill.confirmed": 40,
            "fill.voided": 1,
            "order.cancelled": 10,
            "position.merged": 3,
            "position.redeemed": 3,
            "market.resolved": 5,
            "venue.observed": 10,
        }.items():
            assert topics.count(topic) >= least, topic

    def test_both_strategies_trade(self, run: tuple[DemoReport, str]) -> None:
        """One of them alone would show half."""
        assert "pair_arb" in run[1]
        assert "temporal_arb" in run[1]

    def test_the_venue_agrees(self, run: tuple[DemoReport, str]) -> None:
        """On paper a difference that stays is a defect of ours."""
        with ReadModels(read_models_path(run[0].data), PAPER_ACCOUNT) as models:
            seen = models.query("reconciliation")
            assert sum(row["order_diffs"] for row in seen) == 0
            assert models.query("open_drifts") == []

    def test_a_second_run_has_the_same_head(
        self, run: tuple[DemoReport, str], tmp_path: Path
    ) -> None:
        """Same series, same seed, same log."""
        again, _ = ran(tmp_path)
        assert again.proof.head_hash == run[0].proof.head_hash


class TestOwnRecordings:
    @pytest.mark.parametrize(
        "name",
        [
            "bare.jsonl",
            "connection.jsonl",
            "nested.csv",
            "numbered.jsonl",
            "own.jsonl",
            "tops.csv",
        ],
    )
    def test_it_runs_on_every_kind(self, tmp_path: Path, name: str) -> None:
        """Each wrapper that is known can be traded on."""
        report, _ = ran(tmp_path, recordings=(OWN / name,))
        assert report.proof.holds
        assert report.counts.frames > 0

    def test_what_it_trades_on_frames_is_in_the_log(self, tmp_path: Path) -> None:
        """Frames from a file must do what the same frames do in memory."""
        path = tmp_path / "tape.jsonl"
        write_frames(path, pair_tape().frames)
        report, _ = ran(tmp_path, recordings=(path,))
        assert report.exit_code == 0
        assert "position.merged" in log_of(report.data)

    def test_a_history_is_imported_and_then_traded_on(self, tmp_path: Path) -> None:
        """What the account held before is there when the strategies begin."""
        tape, history = tmp_path / "tape.jsonl", tmp_path / "activity.jsonl"
        write_frames(tape, pair_tape().frames)
        history.write_text(_BOUGHT_BEFORE)
        report, text = ran(tmp_path, recordings=(history, tape))
        assert report.exit_code == 0
        assert report.imports[0].recorded == 1
        assert "imported" in text
        assert "position.merged" in log_of(report.data)

    def test_a_price_series_without_markets_makes_its_own(self, tmp_path: Path) -> None:
        """`--ticks` alone is enough for a run."""
        path = tmp_path / "ticks.csv"
        rows = [f"{t.ts_ms},{t.price}" for t in walk(320)]
        path.write_text("\n".join(["ts_ms,price", *rows]))
        report, _ = ran(tmp_path, ticks=path)
        assert (report.counts.markets, report.counts.resolved) == (1, 1)

    def test_most_markets_bounds_the_run(self, tmp_path: Path) -> None:
        """A whole day takes minutes; a look takes seconds."""
        report, _ = ran(tmp_path, most_markets=1)
        assert report.counts.markets == 1

    def test_a_bad_line_is_named_and_the_rest_is_traded(self, tmp_path: Path) -> None:
        """One bad frame must not cost the others, nor pass unseen."""
        path = tmp_path / "tape.jsonl"
        write_frames(path, pair_tape().frames)
        path.write_text("this is no frame\n" + path.read_text())
        report, text = ran(tmp_path, recordings=(path,))
        assert report.exit_code == 1
        assert "tape.jsonl:1" in text
        assert report.proof.holds
        assert "position.merged" in log_of(report.data)

    def test_a_file_cut_off_is_traded_up_to_there(self, tmp_path: Path) -> None:
        """A recorder that was killed leaves half a file."""
        path = tmp_path / "tape.jsonl.gz"
        ticks = walk(320)
        frames = list(generate_frames(windows_of(ticks), ticks, rng=Random(1)))
        write_frames(path, frames)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        report, text = ran(tmp_path, recordings=(path,))
        assert report.exit_code == 1
        assert "cannot be read" in text
        assert report.counts.frames > 100
        assert report.proof.holds

    def test_a_file_without_any_frame_is_refused(self, tmp_path: Path) -> None:
        """Nothing to run on is an error, not an empty success."""
        path = tmp_path / "nothing.jsonl"
        path.write_text("no\nno\n")
        with pytest.raises(RecordingError, match=r"nothing\.jsonl"):
            ran(tmp_path, recordings=(path,))

    def test_a_damaged_gzip_is_refused(self, tmp_path: Path) -> None:
        """And says which file."""
        path = tmp_path / "bad.jsonl.gz"
        path.write_bytes(gzip.compress(b"x")[:12])
        with pytest.raises(RecordingError, match=r"bad\.jsonl\.gz"):
            ran(tmp_path, recordings=(path,))


@needs_references
class TestRealRecordings:
    @pytest.mark.parametrize(
        "folder",
        [
            "live_bot_order_outcomes_2026-06-30",
            "market_ws_book_version_v2_2026-10-05",
            "market_ws_frames_both_tokens_2026-09-24",
            "top_of_book_both_tokens_btc_5m_2026-05-18",
            "up_down_nested_windows_best_asks_2026-07-02",
            "wallet_activity_trade_merge_redeem_2026-09-19",
        ],
    )
    def test_it_runs_and_verifies(self, tmp_path: Path, folder: str) -> None:
        """Recorded by others, from the live venue: nothing in it fits by design."""
        report, text = ran(tmp_path, recordings=(RECORDINGS / folder,))
        assert report.proof.problems == ()
        assert report.exit_code == 0
        assert "Verified" in text

    def test_polled_tops_are_no_opportunity(self, tmp_path: Path) -> None:
        """Its rows show pairs below 1, which are two reads at different moments."""
        folder = RECORDINGS / "top_of_book_both_tokens_btc_5m_2026-05-18"
        report, _ = ran(tmp_path, recordings=(folder,))
        assert report.counts.frames > 30
        assert "order.requested" not in log_of(report.data)

    def test_real_prices_drive_real_markets(self, tmp_path: Path) -> None:
        """Published markets and the feed that settled them, the first hour or so."""
        folder = RECORDINGS / "btc_5m_markets_and_settlement_prices_2026-07-24"
        report, _ = ran(tmp_path, recordings=(folder,), most_markets=4)
        assert report.exit_code == 0
        assert report.counts.resolved == 4

    def test_all_of_them_fit_into_one_ledger(self, tmp_path: Path) -> None:
        """Seven folders, told apart by what is in them."""
        report, _ = ran(tmp_path, recordings=(RECORDINGS,), most_markets=2)
        assert report.exit_code == 0
        assert (len(report.imports), len(report.outcomes)) == (1, 1)
        assert report.counts.resolved == 2

    @pytest.mark.slow
    def test_the_whole_day(self, tmp_path: Path) -> None:
        """292 markets, of which those within the prices are traded."""
        folder = RECORDINGS / "btc_5m_markets_and_settlement_prices_2026-07-24"
        report, _ = ran(tmp_path, recordings=(folder,))
        assert report.exit_code == 0
        assert report.counts.resolved > 280


class TestFolder:
    def test_a_ledger_that_no_demo_made_stays(self, tmp_path: Path) -> None:
        """It may be somebody's money."""
        report, _ = ran(tmp_path, recordings=(OWN / "own.jsonl",))
        (report.data / MARKER).unlink()
        before = ledger_path(report.data).read_bytes()
        with pytest.raises(InvalidInputError, match="no demo made"):
            ran(tmp_path, fresh=True)
        assert ledger_path(report.data).read_bytes() == before

    def test_a_named_folder_is_replaced_only_when_asked(self, tmp_path: Path) -> None:
        """A run may be worth keeping."""
        ran(tmp_path, recordings=(OWN / "own.jsonl",))
        with pytest.raises(InvalidInputError, match="--fresh"):
            ran(tmp_path, recordings=(OWN / "own.jsonl",))
        report, _ = ran(tmp_path, recordings=(OWN / "own.jsonl",), fresh=True)
        assert report.proof.holds

    def test_the_default_folder_is_replaced_each_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`make demo` works twice."""
        monkeypatch.chdir(tmp_path)
        for _ in range(2):
            report, _ = ran(tmp_path, recordings=(OWN / "own.jsonl",), data=None)
            assert report.data == Path("data/demo")

    def test_a_folder_in_use_is_left_alone(self, tmp_path: Path) -> None:
        """Deleting a ledger under its writer would lose what it writes."""
        report, _ = ran(tmp_path, recordings=(OWN / "own.jsonl",))
        path = ledger_path(report.data)
        with LedgerStore.open(path, clock_us=unix_us), pytest.raises(LockHeldError):
            ran(tmp_path, recordings=(OWN / "own.jsonl",), fresh=True)
        assert path.exists()


class TestOptions:
    @pytest.mark.parametrize("speed", ["0", "-1", "fast", "1e3", ""])
    def test_a_speed_must_be_a_number(self, tmp_path: Path, speed: str) -> None:
        """Nobody waits for ever because of a typing error."""
        with pytest.raises(InvalidInputError, match="speed"):
            ran(tmp_path, speed=speed)

    def test_a_speed_slows_the_run_down_but_changes_nothing(
        self, tmp_path: Path
    ) -> None:
        """The log must not depend on how fast it was made."""
        path = tmp_path / "tape.jsonl"
        write_frames(path, pair_tape().frames)
        quick, _ = ran(tmp_path / "quick", recordings=(path,))
        slow, _ = ran(tmp_path / "slow", recordings=(path,), speed="100.5")
        assert slow.proof.head_hash == quick.proof.head_hash

    def test_markets_need_prices(self, tmp_path: Path) -> None:
        """Nobody knows how they would have traded."""
        with pytest.raises(InvalidInputError, match="ticks"):
            ran(tmp_path, markets=OWN / "markets.jsonl")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        """And nothing is created for it."""
        with pytest.raises(InvalidInputError, match="nowhere"):
            ran(tmp_path, recordings=(tmp_path / "nowhere",))
        assert not (tmp_path / "ledger").exists()


class TestProof:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        path = tmp_path / "tape.jsonl"
        write_frames(path, pair_tape().frames)
        return ran(tmp_path, recordings=(path,))[0].data

    def test_a_changed_event_is_found(self, data: Path) -> None:
        """The chain is what makes the log evidence."""
        with sqlite3.connect(ledger_path(data)) as db:
            names = db.execute("SELECT name FROM sqlite_master WHERE type='trigger'")
            for (name,) in names.fetchall():
                db.execute(f"DROP TRIGGER {name}")
            db.execute(
                "UPDATE events SET state = CAST(replace(CAST(state AS TEXT),"
                " '0.47', '0.46') AS BLOB) WHERE topic = 'order.requested.v1'"
            )
        db.close()
        problems = prove(data, clock_us=unix_us).problems
        assert any("was changed" in problem for problem in problems)

    def test_a_changed_row_is_found(self, data: Path) -> None:
        """What was kept must equal what the log says, to the last byte."""
        with sqlite3.connect(read_models_path(data)) as db:
            db.execute("UPDATE account SET cash = '1001'")
        db.close()
        proof = prove(data, clock_us=unix_us)
        assert any("differs" in problem for problem in proof.problems)

    def test_it_leaves_nothing_behind(self, data: Path) -> None:
        """The rebuilt models lie beside the kept ones only for the comparison."""
        prove(data, clock_us=unix_us)
        assert not list(data.glob("*proof*"))
