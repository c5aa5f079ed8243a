"""The list of orders: filters in the URL, a search, and pages."""

from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import Response

from projections import Record
from service.http.reads import cursor_from, cursor_of
from service.http.views import Rows
from service.web.asking import PAGE_ROWS, Ask

if TYPE_CHECKING:
    from service.web.site import Dashboard

_AT_ONCE: Final = 1_000
_MOST_SEARCHED: Final = 20_000
"""A search looks through so many orders, then says how far it came."""

_SEARCHED: Final = (
    "order_id",
    "idempotency_key",
    "venue_order_id",
    "strategy",
    "market_id",
    "refusal_code",
    "refusal_text",
)


def add_to(site: "Dashboard") -> None:
    """Add the paths."""

    async def show(ask: Ask) -> Response:
        head = site.store.head
        since = ask.since_us(ask.now_us(head if ask.at is None else ask.at))

        def work(rows: Rows) -> dict[str, Any]:
            found = found_orders(ask, rows, since)
            return {"choices": site.choices(rows), **found}

        position, found = await ask.read(work)
        return await site.page(ask, "orders.html", position, **found)

    site.add("/orders", show)


def found_orders(
    ask: Ask, rows: Rows, since_us: int | None, most: int = PAGE_ROWS
) -> dict[str, Any]:
    """One page of orders, newest first.

    Returns:
        `orders`, the cursor `next` of the rest ("" without any), and
        `searched`: how many were looked through.
    """
    where = ask.where
    table = "open_orders" if where.status == "open" else "orders"
    conditions = dict(ask.lines)
    if where.status not in ("", "open"):
        conditions["status"] = where.status
    after = cursor_from(where.cursor or None, 1)
    since = {} if since_us is None else {"updated_us": since_us}
    needle = where.q.lower()
    found: list[Record] = []
    searched = 0
    at_once = _AT_ONCE if needle else most + 1
    while True:
        rows_read = rows.query(
            table,
            conditions,
            since=since,
            after=after,
            limit=at_once,
            newest_first=True,
        )
        searched += len(rows_read)
        found += [row for row in rows_read if not needle or _has(ask, row, needle)]
        if len(rows_read) < at_once or len(found) > most or searched >= _MOST_SEARCHED:
            break
        after = [rows_read[-1]["order_id"]]
    is_cut = searched >= _MOST_SEARCHED and len(found) <= most
    last = rows_read[-1] if is_cut and rows_read else None
    if len(found) > most:
        del found[most:]
        last = found[-1]
    cursor = cursor_of([last["order_id"]]) if last else ""
    return {"orders": found, "next": cursor, "searched": searched, "is_cut": is_cut}


def _has(ask: Ask, row: Record, needle: str) -> bool:
    return any(needle in str(row[name]).lower() for name in _SEARCHED) or (
        needle in ask.site.market_name(row["market_id"]).lower()
    )
