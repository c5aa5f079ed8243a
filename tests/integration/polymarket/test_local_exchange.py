"""Our signatures and bodies, judged by an exchange that checks them for real."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from executors.polymarket.clients import ClientV1, OfficialClient
from executors.polymarket.gateway import AnyOrder, OrderTerms
from executors.polymarket.settings import WalletKind
from executors.protocol import (
    PostBody,
    SigningKey,
    domain_of,
    insert_owner,
    l2_headers,
    order_amounts,
    order_id,
)
from ledger.values import Side
from tests.e2e.exchange.conftest import Running, start_exchange
from tests.unit.polymarket.kit import StoppedClock, wallet_address

KEY = SigningKey("c1" * 32)
OPTIONS = ("--auto-fund", "1000", "--rate-limits", "off", "--markets", "4")


class NowClock(StoppedClock):
    """The time that a server would agree with."""

    def now(self) -> datetime:
        """The wall clock."""
        return datetime.now(UTC)


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An exchange of today's protocol."""
    running = start_exchange(tmp_path_factory.mktemp("v2"), *OPTIONS)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An exchange of the former protocol."""
    running = start_exchange(
        tmp_path_factory.mktemp("v1"), *OPTIONS, "--protocol", "v1"
    )
    yield running
    running.stop()


def terms_for(market: dict[str, Any], salt: int) -> OrderTerms:
    """A bid that rests, in one of the exchange's markets."""
    tick = Decimal(market["tick_size"])
    amounts = order_amounts(side=Side.BUY, price=tick * 9, size=Decimal(20), tick=tick)
    return OrderTerms(
        token_id=market["tokens"][0]["token_id"],
        side="BUY",
        maker_amount=amounts.maker_amount,
        taker_amount=amounts.taker_amount,
        salt=salt,
        timestamp_ms=int(NowClock().now().timestamp() * 1000),
    )


async def post(running: Running, client: Any, order: AnyOrder) -> Any:
    """Post an order as the executor does: stored without its owner."""
    stored = PostBody(order=order, order_type="GTC").to_json()
    credentials = await client.credentials()
    body = insert_owner(stored, credentials.api_key)
    headers = l2_headers(
        credentials,
        client.wallet().signer,
        int(NowClock().now().timestamp()),
        method="POST",
        path="/order",
        body=body,
    )
    async with httpx2.AsyncClient(base_url=running.base, trust_env=False) as http:
        answer = await http.post(
            "/order",
            content=body,
            headers=headers | {"Content-Type": "application/json"},
        )
    return answer.json()


@pytest.mark.parametrize("kind", WalletKind)
@pytest.mark.parametrize("number", range(3), ids=["standard", "neg-risk", "v3"])
async def test_an_order_of_every_kind_is_taken_under_the_id_we_computed(
    current: Running, kind: WalletKind, number: int
) -> None:
    """Credentials by the client, signature by us, and both are good."""
    market = current.ready["markets"][number]
    client = OfficialClient(
        KEY,
        kind=kind,
        funder=wallet_address(kind, KEY.address),
        clock=NowClock(),
        rest_url=current.base,
    )
    terms = terms_for(market, salt=1000 * number + kind)
    order = client.sign(client.draft(terms), market["neg_risk"])
    answer = await post(current, client, order)
    domain = domain_of(order, market["neg_risk"])
    assert answer["success"] is True, answer
    assert answer["status"] == "live"
    assert answer["orderID"] == order_id(order, *domain)


async def test_an_order_for_the_wrong_exchange_is_refused(current: Running) -> None:
    """The server does check, or the test above would prove nothing."""
    market = current.ready["markets"][0]
    client = OfficialClient(
        KEY, kind=WalletKind.EOA, clock=NowClock(), rest_url=current.base
    )
    order = client.sign(client.draft(terms_for(market, salt=7)), neg_risk=True)
    assert "signature" in (await post(current, client, order))["error"]


@pytest.mark.parametrize("kind", [WalletKind.EOA, WalletKind.PROXY, WalletKind.SAFE])
@pytest.mark.parametrize("number", range(2), ids=["standard", "neg-risk"])
async def test_an_order_of_protocol_1_is_taken_under_the_id_we_computed(
    former: Running, kind: WalletKind, number: int
) -> None:
    """The same for the former client."""
    market = former.ready["markets"][number]
    client = ClientV1(
        KEY,
        kind=kind,
        funder=wallet_address(kind, KEY.address),
        rest_url=former.base,
    )
    terms = terms_for(market, salt=1000 * number + kind)
    order = client.sign(client.draft(terms), market["neg_risk"])
    answer = await post(former, client, order)
    domain = domain_of(order, market["neg_risk"])
    assert answer["success"] is True, answer
    assert answer["orderID"] == order_id(order, *domain)
