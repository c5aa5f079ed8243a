"""Requests and answers without a transport, and JSON as the venue writes it."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

Headers = tuple[tuple[str, str], ...]

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_JSON: Final = ("content-type", "application/json")


class Request(NamedTuple):
    """One request; names of headers are in lower case, the query is decoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


class Response(NamedTuple):
    """One answer."""

    status: int
    body: bytes
    headers: Headers = (_JSON,)


class Lost(NamedTuple):
    """No answer: the connection ends without a byte."""

    reason: str


class Refusal(Exception):  # noqa: N818 -- an answer of the venue, not a defect
    """The request is answered by an error; `body` is what the venue says."""

    def __init__(
        self, status: int, body: Mapping[str, Any] | str, headers: Headers = ()
    ) -> None:
        super().__init__(status, body)
        self.response = answer(
            {"error": body} if isinstance(body, str) else body,
            status=status,
            headers=headers,
        )


def answer(data: Any, *, status: int = 200, headers: Headers = ()) -> Response:
    """Write an answer; a Decimal becomes a JSON number with all its digits."""
    return Response(status, _ENCODER.encode(data), (_JSON, *headers))


def text(data: Any) -> str:
    """Write a frame of a stream."""
    return _ENCODER.encode(data).decode()


def parse(body: bytes, refusal: str = "Invalid order payload") -> Any:
    """Read a JSON body.

    Raises:
        Refusal: it is none.
    """
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise Refusal(400, refusal) from None
