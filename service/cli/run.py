"""`run`: the ledger as a service."""

import gc
import sys
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli.options import Common, command

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from config import Settings
    from service.bootstrap import OpenLedger
    from service.http.server import Feeding


_SWITCH_SECONDS: Final = 0.0005
_GC_THRESHOLDS: Final = (20_000, 20, 50)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "run")(run)


def run(
    common: Common,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="0 takes any free one.")
    ] = 8080,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Other than loopback needs TLS.")
    ] = "127.0.0.1",
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="A profile of settings: paper.")
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Recorded frames that move the market."),
    ] = None,
    bundled: Annotated[
        bool, typer.Option("--bundled", help="A made-up market moves instead.")
    ] = False,
    market: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A live market to follow; may be repeated."),
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="max|N", help="So many times as fast as recorded.")
    ] = "1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further name the service is reached by."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate, PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its key, PEM.")
    ] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Written when it listens: url, port, pid."),
    ] = None,
    cancel_on_exit: Annotated[
        bool, typer.Option("--cancel-on-exit", help="Cancel open orders at the end.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the dashboard in a browser.")
    ] = False,
) -> None:
    """Run the ledger as a service, with its HTTP API and its dashboard.

    Every request needs a token; the first start makes one, in DIR/token.
    It ends on SIGTERM or Ctrl-C: intents under way are finished first.

    \b
    Examples:
      order-ledger run --data mine --bundled
      order-ledger run --data mine --recording frames.jsonl.gz --speed 10
      order-ledger run --port 0 --ready-file ready.json --cancel-on-exit
    """
    from service.http.server import ServeOptions, serve

    if profile is not None:
        common = replace(common, config=[Path(profile), *(common.config or ())])
    settings = common.settings()
    require_folder(common.data)
    feeding = _feeding(settings, recording, bundled, tuple(market or ()), speed)
    options = ServeOptions(
        host=host,
        port=port,
        hosts=tuple(allow_host or ()),
        certificate=tls_cert,
        key=tls_key,
        ready_file=ready_file,
        cancel_on_exit=cancel_on_exit,
        on_listening=_opener(common) if open_browser else None,
    )
    _run_loop(serve(settings, common.data, options, feeding=feeding, say=common.say))


def _opener(common: Common) -> "Callable[[str], None]":
    """What opens the dashboard once the service listens, beside its loop."""
    from threading import Thread

    from service.cli.open import show_dashboard
    from service.tokens import BOOTSTRAP_NAME

    def open_beside(url: str) -> None:
        work = partial(show_dashboard, common, url, common.data / BOOTSTRAP_NAME)
        Thread(target=work, name="browser", daemon=True).start()

    return open_beside


def _run_loop(work: "Coroutine[Any, Any, None]") -> None:
    """Run in the fastest loop there is."""
    import asyncio

    # The loop waits after every system call until the threads that commit and keep
    # the read models let go: 5 ms by default, which is longer than an intent takes.
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Open orders are many and in no cycles: looking through them all again and again
    # takes a tenth of the time.
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    factory = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


def require_folder(data: Path) -> None:
    """Refuse a folder that is not there: a slip must not begin an empty ledger.

    Raises:
        Failure: there is none.
    """
    from service.cli.failures import Exit, Failure

    if not data.is_dir():
        raise Failure(
            Exit.FAILED,
            "no_folder",
            f"there is no folder {data}",
            hint=f"check --data; for a new ledger make the folder first: mkdir {data}",
        )


def _feeding(
    settings: "Settings",
    recording: Path | None,
    bundled: bool,
    markets: tuple[str, ...],
    speed: str,
) -> "Feeding | None":
    """What moves the market, if anything does.

    Raises:
        InvalidInputError: more than one source, or a bad speed.
        RecordingError: the recording cannot be read.
        ConfigError: a live market while the settings are not live.
    """
    from ledger.errors import InvalidInputError

    pace = _pace(speed)
    if (recording is not None) + bundled + bool(markets) > 1:
        field = "recording"
        raise InvalidInputError(field, "give one of --recording, --bundled, --market")
    if markets:
        return _live(settings, markets)
    if recording is None and not bundled:
        return None
    from service.demo_sources import BUNDLED, recorded_source, series_source

    if recording is None:
        source = series_source(BUNDLED, None, seed=settings.paper.seed)
    else:
        source = recorded_source(recording)

    async def play(opened: "OpenLedger") -> None:
        from service.feed import Feed

        await Feed(opened, source.markets).play(source.frames, speed=pace)

    return play


def _live(settings: "Settings", markets: tuple[str, ...]) -> "Feeding":
    from service.live import require_live

    require_live(settings)

    async def follow(opened: "OpenLedger") -> None:
        from service.feed import Feed
        from service.live import live_frames, markets_of

        known = await markets_of(settings, markets)
        async with live_frames(settings, known, opened.clock) as frames:
            await Feed(opened, known).follow(frames)

    return follow


def _pace(speed: str) -> Decimal:
    """How many times as fast; 0 for as fast as possible.

    Raises:
        InvalidInputError: it is neither "max" nor a number above 0.
    """
    from ledger.errors import InvalidInputError
    from ledger.values import ZERO, decimal_from

    if speed == "max":
        return ZERO
    try:
        factor = decimal_from(speed)
    except ValueError:
        factor = ZERO
    if factor <= ZERO:
        field = "speed"
        raise InvalidInputError(field, f"{speed!r} is neither max nor a number above 0")
    return factor
