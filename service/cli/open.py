"""`open`: the dashboard of a running service, in a browser."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from service.cli.options import Common, command

_SECONDS: Final = 10
_MOST: Final = 10_000


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "open")(open_dashboard)


def open_dashboard(
    common: Common,
    url: Annotated[
        str, typer.Option(metavar="URL", help="Where the service listens.")
    ] = "http://127.0.0.1:8080",
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The token to log in with; DIR/token if absent."
        ),
    ] = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the link and open nothing.")
    ] = False,
) -> None:
    """Open the dashboard of a running service, logged in.

    The service makes a link that logs in once, within five minutes.
    The token itself is not in the link, and not in the browser's history.

    \b
    Examples:
      order-ledger open --data mine
      order-ledger open --data mine --url http://127.0.0.1:9000
      order-ledger open --token-file reader.token --print
    """
    from service.tokens import BOOTSTRAP_NAME

    path = token_file or common.data / BOOTSTRAP_NAME
    show_dashboard(common, url, path, print_only=print_only)


def show_dashboard(
    common: Common, url: str, token_file: Path, *, print_only: bool = False
) -> None:
    """Open the dashboard, or print its link where there is no browser.

    Raises:
        Failure: there is no token, or the service does not answer.
    """
    url = url.rstrip("/")
    link = link_of(url, _token(token_file))
    if print_only or not _shown(link):
        sys.stdout.write(f"{link}\n")
    else:
        common.say(f"opened {url} in the browser")


def link_of(url: str, token: str) -> str:
    """Ask a running service for a link that logs in once.

    Raises:
        Failure: it does not answer, or does not know the token.
    """
    import json
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    from urllib.parse import urlsplit

    from service.cli.failures import Exit, Failure

    parts = urlsplit(url)
    kinds = {"http": HTTPConnection, "https": HTTPSConnection}
    if parts.scheme not in kinds or not parts.netloc:
        msg = f"{url} is no address of a service"
        raise Failure(Exit.USAGE, "url", msg, hint="such as http://127.0.0.1:8080")
    connection = kinds[parts.scheme](parts.netloc, timeout=_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Length": "0"}
        connection.request("POST", "/login/link", headers=headers)
        answer = connection.getresponse()
        body = answer.read(_MOST)
    except (OSError, HTTPException) as error:
        msg = f"{url} does not answer: {error}"
        hint = "start it with `order-ledger run`, or name its address with --url"
        raise Failure(Exit.FAILED, "not_running", msg, hint=hint) from None
    finally:
        connection.close()
    try:
        return f"{url}{json.loads(body)['path']}"
    except (ValueError, KeyError, TypeError):
        msg = f"{url} refused the token (HTTP {answer.status})"
        hint = "is it the service of this --data? give its token with --token-file"
        raise Failure(Exit.FAILED, "refused", msg, hint=hint) from None


def _token(path: Path) -> str:
    """The text of a token.

    Raises:
        Failure: there is no such file.
    """
    from service.cli.failures import Exit, Failure

    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        msg = f"there is no token in {path}"
        hint = (
            "`order-ledger run` makes one at its first start; "
            "`order-ledger token create NAME --scope read` makes another"
        )
        raise Failure(Exit.FAILED, "no_token", msg, hint=hint) from None


def _shown(link: str) -> bool:
    """Whether a browser took the link."""
    import webbrowser

    try:
        return webbrowser.open(link)
    except webbrowser.Error:
        return False
