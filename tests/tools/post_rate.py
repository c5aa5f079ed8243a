"""How many orders a second one process places at the local exchange, signed for real.

Run from the root of the repository, best on an idle machine:

    python -m tests.tools.post_rate [ORDERS]

Every order goes the whole way: intent, checks, signature, a durable commit, a post
over HTTP to another process, and the commit of its answer.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Final

from config import load_settings
from executors.market_data.rest import PublicRest
from ledger.intent import OrderIntent
from ledger.values import Outcome, Side
from service.bootstrap import OpenLedger, open_ledger

CALLERS: Final = (1, 8, 64)
START_SEC: Final = 30
UNBOUND: Final = (
    "log.level=error",
    "polymarket.orders_per_sec=100000",
    "polymarket.order_burst=100000",
    "risk.account.max_open_orders=null",
    "risk.account.max_gross_exposure=null",
    "risk.account.max_orders_per_second=null",
)


def exchange_of(folder: Path) -> subprocess.Popen[bytes]:
    """An exchange that listens, without limits and without other traders."""
    ready = folder / "ready.json"
    words = "exchange --port 0 --rate-limits off --flow empty --cash 10000000"
    command = [sys.executable, "-m", "service", *words.split()]
    more = ["--ready-file", str(ready), "--parent-pid", str(os.getpid())]
    process = subprocess.Popen([*command, *more])
    until = time.monotonic() + START_SEC
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > until:
            sys.exit("the exchange did not start")
        time.sleep(0.05)
    return process


async def place(ledger: OpenLedger, market: str, callers: int, orders: int) -> None:
    """Place so many orders with so many callers, and say what it took."""
    numbers = iter(range(orders))

    async def caller() -> None:
        for number in numbers:
            intent = OrderIntent(
                strategy="rate",
                idempotency_key=f"{callers}-{number}",
                market_id=market,
                outcome=Outcome.YES,
                side=Side.BUY,
                size=Decimal(5),
                price=Decimal("0.01"),
                post_only=True,
            )
            answer = await ledger.manager.place(intent)
            assert answer.success, answer.error

    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds, now = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    result = {
        "callers": callers,
        "orders": orders,
        "orders_per_s": round(orders / seconds),
        "cpu_us_per_order": round(cpu / orders * 1e6),
    }
    sys.stdout.write(json.dumps(result) + "\n")


async def measure(folder: Path, orders: int) -> None:
    """One ledger, one exchange, one caller first, then more."""
    ready = folder / "ready.json"
    settings = load_settings(exchange=ready, env={}, overrides=UNBOUND)
    ledger = await open_ledger(settings, folder / "data")
    try:
        await ledger.compare()
        terms = json.loads(ready.read_text())
        market = terms["markets"][0]["condition_id"]
        async with PublicRest(terms["rest_url"]) as rest:
            await ledger.manager.account.list_market(await rest.market(market))
        for callers in CALLERS:
            await place(ledger, market, callers, orders)
    finally:
        await ledger.close()


def main() -> None:
    """Start an exchange, measure, end it."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "data").mkdir()
        process = exchange_of(Path(name))
        try:
            asyncio.run(measure(Path(name), orders))
        finally:
            process.terminate()
            process.wait(timeout=10)


if __name__ == "__main__":
    main()
