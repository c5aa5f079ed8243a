"""The options that every command has, and how a command ends.

Nothing heavy is imported here: `--help` must answer at once.
"""

import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.output import Form

if TYPE_CHECKING:
    from config import Settings

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="ORDER_LEDGER_DATA",
        help="The folder of the ledger and its read models.",
    ),
]
OwnData = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Where its files go."),
]
ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="ORDER_LEDGER_CONFIG",
        help="A settings file, or the name of a profile; may be repeated.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Override one setting."),
]
Practice = Annotated[
    Path | None,
    typer.Option(
        metavar="READY_FILE",
        envvar="ORDER_LEDGER_EXCHANGE",
        help="Trade at the local exchange that wrote this file.",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Log more; show tracebacks.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text everywhere.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Output = Annotated[
    Form, typer.Option("--output", "-o", help="How the data is written.")
]
AsOf = Annotated[
    str | None,
    typer.Option(
        metavar="POSITION|TIME",
        help="Answer as it was known then: a position of the log, or a UTC time.",
    ),
]
FirstEvents = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="At most so many, the first ones."),
]
LastRows = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="At most so many, the last ones: the newest, where rows have a time.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="AGE|TIME", help="Only what is newer: 7d, 12h, or a time."),
]


_FLAGS: Final = {
    "idempotency_key": "key",
    "market_id": "market",
    "order_id": "order",
    "time_in_force": "tif",
}
"""Fields whose option has a name of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What every command was given."""

    config: ConfigFiles = None
    overrides: Overrides = None
    debug: Debug = False
    no_color: NoColor = False
    quiet: Quiet = False

    def settings(self) -> "Settings":
        """Load and validate the settings, and set up logging by them.

        Raises:
            ConfigError: something is wrong; it holds every problem found.
        """
        from config import load_settings

        settings = load_settings(
            self.config or (),
            overrides=self.overrides or (),
            exchange=getattr(self, "exchange", None),
        )
        self.set_up_logs(settings)
        return settings

    def set_up_logs(self, settings: "Settings") -> None:
        """Log to standard error; a command's own words need no info records."""
        from service.logs import configure

        level = settings.log.level
        if level == "info":
            level = "warning"
        if self.debug:
            level = "debug"
        elif self.quiet:
            level = "error"
        configure(level, settings.log.format, colors=self.has_color(sys.stderr))

    def has_color(self, stream: Any) -> bool:
        """Whether a stream is a terminal that may be given colour."""
        is_plain = self.no_color or os.environ.get("NO_COLOR")
        is_dumb = os.environ.get("TERM") == "dumb"
        return bool(stream.isatty() and not is_plain and not is_dumb)

    def say(self, text: str) -> None:
        """Talk to the person, on standard error."""
        if not self.quiet:
            typer.echo(text, err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common(Base):
    """What a command was given that works on a ledger."""

    data: Data = Path("data")
    exchange: Practice = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Making(Base):
    """What a command was given that makes a ledger of its own."""

    data: OwnData = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring(Making):
    """What `bench` was given."""

    output: Output = Form.TABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Common):
    """Which part of the past a command is about."""

    as_of: AsOf = None
    limit: FirstEvents = None
    since: Since = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Slice):
    """What a command was given that shows rows."""

    limit: LastRows = None
    output: Output = Form.TABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing(Common):
    """What a command was given that answers with data, but not of the past."""

    output: Output = Form.TABLE


def not_empty(field: str, text: str | None) -> str | None:
    """Give back what an option holds; absent is fine, empty is a mistake.

    A shell variable that is not set must not widen what a command is about.

    Raises:
        InvalidInputError: it is there and empty.
    """
    if text is not None and not text:
        from ledger.errors import InvalidInputError

        raise InvalidInputError(field, f"must not be empty: {flag_of(field)}")
    return text


def flag_of(field: str) -> str:
    """The option that gives a field, as it is typed."""
    return "--" + _FLAGS.get(field, field).replace("_", "-")


def command(
    app: typer.Typer, name: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command.

    Its first parameter is a kind of `Base`, whose fields become options;
    its errors become one line, one hint and an exit code.
    """

    def register(body: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(body).parameters.values())
        first, rest = own[0], own[1:]
        kind: type[Base] = first.annotation
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=field.type,
            )
            for field in fields(kind)
        ]

        def run(**given: Any) -> None:
            common = kind(
                **{field.name: given.pop(field.name) for field in fields(kind)}
            )
            _guarded(common, lambda: body(common, **given))

        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in rest
        ]
        parameters += shared
        # Typer reads the options from these; the shared ones stand last.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__name__, run.__doc__ = body.__name__, body.__doc__
        app.command(name)(run)
        return run

    return register


def _guarded(common: Base, body: Callable[[], None]) -> None:
    """Run a command; whatever it raises leaves as text and an exit code."""
    from service.cli.failures import Exit, failure_of

    try:
        body()
        sys.stdout.flush()
    except (typer.Exit, typer.BadParameter):
        raise
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter's own flush at
        # exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Exit.OK) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(Exit.INTERRUPTED) from None
    except Exception as error:  # noqa: BLE001 -- no traceback reaches a person
        if common.debug:
            import traceback

            traceback.print_exception(error)
        failure = failure_of(error)
        typer.echo("\n".join(failure.text()), err=True)
        raise typer.Exit(failure.exit_code) from None
