"""The body of POST /order, written as the venue's clients write it."""

import json
import re
from typing import Any, Final, Self

import msgspec

from executors.protocol.orders import WireOrder, WireOrderV1
from ledger.errors import InvalidInputError

_NUMBER: Final = re.compile(r"[0-9]{1,78}")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_BYTES32: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_NO_OWNER: Final = '"owner":""'


class PostBody(msgspec.Struct, frozen=True, kw_only=True):
    """One order on its way to the venue; `owner` is the API key."""

    order: WireOrder | WireOrderV1
    order_type: str
    owner: str = ""
    post_only: bool = False
    defer_exec: bool = False

    def to_json(self) -> str:
        """Write the bytes that polymarket-client, or for V1 py-clob-client, sends."""
        return json.dumps(self._fields(), separators=(",", ":"))

    def _fields(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a body of any client; unknown fields are ignored.

        Raises:
            InvalidInputError: names the field that is missing or malformed.
        """
        raise NotImplementedError


def insert_owner(stored: str, owner: str) -> str:
    """Put the API key into a body that was stored without it."""
    head, found, tail = stored.rpartition(_NO_OWNER)
    if not found:
        field = "owner"
        raise InvalidInputError(field, "the stored body has no empty owner")
    return f'{head}"owner":{json.dumps(owner)}{tail}'
