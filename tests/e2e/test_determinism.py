"""The same recording, seed and strategies give the same log, byte for byte."""

from pathlib import Path
from random import Random

from examples.pair_arbitrage import PairArbitrage
from examples.strategy import PriceTick
from examples.temporal_arbitrage import TemporalArbitrage, Window
from executors.market_data import Tick
from executors.market_data.generator import generate_frames, windows_of
from ledger.values import OrderStatus
from service.recorded_time import merged
from tests.e2e.market import Story, pair_tape, played
from tests.unit.demo.test_generator import walk


async def run(path: Path, ticks: list[Tick], seed: int) -> Story:
    windows = windows_of(ticks)
    asked = {
        window.market.market_id: Window(
            strike=window.strike or ticks[0].price,
            start_ms=window.start_sec * 1_000,
            end_ms=window.end_sec * 1_000,
        )
        for window in windows
    }
    frames = generate_frames(windows, ticks, rng=Random(7))
    return await played(
        path,
        list(merged(frames, [PriceTick(t.ts_ms, t.price) for t in ticks])),
        PairArbitrage(),
        TemporalArbitrage(asked),
        markets=[window.market for window in windows],
        seed=seed,
        settle_jitter_ms=2_000,
    )


async def test_two_runs_have_the_same_head(tmp_path: Path) -> None:
    """The head's hash stands for every byte of every event before it."""
    ticks = walk(300)
    one = await run(tmp_path / "one", ticks, seed=1)
    two = await run(tmp_path / "two", ticks, seed=1)
    assert len(one.orders) > 5
    assert one.head_hash == two.head_hash


async def test_another_seed_is_another_log(tmp_path: Path) -> None:
    """Ids and settlement follow from the seed, so a copied hash would show."""
    ticks = walk(300)
    one = await run(tmp_path / "one", ticks, seed=1)
    two = await run(tmp_path / "two", ticks, seed=2)
    assert one.head_hash != two.head_hash


async def test_a_restart_goes_on_with_what_stands(tmp_path: Path) -> None:
    """Quotes of before the restart are found in the ledger, not placed again."""
    frames = pair_tape().frames
    first = await played(tmp_path, frames[:4], PairArbitrage(), finish=False)
    again = await played(tmp_path, frames[4:], PairArbitrage())
    assert len(first.orders) == 2
    bought = [o for o in again.orders if o.status is OrderStatus.CONFIRMED]
    assert {o.order_id for o in bought} == {o.order_id for o in first.orders}


async def test_the_same_books_again_double_nothing(tmp_path: Path) -> None:
    """After a restart the same moment asks under the same keys."""
    frames = pair_tape().frames[:2]
    first = await played(tmp_path, frames, PairArbitrage())
    again = await played(tmp_path, frames, PairArbitrage())
    assert len(first.orders) == 2
    assert [o.order_id for o in again.orders] == [o.order_id for o in first.orders]
