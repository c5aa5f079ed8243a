"""Events and ledgers that the tests of the store share."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from ledger.events import LedgerHalted, OrderPrepared, OrderRequested, order_stream
from ledger.recorded import Identity, NewEvent
from ledger.store import AppendRequest, LedgerStore, StoreOptions
from ledger.values import Outcome, Side, TimeInForce

AT = datetime(2026, 9, 22, 12, tzinfo=UTC)
AT_US = 1_790_078_400_000_000
OPTIONS = StoreOptions(ballast_bytes=0)
FINGERPRINT = "f" * 32


def clock_us() -> int:
    return AT_US


def entropy(count: int) -> bytes:
    return bytes(range(count))


def opened(
    path: Path,
    *,
    writer: bool = True,
    options: StoreOptions = OPTIONS,
    clock: Callable[[], int] = clock_us,
) -> LedgerStore:
    return LedgerStore.open(
        path, clock_us=clock, entropy=entropy, writer=writer, options=options
    )


def noted(
    version: int, text: str = "", *, stream: str = "system", minutes: int = 0
) -> AppendRequest:
    """One small event: `text` travels in its reason."""
    event = LedgerHalted(at=AT + timedelta(minutes=minutes), reason=text)
    return AppendRequest([NewEvent(stream, version, event)])


def order_id(number: int) -> str:
    return f"{number:08x}-0000-7000-8000-000000000000"


def venue_id(number: int) -> str:
    return f"0x{number:064x}"


def ordered(number: int, *, key: str | None = None) -> AppendRequest:
    """An order's first two events and its identity."""
    name = f"key-{number}" if key is None else key
    stream = order_stream(order_id(number))
    requested = OrderRequested(
        at=AT,
        actor="arb",
        strategy="arb",
        idempotency_key=name,
        fingerprint=FINGERPRINT,
        market_id="0xm",
        token_id="1",
        outcome=Outcome.YES,
        side=Side.BUY,
        size=Decimal(10),
        price=Decimal("0.5"),
        time_in_force=TimeInForce.GTC,
    )
    prepared = OrderPrepared(
        at=AT,
        venue_order_id=venue_id(number),
        size=Decimal(10),
        maker_amount=5_000_000,
        taker_amount=10_000_000,
        signed_order="{}",
    )
    return AppendRequest(
        [NewEvent(stream, 1, requested), NewEvent(stream, 2, prepared)],
        Identity("arb", name, FINGERPRINT, order_id(number), venue_id(number)),
    )
