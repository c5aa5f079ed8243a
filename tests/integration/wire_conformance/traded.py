"""The local exchange, and somebody else at it who makes a scenario come true.

Answers are held back, and cancels kept from arriving, until a step says so: it is
the order of things that a scenario is about.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from executors.exchange.faults import FaultRule
from ledger.values import Settlement, Side
from tests.integration.failure_modes.bot import Bot
from tests.integration.failure_modes.held_wire import HeldWire
from tests.integration.polymarket_live.in_loop import UNIT, Account, InLoopWallet
from tests.integration.wire_conformance.runner import (
    TIMEOUT_MS,
    Scenario,
    Step,
    make_bot,
)

FUNDS: Final = 10_000
SHARES: Final = 20_000

NOT_TRADED: Final = {
    "A.1.a": "a resting order fills at its own price, not at better ones",
    "B.1.a'": "the exchange cancels what is live",
    "B.1.b": "a resting order fills at its own price, not at better ones",
    "H.1.a": "a resting order fills at its own price, not at better ones",
    "J.1.b": "a cancelled order does not match again",
}
"""Scenarios that no exchange of price-time priority brings about, and why."""


def engine_for(steps: list[Step]) -> dict[str, Any]:
    """How slowly trades settle: not at all, where no step is about it."""
    settles = any(s.get("do") == "settle" or "status" in s for s in steps)
    slow = 20_000 if settles else 100_000_000
    return {"mined_ms": slow, "confirmed_ms": slow, "spend_all": False}


class TradedScenario(Scenario):
    """Steps are things that somebody does at the exchange."""

    wire: HeldWire
    other: Account

    def make(self, folder: Path) -> Bot:
        bot = make_bot(Bot, self.at, folder)
        bot.wire = self.wire = HeldWire(self.at)
        bot.wallet = InLoopWallet(bot.key, self.wire, self.at.clock)
        self.names: dict[str, str] = {}
        return bot

    async def run(self) -> None:
        exchange = self.at.app.exchange
        exchange.fund(self.bot.key.address, FUNDS * UNIT)
        self.other = await self.at.account(2)
        self.at.give_shares(self.other, SHARES)
        self.at.app.venue.accounts._tolerance = None
        self._plan_settlements()
        self._plan_faults()
        await super().run()

    def _fills(self) -> dict[str, list[Step]]:
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            if step.get("do") == "fill":
                found.setdefault(step["trade"], []).append(step)
        return found

    def _plan_settlements(self) -> None:
        """Give the trades, which come in the scenario's order, the ends it names."""
        for name, told in self._fills().items():
            path = [told[0]["status"]] if "status" in told[0] else []
            path += [
                step["status"]
                for step in self.steps
                if step.get("do") == "settle" and step["trade"] == name
            ]
            states = [Settlement(status) for status in path or ["CONFIRMED"]]
            self.at.app.exchange.script_settlement(states)

    def _plan_faults(self) -> None:
        faults = []
        if any("status" in told[0] for told in self._fills().values()):
            faults.append(FaultRule(kind="drop", on="user"))  # only a sweep will tell
        if any(len(told) > 1 for told in self._fills().values()):
            faults.append(FaultRule(kind="repeat", on="user"))
        self.at.app.plan.replace(faults)

    # What the venue is asked

    def posts(self) -> int:
        return self.wire.arrived

    def found(self) -> str:
        row = self.at.app.exchange.order(self.order.venue_order_id)
        return "none" if row is None else row["status"].lower()

    # What happens there

    async def before_place(self, step: Step, coming: list[Step]) -> None:
        wire = self.wire
        wire.is_cut_off = coming[0].get("do") == "crash_before_post"
        answer = next((s["answer"] for s in coming if s.get("do") == "post"), "")
        for event in (wire.answer_may_return, wire.cancel_may_arrive):
            event.clear()
        wire.post_may_arrive.set()
        if answer == "unknown":  # it is late, by minutes
            wire.post_may_arrive.clear()
        if answer == "refused":
            cash = self.at.app.exchange.balance(self.bot.key.address).balance
            self.at.app.exchange.fund(self.bot.key.address, -cash)
        for fill in _met_at_once(Decimal(step["price"]), coming):
            await self._sell(fill)

    async def _sell(self, fill: Step) -> None:
        await self.other.order(
            side=Side.SELL, size=Decimal(fill["size"]), price=Decimal(fill["price"])
        )

    async def do_restart(self, step: Step, coming: list[Step]) -> None:
        self.wire.is_cut_off = False
        self.wire.post_may_arrive.clear()  # what is posted again is a step, too
        await super().do_restart(step, coming)

    async def do_post(self, step: Step, _: list[Step]) -> None:
        if step["answer"] == "unknown":
            await self.pause(TIMEOUT_MS / 1000 + 1)
        else:
            self.wire.post_may_arrive.set()
            self.wire.answer_may_return.set()

    async def do_fill(self, step: Step, _: list[Step]) -> None:
        exchange, name = self.at.app.exchange, self.order.venue_order_id
        self.wire.post_may_arrive.set()
        await self.pause()
        row = self.at.row(name)
        if step["trade"] not in self.names:
            if len(row["associate_trades"]) == len(self.names):
                await self._sell(step)
            row = self.at.row(name)
            trade = row["associate_trades"][len(self.names)]
            self.names[step["trade"]] = trade
        # Whatever happened before this step, it was what the step says.
        mine = exchange.trades(row["owner"])
        (told,) = (t for t in mine if t["id"] == self.names[step["trade"]])
        assert Decimal(told["price"]) == Decimal(step["price"])
        assert Decimal(told["size"]) == Decimal(step["size"])
        if "status" in step:
            await self.pause(100)

    async def do_settle(self, step: Step, _: list[Step]) -> None:
        owner = self.at.row(self.order.venue_order_id)["owner"]
        for _second in range(60):
            rows = self.at.app.exchange.trades(owner)
            known = {row["id"]: row["status"] for row in rows}
            if known[self.names[step["trade"]]] == step["status"]:
                return
            await self.pause(1)
        raise AssertionError(f"{step} did not happen")

    async def do_cancel_answer(self, step: Step, _: list[Step]) -> None:
        assert step["answer"] == "canceled"
        self.wire.cancel_may_arrive.set()

    async def do_cancelled(self, step: Step, _: list[Step]) -> None:
        address = self.bot.key.address
        if step["reason"] == "expired":
            await self.pause(3_600)
        elif step["reason"] == "venue":  # the money is gone
            cash = self.at.app.exchange.balance(address).balance
            self.at.app.exchange.fund(address, -cash)
        status = self.at.row(self.order.venue_order_id)["status"]
        assert status in {"CANCELED", "INVALID"}


def _met_at_once(limit: Decimal, coming: list[Step]) -> list[Step]:
    """The fills that the order must meet on its arrival, to happen as they do.

    Those that come before the answer, the first of an order that is answered
    `matched`, and those at a better price.
    """
    found: list[Step] = []
    answer = ""
    for step in coming:
        if step.get("do") == "post":
            answer = step["answer"]
        elif step.get("do") == "fill":
            is_first = answer == "matched" and not found
            if answer and not is_first and Decimal(step["price"]) >= limit:
                break
            found.append(step)
        else:
            break
    return found
