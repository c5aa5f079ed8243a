"""A ledger told by hand, and its read models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.store import LedgerStore
from projections import ReadModels, Record
from tests.integration.projections.histories import ACCOUNT, History, opened


@pytest.fixture
def history() -> History:
    """An empty history."""
    return History()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LedgerStore]:
    """An empty ledger on disk."""
    with opened(tmp_path / "ledger.db") as store:
        yield store


@pytest.fixture
def models(tmp_path: Path) -> Iterator[ReadModels]:
    """Read models without a file yet."""
    with ReadModels(tmp_path / "read_models.db", ACCOUNT) as models:
        yield models


class Shown:
    """What the read models show of a history."""

    def __init__(self, store: LedgerStore, models: ReadModels) -> None:
        self._store = store
        self._models = models
        self._written = 0

    def rows(self, history: History, name: str) -> list[Record]:
        """All rows of one read model, after everything told so far."""
        self._store.append(history.requests[self._written :])
        self._written = len(history.requests)
        self._models.catch_up(self._store)
        return self._models.query(name)

    def row(self, history: History, name: str) -> Record:
        """The only row of one read model."""
        [row] = self.rows(history, name)
        return row


@pytest.fixture
def shown(store: LedgerStore, models: ReadModels) -> Shown:
    """Writes a history and asks for rows."""
    return Shown(store, models)
