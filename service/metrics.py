"""The ledger's counters for Prometheus.

Every counter and its labels stand in one table, so that nothing unbounded, such
as an order id, becomes a label by accident.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
)

_MOST_VALUES: Final = 50
"""Values of one label that are told apart; further ones count as "other"."""


class _Kind(NamedTuple):
    help: str
    labels: tuple[str, ...] = ()


_COUNTERS: Final = {
    "drifts_opened": _Kind("Disagreements recorded for a person to see.", ("kind",)),
    "orders_refused": _Kind("Intents refused before posting.", ("by",)),
    "post_retries": _Kind("Posts repeated after a proven non-acceptance."),
    "posts": _Kind("Answers to posts.", ("outcome",)),
    "reposts": _Kind("Orders posted again that the venue provably never had."),
}
"""Counters by the name that the ledger uses; exposed as `order_ledger_NAME_total`."""

GAUGES: Final = {
    "up": "1 while intents are taken, 0 while they are not.",
    "halted": "1 while the ledger is halted or reduce-only.",
    "open_orders": "Orders that are not closed, those that still settle included.",
    "outcome_unknown": "Orders of which nobody knows whether the venue has them.",
    "open_drifts": "Disagreements that nobody has closed.",
    "position": "Events in the log.",
    "read_models_lag": "Events that the read models have still to show.",
    "disk_free_mb": "Free disk in MiB.",
}
"""What is read at each scrape; exposed as `order_ledger_NAME`.

Counts only: money stays exact, and a gauge is a float.
"""

RECONCILE_MISMATCHES: Final = "reconcile_mismatch_count"
"""Exposed under exactly this name, which the specification gives it."""


class PrometheusMetrics:
    """Implements `ledger.manager.metrics.Metrics`; each has a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry: Final = CollectorRegistry()
        self._counters: dict[str, Counter | Gauge] = {
            name: Counter(
                f"order_ledger_{name}", kind.help, kind.labels, registry=self.registry
            )
            for name, kind in _COUNTERS.items()
        }
        # The client adds "_total" to the name of a counter, so this one is a
        # gauge that only grows.
        self._counters[RECONCILE_MISMATCHES] = Gauge(
            RECONCILE_MISMATCHES,
            "Differences that comparisons with the venue found.",
            ("kind",),
            registry=self.registry,
        )
        self._seen: dict[tuple[str, str], set[str]] = {}
        # Looking a counter up by its labels takes longer than counting.
        self._found: dict[tuple[object, ...], Counter | Gauge] = {}

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a counter.

        Raises:
            KeyError: there is no counter of that name.
            ValueError: it has other labels.
        """
        counter = self._counters[name]
        if not labels:
            counter.inc(amount)
            return
        key = (name, *labels.items())
        found = self._found.get(key)
        if found is None:
            bounded = {n: self._bounded(name, n, labels[n]) for n in labels}
            found = counter.labels(**bounded)
            if bounded == labels:  # the values told apart are few, the others are not
                self._found[key] = found
        found.inc(amount)

    def watch(self, name: str, reading: Callable[[], float]) -> None:
        """Expose one of `GAUGES`, read anew at every scrape.

        Raises:
            KeyError: there is no gauge of that name.
        """
        gauge = Gauge(f"order_ledger_{name}", GAUGES[name], registry=self.registry)
        gauge.set_function(reading)

    def value(self, name: str, **labels: str) -> int:
        """What a counter stands at; 0 before its first count."""
        exposed = name if name == RECONCILE_MISMATCHES else f"order_ledger_{name}_total"
        return int(self.registry.get_sample_value(exposed, labels) or 0)

    def render(self) -> bytes:
        """Every counter in the text format that Prometheus reads."""
        return generate_latest(self.registry)

    def _bounded(self, name: str, label: str, value: str) -> str:
        seen = self._seen.setdefault((name, label), set())
        if value in seen:
            return value
        if len(seen) >= _MOST_VALUES:
            return "other"
        seen.add(value)
        return value
