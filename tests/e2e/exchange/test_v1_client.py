"""The client of protocol 1 does the same against the exchange's V1 mode."""

import time
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def v1(start_module: Any) -> Any:
    """One exchange that takes orders of protocol 1."""
    return start_module(
        *("--protocol", "v1", "--rate-limits", "off"),
        *("--mined-ms", "50", "--confirmed-ms", "50"),
    )


@pytest.fixture(scope="module")
def clients(v1: Any) -> Iterator[tuple[Any, Any]]:
    """Both throwaway wallets, with credentials."""
    from py_clob_client.client import ClobClient
    from py_clob_client.http_helpers import helpers

    made = []
    for number in (0, 1):
        client = ClobClient(v1.base, key=v1.wallet(number)[1], chain_id=137)
        client.set_api_creds(client.create_or_derive_api_creds())
        made.append(client)
    yield made[0], made[1]
    helpers._http_client.close()  # the package never closes it


def _order(client: Any, token: str, price: float, side: str, size: float = 10) -> Any:
    from py_clob_client.clob_types import OrderArgs

    return client.create_order(
        OrderArgs(token_id=token, price=price, size=size, side=side)
    )


@pytest.mark.parametrize("market", [0, 1], ids=["standard", "neg-risk"])
def test_orders_rest_are_found_and_are_cancelled(
    v1: Any, clients: tuple[Any, Any], market: int
) -> None:
    """Old bots can be tested too, id and signature of protocol 1 included."""
    from py_clob_client.clob_types import OpenOrderParams, OrderType

    client, _ = clients
    signed = _order(client, v1.token(market), 0.41, "BUY")
    answer = client.post_order(signed, OrderType.GTC)
    assert (answer["success"], answer["status"]) == (True, "live")
    name = answer["orderID"]
    assert [o["id"] for o in client.get_orders(OpenOrderParams(id=name))] == [name]
    assert client.get_order(name)["price"] == "0.41"
    assert client.cancel(name)["canceled"] == [name]
    assert client.get_order(name) is None


def test_each_type_a_batch_and_every_cancel(v1: Any, clients: tuple[Any, Any]) -> None:
    """The routes are the same, the bodies are not."""
    from py_clob_client.clob_types import (
        MarketOrderArgs,
        OrderType,
        PartialCreateOrderOptions,
        PostOrdersArgs,
    )

    seller, buyer = clients
    token = v1.token()
    args = [
        PostOrdersArgs(order=_order(seller, token, price, "SELL"), orderType=kind)
        for price, kind in ((0.6, OrderType.GTC), (0.7, OrderType.GTC))
    ]
    one, two = seller.post_orders(args)
    assert (one["status"], two["status"]) == ("live", "live")
    market = MarketOrderArgs(token_id=token, amount=3, side="BUY", price=0.6)
    options = PartialCreateOrderOptions(tick_size="0.01", neg_risk=False)
    signed = buyer.create_market_order(market, options)
    done = buyer.post_order(signed, OrderType.FOK)
    assert (done["status"], done["makingAmount"]) == ("matched", "3")
    signed = _order(buyer, token, 0.1, "BUY")
    post_only = buyer.post_order(signed, OrderType.GTC, post_only=True)
    assert post_only["status"] == "live"
    assert seller.cancel_orders([one["orderID"]])["canceled"] == [one["orderID"]]
    condition = v1.ready["markets"][0]["condition_id"]
    gone = seller.cancel_market_orders(market=condition)
    assert gone["canceled"] == [two["orderID"]]
    assert buyer.cancel_all()["canceled"] == [post_only["orderID"]]


def test_trades_book_balance_and_heartbeat(v1: Any, clients: tuple[Any, Any]) -> None:
    """What a bot reads to know where it stands."""
    from py_clob_client.clob_types import (
        AssetType,
        BalanceAllowanceParams,
        OrderType,
        TradeParams,
    )

    seller, buyer = clients
    token = v1.token(1)
    seller.post_order(_order(seller, token, 0.55, "SELL"), OrderType.GTC)
    book = buyer.get_order_book(token)
    assert (book.asks[-1].price, book.asks[-1].size) == ("0.55", "10")
    bought = buyer.post_order(_order(buyer, token, 0.55, "BUY"), OrderType.GTC)
    until = time.monotonic() + 10
    found: list[Any] = []
    while time.monotonic() < until and not found:
        trades = buyer.get_trades(TradeParams(asset_id=token))
        found = [t for t in trades if t["status"] == "CONFIRMED"]
        time.sleep(0.02)
    assert [t["taker_order_id"] for t in found] == [bought["orderID"]]
    asked = BalanceAllowanceParams(asset_type=AssetType.CONDITIONAL, token_id=token)
    assert buyer.get_balance_allowance(asked)["balance"] == "1010000000"
    beat = buyer.post_heartbeat("")
    assert buyer.post_heartbeat(beat["heartbeat_id"])["heartbeat_id"]


def test_an_order_of_protocol_1_is_refused_elsewhere(
    exchange: Any, clients: tuple[Any, Any]
) -> None:
    """Production refuses it with these very words since 2026-04-28."""
    from py_clob_client.client import ClobClient
    from py_clob_client.exceptions import PolyApiException

    client = ClobClient(exchange.base, key=exchange.wallet(0)[1], chain_id=137)
    client.set_api_creds(client.create_or_derive_api_creds())
    signed = _order(client, exchange.token(), 0.41, "BUY")
    with pytest.raises(PolyApiException, match="order_version_mismatch"):
        client.post_order(signed)
