"""The simulated venue dies with the process; the ledger brings it back."""

from decimal import Decimal

import pytest

from executors.paper import PaperConfig, PaperExecutor
from ledger.book import OrderBook
from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    DustSeen,
    LookupFound,
    PostOutcome,
)
from ledger.events import ObservedPosition
from ledger.intent import UserFill
from ledger.values import EndReason, OrderStatus, Outcome, Side, TimeInForce
from ledger.venue import Holdings, PreparedOrder
from tests.integration.paper.kit import MARKET, START, HandClock, Orders, request

BUY, SELL = Side.BUY, Side.SELL


def d(text: str) -> Decimal:
    return Decimal(text)


class Plant:
    """A ledger's view of the orders, and a venue that can be lost."""

    def __init__(self, **config: object) -> None:
        self.clock = HandClock()
        self.config = config
        self.orders = Orders()
        self.count = 0
        self.executor = self._fresh(run=1)

    def _fresh(self, run: int) -> PaperExecutor:
        settings = PaperConfig(run=run, **self.config)  # type: ignore[arg-type]
        return PaperExecutor(settings, self.clock)

    def show(self, bid: str = "100", ask: str = "20") -> None:
        book = OrderBook("111", bids=[(d("0.39"), d(bid))], asks=[(d("0.40"), d(ask))])
        self.executor.on_book("111", book, MARKET)

    async def place(
        self,
        side: Side,
        price: str,
        size: str,
        tif: TimeInForce = TimeInForce.GTC,
        *,
        is_answered: bool = True,
    ) -> PreparedOrder:
        self.count += 1
        asked = request(side, price, size, tif, order_id=f"order-{self.count}")
        made = await self.executor.prepare(asked)
        self.orders.prepared(asked, made)
        answer = await self.executor.submit(made)
        if is_answered:
            self.orders.answered(made, answer)
        self.learn()
        return made

    def learn(self) -> None:
        self.executor.advance()
        self.orders.learn(self.executor.take_facts())

    def wait(self, seconds: float) -> None:
        self.clock.wait(seconds)
        self.learn()

    def restart(self, cash: str, *positions: tuple[Outcome, str], run: int = 2) -> None:
        self.executor = self._fresh(run)
        held = [
            ObservedPosition(market_id=MARKET.market_id, outcome=outcome, size=d(size))
            for outcome, size in positions
        ]
        settled = Holdings(as_of=START, positions=tuple(held), cash=d(cash))
        self.executor.restore(self.orders.all(), settled, [MARKET])
        self.learn()

    def status(self, made: PreparedOrder) -> OrderStatus:
        return self.orders.by_venue_id[made.venue_order_id].status


@pytest.fixture
def plant() -> Plant:
    plant = Plant()
    plant.show()
    return plant


async def test_a_working_order_works_on(plant: Plant) -> None:
    """20 of 30 filled before the restart, so 10 rest after it."""
    made = await plant.place(BUY, "0.40", "30")
    plant.restart("1000")
    [listed] = (await plant.executor.get_open_orders()).orders
    assert (listed.size, listed.size_matched) == (d("30"), d("20"))
    plant.show(ask="0")
    plant.executor.on_trade("111", price=d("0.40"), size=d("50"), side=SELL)
    plant.learn()
    order = plant.orders.by_venue_id[made.venue_order_id]
    assert (order.filled, order.status) == (d("30"), OrderStatus.MATCHED)


async def test_a_restored_order_joins_the_back_of_the_queue(plant: Plant) -> None:
    """Its old place is not known any more, so the worst one is assumed."""
    await plant.place(BUY, "0.39", "30")
    plant.executor.on_trade("111", price=d("0.39"), size=d("90"), side=SELL)
    plant.restart("1000")
    plant.executor.on_trade("111", price=d("0.39"), size=d("500"), side=SELL)
    assert plant.executor.take_facts() == []  # no book yet, no place in the queue
    plant.show()
    plant.executor.on_trade("111", price=d("0.39"), size=d("105"), side=SELL)
    [seen] = plant.executor.take_facts()
    assert isinstance(seen.fact, UserFill)
    assert seen.fact.size == d("5")


async def test_locks_are_rebuilt(plant: Plant) -> None:
    """20 matched at 0.40 with a fee of 0.336, and 10 more bid for at 0.40."""
    await plant.place(BUY, "0.40", "30")
    before = plant.executor.venue.available_cash()
    assert before == d("1000") - d("8.336") - d("4")
    plant.restart("1000")
    assert plant.executor.venue.available_cash() == before


async def test_a_trade_that_was_not_final_settles_on(plant: Plant) -> None:
    """From where it was: mined before the restart, confirmed after it."""
    made = await plant.place(BUY, "0.40", "10")
    plant.wait(2)
    assert plant.status(made) is OrderStatus.MINED
    plant.restart("1000")
    plant.wait(2.999)
    assert plant.status(made) is OrderStatus.MINED
    plant.wait(0.001)
    assert plant.status(made) is OrderStatus.CONFIRMED
    holdings = await plant.executor.get_positions()
    assert (holdings.cash, holdings.positions[0].size) == (d("995.832"), d("10"))


async def test_a_trade_that_was_to_fail_fails_after_the_restart_too() -> None:
    """Its fate is the seed's and its own, whatever happened in between."""
    plant = Plant(failure_rate=d("1"))
    plant.show()
    made = await plant.place(BUY, "0.40", "10")
    plant.restart("1000")
    plant.wait(60)
    assert plant.status(made) is OrderStatus.FAILED
    assert plant.executor.venue.available_cash() == d("1000")


async def test_settled_shares_can_be_sold_after_a_restart(plant: Plant) -> None:
    """Holdings are taken as given; a confirmed trade is not booked again."""
    await plant.place(BUY, "0.40", "10")
    plant.wait(5)
    plant.restart("995.832", (Outcome.YES, "10"))
    plant.show()
    made = await plant.place(SELL, "0.39", "10")
    plant.wait(60)
    assert plant.status(made) is OrderStatus.CONFIRMED
    holdings = await plant.executor.get_positions()
    assert holdings.positions == ()
    assert holdings.cash == d("995.832") + d("3.9") - d("0.16653")


async def test_an_order_that_nothing_proves_is_unknown_to_the_new_venue(
    plant: Plant,
) -> None:
    """The crash came before the answer: the look-up says none, and may be sent."""
    made = await plant.place(BUY, "0.38", "10", is_answered=False)
    plant.restart("1000")
    found = await plant.executor.get_order(made.venue_order_id)
    assert found.found is LookupFound.NONE
    plant.show()
    assert (await plant.executor.submit(made)).outcome is PostOutcome.LIVE


async def test_finished_orders_still_answer_look_ups(plant: Plant) -> None:
    """An id the venue once had is not an id it never had."""
    filled = await plant.place(BUY, "0.40", "10")
    killed = await plant.place(BUY, "0.40", "900", TimeInForce.FOK)
    resting = await plant.place(BUY, "0.38", "10")
    await plant.executor.cancel(resting.venue_order_id)
    plant.wait(60)
    plant.restart("995.832", (Outcome.YES, "10"))
    look_up = plant.executor.get_order
    assert (await look_up(filled.venue_order_id)).found is LookupFound.MATCHED
    assert (await look_up(killed.venue_order_id)).reason is EndReason.KILLED
    assert (await look_up(resting.venue_order_id)).reason is EndReason.CANCELLED
    assert (await plant.executor.get_open_orders()).orders == ()
    again = await plant.executor.submit(filled)
    assert again.code == "duplicated"


async def test_dust_that_was_closed_does_not_rest_again(plant: Plant) -> None:
    """The ledger closed the order; its last hundredths must not fill later."""
    made = await plant.place(BUY, "0.40", "20.01")
    plant.orders.apply(
        made.venue_order_id, DustSeen(tolerance=d("0.01")), source="lookup"
    )
    plant.restart("1000")
    assert (await plant.executor.get_open_orders()).orders == ()
    found = await plant.executor.get_order(made.venue_order_id)
    assert found.found is LookupFound.MATCHED


async def test_a_taker_caught_in_the_middle_is_killed(plant: Plant) -> None:
    """The crash came between its fill and its kill; it must not rest for ever."""
    asked = request(BUY, "0.40", "60", TimeInForce.FAK)
    made = await plant.executor.prepare(asked)
    plant.orders.prepared(asked, made)
    await plant.executor.submit(made)
    plant.orders.learn(plant.executor.take_facts()[:1])  # the fill alone
    assert plant.status(made) is OrderStatus.PARTIAL_FILL
    plant.restart("1000")
    assert plant.status(made) is OrderStatus.CANCELLED


async def test_new_trades_do_not_take_the_numbers_of_old_ones(plant: Plant) -> None:
    """Even if somebody starts twice with the same run."""
    made = await plant.place(BUY, "0.40", "30")
    plant.restart("1000", run=1)
    plant.show(ask="0")
    plant.executor.on_trade("111", price=d("0.40"), size=d("10"), side=SELL)
    plant.learn()
    order = plant.orders.by_venue_id[made.venue_order_id]
    assert sorted(order.trades) == ["paper-1-1", "paper-1-2"]


async def test_an_order_that_expired_meanwhile_ends_at_once(plant: Plant) -> None:
    """Nobody watched the clock while the process was down."""
    expires = START.replace(hour=1)
    asked = request(BUY, "0.38", "10", TimeInForce.GTD, expires_at=expires)
    made = await plant.executor.prepare(asked)
    plant.orders.prepared(asked, made)
    plant.orders.answered(made, await plant.executor.submit(made))
    plant.clock.wait(7_200)
    plant.restart("1000")
    order = plant.orders.by_venue_id[made.venue_order_id]
    assert order.ended is EndReason.EXPIRED


async def test_a_cancel_reaches_a_restored_order(plant: Plant) -> None:
    """The id is the same, so the strategy's handle still works."""
    made = await plant.place(BUY, "0.38", "10")
    plant.restart("1000")
    answer = await plant.executor.cancel(made.venue_order_id)
    assert answer == CancelAnswered(outcome=CancelOutcome.CANCELED)
    plant.learn()
    assert plant.status(made) is OrderStatus.CANCELLED
    assert plant.executor.venue.available_cash() == d("1000")
