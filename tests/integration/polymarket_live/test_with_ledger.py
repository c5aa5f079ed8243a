"""The ledger through the live executor on a faulty exchange: once, and all of it."""

import asyncio
import os
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from executors.exchange.faults import FaultRule
from ledger.intent import OrderIntent
from ledger.manager import ManagerConfig, OrderManager
from ledger.manager.journal import Journal
from ledger.manager.results import OrderResult
from ledger.order import Order
from ledger.risk import RiskConfig, RiskLimits, RiskManager
from ledger.slippage import SlippageConfig, SlippageGuard
from ledger.store import LedgerStore
from ledger.values import OrderStatus, Outcome, Side, TimeInForce
from tests.integration.manager.scripted import DeepBooks
from tests.integration.polymarket_live.in_loop import (
    CONDITION,
    MARKET,
    Account,
    Scene,
    scene,
)
from tests.tools.simloop import LoopClock, simulate

INTENTS = 60

FAULTS = (
    FaultRule(kind="request_lost", on="*", probability=0.08),
    FaultRule(kind="answer_lost", on="POST /order*", probability=0.1),
    FaultRule(kind="error_after_accept", on="POST /order*", probability=0.08),
    FaultRule(kind="unreadable", on="POST /order*", probability=0.05),
    FaultRule(kind="rate_limited", on="POST /order*", probability=0.05),
    FaultRule(kind="restart", on="POST /order*", probability=0.02),
    FaultRule(kind="visible_after", on="POST /order*", probability=0.1, seconds=8),
    FaultRule(kind="drop", on="user", probability=0.1),
    FaultRule(kind="repeat", on="user", probability=0.1),
    FaultRule(kind="reorder", on="user", probability=0.1),
    FaultRule(kind="batch", on="user", probability=0.1),
    FaultRule(kind="disconnect", on="user", probability=0.02),
)


def intent(number: int, rng: Random) -> OrderIntent:
    """One of many different intents."""
    kind = rng.choice([TimeInForce.GTC, TimeInForce.FAK, TimeInForce.FOK])
    return OrderIntent(
        strategy=f"s{number % 4}",
        idempotency_key=f"k{number}",
        market_id=CONDITION,
        outcome=Outcome.YES,
        side=Side.BUY,
        size=Decimal(rng.randint(5, 20)),
        price=Decimal(rng.randint(45, 55)) / 100,
        time_in_force=kind,
    )


async def ledger_on(at: Scene, ours: Account, folder: Path) -> OrderManager:
    """A ledger that trades through an account's executor."""
    store = LedgerStore.open(
        folder / "ledger.db",
        clock_us=lambda: int(at.clock.now().timestamp() * 1_000_000),
        entropy=os.urandom,
    )
    manager = OrderManager(
        Journal(store, account="main", threaded=False),
        ours.executor,
        DeepBooks(),
        risk=RiskManager(
            RiskConfig(account=RiskLimits(max_order_notional=Decimal(1_000_000)))
        ),
        slippage=SlippageGuard(SlippageConfig()),
        clock=at.clock,
        rng=Random(5),
        config=ManagerConfig(),
    )
    await manager.account.move_cash(Decimal(1_000), "deposit")
    await manager.account.list_market(MARKET)
    return manager


async def others_sell(at: Scene, maker: Account, rng: Random) -> None:
    """Somebody offers shares now and then; what is lost on the way is lost."""
    for _ in range(60):
        await maker.order(
            side=Side.SELL,
            size=Decimal(rng.randint(5, 15)),
            price=Decimal(rng.randint(45, 55)) / 100,
        )
        await at.clock.sleep(0.5)


async def heal(at: Scene, manager: OrderManager, ours: Account) -> None:
    """Let the faults end, and everything be asked about."""
    at.app.plan.replace([])
    for _ in range(12):
        await at.clock.sleep(30)
        await manager.resolve_open()
        while ours.facts:
            await manager.apply(ours.facts.pop(0))


def known(manager: OrderManager, results: list[OrderResult]) -> dict[str, Order]:
    """The ledger's orders that were signed, by the venue's id."""
    orders = [
        manager.journal.order(result.order.order_id)
        for result in results
        if result.order is not None
    ]
    return {order.venue_order_id: order for order in orders if order.venue_order_id}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_intent_is_one_order_and_the_books_agree(
    seed: int, tmp_path: Path
) -> None:
    """Whatever was lost, repeated or shuffled on the way."""

    async def main(clock: LoopClock) -> None:
        async with scene(clock) as at:
            ours, maker = await at.account(1), await at.account(2)
            at.give_shares(maker, 2_000)
            manager = await ledger_on(at, ours, tmp_path)
            at.app.plan.replace(FAULTS)
            rng = Random(seed)
            selling = asyncio.create_task(others_sell(at, maker, rng))
            placing = []
            for number in range(INTENTS):
                placing.append(asyncio.create_task(manager.place(intent(number, rng))))
                await clock.sleep(rng.random())
                while ours.facts:
                    await manager.apply(ours.facts.pop(0))
            results = await asyncio.gather(*placing)
            await selling
            await heal(at, manager, ours)
            orders = known(manager, results)
            placed = set(at.app.venue.placed)
            assert len(orders) > INTENTS * 0.9  # few are below the minimum size
            for name, order in orders.items():
                assert not order.is_outcome_unknown, name
            accepted = {n for n, order in orders.items() if order.is_accepted}
            theirs = {
                name
                for name in placed
                if at.row(name)["maker_address"] == ours.key.address
            }
            assert accepted == theirs
            assert len(+at.app.plan.fired) >= 8, at.app.plan.fired
            for name in theirs:
                row = at.row(name)
                assert orders[name].matched == Decimal(row["size_matched"]), name
            held = await ours.executor.get_positions()
            shares = sum((p.size for p in held.positions), Decimal(0))
            filled = sum((o.filled for o in orders.values()), Decimal(0))
            assert shares == filled > 0
            fees = sum((o.fees for o in orders.values()), Decimal(0))
            cost = sum((o.cost for o in orders.values()), Decimal(0))
            assert held.cash == Decimal(1_000) - cost - fees
            working = {n for n, o in orders.items() if o.status is OrderStatus.PLACED}
            listed = (await ours.executor.get_open_orders()).orders
            assert working <= {one.venue_order_id for one in listed}
            manager.journal.store.close()

    simulate(seed, main)


def test_one_seed_is_one_history() -> None:
    """A failure that cannot be repeated cannot be repaired."""

    def run() -> list[str]:
        async def main(clock: LoopClock) -> list[str]:
            async with scene(clock, FAULTS) as at:
                one = await at.account(1)
                for number in range(20):
                    await one.order(order_id=str(number))
                    await clock.sleep(0.3)
                await clock.sleep(60)
                return [f"{clock.monotonic():.6f} {fact}" for fact in one.facts]

        return simulate(9, main)

    first = run()
    assert len(first) > 20
    assert run() == first
