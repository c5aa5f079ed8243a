"""The live feed against a local server that breaks off, babbles and falls silent."""

import asyncio
import json
import logging
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from executors.market_data import BookKeeper, Frame, Recorder, read_recording
from executors.market_data.live import LiveFeed, LiveSettings
from executors.market_data.rest import PublicRest
from ledger.errors import VenueError
from tests.integration.market_data.local_venue import (
    LocalVenue,
    Script,
    TestClock,
    answers_pings,
    says,
    says_and_leaves,
    silence,
)
from tests.unit.market_data.messages import FIXTURES, YES, book, change, entry, text

BOOK_PATH = f"/book?token_id={YES}"
REST_BOOK = book(at=5)


async def taken(
    venue: LocalVenue,
    count: int,
    *,
    clock: TestClock | None = None,
    with_rest: bool = True,
    refresh_at: int = 0,
    dawdle_sec: float = 0,
    **settings: Any,
) -> list[Frame]:
    """Run a feed against the venue until it gave `count` frames."""
    frames: list[Frame] = []
    clock = clock or TestClock()
    chosen = LiveSettings(url=venue.url, trust_env=False, **settings)
    async with PublicRest(venue.host, trust_env=False) as rest:
        feed = LiveFeed(
            chosen,
            [YES],
            rest=rest if with_rest else None,
            clock=clock,
            rng=Random(7),
        )
        async with asyncio.timeout(20), aclosing(feed.frames()) as stream:
            async for frame in stream:
                frames.append(frame)
                clock.ahead_sec += dawdle_sec
                if len(frames) == refresh_at:
                    feed.refresh(YES)
                if len(frames) == count:
                    break
    return frames


def venue_that(*scripts: Script, book_answer: Any = REST_BOOK) -> LocalVenue:
    return LocalVenue(*scripts, answers={BOOK_PATH: book_answer})


def kept(frames: list[Frame]) -> BookKeeper:
    keeper = BookKeeper()
    for frame in frames:
        keeper.feed(frame)
    return keeper


async def test_connect_gives_a_break_a_fresh_book_and_the_stream() -> None:
    """What came before the connection is unknown, so the book comes first."""
    update = text(change(entry("BUY", "0.5", "1", best_bid="0.5"), at=6))
    async with venue_that(says(update)).running() as venue:
        frames = await taken(venue, 3)
    assert [frame.gap for frame in frames] == ["the feed starts", "", ""]
    assert [frame.sequence for frame in frames] == [1, 2, 3]
    assert frames[0].received_ms < frames[2].received_ms
    assert json.loads(frames[1].text) == REST_BOOK
    assert frames[2].text == update
    best = kept(frames).book(YES)
    assert best is not None
    assert str(best.best_bid and best.best_bid.price) == "0.5"


async def test_subscription_is_the_documented_one() -> None:
    """Without the custom features there is no resolution message."""
    async with venue_that(says("[]")).running() as venue:
        await taken(venue, 3)
    expected = {"assets_ids": [YES], "type": "market", "custom_feature_enabled": True}
    assert venue.subscriptions == [expected]
    if FIXTURES.is_dir():
        documented = json.loads((FIXTURES / "ws_market_subscribe.json").read_text())
        assert documented.keys() == expected.keys()


async def test_cut_connection_is_a_break_then_a_new_book() -> None:
    """What happened meanwhile is lost, and the book must not pretend otherwise."""
    lost = text(change(entry("BUY", "0.5", "1"), at=6))
    first, second = says_and_leaves(lost), says(text(book(at=9)))
    async with venue_that(first, second).running() as venue:
        frames = await taken(venue, 6)
    assert [bool(frame.gap) for frame in frames] == [
        True,  # the feed starts
        False,  # the book
        False,  # the change
        True,  # cut off
        False,  # the book again
        False,  # the new connection's own
    ]
    assert frames[3].gap.startswith("connection lost: ")
    assert len(venue.subscriptions) == 2
    assert kept(frames[:4]).book(YES) is None
    assert kept(frames).book(YES) is not None


async def test_garbage_does_not_end_the_stream() -> None:
    """The venue answers some errors with plain text."""
    good = text(change(entry("BUY", "0.5", "1"), at=6))
    async with venue_that(says("INVALID OPERATION", b"\xff\x00", good)).running() as v:
        frames = await taken(v, 5)
    keeper = kept(frames)
    assert keeper.stats().quarantined == 2
    assert keeper.stats().changes == 1


async def test_silence_is_a_lost_connection() -> None:
    """A dead peer does not close; only its missing PONG tells."""
    async with venue_that(silence, answers_pings).running() as venue:
        frames = await taken(venue, 5, ping_interval_sec=0.02, silence_sec=0.1)
    assert frames[2].gap == "connection lost: silence"
    assert frames[4].text == "PONG"


async def test_answered_pings_keep_the_connection() -> None:
    """A quiet market is not a dead connection."""
    async with venue_that(answers_pings).running() as venue:
        frames = await taken(venue, 12, ping_interval_sec=0.02, silence_sec=5)
    assert [frame.text for frame in frames[2:]] == ["PONG"] * 10
    assert len(venue.subscriptions) == 1


async def test_slow_reader_is_not_a_silent_venue() -> None:
    """Time that the caller took says nothing about the connection."""
    async with venue_that(says("[]", "[]", "[]")).running() as venue:
        frames = await taken(venue, 5, dawdle_sec=60)
    assert [frame.gap for frame in frames] == ["the feed starts", "", "", "", ""]


async def test_missing_rest_book_leaves_the_channel() -> None:
    """The channel sends a book of its own after the subscription."""
    own = text(book())
    async with LocalVenue(says(own)).running() as venue:
        frames = await taken(venue, 2)
    assert frames[1].text == own
    assert venue.asked == [BOOK_PATH]


async def test_feed_works_without_rest() -> None:
    """Then only the channel's own books count."""
    async with LocalVenue(says(text(book()))).running() as venue:
        frames = await taken(venue, 2, with_rest=False)
    assert venue.asked == []
    assert kept(frames).book(YES) is not None


async def test_refresh_fetches_a_book_at_once() -> None:
    """A book that was found wrong must not wait for the next reconnect."""
    wrong = text(change(entry("BUY", "0.3", "1", best_bid="0.5"), at=6))
    later = book(at=7)
    venue = venue_that(says(wrong), book_answer=[REST_BOOK, later])
    async with venue.running():
        frames = await taken(venue, 4, refresh_at=3)
    assert kept(frames[:3]).diverged() == [YES]
    assert json.loads(frames[3].text) == later
    assert kept(frames).book(YES) is not None


async def test_waits_double_up_to_a_bound_with_jitter() -> None:
    """A venue that comes back must not be met by every client at once."""
    venue = LocalVenue()
    async with venue.running():
        pass  # its port is now closed
    clock = TestClock()
    await taken(venue, 8, clock=clock, backoff_base_sec=1, backoff_max_sec=10)
    bounds = [1, 2, 4, 8, 10, 10]
    shares = [waited / bound for waited, bound in zip(clock.slept, bounds, strict=True)]
    assert all(0.5 <= share <= 1 for share in shares)
    assert len(set(shares)) == len(bounds)


async def test_success_ends_the_doubling() -> None:
    """One bad hour a week ago is no reason to wait half a minute today."""
    clock = TestClock()
    scripts = [says_and_leaves("[]")] * 4
    async with venue_that(*scripts).running() as venue:
        await taken(venue, 12, clock=clock, backoff_base_sec=1)
    assert len(clock.slept) >= 3
    assert max(clock.slept) <= 1


async def test_impossible_address_is_an_error_not_a_loop() -> None:
    """A typing error in the configuration must be seen."""
    settings = LiveSettings(url="http://127.0.0.1/ws")
    feed = LiveFeed(settings, [YES], rest=None, clock=TestClock(), rng=Random(7))
    stream = aiter(feed)
    assert (await anext(stream)).gap
    with pytest.raises(VenueError, match="http://127"):
        await anext(stream)


async def test_recorded_feed_replays_to_the_same_books(tmp_path: Path) -> None:
    """What was traded on can be looked at again."""
    update = text(change(entry("BUY", "0.5", "1"), at=6))
    scripts = says_and_leaves(update), says(text(book(at=9)))
    async with venue_that(*scripts).running() as venue:
        frames = await taken(venue, 6)
    with Recorder(tmp_path / "r") as recorder:
        for frame in frames:
            recorder.write(frame)
    replayed = kept(list(read_recording(tmp_path / "r")))
    assert replayed.stats() == kept(frames).stats()
    assert replayed.stats().gaps == 2


def test_network_libraries_do_not_log_what_they_carry() -> None:
    """At DEBUG they would print credentials of other connections."""
    names = ("websockets", "httpx2", "httpcore2")
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    PublicRest("http://127.0.0.1")
    assert not any(logging.getLogger(name).isEnabledFor(10) for name in names)
    assert logging.getLogger("httpcore2.http11").getEffectiveLevel() >= logging.WARNING
