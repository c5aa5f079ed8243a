"""More rows than fit one statement, and orders that outlive many batches."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.store import LedgerStore
from ledger.values import Outcome, Settlement, Side
from projections import ReadModels
from projections.loading import BATCH
from tests.integration.projections.histories import ACCOUNT, History

VENUE_TIME = int(datetime(2026, 9, 19, 13, tzinfo=UTC).timestamp() * 1_000_000)


def kept_one_by_one(store: LedgerStore, path: Path, requests: list[object]) -> bytes:
    """The rows of models that took in every request as it came."""
    with ReadModels(path / "kept.db", ACCOUNT) as models:
        models.catch_up(store)
        for request in requests:
            store.append([request])  # type: ignore[list-item]
            models.catch_up(store)
        return models.dump()


@pytest.mark.parametrize("count", [29, 30, 31, 75])
def test_every_row_is_written_however_many_there_are(
    history: History, store: LedgerStore, models: ReadModels, count: int
) -> None:
    """Rows are written in groups: the last, smaller one must not be forgotten."""
    for _ in range(count):
        number = history.order()
        history.settle(number, history.fill(number), Settlement.CONFIRMED)
    history.write(store, together=100)
    models.rebuild(store)
    ids = [order.order_id for order in history.orders]
    assert [row["order_id"] for row in models.query("orders")] == ids
    assert [row["order_id"] for row in models.query("fills")] == ids
    assert {row["settlement"] for row in models.query("fills")} == {"CONFIRMED"}


@pytest.mark.parametrize("batch", [1, 3, 20, BATCH])
def test_an_order_that_outlives_its_batch_is_built_as_it_was_kept(
    history: History,
    store: LedgerStore,
    models: ReadModels,
    tmp_path: Path,
    batch: int,
) -> None:
    """Rows that wait for an order's end must not lose what came before it."""
    bought = history.order(side=Side.BUY)
    sold = history.order(side=Side.SELL, outcome=Outcome.NO)
    first = history.fill(bought, "40")
    early = history.fill(sold, "60")
    for _ in range(12):
        other = history.order()
        history.settle(other, history.fill(other), Settlement.CONFIRMED)
    late = history.fill(sold, "40", "0.5")
    history.settle(bought, first, Settlement.CONFIRMED)
    for _ in range(12):
        history.order(strategy="beta")
    history.settle(sold, early, Settlement.CONFIRMED, VENUE_TIME)
    history.settle(sold, late, Settlement.CONFIRMED, VENUE_TIME)
    for _ in range(12):
        history.order(strategy="beta")
    # A closed sale comes back: what it brought is taken out again.
    history.settle(sold, late, Settlement.FAILED, VENUE_TIME + 1)
    kept = kept_one_by_one(store, tmp_path, list(history.requests))
    models.rebuild(store, batch=batch)
    assert models.dump() == kept
    [row] = [row for row in models.query("pnl") if row["strategy"] == "alpha"]
    assert row["received"] == "24"
