"""Every table as CSV and JSON, with the filters of the page it stands on."""

import csv
import io
from typing import TYPE_CHECKING, Any, Final

import msgspec
from fastapi.responses import Response

from ledger import events as ev
from projections import Record, timeline
from service.http.problems import Problem
from service.http.rows import encode, shown
from service.http.views import Rows
from service.web.asking import Ask
from service.web.pages.audit import newest
from service.web.pages.order import raw_of
from service.web.pages.orders import found_orders

if TYPE_CHECKING:
    from service.web.site import Dashboard

MOST_ROWS: Final = 50_000
"""More than a spreadsheet likes; `order-ledger export` writes any number."""

_OF_LINES: Final = ("positions", "pnl", "fills", "reservations", "open_orders")
_OTHERS: Final = (
    "account",
    "drifts",
    "reconciliation",
    "reconciliation_diffs",
    "settlement_health",
    "system",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def add_to(site: "Dashboard") -> None:
    """Add the paths."""

    async def show(ask: Ask) -> Response:
        name, _, form = ask.request.path_params["file"].rpartition(".")
        if form not in ("csv", "json"):
            raise Problem(404, "not_found", "tables leave as .csv or .json")
        position, rows = await _rows(ask, name)
        headers = {
            "ETag": f'"{position}"',
            "Content-Disposition": f'attachment; filename="{name}-{position}.{form}"',
        }
        if form == "csv":
            return Response(csv_of(rows), media_type="text/csv", headers=headers)
        content = encode({"position": position, "items": rows})
        return Response(content, media_type="application/json", headers=headers)

    async def story(ask: Ask) -> Response:
        order_id = ask.request.path_params["order_id"]
        position = site.store.head if ask.at is None else ask.at
        entries = timeline(site.store, order_id, upto=position)
        lines = [
            {**msgspec.to_builtins(entry), "raw": raw_of(recorded.event)}
            for entry, recorded in zip(
                entries, site.store.read_stream(ev.order_stream(order_id)), strict=False
            )
        ]
        headers = {
            "Content-Disposition": f'attachment; filename="order-{order_id}.json"'
        }
        content = encode({"order_id": order_id, "position": position, "events": lines})
        return Response(content, media_type="application/json", headers=headers)

    site.add("/export/{file}", show)
    site.add("/story/{order_id}", story)


async def _rows(ask: Ask, name: str) -> tuple[int, list[Record]]:
    head = ask.site.store.head
    since = ask.since_us(ask.now_us(head if ask.at is None else ask.at))
    if name == "events":
        position = head if ask.at is None else ask.at
        return position, newest(ask.site, position, count=1_000)
    if name not in ("orders", *_OF_LINES, *_OTHERS):
        raise Problem(404, "not_found", f"there is no table {name!r}")

    def work(rows: Rows) -> list[Record]:
        if name == "orders":
            found: list[Record] = found_orders(ask, rows, since, MOST_ROWS)["orders"]
            return found
        conditions = ask.lines if name in _OF_LINES else {}
        late = {"updated_us": since} if since is not None and name == "fills" else {}
        return rows.query(name, conditions, since=late, limit=MOST_ROWS)

    position, found = await ask.read(work)
    return position, [shown(row) for row in found]


def csv_of(rows: list[Record]) -> str:
    """Rows with a head; no cell is taken for a formula by a spreadsheet."""
    out = io.StringIO()
    if rows:
        writer = csv.writer(out)
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    number = value[1:].replace(".", "", 1)
    return value if value[0] == "-" and number.isdigit() else f"'{value}"
