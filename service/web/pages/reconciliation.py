"""What the venue said against what the ledger believed."""

from typing import TYPE_CHECKING, Any

from fastapi.responses import RedirectResponse, Response

from service.http.operate import Operator
from service.http.views import Rows
from service.web.asking import PAGE_ROWS, Ask, form_of, loaded

if TYPE_CHECKING:
    from service.web.site import Dashboard


def add_to(site: "Dashboard") -> None:
    """Add the paths."""
    operator = Operator(site.runtime)

    async def show(ask: Ask) -> Response:
        def work(rows: Rows) -> dict[str, Any]:
            drifts = rows.query("drifts")
            drifts.sort(
                key=lambda row: (row["closed_us"] is not None, -row["position"])
            )
            for row in drifts:
                row["detail"] = loaded(row["detail"])
            return {
                "choices": site.choices(rows),
                "drifts": drifts[:PAGE_ROWS],
                "open_count": sum(row["closed_us"] is None for row in drifts),
                "compared": rows.query("reconciliation", newest_first=True, limit=20),
                "diffs": rows.query(
                    "reconciliation_diffs", newest_first=True, limit=PAGE_ROWS
                ),
            }

        position, found = await ask.read(work)
        found["until_us"] = ask.now_us(position)
        return await site.page(ask, "reconciliation.html", position, **found)

    async def acknowledge(ask: Ask) -> Response:
        form = form_of(ask.request)
        note = form.get("note", "")[:500]
        await operator.acknowledge(form.get("drift_id", ""), note, ask.caller.name)
        return RedirectResponse("/reconciliation", 303)

    site.add("/reconciliation", show)
    site.act("/reconciliation/acknowledge", acknowledge)
