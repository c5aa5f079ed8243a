"""The port to an exchange: what every executor can do, and what it answers.

The paper venue, the live venue and the local exchange implement
`ExecutorInterface`; nothing in `ledger` knows which one is behind it.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

import msgspec

from ledger.decide import (
    CancelAnswered,
    LookedUp,
    OrderEnded,
    PostAnswered,
    SettlementSeen,
)
from ledger.events import ObservedOrder, ObservedPosition
from ledger.intent import UserFill
from ledger.market import Market
from ledger.values import Outcome, Side, TimeInForce


class PlacementRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An accepted intent on its way to the venue.

    `size` is in shares, already capped; `price` is the limit.
    """

    order_id: str
    market: Market
    outcome: Outcome
    side: Side
    size: Decimal
    price: Decimal
    time_in_force: TimeInForce
    post_only: bool
    expires_at: datetime | None


class PreparedOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A signed order, complete: posting it needs nothing else.

    `size` is what was signed, in shares; the amounts are base units (10^-6).
    `signed_order` is the text that is posted, as it is.
    """

    venue_order_id: str
    size: Decimal
    maker_amount: int
    taker_amount: int
    signed_order: str


class VenueFact(msgspec.Struct, frozen=True, kw_only=True):
    """Something the venue said on its own, about one order of ours.

    `fact` is a `UserFill`, `SettlementSeen`, `PostAnswered`, `OrderEnded`,
    `LookedUp` or `CancelAnswered`.
    `source` is the witness: stream, lookup, sweep or paper.
    """

    venue_order_id: str
    fact: (
        UserFill
        | SettlementSeen
        | PostAnswered
        | OrderEnded
        | LookedUp
        | (CancelAnswered)
    )
    source: str = "stream"


class OpenOrders(msgspec.Struct, frozen=True, kw_only=True):
    """Open orders as the venue lists them; `complete` if no page is missing."""

    as_of: datetime
    orders: tuple[ObservedOrder, ...]
    complete: bool = True


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """Settled holdings as the venue reports them; `cash` in pUSD if known."""

    as_of: datetime
    positions: tuple[ObservedPosition, ...]
    cash: Decimal | None = None
    complete: bool = True


class VenueTrades(msgspec.Struct, frozen=True, kw_only=True):
    """Own trades since some time; `complete` if every one is there to be read.

    Where some are there and cannot be read, `unread` has the venue's ids of all
    orders that they name; it is absent if those cannot be told.
    """

    as_of: datetime
    fills: tuple[UserFill, ...]
    complete: bool = True
    unread: frozenset[str] | None = None

    def proves_absence(self, venue_order_id: str) -> bool:
        """Whether an order of which nothing was found has no trade here."""
        if self.unread is None:
            return self.complete
        return venue_order_id not in self.unread


class ExecutorInterface(ABC):
    """What the ledger needs of an exchange.

    Methods raise `VenueError` kinds only; an answer that proves nothing is
    `OutcomeUnknownError`, never a guess.

    `is_inline` is true when `prepare` and `submit` wait for nothing outside the
    process: no other decision comes between, and no timeout is needed.
    `prepares_at_once` and `submits_at_once` say so of one of the two alone.
    """

    is_inline: ClassVar[bool] = False
    prepares_at_once: bool = False
    submits_at_once: bool = False

    async def start(self) -> None:  # noqa: B027 -- most have nothing to check
        """Check credentials, wallet and clock, and begin to listen.

        Raises:
            VenueRejectedError: what is configured cannot trade; says why.
            OutcomeUnknownError: the venue did not answer.
        """

    def unavailable(self) -> str:
        """Why no new order may be handed in at the moment; empty if it may."""
        return ""

    @abstractmethod
    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        """Build and sign the order; sends nothing.

        Raises:
            VenueRejectedError: the venue's rules forbid the order.
            PreparationError: it could not be signed.
        """

    @abstractmethod
    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        """Post the stored order once and classify the answer; never raises for
        an answer, `PostOutcome.UNKNOWN` stands for none.
        """

    @abstractmethod
    async def cancel(self, venue_order_id: str) -> CancelAnswered:
        """Ask the venue to cancel one order."""

    @abstractmethod
    async def get_order(self, venue_order_id: str) -> LookedUp:
        """Look one order up; NONE only when the venue answered so.

        Raises:
            OutcomeUnknownError: the question was not answered.
        """

    @abstractmethod
    async def get_open_orders(self) -> OpenOrders:
        """List the account's open orders."""

    @abstractmethod
    async def get_trades(self, since: datetime) -> VenueTrades:
        """List the account's trades since a time."""

    @abstractmethod
    async def get_positions(self) -> Holdings:
        """List the account's settled holdings."""

    @abstractmethod
    def facts(self) -> AsyncIterator[VenueFact]:
        """What the venue says on its own, in order of arrival, without end."""

    async def place_order(
        self, request: PlacementRequest
    ) -> tuple[PreparedOrder, PostAnswered]:
        """Prepare and submit in one go, for use without a ledger."""
        prepared = await self.prepare(request)
        return prepared, await self.submit(prepared)

    async def cancel_order(self, venue_order_id: str) -> CancelAnswered:
        """Same as `cancel`."""
        return await self.cancel(venue_order_id)

    @abstractmethod
    async def merge(self, market: Market, size: Decimal) -> str:
        """Turn `size` shares of both outcomes into pUSD; the transaction hash.

        Raises:
            VenueRejectedError: the venue cannot, or the shares are not there.
        """

    @abstractmethod
    async def split(self, market: Market, size: Decimal) -> str:
        """Turn `size` pUSD into shares of both outcomes; the transaction hash.

        Raises:
            VenueRejectedError: the venue cannot, or the cash is not there.
        """

    @abstractmethod
    async def redeem(self, market: Market, outcome: Outcome, size: Decimal) -> str:
        """Turn shares of a resolved outcome into pUSD; the transaction hash.

        Raises:
            VenueRejectedError: the venue cannot, or the shares are not there.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release what the executor holds."""
