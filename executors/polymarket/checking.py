"""What must be true before the first order: clock, wallet, credentials."""

from decimal import Decimal

import msgspec
import structlog

from executors.polymarket.gateway import WalletInfo
from executors.polymarket.rest import Rest
from executors.polymarket.settings import LiveSettings, WalletKind
from executors.protocol import Credentials
from ledger.clock import Clock
from ledger.errors import VenueRejectedError
from ledger.values import ZERO

log = structlog.get_logger(__name__)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found: who trades, with how much, by which clock.

    `cash` in pUSD; `clock_drift_sec` is positive when our clock is ahead.
    """

    wallet: WalletInfo
    credentials: Credentials
    cash: Decimal
    clock_drift_sec: Decimal


async def check_clock(rest: Rest, clock: Clock, settings: LiveSettings) -> Decimal:
    """Compare our clock with the venue's, which tells whole seconds.

    Returns:
        Seconds that our clock is surely ahead (or, below 0, behind).

    Raises:
        VenueRejectedError: code clock_drift, or not_the_venue.
        OutcomeUnknownError: the venue did not answer.
    """
    before = _seconds(clock)
    theirs = await rest.server_time()
    after = _seconds(clock)
    drift = ZERO
    if before > theirs + 1:
        drift = before - theirs - 1
    elif after < theirs:
        drift = after - theirs
    if abs(drift) > settings.clock_drift_max_sec:
        side = "ahead of" if drift > ZERO else "behind"
        msg = f"this machine's clock is {abs(drift):.1f} s {side} the venue's"
        raise VenueRejectedError(msg, code="clock_drift")
    if abs(drift) > settings.clock_drift_warn_sec:
        log.warning("clock.drift", seconds=str(drift))
    return drift


def check_wallet(wallet: WalletInfo, settings: LiveSettings) -> None:
    """Compare the client's wallet with what the owner believes it to be.

    Raises:
        VenueRejectedError: code wallet_kind.
    """
    kind, is_own = settings.wallet_kind, wallet.address == wallet.signer
    if wallet.kind is not kind:
        found = f"{wallet.kind.value} ({wallet.kind.name})"
        msg = f"the wallet is of type {found}, not {kind.value} ({kind.name})"
    elif settings.funder and settings.funder.lower() != wallet.address.lower():
        msg = f"the wallet is {wallet.address}, not {settings.funder}"
    elif kind is not WalletKind.EOA and is_own:
        msg = f"a wallet of type {kind.value} needs its address, the funder"
    else:
        return
    raise VenueRejectedError(msg, code="wallet_kind")


def _seconds(clock: Clock) -> Decimal:
    return Decimal(str(clock.now().timestamp()))
