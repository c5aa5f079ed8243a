"""What anybody may ask about markets, and about the exchange itself."""

from decimal import Decimal
from typing import Any, Final

from executors.exchange.books import book_of, midpoint_of, token_of
from executors.exchange.engine import ExchangeMarket
from executors.exchange.venue import Call, Venue
from executors.exchange.wire import Refusal, Response, answer, text
from executors.protocol import END_CURSOR
from ledger.values import text_of

_BASE_FEE: Final = 1000


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


async def tick_size(venue: Venue, call: Call) -> Response:
    """GET /tick-size: a JSON number, as the venue writes it."""
    return answer({"minimum_tick_size": _market(venue, token_of(call)).tick_size})


async def neg_risk(venue: Venue, call: Call) -> Response:
    """GET /neg-risk."""
    return answer({"neg_risk": _market(venue, token_of(call)).neg_risk})


async def fee_rate(venue: Venue, call: Call) -> Response:
    """GET /fee-rate: the bound that orders of protocol 1 sign, not what is charged."""
    market = _market(venue, token_of(call))
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
    row = book_of(venue, market.tokens[0])
    yes = Decimal(midpoint_of(row))
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
