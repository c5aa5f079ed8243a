"""Tables of polled quotes turned into the frames that would have shown them.

Two tables are known, by their header: best bid and ask of both tokens, and best
asks of pairs of nested windows.
Each row gives one `book` frame per token, both at the row's time: the table does
not say when each was read, and its two books need not be complements.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

import msgspec

from executors.market_data.files import Line, cells_of, row_of
from executors.market_data.frames import Frame, Quarantine, frame_error
from executors.market_data.times import unix_ms_of_text
from ledger.values import MICRO, ONE, ZERO, decimal_from, text_of

Row = Mapping[str, str]

_TOPS_HEADER: Final = {
    "captured_at",
    "condition_id",
    *(f"{token}_token_id" for token in ("up", "down")),
    *(f"{token}_best_{side}" for token in ("up", "down") for side in ("bid", "ask")),
    *(
        f"{token}_best_{side}_size"
        for token in ("up", "down")
        for side in ("bid", "ask")
    ),
}
_NESTED_HEADER: Final = {
    "timestamp_utc",
    "combo",
    "depth_usd",
    "ask_leg1",
    "ask_leg2",
    "inner_slug",
    "outer_slug",
}


class Table(msgspec.Struct, frozen=True):
    """A known table: its columns in order, and how a row becomes books."""

    columns: tuple[str, ...]
    time_column: str
    books: Callable[[Row, int], list[dict[str, Any]]]


def table_of(header: Line) -> Table | None:
    """Recognise a table by its header line; `None` if it is none of ours."""
    try:
        columns = tuple(cells_of(header))
    except ValueError:
        return None
    if set(columns) >= _TOPS_HEADER:
        return Table(columns, "captured_at", _tops)
    if set(columns) >= _NESTED_HEADER:
        return Table(columns, "timestamp_utc", _nested_asks)
    return None


def rows_to_frames(
    table: Table, lines: Iterable[Line], aside: Quarantine
) -> Iterator[Frame]:
    """Turn each row into frames; rows that cannot be read go to `aside`."""
    sequence = 0
    for line in lines:
        try:
            row = row_of(line, table.columns)
            at_ms = unix_ms_of_text(row[table.time_column])
            books = table.books(row, at_ms)
        except ValueError as error:
            aside.add(frame_error(str(error), line.text or "", source=line.source))
            continue
        for book in books:
            sequence += 1
            yield Frame(
                sequence=sequence,
                received_ms=at_ms,
                text=msgspec.json.encode(book).decode(),
                source=line.source,
            )


def _tops(row: Row, at_ms: int) -> list[dict[str, Any]]:
    return [
        _book(
            row["condition_id"],
            row[f"{token}_token_id"],
            at_ms,
            bids=_level(row[f"{token}_best_bid"], row[f"{token}_best_bid_size"]),
            asks=_level(row[f"{token}_best_ask"], row[f"{token}_best_ask_size"]),
        )
        for token in ("up", "down")
    ]


def _nested_asks(row: Row, at_ms: int) -> list[dict[str, Any]]:
    """The outer and the inner leg of "YESout+NOin" or "NOout+YESin".

    The table names no tokens, so they are "<slug>:YES" and "<slug>:NO".
    `depth_usd` is the thinner leg's money at the ask: for the other leg it is
    less than there was.
    """
    outcomes = {"YESout+NOin": ("YES", "NO"), "NOout+YESin": ("NO", "YES")}
    if row["combo"] not in outcomes:
        msg = "combo: unknown"
        raise ValueError(msg)
    outer, inner = outcomes[row["combo"]]
    legs = (
        (row["outer_slug"], outer, row["ask_leg1"]),
        (row["inner_slug"], inner, row["ask_leg2"]),
    )
    return [
        _book(slug, f"{slug}:{outcome}", at_ms, asks=_asked(row["depth_usd"], ask))
        for slug, outcome, ask in legs
    ]


def _asked(depth_usd: str, ask: str) -> list[dict[str, str]]:
    price = _price(ask)
    shares = (decimal_from(depth_usd) / price).quantize(MICRO, rounding=ROUND_FLOOR)
    return _level(ask, text_of(shares)) if shares > ZERO else []


def _level(price: str, size: str) -> list[dict[str, str]]:
    """One level; none where the table has no quote."""
    if not price or not size:
        return []
    _price(price)
    return [{"price": price, "size": size}]


def _price(text: str) -> Decimal:
    price = decimal_from(text)
    if not ZERO < price < ONE:
        msg = "price: must lie between 0 and 1"
        raise ValueError(msg)
    return price


def _book(
    market_id: str,
    token_id: str,
    at_ms: int,
    *,
    asks: list[dict[str, str]],
    bids: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    if not market_id or not token_id:
        msg = "row: names no market or token"
        raise ValueError(msg)
    return {
        "event_type": "book",
        "market": market_id,
        "asset_id": token_id,
        "timestamp": str(at_ms),
        "bids": bids or [],
        "asks": asks,
    }
