"""Resolved markets and the price ticks that settled them, from recorded files."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import msgspec

from executors.market_data.files import Line, cells_of, read_lines, row_of
from executors.market_data.frames import Quarantine, decode_json, frame_error
from ledger.errors import RecordingError
from ledger.market import Market
from ledger.values import ONE, ZERO, Outcome, decimal_from

_T = TypeVar("_T")

_SCALE: Final = 18  # the price feed counts in 10^-18
_MAX_DIGITS: Final = 28  # of a price; more would not fit the default context
_OPENING_TICK: Final = Decimal("0.01")


class ResolvedMarket(msgspec.Struct, frozen=True, kw_only=True):
    """A window market and how it ended.

    It opens at `start_sec` and closes at `end_sec` (Unix seconds); YES ("Up")
    wins if the price at the close is at or above `strike`.
    `outcome` is `None` while it is not resolved.
    `closing_tick` is the price grid when the row was read, after the close.
    """

    market: Market
    start_sec: int
    end_sec: int
    strike: Decimal | None
    outcome: Outcome | None
    closing_tick: Decimal


class Tick(msgspec.Struct, frozen=True):
    """One price of the feed: `ts_ms` is the feed's own time, Unix milliseconds."""

    ts_ms: int
    price: Decimal


def load_markets(
    path: str | Path,
    *,
    tick_size: Decimal = _OPENING_TICK,
    quarantine: Quarantine | None = None,
    stdin: BinaryIO | None = None,
) -> list[ResolvedMarket]:
    """Read markets with their outcome, one JSON object a line.

    Args:
        path: A plain or gzip file, or "-".
        tick_size: The grid while the market traded. The row holds the grid after
            the close, when it has shrunk if the price came near 0 or 1.
        quarantine: Takes the rows that cannot be read.
        stdin: What "-" stands for.

    Returns:
        Markets by opening time.

    Raises:
        RecordingError: the file cannot be read, or no row of it.
    """

    def read(line: Line) -> ResolvedMarket:
        return _market(_json_object(line), tick_size)

    markets = _collected(path, read_lines(path, stdin=stdin), read, quarantine)
    return sorted(markets, key=lambda m: (m.start_sec, m.market.market_id))


def load_ticks(
    path: str | Path,
    *,
    quarantine: Quarantine | None = None,
    stdin: BinaryIO | None = None,
) -> list[Tick]:
    """Read a price series from a table with a header.

    The time is in `feed_ts_ms` or `ts_ms`; the price in `full_accuracy_value`
    (10^-18), or else in `price` or `value`, as plain decimal text.

    Args:
        path: A plain or gzip file, or "-".
        quarantine: Takes the rows that cannot be read.
        stdin: What "-" stands for.

    Returns:
        Ticks by time, one per time: of two, the later received (`recv_ms`; the
        later row where there is no such column) counts.

    Raises:
        RecordingError: the file cannot be read, has other columns, or no row of
            it can be read.
    """
    lines = read_lines(path, stdin=stdin)
    header = next(lines, None)
    columns = cells_of(header) if header is not None else []
    time_column = _first_of(columns, "feed_ts_ms", "ts_ms")
    price_column = _first_of(columns, "full_accuracy_value", "price", "value")
    if not time_column or not price_column:
        msg = f"{path}:1: not a price series: needs the columns ts_ms and price"
        raise RecordingError(msg)

    def read(line: Line) -> tuple[int, int, Decimal]:
        row = row_of(line, columns)
        scaled = price_column == "full_accuracy_value"
        price = (_scaled if scaled else _plain_price)(row[price_column])
        received = row.get("recv_ms")
        return _whole(row[time_column]), _whole(received) if received else 0, price

    latest: dict[int, tuple[int, Decimal]] = {}
    for ts_ms, received, price in _collected(path, lines, read, quarantine):
        if ts_ms not in latest or received >= latest[ts_ms][0]:
            latest[ts_ms] = (received, price)
    return [Tick(ts_ms, latest[ts_ms][1]) for ts_ms in sorted(latest)]


def _collected(
    path: str | Path,
    lines: Iterator[Line],
    read: Callable[[Line], _T],
    quarantine: Quarantine | None,
) -> list[_T]:
    """Read what can be read; nothing at all is an error."""
    aside = Quarantine() if quarantine is None else quarantine
    found: list[_T] = []
    first_problem = "no rows"
    for line in lines:
        try:
            found.append(read(line))
        except ValueError as error:
            if not found and first_problem == "no rows":
                first_problem = str(error)
            aside.add(frame_error(str(error), line.text or "", source=line.source))
    if not found:
        msg = f"{path}:1: no usable row in it ({first_problem})"
        raise RecordingError(msg)
    return found


def _market(row: Mapping[str, Any], tick_size: Decimal) -> ResolvedMarket:
    raw = _object(row.get("raw"), "raw")
    yes_token, no_token = _pair(row.get("token_ids"), raw.get("clobTokenIds"), "tokens")
    yes_label, no_label = _pair(raw.get("outcomes"), ["Yes", "No"], "outcomes")
    fees = _object(raw.get("feeSchedule"), "feeSchedule")
    strike = row.get("strike_value")
    market = Market(
        market_id=_text(row, "condition_id"),
        yes_token=yes_token,
        no_token=no_token,
        tick_size=tick_size,
        min_size=decimal_from(raw.get("orderMinSize", 5)),
        fee_rate=decimal_from(fees.get("rate", 0)),
        fee_exponent=_whole(fees.get("exponent", 1)),
        neg_risk=raw.get("negRisk") is True,
        yes_label=yes_label,
        no_label=no_label,
        slug=_text(row, "slug"),
        group=_text(row, "asset") if row.get("asset") else "",
    )
    return ResolvedMarket(
        market=market,
        start_sec=_whole(row.get("start_sec")),
        end_sec=_whole(row.get("end_sec")),
        strike=None if strike is None else _scaled(strike),
        outcome=_outcome(row, raw),
        closing_tick=decimal_from(raw.get("orderPriceMinTickSize", tick_size)),
    )


def _outcome(row: Mapping[str, Any], raw: Mapping[str, Any]) -> Outcome | None:
    """The token that pays 1; none while the market is open or was split."""
    if row.get("resolved") is False:
        return None
    told = row.get("outcome_prices") or raw.get("outcomePrices")
    yes, no = (decimal_from(text) for text in _pair(told, None, "outcome_prices"))
    if (yes, no) == (ONE, ZERO):
        return Outcome.YES
    return Outcome.NO if (yes, no) == (ZERO, ONE) else None


def _pair(value: object, default: object, field: str) -> tuple[str, str]:
    """Two texts, given as a list or as a list written out in a string."""
    chosen = default if value is None else value
    listed = decode_json(chosen) if isinstance(chosen, str) else chosen
    match listed:
        case [str(first), str(second)] if first and second:
            return first, second
    msg = f"{field}: must be two texts"
    raise ValueError(msg)


def _json_object(line: Line) -> Mapping[str, Any]:
    row = decode_json(line.text) if line.text is not None else None
    if not isinstance(row, dict):
        raise ValueError(line.problem or "not an object")
    return row


def _object(value: object, field: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        msg = f"{field}: must be an object"
        raise ValueError(msg)
    return value


def _first_of(columns: list[str], *wanted: str) -> str:
    return next((name for name in wanted if name in columns), "")


def _text(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value:
        msg = f"{field}: must be text"
        raise ValueError(msg)
    return value


def _whole(value: object) -> int:
    if isinstance(value, str) and value.isdecimal() and len(value) <= _SCALE:
        return int(value)
    if type(value) is not int or value < 0:
        msg = "must be a whole number"
        raise ValueError(msg)
    return value


def _scaled(value: object) -> Decimal:
    """A price counted in 10^-18, exactly."""
    if (
        not isinstance(value, str)
        or not value.isdecimal()
        or not value.isascii()
        or len(value) > _MAX_DIGITS
    ):
        msg = f"must be a whole number of at most {_MAX_DIGITS} digits"
        raise ValueError(msg)
    return _positive(Decimal(f"{value}E-{_SCALE}"))


def _plain_price(value: object) -> Decimal:
    return _positive(decimal_from(value))


def _positive(price: Decimal) -> Decimal:
    if price <= ZERO:
        msg = "must be above 0"
        raise ValueError(msg)
    return price
