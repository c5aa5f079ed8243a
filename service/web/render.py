"""Turns templates into pages; every value is escaped."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ledger.values import EndReason, OrderStatus, Settlement
from service.places import software_version
from service.web import format as fmt

if TYPE_CHECKING:
    from service.web.site import Dashboard

_TEMPLATES: Final = Path(__file__).parent / "templates"

NAV: Final = (
    ("/overview", "Overview", "home", "o"),
    ("/orders", "Orders", "list", "r"),
    ("/positions", "Positions", "layers", "p"),
    ("/fills", "Fills", "check", "f"),
    ("/reconciliation", "Reconciliation", "scale", "c"),
    ("/markets", "Markets", "book", "m"),
    ("/audit", "Audit", "clock", "a"),
    ("/system", "System", "gear", "s"),
)
"""Path, title, icon, and the key behind `g`."""

STATUS_ICONS: Final = {
    OrderStatus.PENDING: "hourglass",
    OrderStatus.PLACED: "ring",
    OrderStatus.PARTIAL_FILL: "half",
    OrderStatus.MATCHED: "link",
    OrderStatus.MINED: "cube",
    OrderStatus.CONFIRMED: "check",
    OrderStatus.REJECTED: "ban",
    OrderStatus.CANCELLED: "minus",
    OrderStatus.FAILED: "alert",
    Settlement.RETRYING: "retry",
}

SOURCES: Final = {
    "command": "a command",
    "post": "the venue's answer to our order",
    "stream": "the venue's live stream",
    "lookup": "a look-up at the venue",
    "sweep": "a sweep over the venue's lists",
    "paper": "the simulated venue",
    "inferred": "concluded by the ledger",
    "import": "an imported history",
}


class Pages:
    """The environment of all templates."""

    def __init__(self, site: "Dashboard") -> None:
        self._env = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        for name in [
            "number",
            "money",
            "change",
            "tone",
            "cents",
            "moment",
            "day",
            "clock",
            "iso",
            "span",
            "short",
            "tail",
            "words",
            "size",
        ]:
            self._env.filters[name] = getattr(fmt, name)
        self._env.filters["market"] = site.market_name
        self._env.filters["told"] = lambda text: fmt.told(text, site.market_name)
        self._env.filters["part"] = lambda text: quote(str(text), safe="")
        self._env.filters["pretty"] = pretty
        self._env.globals.update(
            nav=NAV,
            statuses=[str(status) for status in OrderStatus],
            end_reasons=[str(reason) for reason in EndReason],
            icons=STATUS_ICONS,
            sources=SOURCES,
            version=software_version(),
        )

    def full(self, template: str, **content: Any) -> str:
        """A page with everything around it."""
        return self._env.get_template(template).render(**content)

    def bare(self, template: str, **content: Any) -> str:
        """A page for somebody who is not logged in, or a piece of one."""
        return self._env.get_template(template).render(**content)


def pretty(value: object) -> str:
    """JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=2)
