"""The live executor, the venue's client and the local exchange: real sockets."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from executors.polymarket import LiveSettings, WalletKind
from executors.polymarket.clients import OfficialClient
from executors.polymarket.executor import RealExecutor
from executors.polymarket.frames import OUR_KEY
from executors.protocol import SigningKey
from ledger.decide import CancelOutcome, LookupFound, PostOutcome
from ledger.errors import OutcomeUnknownError, VenueRejectedError
from ledger.intent import UserFill
from ledger.market import Market
from ledger.values import Outcome, Settlement, Side, TimeInForce
from ledger.venue import PlacementRequest, VenueFact

ROOT = Path(__file__).parents[3]


class RealClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """An exchange process; what it wrote when it listened."""
    ready = tmp_path_factory.mktemp("exchange") / "ready.json"
    command = [sys.executable, "-m", "service", "exchange"]
    command += ["--ready-file", str(ready), "--mined-ms", "100"]
    command += ["--confirmed-ms", "100", "--rate-limits", "off", "--markets", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 30
        while not ready.exists():
            assert process.poll() is None, "the exchange did not start"
            assert time.monotonic() < ends, "the exchange is not ready"
            time.sleep(0.05)
        yield json.loads(ready.read_text())
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        process.wait(15)


def market_of(exchange: dict[str, Any]) -> Market:
    """The exchange's market, as the ledger knows one."""
    told = exchange["markets"][0]
    yes, no = (token["token_id"] for token in told["tokens"])
    return Market(
        market_id=told["condition_id"],
        yes_token=yes,
        no_token=no,
        tick_size=Decimal(str(told["tick_size"])),
        min_size=Decimal(str(told["min_size"])),
        neg_risk=told["neg_risk"],
    )


def executor_of(
    exchange: dict[str, Any], number: int, *, data: Path | None = None, **changes: Any
) -> RealExecutor:
    """An executor with the venue's client and one of the throwaway keys."""
    clock = RealClock()
    key = SigningKey(exchange["wallets"][number]["private_key"])
    settings: dict[str, Any] = {
        "wallet_kind": WalletKind.EOA,
        "rest_url": exchange["rest_url"],
        "data_url": exchange["data_url"],
        "ws_user_url": exchange["ws_user_url"],
        "trust_env": False,
    }
    client = OfficialClient(
        key, kind=WalletKind.EOA, clock=clock, rest_url=exchange["rest_url"]
    )
    return RealExecutor(
        LiveSettings(**settings | changes),
        client,
        clock=clock,
        rng=Random(number),
        data=data,
    )


@asynccontextmanager
async def trading(
    exchange: dict[str, Any], number: int
) -> AsyncIterator[tuple[RealExecutor, list[VenueFact]]]:
    """A started executor, and the facts it is told."""
    executor = executor_of(exchange, number)
    facts: list[VenueFact] = []

    note = facts.append

    async def listen() -> None:
        async for fact in executor.facts():
            note(fact)

    await executor.start()
    listening = asyncio.create_task(listen())
    try:
        yield executor, facts
    finally:
        await executor.close()
        await listening


def wanted(exchange: dict[str, Any], **changes: Any) -> PlacementRequest:
    """A plain order, changed."""
    fields: dict[str, Any] = {
        "order_id": "order",
        "market": market_of(exchange),
        "outcome": Outcome.YES,
        "side": Side.BUY,
        "size": Decimal(10),
        "price": Decimal("0.30"),
        "time_in_force": TimeInForce.GTC,
        "post_only": False,
        "expires_at": None,
    }
    return PlacementRequest(**fields | changes)


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for something that somebody else's process brings about."""
    async with asyncio.timeout(20):
        while not is_true():  # noqa: ASYNC110 -- no event reaches across
            await asyncio.sleep(0.02)


def text_of(folder: Path) -> str:
    """Everything that was written there."""
    return "".join(path.read_text() for path in folder.iterdir())


def are_listening(*executors: RealExecutor) -> bool:
    """Whether every stream is connected."""
    return all(one.health()["stream_connected"] for one in executors)


def is_confirmed(facts: list[VenueFact], name: str) -> bool:
    """Whether the settlement of an order's trade was heard."""
    return any(
        isinstance(fact.fact, UserFill)
        and fact.venue_order_id == name
        and fact.fact.status is Settlement.CONFIRMED
        for fact in facts
    )


async def test_an_order_lives_and_dies_over_real_sockets(
    exchange: dict[str, Any],
) -> None:
    """Credentials by the venue's client, everything else by ours."""
    async with trading(exchange, 0) as (executor, _):
        prepared, answer = await executor.place_order(wanted(exchange))
        assert answer.outcome is PostOutcome.LIVE
        name = prepared.venue_order_id
        assert (await executor.get_order(name)).found is LookupFound.LIVE
        assert (await executor.cancel(name)).outcome is CancelOutcome.CANCELED
        assert (await executor.get_order(name)).found is LookupFound.CANCELED


async def test_a_match_is_heard_by_both_sides_over_real_sockets(
    exchange: dict[str, Any],
) -> None:
    """Threads sign, the stream tells, the list agrees."""
    async with (
        trading(exchange, 0) as (maker, heard_by_maker),
        trading(exchange, 1) as (taker, heard_by_taker),
    ):
        await until(lambda: are_listening(maker, taker))
        price = Decimal("0.40")
        resting, _ = await maker.place_order(
            wanted(exchange, side=Side.SELL, price=price)
        )
        taking, answer = await taker.place_order(wanted(exchange, price=price))
        assert answer.outcome is PostOutcome.MATCHED
        await until(lambda: is_confirmed(heard_by_maker, resting.venue_order_id))
        await until(lambda: is_confirmed(heard_by_taker, taking.venue_order_id))
        since = datetime.now(UTC) - timedelta(hours=1)
        trades = await taker.get_trades(since)
        assert trades.complete
        assert {fill.order_id for fill in trades.fills} == {taking.venue_order_id}


async def test_no_secret_is_logged_or_stored_even_at_debug(
    exchange: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Libraries print headers and frames at DEBUG; those hold credentials."""
    caplog.set_level("DEBUG")
    executor = executor_of(exchange, 1, data=tmp_path)
    await executor.start()
    await until(lambda: are_listening(executor))
    await executor.place_order(wanted(exchange))
    await until(lambda: executor.health()["frames"] > 1)
    credentials = executor._account.standing.credentials
    await executor.close()
    stored = text_of(tmp_path)
    shown = caplog.text + "".join(capfd.readouterr()) + repr(vars(executor))
    key = exchange["wallets"][1]["private_key"].removeprefix("0x")
    for secret in (credentials.secret, credentials.passphrase, key):
        assert secret not in shown + stored
    assert credentials.api_key not in stored
    assert OUR_KEY in stored


async def test_an_unreachable_host_says_so(exchange: dict[str, Any]) -> None:
    """Nobody listens on the discard port."""
    executor = executor_of(exchange, 0, rest_url="http://127.0.0.1:9")
    with pytest.raises(OutcomeUnknownError, match=r"127\.0\.0\.1:9"):
        await executor.start()
    await executor.close()


async def test_a_plain_port_behind_tls_says_so(exchange: dict[str, Any]) -> None:
    """An https address of a server that speaks none."""
    https = exchange["rest_url"].replace("http://", "https://")
    executor = executor_of(exchange, 0, rest_url=https)
    with pytest.raises(OutcomeUnknownError, match=r"(?i)ssl|connect"):
        await executor.start()
    await executor.close()


async def test_a_wrong_wallet_kind_says_so(exchange: dict[str, Any]) -> None:
    """The client knows what the key's wallet is."""
    executor = executor_of(exchange, 0, wallet_kind=WalletKind.SAFE)
    with pytest.raises(VenueRejectedError) as caught:
        await executor.start()
    assert caught.value.code == "wallet_kind"
    await executor.close()
