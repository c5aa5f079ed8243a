"""The official client, unmodified, does everything against the local exchange.

If it does, a bot that works here speaks the venue's protocol, not ours.
"""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from executors.exchange.wallets import wallets_of


@pytest.fixture(scope="module")
def maker(exchange: Any) -> Iterator[Any]:
    """The first wallet."""
    with exchange.client(0) as client:
        yield client


@pytest.fixture(scope="module")
def taker(exchange: Any) -> Iterator[Any]:
    """The second wallet."""
    with exchange.client(1) as client:
        yield client


@pytest.fixture(autouse=True)
def empty_books(maker: Any, taker: Any) -> Iterator[None]:
    """Leave nothing in the books for the next test."""
    yield
    maker.cancel_all()
    taker.cancel_all()


def _ids(paginator: Any) -> list[str]:
    return [item.id for page in paginator for item in page.items]


def _is_settled(client: Any) -> bool:
    trades = [item for page in client.list_account_trades() for item in page.items]
    return all(item.status in {"CONFIRMED", "FAILED"} for item in trades)


def _soon(read: Callable[[], Any]) -> Any:
    """Wait for something to become true."""
    until = time.monotonic() + 10
    while not (found := read()) and time.monotonic() < until:
        time.sleep(0.02)
    assert found
    return found


def test_credentials_are_created_once_and_derived_afterwards(exchange: Any) -> None:
    """A second start of a bot must find the key that owns its orders."""
    first, again = (exchange.client(0) for _ in range(2))
    with first, again:
        assert first._ctx.credentials.key == again._ctx.credentials.key
        assert again.wallet_type == "EOA"


@pytest.mark.parametrize("market", [0, 1, 2], ids=["standard", "neg-risk", "v3"])
def test_an_order_rests_and_is_found_by_its_id(
    exchange: Any, maker: Any, market: int
) -> None:
    """Each exchange contract has its own domain: the id must be right for all."""
    token = exchange.token(market)
    signed = maker.create_limit_order(
        token_id=token, price="0.41", size="10", side="BUY"
    )
    placed = maker.post_order(signed)
    assert placed.ok
    assert placed.status == "live"
    [found] = [o for o in exchange.state()["orders"] if o["id"] == placed.order_id]
    assert found["price"] == "0.41"
    assert placed.order_id in _ids(maker.list_open_orders())
    assert _ids(maker.list_open_orders(id=placed.order_id)) == [placed.order_id]
    order = maker.get_order(order_id=placed.order_id)
    assert (order.original_size, order.size_matched) == (Decimal(10), Decimal(0))


def test_orders_of_every_type_are_taken(exchange: Any, maker: Any, taker: Any) -> None:
    """GTC, GTD, post-only, FOK and FAK each have a shape of their own."""
    token = exchange.token()
    later = int(time.time()) + 600
    for extra in ({}, {"expiration": later}, {"post_only": True}):
        resting = maker.create_limit_order(
            token_id=token, price="0.50", size="20", side="SELL", **extra
        )
        assert maker.post_order(resting).status == "live"
    killed = taker.create_market_order(
        token_id=token, side="BUY", amount="5", max_price="0.40", order_type="FOK"
    )
    with pytest.raises(Exception, match="FOK orders are fully filled or killed"):
        taker.post_order(killed)
    for kind in ("FOK", "FAK"):
        signed = taker.create_market_order(
            token_id=token, side="BUY", amount="5", max_price="0.50", order_type=kind
        )
        done = taker.post_order(signed)
        assert (done.status, done.making_amount) == ("matched", Decimal(5))
        assert done.taking_amount == Decimal(10)
        assert len(done.trade_ids) == 1


def test_a_batch_is_answered_leg_by_leg(exchange: Any, maker: Any) -> None:
    """A refused leg must not hide the ones that were taken."""
    token = exchange.token()
    prices = ("0.31", "0.32", "0.33")
    signed = [
        maker.create_limit_order(token_id=token, price=p, size="10", side="BUY")
        for p in prices
    ]
    broke = maker.create_limit_order(
        token_id=token, price="0.9", size="1000000", side="BUY"
    )
    results = maker.post_orders([*signed, broke])
    assert [r.ok for r in results] == [True, True, True, False]
    assert results[-1].code == "not_enough_balance"


def test_a_second_post_of_one_order_is_a_duplicate(exchange: Any, maker: Any) -> None:
    """Idempotency at the venue is by the signed order, and nothing else."""
    signed = maker.create_limit_order(
        token_id=exchange.token(), price="0.30", size="10", side="BUY"
    )
    assert maker.post_order(signed).ok
    with pytest.raises(Exception, match="Duplicated"):
        maker.post_order(signed)


def test_cancels_of_one_many_market_and_all(exchange: Any, maker: Any) -> None:
    """Each way of cancelling has its own route."""
    markets = exchange.ready["markets"]

    def place(market: int) -> str:
        signed = maker.create_limit_order(
            token_id=exchange.token(market), price="0.2", size="10", side="BUY"
        )
        return str(maker.post_order(signed).order_id)

    one, two, three, four, five = (place(n) for n in (0, 0, 0, 1, 0))
    assert maker.cancel_order(order_id=one).canceled == (one,)
    again = maker.cancel_order(order_id=one)
    assert again.canceled == ()
    assert "already canceled" in again.not_canceled[one]
    assert set(maker.cancel_orders(order_ids=[two, three]).canceled) == {two, three}
    gone = maker.cancel_market_orders(market=markets[1]["condition_id"])
    assert gone.canceled == (four,)
    assert maker.cancel_all().canceled == (five,)
    assert _ids(maker.list_open_orders()) == []


def test_trades_balance_and_positions_follow_a_match(
    exchange: Any, maker: Any, taker: Any
) -> None:
    """Money moves when a trade settles, and every reading must agree on it."""
    token = exchange.token(3)

    def shares(client: Any) -> Decimal:
        held = client.get_balance_allowance(asset_type="CONDITIONAL", token_id=token)
        return Decimal(held.balance) / 1_000_000

    _soon(lambda: _is_settled(taker))  # what other tests traded moves money, too
    before = shares(taker)
    cash = taker.get_balance_allowance(asset_type="COLLATERAL").balance
    maker.post_order(
        maker.create_limit_order(token_id=token, price="0.6", size="10", side="SELL")
    )
    bought = taker.post_order(
        taker.create_limit_order(token_id=token, price="0.6", size="10", side="BUY")
    )
    assert bought.status == "matched"
    _soon(lambda: shares(taker) == before + 10)
    [trade] = _soon(
        lambda: [
            item
            for page in taker.list_account_trades(token_id=token)
            for item in page.items
            if item.status == "CONFIRMED"
        ]
    )
    assert trade.id == bought.trade_ids[0]
    assert trade.taker_order_id == bought.order_id
    assert (trade.price, trade.size) == (Decimal("0.6"), Decimal(10))
    left = taker.get_balance_allowance(asset_type="COLLATERAL").balance
    assert cash - left == 6_000_000
    user = exchange.wallet(1)[0]
    rows = [r for p in taker.list_positions(user=user) for r in p.items]
    assert before + 10 in {r.current_size for r in rows if r.asset_id == token}
    kinds = [a.type for p in taker.list_activity(user=user) for a in p.items]
    assert "TRADE" in kinds


def test_the_book_shows_what_rests(exchange: Any, maker: Any) -> None:
    """Prices of one outcome are offers of the other."""
    yes, no = exchange.token(0, 0), exchange.token(0, 1)
    maker.post_order(
        maker.create_limit_order(token_id=yes, price="0.35", size="10", side="BUY")
    )
    book = maker.get_order_book(token_id=yes)
    assert (book.bids[-1].price, book.bids[-1].size) == (Decimal("0.35"), Decimal(10))
    mirrored = maker.get_order_book(token_id=no)
    assert mirrored.asks[-1].price == Decimal("0.65")
    assert [b.tick_size for b in maker.get_order_books(token_ids=[yes])] == [
        Decimal("0.01")
    ]


def test_the_heartbeat_hands_out_ids(maker: Any) -> None:
    """A beat with another id than the last one given is refused."""
    first = maker.send_order_heartbeat()
    second = maker.send_order_heartbeat(heartbeat_id=first.heartbeat_id)
    assert second.heartbeat_id
    with pytest.raises(Exception, match="Heartbeat"):
        maker.send_order_heartbeat(heartbeat_id="no such id")


def test_all_signature_types_of_a_key_are_told_apart(exchange: Any) -> None:
    """Proxy, safe and deposit wallets sign differently, and hold their own money."""
    address, _ = exchange.wallet(0)
    for kind, wallet in enumerate(wallets_of(address)):
        exchange.admin("/fund", {"address": wallet, "cash": "100"})
        with exchange.client(0, wallet) as client:
            signed = client.create_limit_order(
                token_id=exchange.token(), price="0.1", size="10", side="BUY"
            )
            assert signed.signature_type == kind
            assert client.post_order(signed).status == "live"
            client.cancel_all()


async def test_both_streams_tell_what_happens(exchange: Any) -> None:
    """The client must parse our frames, or it drops them without a word."""
    from polymarket import AsyncSecureClient
    from polymarket.streams import MarketSpec, UserSpec

    address, key = exchange.wallet(0)
    token = exchange.token(0)
    async with await AsyncSecureClient.create(
        private_key=key, wallet=address, environment=exchange.environment()
    ) as client:
        user = await client.subscribe(UserSpec())
        market = await client.subscribe(MarketSpec(token_ids=[token]))
        first = await anext(aiter(market))
        assert first.type == "book"
        signed = await client.create_limit_order(
            token_id=token, price="0.22", size="10", side="BUY"
        )
        placed: Any = await client.post_order(signed)
        event: Any = await anext(aiter(user))
        assert (event.type, event.payload.id) == ("order", placed.order_id)
        assert event.payload.order_event_type == "PLACEMENT"
        change = await anext(aiter(market))
        assert change.type == "price_change"
        await client.cancel_all()
        event = await anext(aiter(user))
        assert event.payload.order_event_type == "CANCELLATION"
