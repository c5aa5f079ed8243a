"""Events as they leave the process: one encoded copy each, for every follower."""

from collections import OrderedDict
from typing import Any, Final, NamedTuple

import msgspec

from ledger import events as ev
from ledger.errors import UnknownOrderError
from ledger.manager import Journal
from ledger.recorded import Recorded
from service.exporting import WITHHELD
from service.http.rows import time_of_us

_ORDER_PREFIX: Final = ev.order_stream("")
_KNOWN: Final = 50_000
"""Orders whose strategy and market are remembered."""

_encode: Final = msgspec.json.Encoder(decimal_format="string").encode


class Wired(NamedTuple):
    """One event on the wire, and what followers filter by."""

    position: int
    topic: str
    order_id: str
    strategy: str
    market_id: str
    frame: bytes


class _Document(msgspec.Struct, kw_only=True):
    """What a follower gets; `event` holds the event's own fields."""

    position: int
    stream: str
    version: int
    recorded_at: str
    topic: str
    order_id: str
    strategy: str
    market_id: str
    event: Any


class Wire:
    """Encodes recorded events; remembers whose order a stream is."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._owners: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def encoded(self, recorded: Recorded) -> Wired:
        """One event as a frame of an event stream; never the signed order."""
        position, stream, version, recorded_us, event = recorded
        order_id = ""
        if stream.startswith(_ORDER_PREFIX):
            order_id = stream[len(_ORDER_PREFIX) :]
            strategy, market_id = self._owner(order_id, event)
        else:
            strategy, market_id = _concerned(event)
        shown: object = event
        if type(event) is ev.OrderPrepared:
            shown = {
                name: getattr(event, name)
                for name in event.__struct_fields__
                if name not in WITHHELD
            }
        data = _encode(
            _Document(
                position=position,
                stream=stream,
                version=version,
                recorded_at=time_of_us(recorded_us),
                topic=event.TOPIC,
                order_id=order_id,
                strategy=strategy,
                market_id=market_id,
                event=shown,
            )
        )
        frame = b"id: %d\ndata: %b\n\n" % (position, data)
        return Wired(position, event.TOPIC, order_id, strategy, market_id, frame)

    def _owner(self, order_id: str, event: ev.Event) -> tuple[str, str]:
        """The strategy and market of an order."""
        known = self._owners.get(order_id)
        if known is not None:
            return known
        if isinstance(event, ev.OrderRequested):
            found = (event.strategy, event.market_id)
        else:
            try:
                order = self._journal.order(order_id)
            except UnknownOrderError:
                return "", ""
            found = (order.strategy, order.market_id)
        self._owners[order_id] = found
        if len(self._owners) > _KNOWN:
            self._owners.popitem(last=False)
        return found


def _concerned(event: ev.Event) -> tuple[str, str]:
    """The strategy and market of an event that is of no order."""
    if isinstance(event, ev.MarketListed):
        return "", event.market.market_id
    return getattr(event, "strategy", ""), getattr(event, "market_id", "")
