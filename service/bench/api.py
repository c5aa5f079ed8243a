"""Intents per second over HTTP, durable each, and events per second to followers.

The service is a process of its own, as in real life; the client shares the machine
with it, and its share of the time is reported.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from config import load_settings
from ledger.errors import CommandRefusedError
from ledger.intent import OrderIntent
from service.bootstrap import open_ledger
from service.demo_sources import BUNDLED, series_source
from service.feed import Feed

_CONNECTIONS: Final = 50
_FOLLOWERS: Final = 20
_START_SECONDS: Final = 30
_SETTINGS: Final = (
    "log.level=error",
    "paper.submit_latency_ms=0",
    "paper.initial_cash=100000000",
    "risk.account.max_open_orders=1000000",
    "risk.account.max_gross_exposure=100000000",
    "execution.reconcile_interval_sec=3600",
)
_INTENT: Final = {
    "strategy": "bench",
    "outcome": "YES",
    "side": "BUY",
    "size": "5",
    "price": "0.01",
    "post_only": True,
}
"""It rests where nothing trades: what is measured is the way there."""

_FRAMES: Final = 8
_TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class BenchError(CommandRefusedError):
    """The service did not do what the benchmark needs."""

    code = "bench"


class Server:
    """A running service: where it is, and how to ask."""

    def __init__(self, url: str, pid: int, token: str) -> None:
        self.host, _, port = url.removeprefix("http://").rpartition(":")
        self.port = int(port)
        self.pid = pid
        self.head = f"Host: {self.host}\r\nAuthorization: Bearer {token}\r\n"

    def cpu_seconds(self) -> float:
        """What the process has used so far, on Linux; else 0."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2]
        except OSError:
            return 0.0
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / _TICKS

    async def ask(self, method: str, path: str) -> tuple[int, bytes]:
        """One request on a connection of its own; status and body."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(
            f"{method} {path} HTTP/1.1\r\n{self.head}Connection: close\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Server]:
    """Run the service in a folder that is there, with a made-up market."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "service", "run", "--data", str(folder)]
    command += ["--port", "0", "--ready-file", str(ready), "--bundled", "--quiet"]
    # The books come, and then stand still: their motion is no part of this.
    command += ["--speed", "0.001"]
    for setting in _SETTINGS:
        command += ["--set", setting]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not ready.exists():
                if process.returncode is not None:
                    msg = f"the service ended with code {process.returncode}"
                    raise BenchError(msg)
                await asyncio.sleep(0.05)
        told = json.loads(ready.read_text())
        token = (folder / "token").read_text().strip()
        yield Server(told["url"], told["pid"], token)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def market_of(server: Server) -> str:
    """A market that the service has a book of."""
    async with asyncio.timeout(_START_SECONDS):
        while True:
            _, body = await server.ask(
                "GET", "/v1/events?after=0&follow=false&topic=market.listed."
            )
            for line in body.splitlines():
                if line.startswith(b"data: "):
                    return str(json.loads(line[6:])["market_id"])
            await asyncio.sleep(0.1)


class _Poster(asyncio.Protocol):
    """One connection that posts one intent after the other."""

    def __init__(self, load: "Load", number: int) -> None:
        self._load = load
        self._number = number
        self._sent = 0
        self._at = 0.0
        self._buffer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        place = head.lower().index(b"content-length: ") + 16
        length = int(head[place:].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self._buffer = b""
        self._load.latencies.append(time.perf_counter() - self._at)
        self._load.statuses[head[9:12]] = self._load.statuses.get(head[9:12], 0) + 1
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)
            if exc is not None:
                self._load.errors.append(str(exc))

    def _send(self) -> None:
        if not self._load.left:
            self._transport.close()
            return
        self._load.left -= 1
        self._sent += 1
        key = b"%d-%d-%d" % (self._load.run, self._number, self._sent)
        self._at = time.perf_counter()
        self._transport.write(self._load.request.replace(b"@KEY@", key))


class Load:
    """So many intents over so many connections, each waiting for its answer."""

    def __init__(self, server: Server, market: str, *, intents: int, run: int) -> None:
        self._server = server
        self.left = intents
        self.run = run
        self.latencies: list[float] = []
        self.statuses: dict[bytes, int] = {}
        self.errors: list[str] = []
        body = json.dumps({**_INTENT, "market_id": market})
        self.request = (
            f"POST /v1/intents HTTP/1.1\r\n{server.head}"
            "Content-Type: application/json\r\nIdempotency-Key: @KEY@\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    async def run_all(self, connections: int) -> dict[str, float]:
        """Post everything.

        Returns:
            Intents per second, latencies in ms, CPU microseconds per intent of
            the service and of this client.

        Raises:
            BenchError: an intent was not accepted.
        """
        loop = asyncio.get_running_loop()
        server_cpu, own_cpu = self._server.cpu_seconds(), time.process_time()
        began = time.perf_counter()
        posters = []
        for number in range(connections):
            _, poster = await loop.create_connection(
                lambda n=number: _Poster(self, n),  # type: ignore[misc]
                self._server.host,
                self._server.port,
            )
            posters.append(poster)
        await asyncio.gather(*(poster.done for poster in posters))
        took = time.perf_counter() - began
        if self.errors or set(self.statuses) != {b"202"}:
            msg = f"not every intent was accepted: {self.statuses} {self.errors[:1]}"
            raise BenchError(msg)
        count = len(self.latencies)
        cuts = quantiles(self.latencies, n=100)
        return {
            "intents": count,
            "per_s": round(count / took, 1),
            "p50_ms": round(cuts[49] * 1e3, 2),
            "p99_ms": round(cuts[98] * 1e3, 2),
            "service_cpu_us": round(
                (self._server.cpu_seconds() - server_cpu) / count * 1e6, 1
            ),
            "client_cpu_us": round((time.process_time() - own_cpu) / count * 1e6, 1),
        }


class Follower:
    """Reads the event stream and counts: every position once, in order."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.position = 0
        self.faults = 0

    async def read(self, upto: int) -> None:
        """Follow from the first event until a position has come."""
        reader, writer = await asyncio.open_connection(
            self._server.host, self._server.port, limit=1 << 20
        )
        writer.write(
            f"GET /v1/events?after=0 HTTP/1.1\r\n{self._server.head}\r\n".encode()
        )
        rest = b""
        try:
            while self.position < upto:
                data = await reader.read(1 << 18)
                if not data:
                    return
                lines = (rest + data).split(b"\nid: ")
                rest = lines.pop()
                for line in lines:
                    self._take(line)
                last, is_whole, behind = rest.partition(b"\n\n")
                if is_whole:  # nothing need come behind it
                    self._take(last)
                    rest = b"\n" + behind
        finally:
            writer.close()

    def _take(self, line: bytes) -> None:
        number = line.split(b"\n", 1)[0]
        # The first id has no data: it says where the stream begins.
        if number.isdigit() and b"\ndata: " in line:
            self.faults += int(number) != self.position + 1
            self.position = int(number)


async def head_of(server: Server) -> int:
    """The log's last position."""
    _, body = await server.ask("GET", "/v1/health")
    return int(json.loads(body)["position"])


async def replay(server: Server, followers: int) -> dict[str, float]:
    """Let followers read the whole log at once."""
    head = await head_of(server)
    readers = [Follower(server) for _ in range(followers)]
    began = time.perf_counter()
    await asyncio.gather(*(reader.read(head) for reader in readers))
    took = time.perf_counter() - began
    return {
        "events": head,
        "per_s_each": round(head / took, 1),
        "faults": sum(reader.faults for reader in readers),
        "missing": sum(head - min(reader.position, head) for reader in readers),
    }


async def loaded(server: Server, market: str, *, intents: int, run: int) -> Any:
    """Post while followers read."""
    head = await head_of(server)
    readers = [Follower(server) for _ in range(_FOLLOWERS)]
    # Requested, prepared, placed: three events for each intent.
    tasks = [asyncio.ensure_future(r.read(head + 3 * intents)) for r in readers]
    load = Load(server, market, intents=intents, run=run)
    found = await load.run_all(_CONNECTIONS)
    async with asyncio.timeout(_START_SECONDS):
        await asyncio.gather(*tasks)
    return {**found, "faults": sum(reader.faults for reader in readers)}


async def in_process(folder: Path, *, intents: int) -> dict[str, float]:
    """The same intents by as many strategies, without HTTP, in this process."""
    opened = await open_ledger(load_settings(overrides=_SETTINGS), folder)
    source = series_source(BUNDLED, None, seed=1)
    feed = Feed(opened, source.markets)
    for frame in islice(source.frames, _FRAMES):
        await feed.show(frame)
    market = next(iter(opened.journal.state.markets))
    left = iter(range(intents))
    latencies: list[float] = []

    async def one() -> None:
        for number in left:
            intent = OrderIntent.parse(
                {**_INTENT, "market_id": market, "idempotency_key": str(number)}
            )
            at = time.perf_counter()
            result = await opened.manager.place(intent)
            latencies.append(time.perf_counter() - at)
            if not result.success:
                msg = f"an intent was not accepted: {result.error}"
                raise BenchError(msg)

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(_CONNECTIONS)))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    await opened.close()
    return {
        "per_s": round(intents / took, 1),
        "p99_ms": round(quantiles(latencies, n=100)[98] * 1e3, 2),
        "cpu_us": round(cpu / intents * 1e6, 1),
    }


async def measure_all(folder: Path, *, intents: int, rounds: int) -> dict[str, Any]:
    """Run the service and load it.

    Returns:
        The rounds' median by rate beside the same in this process, replay to one
        and to many, and intents beside many followers.
    """
    own = folder / "own"
    own.mkdir()
    inside = await in_process(own, intents=intents)
    async with running(folder) as server:
        market = await market_of(server)
        found = []
        for run in range(rounds):
            load = Load(server, market, intents=intents, run=run)
            found.append(await load.run_all(_CONNECTIONS))
        alone = _median(found)
        one = await replay(server, 1)
        many = await replay(server, _FOLLOWERS)
        beside = await loaded(server, market, intents=intents, run=rounds)
    return {
        "connections": _CONNECTIONS,
        "intents": alone,
        "in_process": inside,
        "ratio": round(alone["per_s"] / inside["per_s"], 3),
        "replay_1": one,
        f"replay_{_FOLLOWERS}": many,
        f"intents_beside_{_FOLLOWERS}_followers": beside,
    }


def _median(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return sorted(found, key=lambda one: one["per_s"])[len(found) // 2]


def measure(folder: Path, *, intents: int, rounds: int) -> dict[str, Any]:
    """As `measure_all`, from outside an event loop."""
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(measure_all(folder, intents=intents, rounds=rounds))
