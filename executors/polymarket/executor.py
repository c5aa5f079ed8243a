"""The live executor: prepared orders are posted once, answers are classified."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from executors.polymarket.gateway import VenueClient
from executors.polymarket.settings import LiveSettings
from executors.polymarket.stream import Connect
from ledger.clock import Clock
from ledger.decide import CancelAnswered, LookedUp, PostAnswered
from ledger.market import Market
from ledger.values import Outcome
from ledger.venue import (
    ExecutorInterface,
    Holdings,
    OpenOrders,
    PlacementRequest,
    PreparedOrder,
    VenueFact,
    VenueTrades,
)


class RealExecutor(ExecutorInterface):
    """Trading at the venue, or at a local exchange that speaks its protocol.

    Args:
        settings: Where the venue is, and which wallet trades there.
        client: Credentials, the wallet kind and signatures.
        clock: Every time, deadline and wait.
        rng: Salts and jitter; a `SystemRandom` outside of tests.
        data: The folder of the raw frames; they are not kept if absent.
        markets: Markets known from earlier; more are learned as orders come.
        transport: Carries REST inside a test instead of sockets.
        connect: Opens the user stream inside a test instead of sockets.
    """

    def __init__(  # noqa: PLR0913 -- its ports
        self,
        settings: LiveSettings,
        client: VenueClient,
        *,
        clock: Clock,
        rng: Random,
        data: Path | None = None,
        markets: Iterable[Market] = (),
        transport: httpx2.AsyncBaseTransport | None = None,
        connect: Connect | None = None,
    ) -> None:
        raise NotImplementedError

    def learn(self, market: Market) -> None:
        """Know a market's tokens and fees before its first order."""
        raise NotImplementedError

    def health(self) -> dict[str, Any]:
        """What the doctor shows: stream, last sweep, pauses, quarantine, drift."""
        raise NotImplementedError

    async def start(self) -> None:
        """Check clock, wallet and credentials; listen, sweep, beat."""
        raise NotImplementedError

    def unavailable(self) -> str:
        """Why no new order may be handed in at the moment; empty if it may."""
        raise NotImplementedError

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        """Sign the exact amounts and prove id and signer independently."""
        raise NotImplementedError

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        """Post the stored bytes once, with others that arrive together."""
        raise NotImplementedError

    async def cancel(self, venue_order_id: str) -> CancelAnswered:
        """Ask the venue to cancel one order."""
        raise NotImplementedError

    async def get_order(self, venue_order_id: str) -> LookedUp:
        """Look one order up, in the list and by its path."""
        raise NotImplementedError

    async def get_open_orders(self) -> OpenOrders:
        """All pages of the account's open orders."""
        raise NotImplementedError

    async def get_trades(self, since: datetime) -> VenueTrades:
        """All pages of the account's trades since a time."""
        raise NotImplementedError

    async def get_positions(self) -> Holdings:
        """Settled shares by the data API, and cash by the venue."""
        raise NotImplementedError

    def facts(self) -> AsyncIterator[VenueFact]:
        """What stream and sweeps bring, in order of arrival."""
        raise NotImplementedError

    async def merge(self, market: Market, size: Decimal) -> str:
        """Refuse: orders are all that the venue's API does."""
        raise NotImplementedError

    async def split(self, market: Market, size: Decimal) -> str:
        """Refuse: orders are all that the venue's API does."""
        raise NotImplementedError

    async def redeem(self, market: Market, outcome: Outcome, size: Decimal) -> str:
        """Refuse: orders are all that the venue's API does."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the tasks, the connections and `facts`."""
        raise NotImplementedError
