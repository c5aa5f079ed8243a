"""Who is looking: a token in a cookie, one-time links, and marks in forms."""

import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from fastapi import Request
from fastapi.responses import Response

from service.http.gate import COOKIE
from service.http.problems import Problem

LINK_SECONDS: Final = 300
"""So long a login link can be used, and once only."""

_MOST_LINKS: Final = 32
_KEPT_SECONDS: Final = 30 * 86_400


class Sessions:
    """One-time links and the marks that tie a form to whoever it was shown to."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._secret = secrets.token_bytes(32)
        self._links: dict[str, tuple[float, str]] = {}

    def link(self, token: str) -> str:
        """A path that logs in whoever opens it first."""
        now = self._monotonic()
        self._links = {c: kept for c, kept in self._links.items() if kept[0] > now}
        while len(self._links) >= _MOST_LINKS:
            self._links.pop(next(iter(self._links)))
        code = secrets.token_urlsafe(24)
        self._links[code] = (now + LINK_SECONDS, token)
        return f"/login/{code}"

    def redeem(self, code: str) -> str | None:
        """The token behind a link, the first time it is asked for."""
        until, token = self._links.pop(code, (0.0, ""))
        return token if token and until > self._monotonic() else None

    def mark(self, token: str) -> str:
        """What every form of this session carries."""
        return hmac.new(self._secret, token.encode(), sha256).hexdigest()

    def check(self, token: str, mark: str) -> None:
        """Refuse a form that was not shown to whoever sends it.

        Raises:
            Problem: 403.
        """
        if not hmac.compare_digest(self.mark(token).encode(), mark.encode()):
            text = "this form is from another session"
            raise Problem(
                403, "form", text, hint="load the page again, then send the form"
            )


def token_of(request: Request) -> str:
    """The text of the token in the cookie; empty without one."""
    return request.cookies.get(COOKIE, "")


def keep(response: Response, token: str, *, is_encrypted: bool) -> None:
    """Keep the token in the browser, out of reach of scripts and other sites."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=_KEPT_SECONDS,
        path="/",
        secure=is_encrypted,
        httponly=True,
        samesite="strict",
    )


def forget(response: Response) -> None:
    """End the session."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
