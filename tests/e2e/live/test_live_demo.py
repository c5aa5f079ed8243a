"""The live demo: what it shows is so, and what is wrong it says."""

import io
import shutil
import sys
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ledger.intent import OrderIntent, UserFill
from ledger.values import Settlement
from ledger.venue import VenueFact
from service.bootstrap import open_ledger
from service.cli.app import app
from service.demo_live import FAULTS, LiveDemoOptions, LiveDemoReport, run_live_demo
from service.demo_live_books import Comparison, compare, read_books
from service.demo_live_process import Trader
from service.demo_live_tables import write_live_report
from service.demo_live_trader import TraderPlan, windows_of
from service.demo_proof import Proof
from tests.integration.service.real_venue import FUNDER, RealVenue, live_settings
from tests.integration.service.test_bootstrap import MARKET
from tests.tools.simloop import LoopClock, simulate

PLAN = TraderPlan(
    data="d", exchange="e", markets=("0xa", "0xb"), seed=1, start_ms=0, parent_pid=1
)
READY = {
    "wallets": [{"address": FUNDER, "cash": "250.5"}],
    "markets": [
        {"condition_id": "0xm", "tokens": [{"token_id": "yes"}, {"token_id": "no"}]}
    ],
}


def placed(data: Path) -> str:
    """A ledger with one order that bought 20 at 0.40 and one cancelled; the ids."""

    async def main(clock: LoopClock) -> str:
        venue = RealVenue(clock)
        opened = await open_ledger(
            live_settings(),
            data,
            clock=clock,
            clock_us=lambda: int(clock.now().timestamp() * 1_000_000),
            threaded=False,
            executor_of=venue.of,
        )
        await opened.manager.account.list_market(MARKET)
        names = []
        for key in ("a", "b"):
            result = await opened.manager.place(
                OrderIntent.parse(
                    {
                        "strategy": "s",
                        "idempotency_key": key,
                        "market_id": "0xm",
                        "outcome": "YES",
                        "side": "BUY",
                        "size": "20",
                        "price": "0.40",
                        "post_only": True,
                    }
                )
            )
            assert result.order is not None
            names.append(result.order)
        fill = UserFill(
            trade_id="t1",
            order_id=names[0].venue_order_id,
            size=Decimal(20),
            price=Decimal("0.40"),
            status=Settlement.CONFIRMED,
        )
        await opened.manager.apply(
            VenueFact(venue_order_id=names[0].venue_order_id, fact=fill)
        )
        await opened.manager.cancel(names[1].order_id)
        await opened.close()
        return " ".join(order.venue_order_id for order in names)

    return simulate(1, main)


def exchange_of(names: str) -> dict[str, Any]:
    """The same as the exchange has it."""
    first, second = names.split()
    return {
        "orders": [
            {"id": first, "status": "MATCHED", "size_matched": "20"},
            {"id": second, "status": "CANCELED", "size_matched": "0"},
        ],
        "trades": [
            {
                "id": "t1",
                "status": "CONFIRMED",
                "taker_order_id": "somebody",
                "size": "20",
                "price": "0.40",
                "maker_orders": [
                    {"order_id": first, "matched_amount": "20", "price": "0.4"}
                ],
            }
        ],
        "balances": {FUNDER: {"cash": "242.5", "shares": {"yes": "20"}}},
        "faults": {"drop": 3},
    }


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A ledger, and an exchange that agrees with it."""
    data = tmp_path_factory.mktemp("live")
    return data, exchange_of(placed(data))


def compared(story: tuple[Path, dict[str, Any]], there: Any) -> Comparison:
    return compare(there, READY, read_books(story[0], FUNDER))


def test_equal_books_agree(story: tuple[Path, dict[str, Any]]) -> None:
    """A comparison that always finds something proves nothing when it does."""
    found = compared(story, story[1])
    assert found.problems == ()
    assert (found.lost, found.doubled) == (0, 0)
    assert all(row["agree"] for row in found.rows)
    assert {row["what"]: row["ledger"] for row in found.rows} == {
        "orders taken": 2,
        "orders open": 0,
        "orders matched in part or whole": 1,
        "fills": 1,
        "void fills": 0,
        "shares filled": "20",
        "fees, pUSD": "0",
        "cash, pUSD": "242.5",
        "positions, shares": "20",
    }


def _lose(there: Any) -> None:
    there["orders"].pop()


def _invent(there: Any) -> None:
    there["orders"].append({"id": "0xnew", "status": "CANCELED", "size_matched": "0"})


def _rest(there: Any) -> None:
    there["orders"][1]["status"] = "LIVE"


def _shrink(there: Any) -> None:
    there["trades"][0]["maker_orders"][0]["matched_amount"] = "19"


def _void(there: Any) -> None:
    there["trades"][0]["status"] = "FAILED"


def _charge(there: Any) -> None:
    there["balances"][FUNDER]["cash"] = "242.4"


def _keep(there: Any) -> None:
    there["balances"][FUNDER]["shares"] = {"no": "20"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_lose, "never was there"),
        (_invent, "0xnew is lost"),
        (_rest, "orders open: 1 at the exchange, 0 in the ledger"),
        (_shrink, "shares filled: 19 at the exchange, 20 in the ledger"),
        (_void, "void fills: 1 at the exchange, 0 in the ledger"),
        (_charge, "fees, pUSD: 0.1 at the exchange, 0 in the ledger"),
        (_keep, "positions, shares: 0 20 at the exchange, 20 0 in the ledger"),
    ],
)
def test_every_difference_is_found(
    story: tuple[Path, dict[str, Any]], change: Callable[[Any], None], said: str
) -> None:
    """Whatever is lost, doubled or wrong must not pass for agreement."""
    there = deepcopy(story[1])
    change(there)
    found = compared(story, there)
    assert any(said in problem for problem in found.problems), found.problems


def report(data: Path, comparison: Comparison, **fields: Any) -> LiveDemoReport:
    given = {
        "seconds": 1.0,
        "starts": 2,
        "kills": 1,
        "unknown_at_kill": 0,
        "unknown": 0,
        "is_healed": True,
        "proof": Proof(events=1, rows=1, head_hash="a" * 64, problems=()),
        **fields,
    }
    return LiveDemoReport(data=data, comparison=comparison, **given)


def test_disagreement_is_exit_code_four(story: tuple[Path, dict[str, Any]]) -> None:
    """A script that runs the demo sees no table."""
    good = report(story[0], compared(story, story[1]))
    assert good.exit_code == 0
    bad = deepcopy(story[1])
    _invent(bad)
    wrong = report(story[0], compared(story, bad))
    assert wrong.exit_code == 4
    assert report(story[0], good.comparison, is_healed=False).exit_code == 4
    broken = Proof(events=1, rows=1, head_hash="a", problems=("the chain is broken",))
    assert report(story[0], good.comparison, proof=broken).exit_code == 4
    out = io.StringIO()
    write_live_report(wrong, out)
    assert "NOT VERIFIED" in out.getvalue()
    assert "0xnew is lost" in out.getvalue()


def test_windows_are_the_same_after_a_restart() -> None:
    """A strategy that forgot what was asked would answer another question."""
    assert windows_of(PLAN) == windows_of(PLAN)
    assert set(windows_of(PLAN)) == {"0xa", "0xb"}


def test_a_ledger_that_does_not_stay_up_is_not_started_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A demo that hangs tells nobody what is wrong."""
    from ledger.errors import StoreError

    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    trader = Trader(tmp_path, PLAN)
    for _ in range(6):
        trader.start()
        assert trader._process is not None
        trader._process.wait(60)
    with pytest.raises(StoreError, match=r"does not stay up; see .*processes\.log"):
        trader.start()


def test_live_sim_takes_no_recording() -> None:
    """Two sources of a market at once are a misunderstanding."""
    done = CliRunner().invoke(app, ["demo", "--live-sim", "--recording", "x"])
    assert done.exit_code == 2
    assert "makes its own market" in done.output


@pytest.mark.slow
def test_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """The promise of the whole project, over real sockets with a real kill -9."""
    out = io.StringIO()
    said: list[str] = []
    options = LiveDemoOptions(data=tmp_path / "demo", seed=11, trade_sec=5)
    found = run_live_demo(options, said.append, stdout=out)
    text = out.getvalue()
    assert found.exit_code == 0, text
    assert found.kills == 1
    assert found.starts >= 2
    assert found.comparison.rows[0]["ledger"] >= 8
    assert any("kill -9" in line for line in said)
    assert "Verified: 0 orders lost, 0 doubled" in text
    assert sum(found.comparison.faults.values()) >= 20
    assert set(found.comparison.faults) <= {rule["kind"] for rule in FAULTS}
