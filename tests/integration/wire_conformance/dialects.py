"""One content in the spellings that the venue has been seen to use for it."""

import json
from typing import Any, Final

Row = dict[str, Any]

_NUMBERS: Final = ("size", "price", "original_size", "size_matched", "matched_amount")
_TIMES: Final = ("timestamp", "match_time", "last_update", "created_at")
_NAMES: Final = ("id", "order_id", "taker_order_id")


class Dialect:
    """As captured: text for numbers, one message per frame.

    `is_silent` if frames never come.
    """

    is_silent = False

    def row(self, row: Row) -> Row:
        """Spell one order or trade."""
        return row

    def frames(self, rows: list[Row]) -> list[str]:
        """Pack messages that come together."""
        return [json.dumps(row) for row in rows]


class Prefixed(Dialect):
    """Statuses as the other documentation has them."""

    def row(self, row: Row) -> Row:
        is_trade = "taker_order_id" in row
        prefix = "TRADE_STATUS_" if is_trade else "ORDER_STATUS_"
        return row | {"status": prefix + row["status"]}


class Lists(Dialect):
    """What happens together comes in one frame, as a list."""

    def frames(self, rows: list[Row]) -> list[str]:
        return [json.dumps(rows)]


class Repeated(Dialect):
    """Every frame twice, the last one first."""

    def frames(self, rows: list[Row]) -> list[str]:
        return [json.dumps(row) for row in (*reversed(rows), *rows)]


class Numbers(Dialect):
    """JSON numbers instead of text, and times in milliseconds."""

    def row(self, row: Row) -> Row:
        told = {name: _as_number(name, value) for name, value in row.items()}
        if "maker_orders" in row:
            told["maker_orders"] = [self.row(maker) for maker in row["maker_orders"]]
        return told


class Capitals(Dialect):
    """Addresses and ids in capitals, and somebody else as the owner."""

    def row(self, row: Row) -> Row:
        told = dict(row)
        for name in ("maker_address", *_NAMES):
            if str(told.get(name)).startswith("0x"):
                told[name] = "0x" + told[name][2:].upper()
        if "maker_orders" in row:
            told["maker_orders"] = [self.row(maker) for maker in row["maker_orders"]]
            told |= {"owner": "somebody"}
        return told


class Bare(Dialect):
    """Nothing that a message can do without, and something that nobody knows."""

    def row(self, row: Row) -> Row:
        needless = ("bucket_index", "fee_rate_bps", "created_at", "outcome")
        told = {name: value for name, value in row.items() if name not in needless}
        if "match_time" in told:
            told["matchtime"] = told.pop("match_time")
        return told | {"news_of_2027": {"deep": [1, None]}}


class Silent(Dialect):
    """No frame ever comes: answers and sweeps must do."""

    is_silent = True

    def frames(self, rows: list[Row]) -> list[str]:
        return []


DIALECTS: Final[dict[str, Dialect]] = {
    "captured": Dialect(),
    "prefixed": Prefixed(),
    "lists": Lists(),
    "repeated": Repeated(),
    "numbers": Numbers(),
    "capitals": Capitals(),
    "bare": Bare(),
    "silent": Silent(),
}


def _as_number(name: str, value: Any) -> Any:
    if name in _NUMBERS and value:
        return float(value)
    if name in _TIMES and value:
        return int(value) * (1000 if int(value) < 10**11 else 1)
    return value
