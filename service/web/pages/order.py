"""One order: what happened, when, why, and on whose word."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi.responses import Response

from ledger import events as ev
from ledger.errors import UnknownOrderError
from projections import TimelineEntry, timeline
from service.exporting import WITHHELD
from service.http.rows import encode
from service.http.views import Rows
from service.web.asking import Ask
from service.web.bars import WIDTH, bars, group_of, stages

if TYPE_CHECKING:
    from service.web.site import Dashboard


def add_to(site: "Dashboard") -> None:
    """Add the paths."""

    async def show(ask: Ask) -> Response:
        order_id = ask.request.path_params["order_id"]

        def work(rows: Rows) -> dict[str, Any]:
            found = rows.query("orders", {"order_id": order_id})
            return {
                "order": found[0] if found else None,
                "trades": rows.query("fills", {"order_id": order_id}),
                "related": _related(rows, found[0]) if found else [],
                "choices": site.choices(rows),
            }

        position, found = await ask.read(work)
        if found["order"] is None:
            raise UnknownOrderError(order_id)
        told = await asyncio.to_thread(_told, site, order_id, position)
        found |= told
        return await site.page(ask, "order.html", position, **found)

    site.add("/orders/{order_id}", show)


def _told(site: "Dashboard", order_id: str, position: int) -> dict[str, Any]:
    entries = timeline(site.store, order_id, upto=position)
    raw = {
        recorded.version: raw_of(recorded.event)
        for recorded in site.store.read_stream(ev.order_stream(order_id))
    }
    line = [(entry.recorded_us, entry.topic) for entry in entries]
    laid = bars(line)
    seen: dict[str, str] = {}
    events = []
    for entry, bar in zip(entries, laid, strict=True):
        anchor = f"e{entry.position}"
        events.append(
            {
                "entry": entry,
                "bar": bar,
                "group": group_of(entry.topic),
                "anchor": anchor,
                "cause": seen.get(entry.causation, ""),
                "raw": raw[entry.version],
            }
        )
        for name in _names(entry):
            seen.setdefault(name, anchor)
    return {
        "events": events,
        "stages": stages(line),
        "total_us": line[-1][0] - line[0][0],
        "width": WIDTH,
    }


def _names(entry: TimelineEntry) -> list[str]:
    """What later events may name as their cause."""
    return [name for name in (entry.causation, str(entry.position)) if name]


def raw_of(event: ev.Event) -> Any:
    """An event as JSON has it, without what could be posted."""
    shown = {
        name: getattr(event, name)
        for name in event.__struct_fields__
        if name not in WITHHELD
    }
    return msgspec.json.decode(encode(shown))


def _related(rows: Rows, order: dict[str, Any]) -> list[dict[str, Any]]:
    """Other orders of the same strategy in the same market, about the same time."""
    where = {"strategy": order["strategy"], "market_id": order["market_id"]}
    key = [order["order_id"]]
    before = rows.query("orders", where, after=key, limit=3, newest_first=True)
    behind = rows.query("orders", where, after=key, limit=3)
    return [*reversed(behind), *before]
