"""Every path of the dashboard."""

from typing import TYPE_CHECKING

from service import explore
from service.web import live
from service.web.pages import (
    audit,
    exports,
    login,
    markets,
    order,
    orders,
    overview,
    positions,
    reconciliation,
    system,
)

if TYPE_CHECKING:
    from service.web.site import Dashboard


def add_to(site: "Dashboard") -> None:
    """Add them."""
    for part in (
        login,
        overview,
        orders,
        order,
        positions,
        reconciliation,
        markets,
        audit,
        system,
        exports,
        live,
        explore,
    ):
        part.add_to(site)
