"""The gauges of a running ledger: what an operator's alarms look at."""

from service.runtime import Runtime


def expose_readings(runtime: Runtime) -> None:
    """Let every scrape read how the ledger fares at that moment."""
    opened, state = runtime.opened, runtime.opened.journal.state

    def unknown() -> int:
        return sum(order.is_outcome_unknown for order in state.orders.values())

    readings = {
        "up": lambda: int(not runtime.refusal()),
        "halted": lambda: int(state.mode != "normal"),
        "open_orders": lambda: len(state.orders),
        "outcome_unknown": unknown,
        "open_drifts": lambda: len(state.drifts),
        "position": lambda: opened.store.head,
        "read_models_lag": lambda: runtime.health()["read_models"]["lag"],
        "disk_free_mb": lambda: runtime.health()["disk_free_mb"],
    }
    for name, reading in readings.items():
        opened.metrics.watch(name, reading)
