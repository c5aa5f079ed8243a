"""The async client."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx2

from ledger.api import PositionView
from ledger.intent import OrderIntent
from ledger.manager import OrderResult
from ledger.order import Order
from ledger.values import Outcome
from service.client import calls
from service.client.calls import Call
from service.client.errors import UnreachableError, error_of, problem_from
from service.client.events import LedgerEvent, StreamReader
from service.client.orders import order_of, position_of

_T = TypeVar("_T")

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 75.0
"""Longer than the service waits for an order."""

SILENCE_SECONDS: Final = 45.0
"""The stream says something at least every 15 s; after this it is dead."""

_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 2.0
_PASSING: Final = frozenset({408, 429, 502, 503, 504})


def pauses() -> "list[float]":
    """Growing pauses between attempts, in seconds."""
    found = [_PAUSE_SECONDS]
    while found[-1] < _LONGEST_PAUSE_SECONDS:
        found.append(found[-1] * 2)
    return found


class LedgerClient:
    """`CommandAPI` over HTTP.

    A request that the service did not answer, because it is being restarted, is sent
    again for `retry_seconds`: an intent's key makes it one order all the same.
    What could happen twice (merge, redeem) is sent once.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retry_seconds: float = 30.0,
        wait: str = "placed",
        wait_ms: int = 30_000,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: Where the service is, such as "http://127.0.0.1:8080".
            token: The token's text.
            retry_seconds: How long an unanswered request is repeated.
            wait: What `place` waits for: recorded, placed or final.
            wait_ms: How long it waits for that.
            transport: What carries the requests; a pool of connections if absent.
        """
        self._retry_seconds = retry_seconds
        self._wait, self._wait_ms = wait, wait_ms
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            transport=transport,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    # --- commands ----------------------------------------------------------------

    async def place(self, intent: OrderIntent) -> OrderResult:
        """Place one order, once per key.

        Raises:
            StoreFailedError: the service's log takes no more.
            UnreachableError: no answer; the same intent may be placed again.
            ApiError: the token may not do this.
        """
        return await self._send(
            calls.place(intent, wait=self._wait, timeout_ms=self._wait_ms)
        )

    async def cancel(self, order_id: str) -> OrderResult:
        """Cancel one order.

        Raises:
            UnreachableError, ApiError: as `place`.
        """
        return await self._send(calls.cancel(order_id))

    async def cancel_all(
        self, market_id: str | None = None, strategy: str | None = None
    ) -> list[OrderResult]:
        """Cancel every open order, of one market or strategy if given.

        Raises:
            UnreachableError, ApiError: as `place`.
        """
        return await self._send(calls.cancel_all(market_id, strategy))

    async def merge(self, strategy: str, market_id: str, size: Decimal) -> None:
        """Turn complete pairs into pUSD.

        Raises:
            InvalidInputError, CommandRefusedError: the ledger refused.
            UnreachableError: no answer; it may have happened.
        """
        await self._send(calls.merge(strategy, market_id, size))

    async def redeem(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        """Turn settled shares of a resolved outcome into pUSD; the payout.

        Raises:
            InvalidInputError, CommandRefusedError, UnreachableError: as `merge`.
        """
        return await self._send(calls.redeem(strategy, market_id, outcome))

    # --- reads -------------------------------------------------------------------

    async def order(
        self, order_id: str, *, as_of: int | datetime | None = None
    ) -> Order:
        """One order with its trades.

        Raises:
            UnknownOrderError: there is none of that id, or not by then.
        """
        return await self._send(calls.order(order_id, as_of))

    async def orders(
        self, *, as_of: int | datetime | None = None, **where: str
    ) -> list[Order]:
        """Orders, oldest first; `where` is strategy, market_id, status."""
        rows = await self._rows("/v1/orders", {**where, "as_of": calls.when(as_of)})
        return [order_of(row) for row in rows]

    async def open_orders(self, strategy: str) -> list[Order]:
        """The strategy's orders that may still match, oldest first."""
        rows = await self._rows("/v1/open-orders", {"strategy": strategy})
        return [order_of(row) for row in rows]

    async def positions(
        self, *, as_of: int | datetime | None = None, **where: str
    ) -> list[PositionView]:
        """Positions per strategy, market and outcome; `where` is strategy, market_id."""
        rows = await self._rows("/v1/positions", {**where, "as_of": calls.when(as_of)})
        return [
            position_of(row, row["strategy"], row["market_id"], Outcome(row["outcome"]))
            for row in rows
        ]

    async def position(
        self, strategy: str, market_id: str, outcome: Outcome
    ) -> PositionView:
        """The strategy's shares of one outcome."""
        return await self._send(calls.position(strategy, market_id, outcome))

    async def health(self) -> dict[str, Any]:
        """How the ledger and each of its loops is doing."""
        return await self._send(calls.health())

    async def follow(
        self, after: int | None = None, **where: str
    ) -> AsyncGenerator[LedgerEvent]:
        """Every event behind a position, then live, each once, in order.

        It reconnects by itself, for as long as it takes, and goes on where it was.

        Args:
            after: The last position that is known; from now on if absent.
            where: order_id, market_id, strategy, or the beginning of a topic.

        Raises:
            ApiError: the token may not read.
            InvalidInputError: the log has not reached `after`, or a filter is wrong.
        """
        reader = StreamReader(after)
        attempt, waits = 0, pauses()
        while True:
            try:
                async for event in self._stream(reader, where):
                    attempt = 0
                    yield event
            except httpx2.TransportError:
                pass  # it is being restarted, or the line is bad
            await asyncio.sleep(waits[min(attempt, len(waits) - 1)])
            attempt += 1

    async def _stream(
        self, reader: StreamReader, where: dict[str, str]
    ) -> AsyncIterator[LedgerEvent]:
        """One connection to the stream, until it ends."""
        reader.begin()
        params: dict[str, Any] = dict(where)
        if reader.position is not None:
            params["after"] = reader.position
        timeout = httpx2.Timeout(CONNECT_SECONDS, read=SILENCE_SECONDS)
        async with self._http.stream(
            "GET", "/v1/events", params=params, timeout=timeout
        ) as answer:
            if answer.status_code in _PASSING:
                return
            if answer.status_code != httpx2.codes.OK:
                raise error_of(problem_from(answer.status_code, await answer.aread()))
            async for piece in answer.aiter_bytes():
                for event in reader.feed(piece):
                    yield event

    # --- the line ----------------------------------------------------------------

    async def _rows(self, path: str, where: dict[str, Any]) -> list[Any]:
        found: list[Any] = []
        cursor: str | None = None
        while True:
            page = await self._send(calls.rows(path, where, cursor))
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

    async def _send(self, call: Call[_T]) -> _T:
        until = time.monotonic() + self._retry_seconds
        for attempt, pause in enumerate([*pauses(), *[_LONGEST_PAUSE_SECONDS] * 1000]):
            is_last = time.monotonic() + pause > until
            try:
                answer = await self._http.request(
                    call.method,
                    call.path,
                    params=call.params,
                    content=call.content,
                    headers=call.headers,
                )
            except httpx2.TransportError as error:
                was_sent = not isinstance(error, httpx2.ConnectError)
                if is_last or (was_sent and not call.may_repeat):
                    msg = f"no answer after {attempt + 1} attempts: {error}"
                    raise UnreachableError(msg) from error
            else:
                is_passing = answer.status_code in _PASSING and call.may_repeat
                if is_last or not is_passing or not _will_pass(answer):
                    return call.result(answer.status_code, answer.content)
            await asyncio.sleep(pause)
        raise AssertionError(call.path)


def _will_pass(answer: httpx2.Response) -> bool:
    """Whether the service says that it is worth coming back."""
    return "retry-after" in answer.headers
