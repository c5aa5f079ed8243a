"""A dashboard for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.web.serving import Served, serving


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A dashboard on a new ledger with one market."""
    async with serving(tmp_path) as found:
        yield found
