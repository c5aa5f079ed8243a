"""The venue's REST as it is: exact bytes out, raw text back, nothing repeated.

No hidden retry, no approval on chain: what is posted is what was stored.

Source:
    Paths and shapes of the venue's CLOB API and of its Data API, version 2.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from urllib.parse import quote

import httpx2

from executors.market_data.rest import quiet_network_loggers
from executors.market_data.times import unix_ms
from executors.polymarket.answers import Answer, NoAnswer, reason_of
from executors.polymarket.bodies import (
    MOST_PAGES,
    Row,
    endless,
    json_of,
    market_of,
    object_of,
    rows_of,
)
from executors.protocol import (
    END_CURSOR,
    START_CURSOR,
    Credentials,
    l2_headers,
)
from ledger.clock import Clock
from ledger.errors import OutcomeUnknownError, VenueRejectedError
from ledger.market import Market
from ledger.values import decimal_from

_OK: Final = 200
_NOT_FOUND: Final = 404
_MOST_TEXT: Final = 200
_PAGE_ROWS: Final = 500


class Rest:
    """One account's requests; construct it inside a running loop or before.

    Args:
        base_url: The trading API, such as "https://clob.polymarket.com".
        data_url: The Data API.
        clock: Stamps the requests.
        transport: Carries them inside a test instead of sockets.
        connect_timeout_sec: For a connection.
        read_timeout_sec: For an answer.
        trust_env: Whether the environment may name a proxy.
    """

    def __init__(  # noqa: PLR0913 -- its ports
        self,
        base_url: str,
        data_url: str,
        *,
        clock: Clock,
        transport: httpx2.AsyncBaseTransport | None = None,
        connect_timeout_sec: float = 5,
        read_timeout_sec: float = 15,
        trust_env: bool = True,
    ) -> None:
        quiet_network_loggers()
        self._base_url, self._data_url = base_url.rstrip("/"), data_url.rstrip("/")
        self._clock = clock
        self._credentials: Credentials | None = None
        self._address = ""
        self._limit_sec = connect_timeout_sec + read_timeout_sec
        self._client = httpx2.AsyncClient(
            transport=transport,
            timeout=httpx2.Timeout(read_timeout_sec, connect=connect_timeout_sec),
            trust_env=trust_env,
        )

    def sign_in(self, credentials: Credentials, address: str) -> None:
        """Sign private requests from now on; `address` is the signer's."""
        self._credentials, self._address = credentials, address

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    # Orders

    async def post_order(self, body: str) -> Answer | NoAnswer:
        """Post one order, exactly these bytes."""
        return await self.private("POST", "/order", body=body)

    async def post_orders(self, bodies: Sequence[str]) -> Answer | NoAnswer:
        """Post up to 15 orders in one request."""
        return await self.private("POST", "/orders", body=f"[{','.join(bodies)}]")

    async def cancel_order(self, venue_order_id: str) -> Answer | NoAnswer:
        """Ask for one cancel."""
        body = f'{{"orderID":"{venue_order_id}"}}'
        return await self.private("DELETE", "/order", body=body)

    async def heartbeat(self, heartbeat_id: str) -> Answer | NoAnswer:
        """Beat; the first beat arms the venue's dead-man switch."""
        body = f'{{"heartbeat_id":"{heartbeat_id}"}}'
        return await self.private("POST", "/v1/heartbeats", body=body)

    # Reads

    async def order(self, venue_order_id: str) -> Row | None:
        """One order by its path; `None` if the venue shows none.

        Raises:
            OutcomeUnknownError: the question was not answered.
        """
        path = f"/data/order/{quote(venue_order_id, safe='')}"
        answer = await self.private("GET", path)
        if isinstance(answer, Answer):
            if answer.status == _NOT_FOUND and "not found" in reason_of(answer).lower():
                return None
            if answer.status == _OK and answer.text.strip() == "null":
                return None
        return object_of(answer, path)

    async def orders(self, venue_order_id: str = "") -> list[Row]:
        """Open orders, all pages; with an id that one, perhaps ended.

        Raises:
            OutcomeUnknownError: a page was not answered.
        """
        params = {"id": venue_order_id} if venue_order_id else {}
        return [row async for row in self._pages("/data/orders", params)]

    async def trades(self, since: datetime) -> list[Row]:
        """Own trades since a time, all pages.

        By time only: the venue's filters look at the taker's side and miss what
        we made against the complementary token.

        Raises:
            OutcomeUnknownError: a page was not answered.
        """
        params = {"after": str(max(0, unix_ms(since) // 1000))}
        return [row async for row in self._pages("/data/trades", params)]

    async def collateral(self, signature_type: int) -> Decimal:
        """Cash in pUSD as the venue's cache has it.

        Raises:
            VenueRejectedError: the credentials are refused.
            OutcomeUnknownError: the question was not answered.
        """
        path = "/balance-allowance"
        answer = await self.private(
            "GET",
            path,
            params={
                "asset_type": "COLLATERAL",
                "signature_type": str(signature_type),
            },
        )
        balance = object_of(answer, path).get("balance")
        try:
            return decimal_from(balance).scaleb(-6)
        except ValueError as error:
            msg = f"GET {path}: no balance"
            raise OutcomeUnknownError(msg) from error

    async def refresh_balance(self, token_id: str, signature_type: int) -> bool:
        """Have the venue read a balance from the chain again; whether it will.

        `token_id` is empty for the collateral.
        """
        params = {
            "asset_type": "CONDITIONAL" if token_id else "COLLATERAL",
            "signature_type": str(signature_type),
        }
        if token_id:
            params["token_id"] = token_id
        path = "/balance-allowance/update"
        answer = await self.private("GET", path, params=params)
        return isinstance(answer, Answer) and answer.status == _OK

    async def positions(self, user: str) -> list[Row]:
        """Settled holdings of an address by the Data API, all pages.

        Raises:
            OutcomeUnknownError: a page was not answered.
        """
        path, found = "/v2/positions", list[Row]()
        params = {"user": user, "limit": str(_PAGE_ROWS), "sizeThreshold": "0"}
        for _ in range(MOST_PAGES):
            answer = await self.send("GET", self._data_url + path, params=params)
            body = json_of(answer, path)
            if isinstance(body, list):  # the older envelope: one page
                if len(body) >= _PAGE_ROWS:
                    raise _cut_short(path)
                return [*found, *rows_of(body, path)]
            page = body if isinstance(body, dict) else {}
            found.extend(rows_of(page.get("data"), path))
            pagination = page.get("pagination")
            cursor = isinstance(pagination, dict) and pagination.get("next_cursor")
            if not cursor or not isinstance(cursor, str):
                if isinstance(pagination, dict) and pagination.get("has_more"):
                    raise _cut_short(path)
                return found
            params |= {"cursor": cursor}
        raise endless(path)

    async def server_time(self) -> int:
        """The venue's clock in Unix seconds.

        Raises:
            VenueRejectedError: something else than the venue answers there.
            OutcomeUnknownError: nobody answers.
        """
        url = f"{self._base_url}/time"
        body = json_of(await self.send("GET", url), url)
        try:
            return int(decimal_from(body))
        except ValueError:
            msg = f"{self._base_url} does not answer like the venue"
            raise VenueRejectedError(msg, code="not_the_venue") from None

    async def market_of_token(self, token_id: str) -> Market:
        """Find the market that a token belongs to, with its fees.

        Raises:
            VenueRejectedError: the venue knows no such token.
            OutcomeUnknownError: no usable answer.
        """
        path = f"/markets-by-token/{quote(token_id, safe='')}"
        named = object_of(await self.send("GET", self._base_url + path), path)
        market_id = named.get("condition_id")
        if not isinstance(market_id, str) or not market_id:
            msg = f"GET {path}: no market"
            raise OutcomeUnknownError(msg)
        path = f"/clob-markets/{quote(market_id, safe='')}"
        told = object_of(await self.send("GET", self._base_url + path), path)
        try:
            return market_of(market_id, told)
        except (ValueError, TypeError, KeyError, AttributeError):
            msg = f"the venue described market {market_id} in an unknown way"
            raise OutcomeUnknownError(msg) from None

    # Transport

    async def private(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: str = "",
    ) -> Answer | NoAnswer:
        """Send one signed request, once."""
        if self._credentials is None:
            return NoAnswer("not signed in; nothing was sent")
        headers = l2_headers(
            self._credentials,
            self._address,
            unix_ms(self._clock.now()) // 1000,
            method=method,
            path=path,
            body=body,
        )
        if body:
            headers["Content-Type"] = "application/json"
        url = self._base_url + path
        return await self.send(method, url, params=params, headers=headers, body=body)

    async def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str = "",
    ) -> Answer | NoAnswer:
        """Send one request, once; whatever fails on the way is `NoAnswer`."""
        try:
            # A server that drips bytes never trips the limit between two reads.
            async with asyncio.timeout(self._limit_sec):
                answer = await self._client.request(
                    method,
                    url,
                    params=params,
                    headers=headers,
                    content=body.encode() if body else None,
                )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return NoAnswer(network_reason(error))
        found = {name.lower(): value for name, value in answer.headers.items()}
        # JSON is UTF-8; a charset that the answer names may be no text's at all.
        text = answer.content.decode(errors="replace")
        return Answer(status=answer.status_code, headers=found, text=text)

    async def _pages(self, path: str, params: Mapping[str, str]) -> AsyncIterator[Row]:
        cursor = START_CURSOR
        for _ in range(MOST_PAGES):
            asked = {**params, "next_cursor": cursor}
            page = json_of(await self.private("GET", path, params=asked), path)
            if isinstance(page, list):  # seen from older deployments
                page = {"data": page, "next_cursor": END_CURSOR}
            if not isinstance(page, dict):
                msg = f"GET {path}: no page"
                raise OutcomeUnknownError(msg)
            for row in rows_of(page.get("data"), path):
                yield row
            following = page.get("next_cursor")
            if following == END_CURSOR:
                return
            if not isinstance(following, str) or following in {"", cursor}:
                msg = f"GET {path}: the list does not end"
                raise OutcomeUnknownError(msg)
            cursor = following
        raise endless(path)


def _cut_short(path: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(f"GET {path}: there is more, and no way to it")


def network_reason(error: Exception) -> str:
    """The kind of an error, and what the system or TLS said; never an address."""
    kind, cause, told = type(error).__name__, error.__cause__ or error.__context__, ""
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            told = cause.verify_message
        elif isinstance(cause, OSError) and cause.strerror:
            told = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return f"{kind}: {told[:_MOST_TEXT]}" if told else kind
