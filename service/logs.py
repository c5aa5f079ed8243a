"""Logs: structured, on standard error, without secrets.

Only the shell logs; its records are an event name and key-value pairs.
"""

import logging
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from ledger.values import text_of

HIDDEN: Final = "***"

SECRET_NAMES: Final = frozenset(
    {
        "api_key",
        "api_passphrase",
        "api_secret",
        "authorization",
        "cookie",
        "keystore_password",
        "passphrase",
        "password",
        "private_key",
        "secret",
        "signature",
        "signed_order",
    }
)
"""Fields that are never shown, whatever they hold."""

_SUSPICIOUS_NAME: Final = re.compile(r"key|secret|pass|auth|sign", re.IGNORECASE)
_KEY_MATERIAL: Final = re.compile(r"\A(0x)?[0-9a-fA-F]{64,}\Z")
_QUIET: Final = ("asyncio", "httpcore", "httpx", "httpx2", "websockets")
_MAX_DEPTH: Final = 8


def configure(
    level: str = "info",
    form: Literal["console", "json"] = "console",
    *,
    stream: TextIO | None = None,
    colors: bool = False,
) -> None:
    """Set up logging for this process.

    Args:
        level: debug, info, warning or error; less grave records are dropped.
        form: For people, or one JSON object per line.
        stream: Where to; standard error if absent.
        colors: Whether the console form may use them.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            redact,
            *_renderers(form, colors=colors),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_to_standard_error
        if stream is None
        else structlog.PrintLoggerFactory(stream),
        # Module-level loggers exist before the settings are read.
        cache_logger_on_first_use=False,
    )
    for name in _QUIET:
        # They log every frame and every request, bodies and headers included.
        logging.getLogger(name).setLevel(logging.WARNING)


def _to_standard_error(*_: object) -> structlog.PrintLogger:
    # Looked up for each logger: whoever redirects it may close it afterwards.
    return structlog.PrintLogger(sys.stderr)


def configure_once(level: str, form: Literal["console", "json"]) -> None:
    """Set up logging unless somebody has: unconfigured records go to standard output.

    Args:
        level: As `configure`.
        form: As `configure`.
    """
    if not structlog.is_configured():
        configure(level, form)


def _renderers(
    form: Literal["console", "json"], *, colors: bool
) -> list[structlog.typing.Processor]:
    if form == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    # The default would print the local variables of every frame, keys included.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]


def redact(_: WrappedLogger, __: str, record: EventDict) -> EventDict:
    """Hide secrets by the names of their fields; write decimals as plain text."""
    return {name: _shown(name, value, 0) for name, value in record.items()}


def _shown(name: str, value: Any, depth: int) -> Any:
    if name.lower() in SECRET_NAMES:
        return HIDDEN
    if isinstance(value, Decimal):
        return text_of(value) if value.is_finite() else str(value)
    if depth >= _MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {k: _shown(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(name, item, depth + 1) for item in value]
    is_key = isinstance(value, str) and _KEY_MATERIAL.match(value)
    # Transactions, markets and orders are named by 64 hex digits as well.
    return HIDDEN if is_key and _SUSPICIOUS_NAME.search(name) else value
