"""Who may do what: signatures, credentials, limits, and the words of each refusal."""

import json
from typing import Any

import msgspec
import pytest

from executors.exchange.engine import Mode
from executors.exchange.limits import Tier
from executors.exchange.venue import AppConfig
from executors.protocol import Credentials, WireOrder, domain_of, l1_headers, sign
from tests.unit.exchange_api.trader import Trader
from tests.unit.exchange_api.world import World, in_world

OTHER = "0x" + "ab" * 20


async def _refusal(trader: Trader, order: WireOrder, **more: Any) -> tuple[int, str]:
    answer = await trader.call("POST", "/order", trader.body(order, **more))
    return answer.status_code, str(answer.json()["error"])


def _altered(trader: Trader, order: WireOrder, **changes: Any) -> WireOrder:
    """Another order, signed by the same key."""
    order = msgspec.structs.replace(order, **changes)
    return sign(order, trader.key, *domain_of(order, neg_risk=False))


@pytest.mark.parametrize(
    ("changes", "signs", "words"),
    [
        ({"price_up": True}, False, "invalid signature"),
        ({"maker": OTHER}, True, "invalid signature"),
        (
            {"signer": OTHER},
            True,
            "the order signer address has to be the address of the API KEY",
        ),
        (
            {"signature_type": 2},
            True,
            "maker address not allowed, please use the deposit wallet flow",
        ),
        ({"signature_type": 3, "maker": OTHER}, True, "invalid signature"),
        ({"token_id": "12345"}, True, "Invalid order payload"),
    ],
    ids=["tampered", "maker", "signer", "safe-without-funder", "type-3", "token"],
)
def test_an_order_that_is_not_this_keys_is_refused(
    changes: dict[str, Any], signs: bool, words: str
) -> None:
    """An exchange that checks nothing lets a wrong signer pass its tests."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        _, order = trader.order(world.token(), "0.40")
        if signs:
            return await _refusal(trader, _altered(trader, order, **changes))
        tampered = msgspec.structs.replace(order, taker_amount=order.taker_amount * 2)
        return await _refusal(trader, tampered)

    assert in_world(play) == (400, words)


def test_a_signature_for_another_contract_is_refused() -> None:
    """The neg-risk flag changes the domain, and with it the id."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        _, order = trader.order(world.token(1), "0.40", neg_risk=False)
        return await _refusal(trader, order)

    assert in_world(play) == (400, "invalid signature")


def test_the_owner_must_be_the_key() -> None:
    """An order posted for somebody else's key would be theirs to cancel."""

    async def play(world: World) -> Any:
        trader, other = await world.trader(0), await world.trader(1)
        _, order = trader.order(world.token(), "0.40")
        body = trader.body(order).replace(
            trader.credentials.api_key, other.credentials.api_key
        )
        answer = await trader.call("POST", "/order", body)
        return answer.status_code, answer.json()["error"]

    words = "the order owner has to be the owner of the API KEY"
    assert in_world(play) == (400, words)


@pytest.mark.parametrize("wrong", ["body", "stamp", "passphrase", "path", "address"])
def test_a_request_that_was_not_signed_as_sent_is_refused(wrong: str) -> None:
    """Each part of what is signed must count."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        body = json.dumps({"orderID": "0x" + "0" * 64})
        headers = trader.headers("DELETE", "/order", body)
        if wrong == "body":
            body += " "
        elif wrong == "stamp":
            late = Trader(world.http, world.wallets[0].private_key, lambda: 0)
            late.credentials = trader.credentials
            headers = late.headers("DELETE", "/order", body)
        elif wrong == "passphrase":
            headers["POLY_PASSPHRASE"] = "no"
        elif wrong == "path":
            headers = trader.headers("DELETE", "/orders", body)
        else:
            headers["POLY_ADDRESS"] = OTHER
        answer = await world.http.request(
            "DELETE", "/order", headers=headers, content=body
        )
        return answer.status_code, answer.json()["error"]

    assert in_world(play) == (401, "Unauthorized/Invalid api key")


@pytest.mark.parametrize("wrong", ["address", "stamp", "missing", "signature"])
def test_credentials_need_proof_of_the_key(wrong: str) -> None:
    """Otherwise anybody could cancel anybody's orders."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        now = int(world.now())
        headers = l1_headers(trader.key, now - 600 if wrong == "stamp" else now)
        if wrong == "address":
            headers["POLY_ADDRESS"] = OTHER
        elif wrong == "missing":
            del headers["POLY_NONCE"]
        elif wrong == "signature":
            headers["POLY_SIGNATURE"] = "0x" + "00" * 65
        answer = await world.http.get("/auth/derive-api-key", headers=headers)
        return answer.status_code, answer.json()["error"]

    assert in_world(play) == (401, "Invalid L1 Request headers")


def test_credentials_are_created_once() -> None:
    """The client takes the 400 as its cue to derive them."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        headers = l1_headers(trader.key, int(world.now()))
        again = await world.http.post("/auth/api-key", headers=headers)
        derived = await world.http.get("/auth/derive-api-key", headers=headers)
        same = msgspec.json.decode(derived.content, type=Credentials)
        return again.status_code, same == trader.credentials

    assert in_world(play) == (400, True)


def test_the_order_bucket_empties_and_refills() -> None:
    """A bot that ignores 429 must notice it here first."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        seen = []
        for _ in range(3):
            answer = await trader.post(trader.order(world.token(), "0.40")[1])
            seen.append(answer.status_code)
            left = answer.headers["Poly-RateLimit-Remaining"]
        assert left == "0"
        waited = int(answer.headers["Retry-After"])
        await world.clock.sleep(waited)
        answer = await trader.post(trader.order(world.token(), "0.40")[1])
        return seen, waited, answer.status_code

    slow = AppConfig(tier=Tier(orders_per_sec=1, order_burst=2))
    assert in_world(play, app=slow) == ([200, 200, 429], 1, 200)


def test_a_batch_over_the_limit_is_refused_as_a_whole() -> None:
    """All or nothing: no leg of it was placed."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        bodies = [trader.body(trader.order(world.token(), "0.4")[1]) for _ in range(20)]
        answer = await trader.call("POST", "/orders", f"[{','.join(bodies)}]")
        rest = await trader.call("GET", "/data/orders")
        return answer.status_code, answer.json()["error"], rest.json()["count"]

    words = "Too many orders in payload: 20, max allowed: 15"
    assert in_world(play) == (400, words, 0)


def test_a_refused_leg_says_success_and_a_text() -> None:
    """The venue's oddest shape: only the text tells."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        good = trader.body(trader.order(world.token(), "0.40")[1])
        poor = trader.body(trader.order(world.token(), "0.40", 100_000)[1])
        answer = await trader.call("POST", "/orders", f"[{good},{poor}]")
        return answer.json()

    first, second = in_world(play)
    assert (first["success"], first["status"]) == (True, "live")
    assert (second["success"], second["orderID"], second["status"]) == (True, "", "")
    assert second["errorMsg"].startswith("not enough balance / allowance")


@pytest.mark.parametrize(
    ("mode", "post", "cancel"),
    [
        ("cancel_only", 503, 200),
        ("post_only", 503, 200),
        ("disabled", 503, 503),
        ("restarting", 425, 425),
    ],
)
def test_modes_refuse_exactly_what_they_forbid(
    mode: Any, post: int, cancel: int
) -> None:
    """Pausing more than the venue forbids would leave orders that could be ended."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        name, order = trader.order(world.token(), "0.40")
        await trader.post(order)
        world.app.exchange.set_mode(Mode(mode, world.app.venue.now_ms() + 60_000))
        posted = await trader.post(trader.order(world.token(), "0.41")[1])
        body = json.dumps({"orderID": name})
        return posted.status_code, (
            await trader.call("DELETE", "/order", body)
        ).status_code

    assert in_world(play) == (post, cancel)


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "{}", '{"order":{}}', '{"order":1,"owner":1}', "\x00", "[" * 99],
)
def test_nonsense_is_refused_and_breaks_nothing(body: str) -> None:
    """A fuzzer, or a broken bot, must not take the exchange down."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        one = await trader.call("POST", "/order", body)
        many = await trader.call("POST", "/orders", f"[{body or 1}]")
        return one.status_code, many.status_code, one.json()["error"]

    assert in_world(play) == (400, 400, "Invalid order payload")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/book?token_id=1", 404),
        ("GET", "/book", 400),
        ("GET", "/tick-size?token_id=1", 404),
        ("GET", "/v2/positions", 400),
        ("GET", "/markets/0xdead", 404),
        ("POST", "/admin/nothing", 404),
        ("POST", "/admin/advance", 400),
        ("POST", "/admin/faults", 400),
    ],
)
def test_what_does_not_exist_is_said_to_not_exist(
    method: str, path: str, status: int
) -> None:
    """An error in the venue's form, never a traceback."""

    async def play(world: World) -> Any:
        answer = await world.http.request(method, path)
        return answer.status_code, "error" in answer.json()

    assert in_world(play) == (status, True)


def test_every_public_route_answers() -> None:
    """A client may ask any of them before its first order."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        token = world.token()
        await trader.post(trader.order(token, "0.40")[1])
        await trader.post(trader.order(token, "0.60", side="SELL")[1])
        told = {}
        for path in ("midpoint", "spread", "last-trade-price", "price"):
            answer = await world.http.get(f"/{path}?token_id={token}&side=BUY")
            told[path] = next(iter(answer.json().values()))
        asked = [{"token_id": token, "side": "SELL"}]
        for path in ("books", "midpoints", "spreads", "last-trades-prices", "prices"):
            answer = await world.http.post(f"/{path}", content=json.dumps(asked))
            assert answer.status_code == 200
        condition = world.app.exchange.markets()[0].condition_id
        for path in (
            *("time", "version", "markets", "markets?next_cursor=MA%3D%3D"),
            *(f"markets/{condition}", "markets/1", f"clob-markets/{condition}"),
            *(f"markets-by-token/{token}", f"fee-rate?token_id={token}", "deployed"),
            *(f"positions?user={OTHER}", f"v2/activity?user={OTHER}"),
            *(f"v2/value?user={OTHER}", f"neg-risk?token_id={token}"),
        ):
            assert (await world.http.get(f"/{path}")).status_code == 200, path
        return told

    assert in_world(play) == {
        "midpoint": "0.5",
        "spread": "0.2",
        "last-trade-price": "0",
        "price": "0.4",
    }


@pytest.mark.parametrize(
    ("closed_only", "side", "words"),
    [
        (False, "SELL", "address banned"),
        (True, "BUY", "address in closed only mode"),
        (True, "SELL", ""),
    ],
)
def test_a_banned_wallet_is_refused_what_it_may_not(
    closed_only: bool, side: str, words: str
) -> None:
    """In closed-only mode a position can still be ended."""

    async def play(world: World) -> Any:
        trader = await world.trader()
        address = trader.key.address
        ban = {"address": address, "closed_only": closed_only}
        await world.http.post("/admin/ban", content=json.dumps(ban))
        answer = await trader.post(trader.order(world.token(), "0.40", side=side)[1])
        return answer.json().get("error", "").removeprefix(f"'{address}' ")

    assert in_world(play) == words
