"""The clients: what a strategy sees through them is what it would see here."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from examples.pair_arbitrage import PairArbitrage, PairConfig
from examples.strategy import MarketView
from ledger.api import CommandAPI
from ledger.book import OrderBook
from ledger.errors import CommandRefusedError, InvalidInputError, UnknownOrderError
from ledger.intent import OrderIntent
from ledger.manager.local import LocalAPI
from ledger.order import Order
from ledger.values import OrderStatus, Outcome
from service.client import ApiError, LedgerClient, SyncLedgerClient, UnreachableError
from tests.integration.http.running import MARKET, Service, an_intent, listening


@pytest.fixture
async def url(service: Service) -> AsyncIterator[str]:
    """Where the service listens."""
    async with listening(service) as found:
        yield found


def intent(key: str, **changes: Any) -> OrderIntent:
    """A validated intent."""
    return OrderIntent.parse(an_intent(**changes) | {"idempotency_key": key})


def shown(order: Order | None) -> dict[str, Any]:
    """What a strategy reads of an order."""
    assert order is not None
    names = (
        "order_id strategy idempotency_key market_id outcome side size price filled "
        "remaining resting avg_price fees settled cost status phase done_reason "
        "is_settling is_closed is_cancel_requested is_outcome_unknown refusal "
        "expires_at requested_at venue_order_id matched"
    )
    return {name: getattr(order, name) for name in names.split()}


INTENTS = (
    intent("rests"),
    intent("fills", price="0.5", time_in_force="FAK", post_only=False),
    intent("partly", price="0.47", size="1500", post_only=False),
    intent("killed", price="0.5", size="9000", time_in_force="FOK", post_only=False),
    intent("refused", size="100000"),
    intent("later", time_in_force="GTD", expires_at="2099-01-01T00:00:00Z"),
)


async def test_the_client_is_the_command_api(service: Service, url: str) -> None:
    """A strategy must not know where its ledger runs."""
    async with LedgerClient(url, service.token("admin")) as client:
        api: CommandAPI = client
        local = LocalAPI(service.opened.manager)
        for one in INTENTS:
            result = await api.place(one)
            there = await local.place(one)
            assert result.success == there.success, one
            assert (result.error is None) == (there.error is None)
            order_id = result.order.order_id if result.order else ""
            await asyncio.sleep(0.05)  # let what fills settle
            mine, own = await client.order(order_id), service.opened.journal.order
            assert shown(mine) == shown(own(order_id)), one
        mine_open = await api.open_orders("tester")
        own_open = await local.open_orders("tester")
        assert [o.order_id for o in mine_open] == [o.order_id for o in own_open]
        for outcome in Outcome:
            key = ("tester", MARKET.market_id, outcome)
            assert await api.position(*key) == await local.position(*key)


async def test_a_repeated_intent_is_told_as_such(service: Service, url: str) -> None:
    """The strategy decides differently when the order was there already."""
    async with LedgerClient(url, service.token("submit")) as client:
        first = await client.place(intent("a"))
        again = await client.place(intent("a"))
        other = await client.place(intent("a", size="21"))
    assert (first.deduplicated, again.deduplicated) == (False, True)
    assert other.error is not None
    assert (other.error.code, other.error.field) == (
        "idempotency_conflict",
        "idempotency_key",
    )


async def test_errors_are_the_ledgers_own(service: Service, url: str) -> None:
    """`except CommandRefusedError` must work wherever the ledger runs."""
    async with LedgerClient(url, service.token("admin")) as client:
        unknown = await client.place(intent("a", market_id="0xunknown"))
        assert unknown.error is not None
        assert unknown.error.code == "unknown_market"
        assert (await client.cancel("nothing")).error is not None
        with pytest.raises(UnknownOrderError):
            await client.order("nothing")
        with pytest.raises(CommandRefusedError):
            await client.merge("tester", MARKET.market_id, Decimal(5))
        with pytest.raises(InvalidInputError):
            await client.redeem("tester", "0xunknown", Outcome.YES)
    async with LedgerClient(url, "wrong") as client:
        with pytest.raises(ApiError) as caught:
            await client.place(intent("a"))
        assert caught.value.status == 401


async def test_orders_are_cancelled(service: Service, url: str) -> None:
    """One, and all of a strategy."""
    async with LedgerClient(url, service.token("admin")) as client:
        one = await client.place(intent("a"))
        await client.place(intent("b"))
        assert one.order is not None
        assert (await client.cancel(one.order.order_id)).success
        results = await client.cancel_all(strategy="tester")
        assert [r.success for r in results] == [True]
        orders = await client.orders(strategy="tester")
        assert {o.status for o in orders} == {OrderStatus.CANCELLED}


async def test_a_follower_gets_every_event_once(service: Service, url: str) -> None:
    """Replay, then live, through connections that break."""
    hub = service.app.state.hub
    async with LedgerClient(url, service.token("admin")) as client:
        for number in range(5):
            await client.place(intent(f"before-{number}"))
        seen: list[int] = []

        async def follow() -> None:
            async for event in client.follow(after=0):
                seen.append(event.position)  # noqa: PERF401 -- looked at meanwhile

        following = asyncio.create_task(follow())
        for number in range(20):
            await client.place(intent(f"live-{number}"))
        for _ in range(500):
            if seen and seen[-1] == hub.head:
                break
            await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert seen == list(range(1, hub.head + 1))


async def test_a_strategy_trades_through_the_client_unchanged(
    service: Service, url: str
) -> None:
    """That is what the command API is for."""
    strategy = PairArbitrage(config=PairConfig(margin=Decimal("0.01")))
    async with LedgerClient(url, service.token("admin")) as client:
        for now_ms in (1_000, 1_500, 2_000):
            books = [
                OrderBook(token, bids=[(bid, Decimal(50))], asks=[(ask, Decimal(50))])
                for token, bid, ask in (
                    (MARKET.yes_token, Decimal("0.44"), Decimal("0.46")),
                    (MARKET.no_token, Decimal("0.54"), Decimal("0.56")),
                )
            ]
            for book in books:
                book.as_of_ms = now_ms
            await strategy.on_books(client, MarketView(MARKET, now_ms, *books))
        quotes = await client.open_orders("pair_arb")
    assert {order.outcome for order in quotes} == set(Outcome)
    assert sum(order.price for order in quotes) <= Decimal("0.99")


def test_a_service_that_is_not_there_is_named_as_such() -> None:
    """A strategy that waits for ever trades on old news."""
    with (
        SyncLedgerClient("http://127.0.0.1:9", "x", retry_seconds=0.1) as client,
        pytest.raises(UnreachableError),
    ):
        client.place(intent("a"))


async def test_the_blocking_client_trades(service: Service, url: str) -> None:
    """It must work beside an event loop too, from another thread."""
    token = service.token("admin")

    def trade() -> tuple[bool, list[int], list[Order]]:
        with SyncLedgerClient(url, token) as client:
            placed = client.place(intent("a")).success
            events = client.follow(after=0)
            seen = [next(events).position for _ in range(4)]
            events.close()
            return placed, seen, client.open_orders("tester")

    placed, seen, orders = await asyncio.to_thread(trade)
    assert placed
    assert seen == [1, 2, 3, 4]
    assert [order.idempotency_key for order in orders] == ["a"]
