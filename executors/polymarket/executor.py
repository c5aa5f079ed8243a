"""The live executor: prepared orders are posted once, answers are classified."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import httpx2

from executors.polymarket.account import Account, Markets
from executors.polymarket.answers import INSUFFICIENT_BALANCE, classify_cancel
from executors.polymarket.checking import Standing, check_clock, check_wallet
from executors.polymarket.feed import Feed
from executors.polymarket.frames import FrameLog
from executors.polymarket.gate import Gate
from executors.polymarket.gateway import VenueClient
from executors.polymarket.heartbeat import Heartbeat
from executors.polymarket.outbox import Outbox
from executors.polymarket.parsing import Reader
from executors.polymarket.preparing import SALT_BITS, signed_order, terms_of
from executors.polymarket.rest import Rest
from executors.polymarket.settings import LiveSettings
from executors.polymarket.stream import Connect, UserStream, websocket_connect
from executors.protocol import PostBody, insert_owner
from ledger.clock import Clock
from ledger.decide import CancelAnswered, CancelOutcome, LookedUp, PostAnswered
from ledger.errors import VenueRejectedError
from ledger.market import Market
from ledger.values import Outcome, Side
from ledger.venue import (
    ExecutorInterface,
    Holdings,
    OpenOrders,
    PlacementRequest,
    PreparedOrder,
    VenueFact,
    VenueTrades,
)

_T = TypeVar("_T")

_POST_ONLY: Final = '"postOnly":true'
_SIZES_KEPT: Final = 20_000
_SIGNERS: Final = 2
_ONLY_ORDERS: Final = (
    "not possible through the venue's order API; do it with the wallet itself"
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
        self._settings = settings
        self._client = client
        self._clock = clock
        self._rng = rng
        self._connect = connect or websocket_connect(
            settings.stream, trust_env=settings.trust_env
        )
        self._rest = Rest(
            settings.rest_url,
            settings.data_url,
            clock=clock,
            transport=transport,
            connect_timeout_sec=settings.connect_timeout_sec,
            read_timeout_sec=settings.read_timeout_sec,
            trust_env=settings.trust_env,
        )
        self._markets = Markets()
        self._frames = FrameLog(data, clock)
        self._account = Account(self._rest, self._frames, self._markets, clock)
        self._feed = Feed(self._account, self._frames, settings, clock)
        self._gate = Gate(settings.gate, clock)
        self._outbox = Outbox(
            self._rest,
            self._gate,
            clock,
            batch_size=settings.batch_size,
            at_once=settings.posts_at_once,
            max_wait_sec=settings.gate.max_wait_sec,
            on_late=self._feed.put,
        )
        self._heartbeat = Heartbeat(self._rest, settings, clock)
        self._signers: ThreadPoolExecutor | None = None
        if settings.threaded:
            self._signers = ThreadPoolExecutor(_SIGNERS, thread_name_prefix="signer")
        self._sizes: OrderedDict[str, Decimal] = OrderedDict()
        self._stream: UserStream | None = None
        self._asides: set[asyncio.Task[bool]] = set()
        for market in markets:
            self.learn(market)

    def learn(self, market: Market) -> None:
        """Know a market's tokens and fees before its first order."""
        self._markets.learn(market)

    def health(self) -> dict[str, Any]:
        """How stream, sweeps and limits stand: what a doctor or a page shows."""
        return {
            "stream_connected": self._stream is not None and self._stream.is_connected,
            "swept_to": self._feed.swept_to,
            "frames": self._frames.sequence,
            "quarantined": self._frames.quarantined,
            "last_quarantine_reason": self._frames.last_reason,
            "pauses_ms": self._gate.pauses(),
            "unavailable": self.unavailable(),
        }

    # The interface

    async def start(self) -> None:
        """Check clock, wallet and credentials; listen, sweep, beat.

        Raises:
            VenueRejectedError: code clock_drift, wallet_kind, credentials or
                not_the_venue.
            OutcomeUnknownError: the venue did not answer.
        """
        standing = await self.check()
        self._stream = UserStream(
            self._settings.ws_user_url,
            self._settings.stream,
            standing.credentials,
            self._feed,
            connect=self._connect,
            clock=self._clock,
            rng=self._rng,
        )
        self._feed.start()
        self._feed.run(self._stream.run())
        if self._settings.heartbeat:
            await self._heartbeat.beat()
            self._feed.run(self._heartbeat.run())

    async def check(self) -> Standing:
        """Check clock, wallet and credentials, and do nothing else.

        Raises:
            VenueRejectedError: as for `start`.
            OutcomeUnknownError: the venue did not answer.
        """
        drift = await check_clock(self._rest, self._clock, self._settings)
        wallet = await self._in_thread(self._client.wallet)
        check_wallet(wallet, self._settings)
        credentials = await self._client.credentials()
        self._frames.hide(credentials.api_key)
        self._rest.sign_in(credentials, wallet.signer)
        try:
            cash = await self._rest.collateral(wallet.kind)
        except VenueRejectedError as error:
            if error.code == "not_the_venue":
                raise  # a page of somebody else says nothing of the key
            raise VenueRejectedError(str(error), code="credentials") from error
        standing = Standing(
            wallet=wallet, credentials=credentials, cash=cash, clock_drift_sec=drift
        )
        reader = Reader(
            api_key=credentials.api_key,
            funder=wallet.address,
            market_of=self._markets.of_token,
            size_of=self._sizes.get,
        )
        self._account.open(standing, reader)
        return standing

    def unavailable(self) -> str:
        """Why no new order may be handed in at the moment; empty if it may."""
        reason = self._gate.unavailable()
        if not reason and self._settings.heartbeat:
            reason = self._heartbeat.unavailable()
        return reason

    async def prepare(self, request: PlacementRequest) -> PreparedOrder:
        """Sign the exact amounts, and prove id and signer independently."""
        salt = self._rng.getrandbits(SALT_BITS)
        terms = terms_of(request, salt=salt, now=self._clock.now())
        self.learn(request.market)
        prepared = await self._in_thread(signed_order, self._client, request, terms)
        self._remember(prepared)
        return prepared

    async def submit(self, prepared: PreparedOrder) -> PostAnswered:
        """Post the stored bytes once, with others that arrive together."""
        self._remember(prepared)
        api_key = self._account.standing.credentials.api_key
        body = insert_owner(prepared.signed_order, api_key)
        answer = await self._outbox.post(
            prepared.venue_order_id, body, is_post_only=_POST_ONLY in body
        )
        if answer.code == INSUFFICIENT_BALANCE:
            self._refresh_balance(prepared)
        return answer

    async def cancel(self, venue_order_id: str) -> CancelAnswered:
        """Ask the venue to cancel one order; waits its turn, but not for long."""
        wait = self._gate.cancel_wait_sec()
        if wait > self._settings.gate.max_wait_sec:
            text = f"not sent: cancels are paused for {wait:.1f} s"
            return CancelAnswered(outcome=CancelOutcome.UNKNOWN, text=text)
        self._gate.cancels.take(1)
        if wait > 0:
            await self._clock.sleep(wait)
        answer = await self._rest.cancel_order(venue_order_id)
        self._gate.observe_cancel(answer)
        return classify_cancel(answer, venue_order_id)

    async def get_order(self, venue_order_id: str) -> LookedUp:
        """Look one order up, in the list and by its path; NONE if neither has it."""
        return await self._account.order(venue_order_id)

    async def get_open_orders(self) -> OpenOrders:
        """All pages of the account's open orders."""
        return await self._account.open_orders()

    async def get_trades(self, since: datetime) -> VenueTrades:
        """All pages of the account's trades since a time."""
        return await self._account.trades(since)

    async def get_positions(self) -> Holdings:
        """Settled shares by the Data API, and cash by the venue."""
        return await self._account.holdings()

    def facts(self) -> AsyncIterator[VenueFact]:
        """What stream and sweeps bring, in order of arrival, until closed."""
        return self._feed.facts()

    async def merge(self, market: Market, size: Decimal) -> str:  # noqa: ARG002
        """Refuse: orders are all that the venue's API does."""
        raise VenueRejectedError(_ONLY_ORDERS, code="not_supported")

    async def split(self, market: Market, size: Decimal) -> str:  # noqa: ARG002
        """Refuse: orders are all that the venue's API does."""
        raise VenueRejectedError(_ONLY_ORDERS, code="not_supported")

    async def redeem(self, market: Market, outcome: Outcome, size: Decimal) -> str:  # noqa: ARG002
        """Refuse: orders are all that the venue's API does."""
        raise VenueRejectedError(_ONLY_ORDERS, code="not_supported")

    async def close(self) -> None:
        """End the tasks, the connections and `facts`."""
        for task in self._asides:
            task.cancel()
        await asyncio.gather(*self._asides, return_exceptions=True)
        await self._outbox.close()
        await self._feed.close()
        await self._rest.close()
        if self._signers is not None:
            self._signers.shutdown(wait=False)

    def _refresh_balance(self, prepared: PreparedOrder) -> None:
        """Right after a fill the venue's cache often lags behind the chain."""
        order = PostBody.parse(prepared.signed_order).order
        token_id = order.token_id if order.side == Side.SELL else ""
        kind = self._settings.wallet_kind.value
        task = asyncio.create_task(self._rest.refresh_balance(token_id, kind))
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    def _remember(self, prepared: PreparedOrder) -> None:
        self._sizes[prepared.venue_order_id.lower()] = prepared.size
        while len(self._sizes) > _SIZES_KEPT:
            self._sizes.popitem(last=False)

    async def _in_thread(self, work: Callable[..., _T], *args: Any) -> _T:
        """Run what takes milliseconds of CPU beside the event loop."""
        if self._signers is None:
            return work(*args)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._signers, work, *args)
