"""The venue's public REST endpoints that market data needs; no key, read only.

Source:
    `GET /book`, `/markets-by-token/{token}` and `/clob-markets/{condition}` of the
    venue's CLOB API, shapes as its documentation of 2026 gives them.
"""

import logging
import ssl
from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx2
import stamina
import stamina.instrumentation

from executors.market_data.frames import decode_json
from ledger.errors import VenueError, VenueRejectedError
from ledger.market import Market
from ledger.values import ZERO, decimal_from

_SERVER_ERRORS: Final = 500
_CLIENT_ERRORS: Final = 400
_SUCCESS: Final = range(200, 300)
_TRY_LATER: Final = (425, 429)
_TEXT_LIMIT: Final = 200


def quiet_network_loggers() -> None:
    """Keep the network libraries from logging what they send and receive.

    At DEBUG they print whole frames and headers, at INFO whole addresses; on
    other connections of the same process those hold credentials.
    """
    floors = {
        "websockets": logging.INFO,
        "httpx2": logging.WARNING,
        "httpcore2": logging.WARNING,
    }
    for name, floor in floors.items():
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, floor))
    # A question asked three times fails once, and its error says why.
    stamina.instrumentation.set_on_retry_hooks(())


class _TransientError(VenueError):
    """The question may be asked again: it was not answered."""


class PublicRest:
    """Asks the venue's public endpoints; each question is tried three times.

    `host` is an address such as "https://clob.polymarket.com"; `trust_env` lets
    the environment name a proxy.
    Use it as a context manager, or call `close`.
    """

    def __init__(
        self, host: str, *, timeout_sec: float = 10, trust_env: bool = True
    ) -> None:
        quiet_network_loggers()
        self._client = httpx2.AsyncClient(
            base_url=host, timeout=timeout_sec, trust_env=trust_env
        )

    async def book_text(self, token_id: str) -> str:
        """The book of one token as JSON text, which `parse_frame` understands.

        Raises:
            VenueRejectedError: there is no such book.
            VenueError: no usable answer.
        """
        return await self._get("/book", params={"token_id": token_id})

    async def market_of_token(self, token_id: str) -> Market:
        """Find the market that a token belongs to.

        Raises:
            VenueRejectedError: the venue knows no such token.
            VenueError: no usable answer.
        """
        answer = _object(
            await self._get(f"/markets-by-token/{quote(token_id, safe='')}")
        )
        return await self.market(_text(answer, "condition_id"))

    async def market(self, market_id: str) -> Market:
        """Ask for a market's tokens, grid, minimum size and fees.

        Raises:
            VenueRejectedError: the venue knows no such market.
            VenueError: no usable answer.
        """
        # The id may come from a person: it must not lead to another endpoint.
        path = f"/clob-markets/{quote(market_id, safe='')}"
        answer = _object(await self._get(path))
        try:
            return _market(market_id, answer)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = f"the venue described market {market_id} in an unknown way"
            raise VenueError(msg) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> str:
        attempts = stamina.retry_context(
            on=_TransientError, attempts=3, wait_max=1, wait_jitter=0.1
        )
        async for attempt in attempts:
            with attempt:
                return await self._get_once(path, params)
        raise AssertionError  # the last attempt returns or raises

    async def _get_once(self, path: str, params: Mapping[str, str] | None) -> str:
        try:
            answer = await self._client.get(path, params=params)
        except httpx2.HTTPError as error:
            # The library's own text may hold the whole address.
            msg = f"GET {path}: {_reason(error)}"
            raise _TransientError(msg) from None
        status, text = answer.status_code, answer.content.decode(errors="replace")
        if status >= _SERVER_ERRORS or status in _TRY_LATER:
            msg = f"GET {path}: status {status}"
            raise _TransientError(msg)
        if status >= _CLIENT_ERRORS:
            msg = f"GET {path}: status {status}: {_one_line(text)}"
            raise VenueRejectedError(msg)
        if status not in _SUCCESS:
            msg = f"GET {path}: status {status}: no answer of the venue's API"
            raise VenueError(msg)
        return text


def _reason(error: httpx2.HTTPError) -> str:
    """The kind of an error, and what the operating system or TLS said of it."""
    kind, cause = type(error).__name__, error.__cause__ or error.__context__
    told = ""
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            told = cause.verify_message
        elif isinstance(cause, OSError) and cause.strerror:
            told = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return f"{kind}: {_one_line(told)}" if told else kind


def _one_line(text: str) -> str:
    """The start of somebody's text without line breaks and control characters."""
    words = " ".join(text[: _TEXT_LIMIT * 2].split())
    return "".join(c for c in words if c.isprintable())[:_TEXT_LIMIT]


def _object(text: str) -> Mapping[str, Any]:
    try:
        answer = decode_json(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        msg = f"the venue answered with something else: {_one_line(text)!r}"
        raise VenueError(msg)
    return answer


def _text(answer: Mapping[str, Any], field: str) -> str:
    value = answer.get(field)
    if not isinstance(value, str) or not value:
        msg = f"the venue's answer has no {field}"
        raise VenueError(msg)
    return value


def _market(market_id: str, answer: Mapping[str, Any]) -> Market:
    """`t` tokens in order, `mts` tick, `mos` minimum size, `fd` fee curve."""
    yes, no = answer["t"]
    fees = answer.get("fd") or {}
    return Market(
        market_id=market_id,
        yes_token=_text(yes, "t"),
        no_token=_text(no, "t"),
        yes_label=_text(yes, "o"),
        no_label=_text(no, "o"),
        tick_size=_positive(answer["mts"]),
        min_size=_positive(answer["mos"]),
        fee_rate=decimal_from(fees.get("r", 0)),
        fee_exponent=int(fees.get("e", 1)),
        neg_risk=answer.get("nr") is True,
    )


def _positive(value: object) -> Decimal:
    number = decimal_from(value)
    if number <= ZERO:
        msg = "must be above 0"
        raise ValueError(msg)
    return number
