"""What an operator does to a running exchange: faults, time, modes, money, markets.

There is no authentication: the exchange listens on loopback, and its money is
nobody's.
"""

from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from executors.exchange.engine import (
    UNIT,
    ExchangeConfig,
    ExchangeMarket,
    Mode,
    ModeName,
)
from executors.exchange.faults import parse_faults
from executors.exchange.streams import Streams
from executors.exchange.venue import Venue
from executors.exchange.wire import Refusal, Request, Response, answer
from ledger.errors import InvalidInputError

T = TypeVar("T")

_KEPT_OUT: Final = ("seed",)


class _Advance(msgspec.Struct, forbid_unknown_fields=True):
    ms: int


class _Fund(msgspec.Struct, forbid_unknown_fields=True):
    address: str
    cash: Decimal = Decimal(0)
    shares: dict[str, Decimal] = {}


class _Allow(msgspec.Struct, forbid_unknown_fields=True):
    address: str
    amount: Decimal
    neg_risk: bool = False
    token: str = ""


class _Resolve(msgspec.Struct, forbid_unknown_fields=True):
    market: str
    winner: str


class _Mode(msgspec.Struct, forbid_unknown_fields=True):
    mode: ModeName
    seconds: float | None = None


class _Ban(msgspec.Struct, forbid_unknown_fields=True):
    address: str
    closed_only: bool = False


class _Disconnect(msgspec.Struct, forbid_unknown_fields=True):
    channel: str = ""


class Admin:
    """The routes below `/admin`; every body is JSON, amounts are whole units."""

    def __init__(self, venue: Venue, streams: Streams) -> None:
        self._venue = venue
        self._streams = streams
        self._routes: Final = {
            "GET /admin/state": self._state,
            "GET /admin/faults": self._faults,
            "POST /admin/faults": self._set_faults,
            "DELETE /admin/faults": self._clear_faults,
            "POST /admin/advance": self._advance,
            "POST /admin/config": self._configure,
            "POST /admin/mode": self._mode,
            "POST /admin/fund": self._fund,
            "POST /admin/allowance": self._allowance,
            "POST /admin/ban": self._ban,
            "POST /admin/market": self._market,
            "POST /admin/resolve": self._resolve,
            "POST /admin/wipe": self._wipe,
            "POST /admin/disconnect": self._disconnect,
        }

    def handle(self, request: Request) -> Response:
        """Answer a request of the operator.

        Raises:
            Refusal: 404, or 400 with the reason.
        """
        route = self._routes.get(f"{request.method} {request.path}")
        if route is None:
            raise Refusal(404, f"no such route; there are {', '.join(self._routes)}")
        try:
            told = route(request.body)
        except (InvalidInputError, msgspec.DecodeError, ValueError) as error:
            raise Refusal(400, str(error)) from None
        self._venue.wake()
        return answer(told)

    def _state(self, _body: bytes) -> dict[str, Any]:
        """Everything a test compares: orders in the order they were accepted."""
        venue, exchange = self._venue, self._venue.exchange
        exchange.advance()
        keys = venue.accounts.all_keys()
        trades = {
            row["id"]: row for key in keys for row in exchange.trades(key.api_key)
        }
        wallets = {wallet for key in keys for wallet in venue.accounts.wallets_of(key)}
        tokens = [token for market in exchange.markets() for token in market.tokens]
        return {
            "now_ms": venue.now_ms(),
            "mode": exchange.mode.name,
            "orders": [exchange.order(name) for name in venue.placed],
            "trades": sorted(trades.values(), key=lambda row: str(row["match_time"])),
            "balances": {
                wallet: {
                    "cash": _units(exchange.balance(wallet).balance),
                    "shares": {
                        token: _units(held)
                        for token in tokens
                        if (held := exchange.balance(wallet, token).balance)
                    },
                }
                for wallet in sorted(wallets)
            },
            "faults": dict(venue.plan.fired),
            "calls": dict(venue.calls),
            "streams": self._streams.count(),
        }

    def _faults(self, _body: bytes) -> dict[str, Any]:
        plan = self._venue.plan
        return {"faults": plan.rules(), "fired": dict(plan.fired)}

    def _set_faults(self, body: bytes) -> dict[str, Any]:
        self._venue.plan.replace(parse_faults(body))
        return self._faults(b"")

    def _clear_faults(self, _body: bytes) -> dict[str, Any]:
        self._venue.plan.replace(())
        return self._faults(b"")

    def _advance(self, body: bytes) -> dict[str, Any]:
        """Move the exchange's clock on, to any moment later than its present."""
        step = _read(body, _Advance)
        if step.ms < 0:
            msg = "`ms` must not be negative"
            raise ValueError(msg)
        self._venue.present.offset_ms += step.ms
        happened = self._venue.exchange.advance()
        return {"now_ms": self._venue.now_ms(), "happened": happened}

    def _configure(self, body: bytes) -> dict[str, Any]:
        """Change delays and rates; what is not named stays."""
        exchange = self._venue.exchange
        changes = _read(body, dict[str, Any])
        known = msgspec.to_builtins(exchange.config)
        unknown = sorted(changes.keys() - (known.keys() - set(_KEPT_OUT)))
        if unknown:
            msg = f"unknown or fixed: {', '.join(unknown)}"
            raise ValueError(msg)
        exchange.configure(msgspec.convert(known | changes, ExchangeConfig))
        told: dict[str, Any] = msgspec.to_builtins(exchange.config)
        return told

    def _mode(self, body: bytes) -> dict[str, Any]:
        wanted = _read(body, _Mode)
        until = None
        if wanted.seconds is not None:
            until = self._venue.now_ms() + int(wanted.seconds * 1000)
        self._venue.exchange.set_mode(Mode(wanted.mode, until))
        return {"mode": wanted.mode, "until_ms": until}

    def _fund(self, body: bytes) -> dict[str, Any]:
        wanted = _read(body, _Fund)
        shares = {token: _base(amount) for token, amount in wanted.shares.items()}
        self._venue.exchange.fund(wanted.address, _base(wanted.cash), shares)
        return {"address": wanted.address}

    def _allowance(self, body: bytes) -> dict[str, Any]:
        wanted = _read(body, _Allow)
        self._venue.exchange.set_allowance(
            wanted.address,
            _base(wanted.amount),
            neg_risk=wanted.neg_risk,
            token=wanted.token,
        )
        return {"address": wanted.address}

    def _ban(self, body: bytes) -> dict[str, Any]:
        """Refuse every order of a wallet, or just what would add to its exposure."""
        wanted = _read(body, _Ban)
        venue = self._venue
        among = venue.closed_only if wanted.closed_only else venue.banned
        among.add(wanted.address.lower())
        return {"banned": sorted(venue.banned), "closed": sorted(venue.closed_only)}

    def _market(self, body: bytes) -> dict[str, Any]:
        """Open a market, or change one: a finer tick, a longer delay."""
        market = _read(body, ExchangeMarket)
        self._venue.exchange.add_market(market)
        return {"condition_id": market.condition_id}

    def _resolve(self, body: bytes) -> dict[str, Any]:
        wanted = _read(body, _Resolve)
        self._venue.exchange.resolve(wanted.market, wanted.winner)
        return {"market": wanted.market, "winner": wanted.winner}

    def _wipe(self, _body: bytes) -> dict[str, Any]:
        return {"wiped": self._venue.exchange.wipe_orders()}

    def _disconnect(self, body: bytes) -> dict[str, Any]:
        wanted = _read(body, _Disconnect)
        return {"disconnected": self._streams.disconnect(wanted.channel)}


def _read(body: bytes, kind: type[T]) -> T:
    return msgspec.json.decode(body or b"{}", type=kind)


def _base(amount: Decimal) -> int:
    """Whole units to base units."""
    return int(amount * UNIT)


def _units(amount: int) -> str:
    """Base units to whole units, as decimal text."""
    return format((Decimal(amount) / UNIT).normalize(), "f")
