"""Every life cycle again, through the manager and a real file."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    GiveUp,
    LookedUp,
    LookupFound,
    OrderEnded,
    PostAnswered,
    PostOutcome,
    TradesSwept,
)
from ledger.intent import UserFill
from ledger.manager import OrderResult
from ledger.order import Order
from ledger.values import EndReason, Settlement, text_of
from ledger.venue import VenueFact, VenueTrades
from tests.integration.manager.scripted import Desk, intent, settle_down
from tests.unit.core.conformance import check_invariants, load

SCENARIOS = load()["scenarios"]
_REASONS = {"requested": EndReason.CANCELLED}


class Scenario:
    """One scenario on its way through a manager."""

    def __init__(self, folder: Path, steps: list[dict[str, Any]]) -> None:
        self.desk = Desk(folder)
        self.steps = steps
        self.results: list[asyncio.Task[OrderResult]] = []
        self.order_id = ""
        self.added = 0

    async def run(self) -> None:
        await self.desk.open()
        for number, step in enumerate(self.steps):
            if "expect" in step:
                self.check(step["expect"])
                continue
            before = self.desk.journal.store.head
            coming = self.steps[number + 1 :]
            self.desk.venue.is_cut_off = any(
                "crash_before_post" in s.values() for s in coming[:1]
            )
            await getattr(self, "do_" + step["do"])(step, coming)
            await settle_down()
            if step["do"] != "restart":
                self.added = self.desk.journal.store.head - before
            if self.order_id:
                check_invariants(self.order)
        await self.desk.kill()

    @property
    def order(self) -> Order:
        return self.desk.journal.order(self.order_id)

    async def do_place(self, step: dict[str, Any], _: list[Any]) -> None:
        expires = None
        if step["tif"] == "GTD":
            expires = self.desk.clock.now() + timedelta(hours=1)
        wanted = intent(
            size=step["size"],
            price=step["price"],
            side=step["side"],
            time_in_force=step["tif"],
            post_only=step.get("post_only", False),
            idempotency_key=step.get("key", "only"),
            expires_at=expires,
        )
        self.results.append(self.desk.start(self.desk.manager.place(wanted)))
        await settle_down()
        orders = self.desk.journal.state
        known = [*orders.orders, *orders.closed]
        self.order_id = self.order_id or known[0]

    async def do_post(self, step: dict[str, Any], _: list[Any]) -> None:
        outcome = PostOutcome(step["answer"])
        self.desk.venue.post_answers.put(
            PostAnswered(outcome=outcome, code="venue", text=step.get("text", ""))
        )

    async def do_fill(self, step: dict[str, Any], _: list[Any]) -> None:
        fill = UserFill(
            trade_id=step["trade"],
            order_id=self.order.venue_order_id,
            size=Decimal(step["size"]),
            price=Decimal(step["price"]),
            status=Settlement(step.get("status", "MATCHED")),
        )
        await self.desk.manager.on_fill(fill)

    async def do_settle(self, step: dict[str, Any], _: list[Any]) -> None:
        await self.desk.manager.on_chain_confirmation(
            self.order_id, step["trade"], "0xhash", Settlement(step["status"])
        )

    async def do_cancel(self, step: dict[str, Any], _: list[Any]) -> None:
        order_id = step.get("order", self.order_id)
        self.results.append(self.desk.start(self.desk.manager.cancel(order_id)))

    async def do_cancel_answer(self, step: dict[str, Any], coming: list[Any]) -> None:
        outcome = CancelOutcome(step["answer"])
        self.desk.venue.is_probed = any(s.get("do") == "lookup" for s in coming[:1])
        self.desk.venue.cancel_answers.put(
            CancelAnswered(outcome=outcome, text=step.get("reason", ""))
        )

    async def do_cancelled(self, step: dict[str, Any], _: list[Any]) -> None:
        reason = step["reason"]
        ended = OrderEnded(reason=_REASONS.get(reason) or EndReason(reason))
        await self.desk.manager.apply(
            VenueFact(venue_order_id=self.order.venue_order_id, fact=ended)
        )

    async def do_lookup(self, step: dict[str, Any], _: list[Any]) -> None:
        matched = step.get("size_matched")
        found = LookedUp(
            found=LookupFound(step["found"]),
            size_matched=None if matched is None else Decimal(matched),
        )
        if self.desk.venue.is_probed:
            self.desk.venue.lookups.put(found)
            return
        await self.desk.manager.apply(
            VenueFact(
                venue_order_id=self.order.venue_order_id, fact=found, source="lookup"
            )
        )

    async def do_trades_swept(self, step: dict[str, Any], _: list[Any]) -> None:
        assert step["answer"] == "none"
        desk = self.desk
        if desk.venue.is_probed:
            desk.venue.sweeps.put(VenueTrades(as_of=desk.clock.now(), fills=()))
            return
        meta = desk.manager.desk.meta("sweep")
        await desk.manager.desk.record(self.order_id, TradesSwept(), meta)

    async def do_give_up(self, _: dict[str, Any], __: list[Any]) -> None:
        meta = self.desk.manager.desk.meta("inferred")
        await self.desk.manager.desk.record(self.order_id, GiveUp(), meta)

    async def do_wait(self, step: dict[str, Any], _: list[Any]) -> None:
        self.desk.clock.pass_by(step["seconds"])

    async def do_crash_before_post(self, _: dict[str, Any], __: list[Any]) -> None:
        await self.desk.kill()
        await self.desk.open()

    async def do_restart(self, _: dict[str, Any], coming: list[Any]) -> None:
        await self.desk.restart()
        self.desk.venue.is_probed = any(s.get("do") == "lookup" for s in coming[:1])
        self.desk.start(self.desk.manager.recover())

    def check(self, expect: dict[str, Any]) -> None:
        if "orders" in expect:
            assert len(self.desk.journal.state.orders) == expect["orders"]
        if "error" in expect:
            error = self.results[-1].result().error
            assert error is not None
            assert error.code == expect["error"]
        if "deduplicated" in expect:
            assert self.results[-1].result().deduplicated is expect["deduplicated"]
        if "posts" in expect:
            assert len(self.desk.venue.posts) == expect["posts"]
        if "events_added" in expect:
            assert self.added == expect["events_added"]
        if "status" in expect:
            self.check_order(expect)

    def check_order(self, expect: dict[str, Any]) -> None:
        order = self.order
        assert order.status == expect["status"]
        for name in ("filled", "remaining", "avg_price", "settled"):
            if name in expect:
                assert text_of(getattr(order, name)) == expect[name], name
        if "fills" in expect:
            assert order.fills == expect["fills"]
        if "refused_by" in expect:
            assert order.refusal is not None
            assert order.refusal.by == expect["refused_by"]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s["id"] for s in SCENARIOS])
async def test_scenario_ends_as_expected(
    scenario: dict[str, Any], tmp_path: Path
) -> None:
    """What the venue and the chain may do to an order, done to a real ledger."""
    await Scenario(tmp_path, scenario["steps"]).run()


async def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    """A runner that cannot fail would prove nothing."""
    steps: list[dict[str, Any]] = [
        {"do": "place", "size": "10", "price": "0.45", "side": "BUY", "tif": "GTC"},
        {"do": "post", "answer": "live"},
        {"expect": {"status": "CONFIRMED", "filled": "10"}},
    ]
    with pytest.raises(AssertionError):
        await Scenario(tmp_path, steps).run()
