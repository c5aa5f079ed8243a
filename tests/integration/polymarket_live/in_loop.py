"""The live executor on the local exchange, both in one event loop of virtual time."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import msgspec

from executors.exchange.api import ExchangeApp
from executors.exchange.engine import ExchangeConfig, ExchangeMarket
from executors.exchange.faults import FaultRule
from executors.exchange.inloop import (
    IN_LOOP_URL,
    IN_LOOP_USER_WS,
    ExchangeTransport,
    connector,
)
from executors.exchange.venue import AppConfig
from executors.polymarket import GateSettings, LiveSettings, WalletKind
from executors.polymarket.clients.common import draft_v1, signed
from executors.polymarket.executor import RealExecutor
from executors.polymarket.gateway import AnyOrder, OrderTerms
from executors.protocol import Credentials, SigningKey, WireOrderV1
from executors.protocol.auth import l1_headers
from ledger.clock import Clock
from ledger.market import Market
from ledger.values import Outcome, Side, TimeInForce
from ledger.venue import PlacementRequest, VenueFact
from tests.tools.simloop import LoopClock
from tests.unit.polymarket_live.scripted import Wallet

YES, NO = str((1 << 255) + 11), str((1 << 255) + 22)
CONDITION = "0x" + "a" * 64
MARKET = Market(
    market_id=CONDITION, yes_token=YES, no_token=NO, fee_rate=Decimal("0.05")
)
UNIT = 1_000_000


class InLoopWallet(Wallet):
    """Asks for its credentials inside the loop."""

    def __init__(self, key: SigningKey, transport: Any, clock: Clock) -> None:
        super().__init__(key)
        self._transport, self._clock = transport, clock

    async def credentials(self) -> Credentials:
        headers = l1_headers(self._key, int(self._clock.now().timestamp()))
        async with httpx2.AsyncClient(
            transport=self._transport, base_url=IN_LOOP_URL
        ) as http:
            answer = await http.post("/auth/api-key", headers=headers)
            if answer.status_code == 400:
                answer = await http.get("/auth/derive-api-key", headers=headers)
        return msgspec.json.decode(answer.content, type=Credentials)


class InLoopWalletV1(InLoopWallet):
    """Signs orders of protocol 1."""

    def draft(self, terms: OrderTerms) -> WireOrderV1:  # type: ignore[override]
        return draft_v1(terms, self._wallet)

    def sign(self, order: AnyOrder, neg_risk: bool) -> WireOrderV1:  # type: ignore[override]
        return signed(
            order, neg_risk, kind=WireOrderV1, key=self._key, wallet=self._wallet
        )


class Account:
    """One executor at the exchange, and what it was told."""

    def __init__(self, executor: RealExecutor, key: SigningKey) -> None:
        self.executor = executor
        self.key = key
        self.facts: list[VenueFact] = []

    async def listen(self) -> None:
        """Collect facts until cancelled."""
        async for fact in self.executor.facts():
            self.facts.append(fact)

    async def order(self, **changes: Any) -> Any:
        """Prepare and post one order."""
        return await self.executor.place_order(wanted(**changes))


def wanted(**changes: Any) -> PlacementRequest:
    """A plain order, changed."""
    fields: dict[str, Any] = {
        "order_id": "order",
        "market": MARKET,
        "outcome": Outcome.YES,
        "side": Side.BUY,
        "size": Decimal(10),
        "price": Decimal("0.50"),
        "time_in_force": TimeInForce.GTC,
        "post_only": False,
        "expires_at": None,
    }
    return PlacementRequest(**fields | changes)


class Scene:
    """An exchange and the accounts at it."""

    def __init__(
        self,
        clock: LoopClock,
        faults: Iterable[FaultRule] = (),
        *,
        protocol: str = "v2",
        **engine: Any,
    ) -> None:
        self.clock = clock
        self._wallet = InLoopWalletV1 if protocol == "v1" else InLoopWallet
        market = ExchangeMarket(
            condition_id=CONDITION, tokens=(YES, NO), fee_rate=Decimal("0.05")
        )
        self.app = ExchangeApp(
            clock,
            config=AppConfig(auto_fund=1_000 * UNIT, protocol=protocol),
            engine=ExchangeConfig(**engine),
            markets=[market],
            faults=faults,
        )
        self._tasks: list[asyncio.Task[Any]] = []
        self.accounts: list[Account] = []

    async def account(
        self, number: int, *, data: Path | None = None, **settings: Any
    ) -> Account:
        """Start an executor of its own key."""
        key = SigningKey("0x" + str(number) * 64)
        transport = ExchangeTransport(self.app, sleep=self.clock.sleep)
        executor = RealExecutor(
            LiveSettings(
                wallet_kind=WalletKind.EOA,
                rest_url=IN_LOOP_URL,
                data_url=IN_LOOP_URL,
                ws_user_url=IN_LOOP_USER_WS,
                threaded=False,
                gate=GateSettings(orders_per_sec=1000, order_burst=1000),
                **settings,
            ),
            self._wallet(key, transport, self.clock),
            clock=self.clock,
            rng=Random(number),
            data=data,
            transport=transport,
            connect=connector(self.app, sleep=self.clock.sleep),
        )
        await executor.start()
        account = Account(executor, key)
        self._tasks.append(asyncio.create_task(account.listen()))
        self.accounts.append(account)
        await self.clock.sleep(0.1)
        return account

    def give_shares(self, account: Account, shares: int) -> None:
        """Put settled shares of YES into a wallet."""
        self.app.exchange.fund(account.key.address, 0, {YES: shares * UNIT})

    def row(self, venue_order_id: str) -> dict[str, Any]:
        """What the exchange itself knows of an order."""
        row = self.app.exchange.order(venue_order_id)
        assert row is not None
        return row

    async def close(self) -> None:
        """Close every executor."""
        for account in self.accounts:
            await account.executor.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def scene(
    clock: LoopClock, faults: Iterable[FaultRule] = (), **engine: Any
) -> AsyncIterator[Scene]:
    """An exchange that runs while the block does."""
    built = Scene(clock, faults, **engine)
    async with built.app.running():
        try:
            yield built
        finally:
            await built.close()
