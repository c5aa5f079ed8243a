"""`token create`, `token list` and `token revoke`: who may use the API."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.options import Showing, command

if TYPE_CHECKING:
    from service.tokens import Token

app: Final = typer.Typer(
    help="Make, list and revoke tokens of the HTTP API.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_COLUMNS: Final = ("token_id", "name", "scopes", "strategy", "created_at")


def create(
    common: Showing,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE",
            help="read, submit, cancel, operate or admin; may be repeated.",
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(metavar="NAME", help="The only one it may place and cancel for."),
    ] = "",
) -> None:
    """Make a token.

    Its text is printed once and kept nowhere; the ledger keeps a hash.
    A running service knows it at once.

    \b
    Examples:
      order-ledger token create pair --scope read --scope submit --scope cancel \\
        --strategy pair_arb
      order-ledger token create grafana --scope read -o json
    """
    from ledger.errors import InvalidInputError
    from service.bootstrap import SystemClock
    from service.output import Form, write_object
    from service.tokens import FILE_NAME, Scope, Tokens

    try:
        scopes = [Scope(text) for text in scope or ()]
    except ValueError:
        field = "scope"
        reason = f"must be some of {', '.join(Scope)}"
        raise InvalidInputError(field, reason) from None
    _require_folder(common)
    tokens = Tokens(common.data / FILE_NAME)
    text, token = tokens.create(
        name, scopes, strategy=strategy, now=SystemClock().now()
    )
    if common.output is Form.TABLE:
        sys.stdout.write(text + "\n")
    else:
        write_object({"token": text, **_row(token)}, common.output)


def list_(common: Showing) -> None:
    """List tokens, without their texts.

    \b
    Examples:
      order-ledger token list
      order-ledger token list -o json
    """
    from service.output import write_rows
    from service.tokens import FILE_NAME, Tokens

    _require_folder(common)
    rows = [_row(token) for token in Tokens(common.data / FILE_NAME)]
    write_rows(rows, _COLUMNS, common.output, color=common.has_color(sys.stdout))


def revoke(
    common: Showing,
    name: Annotated[str, typer.Argument(metavar="NAME|ID", help="Which token.")],
) -> None:
    """Revoke a token; the next request with it is refused.

    \b
    Examples:
      order-ledger token revoke pair
      order-ledger token revoke 3f2c9a01b7d4 -o json
    """
    from service.output import write_object
    from service.tokens import FILE_NAME, Tokens

    _require_folder(common)
    token = Tokens(common.data / FILE_NAME).revoke(name)
    write_object(_row(token), common.output)


def _require_folder(common: Showing) -> None:
    from service.cli.run import require_folder

    require_folder(common.data)


def _row(token: "Token") -> dict[str, object]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "scopes": " ".join(sorted(token.scopes)),
        "strategy": token.strategy or None,
        "created_at": token.created_at,
    }


command(app, "create")(create)
command(app, "list")(list_)
command(app, "revoke")(revoke)
