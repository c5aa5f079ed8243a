"""The client for programs without an event loop."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Generator
from datetime import datetime
from decimal import Decimal
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from ledger.api import PositionView
from ledger.intent import OrderIntent
from ledger.manager import OrderResult
from ledger.order import Order
from ledger.values import Outcome
from service.client.asynchronous import LedgerClient
from service.client.events import LedgerEvent

_T = TypeVar("_T")


class SyncLedgerClient:
    """As `LedgerClient`, with methods that block; usable from any thread.

    It raises what `LedgerClient` raises.
    """

    def __init__(self, url: str, token: str, **options: Any) -> None:
        """As `LedgerClient`; starts the thread that carries the requests."""
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(
            target=self._loop.run_forever, name="ledger-client", daemon=True
        )
        self._thread.start()
        self._client = LedgerClient(url, token, **options)

    def close(self) -> None:
        """Close every connection, end the thread."""
        if self._loop.is_closed():
            return
        self._run(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def place(self, intent: OrderIntent) -> OrderResult:
        """Place one order, once per key."""
        return self._run(self._client.place(intent))

    def cancel(self, order_id: str) -> OrderResult:
        """Cancel one order."""
        return self._run(self._client.cancel(order_id))

    def cancel_all(
        self, market_id: str | None = None, strategy: str | None = None
    ) -> list[OrderResult]:
        """Cancel every open order, of one market or strategy if given."""
        return self._run(self._client.cancel_all(market_id, strategy))

    def merge(self, strategy: str, market_id: str, size: Decimal) -> None:
        """Turn complete pairs into pUSD."""
        self._run(self._client.merge(strategy, market_id, size))

    def redeem(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        """Turn settled shares of a resolved outcome into pUSD; the payout."""
        return self._run(self._client.redeem(strategy, market_id, outcome))

    def order(self, order_id: str, *, as_of: int | datetime | None = None) -> Order:
        """One order with its trades."""
        return self._run(self._client.order(order_id, as_of=as_of))

    def orders(
        self, *, as_of: int | datetime | None = None, **where: str
    ) -> list[Order]:
        """Orders, oldest first; `where` is strategy, market_id, status."""
        return self._run(self._client.orders(as_of=as_of, **where))

    def open_orders(self, strategy: str) -> list[Order]:
        """The strategy's orders that may still match, oldest first."""
        return self._run(self._client.open_orders(strategy))

    def positions(
        self, *, as_of: int | datetime | None = None, **where: str
    ) -> list[PositionView]:
        """Positions; `where` is strategy, market_id."""
        return self._run(self._client.positions(as_of=as_of, **where))

    def position(self, strategy: str, market_id: str, outcome: Outcome) -> PositionView:
        """The strategy's shares of one outcome."""
        return self._run(self._client.position(strategy, market_id, outcome))

    def health(self) -> dict[str, Any]:
        """How the ledger and each of its loops is doing."""
        return self._run(self._client.health())

    def follow(self, after: int | None = None, **where: str) -> Generator[LedgerEvent]:
        """Every event behind a position, then live, each once, in order."""
        events = self._client.follow(after, **where)
        try:
            while True:
                yield self._run(_next(events))
        finally:
            self._run(events.aclose())

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _next(events: AsyncGenerator[LedgerEvent]) -> LedgerEvent:
    return await anext(events)
