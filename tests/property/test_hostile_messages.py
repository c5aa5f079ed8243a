"""Every captured message of the venue, damaged: it is read, or refused by name.

Nothing that a venue, a proxy or a broken line sends may end the stream, and no
number that is not exact may come out of it.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executors.polymarket import LiveSettings, WalletKind
from executors.polymarket.answers import (
    Answer,
    classify_batch,
    classify_cancel,
    classify_post,
    retry_after_ms,
)
from executors.polymarket.fields import UnreadableError
from executors.polymarket.heartbeat import Heartbeat
from executors.polymarket.parsing import Reader
from executors.polymarket.positions import position_of
from executors.polymarket.rest import Rest
from ledger.decide import CancelAnswered, PostAnswered
from ledger.errors import VenueError
from ledger.market import Market
from tests.unit.polymarket_live.scripted import (
    CREDENTIALS,
    KEY,
    START,
    Reply,
    ScriptedTransport,
    TurnedClock,
)

FOLDER: Final = Path(__file__).parents[1] / "data" / "venue"
TEXTS: Final = {path.stem: path.read_text() for path in FOLDER.glob("*.json")}
API_KEY: Final = "3e2c94ca-8124-c4c1-c7ea-be1ea21b71fe"
FUNDER: Final = "0xa3D82Ed56F4c68d2328Fb8c29e568Ba2cAF7d7c8"
TOKEN: Final = (
    "21742633143463906290569050155826241533067272736897614950488157847949938836455"
)
ORDER_ID: Final = "0xff354cd7ca7539dfa9c28d90943ab5779a4eac34b9b37a757d7b32bdfb11790b"
MARKET: Final = Market(
    market_id="0x" + "a" * 64,
    yes_token=TOKEN,
    no_token="1",
    fee_rate=Decimal("0.05"),
    fee_exponent=2,
)
LIVE: Final = LiveSettings(wallet_kind=WalletKind.EOA)
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "40"))
"""Damaged copies of each message; more of them are worth a night."""

_MOST_REQUESTS: Final = 30
"""A list may name a next page for ever."""


HOSTILE: Final = (
    *("null", "true", "false", "0", "-0", "-1", "1.5", "1e400", "-1e400", "1e-400"),
    *("1e99999999", "1e-99999999", "9" * 40, "0." + "3" * 60, "NaN", "Infinity"),
    *(
        '""',
        '"NaN"',
        '"1e400"',
        '"-1"',
        '"0"',
        '"٣"',
        '"0.5"',
        '"\\u0000"',
        '"\\ud800"',
    ),
    *("[]", "{}", "[[]]", '[{"id":1}]', '{"t":null}', "[" * 600 + "]" * 600),
    '"' + "x" * 100_000 + '"',
)
"""What takes the place of a value, as JSON text: not all of it is JSON."""

_MARK: Final = "\N{REPLACEMENT CHARACTER}here"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value of a message is."""
    yield path
    parts = value.items() if isinstance(value, dict) else ()
    for key, part in enumerate(value) if isinstance(value, list) else parts:
        yield from places(part, (*path, key))


def changed(value: Any, path: tuple[Any, ...], *, is_gone: bool) -> Any:
    """A copy with one value marked, or left out."""
    if not path:
        return _MARK
    key, *rest = path
    copy = value.copy()
    if is_gone and not rest:
        del copy[key]
    else:
        copy[key] = changed(copy[key], tuple(rest), is_gone=is_gone)
    return copy


@st.composite
def damaged(draw: st.DrawFn, name: str) -> str:
    """A captured message with up to three values replaced or bytes damaged."""
    text = TEXTS[name]
    for _ in range(draw(st.integers(1, 3))):
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            break
        where = draw(st.sampled_from(list(places(message))))
        is_gone = draw(st.integers(0, 5)) == 0
        text = json.dumps(changed(message, where, is_gone=is_gone))
        text = text.replace(json.dumps(_MARK), draw(st.sampled_from(HOSTILE)))
    if draw(st.integers(0, 3)) == 0:
        start = draw(st.integers(0, len(text)))
        stop = start + draw(st.integers(0, 20))
        text = text[:start] + draw(st.text(max_size=5)) + text[stop:]
    return text


def reader() -> Reader:
    """The account that the captured messages are about."""
    return Reader(
        api_key=API_KEY,
        funder=FUNDER,
        market_of=lambda token: MARKET if token == TOKEN else None,
        size_of={ORDER_ID: Decimal("10")}.get,
    )


def check_exact(value: object) -> None:
    """Every number is finite and within reach, or the log could not hold it."""
    for number in _decimals(value):
        assert number.is_finite(), value
        assert abs(number) < 10**12, value
    msgspec.json.encode(value)


def check_short(error: Exception) -> None:
    """Whatever was sent, a reason fits into a line of a log."""
    assert len(str(error)) < 1000


def _decimals(value: object) -> Iterator[Decimal]:
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _decimals(getattr(value, name))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _decimals(part)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a message: each could be a row."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, dict | list):
            yield from objects(part)


def check_readers(text: str) -> None:
    """Every reader of messages and rows."""
    read = reader()
    parsed = read.frame(text)
    check_exact(parsed.facts)
    try:
        message = msgspec.json.Decoder(float_hook=Decimal).decode(text)
    except (ValueError, ArithmeticError, RecursionError):
        return
    if not isinstance(message, dict | list):
        return
    for row in objects(message):
        for work in (
            read.fills,
            read.looked_up,
            read.observed,
            lambda row: position_of(row, lambda _: MARKET),
            lambda row: position_of(row, lambda _: None),
        ):
            try:
                check_exact(work(row))
            except UnreadableError as error:
                check_short(error)


def check_answers(text: str) -> None:
    """What a post, a batch, a cancel may be answered."""
    for status in (200, 400, 404, 425, 429, 500, 503):
        answer = Answer(status=status, text=text, headers={"retry-after": text[:30]})
        found: list[PostAnswered | CancelAnswered] = [
            classify_post(answer, ORDER_ID),
            *classify_batch(answer, [ORDER_ID, "0x1", "0x2"]),
            classify_cancel(answer, ORDER_ID),
        ]
        check_exact(found)
        assert all(len(one.text) <= 500 for one in found)
        assert 0 <= retry_after_ms(answer) <= 86_400_000


async def check_requests(text: str) -> None:
    """Every question that the venue may answer so."""
    left = iter(range(_MOST_REQUESTS))

    def answer(_: object) -> Reply | Exception:
        is_up = next(left, None) is not None
        return Reply(200, text) if is_up else httpx2.ConnectError("gone")

    transport = ScriptedTransport(answer)
    rest = Rest(
        "http://venue.test",
        "http://data.test",
        clock=TurnedClock(),
        transport=transport,
    )
    rest.sign_in(CREDENTIALS, KEY.address)
    for question in (
        rest.order(ORDER_ID),
        rest.orders(),
        rest.trades(START),
        rest.collateral(0),
        rest.positions(FUNDER),
        rest.server_time(),
        rest.market_of_token(TOKEN),
    ):
        try:
            check_exact(await question)
        except VenueError as error:
            check_short(error)
        finally:
            question.close()
    assert await rest.refresh_balance("", 0) in {True, False}
    beat = Heartbeat(rest, LIVE, TurnedClock())
    assert await beat.beat() in {True, False}
    await rest.close()


@pytest.mark.parametrize("name", sorted(TEXTS))
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(data=st.data())
def test_a_damaged_message_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """T12: one bad message must cost one message."""
    text = data.draw(damaged(name))
    check_readers(text)
    check_answers(text)


@pytest.mark.parametrize("name", sorted(TEXTS))
@settings(
    max_examples=EXAMPLES // 3,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
@given(data=st.data())
def test_a_damaged_answer_is_no_answer(name: str, data: st.DataObject) -> None:
    """A look-up that ends in a surprise would end the loop that resolves orders."""
    text = data.draw(damaged(name))
    asyncio.run(check_requests(text))


def test_there_are_captured_messages() -> None:
    """An empty folder would make the tests above pass."""
    assert len(TEXTS) >= 40
