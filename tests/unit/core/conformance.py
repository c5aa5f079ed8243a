"""Runs the scenarios of an order's life through `decide` and `evolve` alone.

What only a whole manager can show (idempotency keys, the number of posts, an
unknown order) is left out here: those keys of `expect` are skipped.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ledger import events as ev
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    CancelWanted,
    GiveUp,
    LookedUp,
    LookupFound,
    OrderEnded,
    PostAnswered,
    PostOutcome,
    TradesSwept,
)
from ledger.order import Order
from ledger.values import (
    EndReason,
    Phase,
    Settlement,
    Side,
    TimeInForce,
    rounded,
    text_of,
)
from tests.unit.core.stories import START, Story, fill, prepared, requested, settle

OWN_COPY: Final = Path(__file__).parents[2] / "data" / "conformance" / "lifecycle.json"

RISK_LIMIT: Final = Decimal("1000000")
"""Stands in for the risk limits: a scenario far above it expects a refusal."""

_NEEDS_MANAGER: Final = {"deduplicated", "posts", "error", "orders", "refused_by"}


def load(path: Path = OWN_COPY) -> dict[str, Any]:
    """Read the file: its `format` and its list of `scenarios`."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def check_invariants(order: Order) -> None:
    """Hold the order against what must be true after every single event."""
    live = [trade for trade in order.trades.values() if trade.is_live]
    confirmed = [t for t in live if t.settlement is Settlement.CONFIRMED]
    assert order.filled == sum((t.size for t in live), Decimal("0"))
    assert order.settled == sum((t.size for t in confirmed), Decimal("0"))
    assert order.fees == sum((t.fee for t in live), Decimal("0"))
    assert order.fills == len(live)
    assert all(key == trade.trade_id for key, trade in order.trades.items())
    assert order.unsettled == sum(not t.is_final for t in order.trades.values())
    if order.phase is Phase.DONE:
        assert order.remaining == 0
    else:
        assert order.filled + order.remaining == order.size
    if live:
        cost = sum((t.size * t.price for t in live), Decimal("0"))
        assert order.avg_price == rounded(cost / order.filled)
    else:
        assert order.avg_price is None


class Runner:
    """One scenario on its way: the order so far, if there is one."""

    def __init__(self) -> None:
        self.story: Story | None = None
        self.added = 0

    def run(self, steps: list[dict[str, Any]]) -> None:
        """Do every step; check what is expected, and the invariants after each.

        Raises:
            AssertionError: an expectation or an invariant does not hold.
        """
        for step in steps:
            if "expect" in step:
                self._check(step["expect"])
            else:
                before = len(self.story.history) if self.story else 0
                self._do(step)
                self.added = len(self.story.history) - before if self.story else 0
            if self.story is not None:
                check_invariants(self.story.order)

    def _do(self, step: dict[str, Any]) -> None:
        if step["do"] == "place":
            if self.story is None:  # the same key again is the manager's business
                self.story = _placed(step)
        elif self.story is None:
            assert step["do"] == "cancel"  # of an order that does not exist
        elif step["do"] == "restart":
            self.story.restart()
        elif step["do"] == "wait":
            self.story.wait(step["seconds"])
        elif (fact := _fact(step)) is not None:
            self.story.when(fact)

    def _check(self, expect: dict[str, Any]) -> None:
        wanted = {k: v for k, v in expect.items() if k not in _NEEDS_MANAGER}
        if self.story is None:
            assert not wanted
            return
        order = self.story.order
        average = order.avg_price
        found: dict[str, Any] = {
            "status": order.status,
            "filled": text_of(order.filled),
            "remaining": text_of(order.remaining),
            "avg_price": None if average is None else text_of(average),
            "settled": text_of(order.settled),
            "fills": order.fills,
            "events_added": self.added,
        }
        found = {key: found[key] for key in wanted}
        assert found == wanted, f"found {found}, expected {wanted}"


def _placed(step: dict[str, Any]) -> Story:
    intent = requested(
        size=Decimal(step["size"]),
        price=Decimal(step["price"]),
        side=Side(step["side"]),
        time_in_force=TimeInForce(step["tif"]),
    )
    if intent.size <= RISK_LIMIT:
        return Story([intent, prepared(intent.size)])
    refusal = ev.OrderRefused(at=START, by="risk", code="size", text="too large")
    return Story([intent, refusal])


def _post(step: dict[str, Any]) -> object:
    outcome = PostOutcome(step["answer"])
    return PostAnswered(outcome=outcome, text=step.get("text", ""))


def _fill(step: dict[str, Any]) -> object:
    status = Settlement(step.get("status", "MATCHED"))
    return fill(step["trade"], step["size"], step["price"], status)


def _cancel_answer(step: dict[str, Any]) -> object:
    outcome = CancelOutcome(step["answer"])
    return CancelAnswered(outcome=outcome, text=step.get("reason", ""))


def _cancelled(step: dict[str, Any]) -> object:
    reason = step["reason"]
    return OrderEnded(
        reason=EndReason("cancelled" if reason == "requested" else reason)
    )


_FACTS: Final[dict[str, Callable[[dict[str, Any]], object | None]]] = {
    "post": _post,
    "fill": _fill,
    "settle": lambda step: settle(step["trade"], Settlement(step["status"])),
    "cancel": lambda _: CancelWanted(),
    "cancel_answer": _cancel_answer,
    "cancelled": _cancelled,
    "lookup": lambda step: LookedUp(found=LookupFound(step["found"])),
    # A sweep that found trades reports them as fills of their own.
    "trades_swept": lambda s: TradesSwept() if s["answer"] == "none" else None,
    "give_up": lambda _: GiveUp(),
    "crash_before_post": lambda _: None,
}


def _fact(step: dict[str, Any]) -> object | None:
    assert step["do"] in _FACTS, f"the runner does not know the step {step['do']!r}"
    return _FACTS[step["do"]](step)
