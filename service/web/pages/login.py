"""Logging in: a token is pasted once, or a link is used once."""

from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from config import ConfigError
from service.http.gate import COOKIE
from service.tokens import Scope
from service.web.asking import form_of
from service.web.session import forget, keep
from service.web.site import HOME

if TYPE_CHECKING:
    from service.web.site import Dashboard


def add_to(site: "Dashboard") -> None:
    """Add the paths."""
    _add_form(site)
    _add_link(site)

    async def log_out(_: Request) -> Response:
        response = RedirectResponse("/login", 303)
        forget(response)
        return response

    async def home(_: Request) -> Response:
        return RedirectResponse(HOME, 303)

    async def icon(_: Request) -> Response:
        return RedirectResponse("/static/favicon.svg", 308)

    site.open("/logout", log_out, ["POST"])
    site.open("/favicon.ico", icon, ["GET", "HEAD"])
    site.open("/", home, ["GET", "HEAD"])


def _add_form(site: "Dashboard") -> None:
    async def show(request: Request) -> Response:
        wanted = _local(request.query_params.get("next", ""))
        text = site.pages.bare("login.html", next=wanted, error="")
        return HTMLResponse(text)

    async def log_in(request: Request) -> Response:
        form = form_of(request)
        wanted = _local(form.get("next", ""))
        text = form.get("token", "").strip()
        try:
            token = site.tokens.find(text)
        except ConfigError:  # any request with a token logs it
            token = None
        if token is None or not token.allows(Scope.READ):
            error = "This token is unknown." if token is None else "It may not read."
            page = site.pages.bare("login.html", next=wanted, error=error)
            return HTMLResponse(page, 401)
        return _welcome(request, text, wanted)

    site.open("/login", show, ["GET", "HEAD"])
    site.open("/login", log_in, ["POST"])


def _add_link(site: "Dashboard") -> None:
    async def by_link(request: Request) -> Response:
        token = site.sessions.redeem(request.path_params["code"])
        if token is None:
            error = "This link was used already, or it is too old."
            text = site.pages.bare("login.html", next=HOME, error=error)
            return HTMLResponse(text, 410)
        return _welcome(request, token, HOME)

    async def make_link(request: Request) -> Response:
        caller = request.scope.get("caller")
        if caller is None:
            return JSONResponse({"detail": "a token is required"}, 401)
        bearer = request.headers.get("authorization", "").partition(" ")[2].strip()
        token = bearer or request.cookies.get(COOKIE, "")
        return JSONResponse({"path": site.login_link(token)})

    # Before the one with a code, which would take "link" for one.
    site.open("/login/link", make_link, ["POST"])
    site.open("/login/{code}", by_link, ["GET"])


def _welcome(request: Request, token: str, wanted: str) -> Response:
    response = RedirectResponse(wanted, 303)
    keep(response, token, is_encrypted=request.url.scheme == "https")
    return response


def _local(wanted: str) -> str:
    """A path of ours: nobody is sent elsewhere after logging in."""
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_ours and wanted.isprintable() else HOME
