"""Runs everything in one process until it is told to stop.

It begins with what can fail for a simple reason, such as the port, and ends in the
reverse order: no new intents, followers let go, commands finished, loops ended, the
ledger closed.
"""

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config import ConfigError, Settings
from config.errors import ConfigProblem
from service.bootstrap import OpenLedger, SystemClock, open_ledger
from service.http.app import close_app, create_app
from service.http.direct import Direct
from service.http.gate import LOOPBACK_HOSTS
from service.runtime import Runtime
from service.tokens import BOOTSTRAP_NAME, FILE_NAME, Scope, Tokens, write_private
from service.web import mount

HEADER_SECONDS: Final = 10
"""Headers that take longer to arrive end the connection."""

_BACKLOG: Final = 1024
_KEEP_ALIVE_SECONDS: Final = 75
_GRACE_SECONDS: Final = 5
_BOOTSTRAP: Final = "bootstrap"

_log = structlog.get_logger("service.http")

Feeding = Callable[[OpenLedger], Awaitable[None]]
"""Plays market data until it ends."""


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, and how to begin and end.

    `hosts` are further names under which the service is reached; `certificate`
    and `key` are PEM files, needed for any address but loopback.
    `on_listening` is called once with the address, in the event loop.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    hosts: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    ready_file: Path | None = None
    cancel_on_exit: bool = False
    on_listening: Callable[[str], None] | None = None


class PortError(OSError):
    """The address cannot be listened on."""

    code = "port"
    hint = "choose another one with --port; 0 takes any that is free"


class _Protocol(HttpToolsProtocol):
    """Ends connections whose headers do not come."""

    _patience: asyncio.TimerHandle | None = None
    _is_in_headers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Most headers come in one piece, and need no timer at all.
        if self._is_in_headers and self._patience is None:
            self._wait_for_headers()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_headers = True

    def on_headers_complete(self) -> None:
        self._is_in_headers = False
        self._stop_waiting()
        # For whoever has to end a connection that takes nothing any more.
        self.scope["abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()
        self.scope["direct"] = Direct(self.cycle)  # type: ignore[typeddict-unknown-key]

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_in_headers = False
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        self._patience = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class ApiServer(uvicorn.Server):
    """Leaves the signals to us: the ledger has to be closed as well."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(options: ServeOptions) -> None:
    """Refuse to be reached from elsewhere without encryption.

    Raises:
        ConfigError: it is no loopback address and there is no certificate, or the
            certificate or its key cannot be used.
    """
    if options.certificate is not None and options.key is not None:
        _check_pair(options.certificate, options.key)
        return
    if is_loopback(options.host) and options.certificate is None is options.key:
        return
    message = "an address other than loopback needs --tls-cert and --tls-key"
    if is_loopback(options.host):
        message = "--tls-cert and --tls-key go together"
    raise ConfigError([ConfigProblem("--host", options.host, message)])


def _check_pair(certificate: Path, key: Path) -> None:
    """Refuse files that no encrypted connection can begin with.

    Raises:
        ConfigError: one cannot be read, is malformed, has a password, or they are
            no pair.
    """
    import ssl

    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        if not path.is_file():
            raise ConfigError([ConfigProblem(option, str(path), "there is no file")])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without an answer of ours it would ask the terminal for a password.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        message = f"cannot be used with {key}: {error}"
        raise ConfigError(
            [ConfigProblem("--tls-cert", str(certificate), message)]
        ) from None


def listen(options: ServeOptions) -> socket.socket:
    """Take the port before anything else is touched.

    Raises:
        PortError: it is in use, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # By its protocol asyncio knows not to hold small answers back (40 ms each).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        msg = f"{options.host}:{options.port}: {reason}"
        raise PortError(msg) from None
    return listener


def open_tokens(data: Path) -> tuple[Tokens, Path | None]:
    """The tokens of a data folder; the first one is made if there is none.

    Returns:
        The tokens, and the file that the text of the new one is in.

    Raises:
        ConfigError: the token file cannot be used.
    """
    tokens = Tokens(data / FILE_NAME)
    if len(tokens):
        return tokens, None
    text, _ = tokens.create(_BOOTSTRAP, [Scope.ADMIN], now=SystemClock().now())
    path = data / BOOTSTRAP_NAME
    write_private(path, text.encode() + b"\n")
    return tokens, path


async def serve(
    settings: Settings,
    data: Path,
    options: ServeOptions,
    *,
    feeding: Feeding | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the ledger and listen, until SIGTERM or SIGINT.

    Args:
        settings: The validated settings.
        data: The folder of the ledger; it must exist.
        options: Where to listen, and how to begin and end.
        feeding: Plays market data.
        say: Told what a person should know.

    Raises:
        ConfigError: the address, the token file or the settings cannot be used.
        PortError: the port is taken.
        LockHeldError, IntegrityError, StoreError: as `open_ledger`.
    """
    check_address(options)
    listener = listen(options)
    try:
        tokens, made = open_tokens(data)
        opened = await open_ledger(settings, data)
    except BaseException:
        listener.close()
        raise
    runtime = Runtime(opened)
    try:
        await runtime.start()
        hosts = {*LOOPBACK_HOSTS, options.host, *options.hosts}
        app = create_app(runtime, tokens, hosts=hosts)
        mount(app, runtime)
        await _serve(app, runtime, listener, options, feeding, _told(say, made, data))
    finally:
        await runtime.stop(cancel_all=options.cancel_on_exit)
        listener.close()


def _told(
    say: Callable[[str], None], made: Path | None, data: Path
) -> Callable[[str], None]:
    def tell(url: str) -> None:
        say(f"listening on {url}")
        if made is not None:
            say(f"made the first token, for everything: it is in {made}")
        say(f"see it: order-ledger open --data {data} --url {url}")
        say(f"the ledger is in {data}; stop with Ctrl-C")

    return tell


async def _serve(
    app: FastAPI,
    runtime: Runtime,
    listener: socket.socket,
    options: ServeOptions,
    feeding: Feeding | None,
    tell: Callable[[str], None],
) -> None:
    server = ApiServer(uvicorn_config(app, options))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(_watch(runtime))]
    if feeding is not None:
        tasks.append(asyncio.create_task(_feed(feeding(runtime.opened))))
    serving = asyncio.create_task(server.serve([listener]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await _up(server, serving)
        url = url_of(listener, is_encrypted=options.certificate is not None)
        _write_ready(options.ready_file, url, listener)
        tell(url)
        if options.on_listening is not None:
            options.on_listening(url)
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        runtime.is_accepting = False
        _log.info("service.stopping")
        for task in (*tasks, stopping):
            task.cancel()
        app.state.hub.close()
        server.should_exit = True
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
        await serving
        await close_app(app)
        if options.ready_file is not None:
            options.ready_file.unlink(missing_ok=True)


async def _up(server: ApiServer, serving: "asyncio.Task[None]") -> None:
    """Wait until the server listens; if it cannot, raise why."""
    rising = asyncio.ensure_future(server.is_up.wait())
    try:
        await asyncio.wait((rising, serving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        rising.cancel()
    if serving.done():
        await serving


def uvicorn_config(app: FastAPI, options: ServeOptions) -> uvicorn.Config:
    """How the server behaves: quiet, patient within bounds, without web sockets."""
    for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ssl_certfile=options.certificate,
        ssl_keyfile=options.key,
    )


def url_of(listener: socket.socket, *, is_encrypted: bool) -> str:
    """The address that a listening socket is reached at."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if is_encrypted else 'http'}://{shown}:{port}"


def _write_ready(path: Path | None, url: str, listener: socket.socket) -> None:
    """Tell whoever started us that we listen, and where."""
    if path is None:
        return
    port = listener.getsockname()[1]
    told: dict[str, Any] = {"url": url, "port": port, "pid": os.getpid()}
    write_private(path, msgspec.json.encode(told) + b"\n")


async def _watch(runtime: Runtime) -> None:
    """Say aloud when a loop has ended: the ledger is halted then, reading goes on."""
    reason = await runtime.wait_failed()
    _log.error("service.halted", reason=reason)


async def _feed(feeding: Awaitable[None]) -> None:
    try:
        await feeding
    except asyncio.CancelledError:
        raise
    except Exception:  # noqa: BLE001 -- the ledger goes on without market data
        _log.exception("feed.failed")
