"""Typed settings from YAML profiles, the environment and flags."""

from config.errors import ConfigError, ConfigProblem, KeystoreError
from config.keystore import signing_key
from config.loading import BASE_FILE, load_settings
from config.settings import (
    AccountLimits,
    Execution,
    GroupLimits,
    Limits,
    Log,
    MarketData,
    Paper,
    Polymarket,
    Risk,
    Settings,
    Store,
    config_hash,
)

__all__ = [
    "BASE_FILE",
    "AccountLimits",
    "ConfigError",
    "ConfigProblem",
    "Execution",
    "GroupLimits",
    "KeystoreError",
    "Limits",
    "Log",
    "MarketData",
    "Paper",
    "Polymarket",
    "Risk",
    "Settings",
    "Store",
    "config_hash",
    "load_settings",
    "signing_key",
]
