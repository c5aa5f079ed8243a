"""What every route and stream of one exchange shares."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from executors.exchange.auth import Account, Accounts
from executors.exchange.engine import Exchange, Refused
from executors.exchange.faults import FaultPlan, FaultRule
from executors.exchange.limits import Limits, Tier
from executors.exchange.wallets import wallets_of
from executors.exchange.wire import Refusal, Request
from executors.protocol import WireOrder, WireOrderV1
from ledger.clock import Clock

_FORGET_HIDDEN: Final = 10_000


class AppConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the exchange meets its clients.

    `protocol` "v1" takes the order format of before 2026-04-28, and no other.
    `tolerance_sec` is how far a client's clock may be off.
    `auto_fund` is pUSD in base units, given once to every wallet of a key that asks
    for credentials.
    `tier` holds the rate limits; none: there are none.
    `wait_ms` is the longest matching delay during which the answer to a post waits;
    after a longer one the client hears `delayed`.
    """

    protocol: str = "v2"
    seed: int = 0
    page_size: int = 100
    tolerance_sec: float | None = 60
    auto_fund: int = 0
    tier: Tier | None = None
    wait_ms: int = 1_000

    @property
    def order_kind(self) -> type[WireOrder] | type[WireOrderV1]:
        """The order format that is understood."""
        return WireOrderV1 if self.protocol == "v1" else WireOrder


class Present:
    """The exchange's present in Unix milliseconds; an operator may move it on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ms = 0

    def __call__(self) -> int:
        return int(self._clock.now().timestamp() * 1000) + self.offset_ms


class Venue:
    """The exchange with its accounts, limits, faults and clock."""

    def __init__(  # noqa: PLR0913 -- what it brings together
        self,
        exchange: Exchange,
        clock: Clock,
        present: Present,
        *,
        config: AppConfig,
        plan: FaultPlan,
        wake: Callable[[], None],
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.config = config
        self.plan = plan
        self.accounts = Accounts(config.seed, config.tolerance_sec)
        self.limits = None if config.tier is None else Limits(config.tier)
        self.hidden: dict[str, int] = {}
        self.banned: set[str] = set()
        self.closed_only: set[str] = set()
        self.calls: dict[str, int] = {}
        self.present = present
        self.placed: dict[str, None] = {}
        self._wake = wake
        self._funded: set[str] = set()

    def now_ms(self) -> int:
        """The exchange's present."""
        return self.present()

    def wake(self) -> None:
        """Something may be due earlier than it was."""
        self._wake()

    def fund_once(self, address: str) -> None:
        """Give a wallet what `auto_fund` promises, the first time it is seen."""
        wallet = address.lower()
        if self.config.auto_fund and wallet not in self._funded:
            self._funded.add(wallet)
            self.exchange.fund(wallet, cash=self.config.auto_fund)

    def fund_key(self, address: str) -> None:
        """Give it to every wallet that follows from a key."""
        if self.config.auto_fund:
            for wallet in wallets_of(address):
                self.fund_once(wallet)

    def hide(self, order_id: str, seconds: float) -> None:
        """Keep an order from look-ups for a while."""
        now = self.now_ms()
        if len(self.hidden) > _FORGET_HIDDEN:
            self.hidden = {k: until for k, until in self.hidden.items() if until > now}
        self.hidden[order_id] = now + int(seconds * 1000)

    def is_hidden(self, order_id: str) -> bool:
        """Whether look-ups do not see the order yet."""
        return self.hidden.get(order_id, 0) > self.now_ms()


class Call(NamedTuple):
    """One request on its way to a route, with the part of the path it named."""

    request: Request
    tail: str
    faults: Mapping[str, FaultRule]
    account: Account | None = None

    @property
    def owner(self) -> Account:
        """Who asks; only on routes that check it."""
        if self.account is None:
            raise Refusal(401, "Unauthorized/Invalid api key")
        return self.account


def refuse(refused: Refused) -> Refusal:
    """Write a refusal of the engine as an error answer."""
    body: dict[str, str | int] = {"error": refused.error}
    headers: tuple[tuple[str, str], ...] = ()
    if refused.code:
        body["code"] = refused.code
    if refused.retry_after_seconds is not None:
        if refused.code:
            body["retry_after_seconds"] = refused.retry_after_seconds
        headers = (("Retry-After", str(refused.retry_after_seconds)),)
    return Refusal(refused.status, body, headers)
