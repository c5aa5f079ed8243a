"""Where a ledger's files lie and whose they are; light, for what only reads."""

import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from config import Settings
from ledger.events import EVENT_TYPES, AccountEvent, account_stream
from ledger.store import DEFAULT_NAME, LedgerStore
from projections import DEFAULT_NAME as READ_MODELS_NAME

PAPER_ACCOUNT: Final = "paper"

_ACCOUNT_TOPICS: Final = tuple(
    topic for topic, kind in EVENT_TYPES.items() if issubclass(kind, AccountEvent)
)


def ledger_path(data: Path) -> Path:
    """Where the log lies in a data folder."""
    return data / DEFAULT_NAME


def read_models_path(data: Path) -> Path:
    """Where the read models lie in a data folder."""
    return data / READ_MODELS_NAME


def account_of(settings: Settings) -> str:
    """The account that the settings trade: the paper one, or the wallet's address."""
    if settings.execution.paper_trading:
        return PAPER_ACCOUNT
    return settings.polymarket.funder or "live"


def account_in(store: LedgerStore, settings: Settings) -> str:
    """The account that a log is of; that of the settings while it has none.

    Whoever only reads need not be told again what the ledger trades.
    """
    begin = account_stream("")
    for recorded in store.read(topics=_ACCOUNT_TOPICS, batch=1):
        if recorded.stream.startswith(begin):
            return recorded.stream.removeprefix(begin)
    return account_of(settings)


def unix_us() -> int:
    """The machine's clock in Unix microseconds."""
    return time.time_ns() // 1000


def software_version() -> str:
    """The installed version; "unknown" when run from a bare source tree."""
    try:
        return version("order-ledger")
    except PackageNotFoundError:
        return "unknown"
