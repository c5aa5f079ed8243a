"""A small HTTP server on loopback that answers as it is told and remembers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answers = dict[tuple[str, str], tuple[int, str]]


class Told(ThreadingHTTPServer):
    """Answers by method and path; unknown ones get 404."""

    daemon_threads = True

    def __init__(self, answers: Answers) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Told

    def _answer(self) -> None:
        # The venue's names have underscores and are kept as they were sent.
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        status, body = self.server.answers.get((self.command, self.path), (404, "{}"))
        self.send_response(status)
        kind = "application/json" if body.startswith(("{", "[")) else "text/html"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = _answer  # noqa: N815 -- the names are the library's

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Tests are quiet."""


@contextmanager
def server(answers: Answers) -> Iterator[Told]:
    """A server for the length of a test."""
    with Told(answers) as told:
        thread = threading.Thread(target=told.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield told
        finally:
            told.shutdown()
            thread.join()
