"""Rate limits as the venue publishes them: per signer, and per route.

Source:
    https://docs.polymarket.com/api-reference/trading-rate-limits and
    https://docs.polymarket.com/api-reference/rate-limits (2026-11).
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from executors.exchange.wire import Headers, Refusal

_PER_TEN_SECONDS: Final[Mapping[str, int]] = {
    "POST /order": 5_000,
    "DELETE /order": 5_000,
    "POST /orders": 2_000,
    "DELETE /orders": 2_000,
    "DELETE /cancel-all": 250,
    "DELETE /cancel-market-orders": 1_500,
    "GET /data/orders": 500,
    "GET /data/trades": 500,
    "GET /book": 1_500,
    "GET /balance-allowance": 200,
    "GET /balance-allowance/update": 50,
    "POST /auth/api-key": 100,
    "GET /auth/derive-api-key": 100,
    "GET /positions": 150,
    "GET /v2/positions": 150,
    "GET /markets": 300,
}
_ANYTHING: Final = 9_000


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """What one signer may do: orders and cancels per second, and at once."""

    name: str = "Standard"
    orders_per_sec: int = 40
    order_burst: int = 60
    cancels_per_sec: int = 80
    cancel_burst: int = 120


class Bucket:
    """Tokens that refill steadily; times are Unix milliseconds."""

    __slots__ = ("_burst", "_left", "_per_ms", "_seen_ms")

    def __init__(self, per_sec: float, burst: float, now_ms: int) -> None:
        self._per_ms = per_sec / 1000
        self._burst = burst
        self._left = burst
        self._seen_ms = now_ms

    def take(self, amount: float, now_ms: int) -> float:
        """Take all or nothing: 0, or the milliseconds until there is enough."""
        grown = (now_ms - self._seen_ms) * self._per_ms
        self._left = min(self._burst, self._left + grown)
        self._seen_ms = now_ms
        if amount > self._left:
            return (amount - self._left) / self._per_ms
        self._left -= amount
        return 0

    @property
    def left(self) -> int:
        """Whole tokens that are left."""
        return int(self._left)


class Limits:
    """All buckets of one exchange."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self._routes: dict[str, Bucket] = {}
        self._orders: dict[str, Bucket] = {}
        self._cancels: dict[str, Bucket] = {}

    def on_route(self, route: str, now_ms: int) -> None:
        """Count a request of any client.

        Raises:
            Refusal: 429.
        """
        limit = _PER_TEN_SECONDS.get(route, _ANYTHING)
        bucket = self._routes.get(route)
        if bucket is None:
            bucket = self._routes[route] = Bucket(limit / 10, limit, now_ms)
        self._ask(bucket, 1, now_ms)

    def on_orders(self, signer: str, amount: int, now_ms: int) -> Headers:
        """Count orders of a signer; a batch passes as a whole or not at all.

        Returns headers that tell what is left.

        Raises:
            Refusal: 429.
        """
        tier = self.tier
        bucket = self._orders.get(signer)
        if bucket is None:
            bucket = Bucket(tier.orders_per_sec, tier.order_burst, now_ms)
            self._orders[signer] = bucket
        return self._ask(bucket, amount, now_ms)

    def on_cancels(self, signer: str, amount: int, now_ms: int) -> Headers:
        """Count cancels of a signer.

        Returns headers that tell what is left.

        Raises:
            Refusal: 429.
        """
        tier = self.tier
        bucket = self._cancels.get(signer)
        if bucket is None:
            bucket = Bucket(tier.cancels_per_sec, tier.cancel_burst, now_ms)
            self._cancels[signer] = bucket
        return self._ask(bucket, amount, now_ms)

    def _ask(self, bucket: Bucket, amount: int, now_ms: int) -> Headers:
        wait_ms = bucket.take(amount, now_ms)
        if wait_ms:
            raise too_many(wait_ms / 1000, now_ms, bucket.left, self.tier.name)
        return _told(bucket.left, now_ms // 1000 + 1, self.tier.name)


def too_many(
    wait_sec: float, now_ms: int, left: int = 0, tier: str = "Standard"
) -> Refusal:
    """Write a 429 as the venue does; it speaks of whole seconds only."""
    wait = max(1, math.ceil(wait_sec))
    return Refusal(
        429,
        "Too Many Requests",
        (("Retry-After", str(wait)), *_told(left, now_ms // 1000 + wait, tier)),
    )


def _told(left: int, reset_sec: int, tier: str) -> Headers:
    return (
        ("Poly-RateLimit-Remaining", str(left)),
        ("Poly-RateLimit-Reset", str(reset_sec)),
        ("Poly-RateLimit-Tier", tier),
    )
