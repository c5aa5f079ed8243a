"""A trader who speaks the wire by hand, over a socket or within the loop."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx2
import msgspec

from executors.protocol import (
    Credentials,
    PostBody,
    SigningKey,
    WireOrder,
    domain_of,
    l1_headers,
    l2_headers,
    order_id,
    sign,
)

UNIT = 1_000_000


class Trader:
    """Signs orders and requests with one key, and sends them as they are."""

    def __init__(
        self, http: httpx2.AsyncClient, key: str, now: Callable[[], float]
    ) -> None:
        self.http = http
        self.key = SigningKey(key)
        self._now = now
        self._salt = 0
        self.credentials = Credentials(api_key="", secret="", passphrase="")

    async def login(self) -> None:
        """Create credentials, or derive them."""
        headers = l1_headers(self.key, int(self._now()))
        answer = await self.http.post("/auth/api-key", headers=headers)
        if answer.status_code == 400:
            answer = await self.http.get("/auth/derive-api-key", headers=headers)
        self.credentials = msgspec.json.decode(answer.content, type=Credentials)

    def order(
        self,
        token: str,
        price: str,
        size: int = 10,
        side: str = "BUY",
        *,
        neg_risk: bool = False,
    ) -> tuple[str, WireOrder]:
        """A signed order and its id; every call gives another one."""
        self._salt += 1
        shares, money = size * UNIT, int(Decimal(price) * size * UNIT)
        order = WireOrder(
            salt=self._salt,
            maker=self.key.address,
            signer=self.key.address,
            token_id=token,
            maker_amount=money if side == "BUY" else shares,
            taker_amount=shares if side == "BUY" else money,
            side=side,
            signature_type=0,
            timestamp=int(self._now() * 1000),
        )
        domain = domain_of(order, neg_risk)
        return order_id(order, *domain), sign(order, self.key, *domain)

    def body(self, order: WireOrder, order_type: str = "GTC", **more: Any) -> str:
        """The body of a post."""
        owner = self.credentials.api_key
        body = PostBody(order=order, order_type=order_type, owner=owner, **more)
        return body.to_json()

    def headers(self, method: str, path: str, body: str = "") -> dict[str, str]:
        """What signs a request."""
        return l2_headers(
            self.credentials,
            self.key.address,
            int(self._now()),
            method=method,
            path=path,
            body=body,
        )

    async def call(
        self, method: str, path: str, body: str = "", query: str = ""
    ) -> httpx2.Response:
        """Send a signed request."""
        return await self.http.request(
            method,
            path + query,
            headers=self.headers(method, path, body),
            content=body.encode() or None,
        )

    async def post(self, order: WireOrder, order_type: str = "GTC") -> httpx2.Response:
        """Post one order."""
        return await self.call("POST", "/order", self.body(order, order_type))

    async def find(self, name: str) -> list[dict[str, Any]]:
        """Look an order up by its id."""
        answer = await self.call("GET", "/data/orders", query=f"?id={name}")
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows

    def subscription(self) -> str:
        """The first frame of a user stream."""
        auth = json.loads(msgspec.json.encode(self.credentials))
        return json.dumps({"type": "user", "auth": auth})
