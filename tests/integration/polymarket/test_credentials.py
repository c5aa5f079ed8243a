"""Credentials are asked for over HTTP by the venue's own clients."""

from collections.abc import Callable
from typing import Any

import pytest

from executors.polymarket.settings import WalletKind
from executors.protocol import recover_l1
from ledger.errors import LedgerError, OutcomeUnknownError, VenueRejectedError
from tests.integration.polymarket.http_server import Answers, Told, server
from tests.unit.polymarket.kit import CANARY, KEY, NOW, official, v1

CREATE, DERIVE = ("POST", "/auth/api-key"), ("GET", "/auth/derive-api-key")
GIVEN = '{"apiKey":"the-key","secret":"YWI=","passphrase":"the-pass"}'
EXISTS = (400, '{"error":"Could not create api key"}')
PAGE = "<html><body>Attention Required</body></html>"
NULLS = '{"apiKey":null,"secret":null,"passphrase":null}'
EMPTY = '{"apiKey":"","secret":"","passphrase":""}'

BOTH = pytest.mark.parametrize("build", [official, v1])
Build = Callable[..., Any]


def was_asked(told: Told) -> list[tuple[str, str]]:
    """Method and path of each request."""
    return [(method, path) for method, path, _ in told.seen]


async def refusal(build: Build, answers: Answers) -> LedgerError:
    """Why no credentials were given."""
    with server(answers) as told, pytest.raises(LedgerError) as caught:
        await build(rest_url=told.url).credentials()
    assert CANARY not in repr(caught.value)
    return caught.value


@BOTH
async def test_are_created(build: Build) -> None:
    """A new account has none yet."""
    with server({CREATE: (200, GIVEN)}) as told:
        found = await build(rest_url=told.url).credentials()
    assert (found.api_key, found.secret, found.passphrase) == (
        "the-key",
        "YWI=",
        "the-pass",
    )
    assert was_asked(told) == [CREATE]


@BOTH
async def test_are_derived_where_they_exist(build: Build) -> None:
    """The second start of a bot is the usual one."""
    with server({CREATE: EXISTS, DERIVE: (200, GIVEN)}) as told:
        found = await build(rest_url=told.url).credentials()
    assert found.api_key == "the-key"
    assert was_asked(told) == [CREATE, DERIVE]


@BOTH
async def test_are_asked_for_once(build: Build) -> None:
    """Reconnects must not ask again."""
    with server({CREATE: (200, GIVEN)}) as told:
        client = build(rest_url=f"{told.url}/")
        assert await client.credentials() is await client.credentials()
    assert was_asked(told) == [CREATE]


@BOTH
async def test_are_asked_for_with_a_proof_of_the_key(build: Build) -> None:
    """The venue recovers the address from it."""
    with server({CREATE: (200, GIVEN)}) as told:
        await build(rest_url=told.url).credentials()
    headers = {name.upper(): value for name, value in told.seen[0][2].items()}
    stamped = int(headers["POLY_TIMESTAMP"])
    assert headers["POLY_ADDRESS"] == KEY.address
    assert headers["POLY_NONCE"] == "0"
    signature = headers["POLY_SIGNATURE"]
    assert recover_l1(signature, KEY.address, stamped) == KEY.address
    if build is official:
        assert stamped == int(NOW.timestamp())


async def test_a_deposit_wallet_is_not_deployed_on_the_way() -> None:
    """The client would ask the relayer, and may send a transaction."""
    with server({CREATE: (200, GIVEN)}) as told:
        client = official(WalletKind.DEPOSIT, rest_url=told.url)
        client.wallet()
        await client.credentials()
    assert was_asked(told) == [CREATE]


@BOTH
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_is_told_as_one(build: Build, status: int) -> None:
    """A wrong key, or a clock that is minutes off."""
    no = (status, '{"error":"Invalid L1 Request headers"}')
    refused = await refusal(build, {CREATE: no, DERIVE: no})
    assert isinstance(refused, VenueRejectedError)
    assert refused.code == "credentials"
    assert str(status) in str(refused)
    assert "clock" in str(refused)


@BOTH
@pytest.mark.parametrize("status", [425, 429, 500, 503])
async def test_a_venue_that_is_not_ready_is_no_refusal(
    build: Build, status: int
) -> None:
    """The start may be tried again; the key is fine."""
    later = (status, '{"error":"service not ready"}')
    failed = await refusal(build, {CREATE: later, DERIVE: later})
    assert isinstance(failed, OutcomeUnknownError)


@BOTH
@pytest.mark.parametrize("body", [PAGE, "", "[]", "{}", NULLS, EMPTY])
async def test_an_answer_that_is_no_credentials_is_no_answer(
    build: Build, body: str
) -> None:
    """A proxy's page, or another service at that address."""
    failed = await refusal(build, {CREATE: (200, body), DERIVE: (200, body)})
    assert isinstance(failed, OutcomeUnknownError)
    assert "127.0.0.1" in str(failed)


@BOTH
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_unreachable_host_is_no_answer(build: Build, scheme: str) -> None:
    """Nobody there, or nobody who speaks TLS."""
    with server({}) as told:
        port = told.server_port
        if scheme == "https":
            with pytest.raises(OutcomeUnknownError, match="no credentials"):
                await build(rest_url=f"https://127.0.0.1:{port}").credentials()
    if scheme == "http":
        with pytest.raises(OutcomeUnknownError, match="no credentials"):
            await build(rest_url=f"http://127.0.0.1:{port}").credentials()
