"""Markets: the book as it is now, and our own orders in it."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import Response

from ledger.book import Level, OrderBook
from ledger.market import Market
from ledger.values import ZERO, Outcome, text_of
from projections import Record
from service.http.views import Rows
from service.web.asking import Ask

if TYPE_CHECKING:
    from service.web.site import Dashboard

_LEVELS: Final = 8
_MOST: Final = 12
"""Markets on one page; the filter finds the others."""


def add_to(site: "Dashboard") -> None:
    """Add the paths."""

    async def show(ask: Ask) -> Response:
        def work(rows: Rows) -> dict[str, Any]:
            return {
                "choices": site.choices(rows),
                "orders": rows.query("open_orders", ask.lines),
                "health": {r["market_id"]: r for r in rows.query("settlement_health")},
                "pnl": rows.query("pnl", ask.lines),
            }

        position, found = await ask.read(work)
        settling = found.pop("health")
        known = _picked(site, ask, found["orders"])
        found["markets"] = [
            _shown(site, market, found["orders"], is_past=ask.is_past)
            | {"settling": settling.get(market.market_id)}
            for market in known[:_MOST]
        ]
        found["more"] = len(known) - _MOST
        return await site.page(ask, "markets.html", position, **found)

    site.add("/markets", show)


def _picked(site: "Dashboard", ask: Ask, orders: list[Record]) -> list[Market]:
    """The market that was asked for; else all, those with a book or orders first."""
    wanted = ask.market_id
    if wanted:
        return [m for m in site.markets.values() if m.market_id == wanted]
    busy = {row["market_id"] for row in orders}
    newest = list(reversed(list(site.markets.values())))
    return sorted(newest, key=lambda m: (m.market_id not in busy, not _live(site, m)))


def _live(site: "Dashboard", market: Market) -> bool:
    return site.runtime.opened.books.book(market.yes_token) is not None


def _shown(
    site: "Dashboard", market: Market, orders: list[Record], *, is_past: bool
) -> dict[str, Any]:
    own = [row for row in orders if row["market_id"] == market.market_id]
    sides = []
    for outcome in Outcome:
        book = (
            None if is_past else site.runtime.opened.books.book(market.token(outcome))
        )
        mine = [row for row in own if row["outcome"] == outcome]
        label = market.yes_label if outcome is Outcome.YES else market.no_label
        sides.append(
            {
                "outcome": str(outcome),
                "label": label,
                "orders": mine,
                "book": None if book is None else ladder(book, mine),
            }
        )
    payouts = site.runtime.opened.journal.state.payouts
    payout = None if is_past else payouts.get(market.market_id)
    return {"market": market, "sides": sides, "payout": payout}


def ladder(book: OrderBook, mine: list[Record]) -> dict[str, Any]:
    """The best levels of both sides; `own` is what of ours rests at a price."""
    own: dict[tuple[str, Decimal], Decimal] = {}
    for row in mine:
        key = (row["side"], Decimal(row["price"]))
        own[key] = own.get(key, ZERO) + Decimal(row["remaining"])
    bids = _with_own(book.bids()[:_LEVELS], own, "BUY")
    asks = _with_own(book.asks()[:_LEVELS], own, "SELL")
    most = max((level.size for level in (*bids, *asks)), default=Decimal(1))

    def rows(levels: list[Level], side: str) -> list[dict[str, Any]]:
        return [
            {
                "price": text_of(level.price),
                "size": text_of(level.size),
                "share": int(level.size * 100 / most) if most else 0,
                "own": own.get((side, level.price), ZERO),
            }
            for level in levels
        ]

    best_bid, best_ask = book.best_bid, book.best_ask
    spread = best_ask.price - best_bid.price if best_bid and best_ask else None
    return {
        "asks": list(reversed(rows(asks, "SELL"))),
        "bids": rows(bids, "BUY"),
        "spread": spread,
    }


def _with_own(
    levels: list[Level], own: dict[tuple[str, Decimal], Decimal], side: str
) -> list[Level]:
    """The levels, and ours at prices where the book shows nothing."""
    known = {level.price for level in levels}
    ours = [
        Level(price, ZERO)
        for at_side, price in own
        if at_side == side and price not in known
    ]
    return sorted([*levels, *ours], reverse=side == "BUY")
