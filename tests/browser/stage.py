"""A running service with something to look at: the demo's log, then open orders.

It runs in a thread with a loop of its own, so that a browser can be driven from
plain code.  `python -m tests.browser.stage` keeps it running for a person.
"""

import asyncio
import contextlib
import io
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from config import load_settings
from ledger import events as ev
from ledger.book import OrderBook
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.store import LedgerStore
from projections import micros
from service.bootstrap import OpenLedger, SystemClock, ledger_path, open_ledger, unix_us
from service.demo import DemoOptions, run_demo
from service.http.app import close_app, create_app
from service.http.server import ApiServer, ServeOptions, listen, url_of, uvicorn_config
from service.runtime import Intervals, Runtime
from service.tokens import FILE_NAME, Scope, Tokens
from service.web import Dashboard, mount

_T = TypeVar("_T")

DRIFT: Final = "order:0xfeed"
_HALF: Final = Decimal("0.5")

MARKETS: Final = tuple(
    Market(
        market_id="0x" + pair * 32,
        yes_token=str(number) * 76 + "1",
        no_token=str(number) * 76 + "2",
        fee_rate=Decimal("0.07"),
        yes_label="Up",
        no_label="Down",
        slug=slug,
    )
    for number, (pair, slug) in enumerate(
        (("a1", "btc-updown-15m-1230"), ("b2", "eth-updown-15m-1230")), 1
    )
)

_SETTINGS: Final = (
    "paper.submit_latency_ms=40",
    "paper.cancel_latency_ms=20",
    "paper.settle_mined_ms=900",
    "paper.settle_confirmed_ms=2500",
    "paper.settle_jitter_ms=300",
    "execution.reconcile_interval_sec=3600",
)


class Resumed(SystemClock):
    """A clock that goes on where the log ends: no months between demo and now."""

    def __init__(self, last: datetime) -> None:
        self._shift = last + timedelta(seconds=40) - super().now()

    def now(self) -> datetime:
        """Shifted time."""
        return super().now() + self._shift

    def now_us(self) -> int:
        """The same in microseconds, for the store."""
        return micros(self.now())


class Stage:
    """The service in a thread; `url` is where it is reached."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stop: Callable[[], Awaitable[None]] | None = None
        self.opened: OpenLedger
        self.site: Dashboard
        self.url = ""
        self.token = ""

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.do(self._begin())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._stop is not None:
            self.do(self._stop())  # type: ignore[arg-type]
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something in the service's loop, and wait for it."""
        future: Future[_T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(60)

    def login(self) -> str:
        """A link that logs in once."""
        return self.url + self.site.login_link(self.token)

    async def _begin(self) -> None:
        store = LedgerStore.open(
            ledger_path(self._folder), clock_us=unix_us, writer=False
        )
        with store:
            last = [r.event.at for r in store.read(after=store.head - 1)][-1]
        clock = Resumed(last)
        settings = load_settings(overrides=_SETTINGS)
        self.opened = opened = await open_ledger(
            settings, self._folder, clock=clock, clock_us=clock.now_us
        )
        runtime = Runtime(opened, intervals=Intervals(reconcile=3600, catch_up=0.02))
        await runtime.start()
        tokens = Tokens(self._folder / FILE_NAME)
        self.token, _ = tokens.create("owner", [Scope.ADMIN], now=clock.now())
        app = create_app(runtime, tokens)
        self.site = mount(app, runtime)
        options = ServeOptions(port=0)
        listener = listen(options)
        server = ApiServer(uvicorn_config(app, options))
        serving = asyncio.create_task(server.serve([listener]))
        await server.is_up.wait()
        self.url = url_of(listener, is_encrypted=False)

        async def stop() -> None:
            app.state.hub.close()
            server.should_exit = True
            await serving
            await close_app(app)
            await runtime.stop()
            listener.close()

        self._stop = stop

    # --- what happens on the stage -------------------------------------------

    async def place(self, number: int = 0, **changes: Any) -> str:
        """Place an order in one of the markets; its id."""
        intent = {
            "strategy": "pair_arb",
            "idempotency_key": f"stage-{time.monotonic_ns()}",
            "market_id": MARKETS[number].market_id,
            "outcome": "YES",
            "side": "BUY",
            "size": Decimal(20),
            "price": Decimal("0.40"),
            **changes,
        }
        result = await self.opened.manager.place(OrderIntent.model_validate(intent))
        assert result.order is not None, result.error
        return result.order.order_id

    async def show_books(self, *, ask: str = "0.46", depth: int = 120) -> None:
        """Let both sides know a book around 0.45."""
        books: dict[str, OrderBook] = {}
        for market in MARKETS:
            yes = _book(market.yes_token, Decimal(ask), depth)
            books[market.yes_token] = yes
            books[market.no_token] = yes.mirrored(market.no_token)
        self.opened.books.book = books.get  # type: ignore[method-assign, assignment]
        for market in MARKETS:
            yes = books[market.yes_token]
            self.opened.paper.on_book(market.yes_token, yes, market)

    async def act(self) -> None:
        """Open orders, a partial fill, a refusal, positions, a drift."""
        for market in MARKETS:
            await self.opened.manager.account.list_market(market)
        await self.show_books()
        await self.place(0, size=Decimal(40), price=Decimal("0.47"))
        await self.place(1, strategy="temporal_arb", size=Decimal(60), price=_HALF)
        await self.place(1, size=Decimal(20), price=_HALF, outcome="NO")
        await asyncio.sleep(4.5)
        for number, price in ((0, "0.42"), (0, "0.43"), (1, "0.41")):
            await self.place(number, price=Decimal(price), post_only=True)
        await self.place(0, size=Decimal(150), price=Decimal("0.46"))
        await self.place(1, size=Decimal(140), price=Decimal("0.47"))
        await self.place(
            1, strategy="temporal_arb", size=Decimal(90), price=Decimal("0.46")
        )
        await self.drift()

    async def drift(self, drift_id: str = DRIFT) -> None:
        """Let the ledger and the venue disagree about something."""
        event = ev.DriftOpened(
            at=self.opened.clock.now(),
            actor="reconciler",
            source="lookup",
            drift_id=drift_id,
            kind="order_unexpected",
            subject="0x" + "fe" * 32,
            detail={"field": "status", "ledger": "absent", "venue": "live"},
        )
        await self.opened.journal.append_to(ev.RECONCILIATION_STREAM, event)


def _book(token: str, ask: Decimal, depth: int) -> OrderBook:
    cent = Decimal("0.01")
    return OrderBook(
        token,
        bids=[(ask - cent * (2 + n), Decimal(depth + 45 * n)) for n in range(10)],
        asks=[(ask + cent * n, Decimal(depth + 60 * n)) for n in range(10)],
    )


def run_demo_into(folder: Path) -> None:
    """The bundled series, as `order-ledger demo` runs it."""
    options = DemoOptions(data=folder, seed=1)
    with ThreadPoolExecutor(1) as threads:  # a browser's loop may run in this one
        threads.submit(run_demo, options, stdout=io.StringIO()).result()


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A stage on the demo's log, with something open on it."""
    run_demo_into(folder)
    with Stage(folder) as stage:
        stage.do(stage.act())
        yield stage


def main() -> None:
    """Keep a stage until Ctrl-C."""
    with staged(Path(sys.argv[1])) as stage:
        sys.stdout.write(f"{stage.login()}\n{stage.token}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(1)


if __name__ == "__main__":
    main()
