"""A scripted venue: canned answers by route, a clock to turn, a wallet that signs."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx2

from executors.polymarket import GateSettings, LiveSettings, WalletKind
from executors.polymarket.clients.common import draft_v2, signed
from executors.polymarket.executor import RealExecutor
from executors.polymarket.gateway import AnyOrder, OrderTerms, WalletInfo
from executors.protocol import Credentials, SigningKey, WireOrder
from ledger.market import Market
from ledger.values import Outcome, Side, TimeInForce
from ledger.venue import PlacementRequest, PreparedOrder

KEY = SigningKey("0x" + "5" * 64)
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0"
CREDENTIALS = Credentials(
    api_key="9180014b-33c8-9240-a14b-bdca11c0a465",
    secret=SECRET,
    passphrase="open-sesame",
)
MARKET = Market(
    market_id="0x" + "a" * 64,
    yes_token=str((1 << 255) + 11),
    no_token=str((1 << 255) + 22),
    fee_rate=Decimal("0.05"),
)
START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Asked(NamedTuple):
    """One request, as the venue sees it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str


class Reply(NamedTuple):
    """A canned answer; `body` that is no text becomes JSON."""

    status: int
    body: Any = ""
    headers: dict[str, str] = {}  # noqa: RUF012 -- never changed


Script = Callable[[Asked], Reply | Exception]


class ScriptedTransport(httpx2.AsyncBaseTransport):
    """Answers by script and remembers what was asked."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.delay = 0.0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = Asked(
            request.method,
            request.url.path,
            dict(request.url.params),
            dict(request.headers),
            (await request.aread()).decode(),
        )
        self.asked.append(asked)
        await asyncio.sleep(self.delay)
        reply = self.script(asked)
        if isinstance(reply, Exception):
            raise reply
        text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
        return httpx2.Response(
            reply.status, headers=reply.headers, text=text, request=request
        )

    def sent(self, method: str, path: str) -> list[Asked]:
        """What was asked of one route."""
        return [one for one in self.asked if (one.method, one.path) == (method, path)]


class TurnedClock:
    """A clock that sleeping moves, at once."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


class Wallet:
    """A `VenueClient` that asks nobody."""

    def __init__(
        self, key: SigningKey = KEY, kind: WalletKind = WalletKind.EOA, funder: str = ""
    ) -> None:
        self._key = key
        self._wallet = WalletInfo(
            kind=kind, address=funder or key.address, signer=key.address
        )

    def wallet(self) -> WalletInfo:
        return self._wallet

    async def credentials(self) -> Credentials:
        return CREDENTIALS

    def draft(self, terms: OrderTerms) -> WireOrder:
        return draft_v2(terms, self._wallet)

    def sign(self, order: AnyOrder, neg_risk: bool) -> WireOrder:
        return signed(
            order, neg_risk, kind=WireOrder, key=self._key, wallet=self._wallet
        )


def by_route(
    routes: dict[str, Reply | Exception], clock: TurnedClock | None = None
) -> Script:
    """Answers by "METHOD /path"; what a start asks is answered well."""
    now = int((clock.now() if clock else START).timestamp())
    known: dict[str, Reply | Exception] = {
        "GET /time": Reply(200, str(now)),
        "GET /balance-allowance": Reply(200, {"balance": "7500000", "allowances": {}}),
        "GET /data/orders": page([]),
        "GET /data/trades": page([]),
        **routes,
    }

    def script(asked: Asked) -> Reply | Exception:
        found = known.get(f"{asked.method} {asked.path}")
        if found is None:
            raise AssertionError(f"nobody expected {asked.method} {asked.path}")
        return found

    return script


def page(rows: list[Any], cursor: str = "LTE=") -> Reply:
    """One page of a list."""
    body = {"limit": 100, "next_cursor": cursor, "count": len(rows), "data": rows}
    return Reply(200, body)


class SilentSocket:
    """A stream on which nothing happens."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, message: str) -> None:
        self.sent.append(message)

    async def recv(self) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        return


async def silence(_url: str) -> SilentSocket:
    """Connect to nothing."""
    return SilentSocket()


class Built(NamedTuple):
    """An executor and what it talks to."""

    executor: RealExecutor
    transport: ScriptedTransport
    clock: TurnedClock


def build(
    routes: dict[str, Reply | Exception] | None = None,
    *,
    script: Script | None = None,
    wallet: Wallet | None = None,
    data: Path | None = None,
    **changes: Any,
) -> Built:
    """An executor whose venue is a script."""
    clock = TurnedClock()
    transport = ScriptedTransport(script or by_route(routes or {}, clock))
    settings: dict[str, Any] = {
        "wallet_kind": WalletKind.EOA,
        "rest_url": "http://venue.test",
        "data_url": "http://data.test",
        "ws_user_url": "ws://venue.test/ws/user",
        "threaded": False,
        "gate": GateSettings(max_wait_sec=0.5),
    }
    executor = RealExecutor(
        LiveSettings(**settings | changes),
        wallet or Wallet(),
        clock=clock,
        rng=Random(7),
        data=data,
        markets=[MARKET],
        transport=transport,
        connect=silence,
    )
    return Built(executor, transport, clock)


def request(**changes: Any) -> PlacementRequest:
    """A plain order, changed."""
    fields: dict[str, Any] = {
        "order_id": "order-1",
        "market": MARKET,
        "outcome": Outcome.YES,
        "side": Side.BUY,
        "size": Decimal(10),
        "price": Decimal("0.56"),
        "time_in_force": TimeInForce.GTC,
        "post_only": False,
        "expires_at": None,
    }
    return PlacementRequest(**fields | changes)


def live(prepared: PreparedOrder) -> dict[str, Any]:
    """The answer that accepts an order."""
    return {
        "success": True,
        "errorMsg": "",
        "orderID": prepared.venue_order_id,
        "status": "live",
    }
