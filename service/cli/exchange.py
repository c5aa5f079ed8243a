"""`exchange`: a venue on loopback to practise against, with money of nobody."""

import asyncio
import signal
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from service.cli.options import Base, command

if TYPE_CHECKING:
    from executors.exchange.api import ExchangeApp
    from executors.exchange.engine import ExchangeConfig, ExchangeMarket
    from executors.exchange.faults import FaultRule
    from executors.exchange.flows import FlowMaker
    from executors.exchange.server import ExchangeServer
    from executors.exchange.venue import AppConfig

_JSON_STARTS: Final = ("[", "{")


class Trading(StrEnum):
    """Who else trades there."""

    EMPTY = "empty"
    RECORDING = "recording"
    MAKERS = "makers"


class Protocol(StrEnum):
    """Which order format is understood."""

    V2 = "v2"
    V1 = "v1"


class RateLimits(StrEnum):
    """Whether the published rate limits hold."""

    STANDARD = "standard"
    OFF = "off"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "exchange")(exchange)


def exchange(
    common: Base,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0: any that is free.")
    ] = 0,
    ready_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Written once it listens: addresses, keys."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Gives markets, wallets and chance.")] = 0,
    markets: Annotated[int, typer.Option(min=1, help="How many to make up.")] = 4,
    wallets: Annotated[int, typer.Option(min=1, help="How many to make up.")] = 2,
    cash: Annotated[
        str, typer.Option(metavar="PUSD", help="What each of them holds.")
    ] = "10000",
    shares: Annotated[
        str, typer.Option(metavar="N", help="And of every outcome.")
    ] = "1000",
    recording: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its markets, and its books as orders."),
    ] = None,
    flow: Annotated[
        Trading | None, typer.Option(help="Who else trades; nobody by default.")
    ] = None,
    auto_fund: Annotated[
        str,
        typer.Option(metavar="PUSD", help="For any wallet that asks for an API key."),
    ] = "0",
    faults: Annotated[
        str | None, typer.Option(metavar="FILE|JSON", help="What goes wrong, and how.")
    ] = None,
    mined_ms: Annotated[int, typer.Option(min=0, help="From match to block.")] = 2000,
    confirmed_ms: Annotated[
        int, typer.Option(min=0, help="From block to final.")
    ] = 3000,
    failure_rate: Annotated[
        str, typer.Option(metavar="P", help="Share of trades that never settle.")
    ] = "0",
    retry_rate: Annotated[
        str, typer.Option(metavar="P", help="Share that settles on a second try.")
    ] = "0",
    data_lag_ms: Annotated[
        int, typer.Option(min=0, help="How far positions trail.")
    ] = 0,
    taker_delay_ms: Annotated[
        int, typer.Option(min=0, help="Matching delay of made-up markets.")
    ] = 0,
    rate_limits: Annotated[
        RateLimits, typer.Option(help="The venue's, or none.")
    ] = RateLimits.STANDARD,
    protocol: Annotated[
        Protocol, typer.Option(help="v1 is the order format of before 2026-04-28.")
    ] = Protocol.V2,
    parent_pid: Annotated[
        int | None, typer.Option(min=1, help="Stop when this process has gone.")
    ] = None,
) -> None:
    """Run a local exchange that speaks the venue's protocol.

    It listens on loopback only; Ctrl-C ends it.
    Any client that can change its base address can trade there.

    \b
    Examples:
      order-ledger exchange --port 8800 --ready-file ready.json --flow makers
      order-ledger exchange --ready-file ready.json --auto-fund 1000 \\
        --faults '[{"kind": "answer_lost", "on": "POST /order", "probability": 0.1}]'
    """
    common.settings()
    from executors.exchange.setup import make_markets

    frames, found = _recorded(recording)
    app_config = _app_config(protocol, seed, auto_fund, rate_limits)
    engine = _engine_config(
        seed=seed,
        mined_ms=mined_ms,
        confirmed_ms=confirmed_ms,
        data_lag_ms=data_lag_ms,
        failure_rate=_share("failure_rate", failure_rate),
        retry_rate=_share("retry_rate", retry_rate),
    )
    made = found or make_markets(
        seed, markets, protocol=protocol, taker_delay_ms=taker_delay_ms
    )
    app = _app(app_config, engine, made, _rules(faults), _flow(flow, seed, frames))
    amounts = _amount("cash", cash), _amount("shares", shares)
    asyncio.run(_serve(common, app, port, ready_file, wallets, amounts, parent_pid))
    common.say("stopped")


def _recorded(path: Path | None) -> tuple[list[Any], "list[ExchangeMarket]"]:
    """Read the frames of a recording, and the markets they are about.

    Raises:
        RecordingError: it cannot be read, or its tokens are no asset ids.
    """
    if path is None:
        return [], []
    from executors.exchange.setup import recorded_markets
    from executors.market_data import read_recording
    from ledger.errors import RecordingError

    frames = list(read_recording(path))
    found = recorded_markets(frames)
    if not found:
        msg = f"{path}: no market whose two tokens have the venue's asset ids"
        raise RecordingError(msg)
    return frames, found


def _app_config(
    protocol: Protocol, seed: int, auto_fund: str, rate_limits: RateLimits
) -> "AppConfig":
    from executors.exchange.engine import UNIT
    from executors.exchange.limits import Tier
    from executors.exchange.venue import AppConfig

    return AppConfig(
        protocol=protocol.value,
        seed=seed,
        auto_fund=int(_amount("auto_fund", auto_fund) * UNIT),
        tier=Tier() if rate_limits is RateLimits.STANDARD else None,
    )


def _engine_config(**fields: Any) -> "ExchangeConfig":
    from executors.exchange.engine import ExchangeConfig

    return ExchangeConfig(**fields)


def _app(
    config: "AppConfig",
    engine: "ExchangeConfig",
    markets: "list[ExchangeMarket]",
    rules: "list[FaultRule]",
    flow: "FlowMaker",
) -> "ExchangeApp":
    from executors.exchange.api import ExchangeApp
    from service.bootstrap import SystemClock

    return ExchangeApp(
        SystemClock(),
        config=config,
        engine=engine,
        markets=markets,
        faults=rules,
        flow=flow,
    )


def _rules(given: str | None) -> "list[FaultRule]":
    """Read a plan of faults: JSON itself, or the file that holds it."""
    if given is None:
        return []
    from executors.exchange.faults import parse_faults

    is_json = given.lstrip().startswith(_JSON_STARTS)
    return parse_faults(given if is_json else Path(given).read_bytes())


def _flow(flow: Trading | None, seed: int, frames: list[Any]) -> "FlowMaker":
    from executors.exchange.flows import makers, nobody, recorded
    from ledger.errors import InvalidInputError

    if flow is None:
        flow = Trading.RECORDING if frames else Trading.EMPTY
    if flow is Trading.RECORDING:
        if not frames:
            field = "flow"
            raise InvalidInputError(field, "recording needs --recording FILE")
        return recorded(frames)
    return makers(seed) if flow is Trading.MAKERS else nobody


def _amount(field: str, text: str) -> Decimal:
    from ledger.errors import InvalidInputError
    from ledger.values import decimal_from

    try:
        amount = decimal_from(text)
    except ValueError as error:
        raise InvalidInputError(field, str(error)) from None
    if amount < 0:
        raise InvalidInputError(field, "must not be negative")
    return amount


def _share(field: str, text: str) -> Decimal:
    share = _amount(field, text)
    if share > 1:
        from ledger.errors import InvalidInputError

        raise InvalidInputError(field, "must be from 0 to 1")
    return share


async def _serve(
    common: Base,
    app: "ExchangeApp",
    port: int,
    ready_file: Path | None,
    wallets: int,
    amounts: tuple[Decimal, Decimal],
    parent_pid: int | None,
) -> None:
    from executors.exchange.server import ExchangeServer
    from executors.exchange.setup import make_wallets, ready, write_ready

    server = ExchangeServer(app, port=port)
    cash, shares = amounts
    made = make_wallets(
        app.exchange, app.config.seed, wallets, cash=cash, shares=shares
    )

    def on_listening() -> None:
        if ready_file is not None:
            described = ready(server.base, app.exchange.markets(), made)
            write_ready(ready_file, described)
        common.say(f"listening on {server.base}; Ctrl-C ends it")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    watcher = None
    if parent_pid is not None:
        watcher = asyncio.create_task(_watch(parent_pid, server))
    try:
        await server.serve(on_listening)
    finally:
        if watcher is not None:
            watcher.cancel()


async def _watch(parent_pid: int, server: "ExchangeServer") -> None:
    """Stop the server when the process that wanted it has gone."""
    from executors.exchange.parent import gone

    await gone(parent_pid)
    server.stop()
