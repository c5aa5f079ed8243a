"""A running service for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.http.running import Service, running


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on a fresh ledger with one market."""
    async with running(tmp_path) as found:
        yield found
