"""Every setting with its type, bounds, unit and default.

`base.yaml` repeats the defaults with an explanation each; a test holds the two equal.
Plain pydantic instead of pydantic-settings: its sources would read YAML numbers
through float, cannot say where a value came from, and double the import time.
"""

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from ledger.risk import MAX_RATE
from ledger.values import canonical, decimal_from, text_of

Exact = Annotated[
    Decimal,
    BeforeValidator(lambda value: canonical(decimal_from(value))),
    PlainSerializer(text_of, return_type=str, when_used="json"),
]
"""A number read from its text; a float is refused."""

Amount = Annotated[Exact, Field(ge=0, lt=10**12, decimal_places=6)]
"""Shares or pUSD, 0 or more, at most 6 places."""

Rate = Annotated[Exact, Field(ge=0, le=1, decimal_places=6)]
"""A share of events, from 0 to 1."""

Price = Annotated[Exact, Field(gt=0, lt=1, decimal_places=6)]
"""pUSD per share, strictly between 0 and 1."""

Count = Annotated[int, Field(ge=0, le=10**9)]
Positive = Annotated[int, Field(gt=0, le=10**9)]
PerSecond = Annotated[int, Field(gt=0, le=MAX_RATE)]
BasisPoints = Annotated[int, Field(ge=0, le=10_000)]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[\w.:-]+$")
]
"""A strategy, a market or a group."""

_HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+[^\s]*$")]
_WebSocketUrl = Annotated[str, StringConstraints(pattern=r"^wss?://[^\s/]+[^\s]*$")]
_Address = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]
_LowerCase = BeforeValidator(lambda v: v.lower() if isinstance(v, str) else v)


class Section(BaseModel):
    """A part of the settings: frozen, unknown keys refused, inputs never echoed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
    )


class Execution(Section):
    """How orders are checked, sent, retried and compared."""

    max_slippage_bps: BasisPoints = 50
    warn_slippage_bps: BasisPoints = 25
    order_timeout_ms: Positive = 30_000
    cancel_timeout_ms: Positive = 10_000
    max_retry_attempts: Count = 3
    retry_base_delay_ms: Count = 100
    reconcile_interval_sec: Positive = 60
    position_tolerance: Amount = Decimal("0.01")
    dust_tolerance: Amount = Decimal("0.01")
    paper_trading: bool = True


class Polymarket(Section):
    """The venue, the wallet, and the secrets that never stand in a file of settings."""

    host: _HttpUrl = "https://clob.polymarket.com"
    ws_market_url: _WebSocketUrl = (
        "wss://ws-subscriptions-clob.polymarket.com/ws/market"
    )
    ws_user_url: _WebSocketUrl = "wss://ws-subscriptions-clob.polymarket.com/ws/user"
    data_url: _HttpUrl = "https://data-api.polymarket.com"
    client: Literal["official", "v1"] = "official"
    batch_posts: Annotated[int, Field(ge=1, le=15)] = 15
    orders_per_sec: Annotated[int, Field(ge=1, le=100_000)] = 40
    order_burst: Annotated[int, Field(ge=1, le=100_000)] = 60
    sweep_interval_sec: Positive = 45
    settlement_alarm_sec: Positive = 600
    absence_sec: Annotated[int, Field(ge=5, le=3_600)] = 60
    max_clock_skew_ms: Positive = 10_000
    heartbeat: bool = False
    chain_id: Positive = 137
    funder: _Address | None = None
    signature_type: Annotated[int, Field(ge=0, le=3)] = 0
    keystore_path: Path | None = None
    private_key: SecretStr | None = None
    api_key: SecretStr | None = None
    api_secret: SecretStr | None = None
    api_passphrase: SecretStr | None = None
    keystore_password: SecretStr | None = None

    @field_validator("signature_type")
    @classmethod
    def _wallet_is_named(cls, kind: int, info: ValidationInfo) -> int:
        # Without it the client signs for the key's own address: the wrong maker.
        if kind != 0 and info.data.get("funder", "") is None:
            msg = "needs polymarket.funder, the wallet that holds the money"
            raise ValueError(msg)
        return kind

    @field_validator("private_key")
    @classmethod
    def _key_is_well_formed(
        cls, key: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        if key is None:
            return None
        if info.data.get("keystore_path") is not None:
            msg = "must not be set together with keystore_path"
            raise ValueError(msg)
        digits = key.get_secret_value().removeprefix("0x")
        if len(digits) != 64 or not set(digits.lower()) <= set("0123456789abcdef"):  # noqa: PLR2004 -- 32 bytes
            msg = "must be 64 hexadecimal digits"
            raise ValueError(msg)
        return key


SECRETS: Final = frozenset(
    ("polymarket", name)
    for name, field in Polymarket.model_fields.items()
    if field.annotation == SecretStr | None
)
"""Paths of the settings whose values are never shown, hashed or read from YAML."""


class Limits(Section):
    """What one scope may do; None is no limit."""

    max_order_size: Amount | None = None
    max_order_notional: Amount | None = None
    max_position: Amount | None = None
    max_gross_exposure: Amount | None = None
    max_open_orders: Count | None = None
    max_orders_per_second: PerSecond | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    max_daily_loss: Amount | None = None
    max_consecutive_rejects: Positive | None = None
    max_consecutive_failures: Positive | None = None

    @field_validator("max_price")
    @classmethod
    def _band_is_open(
        cls, high: Decimal | None, info: ValidationInfo
    ) -> Decimal | None:
        low = info.data.get("min_price")
        if high is not None and low is not None and high < low:
            msg = f"must not be below min_price, which is {low}"
            raise ValueError(msg)
        return high


class AccountLimits(Limits):
    """Limits of the whole account, generous but never absent by default."""

    max_order_notional: Amount | None = Decimal("10000")
    max_gross_exposure: Amount | None = Decimal("100000")
    max_open_orders: Count | None = 1000
    max_consecutive_rejects: Positive | None = 50
    max_consecutive_failures: Positive | None = 10


class GroupLimits(Limits):
    """Limits that several markets share, counted together."""

    markets: Annotated[tuple[Name, ...], Field(min_length=1)]


class Risk(Section):
    """Limits per scope; an order must pass all that apply to it."""

    resize: bool = False
    check_cash: bool = True
    account: AccountLimits = AccountLimits()
    default_strategy: Limits = Limits()
    strategies: dict[Name, Limits] = {}
    default_market: Limits = Limits()
    markets: dict[Name, Limits] = {}
    groups: dict[Name, GroupLimits] = {}


class Store(Section):
    """The event log and the disk under it."""

    busy_timeout_ms: Count = 5_000
    checkpoint_every_events: Positive = 10_000
    min_free_mb_warn: Count = 1_024
    min_free_mb_halt: Count = 100


class Paper(Section):
    """The simulated venue; everything random in it follows from the seed."""

    seed: Count = 1
    initial_cash: Amount = Decimal("1000")
    submit_latency_ms: Count = 50
    cancel_latency_ms: Count = 50
    queue_position: Literal["back", "front"] = "back"
    settle_mined_ms: Count = 4_000
    settle_confirmed_ms: Count = 30_000
    settle_jitter_ms: Count = 2_000
    settlement_failure_rate: Rate = Decimal("0")
    retry_rate: Rate = Decimal("0")

    @field_validator("settle_confirmed_ms")
    @classmethod
    def _mined_before_confirmed(cls, confirmed: int, info: ValidationInfo) -> int:
        mined = info.data.get("settle_mined_ms", confirmed)
        if confirmed < mined:
            msg = f"must not be below settle_mined_ms, which is {mined}"
            raise ValueError(msg)
        return confirmed


class MarketData(Section):
    """Where order books come from and how old they may be."""

    source: Literal["recording", "live"] = "recording"
    max_book_age_ms: Positive = 10_000
    max_pair_skew_ms: Count = 1_000
    ping_interval_sec: Positive = 10
    reconnect_delay_ms: Count = 500
    max_queued_frames: Positive = 10_000


class Log(Section):
    """What is logged, and in which form."""

    level: Annotated[Literal["debug", "info", "warning", "error"], _LowerCase] = "info"
    format: Annotated[Literal["console", "json"], _LowerCase] = "console"


class Settings(Section):
    """All settings of one run; built by `load_settings`."""

    strategies: tuple[Name, ...] = ()
    execution: Execution = Execution()
    polymarket: Polymarket = Polymarket()
    risk: Risk = Risk()
    store: Store = Store()
    paper: Paper = Paper()
    market_data: MarketData = MarketData()
    log: Log = Log()

    @field_validator("risk")
    @classmethod
    def _limits_name_known_strategies(cls, risk: Risk, info: ValidationInfo) -> Risk:
        known = info.data.get("strategies", ())
        unknown = sorted(set(risk.strategies) - set(known))
        if known and unknown:
            msg = (
                f"limits the strategies {', '.join(unknown)}, "
                f"but `strategies` lists only {', '.join(known)}"
            )
            raise ValueError(msg)
        return risk

    def redacted(self) -> dict[str, Any]:
        """All settings as plain JSON types; a secret that is set shows as asterisks."""
        return self.model_dump(mode="json")


def config_hash(settings: Settings) -> str:
    """Fingerprint the settings, so that the log can say which ones were in force.

    Returns:
        Hexadecimal SHA-256 over canonical JSON; secrets take no part, so the hash
        neither reveals one nor changes when one is rotated.
    """
    plain = settings.model_dump(
        mode="json", exclude={"polymarket": {name for _, name in SECRETS}}
    )
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
