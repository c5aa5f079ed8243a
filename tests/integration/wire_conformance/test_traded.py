"""Every life cycle that an exchange can bring about, brought about by the exchange."""

from pathlib import Path

import pytest

from tests.integration.failure_modes.bot import play
from tests.integration.polymarket_live.in_loop import Scene
from tests.integration.wire_conformance.runner import SCENARIOS, Step
from tests.integration.wire_conformance.traded import (
    NOT_TRADED,
    TradedScenario,
    engine_for,
)


def run(folder: Path, steps: list[Step]) -> None:
    """Run one scenario to its end."""

    async def story(at: Scene) -> None:
        await TradedScenario(at, folder, steps).run()

    play(story, **engine_for(steps))


@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - NOT_TRADED.keys()))
def test_scenario_ends_as_expected(name: str, tmp_path: Path) -> None:
    """The same ends, with matching, settlement and money of a real market."""
    run(tmp_path, SCENARIOS[name])


def test_what_is_not_traded_is_among_the_scenarios() -> None:
    """A list of exceptions must not outlive them."""
    assert NOT_TRADED.keys() < SCENARIOS.keys()


def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    """A runner that cannot fail would prove nothing."""
    steps: list[Step] = [
        {"do": "place", "size": "10", "price": "0.45", "side": "BUY", "tif": "GTC"},
        {"do": "post", "answer": "live"},
        {"do": "fill", "trade": "t1", "size": "6", "price": "0.45"},
        {"expect": {"status": "PARTIAL_FILL", "filled": "7"}},
    ]
    with pytest.raises(AssertionError, match="expected"):
        run(tmp_path, steps)
