"""A whole ledger that trades through the live executor on the local exchange.

Everything is real but the network and the time: signatures, requests, frames,
the log on disk, and the tasks that a running ledger has.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from executors.exchange.faults import FaultRule
from executors.exchange.inloop import (
    IN_LOOP_URL,
    IN_LOOP_USER_WS,
    ExchangeTransport,
    connector,
)
from executors.polymarket import GateSettings, LiveSettings, WalletKind
from executors.polymarket.executor import RealExecutor
from executors.polymarket.stream import Socket
from executors.protocol import SigningKey
from ledger import events as ev
from ledger.manager import Journal, ManagerConfig, OrderManager, OrderResult
from ledger.order import Order
from ledger.position import PositionKey
from ledger.risk import RiskConfig, RiskManager
from ledger.slippage import SlippageConfig, SlippageGuard
from ledger.store import LedgerStore
from ledger.values import Outcome, Side, TimeInForce
from ledger.venue import PreparedOrder
from service.following import follow
from tests.integration.manager.scripted import DeepBooks, intent
from tests.integration.polymarket_live.in_loop import (
    CONDITION,
    MARKET,
    Account,
    InLoopWallet,
    Scene,
    scene,
)
from tests.tools.simloop import LoopClock, simulate

CASH = Decimal(1_000)

Alter = Callable[[httpx2.Request, httpx2.Response], httpx2.Response]
AlterFrame = Callable[[str], str]


class Wire(httpx2.AsyncBaseTransport):
    """The way to the exchange and back, where a test may change an answer.

    `asked` counts requests by "METHOD /path".
    """

    def __init__(self, at: Scene) -> None:
        self._inner = ExchangeTransport(at.app, sleep=at.clock.sleep)
        self.alter: Alter | None = None
        self.requests: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = await self._inner.handle_async_request(request)
        return self.alter(request, answer) if self.alter else answer

    def asked(self, method: str, path: str) -> list[httpx2.Request]:
        """What was asked of one route."""
        return [
            one for one in self.requests if (one.method, one.url.path) == (method, path)
        ]

    def posts(self) -> int:
        """How many times orders were posted, batches included."""
        return len(self.asked("POST", "/order")) + len(self.asked("POST", "/orders"))


class _AlteredSocket:
    """A stream whose frames a test may change."""

    def __init__(self, inner: Socket, bot: "Bot") -> None:
        self._inner = inner
        self._bot = bot
        self.send = inner.send
        self.close = inner.close

    async def recv(self) -> str:
        frame = await self._inner.recv()
        text = frame if isinstance(frame, str) else frame.decode()
        return self._bot.alter_frame(text)


class Bot:
    """One ledger folder, opened by one process after another, as in a real run.

    The tasks of a running ledger are its own: facts are followed as they come,
    and with `has_timers` what is due is asked about every second.
    Opening waits until what was open has been asked about, unless a test answers
    those questions itself.
    """

    def __init__(
        self,
        at: Scene,
        folder: Path,
        *,
        number: int = 1,
        config: ManagerConfig | None = None,
        risk: RiskConfig | None = None,
        has_timers: bool = True,
        waits_for_recovery: bool = True,
        cash: Decimal = CASH,
        **settings: Any,
    ) -> None:
        self.at = at
        self.folder = folder
        self.key = SigningKey("0x" + str(number) * 64)
        self.wire = Wire(at)
        self.alter_frame: AlterFrame = lambda frame: frame
        self.has_timers = has_timers
        self._waits_for_recovery = waits_for_recovery
        self._cash = cash
        self._config = config
        self._risk = risk or RiskConfig()
        self._settings = settings
        self._starts = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._keys = 0
        self.wallet: Any = InLoopWallet(self.key, self.wire, at.clock)
        self.executor: RealExecutor
        self.manager: OrderManager
        self.journal: Journal

    async def open(self) -> "Bot":
        """Start as a new process would: connect, fold the log, ask what is open."""
        self._starts += 1
        clock = self.at.clock
        self.executor = RealExecutor(
            LiveSettings(**self._live_settings()),
            self.wallet,
            clock=clock,
            rng=Random(self._starts),
            data=self.folder,
            transport=self.wire,
            connect=self.connect,
        )
        await self.executor.start()
        store = LedgerStore.open(
            self.folder / "ledger.db",
            clock_us=lambda: int(clock.now().timestamp() * 1_000_000),
            entropy=os.urandom,
        )
        self.journal = Journal(store, account="main", threaded=False)
        self.manager = OrderManager(
            self.journal,
            self.executor,
            DeepBooks(),
            risk=RiskManager(self._risk),
            slippage=SlippageGuard(SlippageConfig(max_slippage_bps=Decimal(100_000))),
            clock=clock,
            rng=Random(self._starts),
            config=self._config,
        )
        if store.head == 0:
            await self.manager.account.move_cash(self._cash, "deposit")
        await self.manager.account.list_market(MARKET)
        self.start(follow(self.executor, self.manager))
        recovering = self.start(self.manager.recover())
        if self._waits_for_recovery:
            await recovering
        if self.has_timers:
            self.start(self._check())
        await clock.sleep(0.1)
        return self

    def _live_settings(self) -> dict[str, Any]:
        return {
            "wallet_kind": WalletKind.EOA,
            "rest_url": IN_LOOP_URL,
            "data_url": IN_LOOP_URL,
            "ws_user_url": IN_LOOP_USER_WS,
            "threaded": False,
            "gate": GateSettings(orders_per_sec=1000, order_burst=1000),
            **self._settings,
        }

    async def connect(self, url: str) -> Socket:
        """Open the user stream."""
        sleep = self.at.clock.sleep
        inner = await connector(self.at.app, sleep=sleep)(url)
        return _AlteredSocket(inner, self)

    async def _check(self) -> None:
        while True:
            await self.at.clock.sleep(1)
            await self.manager.resolve_due()

    def start(self, work: Any) -> asyncio.Task[Any]:
        """Run something until the process ends."""
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.append(task)
        return task

    async def kill(self) -> None:
        """End the process without a word."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.executor.close()
        self.journal.store.close()

    async def restart(self) -> "Bot":
        """Kill, and open again."""
        await self.kill()
        return await self.open()

    # What a strategy does

    async def place(self, **changes: Any) -> OrderResult:
        """A BUY of 10 YES at 0.50 under a key of its own, unless told otherwise."""
        self._keys += 1
        wanted: dict[str, Any] = {
            "market_id": CONDITION,
            "size": "10",
            "price": "0.50",
            "idempotency_key": f"k{self._keys}",
        }
        return await self.manager.place(intent(**wanted | changes))

    async def placed(self, **changes: Any) -> Order:
        """As `place`, of an order that the venue must have taken."""
        result = await self.place(**changes)
        assert result.success, result.error
        assert result.order is not None
        return result.order

    async def own_shares(self, shares: str) -> None:
        """Have the strategy own settled YES shares, by what the log says."""
        await self.manager.account.record(
            ev.PositionTransferred(
                at=self.at.clock.now(),
                strategy="s1",
                market_id=CONDITION,
                outcome=Outcome.YES,
                size=Decimal(shares),
                cost=Decimal(shares) / 2,
            )
        )

    # What became of it

    def order(self, order: Order | OrderResult) -> Order:
        """The present state of an order."""
        if isinstance(order, OrderResult):
            assert order.order is not None
            order = order.order
        return self.journal.order(order.order_id)

    def events(self, order: Order, kind: type[ev.Event] = ev.Event) -> list[Any]:
        """An order's events on disk, of one kind."""
        stream = self.journal.store.read_stream(ev.order_stream(order.order_id))
        return [one.event for one in stream if isinstance(one.event, kind)]

    def holding(self, outcome: Outcome = Outcome.YES) -> Any:
        """The strategy's line of an outcome."""
        return self.journal.state.holding(PositionKey("s1", CONDITION, outcome))

    @property
    def drifts(self) -> set[str]:
        """Kinds of the disagreements that are open."""
        return {drift.kind for drift in self.journal.state.drifts.values()}

    def at_venue(self) -> list[str]:
        """Ids of our orders that the exchange took, ever."""
        rows = ((name, self.at.row(name)) for name in self.at.app.venue.placed)
        return [n for n, row in rows if row["maker_address"] == self.key.address]

    def shares_on_chain(self, token: str = MARKET.yes_token) -> Decimal:
        """Settled shares of the wallet, by the exchange itself."""
        held = self.at.app.exchange.balance(self.key.address, token).balance
        return Decimal(held).scaleb(-6)

    def cash_on_chain(self) -> Decimal:
        """Settled pUSD of the wallet, by the exchange itself."""
        return Decimal(self.at.app.exchange.balance(self.key.address).balance).scaleb(
            -6
        )


async def seller(at: Scene, shares: int = 1_000) -> Account:
    """Somebody else, with shares to sell."""
    other = await at.account(2)
    at.give_shares(other, shares)
    return other


async def offers(other: Account, **changes: Any) -> PreparedOrder:
    """Let somebody offer 10 YES at 0.50, unless told otherwise."""
    prepared: PreparedOrder
    prepared, _ = await other.order(
        **{"side": Side.SELL, "time_in_force": TimeInForce.GTC} | changes
    )
    return prepared


def play(
    story: Callable[[Scene], Awaitable[None]],
    *faults: FaultRule,
    seed: int = 1,
    **engine: Any,
) -> None:
    """Run a story at an exchange, in virtual time."""

    async def main(clock: LoopClock) -> None:
        async with scene(clock, faults, **engine) as built:
            await story(built)

    simulate(seed, main)


def with_bot(
    story: Callable[[Bot], Awaitable[None]],
    folder: Path,
    *,
    faults: Iterable[FaultRule] = (),
    engine: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    """Run a story of one ledger that is open, and close it afterwards.

    Faults strike from when the ledger is open.
    """

    async def told(at: Scene) -> None:
        bot = Bot(at, folder, **options)
        await bot.open()
        at.app.plan.replace(faults)
        try:
            await story(bot)
        finally:
            await bot.kill()

    play(told, **engine or {})
