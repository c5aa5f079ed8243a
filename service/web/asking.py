"""What a page was asked for: filters, the moment, and who asks."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from fastapi import Request

from ledger.errors import InvalidInputError, StoreError
from ledger.values import OrderStatus
from projections import Record, micros
from service.http.views import Rows
from service.tokens import Token

if TYPE_CHECKING:
    from service.web.site import Dashboard

_T = TypeVar("_T")

PAGE_ROWS: Final = 50
_LONGEST: Final = 200

FAR: Final = 2_000
"""So many events behind, read models are not hurried for a page."""

SINCE: Final = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
}
"""The windows of time that lists can be cut to, counted back from the moment."""


class Where(NamedTuple):
    """The filters; all of them live in the URL."""

    strategy: str = ""
    market: str = ""
    status: str = ""
    since: str = ""
    q: str = ""
    cursor: str = ""
    as_of: str = ""

    def query(self, **changes: str) -> str:
        """The query of a URL with some filters changed."""
        asked = self._replace(**changes)._asdict()
        found = urlencode({name: value for name, value in asked.items() if value})
        return f"?{found}" if found else ""


class Shown(NamedTuple):
    """What was read, and the position it holds for."""

    position: int
    found: Any


class Ask:
    """One request for a page."""

    def __init__(self, site: "Dashboard", request: Request, caller: Token) -> None:
        """Read the filters.

        Raises:
            InvalidInputError: one of them makes no sense.
            Problem: 404, `as_of` is later than the log.
        """
        self.site = site
        self.request = request
        self.caller = caller
        self.where = where_of(request.query_params)
        as_of = self.where.as_of or None
        self.at = site.views.position_of(as_of)
        self.is_past = self.at is not None

    async def read(self, work: Callable[[Rows], _T]) -> tuple[int, _T]:
        """Do some reading as of the moment that was asked for.

        A busy ledger's read models may be far behind its log: then a page shows them
        as they are, and the badge how far that is, rather than slow the orders down.
        """
        models = self.site.runtime.models
        if self.at is None:
            position = await asyncio.to_thread(lambda: models.position)
            if position and self.site.store.head - position > FAR:
                with suppress(StoreError):  # no file, or one of another version
                    return position, await asyncio.to_thread(work, models)
        return await self.site.views.read(self.at, work)

    def rows(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Conditions without the empty ones."""
        return {column: value for column, value in wanted.items() if value != ""}

    @property
    def market_id(self) -> str:
        """The id of the market that is meant by id or by slug."""
        return self.site.market_id(self.where.market)

    @property
    def lines(self) -> dict[str, Any]:
        """The conditions that every table with strategy and market knows."""
        return self.rows({"strategy": self.where.strategy, "market_id": self.market_id})

    def since_us(self, now_us: int) -> int | None:
        """The least time that is wanted; `None` for all of them."""
        window = SINCE.get(self.where.since)
        if window is None:
            return None
        return now_us - window // timedelta(microseconds=1)

    def now_us(self, position: int) -> int:
        """The moment that ages are counted to: of the log in the past, else now."""
        if self.is_past:
            return self.site.time_at(position)
        return micros(self.site.runtime.opened.clock.now())


def where_of(asked: Mapping[str, str]) -> Where:
    """The filters of a query.

    Raises:
        InvalidInputError: one is too long, or none that there is.
    """
    found = {name: asked.get(name, "").strip() for name in Where._fields}
    for name, value in found.items():
        if len(value) > _LONGEST or not value.isprintable():
            raise InvalidInputError(name, "is too long or not printable")
    if found["status"] not in ("", "open", *OrderStatus):
        field = "status"
        raise InvalidInputError(field, f"must be open, {', '.join(OrderStatus)}")
    if found["since"] not in ("", *SINCE):
        field = "since"
        raise InvalidInputError(field, f"must be one of {', '.join(SINCE)}")
    return Where(**found)


def form_of(request: Request) -> dict[str, str]:
    """The fields of a form that was sent.

    Raises:
        InvalidInputError: it is no form.
    """
    body: bytes = request.scope.get("body", b"")
    try:
        pairs = (
            parse_qsl(
                body.decode(),
                keep_blank_values=True,
                max_num_fields=20,
                strict_parsing=True,
            )
            if body
            else []
        )
    except (UnicodeDecodeError, ValueError):
        field = "body"
        raise InvalidInputError(field, "is no form") from None
    return dict(pairs)


def loaded(text: str) -> Any:
    """JSON kept in a cell; the text itself if it is none."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def distinct(rows: list[Record], column: str) -> list[str]:
    """The values of a column, sorted."""
    return sorted({str(row[column]) for row in rows if row[column]})
