"""Runs the scenarios of an order's life through a ledger whose venue is a wire.

Where the manager's own tests hand it a fact, here the venue says it: in an answer,
a frame or a row.
"""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ledger.manager import ManagerConfig, OrderResult
from ledger.order import Order
from ledger.risk import RiskConfig, RiskLimits
from ledger.values import EndReason, text_of
from tests.integration.failure_modes.bot import Bot
from tests.integration.polymarket_live.in_loop import Scene
from tests.unit.core.conformance import check_invariants, load

Step = dict[str, Any]

SCENARIOS: Final[dict[str, list[Step]]] = {
    scenario["id"]: scenario["steps"] for scenario in load()["scenarios"]
}
ENDS: Final = {
    "requested": EndReason.CANCELLED,
    "expired": EndReason.EXPIRED,
    "venue": EndReason.VENUE,
    "killed": EndReason.KILLED,
}
"""What the ledger records for the ends that scenarios name."""

PLENTY: Final = Decimal(1_000_000_000)
TIMEOUT_MS: Final = 5_000
PAUSE_SEC: Final = 0.2


def make_bot(kind: type[Bot], at: Scene, folder: Path, **settings: Any) -> Bot:
    """A ledger that does nothing by a timer of its own."""
    return kind(
        at,
        folder,
        config=ManagerConfig(order_timeout_ms=TIMEOUT_MS),
        risk=RiskConfig(account=RiskLimits(max_order_notional=Decimal(1_000_000))),
        has_timers=False,
        waits_for_recovery=False,
        cash=PLENTY,
        **settings,
    )


class Scenario:
    """One scenario; a stage says how the venue comes to say what a step wants."""

    def __init__(self, at: Scene, folder: Path, steps: list[Step]) -> None:
        self.at = at
        self.steps = steps
        self.bot = self.make(folder)
        self.results: list[asyncio.Task[OrderResult]] = []
        self.order_id = ""
        self.added = 0
        self.is_down = False

    # What a stage does

    told_instead: EndReason | None = None
    """The reason that stands for a more exact one, where that is not told."""

    def make(self, folder: Path) -> Bot:
        """The ledger, and its wire to the venue."""
        raise NotImplementedError

    async def before_place(self, step: Step, coming: list[Step]) -> None:
        """Make ready for a post that may come."""

    def posts(self) -> int:
        """How many posts have arrived at the venue."""
        raise NotImplementedError

    def found(self) -> str:
        """What an answered look-up of the order finds."""
        raise NotImplementedError

    # The steps that are the same everywhere

    async def run(self) -> None:
        """Do every step; check what is expected, and the invariants after each.

        Raises:
            AssertionError: an expectation or an invariant does not hold.
        """
        await self.bot.open()
        for number, step in enumerate(self.steps):
            if "expect" in step:
                self.check(step["expect"])
                continue
            before = 0 if self.is_down else self.bot.journal.store.head
            await getattr(self, "do_" + step["do"])(step, self.steps[number + 1 :])
            await self.pause()
            if self.is_down:
                continue
            if step["do"] == "cancelled":
                assert self.order.ended in {ENDS[step["reason"]], self.told_instead}
            if step["do"] != "restart":
                self.added = self.bot.journal.store.head - before
            if self.order_id:
                check_invariants(self.order)
        # Nothing of it was strange: neither unreadable nor somebody else's.
        assert self.bot.executor.health()["last_quarantine_reason"] == ""
        assert not self.bot.drifts
        await self.bot.kill()

    async def pause(self, seconds: float = PAUSE_SEC) -> None:
        """Let everything happen that does not wait for a step."""
        await self.at.clock.sleep(seconds)

    @property
    def order(self) -> Order:
        """The scenario's one order, as the ledger has it."""
        return self.bot.journal.order(self.order_id)

    async def do_place(self, step: Step, coming: list[Step]) -> None:
        await self.before_place(step, coming)
        expires = None
        if step["tif"] == "GTD":
            expires = self.at.clock.now() + timedelta(hours=1)
        placing = self.bot.place(
            size=step["size"],
            price=step["price"],
            side=step["side"],
            time_in_force=step["tif"],
            post_only=step.get("post_only", False),
            idempotency_key=step.get("key", "only"),
            expires_at=expires,
        )
        self.results.append(self.bot.start(placing))
        await self.pause()
        state = self.bot.journal.state
        self.order_id = self.order_id or next(iter([*state.orders, *state.closed]))

    async def do_cancel(self, step: Step, _: list[Step]) -> None:
        order_id = step.get("order", self.order_id)
        self.results.append(self.bot.start(self.bot.manager.cancel(order_id)))

    async def do_lookup(self, step: Step, _: list[Step]) -> None:
        assert self.found() == step["found"]
        self.bot.start(self.bot.manager.resolve_open())
        await self.pause()
        assert self.bot.wire.asked("GET", "/data/orders")

    async def do_trades_swept(self, step: Step, _: list[Step]) -> None:
        assert step["answer"] == "none"
        assert self.bot.wire.asked("GET", "/data/trades")

    async def do_give_up(self, _: Step, __: list[Step]) -> None:
        # Nobody tells it to: the empty answers before were proof enough.
        assert self.order.is_never_placed

    async def do_wait(self, step: Step, _: list[Step]) -> None:
        await self.pause(step["seconds"])

    async def do_crash_before_post(self, _: Step, __: list[Step]) -> None:
        await self.bot.kill()
        self.is_down = True

    async def do_restart(self, _: Step, __: list[Step]) -> None:
        if not self.is_down:
            await self.bot.kill()
        self.is_down = False
        await self.bot.open()

    def check(self, expect: dict[str, Any]) -> None:
        """Compare with what a scenario expects now.

        Raises:
            AssertionError: it is not so.
        """
        state = self.bot.journal.state
        last = self.results[-1] if self.results else None
        measured: dict[str, Any] = {"events_added": self.added, "posts": self.posts()}
        measured["orders"] = len(state.orders) + len(state.closed)
        if last is not None and last.done() and not last.cancelled():
            result = last.result()
            measured["deduplicated"] = result.deduplicated
            measured["error"] = result.error and result.error.code
        if self.order_id:
            measured |= self._measured_order()
        found = {name: measured.get(name) for name in expect}
        assert found == expect, f"found {found}, expected {expect}"

    def _measured_order(self) -> dict[str, Any]:
        order = self.order
        average = order.avg_price
        return {
            "status": order.status,
            "filled": text_of(order.filled),
            "remaining": text_of(order.remaining),
            "avg_price": None if average is None else text_of(average),
            "settled": text_of(order.settled),
            "fills": order.fills,
            "refused_by": order.refusal and order.refusal.by,
        }
