"""The command API of a ledger that runs elsewhere, typed, async and sync.

Both clients offer what `ledger.api.CommandAPI` does, so that a strategy does not
know where its ledger runs.
"""

from service.client.asynchronous import LedgerClient
from service.client.errors import ApiError, UnreachableError
from service.client.events import LedgerEvent
from service.client.synchronous import SyncLedgerClient

__all__ = [
    "ApiError",
    "LedgerClient",
    "LedgerEvent",
    "SyncLedgerClient",
    "UnreachableError",
]
