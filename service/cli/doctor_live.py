"""What the doctor looks at where orders are real: wallet, venue, what is open.

The venue is asked for its time, and whether it knows our credentials; nothing is
sent that changes anything, except that an account without credentials gets some.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from config import ConfigError, Settings
from ledger.errors import LedgerError, VenueRejectedError
from ledger.store import LedgerStore
from ledger.values import text_of
from projections import state_as_of
from service.cli.doctor import FAIL, OK, WARN, Check
from service.live_executor import live_executor, refuse_unusable
from service.places import account_in

if TYPE_CHECKING:
    from executors.polymarket.checking import Standing

_CODES: Final = {
    "clock_drift": "venue clock",
    "credentials": "credentials",
    "signature_mismatch": "wallet",
    "v1_refused": "client",
    "wallet_kind": "wallet",
}
"""The line that a refusal belongs to, by its code."""

_LONG_UNKNOWN: Final = timedelta(minutes=2)


def examine_venue(settings: Settings) -> Iterator[Check]:
    """Check wallet, clock and credentials, and ask the venue about them."""
    try:
        refuse_unusable(settings)
    except ConfigError as error:
        for problem in error.errors:
            yield Check("wallet", FAIL, f"{problem.path} {problem.message}")
        return
    if settings.polymarket.funder is None:
        text = "polymarket.funder is not set: two keys could share one ledger"
        yield Check("wallet", WARN, text)
    try:
        standing = asyncio.run(_ask(settings))
    except ConfigError as error:
        yield Check("wallet", FAIL, "; ".join(error.lines()))
    except VenueRejectedError as error:
        yield Check(_CODES.get(error.code, "venue"), FAIL, f"{error.code}: {error}")
    except LedgerError as error:
        yield Check("venue", FAIL, f"{error.code}: {error}")
    else:
        yield from _standing(settings, standing)


async def _ask(settings: Settings) -> "Standing":
    from service.bootstrap import SystemClock

    executor = live_executor(settings, clock=SystemClock())
    try:
        return await executor.check()
    finally:
        await executor.close()


def _standing(settings: Settings, standing: "Standing") -> Iterator[Check]:
    wallet, drift = standing.wallet, standing.clock_drift_sec
    yield Check("venue", OK, settings.polymarket.host)
    text = f"{wallet.address}, type {wallet.kind.value}, key of {wallet.signer}"
    yield Check("wallet", OK, text)
    yield Check("credentials", OK, "the venue knows them")
    is_far = abs(drift) * 2 > settings.polymarket.max_clock_skew_ms / 1000
    way = "ahead of" if drift > 0 else "behind"
    text = f"{text_of(abs(drift))} s {way} the venue's"
    yield Check("venue clock", WARN if is_far else OK, text)
    yield Check("cash", OK if standing.cash else WARN, f"{text_of(standing.cash)} pUSD")


def examine_open(store: LedgerStore, settings: Settings) -> Iterator[Check]:
    """Check what the log says of outcomes and settlements that are owed."""
    state = state_as_of(store, store.head, account=account_in(store, settings))
    now = datetime.now(UTC)
    unknown = [o for o in state.orders.values() if not o.is_answered]
    old = [o for o in unknown if now - o.requested_at > _LONG_UNKNOWN]
    text = f"{len(unknown)} orders of which the outcome is unknown"
    if old:
        first = min(order.requested_at for order in old)
        text += f", the oldest since {first:%FT%TZ}: start the ledger to look them up"
    yield Check("outcomes", WARN if old else OK, text)
    late = [d for d in state.drifts.values() if d.kind == "settlement_overdue"]
    text = f"{len(late)} trades that do not settle in time"
    yield Check("settlement", WARN if late else OK, text)
    others = len(state.drifts) - len(late)
    text = f"{others} open disagreements with the venue"
    yield Check("drifts", WARN if others else OK, text)


def examine_frames(data: Path) -> Iterator[Check]:
    """Check what came over the stream and could not be read."""
    from executors.polymarket.frames import QUARANTINE, read_frames

    path = data / QUARANTINE
    if not path.exists():
        yield Check("stream frames", OK, "none was put aside")
        return
    lines = read_frames(path)
    if not lines:
        yield Check("stream frames", WARN, f"{QUARANTINE} holds no readable line")
        return
    last = lines[-1]
    at = datetime.fromtimestamp(last.received_ms // 1000, UTC)
    text = (
        f"{len(lines)} put aside in {QUARANTINE}, the last {at:%FT%TZ}: {last.reason}"
    )
    yield Check("stream frames", WARN, text)
