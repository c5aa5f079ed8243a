"""What an answer of the venue proves: the one place where that is decided.

Rules: a 4xx is a refusal unless its text says otherwise; a 5xx proves nothing
unless its text is documented as a refusal; no answer proves nothing; an answer
that contradicts itself proves nothing.

Source:
    The venue's documentation of error codes, and the reports of operators.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from ledger.decide import (
    DUPLICATED,
    ID_MISMATCH,
    CancelAnswered,
    CancelOutcome,
    PostAnswered,
    PostOutcome,
)

MAX_RAW: Final = 500
"""Characters of an answer that are kept."""

HIDDEN: Final = "[signature]"
"""Stands where a signature was."""

RESTARTING: Final = "restarting"
RATE_LIMITED: Final = "rate_limited"
CANCEL_ONLY: Final = "cancel_only"
DISABLED: Final = "disabled"
POST_ONLY_MODE: Final = "post_only_mode"
INSUFFICIENT_BALANCE: Final = "insufficient_balance"

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_TIMED_OUT: Final = 408
_TOO_EARLY: Final = 425
_TOO_MANY: Final = 429
_REFUSED: Final = range(400, 500)
_ABOUT_ORDER: Final = re.compile(r"^order (0x[0-9a-fA-F]{64}) (?:is invalid|crosses)")
_MOST_SECONDS: Final = 86_400
_SIGNATURE: Final = re.compile(r"0x[0-9a-fA-F]{130,}")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: status, headers by lower-case name, and the raw text."""

    status: int
    headers: Mapping[str, str] = {}
    text: str = ""


class NoAnswer(msgspec.Struct, frozen=True):
    """Nothing came back, or nothing complete: it may have happened or not."""

    reason: str


class _Reading(NamedTuple):
    outcome: PostOutcome
    code: str


_UNKNOWN, _NOT_PROCESSED = PostOutcome.UNKNOWN, PostOutcome.NOT_PROCESSED
_NO, _KILLED = PostOutcome.REFUSED, PostOutcome.KILLED

_BY_TEXT: Final = (
    ("duplicated", _UNKNOWN, DUPLICATED),
    ("match delayed due to market conditions", _UNKNOWN, "match_delayed"),
    ("context canceled", _UNKNOWN, "context_canceled"),
    # Said with another status than 500, they prove no more than with it.
    ("could not insert order", _UNKNOWN, "not_inserted"),
    ("could not run the execution", _UNKNOWN, "not_executed"),
    ("there are no matching orders", _UNKNOWN, "no_matching_orders"),
    ("the trade contains rounding issues", _UNKNOWN, "rounding"),
    ("the price of the taker's order", _UNKNOWN, "taker_price"),
    ("not yet ready to process new orders", _NOT_PROCESSED, "market_not_ready"),
    ("rate limit exceeded for tokenid", _NOT_PROCESSED, "token_rate_limited"),
    ("rate limit exceeded", _NOT_PROCESSED, RATE_LIMITED),
    ("too many requests", _NOT_PROCESSED, RATE_LIMITED),
    ("service not ready", _NOT_PROCESSED, RESTARTING),
    ("trading is currently disabled", _NOT_PROCESSED, DISABLED),
    ("cancel-only", _NOT_PROCESSED, CANCEL_ONLY),
    ("post-only mode", _NOT_PROCESSED, POST_ONLY_MODE),
    ("couldn't be fully filled", _KILLED, "fok_killed"),
    ("no orders found to match with fak", _KILLED, "fak_killed"),
    ("not enough balance", _NO, INSUFFICIENT_BALANCE),
    ("breaks minimum tick size", _NO, "tick_size"),
    ("lower than the minimum", _NO, "min_size"),
    ("min size: $1", _NO, "min_notional"),
    ("invalid amounts", _NO, "invalid_amounts"),
    ("invalid expiration", _NO, "expiration"),
    ("crosses the book", _NO, "post_only_crosses"),
    ("order crosses book", _NO, "post_only_crosses"),
    ("invalid signature", _NO, "invalid_signature"),
    ("order_version_mismatch", _NO, "order_version"),
    ("order owner has to be", _NO, "wrong_owner"),
    ("order signer address has to be", _NO, "wrong_signer"),
    ("maker address not allowed", _NO, "wrong_maker"),
    ("address banned", _NO, "banned"),
    ("closed only mode", _NO, "close_only"),
    ("canceled in the ctf exchange contract", _NO, "canceled_on_chain"),
    ("invalid order payload", _NO, "invalid_order"),
    ("too many orders in payload", _NO, "batch_too_large"),
)
"""Substring of the lower-case reason of a 4xx or of a refused leg; first hit."""

_BY_TEXT_5XX: Final = {
    (500, "order timed out"): "venue_timed_out",
    (503, "trading is currently disabled"): DISABLED,
    (503, "cancel-only"): CANCEL_ONLY,
    (503, "post-only mode"): POST_ONLY_MODE,
}
"""The only server errors that are documented as not processed."""

_BY_STATUS: Final = {
    "live": PostOutcome.LIVE,
    "matched": PostOutcome.MATCHED,
    "delayed": PostOutcome.DELAYED,
}


def classify_post(answer: Answer | NoAnswer, venue_order_id: str) -> PostAnswered:
    """Read the answer to one posted order.

    Args:
        answer: What came back.
        venue_order_id: The id that we computed; an answer about another one has
            the code `ID_MISMATCH`.

    Returns:
        The outcome; `text` is the raw body, cut to 500 characters.
    """
    if isinstance(answer, NoAnswer):
        return _unknown("no_answer", answer.reason)
    if answer.status != _OK:
        return _error(answer, venue_order_id)
    body = decoded(answer.text)
    if not isinstance(body, dict):
        return _unknown("unreadable", answer.text)
    return classify_leg(body, venue_order_id, raw=answer.text, in_batch=False)


def classify_batch(
    answer: Answer | NoAnswer, venue_order_ids: Sequence[str]
) -> list[PostAnswered]:
    """Read the answer to orders that were posted together, in their order.

    Legs are told apart by their ids, and by position only if none is missing.
    """
    if isinstance(answer, NoAnswer) or answer.status != _OK:
        ids = {one.lower() for one in venue_order_ids}
        return [_whole_batch(answer, one, ids) for one in venue_order_ids]
    body = decoded(answer.text)
    if not isinstance(body, list) or not all(isinstance(leg, dict) for leg in body):
        return [_unknown("unreadable", answer.text) for _ in venue_order_ids]
    by_id = {_id_of(leg): leg for leg in body if _id_of(leg)}
    is_complete = len(body) == len(venue_order_ids)
    known = {one.lower() for one in venue_order_ids}
    strangers = [name for name in by_id if name not in known]
    if strangers and not is_complete:
        # Whose it is cannot be told, but it is not what one of them was signed as.
        told = ", ".join(strangers)
        return [_mismatch(_UNKNOWN, one, told, answer.text) for one in venue_order_ids]
    if len(body) > len(venue_order_ids):
        return [_unknown("too_many_legs", answer.text) for _ in venue_order_ids]
    found = []
    for position, one in enumerate(venue_order_ids):
        leg = by_id.get(one.lower())
        if leg is None and is_complete and _id_of(body[position]) not in known:
            leg = body[position]
        if leg is None:
            found.append(_unknown("missing_leg", answer.text))
        else:
            found.append(classify_leg(leg, one, in_batch=True))
    return found


def classify_leg(
    leg: Mapping[str, Any], venue_order_id: str, *, in_batch: bool, raw: str = ""
) -> PostAnswered:
    """Read one order's part of a 200.

    In a batch a reason beats `success`, which the venue sets on refused legs
    too; alone, the two contradict each other.
    """
    raw = raw or msgspec.json.encode(leg, enc_hook=str).decode()
    reason, named = leg.get("errorMsg") or "", _id_of(leg)
    if leg.get("success") is True and not reason:
        return _accepted(leg, venue_order_id, named, raw)
    reading = _read_text(str(reason))
    if reading.outcome is _KILLED:
        return PostAnswered(outcome=_KILLED, code=reading.code, text=_cut(raw))
    is_refused = leg.get("success") is False or in_batch
    if not reason or not isinstance(reason, str) or named or not is_refused:
        return _unknown("contradiction", raw)
    return _refusal(reason, venue_order_id, raw)


def classify_cancel(answer: Answer | NoAnswer, venue_order_id: str) -> CancelAnswered:
    """Read the answer to a cancel; the venue's 200 alone says nothing.

    NOT_CANCELED does not tell whether the order was filled or canceled before.
    """
    if isinstance(answer, NoAnswer):
        return CancelAnswered(outcome=CancelOutcome.UNKNOWN, text=_cut(answer.reason))
    body = decoded(answer.text)
    if answer.status == _OK and isinstance(body, dict):
        return _canceled(body, venue_order_id.lower(), answer.text)
    outcome = CancelOutcome.UNKNOWN
    if answer.status in _REFUSED and "invalid orderid" in answer.text.lower():
        outcome = CancelOutcome.NOT_CANCELED
    text = _cut(answer.text) or f"status {answer.status}"
    return CancelAnswered(outcome=outcome, text=text)


def decoded(text: str) -> Any:
    """Decode JSON without a float; `None` if it is none."""
    try:
        return _DECODER.decode(text)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def reason_of(answer: Answer) -> str:
    """The venue's words for an error; empty if the body is not the venue's."""
    body = decoded(answer.text)
    if not isinstance(body, dict):
        return ""
    reason = body.get("error") or body.get("errorMsg") or body.get("error_msg") or ""
    return reason if isinstance(reason, str) else ""


def retry_after_ms(answer: Answer) -> int:
    """How long the venue asks to wait, in milliseconds; 0 if it does not say."""
    body = decoded(answer.text)
    stated = body.get("retry_after_seconds") if isinstance(body, dict) else None
    for value in (answer.headers.get("retry-after"), stated):
        try:
            seconds = Decimal(str(value))
        except ArithmeticError:
            continue  # absent, or a date: our own pause will do
        if seconds.is_finite() and 0 <= seconds <= _MOST_SECONDS:
            return int(seconds * 1000)
    return 0


_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def _canceled(body: Mapping[str, Any], one: str, raw: str) -> CancelAnswered:
    canceled, refused = body.get("canceled") or [], body.get("not_canceled") or {}
    if isinstance(canceled, list) and isinstance(refused, dict):
        reasons = {str(key).lower(): str(value) for key, value in refused.items()}
        is_canceled = one in {str(item).lower() for item in canceled}
        if is_canceled and one not in reasons:
            return CancelAnswered(outcome=CancelOutcome.CANCELED, text=_cut(raw))
        if one in reasons and not is_canceled:
            text = _cut(reasons[one])
            return CancelAnswered(outcome=CancelOutcome.NOT_CANCELED, text=text)
    return CancelAnswered(outcome=CancelOutcome.UNKNOWN, text=_cut(raw))


def _accepted(
    leg: Mapping[str, Any], venue_order_id: str, named: str, raw: str
) -> PostAnswered:
    """Read a leg that names no reason against the order."""
    status = str(leg.get("status") or "").lower()
    if not named or not status:
        return _unknown("unmatched" if status == "unmatched" else "contradiction", raw)
    if named != venue_order_id.lower():
        return _mismatch(_UNKNOWN, venue_order_id, named, raw)
    outcome = _BY_STATUS.get(status)
    if outcome is None:  # `unmatched`, or a word of tomorrow: look it up
        return _unknown(status[:40], raw)
    return PostAnswered(outcome=outcome, text=_cut(raw))


def _error(answer: Answer, venue_order_id: str) -> PostAnswered:
    """Read a status other than 200."""
    status, reason = answer.status, reason_of(answer)
    if status in {_TOO_EARLY, _TOO_MANY}:
        code = RESTARTING if status == _TOO_EARLY else RATE_LIMITED
        return _later(answer, code)
    if status in _REFUSED:
        # The venue turns any error whose text holds "not found" into a 404.
        if status in {_NOT_FOUND, _TIMED_OUT}:
            return _unknown(f"http_{status}", answer.text)
        found = _refusal(reason, venue_order_id, answer.text, status=status)
        if found.outcome is _NOT_PROCESSED:
            return msgspec.structs.replace(found, retry_after_ms=retry_after_ms(answer))
        return found
    for (known, words), code in _BY_TEXT_5XX.items():
        if status == known and words in reason.lower():
            return _later(answer, code)
    return _unknown(f"http_{status}", answer.text)


def _whole_batch(
    answer: Answer | NoAnswer, venue_order_id: str, ids: set[str]
) -> PostAnswered:
    """Read an answer that is about the batch as a whole, for one of its orders."""
    if isinstance(answer, Answer):
        about = _ABOUT_ORDER.match(reason_of(answer))
        if about and about[1].lower() in ids - {venue_order_id.lower()}:
            return _unknown("other_leg", answer.text)
    return classify_post(answer, venue_order_id)


def _refusal(
    reason: str, venue_order_id: str, raw: str, *, status: int = 400
) -> PostAnswered:
    reading = _read_text(reason)
    about = _ABOUT_ORDER.match(reason)
    if about and about[1].lower() != venue_order_id.lower():
        return _mismatch(reading.outcome, venue_order_id, about[1], raw)
    code = reading.code
    if code == "refused" and status != 400:  # noqa: PLR2004 -- the plain refusal
        code = "unauthorized" if status == _UNAUTHORIZED else f"http_{status}"
    text = raw if raw.strip() else f"status {status}"
    return PostAnswered(outcome=reading.outcome, code=code, text=_cut(text))


def _read_text(reason: str) -> _Reading:
    lower = reason.lower()
    for words, outcome, code in _BY_TEXT:
        if words in lower:
            return _Reading(outcome, code)
    return _Reading(_NO, "refused")


def _later(answer: Answer, code: str) -> PostAnswered:
    return PostAnswered(
        outcome=_NOT_PROCESSED,
        code=code,
        text=_cut(answer.text),
        retry_after_ms=retry_after_ms(answer),
    )


def _mismatch(outcome: PostOutcome, ours: str, theirs: str, raw: str) -> PostAnswered:
    text = f"the venue names {theirs} what we signed as {ours}: {raw}"
    return PostAnswered(outcome=outcome, code=ID_MISMATCH, text=_cut(text))


def _unknown(code: str, text: str) -> PostAnswered:
    return PostAnswered(outcome=_UNKNOWN, code=code, text=_cut(text) or code)


def _id_of(leg: Mapping[str, Any]) -> str:
    named = leg.get("orderID") or ""
    return named.lower() if isinstance(named, str) else ""


def _cut(text: str) -> str:
    """What is kept of an answer; an echo of the order must not tell its signature."""
    return _SIGNATURE.sub(HIDDEN, text)[:MAX_RAW]
