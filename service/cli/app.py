"""The commands of `order-ledger`, in the order of their help."""

from typing import Annotated, Final

import typer

from service.cli import (
    exchange,
    history,
    live,
    reading,
    run,
    runs,
    settings,
    token,
    trading,
    upkeep,
)
from service.cli import open as open_page

app: Final = typer.Typer(
    name="order-ledger",
    help="A durable, event-sourced ledger of a trading bot's orders.\n\n"
    "Data goes to standard output, talk to standard error. "
    "Exit codes: 0 ok, 1 failed, 2 usage, 3 config, 4 integrity, 5 venue, "
    "6 lock held by another writer, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    # Plain help: drawing boxes around it would import a whole library.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for part in (runs, run, open_page, live, exchange, trading, reading, history, upkeep):
    part.register(app)
app.add_typer(settings.app, name="config")
app.add_typer(token.app, name="token")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.")
    ] = False,
) -> None:
    if version:
        from service.places import software_version

        typer.echo(software_version())
        raise typer.Exit


def main() -> None:
    """Run the command line of this process."""
    app()
