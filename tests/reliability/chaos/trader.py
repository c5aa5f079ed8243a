"""A process that trades: four strategies on a ledger that somebody kills.

It places the intents of its plan, each of which is the same in every life, writes
down each answer, and goes on until it is killed.
Told that it is the last, it then cancels what rests, waits until nothing is open, and
ends with 0.
"""

import asyncio
import os
import sys
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from config import Settings, load_settings
from executors.exchange.engine import ExchangeMarket
from executors.exchange.parent import gone
from executors.exchange.setup import make_markets
from ledger.errors import LedgerError, StoreFailedError
from ledger.intent import OrderIntent
from ledger.manager.results import OrderResult
from ledger.values import Outcome, Side, TimeInForce
from service.bootstrap import OpenLedger, open_ledger
from service.runtime import Intervals, Runtime
from tests.reliability.chaos.audit import Told
from tests.reliability.chaos.world import STRATEGIES, deep_book, market_of, told

SERVING: Final = "serving"
ANSWERS: Final = "answers.jsonl"
MARKETS: Final = 2
_AGAIN_SEC: Final = 0.2
_TWICE: Final = 0.1
_HEALING_SEC: Final = 90


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told; `pause_sec` is between two intents of a strategy."""

    data: str
    exchange: str
    seed: int
    intents: int
    life: int
    pause_sec: float
    is_last: bool = False
    parent_pid: int = 0


def settings(exchange: Path) -> Settings:
    """Little patience: everything is near, and fails often."""
    return load_settings(
        exchange=exchange,
        env={},
        overrides=[
            "log.level=error",
            "execution.order_timeout_ms=8000",
            "execution.cancel_timeout_ms=3000",
            "execution.reconcile_interval_sec=5",
            "execution.max_slippage_bps=10000",
            "execution.warn_slippage_bps=10000",
            "polymarket.sweep_interval_sec=3",
            "polymarket.absence_sec=6",
            "risk.account.max_consecutive_rejects=null",
            "risk.account.max_consecutive_failures=null",
        ],
    )


def intent_of(plan: Plan, number: int) -> OrderIntent:
    """One of the plan's intents: the same whoever asks, and when."""
    rng = Random(f"{plan.seed}/{number}")
    market = rng.choice(make_markets(plan.seed, MARKETS))
    ticks = rng.randint(300, 700) * Decimal("0.001") / market.tick_size
    return OrderIntent(
        strategy=STRATEGIES[number % len(STRATEGIES)],
        idempotency_key=f"k{number}",
        market_id=market.condition_id,
        outcome=rng.choice(list(Outcome)),
        side=Side.SELL if rng.random() < 0.15 else Side.BUY,
        size=Decimal(rng.randint(500, 2000)) / 100,
        price=ticks.to_integral_value() * market.tick_size,
        time_in_force=rng.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.FAK]),
    )


class Trader:
    """One life of the process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rng = Random(f"{plan.seed}/{plan.life}")
        self._path = Path(plan.data) / ANSWERS
        self._answered = {one.key for one in read_answers(self._path)}

    async def run(self) -> bool:
        """Trade; whether nothing is left open."""
        runtime = await self._started()
        sys.stdout.write(SERVING + "\n")
        sys.stdout.flush()
        numbers = range(self._plan.intents)
        share = len(STRATEGIES)
        await asyncio.gather(
            *(self._strategy(runtime, numbers[n::share]) for n in range(share))
        )
        if not self._plan.is_last:
            await asyncio.get_running_loop().create_future()  # until it is killed
        is_done = await self._healed(runtime)
        await runtime.stop()
        return is_done

    async def _started(self) -> Runtime:
        """Start, however often it takes."""
        while True:
            try:
                opened = await open_ledger(
                    settings(Path(self._plan.exchange)), Path(self._plan.data)
                )
                break
            except LedgerError as error:
                sys.stderr.write(f"{error}\n")
                await asyncio.sleep(_AGAIN_SEC)
        for market in make_markets(self._plan.seed, MARKETS):
            await self._list(opened, market)
        runtime = Runtime(opened, intervals=Intervals(checks=0.2, reconcile=5))
        await runtime.start()
        return runtime

    @staticmethod
    async def _list(opened: OpenLedger, market: ExchangeMarket) -> None:
        await opened.manager.account.list_market(market_of(market))
        for token in market.tokens:
            opened.books.apply(deep_book(market, token))

    async def _strategy(self, runtime: Runtime, numbers: range) -> None:
        placing = []
        for number in numbers:
            intent = intent_of(self._plan, number)
            is_known = intent.idempotency_key in self._answered
            if is_known and self._rng.random() >= _TWICE:
                continue
            placing.append(asyncio.create_task(self._place(runtime, intent)))
            await asyncio.sleep(self._rng.random() * 2 * self._plan.pause_sec)
        await asyncio.gather(*placing)

    async def _place(self, runtime: Runtime, intent: OrderIntent) -> None:
        result = await self._answer(runtime, intent)
        line = msgspec.json.encode(told(intent, result)) + b"\n"
        # One write, which a kill does not tear.
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(file, line)
        os.close(file)
        if self._rng.random() < 0.2 and result.order is not None:
            await asyncio.sleep(self._rng.random())
            await runtime.opened.manager.cancel(result.order.order_id)

    async def _answer(self, runtime: Runtime, intent: OrderIntent) -> OrderResult:
        while True:
            if not runtime.refusal():
                result = await runtime.opened.manager.place(intent)
                if result.error is None or result.error.code != "not_ready":
                    return result
            await asyncio.sleep(_AGAIN_SEC)

    async def _healed(self, runtime: Runtime) -> bool:
        """Wait for every answer and settlement, cancelling what rests."""
        opened = runtime.opened
        until = opened.clock.monotonic() + _HEALING_SEC
        while opened.journal.state.orders and opened.clock.monotonic() < until:
            await opened.manager.cancel_all()
            await asyncio.sleep(1)
        await opened.compare()
        return not opened.journal.state.orders


def read_answers(path: Path) -> list[Told]:
    """Every answer that was written down."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Told) for line in lines]


async def _trade(plan: Plan) -> bool:
    trader = asyncio.create_task(Trader(plan).run())
    orphaned = asyncio.create_task(gone(plan.parent_pid))
    await asyncio.wait({trader, orphaned}, return_when=asyncio.FIRST_COMPLETED)
    if not trader.done():
        os._exit(3)  # nobody waits any more
    return trader.result()


def main() -> int:
    """Run the process; its only argument is the plan."""
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    try:
        return 0 if asyncio.run(_trade(plan)) else 1
    except StoreFailedError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
