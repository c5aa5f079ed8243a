"""What goes into the exchange and what comes out of it.

Money and shares are integers of base units (10^-6 pUSD, 10^-6 share), prices
base units of pUSD per share, times Unix milliseconds.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from ledger.market import TICKS

UNIT: Final = 1_000_000
"""Base units of one share, of one pUSD, and of a price of 1."""

UNLIMITED: Final = 2**256 - 1
"""The allowance of a wallet that approved the exchange without a limit."""

OrderType = Literal["GTC", "GTD", "FOK", "FAK"]
"""The venue's time in force."""

SideText = Literal["BUY", "SELL"]
"""Direction as the venue spells it."""

ModeName = Literal["normal", "cancel_only", "post_only", "disabled", "restarting"]
"""What the exchange accepts at the moment."""

Clock = Callable[[], int]
"""Gives the present in Unix milliseconds."""

Message = dict[str, Any]
"""One message or row in the venue's own shape, ready for JSON."""


class UserAudience(NamedTuple):
    """Who gets a message of the user channel: an API key, by market."""

    owner: str
    market: str
    channel: Literal["user"] = "user"


class MarketAudience(NamedTuple):
    """Who gets a message of the market channel: whoever watches a token."""

    token_id: str
    channel: Literal["market"] = "market"


Audience = UserAudience | MarketAudience
"""Told apart by `channel`."""

Subscriber = Callable[[Audience, Message], None]
"""Takes every message at the moment it happens; must not call back."""


class SignedOrder(Protocol):
    """The part of a signed order that the engine reads; V1 and V2 both have it."""

    @property
    def maker(self) -> str:
        """Address of the wallet that pays."""
        ...

    @property
    def token_id(self) -> str:
        """The venue's asset id."""
        ...

    @property
    def side(self) -> str:
        """BUY or SELL."""
        ...

    @property
    def maker_amount(self) -> int:
        """Base units that the order gives: pUSD of a BUY, shares of a SELL."""
        ...

    @property
    def taker_amount(self) -> int:
        """Base units that the order wants in return."""
        ...

    @property
    def expiration(self) -> int:
        """Unix seconds of a GTD order's end; 0 for none."""
        ...


class ExchangeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How an exchange behaves; rates are fractions such as `Decimal("0.05")`.

    `mined_ms` counts from the match, `confirmed_ms` from the mining, and
    `settlement_jitter_ms` is the most that chance adds to each.
    `spend_all` lets a BUY of type FOK or FAK spend all its pUSD, so that a better
    price gives more shares than were signed; without it such an order stops at its
    signed shares.
    `history` is how many finished orders are remembered, and how many trades.
    """

    seed: int = 0
    mined_ms: int = 2_000
    confirmed_ms: int = 3_000
    settlement_jitter_ms: int = 0
    retry_rate: Decimal = Decimal(0)
    failure_rate: Decimal = Decimal(0)
    data_lag_ms: int = 0
    heartbeat_timeout_ms: int = 10_000
    post_only_after_restart_ms: int = 120_000
    gtd_min_life_ms: int = 60_000
    spend_all: bool = True
    history: int = 200_000


class ExchangeMarket(msgspec.Struct, frozen=True, kw_only=True):
    """One binary market; `tokens` and `outcomes` go together, in the market's order.

    `taker_delay_ms` holds an order that would match at once for so long.
    """

    condition_id: str
    tokens: tuple[str, str]
    outcomes: tuple[str, str] = ("Yes", "No")
    tick_size: Decimal = Decimal("0.01")
    min_size: Decimal = Decimal(5)
    neg_risk: bool = False
    fee_rate: Decimal = Decimal(0)
    fee_exponent: int = 1
    taker_delay_ms: int = 0
    accepting_orders: bool = True
    slug: str = ""

    def __post_init__(self) -> None:
        """Refuse what no venue market can be.

        Raises:
            ValueError: an unknown tick size, or twice the same token.
        """
        if self.tick_size not in TICKS or self.tokens[0] == self.tokens[1]:
            msg = f"not a market: {self.condition_id}"
            raise ValueError(msg)

    @property
    def tick(self) -> int:
        """The tick size in base units."""
        return int(self.tick_size * UNIT)

    def outcome(self, token_id: str) -> str:
        """The label of one of the two tokens."""
        return self.outcomes[self.tokens.index(token_id)]

    def complement(self, token_id: str) -> str:
        """The other token."""
        return self.tokens[1 - self.tokens.index(token_id)]


class Mode(NamedTuple):
    """What the exchange accepts, and until when if that is known."""

    name: ModeName = "normal"
    until_ms: int | None = None


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """An order was accepted; amounts tell what matched now, as decimal text.

    For a BUY `making_amount` is pUSD and `taking_amount` shares; both are empty
    unless something matched.
    `due_ms` is when a delayed order will be matched: `Exchange.outcome` knows how
    that ended from then on.
    """

    order_id: str
    status: Literal["live", "matched", "delayed", "unmatched"]
    making_amount: str = ""
    taking_amount: str = ""
    trade_ids: tuple[str, ...] = ()
    transaction_hashes: tuple[str, ...] = ()
    due_ms: int | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """An order was not accepted: HTTP status and the venue's own words.

    `killed` tells a FOK or FAK order that found nothing to match, which the venue
    reports on the user channel too, from one that never was an order.
    """

    status: int
    error: str
    code: str = ""
    retry_after_seconds: int | None = None
    killed: bool = False


class Canceled(NamedTuple):
    """The answer to a cancel: ids that ended, and the reason for every other."""

    canceled: list[str]
    not_canceled: dict[str, str]


class Balance(NamedTuple):
    """Settled base units of one asset, and what each exchange contract may take."""

    balance: int
    standard: int
    neg_risk: int


class Heartbeat(NamedTuple):
    """Whether a heartbeat was accepted, and the id that the next one must carry."""

    accepted: bool
    heartbeat_id: str


class TradeFilter(NamedTuple):
    """Which trades to read; what is empty or `None` does not filter.

    `after` and `before` are Unix seconds of the match, both included; market and
    asset are the taker's, as at the venue.
    """

    trade_id: str = ""
    market: str = ""
    asset_id: str = ""
    maker_address: str = ""
    after: int | None = None
    before: int | None = None


EVERY_TRADE: Final = TradeFilter()
"""Filters nothing."""
