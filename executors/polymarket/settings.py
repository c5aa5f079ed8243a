"""Where the venue is, which wallet trades there, and how patient we are."""

from decimal import Decimal
from enum import IntEnum
from typing import Final

import msgspec

PRODUCTION_REST: Final = "https://clob.polymarket.com"
PRODUCTION_DATA: Final = "https://data-api.polymarket.com"
PRODUCTION_WS_USER: Final = "wss://ws-subscriptions-clob.polymarket.com/ws/user"

MAX_BATCH: Final = 15
"""Orders that one `POST /orders` may carry."""


class WalletKind(IntEnum):
    """The venue's signature types."""

    EOA = 0
    PROXY = 1
    SAFE = 2
    DEPOSIT = 3


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue lets one signer do: orders and cancels per second.

    An order that would wait longer than `max_wait_sec` for its turn is handed
    back as not processed.

    Source:
        The Standard tier of the venue's trading rate limits.
    """

    orders_per_sec: int = 40
    order_burst: int = 60
    cancels_per_sec: int = 80
    cancel_burst: int = 120
    max_wait_sec: float = 2
    pause_sec: float = 1
    longest_pause_sec: float = 30


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The seconds of a user stream's life.

    A `PING` goes out every `ping_interval_sec`; with nothing heard for
    `silence_sec` the connection counts as dead, and a new one is tried after
    `backoff_base_sec`, doubled per failure in a row up to `backoff_max_sec`, of
    which a random half is left out.

    Source:
        The venue asks for PING every 10 s; 30 s of silence is the watchdog that
        its operators adopted.
    """

    ping_interval_sec: float = 10
    silence_sec: float = 30
    connect_timeout_sec: float = 10
    backoff_base_sec: float = 0.5
    backoff_max_sec: float = 30


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the live executor is told.

    `wallet_kind` is what the owner believes the wallet to be, `funder` the
    address that holds the money (the signer itself for an EOA); start refuses
    if the client disagrees.
    Trades are swept from `sweep_overlap_sec` before the last complete sweep,
    after every connect and every `sweep_interval_sec`.
    `heartbeat` arms the venue's dead-man switch, which cannot be disarmed.
    `threaded` signs in worker threads; a simulation signs in line.
    """

    wallet_kind: WalletKind
    funder: str = ""
    rest_url: str = PRODUCTION_REST
    data_url: str = PRODUCTION_DATA
    ws_user_url: str = PRODUCTION_WS_USER
    gate: GateSettings = GateSettings()
    stream: StreamSettings = StreamSettings()
    connect_timeout_sec: float = 5
    read_timeout_sec: float = 15
    posts_at_once: int = 8
    batch_size: int = MAX_BATCH
    sweep_interval_sec: float = 45
    sweep_overlap_sec: float = 600
    sweep_retry_sec: float = 2
    clock_drift_warn_sec: Decimal = Decimal("2")
    clock_drift_max_sec: Decimal = Decimal("10")
    heartbeat: bool = False
    heartbeat_interval_sec: float = 5
    heartbeat_limit_sec: float = 10
    threaded: bool = True
    trust_env: bool = True
