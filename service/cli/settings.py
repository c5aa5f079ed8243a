"""`config check` and `config show`."""

from typing import Any, Final

import typer

from service.cli.options import Showing, command

app: Final = typer.Typer(
    help="Check and show the settings.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def check(common: Showing) -> None:
    """Validate the settings; name every mistake with file, line and column.

    \b
    Examples:
      order-ledger config check
      order-ledger config check --config mine.yaml --set risk.resize=true
    """
    from config import config_hash
    from service.output import write_object

    settings = common.settings()
    mode = "paper" if settings.execution.paper_trading else "live"
    found = {"result": "ok", "mode": mode, "config_hash": config_hash(settings)}
    write_object(found, common.output)


def show(common: Showing) -> None:
    """Print the settings in force, secrets hidden.

    \b
    Examples:
      order-ledger config show
      order-ledger config show --config paper -o json
    """
    from service.output import write_object

    tree = common.settings().redacted()
    is_nested = common.output in ("json", "jsonl")
    write_object(tree if is_nested else flattened(tree), common.output)


def flattened(tree: dict[str, Any], under: str = "") -> dict[str, Any]:
    """A tree of settings by the dotted names that `--set` takes."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            found |= flattened(value, f"{under}{name}.")
        else:
            found[f"{under}{name}"] = value
    return found


command(app, "check")(check)
command(app, "show")(show)
