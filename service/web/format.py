"""How numbers, times and names look on a page; exact values stay in the title."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CENT: Final = Decimal("0.01")
_MINUS: Final = "\u2212"
_NONE: Final = "\u2013"
_LONG: Final = 14
_KB: Final = 1024
_MS: Final = 1_000
_SECOND: Final = 1_000_000
_MINUTE: Final = 60_000_000
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{16,}")

_UNITS: Final = (
    (86_400_000_000, "d", 3_600_000_000, "h"),
    (3_600_000_000, "h", 60_000_000, "min"),
    (60_000_000, "min", 1_000_000, "s"),
)


def number(value: object) -> str:
    """A quantity with its own digits and thin groups: `1,250.5`."""
    found = _decimal(value)
    if found is None:
        return _NONE
    text = f"{abs(found):,f}"
    return _signed(text.rstrip("0").rstrip(".") if "." in text else text, found)


def money(value: object) -> str:
    """pUSD to the cent: `1,019.76`; the exact amount belongs into the title."""
    found = _decimal(value)
    if found is None:
        return _NONE
    cents = found.quantize(_CENT)
    return _signed(f"{abs(cents):,f}", cents)


def change(value: object) -> str:
    """As `money`, with a sign that shows without colour."""
    found = _decimal(value)
    if found is None:
        return _NONE
    text = money(found)
    return f"+{text}" if found.quantize(_CENT) > 0 else text


def tone(value: object) -> str:
    """The class of a gain or loss: `up`, `down` or `flat`."""
    found = _decimal(value)
    cents = Decimal(0) if found is None else found.quantize(_CENT)
    if cents == 0:
        return "flat"
    return "up" if cents > 0 else "down"


def cents(value: object) -> str:
    """A price between 0 and 1 with at least two places."""
    found = _decimal(value)
    if found is None:
        return _NONE
    digits = max(2, min(4, -int(found.as_tuple().exponent)))
    return f"{found:.{digits}f}"


def moment(us: int | None) -> str:
    """Unix microseconds as `2026-01-05 12:05:14.784`, UTC."""
    if us is None:
        return _NONE
    at = _EPOCH + timedelta(microseconds=us)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


def day(us: int) -> str:
    """The day of Unix microseconds."""
    return f"{_EPOCH + timedelta(microseconds=us):%Y-%m-%d}"


def clock(us: int) -> str:
    """The time of day of Unix microseconds, to the millisecond."""
    return moment(us).partition(" ")[2]


def iso(us: int) -> str:
    """Unix microseconds as a time that `as_of` takes."""
    at = _EPOCH + timedelta(microseconds=us)
    return at.isoformat().replace("+00:00", "Z")


def span(us: int) -> str:
    """A duration in words that fit a chip: `48 ms`, `4.7 s`, `2 min 10 s`."""
    us = max(us, 0)
    if us < _MS:
        return f"{us} \u00b5s" if us else "at once"
    if us < _SECOND:
        return f"{us / _MS:.3g} ms"
    if us < _MINUTE:
        return f"{us / _SECOND:.3g} s"
    for size, name, part, smaller in _UNITS:
        if us >= size:
            rest = us % size // part
            return f"{us // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return ""


def short(text: str, keep: int = 6) -> str:
    """A long id by its two ends."""
    if len(text) <= _LONG:
        return text
    return f"{text[:keep]}\u2026{text[-4:]}"


def tail(order_id: str) -> str:
    """An order by the end of its id: the beginning is only the time."""
    return f"\u2026{order_id[-8:]}" if len(order_id) > _LONG else order_id


def told(text: str, name: Callable[[str], str] = short) -> str:
    """A sentence with its long ids cut short; `name` knows what some are called."""
    return _HEX.sub(lambda found: name(found[0]), text)


def words(text: object) -> str:
    """A label as words: `PARTIAL_FILL` becomes `Partial fill`."""
    return str(text).replace("_", " ").capitalize()


def size(count: int) -> str:
    """Bytes: `900 kB`."""
    if count < _KB:
        return f"{count} B"
    if count < _KB * _KB:
        return f"{count / _KB:.0f} kB"
    return f"{count / _KB / _KB:.1f} MB"


def flat(tree: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """A tree of settings by dotted names."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{under}{name}.")
        else:
            found[f"{under}{name}"] = value
    return found


def _signed(text: str, value: Decimal) -> str:
    return _MINUS + text if value < 0 else text


def _decimal(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        return value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
