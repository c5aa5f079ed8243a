"""Strategies on a live feed: each is told its own, and none can harm another."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from examples.pair_arbitrage import PairArbitrage
from examples.strategy import MarketView, PriceTick
from executors.market_data import Frame
from executors.market_data.live import LiveFeed
from ledger.api import CommandAPI
from ledger.errors import LedgerError, StoreFailedError, VenueRejectedError
from ledger.intent import OrderIntent, UserFill
from ledger.manager.results import OrderResult
from ledger.market import Market
from ledger.order import Order
from ledger.values import OrderStatus, Outcome, Settlement, Side, TradingMode
from ledger.venue import VenueFact
from service.bootstrap import OpenLedger, open_ledger
from service.live_session import LiveSession
from service.runtime import Runtime
from service.translate import manager_config
from tests.integration.service.real_venue import RealVenue, live_settings
from tests.integration.service.test_bootstrap import MARKET
from tests.tools.simloop import LoopClock, simulate


class Tape:
    """A feed that a test speaks for; `asked` are tokens whose book was wanted."""

    def __init__(self, clock: LoopClock) -> None:
        self.clock = clock
        self.asked: list[str] = []
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()
        self._count = 0

    async def frames(self) -> AsyncGenerator[Frame]:
        while True:
            yield await self._frames.get()

    def refresh(self, token_id: str) -> None:
        self.asked.append(token_id)

    @property
    def now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1_000)

    def says(self, *messages: dict[str, Any], gap: str = "") -> None:
        self._count += 1
        text = "" if gap else json.dumps(list(messages))
        frame = Frame(sequence=self._count, received_ms=self.now_ms, text=text, gap=gap)
        self._frames.put_nowait(frame)

    def books(self, bid: str = "0.40", ask: str = "0.42") -> None:
        """Both books of the market, complements of each other."""
        bid_no, ask_no = 1 - Decimal(ask), 1 - Decimal(bid)
        self.says(
            self._book("yes", bid, ask), self._book("no", str(bid_no), str(ask_no))
        )

    def _book(self, token: str, bid: str, ask: str) -> dict[str, Any]:
        return {
            "event_type": "book",
            "market": "0xm",
            "asset_id": token,
            "timestamp": str(self.now_ms),
            "hash": f"{token}{self._count}",
            "bids": [{"price": bid, "size": "500"}],
            "asks": [{"price": ask, "size": "500"}],
        }

    def resolved(self) -> None:
        self.says(
            {
                "event_type": "market_resolved",
                "market": "0xm",
                "assets_ids": ["yes", "no"],
                "winning_asset_id": "yes",
                "winning_outcome": "Yes",
                "timestamp": str(self.now_ms),
            }
        )


class Bot:
    """A strategy that does what a test says, and remembers what it was told."""

    def __init__(
        self,
        name: str = "bot",
        act: Callable[[CommandAPI, MarketView], Awaitable[object]] | None = None,
    ) -> None:
        self.name = name
        self.act = act
        self.views: list[MarketView] = []
        self.orders: list[Order] = []
        self.ticks: list[PriceTick] = []
        self.resolved: list[str] = []

    async def on_books(self, api: CommandAPI, view: MarketView) -> None:
        self.views.append(view)
        if self.act is not None:
            await self.act(api, view)

    async def on_order(self, api: CommandAPI, order: Order) -> None:
        self.orders.append(order)

    async def on_tick(self, api: CommandAPI, tick: PriceTick) -> None:
        self.ticks.append(tick)

    async def on_resolved(self, api: CommandAPI, market_id: str) -> None:
        self.resolved.append(market_id)


def bid(strategy: str = "bot", key: str = "k") -> OrderIntent:
    fields = {
        "strategy": strategy,
        "idempotency_key": key,
        "market_id": "0xm",
        "outcome": "YES",
        "side": "BUY",
        "size": "20",
        "price": "0.40",
        "post_only": True,
    }
    return OrderIntent.parse(fields)


class OrdersOnly(RealVenue):
    """Does what the real venue's order API does, and nothing on chain."""

    async def merge(self, market: Market, size: Decimal) -> str:
        self.steps.append("merge")
        raise VenueRejectedError("orders only", code="not_supported")


class Desk:
    """A session that runs, with the feed and the venue that a test speaks for."""

    def __init__(
        self, tape: Tape, venue: RealVenue, session: LiveSession, opened: OpenLedger
    ) -> None:
        self.tape = tape
        self.venue = venue
        self.session = session
        self.opened = opened
        self.clock = tape.clock

    def fills(self, order: Order) -> None:
        fill = UserFill(
            trade_id=f"t{order.order_id}",
            order_id=order.venue_order_id,
            size=order.size,
            price=order.price,
            status=Settlement.CONFIRMED,
        )
        fact = VenueFact(venue_order_id=order.venue_order_id, fact=fill)
        self.venue.orders.pop(order.venue_order_id, None)
        self.venue.said.put_nowait(fact)


def traded(
    data: Path,
    strategies: list[Any],
    story: Callable[[Desk], Awaitable[None]],
    *,
    ticks: Callable[[], AsyncIterator[PriceTick]] | None = None,
    before: Callable[[OpenLedger], Awaitable[None]] | None = None,
) -> None:
    """Run strategies in virtual time while a story is told, then stop them."""

    async def main(clock: LoopClock) -> None:
        tape, venue = Tape(clock), OrdersOnly(clock)
        opened = await open_ledger(
            live_settings(),
            data,
            clock=clock,
            clock_us=lambda: int(clock.now().timestamp() * 1_000_000),
            threaded=False,
            executor_of=venue.of,
        )
        if before is not None:
            await before(opened)
        runtime = Runtime(opened, threaded=False)
        await runtime.start()
        session = LiveSession(
            runtime,
            cast("LiveFeed", tape),
            strategies=strategies,
            markets=[MARKET],
            ticks=ticks,
        )
        running = asyncio.create_task(session.run())
        try:
            await clock.sleep(0.01)
            await story(Desk(tape, venue, session, opened))
            session.stop()
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await runtime.stop()

    simulate(1, main)


def test_books_reach_the_strategy_and_its_order_comes_back(tmp_path: Path) -> None:
    """The whole loop: see, place, hear of the fill."""
    results: list[OrderResult] = []

    async def act(api: CommandAPI, view: MarketView) -> None:
        if not results:
            results.append(await api.place(bid()))

    bot, other = Bot(act=act), Bot("other")

    async def story(desk: Desk) -> None:
        desk.tape.books()
        await desk.clock.sleep(0.1)
        [result] = results
        assert result.order is not None
        assert result.order.status is OrderStatus.PLACED
        desk.fills(result.order)
        await desk.clock.sleep(0.1)

    traded(tmp_path, [bot, other], story)
    view = bot.views[0]
    assert view.yes is not None
    assert view.yes.best_bid is not None
    assert view.yes.best_bid.price == Decimal("0.40")
    assert bot.orders[-1].status is OrderStatus.CONFIRMED
    assert other.orders == []


def test_one_that_waits_holds_up_nobody(tmp_path: Path) -> None:
    """The venue may take seconds to answer one; the other must see the market move."""

    async def wait(_api: CommandAPI, _view: MarketView) -> None:
        await asyncio.sleep(30)

    slow, quick = Bot("slow", act=wait), Bot("quick")

    async def story(desk: Desk) -> None:
        for price in ("0.40", "0.41", "0.39"):
            desk.tape.books(bid=price, ask="0.45")
            await desk.clock.sleep(0.5)

    traded(tmp_path, [slow, quick], story)
    assert len(slow.views) == 1
    assert len(quick.views) >= 3


def test_one_that_breaks_is_stopped_and_its_orders_withdrawn(tmp_path: Path) -> None:
    """Quotes that nobody watches any more are free options for everybody else."""

    async def fall(api: CommandAPI, _view: MarketView) -> None:
        await api.place(bid("broken"))
        raise ZeroDivisionError("a defect")

    broken, sound = Bot("broken", act=fall), Bot("sound")

    async def story(desk: Desk) -> None:
        desk.tape.books()
        await desk.clock.sleep(0.5)
        assert desk.session.broken == {"broken": "ZeroDivisionError: a defect"}
        assert desk.venue.orders == {}
        desk.tape.books("0.39")
        await desk.clock.sleep(0.5)

    traded(tmp_path, [broken, sound], story)
    assert len(broken.views) == 1
    assert len(sound.views) >= 2


def test_one_that_is_refused_goes_on(tmp_path: Path) -> None:
    """The venue pauses for seconds every Tuesday; that is no defect of a strategy."""

    async def place(api: CommandAPI, view: MarketView) -> None:
        await api.place(bid(key=str(view.now_ms)))

    bot = Bot(act=place)

    async def story(desk: Desk) -> None:
        desk.session.runtime.is_accepting = False
        desk.tape.books()
        await desk.clock.sleep(0.1)
        assert desk.venue.orders == {}
        assert not desk.opened.journal.state.orders
        desk.session.runtime.is_accepting = True
        desk.tape.books("0.39")
        await desk.clock.sleep(0.1)
        assert len(desk.venue.orders) == 1

    traded(tmp_path, [bot], story)


def test_a_book_that_was_lost_is_asked_for(tmp_path: Path) -> None:
    """The stream repeats nothing: without a fresh book the market is gone for good."""
    bot = Bot()

    async def story(desk: Desk) -> None:
        desk.tape.books()
        await desk.clock.sleep(0.1)
        assert desk.tape.asked == []
        # A change that names another top than the one we have: frames were lost.
        change = {
            "asset_id": "yes",
            "price": "0.30",
            "size": "5",
            "side": "BUY",
            "best_bid": "0.35",
            "best_ask": "0.42",
        }
        desk.tape.says(
            {
                "event_type": "price_change",
                "market": "0xm",
                "timestamp": str(desk.tape.now_ms),
                "price_changes": [change],
            }
        )
        await desk.clock.sleep(0.1)
        assert desk.tape.asked == ["yes"]
        assert bot.views[-1].yes is None
        await desk.clock.sleep(5)
        assert desk.tape.asked.count("yes") >= 2, "no answer, so it asks again"

    traded(tmp_path, [bot], story)


def test_a_silent_market_is_shown_again(tmp_path: Path) -> None:
    """Books that grow old are news: whoever quotes must withdraw."""
    bot = Bot()

    async def story(desk: Desk) -> None:
        desk.tape.books()
        await desk.clock.sleep(10)

    traded(tmp_path, [bot], story)
    assert len(bot.views) >= 4
    assert bot.views[-1].yes is not None
    assert bot.views[-1].yes.age_ms >= 6_000


def test_the_end_of_a_market_is_told_also_after_a_restart(tmp_path: Path) -> None:
    """A strategy that died before it heard would hold the shares for ever."""

    async def story(desk: Desk) -> None:
        desk.tape.books()
        desk.tape.resolved()
        await desk.clock.sleep(0.1)
        assert "0xm" in desk.opened.journal.state.payouts

    first, second = Bot(), Bot()
    traded(tmp_path, [first], story)
    assert first.resolved == ["0xm"]

    async def nothing(desk: Desk) -> None:
        desk.tape.books()
        await desk.clock.sleep(0.1)

    traded(tmp_path, [second], nothing)
    assert second.resolved == ["0xm"]
    assert second.views == []


def test_only_the_newest_price_is_told(tmp_path: Path) -> None:
    """Acting on a price of a second ago is what others earn from."""

    async def prices() -> AsyncIterator[PriceTick]:
        for number in range(5):
            yield PriceTick(number, Decimal(number))
        await asyncio.sleep(3_600)

    async def busy(_api: CommandAPI, _view: MarketView) -> None:
        await asyncio.sleep(1)

    bot = Bot(act=busy)

    async def story(desk: Desk) -> None:
        await desk.clock.sleep(3)

    traded(tmp_path, [bot], story, ticks=prices)
    assert [tick.ts_ms for tick in bot.ticks] == [4]


def test_stopping_lets_the_call_under_way_finish(tmp_path: Path) -> None:
    """A post that is cut short leaves a question; one that is heard out leaves none."""
    done: list[str] = []

    async def long(api: CommandAPI, _view: MarketView) -> None:
        await asyncio.sleep(5)
        result = await api.place(bid())
        done.append(str(result.success))

    async def story(desk: Desk) -> None:
        desk.tape.books()
        await desk.clock.sleep(1)

    traded(tmp_path, [Bot(act=long)], story)
    assert done == ["True"]


def test_settling_waits_for_answers_and_cancels_the_rest(tmp_path: Path) -> None:
    """What still rests when everybody has gone home is at the market's mercy."""

    async def place(api: CommandAPI, view: MarketView) -> None:
        await api.place(bid())

    async def story(desk: Desk) -> None:
        desk.tape.books()
        await desk.clock.sleep(0.1)
        assert len(desk.venue.orders) == 1
        desk.session.stop()
        assert await desk.session.settle(30)
        assert desk.venue.orders == {}

    traded(tmp_path, [Bot(act=place)], story)


def test_a_log_that_takes_no_more_ends_the_session(tmp_path: Path) -> None:
    """Trading on with nothing written down is what a ledger is there to prevent."""

    async def fail(_api: CommandAPI, _view: MarketView) -> None:
        raise StoreFailedError("the disk is full")

    async def story(desk: Desk) -> None:
        desk.tape.books()
        await desk.clock.sleep(0.1)

    with pytest.raises(LedgerError, match="the disk is full"):
        traded(tmp_path, [Bot(act=fail), Bot("other")], story)


def test_a_task_that_ends_ends_the_session(tmp_path: Path) -> None:
    """Nobody records fills any more: strategies must not go on as if."""

    async def story(desk: Desk) -> None:
        desk.venue.said.put_nowait(None)
        await desk.clock.sleep(1)
        assert desk.opened.journal.state.mode is TradingMode.HALTED

    with pytest.raises(LedgerError, match="the ledger stopped: facts"):
        traded(tmp_path, [Bot()], story)


def test_pairs_are_held_where_the_venue_cannot_merge(tmp_path: Path) -> None:
    """The example merges what has settled; a venue that refuses must not break it."""
    pair = PairArbitrage()

    async def story(desk: Desk) -> None:
        for number in range(40):
            desk.tape.books("0.40", "0.42" if number % 2 else "0.43")
            await desk.clock.sleep(0.2)
            for order in list(desk.opened.journal.state.orders.values()):
                if order.venue_order_id in desk.venue.orders:
                    desk.fills(order)
        assert desk.session.broken == {}
        assert "merge" in desk.venue.steps
        state = desk.opened.journal.state.believed()
        held = [state["0xm", outcome].settled for outcome in Outcome]
        assert min(held) >= 20
        sides = {order.side for order in desk.venue.orders.values()}
        assert sides <= {Side.BUY}

    traded(tmp_path, [pair], story)


def test_the_time_of_absence_is_the_settings() -> None:
    """Sixty seconds of denial are for the real venue; practice should not drag."""
    assert manager_config(live_settings()).absence_spread_ms == 60_000
    assert manager_config(live_settings(absence_sec=7)).absence_spread_ms == 7_000
