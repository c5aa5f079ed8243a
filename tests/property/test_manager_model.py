"""The whole ledger against a dictionary: any steps, any restart, the same books."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ledger.decide import OrderEnded
from ledger.manager import Journal, ManagerConfig, OrderManager, OrderResult
from ledger.order import Order
from ledger.position import PositionKey
from ledger.risk import RiskConfig, RiskManager
from ledger.slippage import SlippageConfig, SlippageGuard
from ledger.store import LedgerStore, StoreOptions
from ledger.values import ZERO, EndReason, Outcome, Settlement, Side
from ledger.venue import VenueFact
from tests.integration.manager.scripted import MARKET, DeepBooks, TestClock, intent
from tests.property.honest_venue import FEE, HonestVenue
from tests.unit.core.accounts import picture
from tests.unit.core.conformance import check_invariants

Key = tuple[str, str]
CASH: Final = Decimal(100_000)
BUY_PRICE: Final = Decimal("0.40")
SELL_PRICE: Final = Decimal("0.39")
OPTIONS: Final = StoreOptions(ballast_bytes=0)
# Young for ever: what the venue never had is posted again, never given up.
CONFIG: Final = ManagerConfig(order_timeout_ms=10**9, max_retry_attempts=2)
KEYS: Final = st.tuples(
    st.sampled_from(["s1", "s2"]), st.sampled_from(["k1", "k2", "k3", "k4"])
)
NUMBERS: Final = st.integers(0, 11)
ANSWERS: Final = (
    *(["lost"], ["lost"], ["lost"], ["taken"], ["taken"]),  # what hurts, often
    *(["live"], ["live"], ["matched"], ["killed"], ["refused"]),
    *(["busy", "live"], ["busy", "busy", "busy"], ["busy", "taken"]),
)
KINDS: Final = {
    Settlement.CONFIRMED: "confirmed",
    Settlement.FAILED: "void",
    Settlement.MATCHED: "open",
}


@dataclass(eq=False)
class Known:
    """What the ledger has been told of one order, as plain values."""

    side: Side
    size: Decimal
    name: str = ""
    accepted: bool = False
    refused: bool = False
    ended: bool = False
    given_up: bool = False
    cancel_wanted: bool = False
    looked: set[datetime] = field(default_factory=set)
    swept: set[datetime] = field(default_factory=set)
    trades: dict[str, tuple[Decimal, str]] = field(default_factory=dict)

    @property
    def price(self) -> Decimal:
        return BUY_PRICE if self.side is Side.BUY else SELL_PRICE

    @property
    def matched(self) -> Decimal:
        return sum((size for size, _ in self.trades.values()), ZERO)

    @property
    def filled(self) -> Decimal:
        return sum((s for s, kind in self.trades.values() if kind != "void"), ZERO)

    @property
    def is_done(self) -> bool:
        if self.matched >= self.size or self.ended:
            return True
        is_denied = self.refused or self.given_up
        return is_denied and not (self.accepted or self.trades)

    @property
    def is_closed(self) -> bool:
        return self.is_done and all(k != "open" for _, k in self.trades.values())

    @property
    def is_disproved(self) -> bool:
        """Two empty look-ups and sweeps, a minute apart at least."""
        return all(
            len(times) > 1 and max(times) - min(times) >= timedelta(seconds=60)
            for times in (self.looked, self.swept)
        )

    @property
    def resting(self) -> Decimal:
        return ZERO if self.is_done else self.size - self.matched


class LedgerMachine(RuleBasedStateMachine):
    """Places, fills, settles, cancels, loses answers and dies, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = TemporaryDirectory()
        self.clock = TestClock()
        self.venue = HonestVenue(self.clock)
        self.model: dict[Key, Known] = {}
        self.starts = 0

    @initialize(
        answers=st.lists(st.sampled_from(ANSWERS), min_size=3, max_size=5),
    )
    def begin(self, answers: list[list[str]]) -> None:
        """Open a ledger; a few orders from the start, so that steps find some."""
        self.open()
        self.run(self.manager.account.list_market(MARKET))
        self.run(self.manager.account.move_cash(CASH, "deposit"))
        keys = [(f"s{n % 2 + 1}", f"k{n // 2 + 1}") for n in range(len(answers))]
        for key, answer in zip(keys, answers, strict=True):
            self.ask(key, Side.BUY, "20", answer, callers=1)

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def open(self) -> None:
        """Open the file as a new process does."""
        self.starts += 1

        async def start() -> None:
            store = LedgerStore.open(
                Path(self.folder.name) / "ledger.db",
                clock_us=lambda: int(self.clock.at.timestamp() * 1_000_000),
                options=OPTIONS,
            )
            self.journal = Journal(
                store, account="main", threaded=False, checkpoint_every=9
            )
            self.manager = OrderManager(
                self.journal,
                self.venue,
                DeepBooks(),
                risk=RiskManager(RiskConfig()),
                slippage=SlippageGuard(SlippageConfig()),
                clock=self.clock,
                rng=Random(self.starts),
                config=CONFIG,
            )

        self.run(start())

    def teardown(self) -> None:
        try:
            if self.starts:
                whole = picture(self.journal.state)
                assert self.journal.store.verify(full=True).is_sound
                self.run(self.journal.close())
                self.open()
                assert picture(self.journal.state) == whole
                self.run(self.journal.close())
        finally:
            self.runner.close()
            self.folder.cleanup()

    # What the ledger must believe

    def sellable(self, strategy: str) -> Decimal:
        free = ZERO
        for (owner, _), known in self.model.items():
            if owner != strategy:
                continue
            if known.side is Side.SELL:
                free -= known.filled + known.resting
            else:
                free += sum(
                    (s for s, k in known.trades.values() if k == "confirmed"), ZERO
                )
        return free

    def shares(self, strategy: str) -> Decimal:
        total = ZERO
        for (owner, _), known in self.model.items():
            if owner == strategy:
                is_buy = known.side is Side.BUY
                total += known.filled if is_buy else -known.filled
        return total

    def cash(self) -> Decimal:
        cash = CASH
        for known in self.model.values():
            live = [s for s, kind in known.trades.values() if kind != "void"]
            paid = sum((size * known.price for size in live), ZERO)
            cash += paid if known.side is Side.SELL else -paid
            cash -= FEE * len(live)
        return cash

    def reserved(self) -> Decimal:
        fee = MARKET.fee_rate * BUY_PRICE * (1 - BUY_PRICE)
        buys = (k.resting for k in self.model.values() if k.side is Side.BUY)
        return sum((resting * (BUY_PRICE + fee) for resting in buys), ZERO)

    # What the ledger comes to know

    def learn_trade(self, trade: str) -> None:
        truth = self.venue.trades[trade]
        known = self.by_name(truth.order_id)
        before = known.trades.get(trade)
        kind = KINDS[truth.status]
        if before is None or before[1] == "open":
            known.trades[trade] = (truth.size, kind)

    def learn_by_look_up(self, known: Known) -> None:
        truth = self.venue.orders.get(known.name)
        if truth is None:
            known.looked.add(self.clock.at)
        elif truth.ended is None:
            known.accepted = True
        else:
            known.ended = True

    def by_name(self, name: str) -> Known:
        return next(k for k in self.model.values() if k.name == name)

    def order_of(self, key: Key) -> Order:
        found = self.journal.find_intent(*key)
        assert found is not None
        return self.journal.order(found.order_id)

    # Placing

    @rule(
        key=KEYS,
        side=st.sampled_from([Side.BUY, Side.BUY, Side.SELL]),
        size=st.sampled_from(["10", "20"]),
        answers=st.sampled_from(ANSWERS),
        callers=st.sampled_from([1, 1, 2]),
    )
    def place(
        self, key: Key, side: Side, size: str, answers: list[str], callers: int
    ) -> None:
        self.ask(key, side, size, answers, callers)

    def ask(
        self, key: Key, side: Side, size: str, answers: list[str], callers: int
    ) -> None:
        """Place an order and check the answer."""
        self.venue.script = list(answers)
        before = sum(self.venue.posts.values())

        async def all_at_once() -> list[OrderResult]:
            wanted = self.intent(key, side, size)
            return list(
                await asyncio.gather(
                    *(self.manager.place(wanted) for _ in range(callers))
                )
            )

        results = self.run(all_at_once())
        posts = sum(self.venue.posts.values()) - before
        known = self.model.get(key)
        if known is not None:
            assert posts == 0
            for result in results:
                self.check_repeated(known, side, Decimal(size), result)
            return
        assert [r.deduplicated for r in results] == [n > 0 for n in range(callers)]
        known = Known(side, Decimal(size))
        is_covered = side is Side.BUY or self.sellable(key[0]) >= known.size
        self.model[key] = known
        if not is_covered:
            known.refused = True
            assert posts == 0
            error = results[0].error
            assert error is not None
            assert error.code == "settled_shares"
            return
        assert posts == len(answers)
        known.name = results[0].order.venue_order_id
        self.learn_answer(known, answers[-1])
        for result in results:
            assert result.success is not (known.refused or self.is_unknown(known))

    def intent(self, key: Key, side: Side, size: str) -> Any:
        price = str(BUY_PRICE if side is Side.BUY else SELL_PRICE)
        strategy, name = key
        return intent(
            strategy=strategy, idempotency_key=name, side=side, size=size, price=price
        )

    def check_repeated(
        self, known: Known, side: Side, size: Decimal, result: OrderResult
    ) -> None:
        if (side, size) == (known.side, known.size):
            assert result.deduplicated
        else:
            assert result.error is not None
            assert result.error.code == "idempotency_conflict"

    def learn_answer(self, known: Known, answer: str) -> None:
        known.accepted = answer in {"live", "matched"}
        known.refused = answer in {"refused", "busy"}
        known.ended = answer == "killed"

    def is_unknown(self, known: Known) -> bool:
        return not (known.is_done or known.accepted or known.trades)

    @rule(
        key=KEYS,
        answer=st.sampled_from(["dead", "dead-taken"]),
        recovers=st.booleans(),
    )
    def place_and_die(self, key: Key, answer: str, *, recovers: bool) -> None:
        """The process dies between the post and its answer."""
        if key in self.model:
            return
        self.venue.script = [answer]

        async def ask() -> None:
            wanted = self.intent(key, Side.BUY, "10")
            task = asyncio.ensure_future(self.manager.place(wanted))
            while self.venue.script:  # noqa: ASYNC110 - until the post has arrived
                await asyncio.sleep(0)
            self.journal.store.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        self.run(ask())
        self.open()
        known = self.model[key] = Known(Side.BUY, Decimal(10))
        known.name = self.order_of(key).venue_order_id
        if recovers:
            self.recover()

    # What happens at the venue

    @rule(
        number=NUMBERS, piece=st.sampled_from(["4", "10", "20"]), is_told=st.booleans()
    )
    def match(self, number: int, piece: str, *, is_told: bool) -> None:
        """A live order finds a counterparty."""
        if (live := self.live_at_venue()) and (name := live[number % len(live)]):
            truth = self.venue.orders[name]
            size = min(Decimal(piece), truth.size - truth.matched)
            trade = self.venue.match(name, size)
            if is_told:
                self.tell(trade)

    def live_at_venue(self) -> list[str]:
        return [name for name, order in self.venue.orders.items() if order.is_live]

    @rule(number=NUMBERS, times=st.sampled_from([1, 2]))
    def tell_again(self, number: int, times: int) -> None:
        """News of some trade, perhaps known, perhaps twice."""
        trades = list(self.venue.trades)
        for _ in range(times if trades else 0):
            self.tell(trades[number % len(trades)])

    def tell(self, trade: str) -> None:
        self.run(self.manager.on_fill(self.venue.fill(trade)))
        self.learn_trade(trade)

    @rule(
        number=NUMBERS,
        status=st.sampled_from(
            [Settlement.CONFIRMED, Settlement.CONFIRMED, Settlement.FAILED]
        ),
        is_told=st.booleans(),
    )
    def settle(self, number: int, status: Settlement, *, is_told: bool) -> None:
        """The chain says its last word on a trade."""
        opened = [
            name
            for name, trade in self.venue.trades.items()
            if trade.status is Settlement.MATCHED
        ]
        if opened:
            trade = opened[number % len(opened)]
            self.venue.trades[trade].status = status
            if is_told:
                self.tell(trade)

    @rule(
        number=NUMBERS,
        reason=st.sampled_from([EndReason.EXPIRED, EndReason.MARKET_RESOLVED]),
        is_told=st.booleans(),
    )
    def end(self, number: int, reason: EndReason, *, is_told: bool) -> None:
        """The venue ends an order by itself."""
        if not (live := self.live_at_venue()):
            return
        name = live[number % len(live)]
        self.venue.orders[name].ended = reason
        if is_told:
            fact = VenueFact(venue_order_id=name, fact=OrderEnded(reason=reason))
            self.run(self.manager.apply(fact))
            self.by_name(name).ended = True

    # Cancelling

    @rule(
        number=NUMBERS,
        answer=st.sampled_from(["canceled", "lost", "taken"]),
        is_open=st.sampled_from([True, True, True, False]),
    )
    def cancel(self, number: int, answer: str, *, is_open: bool) -> None:
        """Somebody wants an order cancelled, rarely one that is done."""
        keys = [k for k, v in self.model.items() if v.is_done is not is_open]
        if not keys:
            return
        key = keys[number % len(keys)]
        known = self.model[key]
        self.venue.cancel_script = answer
        truth = self.venue.orders.get(known.name)
        is_unheard = (
            truth is not None and truth.is_live and truth.matched > known.matched
        )
        result = self.run(self.manager.cancel(self.order_of(key).order_id))
        self.venue.cancel_script = "canceled"
        if known.is_done:
            assert result.error.code == "refused"
            return
        known.cancel_wanted = True
        if answer == "canceled":
            if is_unheard:
                # A cancel names no sizes: what was matched is swept for first.
                for trade in list(self.venue.trades):
                    self.learn_trade(trade)
            self.learn_cancel(known)
        self.learn_by_look_up(known)
        assert result.success is (known.is_done and known.matched < known.size)

    def learn_cancel(self, known: Known) -> None:
        """A refusal ends the wish, unless it says nothing: who knows the order?"""
        truth = self.venue.orders.get(known.name)
        is_cancelled = truth is not None and truth.ended is EndReason.CANCELLED
        if (known.accepted or known.trades) and not is_cancelled:
            known.cancel_wanted = False

    # Looking, dying, starting

    @rule(answer=st.sampled_from(["live", "lost", "taken", "busy", "killed"]))
    def resolve(self, answer: str) -> None:
        """Ask for everything that is open, as the timer does."""
        self.learn_everything(self.manager.resolve_open(), answer)

    def recover(self) -> None:
        self.learn_everything(self.manager.recover(), "live")
        for known in self.model.values():
            if known.cancel_wanted and not known.is_done:
                truth = self.venue.orders.get(known.name)
                assert truth is None or not truth.is_live, "a cancel was forgotten"
                self.learn_cancel(known)
                self.learn_by_look_up(known)

    def learn_everything(self, asking: Any, answer: str) -> None:
        """What was asked, if what is posted again gets `answer`."""
        in_memory = [k for k in self.model.values() if not k.is_closed]
        absent = [
            k
            for k in in_memory
            if self.is_unknown(k) and k.name not in self.venue.orders
        ]
        self.venue.script, self.venue.otherwise = [], answer
        trades, posts = list(self.venue.trades), self.venue.posts.copy()
        self.run(asking)
        sent = {name for name, n in self.venue.posts.items() if n > posts[name]}
        if not in_memory:
            return
        for trade in trades:
            self.learn_trade(trade)
        assert sent == {k.name for k in absent if not k.cancel_wanted}
        for known in absent:
            if known.cancel_wanted:
                known.looked.add(self.clock.at)
                known.swept.add(self.clock.at)
                known.given_up = known.is_disproved
            else:
                known.looked.clear()
                known.swept.clear()
                # Neither says anything of the first post; a look-up will.
                if answer not in {"busy", "killed"}:
                    self.learn_answer(known, answer)
        for known in in_memory:
            if not known.is_done and known not in absent:
                self.learn_by_look_up(known)

    @rule(is_tidy=st.booleans(), recovers=st.booleans())
    def restart(self, *, is_tidy: bool, recovers: bool) -> None:
        """End the process, with or without a word, and start another."""
        before = picture(self.journal.state)
        if is_tidy:
            self.run(self.journal.close())
        else:
            self.journal.store.close()
        self.open()
        assert picture(self.journal.state) == before
        if recovers:
            self.recover()

    @rule(seconds=st.sampled_from([1, 100, 100_000]))
    def wait(self, seconds: int) -> None:
        self.clock.pass_by(seconds)

    # What must hold after every step

    @precondition(lambda self: self.starts)
    @invariant()
    def ledger_and_model_agree(self) -> None:
        assert self.venue.faults == []
        state = self.journal.state
        assert state.position == self.journal.store.head
        opened = {
            (o.strategy, o.idempotency_key): o for o in self.manager.open_orders()
        }
        assert set(opened) == {k for k, v in self.model.items() if not v.is_done}
        for key, known in self.model.items():
            order = self.order_of(key)
            check_invariants(order)
            assert (order.filled, order.matched) == (known.filled, known.matched)
            assert order.resting == known.resting
            assert order.is_accepted is (known.accepted or bool(known.trades))
            assert order.is_closed is known.is_closed
            assert (order.order_id in state.orders) is not known.is_closed
        for strategy in ("s1", "s2"):
            line = state.holding(PositionKey(strategy, "0xmarket", Outcome.YES))
            assert line.position.shares == self.shares(strategy)
            held = state.sellable(strategy, "0xmarket", Outcome.YES)
            assert held == self.sellable(strategy)
        assert state.cash == self.cash()
        assert state.reserved_cash == self.reserved()


LedgerMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40)
TestLedger = LedgerMachine.TestCase
