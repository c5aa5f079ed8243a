"""A venue that answers what the test says, when the test says it.

And a ledger on a real file that can be killed and opened again around it.
"""

import asyncio
import os
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from executors.null import NullExecutor
from ledger.book import OrderBook
from ledger.decide import (
    CancelAnswered,
    LookedUp,
    PostAnswered,
)
from ledger.errors import OutcomeUnknownError
from ledger.intent import OrderIntent
from ledger.manager import Journal, ManagerConfig, OrderManager
from ledger.market import Market
from ledger.risk import RiskConfig, RiskLimits, RiskManager
from ledger.slippage import SlippageConfig, SlippageGuard
from ledger.store import LedgerStore
from ledger.venue import PlacementRequest, PreparedOrder, VenueTrades

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
MARKET = Market(
    market_id="0xmarket",
    yes_token="yes-token",
    no_token="no-token",
    fee_rate=Decimal("0.07"),
)
OTHER_MARKET = Market(market_id="0xother", yes_token="yes-2", no_token="no-2")
PLENTY = Decimal(10**9)


class TestClock:
    """Time that stands still until the test moves it."""

    __test__ = False

    def __init__(self) -> None:
        self.at = START
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_by(seconds)

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Mailbox:
    """Answers that were laid out, and questions that still wait for one."""

    def __init__(self) -> None:
        self._answers: deque[Any] = deque()
        self._waiting: deque[asyncio.Future[Any]] = deque()

    def put(self, answer: Any) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(answer)
                return
        self._answers.append(answer)

    async def get(self) -> Any:
        if self._answers:
            answer = self._answers.popleft()
        else:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            answer = await waiting
        if isinstance(answer, Exception):
            raise answer
        return answer


class ScriptedVenue(NullExecutor):
    """Answers posts, cancels, look-ups and sweeps from mailboxes.

    Look-ups and sweeps go unanswered unless `is_probed` is set.
    """

    is_inline = False

    def __init__(self, clock: TestClock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.posts: list[str] = []
        self.cancels: list[str] = []
        self.is_cut_off = False
        self.is_probed = False
        self.closed_because = ""
        self.post_answers = Mailbox()
        self.cancel_answers = Mailbox()
        self.lookups = Mailbox()
        self.sweeps = Mailbox()

    def unavailable(self) -> str:
        return self.closed_because

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        await asyncio.sleep(0)
        return await super().prepare(request)

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        if self.is_cut_off:  # the process dies before a byte is sent
            await asyncio.get_running_loop().create_future()
        self.posts.append(prepared.venue_order_id)
        answer: PostAnswered = await self.post_answers.get()
        return answer

    async def cancel(self, venue_order_id: str) -> CancelAnswered:
        self.cancels.append(venue_order_id)
        answer: CancelAnswered = await self.cancel_answers.get()
        return answer

    async def get_order(self, venue_order_id: str) -> LookedUp:
        if not self.is_probed:
            raise OutcomeUnknownError("no answer")
        answer: LookedUp = await self.lookups.get()
        return answer

    async def get_trades(self, since: datetime) -> VenueTrades:
        if not self.is_probed:
            raise OutcomeUnknownError("no answer")
        answer: VenueTrades = await self.sweeps.get()
        return answer


class DeepBooks:
    """Every token has asks at 0.40 and bids at 0.39 without end."""

    def book(self, token_id: str) -> OrderBook | None:
        return OrderBook(
            token_id,
            bids=[(Decimal("0.39"), PLENTY)],
            asks=[(Decimal("0.40"), PLENTY)],
        )


class Desk:
    """One ledger folder, opened by one process after another."""

    def __init__(
        self,
        folder: Path,
        *,
        config: ManagerConfig | None = None,
        risk: RiskConfig | None = None,
    ) -> None:
        self.folder = folder
        self.clock = TestClock()
        self.venue = ScriptedVenue(self.clock)
        self._config = config
        self._risk = risk or RiskConfig(
            account=RiskLimits(max_order_notional=Decimal(1_000_000))
        )
        self.journal: Journal
        self.manager: OrderManager
        self.tasks: list[asyncio.Task[Any]] = []

    async def open(self) -> OrderManager:
        """Open the ledger as a new process would."""
        store = LedgerStore.open(
            self.folder / "ledger.db",
            clock_us=lambda: int(self.clock.at.timestamp() * 1_000_000),
            entropy=os.urandom,
        )
        self.journal = Journal(store, account="main", threaded=False)
        self.manager = OrderManager(
            self.journal,
            self.venue,
            DeepBooks(),
            risk=RiskManager(self._risk),
            slippage=SlippageGuard(SlippageConfig()),
            clock=self.clock,
            rng=Random(store.epoch),
            config=self._config,
        )
        if store.head == 0:
            await self.manager.account.move_cash(PLENTY, "deposit")
        await self.manager.account.list_market(MARKET)
        await self.manager.account.list_market(OTHER_MARKET)
        return self.manager

    def start(self, coroutine: Any) -> asyncio.Task[Any]:
        """Run something beside the test, until the process ends."""
        task: asyncio.Task[Any] = asyncio.ensure_future(coroutine)
        self.tasks.append(task)
        return task

    async def kill(self) -> None:
        """End the process without a word: nothing is finished, nothing kept."""
        self.journal.store.close()  # first: what ends now can write no more
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    async def restart(self) -> OrderManager:
        """Kill, and open again."""
        await self.kill()
        return await self.open()


async def settle_down() -> None:
    """Let everything run that does not wait for an answer of the test's."""
    for _ in range(60):
        await asyncio.sleep(0)


def intent(**changes: Any) -> OrderIntent:
    """A BUY of 100 YES at 0.40, unless told otherwise."""
    content: dict[str, Any] = {
        "strategy": "s1",
        "idempotency_key": "k1",
        "market_id": MARKET.market_id,
        "outcome": "YES",
        "side": "BUY",
        "size": "100",
        "price": "0.40",
    }
    return OrderIntent.parse(content | changes)
