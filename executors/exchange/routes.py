"""Every route that clients ask for."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from executors.exchange import books, data_api, metadata, posting, private
from executors.exchange.venue import Call, Venue
from executors.exchange.wire import Request, Response

Handler = Callable[[Venue, Call], Awaitable[Response]]


class Route(NamedTuple):
    """What answers; whether it is signed (L2), and closed with trading."""

    handler: Handler
    signed: bool = False
    trading: bool = False


_ROUTES: Final[Mapping[str, Route]] = {
    "GET /": Route(metadata.ok),
    "GET /time": Route(metadata.server_time),
    "GET /version": Route(metadata.version),
    "GET /deployed": Route(metadata.deployed),
    "GET /book": Route(books.book),
    "POST /books": Route(books.books),
    "GET /midpoint": Route(books.midpoint),
    "POST /midpoints": Route(books.midpoints),
    "GET /price": Route(books.price),
    "POST /prices": Route(books.prices),
    "GET /spread": Route(books.spread),
    "POST /spreads": Route(books.spreads),
    "GET /last-trade-price": Route(books.last_price),
    "POST /last-trades-prices": Route(books.last_prices),
    "GET /tick-size": Route(metadata.tick_size),
    "GET /neg-risk": Route(metadata.neg_risk),
    "GET /fee-rate": Route(metadata.fee_rate),
    "GET /markets": Route(metadata.markets),
    "GET /markets/keyset": Route(metadata.markets_keyset),
    "GET /v2/positions": Route(data_api.positions),
    "GET /positions": Route(data_api.positions_v1),
    "GET /v2/activity": Route(data_api.activity),
    "GET /v2/value": Route(data_api.value),
    "POST /auth/api-key": Route(private.create_key),
    "GET /auth/derive-api-key": Route(private.derive_key),
    "GET /auth/api-keys": Route(private.list_keys, signed=True),
    "DELETE /auth/api-key": Route(private.delete_key, signed=True),
    "GET /auth/ban-status/closed-only": Route(private.closed_only, signed=True),
    "GET /v1/user/rate-limit-tier": Route(private.tier, signed=True),
    "POST /order": Route(posting.post_order, signed=True, trading=True),
    "POST /orders": Route(posting.post_orders, signed=True, trading=True),
    "DELETE /order": Route(private.cancel_order, signed=True, trading=True),
    "DELETE /orders": Route(private.cancel_orders, signed=True, trading=True),
    "DELETE /cancel-all": Route(private.cancel_all, signed=True, trading=True),
    "DELETE /cancel-market-orders": Route(
        private.cancel_market, signed=True, trading=True
    ),
    "GET /data/orders": Route(private.orders, signed=True),
    "GET /data/trades": Route(private.trades, signed=True),
    "GET /balance-allowance": Route(private.balance, signed=True),
    "GET /balance-allowance/update": Route(private.balance, signed=True),
    "POST /v1/heartbeats": Route(private.heartbeat, signed=True),
}
_PREFIXES: Final[Mapping[str, tuple[str, Route]]] = {
    "GET /data/order/": ("{id}", Route(private.order, signed=True)),
    "GET /markets-by-token/": ("{token}", Route(metadata.market_by_token)),
    "GET /clob-markets/": ("{condition}", Route(metadata.clob_market)),
    "GET /markets/": ("{id}", Route(metadata.market)),
}


def route_of(request: Request) -> tuple[str, str, Route] | None:
    """Find a route: its name, what of the path it left open, and itself."""
    key = f"{request.method} {request.path}"
    route = _ROUTES.get(key)
    if route is not None:
        return key, "", route
    for prefix, (tail_name, found) in _PREFIXES.items():
        if key.startswith(prefix) and len(key) > len(prefix):
            return prefix + tail_name, key[len(prefix) :], found
    return None
