"""Every life cycle again, over a wire that says what the scenario says."""

from pathlib import Path

import pytest

from tests.integration.failure_modes.bot import play
from tests.integration.polymarket_live.in_loop import Scene
from tests.integration.wire_conformance.dialects import DIALECTS, Dialect
from tests.integration.wire_conformance.runner import SCENARIOS, Step
from tests.integration.wire_conformance.scripted import ScriptedScenario


def run(folder: Path, steps: list[Step], dialect: Dialect) -> None:
    """Run one scenario to its end."""

    async def story(at: Scene) -> None:
        await ScriptedScenario(at, folder, steps, dialect).run()

    play(story)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_ends_as_expected(name: str, dialect: str, tmp_path: Path) -> None:
    """Answers, frames and rows are read as what they mean, however they are spelt."""
    run(tmp_path, SCENARIOS[name], DIALECTS[dialect])


def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    """A runner that cannot fail would prove nothing."""
    steps: list[Step] = [
        {"do": "place", "size": "10", "price": "0.45", "side": "BUY", "tif": "GTC"},
        {"do": "post", "answer": "live"},
        {"expect": {"status": "CONFIRMED", "filled": "10"}},
    ]
    with pytest.raises(AssertionError, match="PLACED"):
        run(tmp_path, steps, DIALECTS["captured"])
