"""The overview: how it stands, at a glance."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse, Response

from ledger.values import ZERO
from projections import Record
from service.http.views import Rows
from service.web.asking import Ask
from service.web.series import columns

if TYPE_CHECKING:
    from service.web.site import Dashboard

_SHOWN = 8


def add_to(site: "Dashboard") -> None:
    """Add the paths."""

    async def show(ask: Ask) -> Response:
        def work(rows: Rows) -> dict[str, Any]:
            return {"choices": site.choices(rows), **figures(rows, ask.lines)}

        position, found = await ask.read(work)
        return await site.page(ask, "overview.html", position, **found)

    async def plot(ask: Ask) -> Response:
        position = site.store.head if ask.at is None else ask.at
        series, is_whole = await site.series(position)
        content = columns(series.upto(position))
        return JSONResponse({**content, "whole": is_whole, "upto": series.position})

    site.add("/overview", show)
    site.add("/overview/plot.json", plot)


def figures(rows: Rows, lines: dict[str, Any]) -> dict[str, Any]:
    """Everything on the overview but the plot."""
    open_orders = rows.query("open_orders", lines, newest_first=True)
    positions = rows.query("positions", lines)
    pnl = rows.query("pnl", lines)
    account = rows.query("account", limit=1)
    compared = rows.query("reconciliation", newest_first=True, limit=1)
    held = [row for row in positions if Decimal(row["shares"])]
    cost, reserved = total(held, "cost"), total(open_orders, "reserved_cash")
    return {
        "account": account[0] if account else None,
        "open_orders": open_orders[:_SHOWN],
        "open_count": len(open_orders),
        "unknown": sum(row["outcome_unknown"] for row in open_orders),
        "positions": sorted(held, key=lambda row: -Decimal(row["cost"]))[:_SHOWN],
        "held_count": len(held),
        "exposure": cost + reserved,
        "cost": cost,
        "reserved": reserved,
        "net": total(pnl, "net"),
        "realized": total(pnl, "realized_pnl"),
        "fees": total(pnl, "fees"),
        "pending": total(held, "pending_shares"),
        "fills": rows.query("fills", lines, newest_first=True, limit=_SHOWN),
        "drifts": rows.query("open_drifts"),
        "compared": compared[0] if compared else None,
    }


def total(rows: list[Record], column: str) -> Decimal:
    """The sum of a column."""
    return sum((Decimal(row[column]) for row in rows), ZERO)
