"""The venue's live market data, as the settings name it: read once, or recorded."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

import msgspec

from config import ConfigError, Settings
from config.errors import ConfigProblem
from executors.market_data import BookSnapshot, Frame, Recorder
from executors.market_data.live import LiveFeed, LiveSettings
from executors.market_data.rest import PublicRest
from executors.market_data.times import unix_ms
from ledger.clock import Clock
from ledger.errors import InvalidInputError, VenueError
from ledger.market import Market
from ledger.values import Outcome

_SILENT_PINGS: Final = 3
_LONGEST_WAIT_SEC: Final = 30

OnFrame = Callable[["Recorded"], None]


class Seen(msgspec.Struct, frozen=True):
    """A market's terms and the books of both tokens, YES first, as just answered."""

    market: Market
    frames: tuple[Frame, ...]


class Recorded(msgspec.Struct):
    """What a recording holds so far: frames, and the breaks between them."""

    frames: int = 0
    gaps: int = 0


def require_live(settings: Settings) -> None:
    """Refuse to reach for the network unless the settings say so.

    Raises:
        ConfigError: `market_data.source` is not live.
    """
    if settings.market_data.source != "live":
        message = "must be live to record; add --set market_data.source=live"
        problem = ConfigProblem("settings", "market_data.source", message)
        raise ConfigError([problem])


async def see_market(settings: Settings, market_id: str, clock: Clock) -> Seen:
    """Ask the venue once for a market's terms and for both of its books.

    Raises:
        VenueError: no usable answer, or no such market or book; names the host.
    """
    async with PublicRest(settings.polymarket.host) as rest:
        try:
            market = await rest.market(market_id)
            tokens = [market.token(outcome) for outcome in Outcome]
            texts = await asyncio.gather(*map(rest.book_text, tokens))
        except VenueError as error:
            raise _named(settings, error) from error
    now_ms = unix_ms(clock.now())
    frames = tuple(
        Frame(sequence=number, received_ms=now_ms, text=text, source="live")
        for number, text in enumerate(texts, start=1)
    )
    for token, frame in zip(tokens, frames, strict=True):
        if not _is_book_of(frame, market_id, token):
            msg = f"GET /book: the answer is no book of token {token}"
            raise _named(settings, VenueError(msg))
    return Seen(market, frames)


def _is_book_of(frame: Frame, market_id: str, token_id: str) -> bool:
    facts, errors = frame.parsed()
    if errors or len(facts) != 1 or not isinstance(facts[0], BookSnapshot):
        return False
    return (facts[0].market_id, facts[0].token_id) == (market_id, token_id)


async def markets_of(settings: Settings, market_ids: Iterable[str]) -> list[Market]:
    """Ask the venue for the terms of markets, each once.

    Raises:
        VenueError: no usable answer, or no such market; names the host.
    """
    async with PublicRest(settings.polymarket.host) as rest:
        try:
            return [await rest.market(name) for name in dict.fromkeys(market_ids)]
        except VenueError as error:
            raise _named(settings, error) from error


async def record(
    settings: Settings,
    markets: Iterable[Market],
    out: Path,
    clock: Clock,
    *,
    limit: asyncio.Timeout,
    max_frames: int | None = None,
    on_frame: OnFrame = lambda _: None,
) -> Recorded:
    """Write the venue's market channel to a new file until told to stop.

    Args:
        settings: Where the channel is.
        markets: Whose tokens to subscribe to.
        out: The file; every frame is in it as soon as it has come.
        clock: The machine's.
        limit: Ends the recording when it expires; whoever holds it may let it
            expire at once.
        max_frames: Ends it after so many frames, breaks not counted.
        on_frame: Told after each line of the file.

    Raises:
        InvalidInputError: the file is there already.
        RecordingError: it cannot be written.
        VenueError: nothing came at all; no file is left.
    """
    _refuse_present(out)
    done = Recorded()
    with Recorder(out) as recorder:
        try:
            async with limit, live_frames(settings, markets, clock) as frames:
                async for frame in frames:
                    recorder.write(frame)
                    done.gaps += bool(frame.gap)
                    done.frames += not frame.gap
                    on_frame(done)
                    if done.frames == max_frames:
                        break
        except TimeoutError:
            pass  # the regular end
        finally:
            if not done.frames:
                _remove(out)  # breaks alone are no recording
    if not done.frames:
        msg = f"{_host(settings.polymarket.ws_market_url)}: no frame came"
        raise VenueError(msg)
    return done


def _refuse_present(out: Path) -> None:
    if out.exists():
        field = "out"
        raise InvalidInputError(field, f"{out} exists already")


def _remove(out: Path) -> None:
    out.unlink(missing_ok=True)


@asynccontextmanager
async def live_frames(
    settings: Settings, markets: Iterable[Market], clock: Clock
) -> AsyncIterator[AsyncGenerator[Frame]]:
    """The frames of the markets' tokens; YES first, which is how a replay tells."""
    async with (
        live_feed(settings, markets, clock) as feed,
        aclosing(feed.frames()) as frames,
    ):
        yield frames


@asynccontextmanager
async def live_feed(
    settings: Settings, markets: Iterable[Market], clock: Clock
) -> AsyncIterator[LiveFeed]:
    """The feed itself, for whoever asks for fresh books in between."""
    tokens = [market.token(outcome) for market in markets for outcome in Outcome]
    ping_sec = settings.market_data.ping_interval_sec
    delay_sec = settings.market_data.reconnect_delay_ms / 1000
    chosen = LiveSettings(
        url=settings.polymarket.ws_market_url,
        ping_interval_sec=ping_sec,
        silence_sec=_SILENT_PINGS * ping_sec,
        backoff_base_sec=delay_sec,
        backoff_max_sec=max(_LONGEST_WAIT_SEC, delay_sec),
    )
    async with PublicRest(settings.polymarket.host) as rest:
        rng = Random()  # noqa: S311 -- jitter, not secrecy
        yield LiveFeed(chosen, tokens, rest=rest, clock=clock, rng=rng)


def _named(settings: Settings, error: VenueError) -> VenueError:
    return VenueError(f"{_host(settings.polymarket.host)}: {error}")


def _host(address: str) -> str:
    """Host and port alone: the rest of an address may hold a password."""
    return urlsplit(address).netloc.rpartition("@")[2]
