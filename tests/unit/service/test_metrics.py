"""Counters: the names others build alarms on, and no label without bound."""

import pytest

from ledger.values import Outcome
from service.metrics import PrometheusMetrics


def test_counters_add_up_by_label() -> None:
    """A refusal by risk is another alarm than one by the venue."""
    metrics = PrometheusMetrics()
    metrics.count("orders_refused", by="risk")
    metrics.count("orders_refused", 2, by="venue")
    metrics.count("post_retries")
    assert metrics.value("orders_refused", by="risk") == 1
    assert metrics.value("orders_refused", by="venue") == 2
    assert metrics.value("post_retries") == 1
    assert metrics.value("reposts") == 0


def test_mismatches_have_the_specified_name() -> None:
    """The specification names it so, and so do the alarms built on it."""
    metrics = PrometheusMetrics()
    metrics.count("reconcile_mismatch_count", kind="position")
    text = metrics.render().decode()
    assert 'reconcile_mismatch_count{kind="position"} 1.0' in text


def test_two_ledgers_in_one_process_do_not_share_counters() -> None:
    """Tests and simulations open many."""
    first, second = PrometheusMetrics(), PrometheusMetrics()
    first.count("reposts")
    assert second.value("reposts") == 0


def test_creation_times_are_not_exposed() -> None:
    """They double the number of series and say nothing."""
    metrics = PrometheusMetrics()
    metrics.count("reposts")
    assert "_created" not in metrics.render().decode()


def test_a_label_cannot_grow_without_bound() -> None:
    """One series per order would fill the collector's memory."""
    metrics = PrometheusMetrics()
    for number in range(200):
        metrics.count("posts", outcome=f"o{number}")
    series = metrics.render().decode().count("order_ledger_posts_total{")
    assert series == 51
    assert metrics.value("posts", outcome="other") == 150


def test_an_unknown_counter_is_a_mistake_of_ours() -> None:
    """A typo in a name would count into nowhere."""
    with pytest.raises(KeyError):
        PrometheusMetrics().count("oders_refused")
    with pytest.raises(ValueError, match="label"):
        PrometheusMetrics().count("reposts", why=Outcome.YES)


def test_a_gauge_is_read_at_every_scrape() -> None:
    """An alarm on a value from the start of the process never rings."""
    metrics, depth = PrometheusMetrics(), [3]
    metrics.watch("open_orders", lambda: depth[0])
    assert "order_ledger_open_orders 3.0" in metrics.render().decode()
    depth[0] = 4
    assert "order_ledger_open_orders 4.0" in metrics.render().decode()


def test_an_unknown_gauge_is_a_mistake_of_ours() -> None:
    """Its help text would be missing, and the dashboard would not show it."""
    with pytest.raises(KeyError):
        PrometheusMetrics().watch("opne_orders", lambda: 0)
