"""`GET /v1/events`: the log as Server-Sent Events.

The id of an event is its position, so that `Last-Event-ID` resumes exactly.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from config import ConfigError
from service.http.docs import problem
from service.http.gate import Receive, Send
from service.http.hub import Hub
from service.http.problems import Problem
from service.http.reads import Market, OrderId, Strategy
from service.http.requests import needs
from service.http.wire import Wired
from service.tokens import Scope, Token, Tokens

MEDIA_TYPE: Final = "text/event-stream"

_log = structlog.get_logger("service.http")

MOST_FOLLOWERS: Final = 256
PING_SECONDS: Final = 15.0
STALL_SECONDS: Final = 10.0
"""A client that takes nothing for so long is cut off; it resumes where it was."""

_AT_ONCE: Final = 128
"""Events in one piece: what a slow client can make us keep for it."""

_EXAMPLE: Final = {
    "id": "118",
    "data": '{"position":118,"stream":"order-019a9c3e-7d5f-7000-8a54-0f9d0d1b7c11",'
    '"version":1,"recorded_at":"2026-09-24T14:03:22.118412Z",'
    '"topic":"order.requested.v1","order_id":"019a9c3e-7d5f-7000-8a54-0f9d0d1b7c11",'
    '"strategy":"pair_arb","market_id":"0xabc","event":{"at":"2026-09-24T14:03:22Z"}}',
}


class Following(BaseModel):
    """Which events, from where."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        int | None,
        Field(
            ge=0,
            lt=1 << 53,
            description="Only behind this position; from now on if absent.",
        ),
    ] = None
    follow: Annotated[
        bool, Field(description="Whether to go on live; else it ends at the head.")
    ] = True
    order_id: OrderId = None
    market_id: Market = None
    strategy: Strategy = None
    topic: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z_.0-9]{1,64}$")]],
        Field(max_length=20, description="Beginnings of topics, such as `fill.`."),
    ] = []

    @property
    def is_filtered(self) -> bool:
        """Whether some events are left out."""
        return bool(self.order_id or self.market_id or self.strategy or self.topic)

    def picked(self, events: Iterable[Wired]) -> Iterator[Wired]:
        """The events that are wanted."""
        topics = tuple(self.topic)
        for event in events:
            if (
                (self.order_id is None or event.order_id == self.order_id)
                and (self.market_id is None or event.market_id == self.market_id)
                and (self.strategy is None or event.strategy == self.strategy)
                and (not topics or event.topic.startswith(topics))
            ):
                yield event


class EventStream(Response):
    """Sends the log to one client, until it goes, stalls or the service stops."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        hub: Hub,
        wanted: Following,
        after: int,
        *,
        ping_seconds: float = PING_SECONDS,
        stall_seconds: float = STALL_SECONDS,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:
        self.status_code = 200
        self.background = None
        self._hub = hub
        self._wanted = wanted
        self._position = after
        self._ping_seconds = ping_seconds
        self._stall_seconds = stall_seconds
        self._may_go_on = may_go_on
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Stream."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        self._hub.followers += 1
        streaming = asyncio.ensure_future(self._stream(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait(
                (streaming, leaving), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._hub.followers -= 1
            leaving.cancel()
            streaming.cancel()
            try:
                await streaming
            except asyncio.CancelledError:
                pass
            except TimeoutError:
                _log.info("follower.cut_off", position=self._position)
                # Closing it would wait for what it does not take.
                scope.get("abort", lambda: None)()

    async def _stream(self, send: Send) -> None:
        # An id without data: whoever has seen nothing yet resumes here as well.
        await self._send(send, b"retry: 1000\nid: %d\n\n" % self._position)
        wanted, hub = self._wanted, self._hub
        end = None if wanted.follow else hub.head
        while not hub.is_closed:
            events = await hub.behind(self._position)
            if not self._may_go_on():
                break  # whoever comes back without a token is told why
            if end is not None:
                events = events[: max(end - self._position, 0)]
            if events:
                await self._tell(send, events)
                if end is None:
                    await hub.rest(self._position)
            elif end is not None:
                break
            elif not await hub.news(self._position, self._ping_seconds):
                await self._send(send, b": ping\n\n")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send, events: list[Wired]) -> None:
        """Send events, a bounded piece at a time."""
        for start in range(0, len(events), _AT_ONCE):
            piece = events[start : start + _AT_ONCE]
            last = piece[-1].position
            if not self._wanted.is_filtered:
                data = b"".join([event.frame for event in piece])
            else:
                data = b"".join([e.frame for e in self._wanted.picked(piece)])
                # An id without data moves the place to resume at, and no more.
                data += b"id: %d\n\n" % last
            await self._send(send, data)
            self._position = last

    async def _send(self, send: Send, data: bytes) -> None:
        """Send what the client must take before it gets more.

        Raises:
            TimeoutError: it took nothing for too long.
        """
        async with asyncio.timeout(self._stall_seconds):
            await send({"type": "http.response.body", "body": data, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(hub: Hub, wanted: Following, last_event_id: str | None) -> int:
    """Where to begin: a client that comes back knows best.

    Raises:
        Problem: 404 for a position that the log has not reached, 422 for an id that
            is none of ours.
    """
    after, field = wanted.after, "after"
    if last_event_id:
        field = "Last-Event-ID"
        if not last_event_id.isascii() or not last_event_id.isdigit():
            raise Problem(422, "invalid_input", "must be a position", field=field)
        after = int(last_event_id[:20])
    head = hub.head
    if after is None:
        return head
    if after > head:
        text = f"the log ends at position {head}"
        raise Problem(404, "position_not_reached", text, field=field)
    return after


def _right_of(request: Request) -> Callable[[], bool]:
    """Whether the caller's token still counts: a stream may outlive it."""
    tokens: Tokens = request.app.state.tokens
    caller: Token = request.scope["caller"]

    def holds() -> bool:
        try:
            return tokens.holds(caller)
        except ConfigError:
            return False

    return holds


def router(hub: Hub) -> APIRouter:
    """The routes."""
    routes = APIRouter(dependencies=[needs(Scope.READ)])
    fields = {name: {"type": "string"} for name in ("data", "event", "id")}
    stream = {
        "schema": {"type": "object", "properties": fields},
        "examples": {"one": {"value": _EXAMPLE}},
    }
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": "The events", "content": {MEDIA_TYPE: stream}},
        **{status: problem(status) for status in (400, 401, 403, 404, 429)},
    }

    @routes.get(
        "/v1/events",
        status_code=200,
        operation_id="followEvents",
        response_class=EventStream,
        response_model=None,
        responses=responses,
    )
    async def events(
        request: Request,
        wanted: Annotated[Following, Query()],
        last_event_id: Annotated[
            str | None, Header(pattern=r"^[0-9]{1,18}$", max_length=18)
        ] = None,
    ) -> EventStream:
        """Every event of the log: replay, then live, without gap or repeat."""
        if hub.followers >= MOST_FOLLOWERS:
            raise Problem(429, "busy", "too many clients follow the log")
        start = _start(hub, wanted, last_event_id)
        return EventStream(hub, wanted, start, may_go_on=_right_of(request))

    return routes
