"""Positions and the fills that made them."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response

from service.http.reads import cursor_from, cursor_of, with_interest
from service.http.views import Rows
from service.web.asking import PAGE_ROWS, Ask
from service.web.pages.overview import total

if TYPE_CHECKING:
    from service.web.site import Dashboard


def add_to(site: "Dashboard") -> None:
    """Add the paths."""

    async def show(ask: Ask) -> Response:
        def work(rows: Rows) -> dict[str, Any]:
            found = with_interest(rows, rows.query("positions", ask.lines))
            pnl = rows.query("pnl", ask.lines)
            is_held = [row for row in found if Decimal(row["shares"])]
            return {
                "choices": site.choices(rows),
                "held": is_held,
                "closed": [row for row in found if row not in is_held][:PAGE_ROWS],
                "pnl": pnl[:PAGE_ROWS],
                "net": total(pnl, "net"),
                "cost": total(found, "cost"),
                "fees": total(pnl, "fees"),
            }

        position, found = await ask.read(work)
        return await site.page(ask, "positions.html", position, **found)

    async def fills(ask: Ask) -> Response:
        head = site.store.head
        since = ask.since_us(ask.now_us(head if ask.at is None else ask.at))
        outcome = ask.request.query_params.get("outcome", "")
        conditions = ask.rows({**ask.lines, "outcome": outcome})

        def work(rows: Rows) -> dict[str, Any]:
            found = rows.query(
                "fills",
                conditions,
                since={} if since is None else {"updated_us": since},
                after=cursor_from(ask.where.cursor or None, 2),
                limit=PAGE_ROWS + 1,
                newest_first=True,
            )
            cursor = ""
            if len(found) > PAGE_ROWS:
                del found[PAGE_ROWS:]
                cursor = cursor_of([found[-1]["order_id"], found[-1]["trade_id"]])
            return {"choices": site.choices(rows), "fills": found, "next": cursor}

        position, found = await ask.read(work)
        found["outcome"] = outcome
        return await site.page(ask, "fills.html", position, **found)

    site.add("/positions", show)
    site.add("/fills", fills)
