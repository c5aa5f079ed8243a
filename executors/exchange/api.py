"""The exchange as its clients see it: requests in, answers and streams out.

Nothing here knows a transport: `server` puts it on sockets, `inloop` into a test.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from executors.exchange.admin import Admin
from executors.exchange.engine import Exchange, ExchangeConfig, ExchangeMarket, Mode
from executors.exchange.faults import FaultPlan, FaultRule
from executors.exchange.flows import FlowMaker, nobody
from executors.exchange.limits import too_many
from executors.exchange.routes import Route, route_of
from executors.exchange.streams import Channel, Streams, StreamSession
from executors.exchange.venue import AppConfig, Call, Present, Venue, refuse
from executors.exchange.wire import Lost, Refusal, Request, Response, answer
from ledger.clock import Clock

_LONG_MS: Final = 60_000
_UNREADABLE: Final = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

log = structlog.get_logger(__name__)


_CHANNELS: Final[Mapping[str, Channel]] = {"/ws/user": "user", "/ws/market": "market"}


class ExchangeApp:
    """A local exchange without a transport.

    `run` must be going for trades to settle, orders to expire and others to trade
    while nobody asks anything.
    """

    def __init__(  # noqa: PLR0913 -- what an exchange is made of
        self,
        clock: Clock,
        *,
        config: AppConfig | None = None,
        engine: ExchangeConfig | None = None,
        markets: Iterable[ExchangeMarket] = (),
        faults: Iterable[FaultRule] = (),
        flow: FlowMaker = nobody,
    ) -> None:
        self.config: Final = config or AppConfig()
        present = Present(clock)
        self.exchange: Final = Exchange(
            engine or ExchangeConfig(seed=self.config.seed), present
        )
        for market in markets:
            self.exchange.add_market(market)
        self.plan: Final = FaultPlan(faults, seed=self.config.seed)
        self.venue: Final = Venue(
            self.exchange,
            clock,
            present,
            config=self.config,
            plan=self.plan,
            wake=self._wake,
        )
        self.streams: Final = Streams(self.venue)
        self._admin = Admin(self.venue, self.streams)
        self._flow = flow(self.exchange, present())
        self._news = asyncio.Event()
        self._until_ms = 0
        self._after_restart: Mode | None = None
        self.exchange.subscribe(self.streams.publish)

    async def handle(self, request: Request) -> Response | Lost:
        """Answer a request, or lose it, as the faults in force will have it."""
        if request.path.startswith("/admin/"):
            try:
                return self._admin.handle(request)
            except Refusal as refusal:
                return refusal.response
        found = route_of(request)
        if found is None:
            return Refusal(404, "404 page not found").response
        name, tail, route = found
        self.venue.calls[name] = self.venue.calls.get(name, 0) + 1
        faults = self.plan.on_request(name)
        if "request_lost" in faults:
            return Lost("the request was lost")
        response = await self._answer(name, route, Call(request, tail, faults))
        return await self._spoil(response, faults)

    def open_stream(self, path: str) -> StreamSession | None:
        """Open `/ws/user` or `/ws/market`; `None` for any other path."""
        channel = _CHANNELS.get(path)
        return None if channel is None else self.streams.open(channel)

    async def run(self) -> None:
        """Let time pass at the exchange, until cancelled."""
        while True:
            self._news.clear()
            self._advance()
            now = self.venue.now_ms()
            due = self._next_due_ms()
            self._until_ms = now + _LONG_MS if due is None else due
            # A moment that is due already still lets others have their turn.
            await self._pause(max(1, self._until_ms - now) / 1000)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ExchangeApp"]:
        """Have `run` going for a while."""
        task = asyncio.create_task(self.run())
        task.add_done_callback(_tell_defect)
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _pause(self, seconds: float) -> None:
        timer = asyncio.ensure_future(self.venue.clock.sleep(seconds))
        news = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait({timer, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            news.cancel()

    def _wake(self) -> None:
        due = self._next_due_ms()
        if due is not None and due < self._until_ms:
            self._news.set()

    def _next_due_ms(self) -> int | None:
        moments = (self.exchange.next_due_ms(), self._flow.next_due_ms())
        return min((m for m in moments if m is not None), default=None)

    def _advance(self) -> None:
        self.exchange.advance()
        self._flow.advance(self.venue.now_ms())

    async def _answer(self, name: str, route: Route, call: Call) -> Response:
        try:
            self._before(name, call.faults)
            if route.trading:
                self._pass_gate()
            if route.signed:
                now_sec = self.venue.now_ms() // 1000
                account = self.venue.accounts.check(call.request, now_sec)
                call = call._replace(account=account)
            return await route.handler(self.venue, call)
        except Refusal as refusal:
            return refusal.response
        except Exception:
            log.exception("exchange.defect", route=name)
            return Refusal(500, "Internal server error").response

    def _pass_gate(self) -> None:
        self._end_restart()
        closed = self.exchange.gate()
        if closed is not None:
            raise refuse(closed)

    def _before(self, name: str, faults: Mapping[str, FaultRule]) -> None:
        """Do what a fault does before the request is handled.

        Raises:
            Refusal: the fault answers it.
        """
        now = self.venue.now_ms()
        if self.venue.limits is not None:
            self.venue.limits.on_route(name, now)
        if rule := faults.get("rate_limited"):
            raise too_many(rule.lasts, now)
        if rule := faults.get("refused"):
            raise Refusal(rule.status, rule.text)
        if rule := faults.get("restart"):
            self._restart(rule, now)
        if "wipe" in faults:
            self.exchange.wipe_orders()

    def _restart(self, rule: FaultRule, now: int) -> None:
        until = now + int(rule.lasts * 1000)
        self.exchange.set_mode(Mode("restarting", until))
        self._after_restart = Mode(
            "post_only", until + int(rule.post_only_seconds * 1000)
        )

    def _end_restart(self) -> None:
        """Give the post-only time after a planned restart its planned length."""
        planned = self._after_restart
        if planned is not None and self.exchange.mode.name != "restarting":
            self._after_restart = None
            if self.exchange.mode.name == "post_only":
                self.exchange.set_mode(planned)

    async def _spoil(
        self, response: Response, faults: Mapping[str, FaultRule]
    ) -> Response | Lost:
        """Do to an answer what a fault does to it."""
        if rule := faults.get("slow"):
            await self.venue.clock.sleep(rule.lasts)
        if "answer_lost" in faults:
            return Lost("the answer was lost")
        if rule := faults.get("error_after_accept"):
            return answer({"error": rule.text}, status=rule.status)
        if "unreadable" in faults:
            return Response(200, _UNREADABLE, (("content-type", "text/html"),))
        return response


def _tell_defect(task: asyncio.Task[None]) -> None:
    """Say at once that time has stopped; who waits for a fill would never know."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("exchange.stopped", exc_info=error)
