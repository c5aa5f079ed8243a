"""`orders`, `open-orders`, `fills`, `positions` and their like: one read model each."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli.options import Reading, command, not_empty

if TYPE_CHECKING:
    from collections.abc import Mapping

_ORDERS: Final = (
    "order_id",
    "strategy",
    "market_id",
    "outcome",
    "side",
    "size",
    "price",
    "time_in_force",
    "status",
    "filled",
    "remaining",
    "avg_price",
    "fees",
    "requested_at",
    "refusal_text",
)
_FILLS: Final = (
    "order_id",
    "trade_id",
    "strategy",
    "outcome",
    "side",
    "size",
    "price",
    "fee",
    "role",
    "settlement",
    "live",
    "updated_at",
)
_POSITIONS: Final = (
    "strategy",
    "market_id",
    "outcome",
    "shares",
    "settled_shares",
    "pending_shares",
    "avg_price",
    "cost",
    "fees",
    "realized_pnl",
    "unexplained",
)
_PNL: Final = (
    "strategy",
    "market_id",
    "slug",
    "paid",
    "paid_with_fees",
    "received",
    "cost",
    "realized_pnl",
    "fees",
    "net",
    "unexplained",
)
_RARE: Final = frozenset({"slug", "unexplained"})
"""Columns that a table has only where a row says something in them."""

Strategy = Annotated[str | None, typer.Option(metavar="NAME", help="Only this one's.")]
Market = Annotated[str | None, typer.Option(metavar="ID", help="Only of this one.")]
Status = Annotated[
    str | None,
    typer.Option(metavar="STATUS", help="Only with this one, such as CONFIRMED."),
]
OrderId = Annotated[str | None, typer.Option(metavar="ID", help="Only of this one.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for name, body in (
        ("orders", orders),
        ("open-orders", open_orders),
        ("fills", fills),
        ("positions", positions),
        ("pnl", pnl),
        ("reservations", reservations),
        ("drifts", drifts),
    ):
        command(app, name)(body)


def orders(
    common: Reading,
    strategy: Strategy = None,
    market: Market = None,
    status: Status = None,
) -> None:
    """List orders, oldest first.

    \b
    Examples:
      order-ledger orders --status CONFIRMED --since 7d
      order-ledger orders --strategy pair_arb --limit 20 -o json
      order-ledger orders --as-of 2026-09-24T14:03:22Z
    """
    where = {"strategy": strategy, "market_id": market, "status": _status(status)}
    _show(common, "orders", where, _ORDERS, "updated_us")


def open_orders(
    common: Reading, strategy: Strategy = None, market: Market = None
) -> None:
    """List orders that may still match.

    Orders whose outcome is unknown are among them.

    \b
    Examples:
      order-ledger open-orders
      order-ledger open-orders --market 0xabc -o csv
    """
    where = {"strategy": strategy, "market_id": market}
    _show(common, "open_orders", where, _ORDERS, "updated_us")


def fills(
    common: Reading,
    strategy: Strategy = None,
    market: Market = None,
    order: OrderId = None,
) -> None:
    """List trades and how far each has settled.

    Void ones stay listed and do not count.

    \b
    Examples:
      order-ledger fills --order 019a9c3e-7d5f-7000-8a54-0f9d0d1b7c11
      order-ledger fills --since 12h -o jsonl
    """
    where = {"strategy": strategy, "market_id": market, "order_id": order}
    _show(common, "fills", where, _FILLS, "updated_us")


def positions(
    common: Reading, strategy: Strategy = None, market: Market = None
) -> None:
    """List shares, cost and profit per outcome.

    A table shows `unexplained` where more left than was seen to come.

    \b
    Examples:
      order-ledger positions
      order-ledger positions --as-of 120 -o json
    """
    where = {"strategy": strategy, "market_id": market}
    _show(common, "positions", where, _POSITIONS, None)


def pnl(common: Reading, strategy: Strategy = None, market: Market = None) -> None:
    """List profit and fees per market, in pUSD.

    `paid_with_fees` is what went out in all; `net` is the profit after fees.

    \b
    Examples:
      order-ledger pnl
      order-ledger pnl --strategy temporal_arb -o csv
    """
    _show(common, "pnl", {"strategy": strategy, "market_id": market}, _PNL, None)


def reservations(
    common: Reading, strategy: Strategy = None, market: Market = None
) -> None:
    """List what open orders hold back.

    \b
    Examples:
      order-ledger reservations
      order-ledger reservations --strategy pair_arb -o json
    """
    where = {"strategy": strategy, "market_id": market}
    _show(common, "reservations", where, None, "requested_us")


def drifts(common: Reading) -> None:
    """List open disagreements with the venue.

    \b
    Examples:
      order-ledger drifts
      order-ledger drifts --as-of 500 -o json
    """
    _show(common, "open_drifts", {}, None, "opened_us")


def _status(text: str | None) -> str | None:
    """One of the nine, however it is spelled.

    Raises:
        InvalidInputError: it is none of them; an empty answer would hide the slip.
    """
    if text is None:
        return None
    from ledger.errors import InvalidInputError
    from ledger.values import OrderStatus

    status = text.upper()
    if status not in OrderStatus.__members__:
        field = "status"
        raise InvalidInputError(field, f"must be one of {', '.join(OrderStatus)}")
    return status


def _show(
    common: Reading,
    name: str,
    where: "Mapping[str, str | None]",
    shown: Sequence[str] | None,
    time_column: str | None,
) -> None:
    from ledger.errors import InvalidInputError
    from service.cli.models import opened_models, since_us_of
    from service.output import write_rows

    for column, wanted in where.items():
        not_empty(column, wanted)
    if common.since is not None and time_column is None:
        field = "since"
        raise InvalidInputError(field, f"{name} have no time; use --as-of")
    with opened_models(common) as models:
        since_us = since_us_of(common)
        columns, rows = models.rows(
            name,
            {column: wanted for column, wanted in where.items() if wanted},
            since=(time_column, since_us) if time_column and since_us else None,
            limit=common.limit,
        )
        if common.as_of is not None:
            common.say(models.banner())
    write_rows(
        [readable(row) for row in rows],
        [readable_name(column) for column in columns],
        common.output,
        shown=None if shown is None else _telling(shown, rows),
        color=common.has_color(sys.stdout),
    )


def _telling(
    shown: Sequence[str], rows: "Sequence[Mapping[str, Any]]"
) -> Sequence[str]:
    """The columns of a table, without rare ones that would be empty."""
    return [
        column
        for column in shown
        if column not in _RARE or any(row[column] not in {"", "0"} for row in rows)
    ]


def readable(row: "Mapping[str, Any]") -> dict[str, Any]:
    """Times as text; everything else as the read model has it."""
    from service.cli.moments import time_of_us

    return {
        readable_name(name): time_of_us(value)
        if name.endswith("_us") and value is not None
        else value
        for name, value in row.items()
    }


def readable_name(column: str) -> str:
    """The name of a column whose microseconds are shown as a time."""
    return f"{column[:-3]}_at" if column.endswith("_us") else column
