"""kill -9 at any instant: what was acknowledged is there."""

from pathlib import Path

import pytest

from tests.reliability import killer


def test_nothing_acknowledged_is_lost_over_300_kills(tmp_path: Path) -> None:
    """The promise everything else stands on.

    `ready` is written after opening, so each of the 300 starts has also
    verified the log that the kill before it left behind.
    """
    outcome = killer.run(
        tmp_path / "ledger.db",
        kills=300,
        children=[killer.append_directly, killer.append_in_groups],
        seed=11,
    )
    assert outcome.lost == set()
    assert outcome.problems == []
    assert outcome.positions_are_gapless
    # A run that acknowledged next to nothing would have proved nothing.
    assert outcome.acknowledged > outcome.kills
    # At most what was under way at the kill: one request, or a group of 7.
    assert len(outcome.extra) <= outcome.kills * 7


def test_an_early_acknowledgement_is_caught(tmp_path: Path) -> None:
    """A check that cannot fail proves nothing: this bug is planted."""
    outcome = killer.run(
        tmp_path / "ledger.db",
        kills=40,
        children=[killer.acknowledge_too_early],
        seed=12,
    )
    assert outcome.lost != set()


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_over_5000_kills(tmp_path: Path) -> None:
    """The nightly amount."""
    outcome = killer.run(
        tmp_path / "ledger.db",
        kills=5000,
        children=[killer.append_directly, killer.append_in_groups],
        seed=13,
    )
    assert outcome.lost == set()
    assert outcome.problems == []
    assert outcome.positions_are_gapless
