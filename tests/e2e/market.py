"""A market told by hand, a few frames a second, and what a session makes of it."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from config import Settings, load_settings
from examples.strategy import MarketView, PriceTick, Strategy
from executors.market_data import Frame
from ledger.api import CommandAPI
from ledger.events import Event
from ledger.market import Market
from ledger.order import Order, replay
from ledger.recorded import Recorded
from ledger.values import ONE, Outcome, Side
from service.recorded_time import Item
from service.session import PaperSession, open_session

START_MS = 1_767_614_400_000
MARKET = Market(
    market_id="m1", yes_token="m1:YES", no_token="m1:NO", fee_rate=Decimal("0.07")
)
OTHER = Market(market_id="m2", yes_token="m2:YES", no_token="m2:NO")

Levels = Sequence[tuple[str, str]]


class Tape:
    """Frames of the venue, each at a second after the start that is given."""

    def __init__(self, market: Market = MARKET) -> None:
        self.market = market
        self.frames: list[Frame] = []

    def book(
        self, at: float, bids: Levels, asks: Levels, *, no_at: float | None = None
    ) -> "Tape":
        """Whole books: of YES as given, of NO mirrored, at its own time if told."""
        mirrored = [
            [{"price": str(ONE - Decimal(p)), "size": s} for p, s in side]
            for side in (asks, bids)
        ]
        yes = [[{"price": p, "size": s} for p, s in side] for side in (bids, asks)]
        messages = [
            self._message(outcome, when, bids=sides[0], asks=sides[1])
            for outcome, sides, when in (
                (Outcome.YES, yes, at),
                (Outcome.NO, mirrored, at if no_at is None else no_at),
            )
        ]
        for message in messages:
            message["event_type"] = "book"
        return self._add(at, messages)

    def quote(self, at: float, bid: str, ask: str, *, size: str = "100") -> "Tape":
        """Books of one level on each side."""
        return self.book(at, [(bid, size)], [(ask, size)])

    def trade(
        self, at: float, side: Side, price: str, size: str, *, on: Outcome = Outcome.YES
    ) -> "Tape":
        """A printed trade; `side` is its taker's."""
        fields = {"event_type": "last_trade_price", "side": side}
        return self._add(at, self._message(on, at, price=price, size=size, **fields))

    def refine(self, at: float, tick: str) -> "Tape":
        """The grid became finer; the venue says so for each token."""
        for outcome in Outcome:
            fields = {"event_type": "tick_size_change", "new_tick_size": tick}
            self._add(at, self._message(outcome, at, **fields))
        return self

    def resolve(self, at: float, winner: Outcome) -> "Tape":
        """The market has its answer."""
        tokens = [self.market.yes_token, self.market.no_token]
        message = self._message(
            winner,
            at,
            event_type="market_resolved",
            assets_ids=tokens,
            winning_asset_id=self.market.token(winner),
        )
        return self._add(at, message)

    def silence(self, at: float) -> "Tape":
        """Nothing but time: a keep-alive."""
        self.frames.append(Frame(sequence=0, received_ms=ms(at), text="PONG"))
        return self

    def _message(self, outcome: Outcome, at: float, **fields: Any) -> dict[str, Any]:
        return {
            "market": self.market.market_id,
            "asset_id": self.market.token(outcome),
            "timestamp": str(ms(at)),
            **fields,
        }

    def _add(self, at: float, message: object) -> "Tape":
        text = msgspec.json.encode(message).decode()
        self.frames.append(Frame(sequence=0, received_ms=ms(at), text=text))
        return self


def pair_tape(*, legs: int = 2) -> Tape:
    """Quotes of both outcomes stand; somebody sells through them, one or both."""
    tape = Tape()
    for n in range(4):
        tape.quote(0.2 + n / 2, "0.47", "0.51")
    tape.trade(2.2, Side.SELL, "0.46", "25")
    if legs == len(Outcome):
        tape.trade(2.4, Side.SELL, "0.48", "25", on=Outcome.NO)
        for n in range(12):
            tape.quote(2.6 + n, "0.47", "0.51")
    return tape


def ms(seconds: float) -> int:
    """Unix milliseconds of a second after the start."""
    return START_MS + round(seconds * 1_000)


def tick(at: float, price: str) -> PriceTick:
    """A price from outside."""
    return PriceTick(ms(at), Decimal(price))


def settings(**paper: Any) -> Settings:
    """The base settings, quick to settle and never failing unless told."""
    base = load_settings()
    update = {
        "settle_mined_ms": 1_000,
        "settle_confirmed_ms": 3_000,
        "settle_jitter_ms": 0,
        **paper,
    }
    return base.model_copy(update={"paper": base.paper.model_copy(update=update)})


class Story:
    """What the log says after a session: events in order, orders as they ended."""

    def __init__(self, events: list[Recorded], head_hash: bytes) -> None:
        self.events = events
        self.head_hash = head_hash.hex()
        streams: dict[str, list[Event]] = {}
        for stored in events:
            if stored.stream.startswith("order-"):
                streams.setdefault(stored.stream[6:], []).append(stored.event)
        self.orders = list(_orders(streams))

    def topics(self, *of: str) -> list[str]:
        """Topics without their version, in order; only those that begin like `of`."""
        names = [stored.event.TOPIC.removesuffix(".v1") for stored in self.events]
        return [name for name in names if not of or name.startswith(of)]

    def of_type(self, kind: type[Event]) -> list[Any]:
        """Events of one kind, in order."""
        return [r.event for r in self.events if isinstance(r.event, kind)]


def _orders(streams: dict[str, list[Event]]) -> Iterator[Order]:
    for order_id, events in streams.items():
        order = replay(order_id, events)
        assert order is not None
        yield order


async def played(
    data: Path,
    items: Sequence[Item],
    *strategies: Strategy,
    markets: Sequence[Market] = (MARKET,),
    seed: int = 1,
    finish: bool = True,
    **paper: Any,
) -> Story:
    """Play a tape in a ledger and read its log."""
    session = await open_session(
        settings(**paper),
        data,
        strategies=strategies,
        markets=markets,
        start_ms=START_MS,
        seed=seed,
    )
    try:
        await session.run(items)
        if finish:
            await session.finish()
        return story_of(session)
    finally:
        await session.close()


def story_of(session: PaperSession) -> Story:
    """The log as it is now."""
    store = session.ledger.store
    return Story(list(store.read()), store.head_hash)


class Script:
    """A strategy that does what it is told at its first view after a second."""

    def __init__(self, name: str = "script") -> None:
        self.name = name
        self.views: list[MarketView] = []
        self.orders: list[Order] = []
        self.resolved: list[str] = []
        self._steps: list[tuple[int, Any]] = []

    def at(self, seconds: float, step: Any) -> "Script":
        """Run `await step(api, view)` at the first view from then on."""
        self._steps.append((ms(seconds), step))
        return self

    async def on_books(self, api: CommandAPI, view: MarketView) -> None:
        self.views.append(view)
        while self._steps and self._steps[0][0] <= view.now_ms:
            _, step = self._steps.pop(0)
            await step(api, view)

    async def on_tick(self, api: CommandAPI, tick: PriceTick) -> None:
        pass

    async def on_order(self, api: CommandAPI, order: Order) -> None:
        self.orders.append(order)

    async def on_resolved(self, api: CommandAPI, market_id: str) -> None:
        self.resolved.append(market_id)
