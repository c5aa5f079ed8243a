"""Cursors of the venue's lists: an offset in base64, and `LTE=` for the end."""

import base64
import binascii
from typing import Final

from ledger.errors import InvalidInputError

START_CURSOR: Final = "MA=="
"""The offset 0; a request without a cursor means the same."""

END_CURSOR: Final = "LTE="
"""The offset -1: there is no further page."""


def cursor_at(offset: int) -> str:
    """Write the cursor of a page."""
    return base64.b64encode(str(offset).encode()).decode()


def offset_of(cursor: str) -> int:
    """Read a cursor; an empty one is the start, the end is -1.

    Raises:
        InvalidInputError: it is none of ours.
    """
    try:
        return int(base64.b64decode(cursor or START_CURSOR, validate=True))
    except (binascii.Error, ValueError):
        pass
    field = "next_cursor"
    raise InvalidInputError(field, "is no cursor")
