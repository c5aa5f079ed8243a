"""The venue's own clients, one module each; a client is imported when it is used."""

from executors.polymarket.clients.official import OfficialClient
from executors.polymarket.clients.v1 import ClientV1

__all__ = ["ClientV1", "OfficialClient"]
