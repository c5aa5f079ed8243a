"""Every fault on, a process that dies between steps: nothing lost, nothing doubled."""

import os
from collections import Counter
from pathlib import Path

import pytest

from executors.exchange.faults import STREAM_KINDS
from tests.reliability.chaos.life import (
    STEPS,
    Hasty,
    MortalExecutor,
    Rejecting,
    Resigning,
)
from tests.reliability.chaos.world import Plan, Report, faults, run

KINDS = {rule.kind for rule in faults(duplicates_accepted=True)}
SEEDS = int(os.environ.get("CHAOS_SEEDS", "20"))


def lived(plan: Plan, folder: Path) -> Report:
    """Run a plan and say what happened in it, for whoever reads a red test."""
    report = run(plan, folder)
    print(f"seed {plan.seed}: {dict(report.counts)}")
    print(f"  fired {dict(report.fired)}")
    print(f"  died {dict(report.died)}")
    return report


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_nothing_is_lost_or_doubled(seed: int, tmp_path: Path) -> None:
    """The promise: one order per accepted intent, and both books agree on all of it.

    Seeds take turns between a venue that refuses a second post of one order and
    one that answers as if it were the first.
    """
    plan = Plan(seed, intents=60, kills=4)
    report = lived(plan, tmp_path)
    assert report.problems == []
    assert report.died.total() == plan.kills
    # A run in which nothing went wrong, or nothing was traded, would prove nothing.
    assert len(+report.fired) >= 12
    assert report.counts["orders at the exchange"] >= 20
    assert report.counts["fills"] >= 10


def test_one_seed_is_one_run(tmp_path: Path) -> None:
    """A failure that cannot be repeated cannot be repaired.

    The digest is that of the whole log and of everything at the exchange.
    """
    plans = [Plan(5, intents=40, kills=3)] * 2 + [Plan(6, intents=40, kills=3)]
    one, again, other = (
        run(plan, tmp_path / str(number)) for number, plan in enumerate(plans)
    )
    assert one.digest == again.digest
    assert one.fired == again.fired
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("bug", "said"),
    [
        (Resigning, "nobody knows of it"),
        (Rejecting, "was told refused, but is there"),
        (Hasty, "unknown_order"),
    ],
)
def test_a_planted_bug_is_found(
    bug: type[MortalExecutor], said: str, tmp_path: Path
) -> None:
    """A check that cannot fail proves nothing."""
    report = run(Plan(3, intents=40, kills=3, executor=bug), tmp_path)
    assert any(said in problem for problem in report.problems), report.problems


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_over_a_thousand_intents(tmp_path: Path) -> None:
    """20 deaths in each of both worlds; every fault and every place to die occurs."""
    fired: Counter[str] = Counter()
    for seed in (11, 12):
        plan = Plan(seed, intents=1000, kills=20)
        report = lived(plan, tmp_path / str(seed))
        assert report.problems == []
        assert report.died.total() == plan.kills
        fired += report.fired
    assert {kind for kind in KINDS if not fired[kind]} == set()
    assert fired.keys() >= STREAM_KINDS


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_whatever_the_seed(tmp_path: Path) -> None:
    """Many short runs are many interleavings; each place to die is met."""
    fired: Counter[str] = Counter()
    died: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for seed in range(101, 101 + SEEDS):
        plan = Plan(seed, intents=60, kills=6)
        report = lived(plan, tmp_path / str(seed))
        assert report.problems == [], f"seed {seed}"
        fired += report.fired
        died += report.died
        counts += report.counts
    print(f"in all: {dict(counts)}, fired {dict(fired)}, died {dict(died)}")
    # A venue that is asked twice for one order is what all of this is about.
    assert counts["second posts"] > 0
    assert {kind for kind in KINDS if not fired[kind]} == set()
    assert {step for step in STEPS if not died[step]} == set()
