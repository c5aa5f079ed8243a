"""What anybody may ask: books, prices, and descriptions of markets."""

from decimal import Decimal
from typing import Any, Final

from executors.exchange.engine import ExchangeMarket
from executors.exchange.venue import Call, Venue
from executors.exchange.wire import Refusal, Response, answer, parse, text
from executors.protocol import END_CURSOR
from ledger.values import text_of

_NO_BOOK: Final = "No orderbook exists for the requested token id"
_BASE_FEE: Final = 1000
_HALF: Final = Decimal("0.5")
_TWO: Final = Decimal(2)


async def ok(_venue: Venue, _call: Call) -> Response:
    """GET /."""
    return answer("OK")


async def server_time(venue: Venue, _call: Call) -> Response:
    """GET /time: Unix seconds."""
    return answer(venue.now_ms() // 1000)


async def version(venue: Venue, _call: Call) -> Response:
    """GET /version: of the order format."""
    return answer({"version": int(venue.config.protocol[1:])})


async def deployed(_venue: Venue, _call: Call) -> Response:
    """GET /deployed of the relayer: every wallet exists."""
    return answer({"deployed": True})


async def book(venue: Venue, call: Call) -> Response:
    """GET /book."""
    return answer(_book(venue, _token(call)))


async def books(venue: Venue, call: Call) -> Response:
    """POST /books; tokens without a book are left out."""
    found = (venue.exchange.book(token) for token in _tokens(call))
    return answer([row for row in found if row is not None])


async def midpoint(venue: Venue, call: Call) -> Response:
    """GET /midpoint."""
    return answer({"mid": _midpoint(_book(venue, _token(call)))})


async def midpoints(venue: Venue, call: Call) -> Response:
    """POST /midpoints."""
    return answer({t: _midpoint(_book(venue, t)) for t in _tokens(call)})


async def price(venue: Venue, call: Call) -> Response:
    """GET /price: the best bid for side BUY, the best ask for SELL."""
    side = call.request.query.get("side", "").upper()
    return answer({"price": _best(_book(venue, _token(call)), side)})


async def prices(venue: Venue, call: Call) -> Response:
    """POST /prices."""
    told: dict[str, dict[str, str]] = {}
    for item in _items(call):
        token, side = str(item.get("token_id")), str(item.get("side") or "").upper()
        told.setdefault(token, {})[side] = _best(_book(venue, token), side)
    return answer(told)


async def spread(venue: Venue, call: Call) -> Response:
    """GET /spread."""
    return answer({"spread": _spread(_book(venue, _token(call)))})


async def spreads(venue: Venue, call: Call) -> Response:
    """POST /spreads."""
    return answer({t: _spread(_book(venue, t)) for t in _tokens(call)})


async def last_price(venue: Venue, call: Call) -> Response:
    """GET /last-trade-price."""
    row = _book(venue, _token(call))
    return answer({"price": row["last_trade_price"], "side": "BUY"})


async def last_prices(venue: Venue, call: Call) -> Response:
    """POST /last-trades-prices."""
    rows = [(token, _book(venue, token)) for token in _tokens(call)]
    return answer(
        [
            {"token_id": token, "price": row["last_trade_price"], "side": "BUY"}
            for token, row in rows
        ]
    )


async def tick_size(venue: Venue, call: Call) -> Response:
    """GET /tick-size: a JSON number, as the venue writes it."""
    return answer({"minimum_tick_size": _market(venue, _token(call)).tick_size})


async def neg_risk(venue: Venue, call: Call) -> Response:
    """GET /neg-risk."""
    return answer({"neg_risk": _market(venue, _token(call)).neg_risk})


async def fee_rate(venue: Venue, call: Call) -> Response:
    """GET /fee-rate: the bound that orders of protocol 1 sign, not what is charged."""
    market = _market(venue, _token(call))
    return answer({"base_fee": _BASE_FEE if market.fee_rate else 0})


async def market_by_token(venue: Venue, call: Call) -> Response:
    """GET /markets-by-token/{token}."""
    market = _market(venue, call.tail)
    return answer(
        {
            "condition_id": market.condition_id,
            "primary_token_id": market.tokens[0],
            "secondary_token_id": market.tokens[1],
        }
    )


async def clob_market(venue: Venue, call: Call) -> Response:
    """GET /clob-markets/{condition}: what an order needs to know, in short names."""
    market = _condition(venue, call.tail)
    told: dict[str, Any] = {
        "gst": None,
        "r": {},
        "t": [{"t": t, "o": market.outcome(t)} for t in market.tokens],
        "mos": market.min_size,
        "mts": market.tick_size,
        "mbf": 0,
        "tbf": 0,
        "rfqe": False,
        "itode": market.taker_delay_ms > 0,
        "nr": market.neg_risk,
        "fd": {"r": market.fee_rate, "e": market.fee_exponent, "to": True},
    }
    return answer(told)


async def market(venue: Venue, call: Call) -> Response:
    """GET /markets/{id}: of the CLOB by condition, of Gamma by number."""
    if call.tail.startswith("0x"):
        return answer(_clob_row(_condition(venue, call.tail)))
    for number, found in enumerate(venue.exchange.markets(), start=1):
        if call.tail == str(number) or call.tail == f"slug/{found.slug}":
            return answer(_gamma_row(venue, number, found))
    raise Refusal(404, "market not found")


async def markets(venue: Venue, call: Call) -> Response:
    """GET /markets: Gamma's list, or the CLOB's if it comes with a cursor."""
    query = call.request.query
    found = list(enumerate(venue.exchange.markets(), start=1))
    if "next_cursor" in query:
        rows = [_clob_row(each) for _, each in found]
        told = {"limit": len(rows), "next_cursor": END_CURSOR, "count": len(rows)}
        return answer(told | {"data": rows})
    return answer(
        [_gamma_row(venue, n, each) for n, each in found if _is_meant(each, query)]
    )


async def markets_keyset(venue: Venue, call: Call) -> Response:
    """GET /markets/keyset of Gamma: everything on one page."""
    found = enumerate(venue.exchange.markets(), start=1)
    rows = [
        _gamma_row(venue, n, each)
        for n, each in found
        if _is_meant(each, call.request.query)
    ]
    return answer({"markets": rows, "next_cursor": None})


def _is_meant(market: ExchangeMarket, query: Any) -> bool:
    return (
        query.get("condition_ids", market.condition_id) == market.condition_id
        and query.get("slug", market.slug) == market.slug
        and query.get("clob_token_ids", market.tokens[0]) in market.tokens
    )


def _clob_row(market: ExchangeMarket) -> dict[str, Any]:
    return {
        "condition_id": market.condition_id,
        "question": market.slug or market.condition_id,
        "market_slug": market.slug,
        "active": True,
        "closed": not market.accepting_orders,
        "enable_order_book": True,
        "accepting_orders": market.accepting_orders,
        "minimum_order_size": market.min_size,
        "minimum_tick_size": market.tick_size,
        "neg_risk": market.neg_risk,
        "maker_base_fee": 0,
        "taker_base_fee": _BASE_FEE if market.fee_rate else 0,
        "tokens": [
            {"token_id": t, "outcome": market.outcome(t), "winner": False}
            for t in market.tokens
        ],
    }


def _gamma_row(venue: Venue, number: int, market: ExchangeMarket) -> dict[str, Any]:
    row = _book(venue, market.tokens[0])
    yes = Decimal(_midpoint(row))
    return {
        "id": str(number),
        "question": market.slug or market.condition_id,
        "conditionId": market.condition_id,
        "slug": market.slug or market.condition_id,
        "outcomes": text(list(market.outcomes)),
        "outcomePrices": text([text_of(yes), text_of(1 - yes)]),
        "clobTokenIds": text(list(market.tokens)),
        "active": True,
        "closed": not market.accepting_orders,
        "archived": False,
        "enableOrderBook": True,
        "acceptingOrders": market.accepting_orders,
        "orderPriceMinTickSize": market.tick_size,
        "orderMinSize": market.min_size,
        "negRisk": market.neg_risk,
        "feesEnabled": bool(market.fee_rate),
        "takerBaseFee": _BASE_FEE,
        "makerBaseFee": _BASE_FEE,
        "feeSchedule": {
            "exponent": market.fee_exponent,
            "rate": market.fee_rate,
            "takerOnly": True,
            "rebateRate": 0,
        },
    }


def _token(call: Call) -> str:
    token = call.request.query.get("token_id", "")
    if not token.isdecimal():
        raise Refusal(400, "Invalid token id")
    return token


def _items(call: Call) -> list[dict[str, Any]]:
    data = parse(call.request.body, "Invalid payload")
    if not isinstance(data, list) or not all(isinstance(d, dict) for d in data):
        raise Refusal(400, "Invalid payload")
    return data


def _tokens(call: Call) -> list[str]:
    return [str(item.get("token_id")) for item in _items(call)]


def _market(venue: Venue, token: str) -> ExchangeMarket:
    found = venue.exchange.market_of(token)
    if found is None:
        raise Refusal(404, "market not found")
    return found


def _condition(venue: Venue, condition_id: str) -> ExchangeMarket:
    for found in venue.exchange.markets():
        if found.condition_id == condition_id:
            return found
    raise Refusal(404, "market not found")


def _book(venue: Venue, token: str) -> dict[str, Any]:
    row = venue.exchange.book(token)
    if row is None:
        raise Refusal(404, _NO_BOOK)
    return row


def _best(row: dict[str, Any], side: str) -> str:
    if side not in {"BUY", "SELL"}:
        raise Refusal(400, "Invalid side")
    levels = row["bids" if side == "BUY" else "asks"]
    return str(levels[-1]["price"]) if levels else "0"


def _midpoint(row: dict[str, Any]) -> str:
    if not row["bids"] or not row["asks"]:
        return text_of(_HALF)
    both = Decimal(_best(row, "BUY")) + Decimal(_best(row, "SELL"))
    return text_of(both / _TWO)


def _spread(row: dict[str, Any]) -> str:
    if not row["bids"] or not row["asks"]:
        return "0"
    return text_of(Decimal(_best(row, "SELL")) - Decimal(_best(row, "BUY")))
