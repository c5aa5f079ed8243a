"""Everything that is read: orders, fills, positions, reconciliation, risk."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from ledger.errors import InvalidInputError, UnknownOrderError
from ledger.values import ZERO, OrderStatus, text_of
from projections import Record, model_of, timeline
from service.http import examples, schemas
from service.http.docs import gives
from service.http.requests import answer, needs
from service.http.rows import shown
from service.http.views import Rows, Views
from service.runtime import Runtime
from service.tokens import Scope

MOST_ROWS: Final = 500
_ROWS: Final = 100

AsOf = Annotated[
    str | None,
    Field(
        description="A position of the log, or an RFC 3339 time; the head if absent.",
        examples=["120", "2026-09-24T14:03:22Z"],
        pattern=r"^([0-9]{1,18}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,15}(Z|[+-][0-9:]{5}))$",
    ),
]
Strategy = Annotated[str | None, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
Market = Annotated[str | None, Field(pattern=r"^[!-~]{1,100}$")]
OrderId = Annotated[str | None, Field(pattern=r"^[!-~]{1,64}$")]


class Moment(BaseModel):
    """When."""

    model_config = ConfigDict(extra="forbid")

    as_of: AsOf = None


class Page(Moment):
    """Which rows of when."""

    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = _ROWS
    cursor: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9_-]{1,400}$", description="`next` of the last page"),
    ] = None
    newest_first: bool = False


class OfStrategy(Page):
    """Rows of one strategy or market."""

    strategy: Strategy = None
    market_id: Market = None


class Orders(OfStrategy):
    """Which orders."""

    status: OrderStatus | None = None


class Fills(OfStrategy):
    """Which fills."""

    order_id: OrderId = None


def page_of(
    rows: Rows, name: str, where: Mapping[str, Any], page: Page
) -> tuple[list[Record], str | None]:
    """One page of a read model, and the cursor of the next.

    Raises:
        InvalidInputError: the cursor is none of this read model.
    """
    key = model_of(name).key
    found = rows.query(
        name,
        {column: wanted for column, wanted in where.items() if wanted is not None},
        after=cursor_from(page.cursor, len(key)),
        limit=page.limit + 1,
        newest_first=page.newest_first,
    )
    if len(found) <= page.limit:
        return found, None
    del found[page.limit :]
    return found, cursor_of([found[-1][column] for column in key])


def cursor_of(key: Sequence[str | int]) -> str:
    """The key of a page's last row, as a cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def cursor_from(cursor: str | None, length: int) -> list[str | int] | None:
    """The key behind a cursor.

    Raises:
        InvalidInputError: it is none that we gave.
    """
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        key = msgspec.json.decode(raw, type=list[str | int])
    except (binascii.Error, msgspec.MsgspecError, UnicodeError):
        key = []
    is_small = all(isinstance(k, str) or abs(k) < 1 << 63 for k in key)
    if len(key) != length or not is_small:
        field = "cursor"
        raise InvalidInputError(field, "must be `next` of an earlier page")
    return key


def version_from(cursor: str | None) -> int | None:
    """The version behind a timeline's cursor.

    Raises:
        InvalidInputError: it is none that we gave, or one of another read.
    """
    key = cursor_from(cursor, 1)
    if key is None:
        return None
    if not isinstance(key[0], int):
        field = "cursor"
        raise InvalidInputError(field, "must be `next` of an earlier page")
    return key[0]


class Reads:
    """Answers reads out of the views."""

    def __init__(self, runtime: Runtime, views: Views) -> None:
        self._runtime = runtime
        self._store = runtime.opened.store
        self._views = views

    async def rows(
        self,
        request: Request,
        page: Page,
        name: str,
        where: Mapping[str, Any],
        finish: Callable[[Rows, list[Record]], list[Record]] | None = None,
    ) -> Response:
        """One page of rows."""

        def work(rows: Rows) -> tuple[list[Record], str | None]:
            found, cursor = page_of(rows, name, where, page)
            found = [shown(row) for row in found]
            return finish(rows, found) if finish else found, cursor

        at = self._views.position_of(page.as_of)
        position, (items, cursor) = await self._views.read(at, work)
        content = {"position": position, "items": items, "next": cursor}
        return self.tagged(request, position, content)

    async def order(self, request: Request, order_id: str, when: Moment) -> Response:
        """One order with its trades."""

        def work(rows: Rows) -> Record | None:
            found = rows.query("orders", {"order_id": order_id})
            if not found:
                return None
            trades = rows.query("fills", {"order_id": order_id})
            return shown(found[0]) | {"trades": [_trade(row) for row in trades]}

        at = self._views.position_of(when.as_of)
        position, order = await self._views.read(at, work)
        if order is None:
            raise UnknownOrderError(order_id)
        return self.tagged(request, position, order | {"as_of": position})

    async def timeline(self, request: Request, order_id: str, page: Page) -> Response:
        """Every event of one order."""
        at = self._views.position_of(page.as_of)
        position = self._store.head if at is None else at
        after = version_from(page.cursor)
        entries = timeline(self._store, order_id, upto=position)
        if page.newest_first:
            entries.reverse()
        if after is not None:
            entries = [
                e
                for e in entries
                if (e.version < after if page.newest_first else e.version > after)
            ]
        shown_entries = entries[: page.limit]
        cursor = None
        if len(entries) > page.limit:
            cursor = cursor_of([shown_entries[-1].version])
        items = [shown(msgspec.structs.asdict(entry)) for entry in shown_entries]
        content = {"position": position, "items": items, "next": cursor}
        return self.tagged(request, position, content)

    async def reconciliation(self, request: Request, page: Page) -> Response:
        """Comparisons, their differences, open drifts."""

        def work(rows: Rows) -> dict[str, Any]:
            found, cursor = page_of(rows, "reconciliation", {}, page)
            diffs: list[Record] = []
            for one in found:
                if one["order_diffs"] or one["position_diffs"]:
                    where = {"position": one["position"]}
                    diffs += rows.query("reconciliation_diffs", where)
            drifts = rows.query("open_drifts", limit=MOST_ROWS)
            return {
                "items": [shown(row) for row in found],
                "diffs": diffs,
                "drifts": [shown(row) for row in drifts],
                "next": cursor,
            }

        at = self._views.position_of(page.as_of)
        position, content = await self._views.read(at, work)
        return self.tagged(request, position, {"position": position, **content})

    async def risk(self, request: Request, when: Moment) -> Response:
        """Cash, reservations, profit, limits."""

        def work(rows: Rows) -> dict[str, Any]:
            account = rows.query("account", limit=1)
            held = rows.query("reservations", limit=MOST_ROWS)
            return {
                "account": account[0] if account else {},
                "reservations": [shown(row) for row in held],
                "pnl": rows.query("pnl", limit=MOST_ROWS),
            }

        at = self._views.position_of(when.as_of)
        position, content = await self._views.read(at, work)
        limits = self._runtime.opened.settings.risk.model_dump(mode="json")
        content = {"position": position, **content, "limits": limits}
        return self.tagged(request, position, content)

    def tagged(self, request: Request, position: int, content: object) -> Response:
        """An answer that names its position; empty if the caller has it already."""
        tag = f'"{position}"'
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": tag})
        return answer(content, headers={"ETag": tag, "Cache-Control": "no-cache"})


def _trade(row: Record) -> Record:
    of_order = {"order_id", "strategy", "market_id", "outcome", "side"}
    return {name: value for name, value in shown(row).items() if name not in of_order}


def with_interest(rows: Rows, found: list[Record]) -> list[Record]:
    """Add to positions what open orders may still do to them."""
    held: dict[tuple[str, str, str], list[Decimal]] = {}
    if found:
        for order in rows.query("open_orders"):
            key = (order["strategy"], order["market_id"], order["outcome"])
            sums = held.setdefault(key, [ZERO, ZERO])
            if order["side"] == "SELL":
                sums[0] += Decimal(order["reserved_shares"])
            else:
                sums[1] += Decimal(order["remaining"])
    for row in found:
        key = (row["strategy"], row["market_id"], row["outcome"])
        sells, buys = held.get(key, (ZERO, ZERO))
        row["sellable"] = text_of(Decimal(row["settled_shares"]) - sells)
        row["open_buys"] = text_of(buys)
    return found


def router(runtime: Runtime, views: Views) -> APIRouter:
    """The routes."""
    routes = APIRouter(dependencies=[needs(Scope.READ)])
    reads = Reads(runtime, views)
    tag = {"ETag": "the position"}

    def documented(kind: type[msgspec.Struct], example: object) -> dict[str, Any]:
        found = gives(kind, example, also=(304, 404, 503), headers=tag)
        return {"responses": found, "response_model": None}

    @routes.get(
        "/v1/orders",
        operation_id="listOrders",
        **documented(schemas.OrderPage, examples.ORDERS),
    )
    async def orders(request: Request, page: Annotated[Orders, Query()]) -> Response:
        """Orders, oldest first, closed ones included."""
        where = {
            "strategy": page.strategy,
            "market_id": page.market_id,
            "status": None if page.status is None else page.status.value,
        }
        return await reads.rows(request, page, "orders", where)

    @routes.get(
        "/v1/open-orders",
        operation_id="listOpenOrders",
        **documented(schemas.OrderPage, examples.ORDERS),
    )
    async def open_orders(
        request: Request, page: Annotated[OfStrategy, Query()]
    ) -> Response:
        """Orders that may still match, unknown outcomes included."""
        where = {"strategy": page.strategy, "market_id": page.market_id}
        return await reads.rows(request, page, "open_orders", where)

    @routes.get(
        "/v1/orders/{order_id}",
        operation_id="getOrder",
        **documented(schemas.OrderDetail, examples.ORDER),
    )
    async def order(
        request: Request, order_id: str, when: Annotated[Moment, Query()]
    ) -> Response:
        """One order with its trades."""
        return await reads.order(request, order_id, when)

    @routes.get(
        "/v1/orders/{order_id}/timeline",
        operation_id="getTimeline",
        **documented(schemas.Timeline, examples.TIMELINE),
    )
    async def order_timeline(
        request: Request, order_id: str, page: Annotated[Page, Query()]
    ) -> Response:
        """Every event of one order, on whose word, and the status after it."""
        return await reads.timeline(request, order_id, page)

    @routes.get(
        "/v1/fills",
        operation_id="listFills",
        **documented(schemas.FillPage, examples.FILLS),
    )
    async def fills(request: Request, page: Annotated[Fills, Query()]) -> Response:
        """Trades and how far each has settled; void ones stay listed."""
        where = {
            "strategy": page.strategy,
            "market_id": page.market_id,
            "order_id": page.order_id,
        }
        return await reads.rows(request, page, "fills", where)

    @routes.get(
        "/v1/positions",
        operation_id="listPositions",
        **documented(schemas.PositionPage, examples.POSITIONS),
    )
    async def positions(
        request: Request, page: Annotated[OfStrategy, Query()]
    ) -> Response:
        """Shares, cost and profit per strategy, market and outcome."""
        where = {"strategy": page.strategy, "market_id": page.market_id}
        return await reads.rows(request, page, "positions", where, with_interest)

    @routes.get(
        "/v1/reconciliation",
        operation_id="getReconciliation",
        **documented(schemas.Reconciliation, examples.RECONCILIATION),
    )
    async def reconciliation(
        request: Request, page: Annotated[Page, Query()]
    ) -> Response:
        """Comparisons with the venue, what differed, and the open drifts."""
        return await reads.reconciliation(request, page)

    @routes.get(
        "/v1/risk", operation_id="getRisk", **documented(schemas.Risk, examples.RISK)
    )
    async def risk(request: Request, when: Annotated[Moment, Query()]) -> Response:
        """What is at risk, what is held back, and the limits in force."""
        return await reads.risk(request, when)

    return routes
