"""A dashboard on a small ledger, and a browser's worth of client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from config import load_settings
from ledger import events as ev
from ledger.book import OrderBook
from ledger.intent import OrderIntent
from ledger.market import Market
from service.bootstrap import OpenLedger, SystemClock, open_ledger
from service.http.app import close_app, create_app
from service.http.gate import COOKIE
from service.runtime import Intervals, Runtime
from service.tokens import FILE_NAME, Scope, Tokens
from service.web import Dashboard, mount

MARKET = Market(
    market_id="0x" + "cd" * 32,
    yes_token="3" * 77,
    no_token="4" * 77,
    slug="will-it-rain",
)
BASE = "http://127.0.0.1"


@dataclass(slots=True)
class Served:
    """The dashboard, the ledger behind it, and who may look."""

    site: Dashboard
    opened: OpenLedger
    tokens: Tokens

    def token(self, *scopes: str) -> str:
        """A new token's text."""
        text, _ = self.tokens.create(
            f"t{len(self.tokens)}",
            [Scope(scope) for scope in scopes],
            now=SystemClock().now(),
        )
        return text

    def browser(self, *scopes: str) -> httpx2.AsyncClient:
        """A client with a cookie; without scopes, without one."""
        cookies = {COOKIE: self.token(*scopes)} if scopes else {}
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.site.app),
            base_url=BASE,
            cookies=cookies,
        )

    async def place(self, **changes: Any) -> str:
        """Place an order that rests, or one with a price of its own; its id."""
        intent = {
            "strategy": "tester",
            "idempotency_key": f"k{self.opened.store.head}",
            "market_id": MARKET.market_id,
            "outcome": "YES",
            "side": "BUY",
            "size": Decimal(20),
            "price": Decimal("0.4"),
            "post_only": "price" not in changes,
            **changes,
        }
        result = await self.opened.manager.place(OrderIntent.model_validate(intent))
        assert result.order is not None
        return result.order.order_id

    async def drift(self, drift_id: str = "order:0x1") -> None:
        """Let the ledger and the venue disagree."""
        event = ev.DriftOpened(
            at=self.opened.clock.now(),
            drift_id=drift_id,
            kind="order_unexpected",
            subject="0x1",
        )
        await self.opened.journal.append_to(ev.RECONCILIATION_STREAM, event)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Served]:
    """Run a ledger in a folder with the dashboard on it."""
    settings = load_settings(
        overrides=(
            "paper.submit_latency_ms=0",
            "paper.cancel_latency_ms=0",
            "execution.reconcile_interval_sec=3600",
        )
    )
    opened = await open_ledger(settings, folder)
    yes = OrderBook(
        MARKET.yes_token,
        bids=[(Decimal("0.44"), Decimal(1000))],
        asks=[(Decimal("0.46"), Decimal(1000))],
    )
    books = {MARKET.yes_token: yes, MARKET.no_token: yes.mirrored(MARKET.no_token)}
    opened.books.book = books.get  # type: ignore[method-assign, assignment]
    opened.paper.on_book(MARKET.yes_token, yes, MARKET)
    await opened.manager.account.list_market(MARKET)
    runtime = Runtime(opened, intervals=Intervals(catch_up=0.01, reconcile=3600))
    await runtime.start()
    tokens = Tokens(folder / FILE_NAME)
    app = create_app(runtime, tokens)
    try:
        yield Served(mount(app, runtime), opened, tokens)
    finally:
        await close_app(app)
        await runtime.stop()
