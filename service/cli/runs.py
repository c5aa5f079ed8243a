"""`demo`, `bench` and `import-activity`: whole jobs."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import Making, Measuring, Showing, command


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "demo")(demo)
    command(app, "import-activity")(import_activity)
    command(app, "bench")(bench)


def demo(
    common: Making,
    more: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]", help="Further recordings."),
    ] = None,
    recording: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A recording to trade; may be repeated."),
    ] = None,
    ticks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A price series to trade on.")
    ] = None,
    markets: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The markets of the series.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Everything random follows from it.")
    ] = 1,
    speed: Annotated[
        str, typer.Option(metavar="max|N", help="So many times as fast as recorded.")
    ] = "max",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Replace the demo of before in --data.")
    ] = False,
    most_markets: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many markets.")
    ] = None,
    live_sim: Annotated[
        bool,
        typer.Option(
            "--live-sim", help="Trade at a faulty local exchange; kill the ledger."
        ),
    ] = False,
) -> None:
    """Trade a recorded market and prove the ledger.

    Two strategies trade through the ledger on paper; then the read models are
    rebuilt from the log and compared, and the log is verified.
    Without --recording or --ticks it runs on a bundled series.

    With --live-sim they trade over the wire, at a local exchange where everything
    goes wrong at times; the ledger is killed in the middle and started again, and
    its books are compared with the exchange's. It takes less than a minute.

    \b
    Examples:
      order-ledger demo
      order-ledger demo --recording frames.jsonl.gz --seed 7 --data demo
      order-ledger demo --ticks ticks.csv.gz --markets markets.jsonl.gz
      order-ledger demo --live-sim --seed 7
    """
    from rich.console import Console

    from service.cli.failures import Exit, Failure
    from service.demo import DemoOptions, run_demo

    settings = common.settings()
    if live_sim:
        if recording or more or ticks or markets or most_markets or speed != "max":
            _refuse_sources()
        _live_sim(common, seed, fresh=fresh)
        return
    console = Console(stderr=True, no_color=common.no_color or None)
    report = run_demo(
        DemoOptions(
            recordings=(*(recording or ()), *(more or ())),
            ticks=ticks,
            markets=markets,
            seed=seed,
            data=common.data,
            speed=speed,
            fresh=fresh,
            most_markets=most_markets,
            settings=settings,
        ),
        None if common.quiet else console,
    )
    if report.exit_code:
        raise Failure(
            Exit(report.exit_code),
            "demo_failed",
            "the ledger does not prove itself"
            if report.exit_code == Exit.INTEGRITY
            else "part of the input could not be read",
            hint="the report on standard output says where",
        )


def _refuse_sources() -> None:
    from ledger.errors import InvalidInputError

    field = "live_sim"
    reason = "makes its own market, in real time: give --seed, --data and --fresh only"
    raise InvalidInputError(field, reason)


def _live_sim(common: Making, seed: int, *, fresh: bool) -> None:
    from service.cli.failures import Exit, Failure
    from service.demo_live import LiveDemoOptions, run_live_demo

    options = LiveDemoOptions(data=common.data, seed=seed, fresh=fresh)
    report = run_live_demo(options, common.say)
    if report.exit_code:
        raise Failure(
            Exit(report.exit_code),
            "demo_failed",
            "ledger and exchange do not agree",
            hint="the report on standard output says where",
        )


def bench(
    common: Measuring,
    only: Annotated[
        str | None, typer.Option(metavar="SECTION", help="Measure this one alone.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Smaller counts, under a minute in all.")
    ] = False,
    api: Annotated[
        bool, typer.Option("--api", help="Measure the service over HTTP instead.")
    ] = False,
) -> None:
    """Measure the ledger against a floor of the same run.

    Sections: throughput, place_latency, rebuild, start, memory; api by itself.
    --data names a folder on the disk that is to be measured.

    \b
    Examples:
      order-ledger bench --quick
      order-ledger bench --only throughput -o json
      order-ledger bench --api
    """
    from ledger.errors import InvalidInputError
    from service.bench import SECTIONS, run_bench
    from service.cli.settings import flattened
    from service.output import write_object

    common.settings()
    only = "api" if api else only
    if only is not None and only not in SECTIONS:
        field = "only"
        raise InvalidInputError(field, f"must be one of {', '.join(SECTIONS)}")
    if common.data is not None:
        common.data.mkdir(parents=True, exist_ok=True)
    found = run_bench(only=only, quick=quick, folder=common.data, note=common.say)
    is_nested = common.output in ("json", "jsonl")
    write_object(found if is_nested else flattened(found), common.output)


def import_activity(
    common: Showing,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='Activity rows; "-" is stdin.')
    ],
    strategy: Annotated[
        str, typer.Option(metavar="NAME", help="Whom the positions belong to.")
    ] = "imported",
) -> None:
    """Import an account's history.

    A second import of the same rows adds nothing. FILE holds the venue's activity rows: JSON lines or a JSON list, plain or gzip.
    One row that cannot be read refuses the whole file.

    \b
    Examples:
      order-ledger import-activity activity.jsonl.gz
      curl ... | order-ledger import-activity - --strategy by_hand --data mine
    """
    from ledger.errors import InvalidInputError
    from service.activity import read_activity
    from service.bootstrap import open_ledger
    from service.importer import import_rows, strategy_name
    from service.output import write_object

    settings = common.settings()
    name = strategy_name(strategy)
    if settings.strategies and name not in settings.strategies:
        field = "strategy"
        raise InvalidInputError(field, f"{name!r} is not in `strategies`")

    rows = read_activity(file, stdin=sys.stdin.buffer)

    async def run() -> None:
        # An imported account brings its own money: no paper cash.
        opened = await open_ledger(settings, common.data, funded=False)
        try:
            report = await import_rows(
                rows,
                opened.manager,
                strategy=name,
                progress=lambda done: common.say(f"{done} events"),
            )
        finally:
            await opened.close()
        import msgspec

        write_object(msgspec.structs.asdict(report), common.output)
        if report.unexplained:
            common.say(
                f"{report.unexplained} positions sold or redeemed more than this"
                " history bought; their profit is not known"
            )

    asyncio.run(run())
