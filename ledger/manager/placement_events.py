"""The events of a placement, made from what was decided."""

from datetime import datetime
from decimal import Decimal

from ledger import events as ev
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.risk import RiskDecision
from ledger.slippage import INSUFFICIENT_LIQUIDITY, SlippageResult
from ledger.venue import PlacementRequest, PreparedOrder


def placement_request(
    intent: OrderIntent, market: Market, order_id: str, size: Decimal
) -> PlacementRequest:
    """What the executor is asked to prepare; `size` is after any cap."""
    return PlacementRequest(
        order_id=order_id,
        market=market,
        outcome=intent.outcome,
        side=intent.side,
        size=size,
        price=intent.price,
        time_in_force=intent.time_in_force,
        post_only=intent.post_only,
        expires_at=intent.expires_at,
    )


def requested_event(
    intent: OrderIntent, market: Market, fingerprint: str, order_id: str, now: datetime
) -> ev.OrderRequested:
    """The intent as it was received."""
    return ev.OrderRequested(
        at=now,
        actor=intent.strategy,
        correlation_id=intent.correlation_id or order_id,
        strategy=intent.strategy,
        idempotency_key=intent.idempotency_key,
        fingerprint=fingerprint,
        market_id=intent.market_id,
        token_id=market.token(intent.outcome),
        outcome=intent.outcome,
        side=intent.side,
        size=intent.size,
        price=intent.price,
        time_in_force=intent.time_in_force,
        post_only=intent.post_only,
        expires_at=intent.expires_at,
        max_slippage_bps=intent.max_slippage_bps,
        fee_rate=market.fee_rate,
        note=intent.note,
    )


def resized_event(request: ev.OrderRequested, verdict: RiskDecision) -> ev.OrderResized:
    """The cap that risk put on it."""
    assert verdict.adjusted_size is not None
    return ev.OrderResized(
        at=request.at,
        correlation_id=request.correlation_id,
        size=verdict.adjusted_size,
        requested_size=request.size,
        code=verdict.code,
        text=verdict.reason,
    )


def prepared_event(
    request: ev.OrderRequested, prepared: PreparedOrder, evidence: dict[str, str]
) -> ev.OrderPrepared:
    """The order as it was signed, and what the decision rested on."""
    return ev.OrderPrepared(
        at=request.at,
        correlation_id=request.correlation_id,
        venue_order_id=prepared.venue_order_id,
        size=prepared.size,
        maker_amount=prepared.maker_amount,
        taker_amount=prepared.taker_amount,
        signed_order=prepared.signed_order,
        evidence=evidence,
    )


def refused_event(
    request: ev.OrderRequested,
    by: str,
    code: str,
    text: str,
    evidence: dict[str, str],
) -> ev.OrderRefused:
    """Who refused the intent, and why."""
    return ev.OrderRefused(
        at=request.at,
        correlation_id=request.correlation_id,
        by=by,
        code=code,
        text=text,
        evidence=evidence,
    )


def slippage_code(result: SlippageResult) -> str:
    """The code of a refusal for slippage."""
    if result.effective_price is not None:
        return "slippage"
    if result.recommendation == INSUFFICIENT_LIQUIDITY:
        return "insufficient_liquidity"
    return "no_market_data"


def slippage_evidence(result: SlippageResult) -> dict[str, str]:
    """What the book said, as text."""
    if result.effective_price is None:
        return {}
    return {
        "effective_price": _plain(result.effective_price),
        "slippage_bps": _plain(result.expected_slippage_bps),
    }


def _plain(number: Decimal) -> str:
    """A number without an exponent; formatting takes twice as long."""
    text = str(number)
    return f"{number:f}" if "E" in text else text
