"""`place`, `cancel` and `cancel-all`: one command, one writer, one answer."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from service.cli.options import Common, Showing, command, not_empty

if TYPE_CHECKING:
    from ledger.intent import OrderIntent
    from ledger.manager import OrderResult
    from ledger.order import Order
    from service.bootstrap import OpenLedger

_T = TypeVar("_T")

_MAX_BYTES: Final = 1_000_000
_HEAR_OUT_SEC: Final = 3.0
_HEAR_OUT_STEP_SEC: Final = 0.2
_NEEDED: Final = (
    "strategy",
    "idempotency_key",
    "market_id",
    "outcome",
    "side",
    "size",
    "price",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "place")(place)
    command(app, "cancel")(cancel)
    command(app, "cancel-all")(cancel_all)


def place(
    common: Showing,
    strategy: Annotated[str, typer.Option(metavar="NAME", help="Who places it.")] = "",
    key: Annotated[
        str,
        typer.Option(
            metavar="KEY", help="Names the intent forever: the same key, one order."
        ),
    ] = "",
    market: Annotated[str, typer.Option(metavar="ID", help="Its condition id.")] = "",
    outcome: Annotated[str, typer.Option(metavar="YES|NO", help="Which token.")] = "",
    side: Annotated[str, typer.Option(metavar="BUY|SELL", help="Direction.")] = "",
    size: Annotated[
        str, typer.Option(metavar="SHARES", help="Outcome shares, at most 6 places.")
    ] = "",
    price: Annotated[
        str, typer.Option(metavar="PRICE", help="The worst price, pUSD per share.")
    ] = "",
    time_in_force: Annotated[
        str, typer.Option("--tif", metavar="GTC|GTD|FOK|FAK", help="How long it works.")
    ] = "GTC",
    post_only: Annotated[
        bool, typer.Option("--post-only", help="Never take, only rest.")
    ] = False,
    expires_at: Annotated[
        str, typer.Option(metavar="TIME", help="When a GTD order ends, with a zone.")
    ] = "",
    max_slippage_bps: Annotated[
        str,
        typer.Option(metavar="BPS", help="A tighter bound than the configured one."),
    ] = "",
    correlation_id: Annotated[
        str, typer.Option(metavar="ID", help="Ties several orders together.")
    ] = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="Kept with it.")] = "",
    from_json: Annotated[
        str,
        typer.Option(
            "--json", metavar="FILE|-", help="The whole intent as a JSON object."
        ),
    ] = "",
    book: Annotated[
        str,
        typer.Option(metavar="FILE|-", help="A recording; its last books are used."),
    ] = "",
    market_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The terms of markets, as JSON."),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Go on until it has settled."),
    ] = 0,
) -> None:
    """Place one order: on paper, or for real where the settings say so.

    With `market_data.source: live` and no --book, the market's terms and books
    are asked of the venue once.
    Otherwise, without --book, nothing is known of the market but its terms, and only
    --post-only orders pass: they rest where nothing trades.

    \b
    Examples:
      order-ledger place --strategy hand --key a1 --market 0xabc --outcome YES \\
        --side BUY --size 20 --price 0.45 --tif FAK --book frames.jsonl.gz
      order-ledger place --json intent.json --market-file market.json
      echo '{"strategy": "hand", ...}' | order-ledger place --json -
    """
    given = {
        "strategy": strategy,
        "idempotency_key": key,
        "market_id": market,
        "outcome": outcome.upper(),
        "side": side.upper(),
        "size": size,
        "price": price,
        "time_in_force": time_in_force.upper(),
        "expires_at": expires_at,
        "max_slippage_bps": max_slippage_bps,
        "correlation_id": correlation_id,
        "note": note,
    }
    intent = _intent_from_json(from_json) if from_json else _intent(given, post_only)
    from service.cli.live import feed_live, live_market

    # Asked before the ledger is opened: no answer, nothing written.
    seen = None if book else live_market(common.settings(), intent.market_id)

    async def act(opened: "OpenLedger") -> "OrderResult":
        from service.cli.market import feed_books, list_from_file, show_empty_book

        opened.ensure_room()
        if market_file is not None:
            await list_from_file(opened, market_file)
        if book:
            await feed_books(opened, book, intent.market_id)
        elif seen is not None:
            await feed_live(opened, seen)
        elif intent.post_only:
            show_empty_book(opened, intent.market_id)
        # An order of before whose post was cut short goes out now: at the start
        # the venue had no book for it.
        await opened.manager.resolve_open()
        await opened.deliver()
        result = await opened.manager.place(intent)
        order_id = result.order.order_id if result.order else ""
        await opened.settle(wait, order_id=order_id)
        if order_id and not opened.is_paper:
            await _hear_out(opened, [order_id])
        return result

    def answer(opened: "OpenLedger", result: "OrderResult") -> None:
        from service.cli.answers import advice, raise_for, row_of
        from service.output import write_object

        write_object(row_of(opened, result), common.output)
        raise_for(result, advice(result, has_book=bool(book or seen)))

    _with_ledger(common, act, answer)


def cancel(
    common: Showing,
    order_id: Annotated[str, typer.Argument(metavar="ID", help="The order's id.")],
) -> None:
    """Cancel one order.

    \b
    Examples:
      order-ledger cancel 019a9c3e-7d5f-7000-8a54-0f9d0d1b7c11
      order-ledger cancel ID -o json
    """

    async def act(opened: "OpenLedger") -> "OrderResult":
        result = await opened.manager.cancel(order_id, actor="operator")
        await opened.deliver()
        await _hear_out(opened, [order_id])
        return result

    def answer(opened: "OpenLedger", result: "OrderResult") -> None:
        from service.cli.answers import TIMELINE, raise_for, row_of
        from service.output import write_object

        write_object(row_of(opened, result), common.output)
        raise_for(result, TIMELINE)

    _with_ledger(common, act, answer, is_needed=True)


def cancel_all(
    common: Showing,
    market: Annotated[
        str | None, typer.Option(metavar="ID", help="Only orders of this market.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only of this strategy.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; needed in scripts.")
    ] = False,
) -> None:
    """Cancel every open order.

    Where the orders are real, it asks first.

    \b
    Examples:
      order-ledger cancel-all
      order-ledger cancel-all --yes --strategy pair_arb --market 0xabc
    """

    not_empty("market_id", market)
    not_empty("strategy", strategy)
    _confirm(common, yes)

    async def act(opened: "OpenLedger") -> "list[OrderResult]":
        results = await opened.manager.cancel_all(market, strategy, actor="operator")
        await opened.deliver()
        await _hear_out(opened, [r.order.order_id for r in results if r.order])
        return results

    def answer(opened: "OpenLedger", results: "list[OrderResult]") -> None:
        from service.cli.answers import COLUMNS, raise_for, row_of
        from service.output import write_rows

        rows = [row_of(opened, result) for result in results]
        write_rows(rows, COLUMNS, common.output, color=common.has_color(sys.stdout))
        common.say(f"{sum(r.success for r in results)} of {len(results)} cancelled")
        for result in results:
            raise_for(result, "run it again, or look at the order's timeline")

    _with_ledger(common, act, answer, is_needed=True)


def _with_ledger(
    common: Common,
    act: "Callable[[OpenLedger], Awaitable[_T]]",
    answer: "Callable[[OpenLedger, _T], None]",
    *,
    is_needed: bool = False,
) -> None:
    """Open the ledger for writing, act, and answer once everything is on disk.

    With `is_needed` it must be there already: nothing is made to look for an order.
    """
    from service.bootstrap import open_ledger, refuse_unusable

    settings = common.settings()
    refuse_unusable(settings)
    if is_needed:
        from service.cli.models import require_ledger

        require_ledger(common.data)

    async def run() -> None:
        opened = await open_ledger(settings, common.data)
        opened.follow()
        try:
            done = await act(opened)
            answer(opened, done)
        finally:
            await opened.close()

    asyncio.run(run())


def _confirm(common: Common, yes: bool) -> None:
    """Ask before real orders are cancelled.

    Raises:
        Failure: there is nobody to ask, or the answer is no.
    """
    if yes or common.settings().execution.paper_trading:
        return
    from service.cli.failures import Exit, Failure

    if not sys.stdin.isatty():
        raise Failure(
            Exit.USAGE,
            "not_confirmed",
            "these orders are real, and there is nobody to ask",
            hint="add --yes",
        )
    if not typer.confirm("Cancel real orders?", err=True):
        raise Failure(Exit.FAILED, "not_confirmed", "nothing was cancelled")


async def _hear_out(opened: "OpenLedger", order_ids: list[str]) -> None:
    """Give a real venue a moment to say what became of orders."""
    if opened.is_paper:
        return
    from ledger.errors import UnknownOrderError

    until = opened.clock.monotonic() + _HEAR_OUT_SEC
    while opened.clock.monotonic() < until:
        try:
            orders = [opened.journal.order(order_id) for order_id in order_ids]
        except UnknownOrderError:
            return
        if all(order.is_closed or _is_said(order) for order in orders):
            return
        await opened.settle(_HEAR_OUT_STEP_SEC)


def _is_said(order: "Order") -> bool:
    """Whether nothing is expected of an order in the next seconds."""
    is_moving = order.is_delayed or order.is_cancel_requested
    return order.is_answered and not is_moving and order.phase == "WORKING"


def _intent(given: dict[str, str], post_only: bool) -> "OrderIntent":
    from ledger.intent import OrderIntent

    for name in _NEEDED:
        not_empty(name, given[name])
    filled: dict[str, Any] = {name: text for name, text in given.items() if text}
    return OrderIntent.parse({**filled, "post_only": post_only})


def _intent_from_json(path: str) -> "OrderIntent":
    from ledger.errors import InvalidInputError
    from ledger.intent import OrderIntent

    name = "stdin" if path == "-" else path
    if path == "-":
        data = sys.stdin.buffer.read(_MAX_BYTES + 1)
    else:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise InvalidInputError(name, f"is longer than {_MAX_BYTES} bytes")
    try:
        intent = json.loads(data)
    except json.JSONDecodeError as error:
        place_of_error = f"{name}:{error.lineno}:{error.colno}"
        raise InvalidInputError(place_of_error, f"is no JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(name, f"is no JSON: {error}") from None
    if not isinstance(intent, dict):
        raise InvalidInputError(name, "must be a JSON object")
    return OrderIntent.parse(intent)
