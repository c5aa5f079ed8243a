"""What anybody may ask about prices."""

from decimal import Decimal
from typing import Any, Final

from executors.exchange.venue import Call, Venue
from executors.exchange.wire import Refusal, Response, answer, parse
from ledger.values import text_of

_NO_BOOK: Final = "No orderbook exists for the requested token id"
_HALF: Final = Decimal("0.5")
_TWO: Final = Decimal(2)


async def book(venue: Venue, call: Call) -> Response:
    """GET /book."""
    return answer(book_of(venue, token_of(call)))


async def books(venue: Venue, call: Call) -> Response:
    """POST /books; tokens without a book are left out."""
    found = (venue.exchange.book(token) for token in _tokens(call))
    return answer([row for row in found if row is not None])


async def midpoint(venue: Venue, call: Call) -> Response:
    """GET /midpoint."""
    return answer({"mid": midpoint_of(book_of(venue, token_of(call)))})


async def midpoints(venue: Venue, call: Call) -> Response:
    """POST /midpoints."""
    return answer({t: midpoint_of(book_of(venue, t)) for t in _tokens(call)})


async def price(venue: Venue, call: Call) -> Response:
    """GET /price: the best bid for side BUY, the best ask for SELL."""
    side = call.request.query.get("side", "").upper()
    return answer({"price": _best(book_of(venue, token_of(call)), side)})


async def prices(venue: Venue, call: Call) -> Response:
    """POST /prices."""
    told: dict[str, dict[str, str]] = {}
    for item in _items(call):
        token, side = str(item.get("token_id")), str(item.get("side") or "").upper()
        told.setdefault(token, {})[side] = _best(book_of(venue, token), side)
    return answer(told)


async def spread(venue: Venue, call: Call) -> Response:
    """GET /spread."""
    return answer({"spread": _spread(book_of(venue, token_of(call)))})


async def spreads(venue: Venue, call: Call) -> Response:
    """POST /spreads."""
    return answer({t: _spread(book_of(venue, t)) for t in _tokens(call)})


async def last_price(venue: Venue, call: Call) -> Response:
    """GET /last-trade-price."""
    row = book_of(venue, token_of(call))
    return answer({"price": row["last_trade_price"], "side": "BUY"})


async def last_prices(venue: Venue, call: Call) -> Response:
    """POST /last-trades-prices."""
    rows = [(token, book_of(venue, token)) for token in _tokens(call)]
    return answer(
        [
            {"token_id": token, "price": row["last_trade_price"], "side": "BUY"}
            for token, row in rows
        ]
    )


def token_of(call: Call) -> str:
    """The token a request names.

    Raises:
        Refusal: 400.
    """
    token = call.request.query.get("token_id", "")
    if not token.isdecimal():
        raise Refusal(400, "Invalid token id")
    return token


def book_of(venue: Venue, token: str) -> dict[str, Any]:
    """The book of a token.

    Raises:
        Refusal: 404.
    """
    row = venue.exchange.book(token)
    if row is None:
        raise Refusal(404, _NO_BOOK)
    return row


def midpoint_of(row: dict[str, Any]) -> str:
    """Half way between the best prices; a half where one is missing."""
    if not row["bids"] or not row["asks"]:
        return text_of(_HALF)
    both = Decimal(_best(row, "BUY")) + Decimal(_best(row, "SELL"))
    return text_of(both / _TWO)


def _items(call: Call) -> list[dict[str, Any]]:
    data = parse(call.request.body, "Invalid payload")
    if not isinstance(data, list) or not all(isinstance(d, dict) for d in data):
        raise Refusal(400, "Invalid payload")
    return data


def _tokens(call: Call) -> list[str]:
    return [str(item.get("token_id")) for item in _items(call)]


def _best(row: dict[str, Any], side: str) -> str:
    if side not in {"BUY", "SELL"}:
        raise Refusal(400, "Invalid side")
    levels = row["bids" if side == "BUY" else "asks"]
    return str(levels[-1]["price"]) if levels else "0"


def _spread(row: dict[str, Any]) -> str:
    if not row["bids"] or not row["asks"]:
        return "0"
    return text_of(Decimal(_best(row, "SELL")) - Decimal(_best(row, "BUY")))
