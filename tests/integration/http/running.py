"""A running ledger with a market and a book, and an application around it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx2

from config import load_settings
from ledger.book import OrderBook
from ledger.market import Market
from service.bootstrap import OpenLedger, SystemClock, open_ledger
from service.http.app import Application, close_app, create_app
from service.http.server import (
    ApiServer,
    ServeOptions,
    listen,
    url_of,
    uvicorn_config,
)
from service.runtime import Intervals, Runtime
from service.tokens import FILE_NAME, Scope, Tokens

MARKET: Final = Market(
    market_id="0x" + "ab" * 32,
    yes_token="1" * 77,
    no_token="2" * 77,
    fee_rate=Decimal("0.07"),
)
OVERRIDES: Final = (
    "paper.submit_latency_ms=0",
    "paper.cancel_latency_ms=0",
    "paper.settle_mined_ms=0",
    "paper.settle_confirmed_ms=0",
    "paper.settle_jitter_ms=0",
)


@dataclass(slots=True)
class Service:
    """The application, the ledger behind it, and clients with tokens."""

    app: Application
    runtime: Runtime
    tokens: Tokens

    @property
    def opened(self) -> OpenLedger:
        """The ledger."""
        return self.runtime.opened

    def token(self, *scopes: str, strategy: str = "") -> str:
        """A new token's text."""
        text, _ = self.tokens.create(
            f"t{len(self.tokens)}",
            [Scope(scope) for scope in scopes],
            strategy=strategy,
            now=SystemClock().now(),
        )
        return text

    def client(self, *scopes: str, strategy: str = "") -> httpx2.AsyncClient:
        """A client with a token of these scopes; without any, without a token."""
        headers = {}
        if scopes:
            text = self.token(*scopes, strategy=strategy)
            headers = {"Authorization": f"Bearer {text}"}
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app),
            base_url="http://127.0.0.1",
            headers=headers,
        )


@asynccontextmanager
async def running(folder: Path, *overrides: str) -> AsyncIterator[Service]:
    """Run a ledger in a folder and build the application around it."""
    settings = load_settings(overrides=(*OVERRIDES, *overrides))
    opened = await open_ledger(settings, folder)
    show_market(opened)
    await opened.manager.account.list_market(MARKET)
    runtime = Runtime(opened, intervals=Intervals(catch_up=0.01))
    await runtime.start()
    for _ in range(10_000):  # what it records by itself must be in by then
        if runtime.health()["reconciled"]["at"] is not None:
            break
        await asyncio.sleep(0.001)
    tokens = Tokens(folder / FILE_NAME)
    app = create_app(runtime, tokens)
    try:
        yield Service(app, runtime, tokens)
    finally:
        await close_app(app)
        await runtime.stop()


def show_market(opened: OpenLedger) -> None:
    """Show ledger and venue both books of the market: 0.44 bid, 0.46 asked."""
    books = {}
    for token, bid, ask in (
        (MARKET.yes_token, "0.44", "0.46"),
        (MARKET.no_token, "0.54", "0.56"),
    ):
        books[token] = OrderBook(
            token,
            bids=[(Decimal(bid), Decimal(1000))],
            asks=[(Decimal(ask), Decimal(1000))],
        )
    opened.books.book = books.get  # type: ignore[method-assign, assignment]
    opened.paper.on_book(MARKET.yes_token, books[MARKET.yes_token], MARKET)


def an_intent(**changes: Any) -> dict[str, Any]:
    """A request that rests: 20 YES at 0.40."""
    intent = {
        "strategy": "tester",
        "market_id": MARKET.market_id,
        "outcome": "YES",
        "side": "BUY",
        "size": "20",
        "price": "0.4",
        "post_only": True,
    }
    return {name: v for name, v in (intent | changes).items() if v is not None}


def keyed(key: str) -> dict[str, str]:
    """The header that names an intent."""
    return {"Idempotency-Key": key}


@asynccontextmanager
async def listening(service: Service) -> AsyncIterator[str]:
    """Let a service be reached over a real socket; its address."""
    options = ServeOptions(port=0)
    listener = listen(options)
    server = ApiServer(uvicorn_config(service.app, options))
    serving = asyncio.create_task(server.serve([listener]))
    await server.is_up.wait()
    try:
        yield url_of(listener, is_encrypted=False)
    finally:
        service.app.state.hub.close()
        server.should_exit = True
        await serving
