"""The shared scenarios of an order's life, folded without a manager."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.core.conformance import OWN_COPY, Runner, load

SCENARIOS = load()["scenarios"]
SHARED = Path(__file__).parents[4] / "shared" / "conformance" / "lifecycle.json"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s["id"])
def test_scenario_holds_after_every_step(scenario: dict[str, Any]) -> None:
    """Each scenario is a case in which a bot has lost money or track of it."""
    Runner().run(scenario["steps"])


@pytest.mark.skipif(not SHARED.exists(), reason="the shared scenarios are not here")
def test_our_copy_is_the_shared_one() -> None:
    """A copy that has drifted would prove conformance to something else."""
    assert load(OWN_COPY) == load(SHARED)


def test_the_runner_notices_a_wrong_expectation() -> None:
    """A runner that cannot fail would pass every scenario."""
    steps: list[dict[str, Any]] = [
        {"do": "place", "size": "100", "price": "0.40", "side": "BUY", "tif": "GTC"},
        {"do": "post", "answer": "live"},
        {"expect": {"status": "CONFIRMED"}},
    ]
    with pytest.raises(AssertionError, match="CONFIRMED"):
        Runner().run(steps)


def test_the_runner_refuses_a_step_it_does_not_know() -> None:
    """A new kind of step must not be skipped in silence."""
    place = {"do": "place", "size": "1", "price": "0.4", "side": "BUY", "tif": "GTC"}
    with pytest.raises(AssertionError, match="dance"):
        Runner().run([place, {"do": "dance"}])
