"""`config check` and `config show`."""

from typing import TYPE_CHECKING, Any, Final

import typer

from service.cli.options import Showing, command

if TYPE_CHECKING:
    from config import Settings

app: Final = typer.Typer(
    help="Check and show the settings.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def check(common: Showing) -> None:
    """Validate the settings; name every mistake with file, line and column.

    What is valid and not built, such as trading for real, is a mistake as well.

    \b
    Examples:
      order-ledger config check
      order-ledger config check --config mine.yaml --set risk.resize=true
    """
    from config import config_hash
    from service.output import write_object

    settings = common.settings()
    _refuse_unusable(settings)
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

    settings = common.settings()
    tree = settings.redacted()
    is_nested = common.output in ("json", "jsonl")
    write_object(tree if is_nested else flattened(tree), common.output)
    _refuse_unusable(settings)


def _refuse_unusable(settings: "Settings") -> None:
    """Say what a command that trades would say of settings that are valid."""
    from service.bootstrap import refuse_unusable

    refuse_unusable(settings)


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
