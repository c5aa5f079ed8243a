"""Settings from the ready file that a local exchange writes once it listens."""

import json
from pathlib import Path
from typing import Any, Final

from config.sources import MAX_BYTES, Keys, Layer, Origin

_ADDRESSES: Final = {
    "rest_url": "host",
    "data_url": "data_url",
    "ws_user_url": "ws_user_url",
    "ws_market_url": "ws_market_url",
}
_FIXED: Final = {
    ("execution", "paper_trading"): "false",
    ("market_data", "source"): "live",
    ("polymarket", "signature_type"): "0",
    # What belongs to a real wallet must not be shown to another host.
    ("polymarket", "keystore_path"): None,
    ("polymarket", "keystore_password"): None,
    ("polymarket", "api_key"): None,
    ("polymarket", "api_secret"): None,
    ("polymarket", "api_passphrase"): None,
}


def from_ready_file(path: Path) -> Layer:
    """Trade at the local exchange that wrote this file, with its first wallet.

    It is laid over files and environment, so that neither a real key goes to the
    exchange nor its throwaway key to the venue.
    """
    layer = Layer()
    origin = Origin(str(path), str(path))
    try:
        content = _read(path)
        wallet = content["wallets"][0]
        values: dict[Keys, Any] = {
            ("polymarket", ours): str(content[theirs])
            for theirs, ours in _ADDRESSES.items()
        }
        values["polymarket", "private_key"] = str(wallet["private_key"])
        values["polymarket", "funder"] = str(wallet["address"])
    except OSError as error:
        layer.refuse((), f"cannot be read: {error.strerror}", origin)
        return layer
    except (ValueError, TypeError, LookupError):
        # The file holds keys: nothing of it is repeated.
        layer.refuse((), "is no ready file of a local exchange", origin)
        return layer
    for keys, value in (_FIXED | values).items():
        layer.put(keys, value, origin)
    return layer


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        msg = "too long"
        raise ValueError(msg)
    return json.loads(data)
