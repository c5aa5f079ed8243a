"""The user stream's reader: subscribe, watch, come back, say what was missed."""

import asyncio
import json
from collections.abc import Callable
from random import Random

import pytest

from executors.polymarket import StreamSettings
from executors.polymarket.stream import UserStream
from tests.tools.simloop import LoopClock, simulate
from tests.unit.polymarket_live.scripted import CREDENTIALS

Script = Callable[["FakeSocket"], None]


class FakeSocket:
    """A connection that brings what it was given, and may break."""

    def __init__(self, *, answers_ping: bool = True) -> None:
        self.queue: asyncio.Queue[str | bytes | Exception] = asyncio.Queue()
        self.sent: list[str] = []
        self.is_closed = False
        self.answers_ping = answers_ping

    async def send(self, message: str) -> None:
        self.sent.append(message)
        if message == "PING" and self.answers_ping:
            self.queue.put_nowait("PONG")

    async def recv(self) -> str | bytes:
        found = await self.queue.get()
        if isinstance(found, Exception):
            raise found
        return found

    async def close(self) -> None:
        self.is_closed = True


class Listener:
    """Writes down what it is told, and when."""

    def __init__(self, clock: LoopClock) -> None:
        self.told: list[tuple[str, str]] = []
        self.times: list[float] = []
        self._clock = clock

    def _note(self, kind: str, text: str = "") -> None:
        self.told.append((kind, text))
        self.times.append(self._clock.monotonic())

    def on_frame(self, text: str) -> None:
        self._note("frame", text)

    def on_gap(self, reason: str) -> None:
        self._note("gap", reason)

    def on_connected(self) -> None:
        self._note("connected")


def listen(
    sockets: list[FakeSocket | Exception], seconds: float, **settings: float
) -> tuple[Listener, list[FakeSocket]]:
    """Run a reader over these connections for some virtual time."""

    async def main(clock: LoopClock) -> Listener:
        listener = Listener(clock)
        waiting = list(sockets)

        async def connect(_url: str) -> FakeSocket:
            found = waiting.pop(0) if waiting else ConnectionRefusedError("nobody")
            if isinstance(found, Exception):
                raise found
            return found

        stream = UserStream(
            "ws://venue.test/ws/user",
            StreamSettings(**settings),
            CREDENTIALS,
            listener,
            connect=connect,
            clock=clock,
            rng=Random(3),
        )
        task = asyncio.create_task(stream.run())
        await clock.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not stream.is_connected
        return listener

    used = [one for one in sockets if isinstance(one, FakeSocket)]
    return simulate(1, main), used


def test_it_subscribes_to_everything_of_the_account() -> None:
    """Markets that are not named are all of them."""
    _, (socket,) = listen([FakeSocket()], 1)
    assert json.loads(socket.sent[0]) == {
        "type": "user",
        "auth": {
            "apiKey": CREDENTIALS.api_key,
            "secret": CREDENTIALS.secret,
            "passphrase": CREDENTIALS.passphrase,
        },
    }
    assert socket.is_closed


def test_frames_are_handed_on_as_they_are_and_keep_alives_are_not() -> None:
    """Bytes that are no text are a frame too: somebody must see them."""
    socket = FakeSocket()
    for frame in ('{"a": 1}', "PONG", b"\xff", "odd"):
        socket.queue.put_nowait(frame)
    listener, _ = listen([socket], 1)
    frames = [text for kind, text in listener.told if kind == "frame"]
    assert frames == ['{"a": 1}', "\ufffd", "odd"]
    assert listener.told[0] == ("connected", "")


def test_it_pings_and_an_answered_ping_keeps_the_connection() -> None:
    """A quiet account is no dead connection."""
    listener, (socket,) = listen([FakeSocket()], 95)
    assert socket.sent.count("PING") == 9
    assert [kind for kind, _ in listener.told] == ["connected"]


def test_silence_ends_the_connection_and_is_told_as_a_gap() -> None:
    """A half-open connection would be silent for ever."""
    listener, sockets = listen([FakeSocket(answers_ping=False), FakeSocket()], 60)
    kinds = [kind for kind, _ in listener.told]
    assert kinds == ["connected", "gap", "connected"]
    assert "silence" in listener.told[1][1]
    assert listener.times[1] == pytest.approx(30)
    assert sockets[0].is_closed


@pytest.mark.parametrize("error", [ConnectionResetError("cut"), EOFError("end")])
def test_a_lost_connection_is_a_gap_and_the_next_one_a_new_start(
    error: Exception,
) -> None:
    """What came in between must be asked for."""
    first = FakeSocket()
    first.queue.put_nowait(error)
    listener, _ = listen([first, FakeSocket()], 5)
    assert [kind for kind, _ in listener.told] == ["connected", "gap", "connected"]


def test_attempts_wait_longer_with_jitter_up_to_a_limit() -> None:
    """A venue that comes back is not met by everybody at once."""
    listener, _ = listen([], 300)
    assert {kind for kind, _ in listener.told} == {"gap"}
    waits = [b - a for a, b in zip(listener.times, listener.times[1:], strict=False)]
    assert 0.25 <= waits[0] <= 0.5
    assert max(waits) <= 30
    assert waits[-1] >= 15
    assert len(set(waits)) == len(waits)


def test_a_connection_that_spoke_starts_the_waits_anew() -> None:
    """One bad night is not held against the morning."""
    good = FakeSocket()
    good.queue.put_nowait("{}")
    good.queue.put_nowait(ConnectionResetError("cut"))
    refused = [ConnectionRefusedError("no") for _ in range(8)]
    listener, _ = listen([*refused, good, FakeSocket()], 600)
    spoke = next(i for i, told in enumerate(listener.told) if told[0] == "frame")
    lost = listener.times[spoke + 1]
    assert listener.times[spoke + 2] - lost <= 0.5
