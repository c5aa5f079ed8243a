"""What the tests of the venue's clients leave behind, cleared away."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def former_client_closed() -> Iterator[None]:
    """Close the former client's one connection pool, which it opens on import."""
    yield
    helpers = sys.modules.get("py_clob_client.http_helpers.helpers")
    if helpers is not None:
        helpers._http_client.close()
