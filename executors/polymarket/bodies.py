"""Bodies of the venue's answers: the JSON that was asked for, or an error."""

from collections.abc import Mapping
from typing import Any, Final

from executors.polymarket.answers import Answer, NoAnswer, decoded, reason_of
from executors.polymarket.fields import text_field
from ledger.errors import OutcomeUnknownError, VenueRejectedError
from ledger.market import Market
from ledger.values import ZERO, decimal_from

MOST_PAGES: Final = 1000

_OK: Final = 200
_TRY_LATER: Final = (425, 429)
_REFUSED: Final = range(400, 500)
_MOST_TEXT: Final = 200
_EXPONENTS: Final = range(10)
"""Of a fee curve: 1 and 2 were seen; a hundred digits would be a mistake."""

Row = Mapping[str, Any]


def json_of(answer: Answer | NoAnswer, path: str) -> Any:
    """The body of a 200.

    Raises:
        VenueRejectedError: a refusal that will not change by itself.
        OutcomeUnknownError: anything else.
    """
    if isinstance(answer, NoAnswer):
        msg = f"GET {path}: {answer.reason}"
        raise OutcomeUnknownError(msg)
    status = answer.status
    if status == _OK:
        body = decoded(answer.text)
        if body is None and answer.text.strip() != "null":
            msg = f"GET {path}: {_one_line(answer.text)!r} is not the venue's JSON"
            raise VenueRejectedError(msg, code="not_the_venue")
        return body
    msg = f"GET {path}: status {status}: {_one_line(reason_of(answer) or answer.text)}"
    if status in _REFUSED and status not in _TRY_LATER:
        raise VenueRejectedError(msg, code=f"http_{status}")
    raise OutcomeUnknownError(msg)


def object_of(answer: Answer | NoAnswer, path: str) -> Row:
    """The body of a 200 that is an object; raises as `json_of`."""
    body = json_of(answer, path)
    if not isinstance(body, dict):
        msg = f"GET {path}: no object"
        raise OutcomeUnknownError(msg)
    return body


def rows_of(value: object, path: str) -> list[Row]:
    """A list of objects; raises as `json_of`."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        msg = f"GET {path}: no rows"
        raise OutcomeUnknownError(msg)
    return value


def endless(path: str) -> OutcomeUnknownError:
    """The error for a list without an end."""
    return OutcomeUnknownError(f"GET {path}: more than {MOST_PAGES} pages")


def _one_line(text: str) -> str:
    words = " ".join(text[: _MOST_TEXT * 2].split())
    return "".join(c for c in words if c.isprintable())[:_MOST_TEXT]


def market_of(market_id: str, told: Row) -> Market:
    """`t` tokens in order, `mts` tick, `mos` minimum size, `fd` fee curve.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is no such thing.
    """
    yes, no = told["t"]
    fees = told.get("fd") or {}
    tick, least = decimal_from(told["mts"]), decimal_from(told["mos"])
    exponent = decimal_from(fees.get("e", 1))
    if min(tick, least) <= ZERO or exponent not in _EXPONENTS:
        raise ValueError
    return Market(
        market_id=market_id,
        yes_token=text_field(yes, "t"),
        no_token=text_field(no, "t"),
        yes_label=text_field(yes, "o"),
        no_label=text_field(no, "o"),
        tick_size=tick,
        min_size=least,
        fee_rate=decimal_from(fees.get("r", 0)),
        fee_exponent=int(exponent),
        neg_risk=told.get("nr") is True,
    )
