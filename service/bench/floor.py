"""The floor: the least Python that does the same durable work.

Events are encoded and group-committed by concurrent tasks into SQLite (WAL,
synchronous FULL) with a unique (stream, version) index and time-ordered ids.
There is no validation, no state, no chain, no risk: what the ledger costs above
this is what it does for its users.
"""

import asyncio
import sqlite3
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode
_AT: Final = "2026-01-01T00:00:00.000000Z"
_MARKET: Final = "0x" + "ab" * 32
_TOKEN: Final = "1" * 77

Row = tuple[str, int, str, bytes]

_MOST_ROWS: Final = 64
_INSERTS: Final = {
    1 << n: "INSERT INTO events (stream, version, topic, state) VALUES "  # noqa: S608
    + ",".join(["(?,?,?,?)"] * (1 << n))
    for n in range(_MOST_ROWS.bit_length())
}
"""By number of rows: one statement for many costs less than one for each."""


class FloorLog:
    """Rows in, one commit per group."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(
            "CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT,"
            " version INTEGER, topic TEXT, state BLOB, UNIQUE (stream, version))"
        )
        self._waiting: list[tuple[list[Row], asyncio.Future[None]]] = []
        self._is_busy = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handed: SimpleQueue[list[tuple[list[Row], asyncio.Future[None]]] | None]
        self._handed = SimpleQueue()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def commit(self, rows: list[Row]) -> None:
        """Write rows in one transaction, from this thread."""
        db, start, left = self._db, 0, len(rows)
        db.execute("BEGIN IMMEDIATE")
        while left:
            count = min(_MOST_ROWS, 1 << (left.bit_length() - 1))
            some = rows[start : start + count]
            db.execute(_INSERTS[count], [cell for row in some for cell in row])
            start, left = start + count, left - count
        db.execute("COMMIT")

    def append(self, rows: list[Row]) -> asyncio.Future[None]:
        """Queue rows; the future is done when they are on disk."""
        loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((rows, future))
        if not self._is_busy:
            self._is_busy = True
            loop.call_soon(self._hand_over)
        return future

    def _hand_over(self) -> None:
        batch, self._waiting = self._waiting, []
        self._handed.put(batch)

    def _work(self) -> None:
        while (batch := self._handed.get()) is not None:
            self.commit([row for rows, _ in batch for row in rows])
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._done, batch)

    def _done(self, batch: list[tuple[list[Row], asyncio.Future[None]]]) -> None:
        for _, future in batch:
            future.set_result(None)
        if self._waiting:
            assert self._loop is not None
            self._loop.call_soon(self._hand_over)
        else:
            self._is_busy = False

    def close(self) -> None:
        """End the thread, close the file."""
        self._handed.put(None)
        self._thread.join()
        self._db.close()


def placement_rows(stream: str, strategy: str, number: int) -> list[Row]:
    """The first commit of an order: what was asked, what will be sent."""
    requested = {
        "at": _AT,
        "actor": strategy,
        "correlation_id": stream,
        "strategy": strategy,
        "idempotency_key": f"k{number}",
        "fingerprint": "0" * 32,
        "market_id": _MARKET,
        "token_id": _TOKEN,
        "outcome": "YES",
        "side": "BUY",
        "size": "10",
        "price": "0.45",
        "time_in_force": "GTC",
        "fee_rate": "0.07",
    }
    prepared = {
        "at": _AT,
        "correlation_id": stream,
        "venue_order_id": stream,
        "size": "10",
        "maker_amount": 4_500_000,
        "taker_amount": 10_000_000,
        "signed_order": "{}",
    }
    return [
        (stream, 1, "order.requested.v1", _encode(requested)),
        (stream, 2, "order.prepared.v1", _encode(prepared)),
    ]


def placed_row(stream: str) -> Row:
    """The answer."""
    placed = {"at": _AT, "source": "post", "correlation_id": stream}
    return (stream, 3, "order.placed.v1", _encode(placed))


def fill_row(stream: str, strategy: str) -> Row:
    """One fill."""
    fill = {
        "at": _AT,
        "source": "stream",
        "correlation_id": stream,
        "trade_id": stream,
        "strategy": strategy,
        "market_id": _MARKET,
        "outcome": "YES",
        "side": "BUY",
        "size": "10",
        "price": "0.45",
        "fee": "0.17325",
        "role": "taker",
    }
    return (stream, 4, "fill.matched.v1", _encode(fill))


def confirmed_row(stream: str) -> Row:
    """Its settlement."""
    confirmed = {
        "at": _AT,
        "source": "stream",
        "correlation_id": stream,
        "trade_id": stream,
        "tx_hash": "0xabc",
    }
    return (stream, 5, "fill.confirmed.v1", _encode(confirmed))


async def run_orders(log: FloorLog, *, strategies: int, orders: int) -> None:
    """Take `orders` per strategy through their four commits."""
    # One count for all: ids rise with time, so the index grows at its end.
    ids = count()

    async def one(strategy: str) -> None:
        for number in range(orders):
            stream = f"order-{next(ids):036d}"
            await log.append(placement_rows(stream, strategy, number))
            await log.append([placed_row(stream)])
            await log.append([fill_row(stream, strategy)])
            await log.append([confirmed_row(stream)])

    await asyncio.gather(*(one(f"s{index}") for index in range(strategies)))
