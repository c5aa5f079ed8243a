"""The process that the live demo kills: both strategies on one ledger.

It is told everything in one JSON object and trades until SIGTERM; then it cancels
what works, hears everything out, and ends with 0 if nothing was left open.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from config import Settings, load_settings
from examples.pair_arbitrage import PairArbitrage, PairConfig
from examples.strategy import PriceTick
from examples.temporal_arbitrage import TemporalArbitrage, Window
from executors.exchange.parent import gone
from ledger.errors import LedgerError
from service.live_session import LiveSession, live_session
from service.logs import configure
from service.places import unix_us
from service.runtime import Intervals

SETTLE_SEC: Final = 25.0
"""How long it waits for answers and settlements at its end."""

_PRICE: Final = Decimal(100_000)
_STEP: Final = 12
_EVERY_SEC: Final = 0.5
_WINDOW_MS: Final = 45_000
_OPENS_EVERY_MS: Final = 4_000
_CONFIG: Final = PairConfig(
    size=Decimal(10), margin=Decimal("0.02"), min_price=Decimal("0.15"), requote_ticks=1
)


class TraderPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told: folders, markets, when the demo began (Unix ms)."""

    data: str
    exchange: str
    markets: tuple[str, ...]
    seed: int
    start_ms: int
    parent_pid: int


def trader_settings(exchange: Path) -> Settings:
    """Settings for an exchange that fails often and settles fast."""
    return load_settings(
        exchange=exchange,
        env={},
        overrides=[
            "log.level=error",
            "execution.order_timeout_ms=15000",
            "execution.cancel_timeout_ms=3000",
            "execution.reconcile_interval_sec=5",
            "polymarket.sweep_interval_sec=3",
            # Everything is visible within seconds here.
            "polymarket.absence_sec=5",
            # An exchange that fails on purpose is no reason to stop.
            "risk.account.max_consecutive_rejects=100000",
            "risk.account.max_consecutive_failures=100000",
        ],
    )


def windows_of(plan: TraderPlan) -> dict[str, Window]:
    """One window for each market, opening one after the other."""
    rng = Random(f"{plan.seed}/windows")  # noqa: S311 -- repeatable on purpose
    found = {}
    for number, market_id in enumerate(plan.markets):
        start_ms = plan.start_ms + number * _OPENS_EVERY_MS
        found[market_id] = Window(
            strike=_PRICE + rng.choice((-1, 1)) * rng.randint(60, 160),
            start_ms=start_ms,
            end_ms=start_ms + _WINDOW_MS,
        )
    return found


async def prices(seed: int) -> AsyncIterator[PriceTick]:
    """Make up the price that the windows are about."""
    rng = Random(f"{seed}/prices")  # noqa: S311 -- as above
    price = _PRICE
    while True:
        price += rng.randint(-_STEP, _STEP)
        yield PriceTick(unix_us() // 1_000, price)
        await asyncio.sleep(_EVERY_SEC)


async def trade(plan: TraderPlan) -> bool:
    """Trade until SIGTERM, or until the demo has gone; whether nothing is open."""
    async with live_session(
        trader_settings(Path(plan.exchange)),
        Path(plan.data),
        strategies=(
            PairArbitrage(config=_CONFIG),
            TemporalArbitrage(windows_of(plan)),
        ),
        market_ids=plan.markets,
        ticks=lambda: prices(plan.seed),
        intervals=Intervals(checks=0.3, reconcile=5),
    ) as session:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, session.stop)
        watcher = asyncio.create_task(_stop_alone(plan.parent_pid, session))
        try:
            await session.run()
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
        for name, reason in session.broken.items():
            sys.stderr.write(f"strategy {name} broke: {reason}\n")
        return await session.settle(SETTLE_SEC) and not session.broken


async def _stop_alone(parent_pid: int, session: LiveSession) -> None:
    await gone(parent_pid)
    session.stop()


def main() -> int:
    """Run the process; its only argument is the plan."""
    configure("error", "console")
    plan = msgspec.json.decode(sys.argv[1], type=TraderPlan)
    try:
        return 0 if asyncio.run(trade(plan)) else 1
    except LedgerError as error:
        sys.stderr.write(f"{error}\n")
        return 5


if __name__ == "__main__":
    sys.exit(main())
