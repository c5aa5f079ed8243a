"""The ledger's counters, as a port: the service decides where they go."""

from typing import Protocol


class Metrics(Protocol):
    """Counts things; labels come from small, bounded sets only."""

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a counter."""
        ...


class NoMetrics:
    """Counts nothing."""

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Do nothing."""
