"""The executor against a scripted venue: what is signed, sent, and believed."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executors.polymarket import GateSettings, WalletKind
from executors.protocol import (
    PostBody,
    SigningKey,
    domain_of,
    insert_owner,
    order_id,
    recover_signer,
)
from ledger.decide import (
    ID_MISMATCH,
    CancelOutcome,
    LookedUp,
    LookupFound,
    PostAnswered,
    PostOutcome,
)
from ledger.errors import (
    OutcomeUnknownError,
    PreparationError,
    VenueRejectedError,
)
from ledger.intent import UserFill
from ledger.values import Outcome, Side, TimeInForce
from ledger.venue import PreparedOrder
from tests.unit.polymarket_live.fixtures import message
from tests.unit.polymarket_live.scripted import (
    CREDENTIALS,
    KEY,
    MARKET,
    START,
    Asked,
    Built,
    Reply,
    Wallet,
    build,
    by_route,
    live,
    page,
    request,
)

SAFE = "0x" + "ab" * 20


async def prepared_by(built: Built, **changes: Any) -> PreparedOrder:
    """Start and sign one order."""
    await built.executor.check()
    return await built.executor.prepare(request(**changes))


# Start


async def test_a_start_asks_for_time_wallet_and_credentials_and_posts_nothing() -> None:
    """A start that trades is not a check."""
    built = build()
    await built.executor.start()
    asked = {(one.method, one.path) for one in built.transport.asked}
    assert ("GET", "/time") in asked
    assert ("GET", "/balance-allowance") in asked
    assert all(method == "GET" for method, _ in asked)
    await built.executor.close()


@pytest.mark.parametrize(
    ("offset", "ahead"), [(-120, "ahead of"), (120, "behind"), (-13, "ahead of")]
)
async def test_a_clock_that_is_off_refuses_the_start(offset: int, ahead: str) -> None:
    """Every signed request would be refused, at a worse moment."""
    now = str(int(START.timestamp()) + offset)
    built = build({"GET /time": Reply(200, now)})
    with pytest.raises(VenueRejectedError, match=ahead) as caught:
        await built.executor.start()
    assert caught.value.code == "clock_drift"


@pytest.mark.parametrize("offset", [-3, -1, 0, 5])
async def test_a_small_drift_is_told_and_tolerated(offset: int) -> None:
    """The venue tells whole seconds only."""
    now = str(int(START.timestamp()) + offset)
    built = build({"GET /time": Reply(200, now)})
    standing = await built.executor.check()
    assert standing.clock_drift_sec == {-3: 2, -1: 0, 0: 0, 5: -5}[offset]
    assert standing.cash == Decimal("7.5")


@pytest.mark.parametrize(
    ("wallet", "settings"),
    [
        (Wallet(), {"wallet_kind": WalletKind.SAFE}),
        (Wallet(kind=WalletKind.SAFE), {"wallet_kind": WalletKind.SAFE}),
        (
            Wallet(kind=WalletKind.SAFE, funder=SAFE),
            {"wallet_kind": WalletKind.SAFE, "funder": "0x" + "cd" * 20},
        ),
        (
            Wallet(kind=WalletKind.DEPOSIT, funder=SAFE),
            {"wallet_kind": WalletKind.PROXY, "funder": SAFE},
        ),
    ],
)
async def test_another_wallet_than_configured_refuses_the_start(
    wallet: Wallet, settings: dict[str, Any]
) -> None:
    """Type 2 without a funder signs for an empty wallet: orders of nobody."""
    built = build(wallet=wallet, **settings)
    with pytest.raises(VenueRejectedError) as caught:
        await built.executor.start()
    assert caught.value.code == "wallet_kind"


async def test_credentials_that_are_refused_refuse_the_start() -> None:
    """Found out now, and not with the first order."""
    wrong = Reply(401, {"error": "Unauthorized/Invalid api key"})
    built = build({"GET /balance-allowance": wrong})
    with pytest.raises(VenueRejectedError, match="Unauthorized") as caught:
        await built.executor.start()
    assert caught.value.code == "credentials"


async def test_a_page_of_html_refuses_the_start() -> None:
    """A captive portal is no exchange."""
    built = build({"GET /time": Reply(200, "<html>Sign in to the WiFi</html>")})
    with pytest.raises(VenueRejectedError) as caught:
        await built.executor.start()
    assert caught.value.code == "not_the_venue"


async def test_a_page_of_html_is_not_blamed_on_the_credentials() -> None:
    """Whoever reads that looks for a wrong key, and not for a proxy."""
    built = build({"GET /balance-allowance": Reply(200, "<html>Welcome</html>")})
    with pytest.raises(VenueRejectedError) as caught:
        await built.executor.start()
    assert caught.value.code == "not_the_venue"
    await built.executor.close()


async def test_before_the_start_nothing_is_posted() -> None:
    """Without an owner the venue could not know whose it is."""
    built = build()
    prepared = await built.executor.prepare(request())
    with pytest.raises(OutcomeUnknownError):
        await built.executor.submit(prepared)
    assert not built.transport.sent("POST", "/order")


# Prepare


async def test_what_is_stored_is_the_whole_order_and_no_secret() -> None:
    """It goes to disk, and is all that a repeat needs."""
    built = build()
    prepared = await prepared_by(built)
    assert CREDENTIALS.api_key not in prepared.signed_order
    body = PostBody.parse(prepared.signed_order)
    assert body.owner == ""
    order = body.order
    domain = domain_of(order, MARKET.neg_risk)
    assert recover_signer(order, *domain) == KEY.address
    assert order_id(order, *domain) == prepared.venue_order_id
    assert (order.maker_amount, order.taker_amount) == (5_600_000, 10_000_000)
    assert (prepared.maker_amount, prepared.taker_amount) == (5_600_000, 10_000_000)
    assert prepared.size == 10


@pytest.mark.parametrize(
    ("changes", "order_type", "post_only", "expiration"),
    [
        ({}, "GTC", False, 0),
        ({"post_only": True}, "GTC", True, 0),
        ({"time_in_force": TimeInForce.FOK}, "FOK", False, 0),
        ({"time_in_force": TimeInForce.FAK, "side": Side.SELL}, "FAK", False, 0),
        (
            {
                "time_in_force": TimeInForce.GTD,
                "expires_at": START + timedelta(seconds=600),
            },
            "GTD",
            False,
            int(START.timestamp()) + 600,
        ),
    ],
)
async def test_the_stored_body_says_how_long_the_order_works(
    changes: dict[str, Any], order_type: str, post_only: bool, expiration: int
) -> None:
    """None of it is signed, so the body is where it must be right."""
    prepared = await prepared_by(build(), **changes)
    body = PostBody.parse(prepared.signed_order)
    assert (body.order_type, body.post_only) == (order_type, post_only)
    assert body.order.expiration == expiration
    assert ('"postOnly":true' in prepared.signed_order) is post_only


async def test_an_order_that_may_not_rest_spends_whole_cents() -> None:
    """The venue refuses finer amounts; the ledger's size is what was signed."""
    prepared = await prepared_by(
        build(), size=Decimal("21.04"), time_in_force=TimeInForce.FAK
    )
    assert prepared.maker_amount == 11_780_000
    assert prepared.taker_amount == 21_035_700
    assert prepared.size == Decimal("21.0357")
    assert Decimal(prepared.maker_amount) / prepared.taker_amount >= Decimal("0.56")


async def test_sizes_are_rounded_down_and_the_signed_size_is_told() -> None:
    """Reservations and fills are counted against what was signed."""
    prepared = await prepared_by(build(), size=Decimal("10.239"), side=Side.SELL)
    assert prepared.size == Decimal("10.23")
    assert prepared.maker_amount == 10_230_000


async def test_two_signatures_of_one_intent_are_two_orders() -> None:
    """That is why a repeat posts the stored bytes."""
    built = build()
    first = await prepared_by(built)
    second = await built.executor.prepare(request())
    assert first.venue_order_id != second.venue_order_id


async def test_a_rule_of_the_venue_refuses_before_anything_is_signed() -> None:
    """Cheaper than a refusal by the venue, and as clear."""
    with pytest.raises(VenueRejectedError) as caught:
        await prepared_by(build(), size=Decimal(1))
    assert caught.value.code == "min_size"


class Impostor(Wallet):
    """Signs with another key than it says."""

    def __init__(self) -> None:
        super().__init__()
        self._key = SigningKey("0x" + "7" * 64)


async def test_a_signature_of_another_key_is_never_stored() -> None:
    """The venue would refuse it, or worse: take it for somebody else's."""
    with pytest.raises(PreparationError, match="another key"):
        await prepared_by(build(wallet=Impostor()))


async def test_threads_sign_what_the_loop_would_sign() -> None:
    """The same salt, time and amounts: the same bytes."""
    in_line = await prepared_by(build())
    built = build(threaded=True)
    in_thread = await prepared_by(built)
    assert in_thread == in_line
    await built.executor.close()


# Submit


def answering(*orders: PreparedOrder) -> Any:
    """A venue that accepts these."""
    by_salt = {PostBody.parse(one.signed_order).order.salt: one for one in orders}

    def reply(asked: Asked) -> Reply | Exception:
        body = json.loads(asked.body or "{}")
        if asked.path == "/orders":
            return Reply(200, [live(by_salt[one["order"]["salt"]]) for one in body])
        if asked.path == "/order":
            return Reply(200, live(by_salt[body["order"]["salt"]]))
        return by_route({})(asked)

    return reply


async def test_the_stored_bytes_are_posted_once_with_the_owner() -> None:
    """Byte for byte, but for the key that must not lie on disk."""
    built = build()
    prepared = await prepared_by(built)
    built.transport.script = answering(prepared)
    answer = await built.executor.submit(prepared)
    assert answer.outcome is PostOutcome.LIVE
    (asked,) = built.transport.sent("POST", "/order")
    assert asked.body == insert_owner(prepared.signed_order, CREDENTIALS.api_key)
    await built.executor.close()


async def test_orders_that_arrive_together_go_out_together() -> None:
    """Up to 15 in one request, each answered for itself."""
    built = build(posts_at_once=1)
    await built.executor.check()
    orders = [await built.executor.prepare(request()) for _ in range(32)]
    built.transport.script = answering(*orders)
    answers = await asyncio.gather(*map(built.executor.submit, orders))
    assert {answer.outcome for answer in answers} == {PostOutcome.LIVE}
    sizes = [
        len(json.loads(one.body)) for one in built.transport.sent("POST", "/orders")
    ]
    assert sizes == [15, 15, 2]
    await built.executor.close()


async def test_a_lost_answer_leaves_every_order_of_the_request_unknown() -> None:
    """Nobody is told "refused", and nobody is posted again by itself."""
    built = build({"POST /orders": ConnectionResetError("x")})
    await built.executor.check()
    orders = [await built.executor.prepare(request()) for _ in range(3)]
    answers = await asyncio.gather(*map(built.executor.submit, orders))
    assert {answer.outcome for answer in answers} == {PostOutcome.UNKNOWN}
    assert len(built.transport.sent("POST", "/orders")) == 1
    await built.executor.close()


async def test_another_id_than_ours_is_told_as_such() -> None:
    """The ledger halts on it."""
    built = build(
        {"POST /order": Reply(200, live(await prepared_by(build(), size=Decimal(11))))}
    )
    answer = await built.executor.submit(await prepared_by(built))
    assert answer.code == ID_MISMATCH
    await built.executor.close()


async def test_a_gated_order_is_not_sent() -> None:
    """425 closes for all; the second post never leaves."""
    built = build(
        {
            "POST /order": Reply(
                425, {"error": "service not ready"}, {"Retry-After": "5"}
            )
        }
    )
    prepared = await prepared_by(built)
    first = await built.executor.submit(prepared)
    assert (first.outcome, first.code) == (PostOutcome.NOT_PROCESSED, "restarting")
    assert first.retry_after_ms == 5001
    again = await built.executor.submit(prepared)
    assert again.outcome is PostOutcome.NOT_PROCESSED
    assert len(built.transport.sent("POST", "/order")) == 1
    built.clock.seconds += 5.1
    built.transport.script = answering(prepared)
    assert (await built.executor.submit(prepared)).outcome is PostOutcome.LIVE
    await built.executor.close()


async def test_what_waits_when_the_gate_closes_is_not_sent() -> None:
    """The first answer tells for all that stand behind it."""
    restarting = Reply(425, {"error": "service not ready"})
    built = build({"POST /order": restarting}, posts_at_once=1, batch_size=1)
    await built.executor.check()
    orders = [await built.executor.prepare(request()) for _ in range(5)]
    answers = await asyncio.gather(*map(built.executor.submit, orders))
    assert {answer.code for answer in answers} == {"restarting"}
    assert len(built.transport.sent("POST", "/order")) == 1
    await built.executor.close()


async def test_in_the_post_only_window_post_only_orders_go_out() -> None:
    """A maker quotes on while takers wait."""
    closed = {"error": "post-only mode: only ...", "retry_after_seconds": 79}
    built = build({"POST /order": Reply(503, closed)})
    plain = await prepared_by(built)
    maker = await built.executor.prepare(request(post_only=True))
    refused = await built.executor.submit(plain)
    assert refused.retry_after_ms == 79_001
    built.transport.script = answering(maker)
    assert (await built.executor.submit(maker)).outcome is PostOutcome.LIVE
    assert (await built.executor.submit(plain)).code == "post_only_mode"
    assert built.executor.unavailable() == ""
    await built.executor.close()


async def test_more_orders_than_our_limit_wait_or_come_back() -> None:
    """The venue's limit is kept before the venue has to."""
    gate = GateSettings(orders_per_sec=10, order_burst=10, max_wait_sec=0.5)
    built = build(gate=gate)
    await built.executor.check()
    orders = [await built.executor.prepare(request()) for _ in range(20)]
    built.transport.script = answering(*orders)
    answers = await asyncio.gather(*map(built.executor.submit, orders))
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(PostOutcome.LIVE) == 15
    late = [one for one in answers if one.outcome is PostOutcome.NOT_PROCESSED]
    assert {one.code for one in late} == {"rate_limited"}
    assert all(one.retry_after_ms > 500 for one in late)
    assert built.clock.seconds >= 0.5
    await built.executor.close()


async def test_a_caller_that_gives_up_early_takes_the_order_back() -> None:
    """It never left, so it must not leave later."""
    built = build(posts_at_once=1)
    await built.executor.check()
    first, second = [await built.executor.prepare(request()) for _ in range(2)]
    built.transport.script = answering(first, second)
    built.transport.delay = 0.02
    running = asyncio.create_task(built.executor.submit(first))
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(built.executor.submit(second))
    await asyncio.sleep(0)
    waiting.cancel()
    assert (await running).outcome is PostOutcome.LIVE
    await asyncio.sleep(0.05)
    assert len([one for one in built.transport.asked if one.method == "POST"]) == 1
    await built.executor.close()


async def test_an_answer_after_the_callers_patience_is_still_heard() -> None:
    """The order works, and the ledger should know before it asks."""
    built = build()
    prepared = await prepared_by(built)
    built.transport.script = answering(prepared)
    built.transport.delay = 0.02
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005):
            await built.executor.submit(prepared)
    async with asyncio.timeout(2):
        fact = await anext(aiter(built.executor.facts()))
    assert (fact.venue_order_id, fact.source) == (prepared.venue_order_id, "post")
    assert isinstance(fact.fact, PostAnswered)
    assert fact.fact.outcome is PostOutcome.LIVE
    await built.executor.close()


async def test_closing_answers_who_still_waits() -> None:
    """Nobody hangs, and nobody is told a lie."""
    built = build()
    prepared = await prepared_by(built)
    built.transport.script = answering(prepared)
    built.transport.delay = 60
    waiting = asyncio.create_task(built.executor.submit(prepared))
    await asyncio.sleep(0.01)
    await built.executor.close()
    assert (await waiting).outcome is PostOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("side", "query"),
    [
        (Side.BUY, {"asset_type": "COLLATERAL", "signature_type": "0"}),
        (
            Side.SELL,
            {
                "asset_type": "CONDITIONAL",
                "signature_type": "0",
                "token_id": MARKET.yes_token,
            },
        ),
    ],
)
async def test_a_refusal_for_want_of_funds_has_the_venue_look_again(
    side: Side, query: dict[str, str]
) -> None:
    """Its cache lags behind the chain, most of all after a fill."""
    refused = Reply(400, {"error": "not enough balance / allowance"})
    built = build(
        {"POST /order": refused, "GET /balance-allowance/update": Reply(200, "{}")}
    )
    answer = await built.executor.submit(await prepared_by(built, side=side))
    assert answer.outcome is PostOutcome.REFUSED
    await asyncio.sleep(0.01)
    (asked,) = built.transport.sent("GET", "/balance-allowance/update")
    assert asked.query == query
    await built.executor.close()


# Cancels and reads


async def test_a_cancel_names_the_order_and_reads_the_answer_for_it() -> None:
    """200 is no success."""
    one = "0x" + "1" * 64
    built = build(
        {"DELETE /order": Reply(200, {"canceled": [one], "not_canceled": {}})}
    )
    await built.executor.check()
    assert (await built.executor.cancel(one)).outcome is CancelOutcome.CANCELED
    (asked,) = built.transport.sent("DELETE", "/order")
    assert json.loads(asked.body) == {"orderID": one}


async def test_a_cancel_that_must_wait_too_long_is_not_sent() -> None:
    """Its caller is told that nothing is known."""
    busy = Reply(429, {"error": "Too Many Requests"}, {"Retry-After": "9"})
    built = build({"DELETE /order": busy})
    await built.executor.check()
    for _ in range(2):
        answer = await built.executor.cancel("0x1")
        assert answer.outcome is CancelOutcome.UNKNOWN
    assert "not sent" in answer.text
    assert len(built.transport.sent("DELETE", "/order")) == 1


ROW = message("data_order")
ONE = ROW["id"]


@pytest.mark.parametrize(
    ("listed", "by_path", "found"),
    [
        ([ROW], Reply(500, ""), LookupFound.LIVE),
        ([], Reply(200, ROW), LookupFound.LIVE),
        ([ROW | {"id": "0x9"}], Reply(200, ROW), LookupFound.LIVE),
        ([ROW | {"status": "CANCELED"}], Reply(500, ""), LookupFound.CANCELED),
        ([], Reply(404, {"error": "Order not found"}), LookupFound.NONE),
        ([], Reply(200, "null"), LookupFound.NONE),
    ],
)
async def test_an_order_is_absent_only_when_both_places_say_so(
    listed: list[Any], by_path: Reply, found: LookupFound
) -> None:
    """A filled order leaves the list, a fresh one is not yet at its path."""
    routes: dict[str, Reply | Exception] = {
        "GET /data/orders": page(listed),
        f"GET /data/order/{ONE}": by_path,
    }
    built = build(routes)
    await built.executor.check()
    assert (await built.executor.get_order(ONE)).found is found


@pytest.mark.parametrize(
    "routes",
    [
        {"GET /data/orders": Reply(500, "")},
        {"GET /data/orders": page([]), f"GET /data/order/{ONE}": Reply(502, "")},
        {"GET /data/orders": page([ROW | {"status": "BLESSED"}])},
    ],
)
async def test_an_unanswered_look_up_is_no_absence(routes: dict[str, Any]) -> None:
    """Only answered probes count."""
    built = build(routes)
    await built.executor.check()
    with pytest.raises(OutcomeUnknownError):
        await built.executor.get_order(ONE)


async def test_open_orders_with_a_bad_row_are_not_complete() -> None:
    """The bad row may be the one that is missed."""
    rows = [ROW, ROW | {"price": "odd"}]
    built = build({"GET /data/orders": page(rows)})
    await built.executor.check()
    found = await built.executor.get_open_orders()
    assert (len(found.orders), found.complete) == (1, False)
    assert built.executor.health()["quarantined"] == 1


def own_trade(**changes: Any) -> dict[str, Any]:
    """A listed trade of ours as taker."""
    row: dict[str, Any] = message("data_trades_page")["data"][0]
    return row | {"asset_id": MARKET.yes_token} | changes


async def test_trades_of_an_unknown_market_are_read_after_asking_for_it() -> None:
    """After a restart the ledger may not know every market of its fills."""
    token = "5211"
    routes: dict[str, Reply | Exception] = {
        "GET /data/trades": page([own_trade(asset_id=token)]),
        f"GET /markets-by-token/{token}": Reply(200, {"condition_id": "0x77"}),
        "GET /clob-markets/0x77": Reply(
            200,
            {
                "t": [{"t": token, "o": "Up"}, {"t": "99", "o": "Down"}],
                "mts": 0.001,
                "mos": 5,
                "fd": {"r": 0.07, "e": 1},
            },
        ),
    }
    built = build(routes)
    await built.executor.check()
    trades = await built.executor.get_trades(START)
    (fill,) = trades.fills
    assert trades.complete
    assert fill.fee == Decimal("0.08745")


async def test_a_trade_that_cannot_be_read_makes_the_sweep_incomplete() -> None:
    """Absence from it proves nothing."""
    built = build({"GET /data/trades": page([own_trade(size="odd"), own_trade()])})
    await built.executor.check()
    trades = await built.executor.get_trades(START)
    assert (len(trades.fills), trades.complete) == (1, False)


async def test_an_unreadable_trade_tells_which_orders_it_may_be_about() -> None:
    """Of every other order its absence still proves what it proved."""
    odd = own_trade(size="odd")
    built = build({"GET /data/trades": page([odd, own_trade()])})
    await built.executor.check()
    trades = await built.executor.get_trades(START)
    assert not trades.proves_absence(odd["taker_order_id"].lower())
    assert trades.proves_absence("0x" + "7" * 64)


@pytest.mark.parametrize(
    "changes",
    [
        {"taker_order_id": None},
        {"taker_order_id": "0x12"},
        {"maker_orders": "none"},
        {"maker_orders": [{}]},
        {"maker_orders": ["0x"]},
    ],
)
async def test_an_unreadable_trade_that_names_no_order_may_be_about_any(
    changes: dict[str, Any],
) -> None:
    """Money that may be at work is not let go."""
    odd = own_trade(size="odd", status="odd") | changes
    built = build({"GET /data/trades": page([odd])})
    await built.executor.check()
    trades = await built.executor.get_trades(START)
    assert not trades.proves_absence("0x" + "7" * 64)


async def test_holdings_are_settled_shares_and_cash() -> None:
    """Two witnesses, one answer."""
    row = {
        "token_id": MARKET.no_token,
        "condition_id": MARKET.market_id,
        "outcome_index": 1,
        "current_size": 12.5,
    }
    body = {"data": [row], "pagination": {"has_more": False, "next_cursor": None}}
    built = build({"GET /v2/positions": Reply(200, body)})
    await built.executor.check()
    found = await built.executor.get_positions()
    assert found.cash == Decimal("7.5")
    (position,) = found.positions
    assert (position.outcome, position.size) == (Outcome.NO, Decimal("12.5"))


async def test_what_the_order_api_cannot_do_is_refused() -> None:
    """On-chain work belongs to the wallet."""
    executor, one = build().executor, Decimal(1)
    for work in (
        executor.merge(MARKET, one),
        executor.split(MARKET, one),
        executor.redeem(MARKET, Outcome.YES, one),
    ):
        with pytest.raises(VenueRejectedError) as caught:
            await work
        assert caught.value.code == "not_supported"


# What the venue says on its own


async def test_a_sweep_tells_trades_and_open_orders_and_remembers_how_far() -> None:
    """What the stream left out comes from here."""
    built = build(
        {"GET /data/trades": page([own_trade()]), "GET /data/orders": page([ROW])}
    )
    await built.executor.check()
    built.clock.seconds += 1000
    feed = built.executor._feed
    feed.swept_to = START
    assert await feed.sweep()
    assert feed.swept_to == built.clock.now()
    since = built.transport.sent("GET", "/data/trades")[0].query["after"]
    assert since == str(int(START.timestamp()) - 600)
    facts = aiter(built.executor.facts())
    first, second = await anext(facts), await anext(facts)
    assert isinstance(first.fact, UserFill)
    assert second.fact == LookedUp(found=LookupFound.LIVE, size_matched=Decimal(0))
    assert {first.source, second.source} == {"sweep"}
    await built.executor.close()


async def test_a_failed_sweep_moves_no_cursor() -> None:
    """The next one begins where the last complete one did."""
    built = build({"GET /data/trades": Reply(500, "")})
    await built.executor.check()
    built.executor._feed.swept_to = START
    built.clock.seconds += 50
    assert not await built.executor._feed.sweep()
    assert built.executor._feed.swept_to == START


async def test_a_sweep_with_an_unreadable_trade_moves_no_cursor() -> None:
    """The trade must be asked for again, when it can be read."""
    built = build({"GET /data/trades": page([own_trade(size="odd")])})
    await built.executor.check()
    built.executor._feed.swept_to = START
    built.clock.seconds += 50
    assert not await built.executor._feed.sweep()
    assert built.executor._feed.swept_to == START


async def test_frames_are_stored_before_they_are_read(tmp_path: Path) -> None:
    """Also the one that cannot be read; the reason lies beside it."""
    built = build(data=tmp_path)
    await built.executor.check()
    built.executor._feed.on_frame("{")
    built.executor._feed.on_frame(
        json.dumps(ROW | {"event_type": "order", "type": "PLACEMENT"})
    )
    fact = await anext(aiter(built.executor.facts()))
    assert fact.venue_order_id == ONE
    assert len((tmp_path / "user_frames.jsonl").read_text().splitlines()) == 2
    assert "not JSON" in (tmp_path / "quarantine.jsonl").read_text()
    health = built.executor.health()
    assert (health["quarantined"], health["last_quarantine_reason"]) == (1, "not JSON")


async def test_a_reader_that_fails_puts_the_frame_aside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A message of tomorrow must not end the stream."""
    built = build()
    await built.executor.check()

    def broken(_text: str) -> None:
        raise KeyError("novel")

    monkeypatch.setattr(built.executor._account.reader, "frame", broken)
    built.executor._feed.on_frame("{}")
    assert built.executor.health()["last_quarantine_reason"] == "KeyError"


async def test_a_start_goes_on_where_the_last_sweep_ended(tmp_path: Path) -> None:
    """What was traded while we were away is asked for."""
    first = build(data=tmp_path)
    await first.executor.check()
    assert await first.executor._feed.sweep()
    await first.executor.close()
    again = build(data=tmp_path)
    again.clock.seconds = 5
    await again.executor.start()
    assert again.executor.health()["swept_to"] == START
    await again.executor.close()


# The dead-man switch


async def test_while_the_heartbeat_fails_nothing_new_is_taken() -> None:
    """The venue may cancel everything at any moment."""
    beats: dict[str, Reply | Exception] = {
        "POST /v1/heartbeats": Reply(200, {"heartbeat_id": "one"})
    }
    built = build(beats, heartbeat=True)
    assert "no heartbeat" in built.executor.unavailable()
    await built.executor.check()
    beat = built.executor._heartbeat
    assert await beat.beat()
    assert built.executor.unavailable() == ""
    built.clock.seconds += 10.5
    assert "heartbeat fails" in built.executor.unavailable()
    built.transport.script = by_route({"POST /v1/heartbeats": Reply(500, "")})
    assert not await beat.beat()
    built.transport.script = by_route(beats)
    assert await beat.beat()
    assert built.executor.unavailable() == ""


async def test_a_heartbeat_takes_the_id_that_the_venue_expects() -> None:
    """After a restart the chain of ids is the venue's to know."""
    sent: list[str] = []

    def script(asked: Asked) -> Reply:
        if asked.path != "/v1/heartbeats":
            reply = by_route({})(asked)
            assert isinstance(reply, Reply)
            return reply
        sent.append(json.loads(asked.body)["heartbeat_id"])
        if sent[-1] != "expected":
            wrong = {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": "expected"}
            return Reply(400, wrong)
        return Reply(200, {"heartbeat_id": "expected"})

    built = build(script=script, heartbeat=True)
    await built.executor.check()
    assert await built.executor._heartbeat.beat()
    assert sent == ["", "expected"]


# Secrets


async def test_no_secret_is_in_what_the_executor_shows() -> None:
    """`repr`, `health` and errors go to logs and pages."""
    built = build({"POST /order": ConnectionResetError("x")})
    prepared = await prepared_by(built)
    answer = await built.executor.submit(prepared)
    shown = f"{built.executor!r} {built.executor.health()} {answer} {prepared}"
    for secret in (CREDENTIALS.api_key, CREDENTIALS.secret, CREDENTIALS.passphrase):
        assert secret not in shown
    await built.executor.close()
