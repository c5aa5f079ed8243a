"""One account as the venue's lists show it: orders, trades, holdings."""

import re
from datetime import datetime
from typing import Final

import structlog

from executors.polymarket.bodies import Row
from executors.polymarket.checking import Standing
from executors.polymarket.fields import UnreadableError
from executors.polymarket.frames import FrameLog
from executors.polymarket.parsing import Reader
from executors.polymarket.positions import position_of
from executors.polymarket.rest import Rest
from ledger.clock import Clock
from ledger.decide import LookedUp, LookupFound
from ledger.errors import OutcomeUnknownError, VenueError
from ledger.events import ObservedOrder, ObservedPosition
from ledger.intent import UserFill
from ledger.market import Market
from ledger.venue import Holdings, OpenOrders, VenueTrades

_ID: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_NOT_STARTED: Final = "the executor was not started"

log = structlog.get_logger(__name__)


class Markets:
    """Markets by token, as far as they are known."""

    def __init__(self) -> None:
        self._by_token: dict[str, Market] = {}

    def learn(self, market: Market) -> None:
        """Know a market's tokens and fees."""
        self._by_token[market.yes_token] = self._by_token[market.no_token] = market

    def of_token(self, token_id: str) -> Market | None:
        """The market of a token, if it is known."""
        return self._by_token.get(token_id)


class Account:
    """Asks for the account's rows and reads them; bad rows are put aside.

    Methods raise `OutcomeUnknownError` or `VenueRejectedError` when the venue
    did not answer the question.
    """

    def __init__(
        self, rest: Rest, frames: FrameLog, markets: Markets, clock: Clock
    ) -> None:
        self._rest = rest
        self._frames = frames
        self._markets = markets
        self._clock = clock
        self._reader: Reader | None = None
        self._standing: Standing | None = None

    def open(self, standing: Standing, reader: Reader) -> None:
        """Know whose rows they are."""
        self._standing, self._reader = standing, reader

    @property
    def standing(self) -> Standing:
        """Who trades.

        Raises:
            OutcomeUnknownError: not known before the start.
        """
        if self._standing is None:
            raise OutcomeUnknownError(_NOT_STARTED)
        return self._standing

    @property
    def reader(self) -> Reader:
        """How messages are read; raises as `standing`."""
        if self._reader is None:
            raise OutcomeUnknownError(_NOT_STARTED)
        return self._reader

    async def order(self, venue_order_id: str) -> LookedUp:
        """Look one order up, in the list and by its path; NONE if neither has it."""
        one = venue_order_id.lower()
        rows = await self._rest.orders(venue_order_id)
        found = next((row for row in rows if str(row.get("id")).lower() == one), None)
        # Either list may lag behind: absence needs both.
        found = found or await self._rest.order(venue_order_id)
        if found is None:
            return LookedUp(found=LookupFound.NONE)
        try:
            return self.reader.looked_up(found)
        except UnreadableError as error:
            self._frames.quarantine(str(error), repr(found))
            msg = f"order {venue_order_id}: {error}"
            raise OutcomeUnknownError(msg) from None

    async def open_orders(self) -> OpenOrders:
        """All pages of open orders."""
        as_of = self._clock.now()
        orders: list[ObservedOrder] = []
        rows = await self._rest.orders()
        for row in rows:
            try:
                orders.append(self.reader.observed(row))
            except UnreadableError as error:
                self._frames.quarantine(str(error), repr(row))
        is_complete = len(orders) == len(rows)
        return OpenOrders(as_of=as_of, orders=tuple(orders), complete=is_complete)

    async def trades(self, since: datetime) -> VenueTrades:
        """All pages of trades since a time."""
        as_of = self._clock.now()
        fills: list[UserFill] = []
        unread: list[frozenset[str]] = []
        for row in await self._rest.trades(since):
            found = await self._fills(row)
            fills.extend(found)
            if not found:
                unread.append(named_orders(row))
        return VenueTrades(
            as_of=as_of,
            fills=tuple(fills),
            complete=not unread,
            # One that names no order might be about any.
            unread=frozenset().union(*unread) if unread and all(unread) else None,
        )

    async def holdings(self) -> Holdings:
        """Settled shares by the Data API, and cash by the venue."""
        wallet = self.standing.wallet
        as_of, is_complete = self._clock.now(), True
        positions: list[ObservedPosition] = []
        for row in await self._rest.positions(wallet.address):
            try:
                position = position_of(row, self._markets.of_token)
            except UnreadableError as error:
                self._frames.quarantine(str(error), repr(row))
                is_complete = False
                continue
            if position is not None:
                positions.append(position)
        return Holdings(
            as_of=as_of,
            positions=tuple(positions),
            cash=await self._rest.collateral(wallet.kind),
            complete=is_complete,
        )

    async def _fills(self, row: Row) -> list[UserFill]:
        """Our fills of one listed trade; none if it cannot be read."""
        try:
            try:
                return self.reader.fills(row)
            except UnreadableError as error:
                if not error.token_id:
                    raise
                self._markets.learn(await self._rest.market_of_token(error.token_id))
                return self.reader.fills(row)
        except (UnreadableError, VenueError) as error:
            self._frames.quarantine(str(error), repr(row))
            return []


def named_orders(trade: Row) -> frozenset[str]:
    """The ids of all orders that a trade names; none if they cannot be told."""
    makers = trade.get("maker_orders") or []
    if not isinstance(makers, list):
        return frozenset()
    names = [trade.get("taker_order_id")]
    names += [one.get("order_id") if isinstance(one, dict) else None for one in makers]
    if not all(isinstance(name, str) and _ID.fullmatch(name) for name in names):
        return frozenset()
    return frozenset(str(name).lower() for name in names)
