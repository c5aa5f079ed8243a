"""The log itself, and the ledger as it was at any moment."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import JSONResponse, Response

from ledger import events as ev
from ledger.recorded import Recorded
from projections.timeline import summary
from service.web.asking import Ask

if TYPE_CHECKING:
    from service.web.site import Dashboard

_SHOWN: Final = 30
_ORDER: Final = ev.order_stream("")
_COMMON: Final = frozenset(ev.Event.__struct_fields__)


def add_to(site: "Dashboard") -> None:
    """Add the paths."""

    async def show(ask: Ask) -> Response:
        site.grow()
        position = site.store.head if ask.at is None else ask.at
        found, events = await asyncio.to_thread(read, position)
        return await site.page(ask, "audit.html", position, **found, events=events)

    def read(position: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return site.moments.figures(position), newest(site, position)

    async def warm(_: Ask) -> Response:
        """Read the past up to the head once, so that the slider is quick."""
        site.warm()
        return JSONResponse({"head": site.store.head, "warm": site.is_warm})

    site.add("/audit", show)
    site.add("/audit/warm", warm)


def newest(
    site: "Dashboard", position: int, count: int = _SHOWN
) -> list[dict[str, Any]]:
    """The last events up to a position, newest first."""
    found = site.store.read(after=max(position - count, 0), upto=position)
    return [shown(recorded) for recorded in reversed(list(found))]


def shown(recorded: Recorded) -> dict[str, Any]:
    """One event in a line."""
    event, stream = recorded.event, recorded.stream
    is_order = stream.startswith(_ORDER)
    return {
        "position": recorded.position,
        "us": recorded.recorded_us,
        "topic": event.TOPIC,
        "order_id": stream.removeprefix(_ORDER) if is_order else "",
        "stream": stream,
        "actor": event.actor,
        "source": event.source,
        "text": summary(event) if is_order else plain(event),
    }


def plain(event: ev.Event) -> str:
    """An event that is of no order, in words."""
    match event:
        case ev.MarketListed(market=market):
            return f"market {market.slug or market.market_id} listed"
        case ev.VenueObserved():
            return "compared with what the venue said"
        case _:
            own = [
                f"{name} {value}"
                for name in event.__struct_fields__
                if name not in _COMMON
                and (value := getattr(event, name)) not in ("", None)
            ]
            return ", ".join(own)[:300]
