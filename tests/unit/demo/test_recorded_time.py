"""Recorded time and the order in which things are told."""

import asyncio
from datetime import UTC, datetime

from examples.strategy import PriceTick
from executors.market_data import Frame
from service.recorded_time import SimulatedClock, merged
from tests.e2e.market import tick

START_MS = 1_767_614_400_000


class TestClock:
    def test_it_shows_recorded_time(self) -> None:
        """Every event's time is the recording's, not the machine's."""
        clock = SimulatedClock(START_MS)
        assert clock.now() == datetime(2026, 1, 5, 12, tzinfo=UTC)
        assert (clock.now_us(), clock.monotonic()) == (START_MS * 1_000, START_MS / 1e3)

    def test_it_never_runs_backwards(self) -> None:
        """Frames may be received out of order."""
        clock = SimulatedClock(START_MS)
        clock.move_to(START_MS - 1)
        assert clock.now_ms == START_MS

    def test_sleeping_lets_time_pass_and_no_more(self) -> None:
        """Waiting costs recorded time only."""
        clock = SimulatedClock(START_MS)
        asyncio.run(clock.sleep(0.05))
        assert clock.now_ms == START_MS + 50

    def test_whoever_sleeps_lets_the_driver_go_on(self) -> None:
        """So the market moves while an order is on its way."""
        clock, asked = SimulatedClock(START_MS), []

        async def driver(until_ms: int) -> None:
            asked.append(until_ms)
            clock.move_to(until_ms + 7)

        clock.on_sleep = driver
        asyncio.run(clock.sleep(0.05))
        assert asked == [START_MS + 50]
        assert clock.now_ms == START_MS + 57


class TestMerged:
    def test_prices_come_before_frames_of_the_same_moment(self) -> None:
        """The price is what the quotes answer to."""
        frames = [Frame(sequence=n, received_ms=START_MS + n) for n in (0, 2, 4)]
        ticks = [tick(n / 1_000, "1") for n in (1, 2, 5)]
        told = [
            ("tick", item.ts_ms - START_MS)
            if isinstance(item, PriceTick)
            else ("frame", item.received_ms - START_MS)
            for item in merged(frames, ticks)
        ]
        assert told == [
            ("frame", 0),
            ("tick", 1),
            ("tick", 2),
            ("frame", 2),
            ("frame", 4),
            ("tick", 5),
        ]
