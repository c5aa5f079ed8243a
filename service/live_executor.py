"""Builds the executor for real orders from the settings.

The network libraries and the venue's client take seconds to import, so they are
imported only when there are real orders to make.
"""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any, Final

from config import ConfigError, Settings
from config.errors import ConfigProblem
from config.keystore import signing_key
from config.sources import variable
from ledger.clock import Clock
from ledger.market import Market

if TYPE_CHECKING:
    from executors.polymarket import LiveSettings
    from executors.polymarket.executor import RealExecutor
    from executors.polymarket.gateway import VenueClient
    from executors.protocol import Credentials

_API: Final = ("api_key", "api_secret", "api_passphrase")
_DRIFT_WARN_SEC: Final = Decimal(2)


def live_executor(
    settings: Settings,
    *,
    clock: Clock,
    data: Path | None = None,
    markets: Iterable[Market] = (),
    rng: Random | None = None,
    **ports: Any,
) -> "RealExecutor":
    """The executor that trades the configured wallet.

    Args:
        settings: The validated settings.
        clock: Every time, deadline and wait.
        data: The folder of the raw frames; they are not kept if absent.
        markets: Markets known from earlier.
        rng: Salts and jitter; from the machine's entropy, if absent.
        ports: `transport` and `connect`, inside a test instead of sockets.

    Raises:
        ConfigError: no signing key is configured, or it cannot be read.
        VenueRejectedError: the client refuses the host.
    """
    from executors.polymarket.executor import RealExecutor

    return RealExecutor(
        live_settings(settings),
        venue_client(settings, clock),
        clock=clock,
        rng=rng or SystemRandom(),
        data=data,
        markets=markets,
        **ports,
    )


def live_settings(settings: Settings) -> "LiveSettings":
    """The live executor's part of the settings."""
    from executors.polymarket import GateSettings, LiveSettings, WalletKind

    venue = settings.polymarket
    most = Decimal(venue.max_clock_skew_ms) / 1000
    return LiveSettings(
        wallet_kind=WalletKind(venue.signature_type),
        funder=venue.funder or "",
        rest_url=venue.host,
        data_url=venue.data_url,
        ws_user_url=venue.ws_user_url,
        gate=GateSettings(
            orders_per_sec=venue.orders_per_sec, order_burst=venue.order_burst
        ),
        batch_size=venue.batch_posts,
        sweep_interval_sec=venue.sweep_interval_sec,
        clock_drift_max_sec=most,
        clock_drift_warn_sec=min(_DRIFT_WARN_SEC, most),
        heartbeat=venue.heartbeat,
    )


def venue_client(settings: Settings, clock: Clock) -> "VenueClient":
    """The client that signs, as `polymarket.client` names it.

    Raises:
        ConfigError: no signing key is configured, or it cannot be read.
        VenueRejectedError: the client refuses the host.
    """
    from executors.polymarket.clients import ClientV1, OfficialClient
    from executors.polymarket.settings import WalletKind
    from executors.protocol import SigningKey

    refuse_unusable(settings)
    venue = settings.polymarket
    key = signing_key(venue)
    assert key is not None, "just checked"
    wallet: dict[str, Any] = {
        "kind": WalletKind(venue.signature_type),
        "funder": venue.funder or "",
        "rest_url": venue.host,
        "credentials": _credentials(settings),
    }
    signer = SigningKey(key.get_secret_value())
    if venue.client == "v1":
        return ClientV1(signer, **wallet)
    return OfficialClient(signer, clock=clock, **wallet)


def refuse_unusable(settings: Settings) -> None:
    """Refuse settings that cannot trade for real, without asking anybody.

    Raises:
        ConfigError: names everything that is missing.
    """
    venue, problems = settings.polymarket, []
    if venue.private_key is None and venue.keystore_path is None:
        name = variable(("polymarket", "private_key"))
        message = f"is missing: set {name} or {name}_FILE, or polymarket.keystore_path"
        problems.append(ConfigProblem("settings", "polymarket.private_key", message))
    missing = [name for name in _API if getattr(venue, name) is None]
    if 0 < len(missing) < len(_API):
        names = " and ".join(variable(("polymarket", name)) for name in missing)
        message = f"is not enough: set {names} as well, or none of the three"
        problems.append(ConfigProblem("settings", "polymarket.api_key", message))
    if problems:
        raise ConfigError(problems)


def _credentials(settings: Settings) -> "Credentials | None":
    """The account's credentials, if they are configured."""
    from executors.protocol import Credentials

    venue = settings.polymarket
    key, secret, phrase = venue.api_key, venue.api_secret, venue.api_passphrase
    if key is None or secret is None or phrase is None:
        return None
    return Credentials(
        api_key=key.get_secret_value(),
        secret=secret.get_secret_value(),
        passphrase=phrase.get_secret_value(),
    )
