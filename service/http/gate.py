"""Stands before every request: host, origin, token, and a bounded body.

It is plain ASGI, because every intent passes through it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any, Final

import structlog

from config import ConfigError
from service.http.problems import MEDIA_TYPE, Problem
from service.tokens import Scope, Token, Tokens

_log = structlog.get_logger("service.http")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

Shortcut = Callable[[MutableMapping[str, Any], bytes, Send], Awaitable[None]]
"""Answers a POST without a query; raises `Problem`."""

COOKIE: Final = "order_ledger_token"
"""Where a browser keeps its token."""

BODY_LIMIT: Final = 65_536
BODY_SECONDS: Final = 10
"""A body that takes longer to arrive is cut off."""

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})

PUBLIC: Final = frozenset({"/openapi.json", "/v1/ready"})
"""Open to everybody: neither says anything about orders or money."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_COOKIE: Final = re.compile(rb"(?:^|;\s*)order_ledger_token=([!-:<-~]+)")


class Gate:
    """Refuses whoever may not be here; what passes has its `Token` in the scope.

    Everything needs a token but the paths in `public`, and those below a path in
    it that ends in a slash; "/" is the bare address and nothing below it.
    A POST to a path in `shortcuts` goes there directly, past all routing.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Tokens,
        hosts: Collection[str] = LOOPBACK_HOSTS,
        public: set[str] | None = None,
        shortcuts: Mapping[str, Shortcut] | None = None,
        body_limit: int = BODY_LIMIT,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = {host.lower().encode() for host in hosts}
        self._public = public if public is not None else set(PUBLIC)
        self._shortcuts = shortcuts or {}
        self._body_limit = body_limit
        self._body_seconds = body_seconds

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there are no web sockets here
        try:
            scope["caller"] = self._admitted(scope)
            if scope["method"] not in _SAFE:
                body = await self._body(scope, receive)
                shortcut = self._shortcuts.get(scope["path"])
                if (
                    shortcut is not None
                    and scope["method"] == "POST"
                    and not scope["query_string"]
                ):
                    await shortcut(scope, body, send)
                    return
                scope["body"] = body
                receive = _replayed(body, receive)
        except Problem as problem:
            await send_problem(send, problem)
            return
        await self._app(scope, receive, send)

    def _admitted(self, scope: MutableMapping[str, Any]) -> Token | None:
        """Who is asking; `None` on a public path without a token.

        Raises:
            Problem: 401 or 403.
        """
        headers = dict(scope["headers"])
        self._check_site(headers)
        is_usable = True
        try:
            caller = self._caller(headers, is_safe=scope["method"] in _SAFE)
        except ConfigError as error:
            # Closed for everybody, and only the log says more about our files.
            _log.error("tokens.unusable", reason=str(error))
            caller, is_usable = None, False
        if caller is not None:
            return caller
        if self._is_public(scope["path"]):
            return None
        challenge = ((b"www-authenticate", b'Bearer realm="order-ledger"'),)
        is_there = b"authorization" in headers or b"cookie" in headers
        text = "the token is unknown" if is_there else "a token is required"
        if not is_usable:
            text = "the token file cannot be used; the log of the service says why"
        raise Problem(
            401, "unauthenticated", text, field="Authorization", headers=challenge
        )

    def _check_site(self, headers: dict[bytes, bytes]) -> None:
        """Refuse pages of other sites, also those whose name leads to us."""
        host = headers.get(b"host", b"")
        if _without_port(host) not in self._hosts:
            raise Problem(403, "host", "this host name is not served", field="Host")
        origin = headers.get(b"origin")
        if origin is not None and origin.partition(b"://")[2] != host:
            text = "requests from another origin are refused"
            raise Problem(403, "origin", text, field="Origin")

    def _caller(self, headers: dict[bytes, bytes], *, is_safe: bool) -> Token | None:
        """The token that was sent, if it is known."""
        bearer = headers.get(b"authorization")
        if bearer is not None:
            kind, _, text = bearer.partition(b" ")
            if kind.lower() != b"bearer":
                return None
            return self._tokens.find(text.strip().decode("latin-1"))
        cookie = _COOKIE.search(headers.get(b"cookie", b""))
        # A browser sends its cookie by itself: what changes something must come
        # from a page of ours, and then says so.
        if cookie is None or not (is_safe or b"origin" in headers):
            return None
        return self._tokens.find(cookie[1].decode("latin-1"))

    def _is_public(self, path: str) -> bool:
        return path in self._public or any(
            folder != "/" and folder[-1:] == "/" and path.startswith(folder)
            for folder in self._public
        )

    async def _body(self, scope: MutableMapping[str, Any], receive: Receive) -> bytes:
        """The whole body, within its bounds.

        Raises:
            Problem: it is too long, too slow, or was broken off.
        """
        direct = scope.get("direct")
        whole: bytes | None = None if direct is None else direct.take_body()
        if whole is not None:
            if len(whole) > self._body_limit:
                raise self._too_large()
            return whole
        for name, value in scope["headers"]:
            # What is no number was refused by the server.
            if name == b"content-length" and int(value) > self._body_limit:
                raise self._too_large()
        chunks, size = [], 0
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Problem(400, "body", "the body was broken off")
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > self._body_limit:
                        raise self._too_large()
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        except TimeoutError:
            text = f"the body did not arrive within {self._body_seconds} s"
            raise Problem(
                408, "body_too_slow", text, headers=((b"connection", b"close"),)
            ) from None

    def _too_large(self) -> Problem:
        text = f"the body has more than {self._body_limit} bytes"
        return Problem(
            413, "body_too_large", text, headers=((b"connection", b"close"),)
        )


def require(caller: Token | None, scope: Scope) -> Token:
    """The caller, if its token has the scope.

    Raises:
        Problem: 403, or 401 without a token.
    """
    if caller is None:
        raise Problem(401, "unauthenticated", "a token is required")
    if not caller.allows(scope):
        text = f"the token {caller.name!r} has not the scope {scope.value!r}"
        raise Problem(403, "scope", text, field="Authorization")
    return caller


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with a problem."""
    await send_body(
        send, problem.status, problem.body(), MEDIA_TYPE.encode(), *problem.headers
    )


async def send_body(
    send: Send,
    status: int,
    body: bytes,
    media_type: bytes = b"application/json",
    *headers: tuple[bytes, bytes],
) -> None:
    """Answer with a body of bytes."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", media_type),
                (b"content-length", b"%d" % len(body)),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _without_port(host: bytes) -> bytes:
    host = host.lower()
    if host.startswith(b"["):
        return b"".join(host.partition(b"]")[:2])
    return host.partition(b":")[0]


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, and then what comes behind it."""
    is_given = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
