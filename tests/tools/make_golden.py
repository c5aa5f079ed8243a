"""Write the golden log: a small ledger of this version, kept for ever.

It holds at least one event of every topic, in the encoding of the day, so that
later versions prove that they still read it.
Run it only for a new schema version or new topics, never to make a test green:
an old golden log that cannot be read any more is a broken promise.

    python -m tests.tools.make_golden

`v1.jsonl` lists what `v1.db` holds, one event per line, and ends with the
ledger's id and the hash of the last event.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from ledger import events as e
from ledger.market import Market
from ledger.recorded import Identity, NewEvent
from ledger.store import AppendRequest, LedgerStore, StoreOptions
from ledger.values import EndReason, Outcome, Role, Side, TimeInForce

FOLDER: Final = Path(__file__).parents[1] / "data" / "golden"
START: Final = datetime(2026, 9, 22, 12, tzinfo=UTC)
START_US: Final = 1_790_078_400_000_000
MARKET: Final = "0x" + "ab" * 32
ORDERS: Final = tuple(f"0199707c-0000-7000-8000-00000000000{n}" for n in range(1, 6))


class _Times:
    """A new time for every event: a quarter of a second apart."""

    def __init__(self) -> None:
        self._now = START

    def next(self) -> datetime:
        self._now += timedelta(milliseconds=250, microseconds=1)
        return self._now


def _requested(order: str, times: _Times) -> e.OrderRequested:
    return e.OrderRequested(
        at=times.next(),
        actor="pair-arb",
        correlation_id=order,
        strategy="pair-arb",
        idempotency_key=f"key-{order[-1]}",
        fingerprint=order[-1] * 32,
        market_id=MARKET,
        token_id="7" * 77,
        outcome=Outcome.YES,
        side=Side.BUY,
        size=Decimal("12.5"),
        price=Decimal("0.48"),
        time_in_force=TimeInForce.GTD,
        post_only=True,
        expires_at=START + timedelta(hours=1),
        max_slippage_bps=Decimal(50),
        note="golden",
    )


def _prepared(order: str, times: _Times, size: str = "12.5") -> e.OrderPrepared:
    return e.OrderPrepared(
        at=times.next(),
        correlation_id=order,
        venue_order_id="0x" + order[-1] * 64,
        size=Decimal(size),
        maker_amount=int(Decimal(size) * 480_000),
        taker_amount=int(Decimal(size) * 1_000_000),
        signed_order='{"salt":1,"signature":"0x00"}',
        evidence={"best_ask": "0.49"},
    )


def _filled(order: str, times: _Times, trade: str) -> e.FillMatched:
    return e.FillMatched(
        at=times.next(),
        actor="system",
        source="stream",
        correlation_id=order,
        trade_id=trade,
        strategy="pair-arb",
        market_id=MARKET,
        outcome=Outcome.YES,
        side=Side.BUY,
        size=Decimal("6.25"),
        price=Decimal("0.48"),
        fee=Decimal("0.00001"),
        role=Role.MAKER,
        venue_time=1_790_078_401_000,
        tx_hash="0xcc",
    )


def _orders(times: _Times) -> list[list[e.Event]]:
    filled, unknown, refused, rejected, dust = ORDERS
    at = times.next
    return [
        [
            _requested(filled, times),
            e.OrderResized(
                at=at(),
                size=Decimal("12.25"),
                requested_size=Decimal("12.5"),
                code="max_position",
                text="capped",
            ),
            _prepared(filled, times, "12.25"),
            e.OrderPlaced(at=at(), source="post", delayed=True),
            _filled(filled, times, "t1"),
            e.FillMined(at=at(), source="stream", trade_id="t1", tx_hash="0xcc"),
            e.FillRetrying(at=at(), source="stream", trade_id="t1", venue_time=1),
            e.FillConfirmed(at=at(), source="lookup", trade_id="t1"),
            _filled(filled, times, "t2"),
            e.FillVoided(at=at(), source="sweep", trade_id="t2"),
            e.OrderCancelRequested(at=at(), actor="operator", reason="end of day"),
            e.OrderCancelRefused(at=at(), source="post", text="already matched"),
            e.OrderCancelled(
                at=at(),
                source="stream",
                reason=EndReason.CANCELLED,
                text="cancelled",
                size_matched=Decimal("6.25"),
            ),
        ],
        [
            _requested(unknown, times),
            _prepared(unknown, times),
            e.OrderOutcomeUnknown(at=at(), source="post", reason="timeout"),
            e.OrderProbed(at=at(), source="lookup", probe="lookup"),
            e.OrderReposted(at=at(), source="inferred"),
            e.OrderNeverPlaced(at=at(), probes=("lookup at 12:00", "sweep at 12:01")),
        ],
        [
            _requested(refused, times),
            e.OrderRefused(
                at=at(), by="risk", code="max_size", text="no", evidence={"limit": "5"}
            ),
        ],
        [
            _requested(rejected, times),
            _prepared(rejected, times),
            e.OrderRejected(at=at(), source="post", code="balance", text="not enough"),
        ],
        [
            _requested(dust, times),
            _prepared(dust, times),
            e.OrderDustClosed(at=at(), source="lookup", tolerance=Decimal("0.01")),
        ],
    ]


def _account(times: _Times) -> list[e.Event]:
    at, size = times.next, Decimal("3.000001")
    place = {"strategy": "pair-arb", "market_id": MARKET}
    return [
        e.PositionTraded(
            at=at(),
            source="import",
            outcome=Outcome.NO,
            side=Side.SELL,
            size=size,
            price=Decimal("0.5"),
            amount=Decimal("1.5"),
            fee=Decimal("0.01"),
            **place,
        ),
        e.PositionSplit(at=at(), size=size, tx_hash="0xdd", **place),
        e.PositionMerged(at=at(), size=size, **place),
        e.PositionTransferred(
            at=at(), outcome=Outcome.YES, size=-size, cost=Decimal(1), **place
        ),
        e.MarketResolved(
            at=at(), market_id=MARKET, yes_payout=Decimal(1), no_payout=Decimal(0)
        ),
        e.PositionRedeemed(
            at=at(), outcome=Outcome.YES, size=size, payout=size, **place
        ),
        e.CashMoved(at=at(), amount=Decimal("-100.25"), reason="withdrawal"),
    ]


def _reconciliation(times: _Times) -> list[e.Event]:
    at = times.next
    order = e.ObservedOrder(
        venue_order_id="0x" + "9" * 64,
        market_id=MARKET,
        token_id="7" * 77,
        side=Side.SELL,
        price=Decimal("0.6"),
        size=Decimal(5),
        size_matched=Decimal(0),
    )
    position = e.ObservedPosition(
        market_id=MARKET, outcome=Outcome.NO, size=Decimal("1.5")
    )
    return [
        e.VenueObserved(
            at=at(),
            actor="reconciler",
            source="sweep",
            as_of=START,
            complete=True,
            open_orders=(order,),
            positions=(position,),
            cash=Decimal("99.5"),
        ),
        e.DriftOpened(
            at=at(),
            drift_id="order:0x99",
            kind="unexpected",
            subject="0x99",
            detail={"venue": "open"},
        ),
        e.DriftAcknowledged(at=at(), drift_id="order:0x99", note="seen"),
        e.DriftClosed(at=at(), drift_id="order:0x99", reason="gone"),
    ]


def _system(times: _Times) -> list[e.Event]:
    at = times.next
    market = Market(
        market_id=MARKET,
        yes_token="7" * 77,
        no_token="8" * 77,
        tick_size=Decimal("0.001"),
        fee_rate=Decimal("0.07"),
        neg_risk=True,
        yes_label="Up",
        no_label="Down",
        slug="up-or-down",
        group="five-minutes",
    )
    return [
        e.LedgerOpened(
            at=at(),
            software_version="0.1.0",
            config_hash="0" * 64,
            mode="paper",
            epoch=1,
        ),
        e.MarketListed(at=at(), market=market),
        e.LedgerReduceOnly(at=at(), actor="operator", reason="test"),
        e.LedgerHalted(at=at(), reason='quotes " and umlauts: äöü'),
        e.LedgerResumed(at=at(), actor="operator", reason="test"),
    ]


def _request(
    stream: str, events: Sequence[e.Event], identity: Identity | None = None
) -> AppendRequest:
    new = [NewEvent(stream, n, event) for n, event in enumerate(events, 1)]
    return AppendRequest(new, identity)


def requests() -> list[AppendRequest]:
    """Everything the golden log holds, in order."""
    times = _Times()
    made = [_request(e.SYSTEM_STREAM, _system(times))]
    for order, history in zip(ORDERS, _orders(times), strict=True):
        venue_ids = [
            x.venue_order_id for x in history if isinstance(x, e.OrderPrepared)
        ]
        identity = Identity(
            "pair-arb",
            f"key-{order[-1]}",
            order[-1] * 32,
            order,
            venue_ids[0] if venue_ids else "",
        )
        made.append(_request(e.order_stream(order), history, identity))
    made.append(_request(e.account_stream("main"), _account(times)))
    made.append(_request(e.RECONCILIATION_STREAM, _reconciliation(times)))
    return made


def main(folder: Path = FOLDER) -> None:
    """Write `v1.db` and `v1.jsonl` anew."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "v1.db"
    path.unlink(missing_ok=True)
    lines: list[dict[str, object]] = []
    with LedgerStore.open(
        path,
        clock_us=lambda: START_US,
        entropy=lambda count: bytes(range(count)),
        options=StoreOptions(ballast_bytes=0),
    ) as store:
        store.append(requests())
        lines.extend(
            {
                "position": r.position,
                "stream": r.stream,
                "version": r.version,
                "recorded_us": r.recorded_us,
                "topic": r.event.TOPIC,
                "state": e.encode(r.event).decode(),
            }
            for r in store.read()
        )
        lines.append({"ledger_id": store.ledger_id, "hash": store.head_hash.hex()})
    path.with_name("v1.db.lock").unlink()
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "v1.jsonl").write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(lines) - 1} events in {path.name}\n")


if __name__ == "__main__":
    main()
