"""An exchange inside the test's loop, with virtual time and traders."""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Self

import httpx2

from executors.exchange.api import ExchangeApp
from executors.exchange.engine import ExchangeConfig
from executors.exchange.faults import FaultRule
from executors.exchange.inloop import IN_LOOP_URL, ExchangeTransport, connector
from executors.exchange.setup import Wallet, make_markets, make_wallets
from executors.exchange.venue import AppConfig
from ledger.values import decimal_from
from tests.tools.simloop import LoopClock, simulate
from tests.unit.exchange_api.trader import Trader


class World:
    """One exchange, its wallets, and the way to it."""

    def __init__(
        self,
        clock: LoopClock,
        *,
        app: AppConfig | None = None,
        engine: ExchangeConfig | None = None,
        faults: tuple[FaultRule, ...] = (),
        taker_delay_ms: int = 0,
    ) -> None:
        config = app or AppConfig()
        self.clock = clock
        self.app = ExchangeApp(
            clock,
            config=config,
            engine=engine,
            markets=make_markets(1, 3, taker_delay_ms=taker_delay_ms),
            faults=faults,
        )
        self.wallets: list[Wallet] = make_wallets(
            self.app.exchange,
            1,
            2,
            cash=decimal_from("1000"),
            shares=decimal_from("100"),
        )
        self.connect = connector(self.app, sleep=clock.sleep)
        self._stack = AsyncExitStack()
        self.http: httpx2.AsyncClient

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.app.running())
        self.http = await self._stack.enter_async_context(
            httpx2.AsyncClient(
                base_url=IN_LOOP_URL,
                transport=ExchangeTransport(self.app, sleep=self.clock.sleep),
                timeout=5,
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def now(self) -> float:
        """Virtual Unix seconds."""
        return self.clock.now().timestamp()

    async def trader(self, number: int = 0) -> Trader:
        """A trader with one of the wallets, logged in."""
        trader = Trader(self.http, self.wallets[number].private_key, self.now)
        await trader.login()
        return trader

    def token(self, market: int = 0, outcome: int = 0) -> str:
        """A token."""
        return self.app.exchange.markets()[market].tokens[outcome]


def in_world(
    play: Callable[[World], Coroutine[Any, Any, Any]], seed: int = 1, **how: Any
) -> Any:
    """Play something in a world of its own, in virtual time."""

    async def main(clock: LoopClock) -> Any:
        async with World(clock, **how) as world:
            return await play(world)

    return simulate(seed, main)
