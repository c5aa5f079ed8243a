"""What every test shares: how hypothesis searches, and what runs first."""

import os

import pytest
from hypothesis import settings

# No deadline in either profile: a busy machine must not turn a green test red.
settings.register_profile("dev", deadline=None)
# In CI the same commit must give the same answer, so the examples are not random.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

LONGEST = ("tests/reliability/", "tests/e2e/", "tests/property/")
"""They start real processes or search long: begun last, they would run alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; within each part the order stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
