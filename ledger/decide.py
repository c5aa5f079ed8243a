"""Decisions about one order: a fact or a command comes in, events come out.

A fact that is already known gives no events.
Money is never refused: a proven fill books in every state, also past the
order's size.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, assert_never

import msgspec

from ledger import events as ev
from ledger.errors import CommandRefusedError, EvidenceMissingError
from ledger.intent import UserFill
from ledger.order import END_RANK, Order, Trade
from ledger.values import EndReason, Phase, Settlement

_MOST_TEXT: Final = 500
"""Characters kept of what a venue or a caller says."""


class Meta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who says it, on whose word, when: copied into every event."""

    at: datetime
    actor: str = "system"
    source: str = "command"
    causation: str = ""


class PostOutcome(StrEnum):
    """What the answer to a post proves."""

    LIVE = "live"
    MATCHED = "matched"
    DELAYED = "delayed"
    REFUSED = "refused"
    KILLED = "killed"
    NOT_PROCESSED = "not_processed"
    UNKNOWN = "unknown"


_LIVE: Final = PostOutcome.LIVE
_MATCHED: Final = Settlement.MATCHED

ID_MISMATCH: Final = "order_id_mismatch"
"""Code of an answer that names another order: what is signed is not what counts."""

DUPLICATED: Final = "duplicated"
"""Code of an answer that says that the venue has taken the order before."""


class PostAnswered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The classified answer to a post; `code` and `text` explain a refusal.

    NOT_PROCESSED proves non-acceptance and allows the same bytes again, after
    `retry_after_ms` if the venue said so.
    """

    outcome: PostOutcome
    code: str = ""
    text: str = ""
    retry_after_ms: int = 0


class SettlementSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A witness reports how far a trade has settled."""

    trade_id: str
    status: Settlement
    venue_time: int | None = None
    tx_hash: str = ""


class CancelWanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody asks to cancel the order."""

    reason: str = "requested"


class CancelOutcome(StrEnum):
    """What the answer to a cancel says of one order."""

    CANCELED = "canceled"
    NOT_CANCELED = "not_canceled"
    UNKNOWN = "unknown"


class CancelAnswered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The venue's answer to a cancel, for this order."""

    outcome: CancelOutcome
    text: str = ""


class OrderEnded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The venue says the order no longer works."""

    reason: EndReason
    text: str = ""
    size_matched: Decimal | None = None


class LookupFound(StrEnum):
    """What an answered look-up by order id found."""

    LIVE = "live"
    MATCHED = "matched"
    CANCELED = "canceled"
    NONE = "none"


class LookedUp(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answered look-up by order id."""

    found: LookupFound
    size_matched: Decimal | None = None
    reason: EndReason = EndReason.VENUE


class TradesSwept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A complete trade sweep found nothing of this order beyond what is known."""


class PostAgain(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The stored bytes are about to be posted again."""


class GiveUp(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Conclude from absence that the venue never had the order.

    `min_spread` is the least time between the first and the last empty probe,
    `min_probes` the least number of each kind.
    """

    min_spread: timedelta = timedelta(seconds=60)
    min_probes: int = 2


class DustSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The venue closed the order as matched.

    `tolerance` is the most that it may have left unfilled, in shares.
    """

    tolerance: Decimal


def decide(order: Order, fact: object, meta: Meta) -> list[ev.Event]:
    """Decide what a fact or a command means for the order; pure.

    Raises:
        CommandRefusedError: a cancel of an order that is done.
        EvidenceMissingError: `GiveUp` without the probes that prove it.
    """
    return _DECIDE[type(fact)](order, fact, meta)


def clean(text: str) -> str:
    """Text from outside as it can be stored: valid, and of bounded length."""
    return text[:_MOST_TEXT].encode("utf-8", "replace").decode()


def _about(order: Order, meta: Meta) -> dict[str, Any]:
    return {
        "at": meta.at,
        "actor": meta.actor,
        "source": meta.source,
        "correlation_id": order.correlation_id,
        "causation": meta.causation,
    }


def _on_post(  # noqa: PLR0911 - one row per answer
    order: Order, fact: PostAnswered, meta: Meta
) -> list[ev.Event]:
    outcome = fact.outcome
    if outcome is _LIVE:
        # By far the most frequent answer: not worth asking for the others first.
        return _accepted(order, meta)
    about = _about(order, meta)
    match outcome:
        case PostOutcome.LIVE | PostOutcome.MATCHED:
            return _accepted(order, meta)
        case PostOutcome.DELAYED:
            return [] if order.is_placed else [ev.OrderPlaced(delayed=True, **about)]
        case PostOutcome.NOT_PROCESSED if order.is_outcome_unknown:
            return []  # an earlier post may still have reached the venue
        case PostOutcome.REFUSED | PostOutcome.NOT_PROCESSED:
            if order.refusal is not None:
                return []
            return [ev.OrderRejected(code=fact.code, text=clean(fact.text), **about)]
        case PostOutcome.KILLED:
            return _ended(order, EndReason.KILLED, fact.text, None, about)
        case PostOutcome.UNKNOWN:
            return _on_unknown(order, fact, meta)
        case never:  # pragma: no cover
            assert_never(never)


def _on_unknown(order: Order, fact: PostAnswered, meta: Meta) -> list[ev.Event]:
    if fact.code == DUPLICATED:
        return _accepted(order, meta)  # what became of it, a look-up tells
    if order.is_outcome_unknown or order.is_answered:
        return []
    reason = clean(fact.text) or "unknown"
    return [ev.OrderOutcomeUnknown(reason=reason, **_about(order, meta))]


def _accepted(order: Order, meta: Meta) -> list[ev.Event]:
    if order.is_placed and not order.is_delayed:
        return []
    return [
        ev.OrderPlaced(
            at=meta.at,
            actor=meta.actor,
            source=meta.source,
            correlation_id=order.correlation_id,
            causation=meta.causation,
        )
    ]


def _on_fill(order: Order, fill: UserFill, meta: Meta) -> list[ev.Event]:
    known = order.trades.get(fill.trade_id)
    is_match = fill.status is _MATCHED
    found: list[ev.Event] = []
    if (
        known is None
        or not known.size
        or (is_match and known.is_news(_MATCHED, fill.venue_time, ""))
    ):
        found.append(
            ev.FillMatched(
                at=meta.at,
                actor=meta.actor,
                source=meta.source,
                correlation_id=order.correlation_id,
                causation=meta.causation,
                trade_id=fill.trade_id,
                strategy=order.strategy,
                market_id=order.market_id,
                outcome=order.outcome,
                side=order.side,
                size=fill.size,
                price=fill.price,
                fee=fill.fee,
                role=fill.role,
                venue_time=fill.venue_time if is_match else None,
                tx_hash=fill.tx_hash,
            )
        )
    if not is_match:
        seen = SettlementSeen(
            trade_id=fill.trade_id,
            status=fill.status,
            venue_time=fill.venue_time,
            tx_hash=fill.tx_hash,
        )
        found.extend(_on_settlement(order, seen, meta))
    return found


_SETTLED: Final[dict[Settlement, type[ev.SettlementEvent]]] = {
    Settlement.MINED: ev.FillMined,
    Settlement.RETRYING: ev.FillRetrying,
    Settlement.CONFIRMED: ev.FillConfirmed,
    Settlement.FAILED: ev.FillVoided,
}


def _on_settlement(order: Order, fact: SettlementSeen, meta: Meta) -> list[ev.Event]:
    status = fact.status
    if status is _MATCHED:
        return []  # a match is news only with its size and price
    known = order.trades.get(fact.trade_id)
    if known is not None and not known.is_news(status, fact.venue_time, fact.tx_hash):
        return []
    return [
        _SETTLED[status](
            at=meta.at,
            actor=meta.actor,
            source=meta.source,
            correlation_id=order.correlation_id,
            causation=meta.causation,
            trade_id=fact.trade_id,
            venue_time=fact.venue_time,
            tx_hash=fact.tx_hash,
        )
    ]


def _on_cancel_wanted(order: Order, fact: CancelWanted, meta: Meta) -> list[ev.Event]:
    if order.phase is Phase.DONE:
        msg = f"order {order.order_id} is done ({order.done_reason})"
        raise CommandRefusedError(msg)
    if order.is_cancel_requested:
        return []
    reason = clean(fact.reason)
    return [ev.OrderCancelRequested(reason=reason, **_about(order, meta))]


def _on_cancel_answer(order: Order, fact: CancelAnswered, meta: Meta) -> list[ev.Event]:
    about = _about(order, meta)
    match fact.outcome:
        case CancelOutcome.CANCELED:
            return _ended(order, EndReason.CANCELLED, fact.text, None, about)
        case CancelOutcome.NOT_CANCELED:
            # Of an order that is not proven it says nothing: the wish stays.
            if not order.is_cancel_requested or not order.is_accepted:
                return []
            return [ev.OrderCancelRefused(text=clean(fact.text), **about)]
        case CancelOutcome.UNKNOWN:
            return []
        case never:  # pragma: no cover
            assert_never(never)


def _on_ended(order: Order, fact: OrderEnded, meta: Meta) -> list[ev.Event]:
    about = _about(order, meta)
    return _ended(order, fact.reason, fact.text, fact.size_matched, about)


def _ended(
    order: Order,
    reason: EndReason,
    text: str,
    size_matched: Decimal | None,
    about: dict[str, Any],
) -> list[ev.Event]:
    assert reason in END_RANK, f"{reason} is no end that the venue can prove"
    if order.ended is not None and END_RANK[order.ended] >= END_RANK[reason]:
        return []
    return [
        ev.OrderCancelled(
            reason=reason, text=clean(text), size_matched=size_matched, **about
        )
    ]


def _on_lookup(order: Order, fact: LookedUp, meta: Meta) -> list[ev.Event]:
    about = _about(order, meta)
    match fact.found:
        case LookupFound.LIVE | LookupFound.MATCHED:
            return _accepted(order, meta)
        case LookupFound.CANCELED:
            return _ended(order, fact.reason, "", fact.size_matched, about)
        case LookupFound.NONE:
            return _probe(order, "lookup", about)
        case never:  # pragma: no cover
            assert_never(never)


def _on_post_again(order: Order, _: PostAgain, meta: Meta) -> list[ev.Event]:
    if order.is_proven or order.is_never_placed:
        msg = f"order {order.order_id} is proven: {order.status}"
        raise EvidenceMissingError(msg)
    return [ev.OrderReposted(**_about(order, meta))]


def _on_sweep(order: Order, _: TradesSwept, meta: Meta) -> list[ev.Event]:
    return _probe(order, "sweep", _about(order, meta))


def _probe(order: Order, probe: str, about: dict[str, Any]) -> list[ev.Event]:
    if order.is_answered or (probe, about["at"]) in order.probes:
        return []
    return [ev.OrderProbed(probe=probe, **about)]


def _on_give_up(order: Order, fact: GiveUp, meta: Meta) -> list[ev.Event]:
    if order.is_never_placed:
        return []
    # Even a trade of unknown size is a word from the venue.
    if order.is_proven or order.trades:
        msg = f"order {order.order_id} is proven: {order.status}"
        raise EvidenceMissingError(msg)
    if order.expires_at is not None and order.expires_at > meta.at:
        msg = f"order {order.order_id} has not expired yet"
        raise EvidenceMissingError(msg)
    for probe in ("lookup", "sweep"):
        times = [at for kind, at in order.probes if kind == probe]
        enough = len(times) >= fact.min_probes
        if not enough or max(times) - min(times) < fact.min_spread:
            msg = (
                f"order {order.order_id} needs {fact.min_probes} answered {probe}s"
                f" over {fact.min_spread.total_seconds():.0f} s, has {len(times)}"
            )
            raise EvidenceMissingError(msg)
    proof = tuple(f"{kind} at {at.isoformat()}" for kind, at in order.probes)
    return [ev.OrderNeverPlaced(probes=proof, **_about(order, meta))]


def _on_dust(order: Order, fact: DustSeen, meta: Meta) -> list[ev.Event]:
    # Kept in every state: the trades that leave the residue may come later.
    if fact.tolerance <= order.dust:
        return []
    return [ev.OrderDustClosed(tolerance=fact.tolerance, **_about(order, meta))]


_DECIDE: Final[dict[type[object], Callable[[Order, Any, Meta], list[ev.Event]]]] = {
    PostAnswered: _on_post,
    UserFill: _on_fill,
    SettlementSeen: _on_settlement,
    CancelWanted: _on_cancel_wanted,
    CancelAnswered: _on_cancel_answer,
    OrderEnded: _on_ended,
    LookedUp: _on_lookup,
    TradesSwept: _on_sweep,
    PostAgain: _on_post_again,
    GiveUp: _on_give_up,
    DustSeen: _on_dust,
}


def discrepancies(
    order: Order, trade_id: str, matched: Decimal, before: Trade | None
) -> list[tuple[str, str, dict[str, str]]]:
    """Find contradictions that one trade's news brought: kind, subject, detail.

    An overfill and a trade claimed both confirmed and failed are booked, and
    raised for a person to see.

    Args:
        order: The order after the news.
        trade_id: The trade the news was about.
        matched: The order's matched shares before the news.
        before: The trade before the news, if it was known.
    """
    found: list[tuple[str, str, dict[str, str]]] = []
    if order.matched > order.size >= matched:
        detail = {"size": str(order.size), "matched": str(order.matched)}
        found.append(("overfill", order.order_id, detail))
    trade = order.trades[trade_id]
    if trade.is_contradicted and (before is None or not before.is_contradicted):
        detail = {
            "confirmed_at": str(trade.confirmed_at),
            "voided_at": str(trade.voided_at),
        }
        found.append(("settlement_conflict", f"{trade_id}/{order.order_id}", detail))
    return found
