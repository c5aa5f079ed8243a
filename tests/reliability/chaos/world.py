"""Strategies, a ledger that dies again and again, and an exchange full of faults."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import httpx2
import msgspec

from config import Settings
from executors.exchange.api import ExchangeApp
from executors.exchange.engine import (
    UNIT,
    ExchangeConfig,
    ExchangeMarket,
    Mode,
    ModeName,
)
from executors.exchange.faults import FaultRule
from executors.exchange.flows import makers
from executors.exchange.inloop import (
    IN_LOOP_URL,
    IN_LOOP_USER_WS,
    ExchangeTransport,
    connector,
)
from executors.exchange.setup import make_markets
from executors.exchange.venue import AppConfig
from executors.market_data import BookSnapshot
from executors.polymarket import GateSettings, LiveSettings, WalletKind
from executors.polymarket.executor import RealExecutor
from executors.protocol import Credentials, SigningKey
from ledger.book import Level
from ledger.clock import Clock
from ledger.errors import LedgerError, OutcomeUnknownError, StoreFailedError
from ledger.intent import OrderIntent
from ledger.manager import Journal
from ledger.manager.results import OrderResult
from ledger.market import Market
from ledger.store import LedgerStore
from ledger.values import EndReason, Outcome, Phase, Side, TimeInForce
from projections import ReadModels
from service.bootstrap import OpenLedger, open_ledger
from service.places import ledger_path, read_models_path
from service.runtime import Intervals, Runtime
from tests.integration.polymarket_live.in_loop import InLoopWallet
from tests.reliability.chaos import audit, truth
from tests.reliability.chaos.life import (
    STEPS,
    Life,
    MortalExecutor,
    MortalTransport,
    mortal_store,
    task_factory,
)
from tests.tools.simloop import LoopClock, simulate

KEY: Final = SigningKey("0x" + "7" * 64)
STRATEGIES: Final = tuple(f"s{n}" for n in range(4))
MODES: Final[tuple[ModeName, ...]] = ("cancel_only", "post_only", "disabled")
MEAN_OPEN_SEC: Final = 40.0
PLENTY: Final = Decimal(10**9)
MEAN_PAUSE_SEC: Final = 3.0
ASK_AGAIN_SEC: Final = 1.0
HEALING_SEC: Final = 30
MOST_HEALINGS: Final = 60
LONGEST_HEALING_SEC: Final = 2 * MOST_HEALINGS * HEALING_SEC + 600

_ANYWHERE: Final = (
    FaultRule(kind="request_lost", on="*", probability=0.06),
    FaultRule(kind="answer_lost", on="*", probability=0.05),
    FaultRule(kind="answer_lost", on="POST /order*", probability=0.1),
    FaultRule(kind="error_after_accept", on="*", probability=0.05),
    FaultRule(kind="error_after_accept", on="POST /order*", probability=0.08),
    FaultRule(kind="refused", on="POST /order*", probability=0.05, status=503),
    FaultRule(kind="unreadable", on="*", probability=0.05),
    FaultRule(kind="rate_limited", on="*", probability=0.05),
    FaultRule(kind="slow", on="*", probability=0.05, seconds=3),
    FaultRule(kind="slow", on="POST /order*", probability=0.05, seconds=20),
    FaultRule(
        kind="restart",
        on="POST /order*",
        probability=0.05,
        seconds=1,
        post_only_seconds=1,
    ),
    FaultRule(kind="visible_after", on="POST /order*", probability=0.2, seconds=15),
    FaultRule(kind="stale_positions", on="GET /v2/positions", probability=0.2),
    FaultRule(kind="wipe", on="DELETE /order", probability=0.1),
    FaultRule(kind="drop", on="user", probability=0.1),
    FaultRule(kind="repeat", on="user", probability=0.1),
    FaultRule(kind="reorder", on="user", probability=0.1),
    FaultRule(kind="batch", on="user", probability=0.1),
    FaultRule(kind="silence", on="user", probability=0.05),
    FaultRule(kind="disconnect", on="user", probability=0.05),
)
_ACCEPTED_AGAIN: Final = FaultRule(kind="duplicate_accepted", on="POST /order*")


def faults(*, duplicates_accepted: bool) -> list[FaultRule]:
    """Every fault there is, in one of the two worlds of a second post."""
    return [*_ANYWHERE, *([_ACCEPTED_AGAIN] if duplicates_accepted else [])]


class Plan(NamedTuple):
    """One run: how much of everything, and which defect is planted, if any.

    What the exchange is like follows from the seed.
    """

    seed: int
    intents: int = 60
    kills: int = 3
    executor: type[MortalExecutor] = MortalExecutor

    @property
    def duplicates_accepted(self) -> bool:
        """Whether a second post of one order is answered as if it were the first."""
        return self.seed % 2 == 0

    @property
    def taker_delay_ms(self) -> int:
        """How long what would match at once is held; the answer says `delayed`."""
        return 2_000 if self.seed % 3 == 0 else 0

    @property
    def data_lag_ms(self) -> int:
        """How far positions trail."""
        return 4_000 if self.seed % 4 > 1 else 0

    @property
    def cash(self) -> int:
        """What the wallet begins with, pUSD: plenty, or not enough for everything."""
        return 300 if self.seed % 4 == 1 else 100_000

    @property
    def resolves(self) -> bool:
        """Whether one of the markets is decided half-way."""
        return self.seed % 7 == 0

    @property
    def heartbeat(self) -> bool:
        """Whether the venue cancels everything when the ledger falls silent."""
        return self.seed % 5 == 0


class Report(NamedTuple):
    """What is left of a run; equal digests are equal runs."""

    problems: list[str]
    digest: str
    fired: Counter[str]
    died: Counter[str]
    counts: Counter[str]


class PatientWallet(InLoopWallet):
    """Says what the official client's adapter says when there is no answer."""

    async def credentials(self) -> Credentials:
        """The account's credentials."""
        try:
            return await super().credentials()
        except (httpx2.HTTPError, msgspec.MsgspecError) as error:
            msg = "no credentials"
            raise OutcomeUnknownError(msg) from error


class World:
    """Everything of one run."""

    def __init__(self, plan: Plan, clock: LoopClock, folder: Path) -> None:
        self.plan = plan
        self.clock = clock
        self.folder = folder
        self.rng = Random(f"chaos/{plan.seed}")
        self.markets = make_markets(plan.seed, 2, taker_delay_ms=plan.taker_delay_ms)
        self.app = ExchangeApp(
            clock,
            config=AppConfig(seed=plan.seed),
            engine=ExchangeConfig(
                seed=plan.seed,
                settlement_jitter_ms=2_000,
                retry_rate=Decimal("0.1"),
                failure_rate=Decimal("0.05"),
                post_only_after_restart_ms=1_000,
                data_lag_ms=plan.data_lag_ms,
            ),
            markets=self.markets,
            flow=makers(plan.seed),
        )
        self.app.exchange.fund(KEY.address, plan.cash * UNIT)
        self.told: list[audit.Told] = []
        self.died: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()
        self.life = Life(0)
        self.runtime: Runtime | None = None
        self._timers: list[asyncio.Task[None]] = []
        self._is_serving = asyncio.Event()

    @property
    def ledger(self) -> OpenLedger:
        """The ledger of the present life."""
        assert self.runtime is not None
        return self.runtime.opened

    @property
    def span_sec(self) -> float:
        """How long the strategies go on, on average."""
        return self.plan.intents / len(STRATEGIES) * MEAN_PAUSE_SEC

    def standing(self) -> str:
        """How things are, for whoever must find out why a run did not end."""
        health = None if self.runtime is None else self.runtime.health()
        return f"{len(self.told)} told, {self.died}, {self.counts}, {health}"

    async def story(self) -> list[str]:
        """Trade, heal, and compare the books; every breach is a sentence."""
        self.app.plan.replace(faults(duplicates_accepted=self.plan.duplicates_accepted))
        closing = asyncio.create_task(self.close_now_and_then())
        resolving = asyncio.create_task(self.resolve_half_way())
        await self.trade()
        await resolving
        await self.heal(closing)
        found = audit.working(self.log(), self.truth())
        await self.withdraw()
        log, truth = self.log(), self.truth()
        self.counts += audit.counts(log, truth, self.told)
        self.counts["second posts"] += self.life.second_posts
        intents = self.plan.intents // len(STRATEGIES) * len(STRATEGIES)
        return [
            *found,
            *audit.books(log, truth, self.told, intents),
            *self._broken_tasks(),
        ]

    def log(self) -> audit.Log:
        """The log as it is on disk."""
        return audit.Log(self.ledger.store, KEY.address)

    def truth(self) -> audit.Truth:
        """The exchange's own books."""
        return truth.seen_inside(self.app, KEY.address)

    def _broken_tasks(self) -> list[str]:
        assert self.runtime is not None
        tasks = self.runtime.health()["tasks"]
        return [f"task {n}: {t['error']}" for n, t in tasks.items() if t["error"]]

    def left_behind(self) -> tuple[list[str], str]:
        """Read the closed ledger: what is wrong with it, and what stands for all."""
        path, models = ledger_path(self.folder), read_models_path(self.folder)
        with LedgerStore.open(path, clock_us=lambda: 0, writer=False) as store:
            log = audit.Log(store, KEY.address)
            with ReadModels(models, KEY.address) as kept:
                found = audit.sound(log, kept)
            found += audit.replays_to(log, self.ledger.journal.state)
            head = store.head_hash
        state = json.dumps(self.app.exchange.state(), default=str, sort_keys=True)
        return found, hashlib.sha256(head + state.encode()).hexdigest()

    # --- the process

    async def keep_alive(self) -> None:
        """Start the ledger, and start it again whenever it has died."""
        while True:
            self.life = life = Life(self.life.number + 1)
            self._plan_death(life)
            runtime = await life.call(self._start(life))
            if runtime is not None:
                self.runtime = runtime
                self._is_serving.set()
            if runtime is None and not life.is_dead:
                life.is_dead = True  # it gave up by itself
                continue
            await life.ended.wait()
            self.counts["second posts"] += life.second_posts
            self._is_serving.clear()
            self.died[life.died_at] += 1
            await self.clock.sleep(self.rng.random())

    def _plan_death(self, life: Life) -> None:
        if self.died.total() >= self.plan.kills:
            return
        latest = self.rng.uniform(0, 2 * self.span_sec / self.plan.kills)
        if self.rng.random() < 0.8:
            step = self.rng.choice(STEPS)
            often = 2 if "cancel" in step else 8
            life.dies(step, self.rng.randint(1, often))
            latest *= 3
        self._timers.append(asyncio.create_task(self._die_at_last(life, latest)))

    async def _die_at_last(self, life: Life, seconds: float) -> None:
        await self.clock.sleep(seconds)
        while life.store is None and not life.is_dead:
            await self.clock.sleep(0.1)
        life.die("at any time")

    async def _start(self, life: Life) -> Runtime | None:
        def executor(
            _settings: Settings, clock: Clock, data: Path, journal: Journal
        ) -> RealExecutor:
            mortal_store(life, journal.store)
            return self._executor(life, clock, data, journal)

        try:
            opened = await open_ledger(
                _settings(),
                self.folder,
                clock=self.clock,
                rng=Random(f"manager/{self.plan.seed}/{life.number}"),
                clock_us=lambda: int(self.clock.now().timestamp() * 1_000_000),
                entropy=Random(f"entropy/{self.plan.seed}").randbytes,
                threaded=False,
                executor_of=executor,
            )
        except LedgerError:
            self.counts["starts refused"] += 1
            await self.clock.sleep(ASK_AGAIN_SEC)
            return None
        for market in self.markets:
            await opened.manager.account.list_market(market_of(market))
            for token in market.tokens:
                opened.books.apply(deep_book(market, token))
        # Read models: at their own pace, never at that of the machine.
        intervals = Intervals(catch_up=5, catch_up_share=1)
        runtime = Runtime(opened, intervals=intervals, threaded=False)
        await runtime.start()
        return runtime

    def _executor(
        self, life: Life, clock: Clock, data: Path, journal: Journal
    ) -> MortalExecutor:
        sleep = self.clock.sleep
        transport = MortalTransport(life, self.app, sleep=sleep)
        made = self.plan.executor(
            LiveSettings(
                wallet_kind=WalletKind.EOA,
                rest_url=IN_LOOP_URL,
                data_url=IN_LOOP_URL,
                ws_user_url=IN_LOOP_USER_WS,
                threaded=False,
                gate=GateSettings(),
                heartbeat=self.plan.heartbeat,
            ),
            PatientWallet(KEY, ExchangeTransport(self.app, sleep=sleep), clock),
            clock=clock,
            rng=Random(f"executor/{self.plan.seed}/{life.number}"),
            data=data,
            markets=journal.state.markets.values(),
            transport=transport,
            connect=connector(self.app, sleep=sleep),
        )
        made.life, made.placed = life, self.app.venue.placed
        return made

    # --- the strategies

    async def trade(self) -> None:
        """Have every strategy place its share, and wait for the last answer."""
        share = self.plan.intents // len(STRATEGIES)
        await asyncio.gather(*(self._strategy(name, share) for name in STRATEGIES))

    async def close_now_and_then(self) -> None:
        """Let the exchange take less for a while, again and again."""
        rng = Random(f"modes/{self.plan.seed}")
        while True:
            await self.clock.sleep(rng.expovariate(1 / MEAN_OPEN_SEC))
            name = rng.choice(MODES)
            until_ms = self.app.venue.now_ms() + rng.randint(1_000, 5_000)
            self.app.exchange.set_mode(Mode(name, until_ms))
            self.modes[name] += 1

    async def resolve_half_way(self) -> None:
        """Decide a market while everybody trades in it."""
        if self.plan.resolves:
            await self.clock.sleep(self.span_sec / 2)
            market = self.markets[-1]
            self.app.exchange.resolve(market.condition_id, market.tokens[0])

    async def _strategy(self, name: str, share: int) -> None:
        rng = Random(f"{name}/{self.plan.seed}")
        placing = []
        for number in range(share):
            await self.clock.sleep(rng.expovariate(1 / MEAN_PAUSE_SEC))
            await self._is_serving.wait()
            intent = self._intent(name, number, rng)
            placing.append(asyncio.create_task(self._see_through(intent, rng)))
        await asyncio.gather(*placing)

    def _intent(self, strategy: str, number: int, rng: Random) -> OrderIntent:
        """Something to buy, or to sell if the strategy has it."""
        market = rng.choice(self.markets)
        outcome = rng.choice(list(Outcome))
        has = self._sellable(strategy, market.condition_id, outcome)
        side = Side.BUY
        size = Decimal(rng.randint(500, 3000)) / 100
        if has >= market.min_size and rng.random() < 0.6:
            side = Side.SELL
            size = min(size, has.quantize(Decimal("0.01"), ROUND_FLOOR))
            size = max(size, market.min_size)
        kind = rng.choices(list(TimeInForce), weights=[5, 1, 2, 2])[0]
        post_only = kind == TimeInForce.GTC and rng.random() < 0.2
        expires_at = None
        if kind == TimeInForce.GTD:
            soon = timedelta(seconds=rng.randint(120, 400))
            expires_at = self.clock.now().replace(microsecond=0) + soon
        return OrderIntent(
            strategy=strategy,
            idempotency_key=f"k{number}",
            market_id=market.condition_id,
            outcome=outcome,
            side=side,
            size=size,
            price=self._price(market, outcome, side, rng),
            time_in_force=kind,
            post_only=post_only,
            expires_at=expires_at,
        )

    def _sellable(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        if self.runtime is None:
            return Decimal(0)
        return self.ledger.journal.state.sellable(strategy, market_id, outcome)

    def _price(
        self, market: ExchangeMarket, outcome: Outcome, side: Side, rng: Random
    ) -> Decimal:
        """Near the market: some orders match at once, some rest."""
        token = market.tokens[0 if outcome is Outcome.YES else 1]
        book = self.app.exchange.book(token)
        assert book is not None
        best = [
            Decimal(book[name][-1]["price"]) for name in ("bids", "asks") if book[name]
        ]
        middle = sum(best, Decimal(0)) / len(best) if best else Decimal("0.5")
        away = market.tick_size * rng.randint(-3, 4)
        wanted = middle + (away if side is Side.BUY else -away)
        ticks = (wanted / market.tick_size).to_integral_value()
        return min(
            max(ticks * market.tick_size, market.tick_size), 1 - market.tick_size
        )

    async def _see_through(self, intent: OrderIntent, rng: Random) -> None:
        """Ask until there is an answer; some ask twice, some change their mind."""
        asks = 2 if rng.random() < 0.15 else 1
        is_cancelled = rng.random() < 0.25
        results = await asyncio.gather(*(self._ask(intent) for _ in range(asks)))
        self.told += [told(intent, result) for result in results]
        order = results[0].order
        if is_cancelled and order is not None and order.phase is not Phase.DONE:
            await self.clock.sleep(rng.random() * 5)
            await self._cancel(order.order_id)

    async def _ask(self, intent: OrderIntent) -> OrderResult:
        while True:
            await self._is_serving.wait()
            life, runtime = self.life, self.runtime
            assert runtime is not None
            if life.is_dead or runtime.refusal():
                await self.clock.sleep(ASK_AGAIN_SEC)
                continue
            result = await life.call(
                _quietly(partial(runtime.opened.manager.place, intent))
            )
            if result is None or (result.error and result.error.code == "not_ready"):
                self.counts["asked again"] += 1
                await self.clock.sleep(ASK_AGAIN_SEC)
                continue
            return result

    async def _cancel(self, order_id: str) -> None:
        await self._is_serving.wait()
        if not self.life.is_dead:
            self.counts["cancels"] += 1
            await self.life.call(
                _quietly(partial(self.ledger.manager.cancel, order_id))
            )

    # --- healing

    async def heal(self, closing: asyncio.Task[None]) -> None:
        """End faults, deaths and trading, and wait until nothing is open."""
        while self.died.total() < self.plan.kills:
            await self.clock.sleep(1)
        self.app.plan.replace([])
        closing.cancel()
        await self._is_serving.wait()
        await self.clock.sleep(HEALING_SEC)
        for market in self.markets:
            closed = msgspec.structs.replace(market, accepting_orders=False)
            self.app.exchange.add_market(closed)
        for _ in range(MOST_HEALINGS):
            await self.clock.sleep(HEALING_SEC)
            orders = self.ledger.journal.state.orders.values()
            if not any(order.is_outcome_unknown or order.unsettled for order in orders):
                break

    async def withdraw(self) -> None:
        """Cancel what rests, and wait until it is gone."""
        for _ in range(MOST_HEALINGS):
            if not self.ledger.journal.state.orders:
                break
            await self.life.call(self.ledger.manager.cancel_all())
            await self.clock.sleep(HEALING_SEC)
        # Drifts that were raised meanwhile are closed by an answer that agrees.
        await self.life.call(self.ledger.compare())

    async def stop(self) -> None:
        """End the last life as an operator does."""
        assert self.runtime is not None
        await self.life.call(self.runtime.stop())


def run(plan: Plan, folder: Path) -> Report:
    """Live through a plan, heal, and audit what is left."""

    async def main(clock: LoopClock) -> Report:
        asyncio.get_running_loop().set_task_factory(task_factory)  # type: ignore[arg-type]
        world = World(plan, clock, folder)
        async with world.app.running():
            keeper = asyncio.create_task(world.keep_alive())
            story = asyncio.create_task(world.story())
            tasks = {keeper, story}
            limit = world.span_sec * 10 + LONGEST_HEALING_SEC
            await asyncio.wait(
                tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED
            )
            if not story.done():
                if keeper.done():
                    keeper.result()
                keeper.cancel()
                await asyncio.wait(tasks, timeout=1)
                raise AssertionError(f"after {limit} s: {world.standing()}")
            keeper.cancel()
            problems = story.result()
            await world.stop()
            found, digest = world.left_behind()
            problems += found
            return Report(
                problems, digest, world.app.plan.fired, world.died, world.counts
            )

    return simulate(plan.seed, main)


def told(intent: OrderIntent, result: OrderResult) -> audit.Told:
    """What an answer says for certain."""
    order = result.order
    never = {EndReason.REJECTED, EndReason.NEVER_PLACED}
    return audit.Told(
        strategy=intent.strategy,
        key=intent.idempotency_key,
        order_id="" if order is None else order.order_id,
        venue_order_id="" if order is None else order.venue_order_id,
        is_placed=result.success,
        is_refused=order is not None and order.done_reason in never,
    )


async def _quietly(
    command: Callable[[], Awaitable[OrderResult]],
) -> OrderResult | None:
    """An answer, or nothing where the log takes no more: a restart will tell."""
    try:
        return await command()
    except StoreFailedError:
        return None


def _settings() -> Settings:
    """No limits, and no patience that is longer than a run."""
    free = {"max_consecutive_rejects": None, "max_consecutive_failures": None}
    return Settings.model_validate(
        {
            "execution": {
                "paper_trading": False,
                "max_slippage_bps": 10_000,
                "warn_slippage_bps": 10_000,
            },
            "polymarket": {"funder": KEY.address},
            "risk": {"account": free},
            "store": {"min_free_mb_warn": 0, "min_free_mb_halt": 0},
            "log": {"level": "error"},
        }
    )


def market_of(market: ExchangeMarket) -> Market:
    """An exchange's market as the ledger knows it."""
    return Market(
        market_id=market.condition_id,
        yes_token=market.tokens[0],
        no_token=market.tokens[1],
        tick_size=market.tick_size,
        min_size=market.min_size,
        fee_rate=market.fee_rate,
        fee_exponent=market.fee_exponent,
        neg_risk=market.neg_risk,
    )


def deep_book(market: ExchangeMarket, token: str) -> BookSnapshot:
    """Enough at any price: slippage is not what is tested here."""
    return BookSnapshot(
        market_id=market.condition_id,
        token_id=token,
        timestamp_ms=1,
        bids=(Level(Decimal("0.49"), PLENTY),),
        asks=(Level(Decimal("0.50"), PLENTY),),
    )
