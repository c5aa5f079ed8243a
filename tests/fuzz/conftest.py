"""How long the fuzzer looks, at what, and what it was answered."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fuzz.target import ANSWERS, OPTIONS, Target, fill, serving


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the fuzzer looks."""
    parser.addoption(
        "--fuzz-examples",
        type=int,
        default=OPTIONS.examples,
        help=f"generated requests to each operation of the API ({OPTIONS.examples})",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collecting builds the tests, and needs to know."""
    OPTIONS.examples = config.getoption("--fuzz-examples")


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A service with orders, fills, a drift and pages."""
    with serving(tmp_path_factory.mktemp("ledger")) as found:
        fill(found)
        yield found


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how much was asked, and what was answered."""
    if not ANSWERS:
        return
    every: Counter[int] = sum(ANSWERS.values(), Counter())
    terminalreporter.section("answers of the API")
    for label, counts in [*sorted(ANSWERS.items()), ("all", every)]:
        told = " ".join(f"{status}: {n}" for status, n in sorted(counts.items()))
        terminalreporter.write_line(f"{label:44} {counts.total():6}  {told}")
