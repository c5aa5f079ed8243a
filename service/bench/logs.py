"""Large logs of whole orders, written straight into a store."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from ledger import events as ev
from ledger.clock import OrderIds
from ledger.manager import Journal
from ledger.recorded import Identity, NewEvent
from ledger.store import AppendRequest, LedgerStore
from ledger.values import Outcome, Role, Side, TimeInForce
from service.bench import desk

EVENTS_PER_ORDER: Final = 5
_OPEN_ORDERS: Final = 100
_TAIL_ORDERS: Final = 100
"""Orders behind the checkpoint: the same number in every log."""

_BATCH: Final = 400
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_STRATEGIES: Final = 20


def write_log(folder: Path, *, events: int, checkpoint: bool) -> None:
    """Write about `events` events: closed orders, and 100 open ones at the end.

    With `checkpoint` the state is kept beside the log, some events before its
    end.
    """
    folder.mkdir(parents=True)
    ids = OrderIds(Random(7))  # noqa: S311 - ids, not secrets
    count = events // EVENTS_PER_ORDER
    with desk.open_store(folder) as store:
        head = ev.MarketListed(at=_START, market=desk.MARKET)
        store.append([AppendRequest([NewEvent(ev.SYSTEM_STREAM, 1, head)], None)])
        _append(store, ids, range(count - _TAIL_ORDERS - _OPEN_ORDERS))
    if checkpoint:
        asyncio.run(_checkpoint(folder))
    with desk.open_store(folder) as store:
        first = count - _TAIL_ORDERS - _OPEN_ORDERS
        _append(store, ids, range(first, first + _TAIL_ORDERS))
        last = range(first + _TAIL_ORDERS, count)
        _append(store, ids, last, is_open=True)


async def _checkpoint(folder: Path) -> None:
    journal = Journal(desk.open_store(folder), account="bench", threaded=False)
    await journal.checkpoint()
    await journal.close()


def _append(
    store: LedgerStore, ids: OrderIds, numbers: range, *, is_open: bool = False
) -> None:
    for first in range(numbers.start, numbers.stop, _BATCH):
        batch = range(first, min(first + _BATCH, numbers.stop))
        store.append([_order(ids, number, is_open=is_open) for number in batch])


def _order(ids: OrderIds, number: int, *, is_open: bool) -> AppendRequest:
    at = _START + timedelta(milliseconds=10 * number)
    order_id, strategy = ids.next(at), f"s{number % _STRATEGIES}"
    venue_id = "0x" + order_id
    events: list[ev.Event] = [
        ev.OrderRequested(
            at=at,
            actor=strategy,
            correlation_id=order_id,
            strategy=strategy,
            idempotency_key=f"k{number}",
            fingerprint="0" * 32,
            market_id=desk.MARKET.market_id,
            token_id=desk.MARKET.yes_token,
            outcome=Outcome.YES,
            side=Side.BUY,
            size=desk.SIZE,
            price=desk.PRICE,
            time_in_force=TimeInForce.GTC,
            fee_rate=desk.MARKET.fee_rate,
        ),
        ev.OrderPrepared(
            at=at,
            correlation_id=order_id,
            venue_order_id=venue_id,
            size=desk.SIZE,
            maker_amount=4_500_000,
            taker_amount=10_000_000,
            signed_order="{}",
            evidence={"effective_price": "0.45", "slippage_bps": "0"},
        ),
        ev.OrderPlaced(at=at, source="post", correlation_id=order_id),
    ]
    if not is_open:
        events += _settled(at, order_id, strategy)
    stream = ev.order_stream(order_id)
    return AppendRequest(
        [NewEvent(stream, n, event) for n, event in enumerate(events, 1)],
        Identity(strategy, f"k{number}", "0" * 32, order_id, venue_id),
    )


def _settled(at: datetime, order_id: str, strategy: str) -> list[ev.Event]:
    return [
        ev.FillMatched(
            at=at,
            source="stream",
            correlation_id=order_id,
            causation=f"t-{order_id}",
            trade_id=f"t-{order_id}",
            strategy=strategy,
            market_id=desk.MARKET.market_id,
            outcome=Outcome.YES,
            side=Side.BUY,
            size=desk.SIZE,
            price=desk.PRICE,
            fee=desk.FEE,
            role=Role.TAKER,
        ),
        ev.FillConfirmed(
            at=at,
            source="stream",
            correlation_id=order_id,
            causation=f"t-{order_id}",
            trade_id=f"t-{order_id}",
            tx_hash="0xabc",
        ),
    ]
