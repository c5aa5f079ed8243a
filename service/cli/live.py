"""`record`, and what `place` takes from the live venue instead of a recording."""

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from service.cli.options import Base, command

if TYPE_CHECKING:
    from config import Settings
    from service.bootstrap import OpenLedger
    from service.live import Recorded, Seen

_EVERY_SEC: Final = 5.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "record")(record)


def record(
    common: Base,
    market: Annotated[
        list[str], typer.Option(metavar="ID", help="A condition id; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new file, plain text.")],
    seconds: Annotated[
        float | None, typer.Option(min=0.1, metavar="N", help="Stop after so long.")
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after so many frames.")
    ] = None,
) -> None:
    """Record live books of markets.

    Needs `market_data.source: live`. Ctrl-C ends it; the file is whole at any time.

    \b
    Examples:
      order-ledger record --market 0xabc --out frames.jsonl --seconds 600 \\
        --set market_data.source=live
      ORDER_LEDGER_MARKET_DATA__SOURCE=live \\
        order-ledger record --market 0xabc --market 0xdef --out frames.jsonl
    """
    from service.live import require_live

    settings = common.settings()
    require_live(settings)
    done = asyncio.run(_record(common, settings, market, out, seconds, max_frames))
    common.say(f"{out}: {done.frames} frames, {done.gaps} breaks")


async def _record(
    common: Base,
    settings: "Settings",
    names: list[str],
    out: Path,
    seconds: float | None,
    max_frames: int | None,
) -> "Recorded":
    from ledger.errors import VenueError
    from service.bootstrap import SystemClock
    from service.live import markets_of
    from service.live import record as record_into

    clock, loop = SystemClock(), asyncio.get_running_loop()
    said_at = clock.monotonic()

    def on_frame(done: "Recorded") -> None:
        nonlocal said_at
        if clock.monotonic() - said_at >= _EVERY_SEC:
            said_at = clock.monotonic()
            common.say(f"{done.frames} frames, {done.gaps} breaks")

    try:
        markets = await markets_of(settings, names)
        limit = asyncio.timeout(seconds)
        for number in (signal.SIGINT, signal.SIGTERM):
            # A recording without end is ended this way: no failure.
            loop.add_signal_handler(number, lambda: limit.reschedule(loop.time()))
        common.say(f"recording {len(markets)} markets into {out}; Ctrl-C ends it")
        return await record_into(
            settings,
            markets,
            out,
            clock,
            limit=limit,
            max_frames=max_frames,
            on_frame=on_frame,
        )
    except VenueError as error:
        raise _unanswered(error) from error


def live_market(settings: "Settings", market_id: str) -> "Seen | None":
    """What the venue says of a market now; `None` unless the source is live.

    Raises:
        Failure: no usable answer; exit code 5, and nothing was written.
    """
    if settings.market_data.source != "live":
        return None
    from ledger.errors import VenueError
    from service.bootstrap import SystemClock
    from service.live import see_market

    try:
        return asyncio.run(see_market(settings, market_id, SystemClock()))
    except VenueError as error:
        raise _unanswered(error) from error


async def feed_live(opened: "OpenLedger", seen: "Seen") -> None:
    """List the market by the venue's terms and show its books to the paper venue."""
    import msgspec

    from service.cli.market import show_books

    market, known = seen.market, opened.journal.state.markets.get(seen.market.market_id)
    if known is not None:
        # The venue's answer has no such fields; what a file said of them stays.
        market = msgspec.structs.replace(market, slug=known.slug, group=known.group)
    await opened.manager.account.list_market(market)
    for frame in seen.frames:
        opened.books.feed(frame)
    show_books(opened, market)


def _unanswered(error: Exception) -> Exception:
    from service.cli.failures import Exit, Failure

    hint = "nothing was recorded; check the id, `polymarket.host` and the network"
    return Failure(Exit.VENUE, "venue", str(error), hint=hint)
