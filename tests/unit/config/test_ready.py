"""Practising needs one file and no edited setting."""

import json
from pathlib import Path
from typing import Any

import pytest

from config import ConfigError, load_settings

KEY = "0x" + "11" * 32
ADDRESS = "0x" + "ab" * 20


def ready(folder: Path, **changes: Any) -> Path:
    """What a local exchange writes once it listens."""
    content = {
        "rest_url": "http://127.0.0.1:1",
        "data_url": "http://127.0.0.1:2",
        "ws_user_url": "ws://127.0.0.1:3/ws/user",
        "ws_market_url": "ws://127.0.0.1:3/ws/market",
        "wallets": [{"address": ADDRESS, "private_key": KEY, "cash": "1000"}],
        **changes,
    }
    path = folder / "ready.json"
    path.write_text(json.dumps(content))
    return path


def test_a_ready_file_points_everything_at_the_exchange(tmp_path: Path) -> None:
    """One address that stayed at the venue would mix play with real money."""
    settings = load_settings(env={}, exchange=ready(tmp_path))
    venue = settings.polymarket
    assert venue.host == "http://127.0.0.1:1"
    assert venue.data_url == "http://127.0.0.1:2"
    assert venue.ws_user_url == "ws://127.0.0.1:3/ws/user"
    assert venue.ws_market_url == "ws://127.0.0.1:3/ws/market"
    assert (venue.funder, venue.signature_type) == (ADDRESS, 0)
    assert venue.private_key is not None
    assert venue.private_key.get_secret_value() == KEY
    assert not settings.execution.paper_trading
    assert settings.market_data.source == "live"


def test_a_real_wallet_never_reaches_the_exchange(tmp_path: Path) -> None:
    """Whoever practises on the machine that trades has its key in the environment."""
    profile = tmp_path / "mine.yaml"
    profile.write_text(
        "polymarket: {keystore_path: real.json, signature_type: 2, "
        f"funder: '0x{'99' * 20}'}}\n"
    )
    env = {
        "ORDER_LEDGER_POLYMARKET__KEYSTORE_PASSWORD": "real",
        "ORDER_LEDGER_POLYMARKET__API_KEY": "real",
        "ORDER_LEDGER_POLYMARKET__API_SECRET": "real",
        "ORDER_LEDGER_POLYMARKET__API_PASSPHRASE": "real",
    }
    venue = load_settings([profile], env=env, exchange=ready(tmp_path)).polymarket
    assert venue.keystore_path is None
    assert (venue.funder, venue.signature_type) == (ADDRESS, 0)
    secrets = (
        venue.keystore_password,
        venue.api_key,
        venue.api_secret,
        venue.api_passphrase,
    )
    assert secrets == (None,) * 4


def test_a_flag_beats_the_ready_file(tmp_path: Path) -> None:
    """Flags win over all: so a wallet of another kind can be tried."""
    overrides = ["polymarket.signature_type=1"]
    settings = load_settings(env={}, overrides=overrides, exchange=ready(tmp_path))
    assert settings.polymarket.signature_type == 1


@pytest.mark.parametrize("wallets", [[], [{"address": ADDRESS}], "none", None])
def test_what_is_no_ready_file_is_named_and_not_repeated(
    tmp_path: Path, wallets: object
) -> None:
    """It holds keys, throwaway or not."""
    path = ready(tmp_path, wallets=wallets)
    with pytest.raises(ConfigError) as caught:
        load_settings(env={}, exchange=path)
    [line] = caught.value.lines()
    assert line == f"{path} is no ready file of a local exchange"


def test_a_missing_ready_file_is_named(tmp_path: Path) -> None:
    """The exchange is not up yet, or writes elsewhere."""
    with pytest.raises(ConfigError, match=r"none\.json cannot be read: No such"):
        load_settings(env={}, exchange=tmp_path / "none.json")
