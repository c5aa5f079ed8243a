"""The live demo: two strategies, a faulty exchange, and a ledger killed in between.

The exchange and the ledger are processes of their own and talk over sockets, as
they would with the real venue.
At the end the books of both are compared, and the log is verified.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from service.demo_folder import prepared
from service.demo_live_books import Admin, Comparison, compare, read_books, unknown
from service.demo_live_process import LOG_NAME, Trader, exchange, wait_while_up
from service.demo_live_tables import write_live_report
from service.demo_live_trader import TraderPlan
from service.demo_proof import Proof, prove
from service.places import unix_us

DEFAULT_DATA: Final = Path("data/live-sim")

MARKETS: Final = 6
TRADE_SEC: Final = 8.0
DOWN_SEC: Final = 2.0
_OPEN_SEC: Final = 5.0
_START_SEC: Final = 25.0
_USUAL_START_SEC: Final = 4.0
_LOOK_SEC: Final = 0.1

FAULTS: Final[list[dict[str, Any]]] = [
    {"kind": "request_lost", "on": "POST /order*", "probability": 0.06},
    {"kind": "answer_lost", "on": "POST /order*", "probability": 0.08},
    {"kind": "error_after_accept", "on": "POST /order*", "probability": 0.06},
    {"kind": "unreadable", "on": "POST /order*", "probability": 0.05},
    {"kind": "rate_limited", "on": "POST /order*", "probability": 0.05},
    {"kind": "slow", "on": "POST /order*", "probability": 0.06, "seconds": 1},
    {"kind": "refused", "on": "POST /order*", "probability": 0.05, "status": 503},
    {"kind": "visible_after", "on": "POST /order*", "probability": 0.1, "seconds": 2},
    {"kind": "duplicate_accepted", "on": "POST /order*", "probability": 0.5},
    {
        "kind": "restart",
        "on": "POST /order*",
        "nth": [25, 60],
        "seconds": 0.5,
        "post_only_seconds": 0.5,
    },
    {"kind": "request_lost", "on": "DELETE /order", "probability": 0.06},
    {"kind": "answer_lost", "on": "DELETE /order", "probability": 0.06},
    {"kind": "wipe", "on": "DELETE /order", "probability": 0.05, "count": 2},
    {"kind": "request_lost", "on": "GET /data/*", "probability": 0.05},
    {"kind": "unreadable", "on": "GET /data/*", "probability": 0.05},
    {"kind": "stale_positions", "on": "GET /v2/positions", "probability": 0.2},
    {"kind": "drop", "on": "user", "probability": 0.1},
    {"kind": "repeat", "on": "user", "probability": 0.1},
    {"kind": "reorder", "on": "user", "probability": 0.1},
    {"kind": "batch", "on": "user", "probability": 0.1},
    {"kind": "silence", "on": "user", "probability": 0.02, "seconds": 2},
    {"kind": "disconnect", "on": "user", "probability": 0.03},
    {"kind": "drop", "on": "market", "probability": 0.01},
    {"kind": "repeat", "on": "market", "probability": 0.05},
    {"kind": "disconnect", "on": "market", "probability": 0.002},
]
"""Everything that goes wrong, and how often."""

_LEFT_BEHIND: Final = ("user_*", "quarantine*", LOG_NAME)
"""What an earlier run wrote beside its ledger."""

Say = Callable[[str], None]


class LiveDemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where its files go, and the seed of markets, prices, faults and trading.

    The strategies trade for `trade_sec` before the kill, and again after it.
    """

    data: Path | None = None
    seed: int = 1
    fresh: bool = False
    trade_sec: float = TRADE_SEC


class LiveDemoReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did and found.

    `is_healed` says that nothing was left open when the faults had ended;
    `starts` and `kills` are those of the ledger's process.
    """

    data: Path
    seconds: float
    starts: int
    kills: int
    unknown_at_kill: int
    unknown: int
    is_healed: bool
    comparison: Comparison
    proof: Proof

    @property
    def exit_code(self) -> int:
        """0 if ledger and exchange agree and the log verifies, else 4."""
        agrees = self.is_healed and not self.comparison.problems
        return 0 if agrees and self.proof.holds else 4


def run_live_demo(
    options: LiveDemoOptions,
    say: Say = lambda _: None,
    *,
    stdout: TextIO | None = None,
) -> LiveDemoReport:
    """Run the demo and print what became of everything.

    Args:
        options: What to run on.
        say: Told what happens while it runs.
        stdout: Where the tables go; standard output if absent.

    Raises:
        InvalidInputError: the folder is not ours to use.
        VenueError: the exchange does not start.
        LockHeldError, StoreError: the ledger cannot be used.
    """
    began = time.monotonic()
    data = prepared(
        options.data or DEFAULT_DATA, fresh=options.fresh or options.data is None
    )
    for pattern in _LEFT_BEHIND:
        for path in data.glob(pattern):
            path.unlink()
    with exchange(data, *_exchange_arguments(options.seed)) as ready:
        say(f"an exchange listens on {ready['rest_url']}, wallet with no shares")
        run = _Run(data, ready, options.seed, say)
        try:
            run.trade(options.trade_sec)
            run.crash()
            run.trade(options.trade_sec)
            is_healed = run.heal()
        finally:
            run.trader.end()
        there = run.admin.ask("GET", "/state")
    account = ready["wallets"][0]["address"]
    say("comparing the books, verifying the log")
    books = read_books(data, account)
    report = LiveDemoReport(
        data=data,
        starts=run.trader.starts,
        kills=run.trader.kills,
        unknown_at_kill=run.unknown_at_kill,
        unknown=unknown(books),
        is_healed=is_healed,
        comparison=compare(there, ready, books),
        proof=prove(data, clock_us=unix_us, account=account),
        seconds=time.monotonic() - began,
    )
    write_live_report(report, stdout or sys.stdout)
    return report


def _exchange_arguments(seed: int) -> list[str]:
    return [
        *("--seed", str(seed), "--flow", "makers", "--markets", str(MARKETS)),
        *("--wallets", "1", "--shares", "0", "--cash", "10000"),
        *("--mined-ms", "500", "--confirmed-ms", "800"),
        *("--failure-rate", "0.05", "--retry-rate", "0.1"),
        *("--parent-pid", str(os.getpid())),
    ]


class _Run:
    """One run, step by step."""

    def __init__(self, data: Path, ready: dict[str, Any], seed: int, say: Say) -> None:
        self.admin = Admin(ready["admin_url"])
        self.trader = Trader(
            data,
            TraderPlan(
                data=str(data),
                exchange=str(data / "exchange.json"),
                markets=tuple(market["condition_id"] for market in ready["markets"]),
                seed=seed,
                start_ms=unix_us() // 1_000,
                parent_pid=os.getpid(),
            ),
        )
        self.unknown_at_kill = 0
        self._data = data
        self._account = ready["wallets"][0]["address"]
        self._say = say

    def trade(self, seconds: float) -> None:
        """Start the ledger, let faults strike once it is up, and trade on."""
        before, began = self._posts(), time.monotonic()
        self.trader.start()
        while self._posts() == before and time.monotonic() - began < _START_SEC:
            wait_while_up(self.trader, _LOOK_SEC)
        self.admin.ask("POST", "/faults", FAULTS)
        self._say("the strategies trade; faults strike")
        # Where a start is slow, less trading keeps the demo short.
        late = max(0.0, time.monotonic() - began - _USUAL_START_SEC)
        wait_while_up(self.trader, max(seconds / 2, seconds - late))

    def crash(self) -> None:
        """Kill the ledger while orders are open, and leave it dead for a while."""
        until = time.monotonic() + _OPEN_SEC
        while not self._open_orders() and time.monotonic() < until:
            wait_while_up(self.trader, _LOOK_SEC)
        self.trader.kill()
        self.unknown_at_kill = unknown(read_books(self._data, self._account))
        count = self._open_orders()
        self._say(f"kill -9 with {count} orders open; the market goes on without it")
        time.sleep(DOWN_SEC)
        self._say("the ledger starts again")

    def heal(self) -> bool:
        """End the faults, cancel what works, hear everything out."""
        self.admin.ask("DELETE", "/faults")
        self._say("faults end; open orders are cancelled, trades settle")
        self.trader.start()
        return self.trader.finish()

    def _posts(self) -> int:
        calls = self.admin.ask("GET", "/state")["calls"]
        return sum(n for route, n in calls.items() if route.startswith("POST /order"))

    def _open_orders(self) -> int:
        orders = self.admin.ask("GET", "/state")["orders"]
        return sum(row["status"] == "LIVE" for row in orders)
