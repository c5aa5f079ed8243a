"""What happened to the ledger itself: opened, halted, reducing, resumed."""

from collections.abc import Iterator
from typing import Final

import msgspec

from ledger import events as ev
from ledger.state import LedgerState
from projections.base import Kept, Row, Table, micros
from projections.touched import Touched

_COMMON: Final = frozenset(ev.Event.__struct_fields__)


def _rows(_: LedgerState, touched: Touched, __: Kept) -> Iterator[Row]:
    for recorded in touched.system:
        event = recorded.event
        own = {
            name: str(getattr(event, name))
            for name in event.__struct_fields__
            if name not in _COMMON
        }
        yield (
            recorded.position,
            micros(event.at),
            recorded.recorded_us,
            event.TOPIC,
            event.actor,
            msgspec.json.encode(own).decode(),
        )


SYSTEM = Table(
    name="system",
    columns={
        "position": int,
        "at_us": int,
        "recorded_us": int,
        "topic": str,
        "actor": str,
        "detail": str,
    },
    key=("position",),
    rows=_rows,
)
"""One row per event of the ledger itself, listings of markets aside.

`at_us` is the event's own time; `detail` is JSON.
"""
