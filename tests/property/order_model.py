"""What an order must look like, told from the set of its facts alone.

Written from the tables of statuses and settlements, not from the code: it knows
no arrival order, because it looks at all facts at once.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from ledger.decide import (
    CancelAnswered,
    CancelOutcome,
    DustSeen,
    LookedUp,
    LookupFound,
    OrderEnded,
    PostAnswered,
    PostOutcome,
    SettlementSeen,
)
from ledger.intent import UserFill
from ledger.order import Order
from ledger.values import EndReason, Settlement

_PROVISIONAL: Final = (Settlement.MATCHED, Settlement.RETRYING, Settlement.MINED)


def settlement_of(claims: Sequence[tuple[Settlement, int | None]]) -> Settlement:
    """The state of one trade by all claims: status and the venue's time."""
    final = [(at or 0, status) for status, at in claims if status.is_final]
    if final:
        latest = max(at for at, _ in final)
        at_last = {status for at, status in final if at == latest}
        failed = Settlement.FAILED in at_last
        return Settlement.FAILED if failed else Settlement.CONFIRMED
    timed = [(at, _PROVISIONAL.index(s)) for s, at in claims if at is not None]
    ranks = [_PROVISIONAL.index(s) for s, at in claims if at is None]
    if timed:
        ranks.append(max(timed)[1])
    return _PROVISIONAL[max(ranks)]


def expected(size: Decimal, facts: Iterable[object]) -> dict[str, Any]:
    """Status, filled, remaining, settled, fees and number of fills."""
    facts = list(facts)
    sizes: dict[str, UserFill] = {}
    claims: dict[str, list[tuple[Settlement, int | None]]] = {}
    for fact in facts:
        if isinstance(fact, UserFill):
            sizes.setdefault(fact.trade_id, fact)
        if isinstance(fact, UserFill | SettlementSeen):
            claims.setdefault(fact.trade_id, []).append((fact.status, fact.venue_time))
    states = {trade: settlement_of(claims[trade]) for trade in sizes}
    live = [t for t in sizes if states[t] is not Settlement.FAILED]
    filled = sum((sizes[t].size for t in live), Decimal("0"))
    matched = sum((fill.size for fill in sizes.values()), Decimal("0"))
    dust = max((f.tolerance for f in facts if isinstance(f, DustSeen)), default=0)
    is_full = bool(sizes) and matched + dust >= size
    is_done, status = _label(facts, is_full=is_full, is_matched=bool(sizes))
    if is_full and filled and (filled >= size or filled == matched):
        status = _slowest([states[t] for t in live])
    elif is_full:
        status = "CANCELLED" if filled else "FAILED"
    elif not is_done and filled:
        status = "PARTIAL_FILL"
    settled = [sizes[t].size for t in live if states[t] is Settlement.CONFIRMED]
    return {
        "status": status,
        "filled": filled,
        "remaining": Decimal("0") if is_done else size - filled,
        "settled": sum(settled, Decimal("0")),
        "fees": sum((sizes[t].fee for t in live), Decimal("0")),
        "fills": len(live),
    }


def _label(
    facts: Sequence[object], *, is_full: bool, is_matched: bool
) -> tuple[bool, str]:
    """Whether nothing works any more, and the label of an order without fills."""
    if is_full or any(map(_is_end, facts)):
        return True, "CANCELLED"
    if is_matched or any(map(_is_acceptance, facts)):
        return False, "PLACED"
    answers = {f.outcome for f in facts if isinstance(f, PostAnswered)}
    # A refusal speaks of one post only: beside an unknown one it proves nothing.
    is_refused = PostOutcome.REFUSED in answers and PostOutcome.UNKNOWN not in answers
    return (True, "REJECTED") if is_refused else (False, "PENDING")


def _is_acceptance(fact: object) -> bool:
    match fact:
        case PostAnswered(outcome=PostOutcome(value="live" | "matched" | "delayed")):
            return True
        case LookedUp(found=LookupFound(value="live" | "matched")):
            return True
        case _:
            return False


def _is_end(fact: object) -> bool:
    match fact:
        case OrderEnded() | CancelAnswered(outcome=CancelOutcome.CANCELED):
            return True
        case PostAnswered(outcome=PostOutcome.KILLED):
            return True
        case LookedUp(found=LookupFound.CANCELED):
            return True
        case _:
            return False


def _slowest(states: Sequence[Settlement]) -> str:
    if all(state is Settlement.CONFIRMED for state in states):
        return "CONFIRMED"
    reached = (Settlement.MINED, Settlement.CONFIRMED)
    return "MINED" if all(state in reached for state in states) else "MATCHED"


def end_reason(facts: Iterable[object]) -> EndReason | None:
    """The most specific end that the venue claimed; `None` without any."""
    order = ("cancelled", "venue", "market_resolved", "expired", "killed")
    found = []
    for fact in facts:
        match fact:
            case OrderEnded(reason=reason):
                found.append(reason)
            case LookedUp(found=LookupFound.CANCELED, reason=reason):
                found.append(reason)
            case CancelAnswered(outcome=CancelOutcome.CANCELED):
                found.append(EndReason.CANCELLED)
            case PostAnswered(outcome=PostOutcome.KILLED):
                found.append(EndReason.KILLED)
            case _:
                pass
    return max(found, key=order.index, default=None)


def summary(order: Order) -> dict[str, Any]:
    """The same keys as `expected`, from the real order."""
    return {
        "status": order.status,
        "filled": order.filled,
        "remaining": order.remaining,
        "settled": order.settled,
        "fees": order.fees,
        "fills": order.fills,
    }
