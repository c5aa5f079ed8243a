"""From a request to bytes that are safe to store: signed, and proven to be ours."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from executors.market_data.times import unix_ms
from executors.polymarket.gateway import OrderTerms, VenueClient
from executors.protocol import (
    PostBody,
    domain_of,
    market_amounts,
    order_amounts,
    order_id,
    recover_signer,
)
from executors.rules import Amounts, check_order
from ledger.errors import InvalidInputError, PreparationError
from ledger.values import Side, canonical
from ledger.venue import PlacementRequest, PreparedOrder

SALT_BITS: Final = 53
"""A salt travels as a JSON number: more bits would not survive every reader."""


def terms_of(request: PlacementRequest, *, salt: int, now: datetime) -> OrderTerms:
    """Check the venue's rules and compute the exact amounts.

    Raises:
        VenueRejectedError: the venue's rules forbid the order.
    """
    check_order(request, now)
    amounts = _amounts(request)
    expires = request.expires_at
    return OrderTerms(
        token_id=request.market.token(request.outcome),
        side=request.side.value,
        maker_amount=amounts.maker_amount,
        taker_amount=amounts.taker_amount,
        salt=salt,
        timestamp_ms=unix_ms(now),
        expiration=0 if expires is None else unix_ms(expires) // 1000,
    )


def signed_order(
    client: VenueClient, request: PlacementRequest, terms: OrderTerms
) -> PreparedOrder:
    """Sign, compute the id without the client, and recover who signed.

    Runs in any thread.
    The owner of the stored body is empty: it holds no secret.

    Raises:
        PreparationError: the signature is not this wallet's, or could not be made.
    """
    neg_risk = request.market.neg_risk
    order = client.sign(client.draft(terms), neg_risk)
    domain = domain_of(order, neg_risk)
    try:
        signer = recover_signer(order, *domain)
    except InvalidInputError as error:
        msg = f"the client's signature cannot be read: {error}"
        raise PreparationError(msg) from None
    if signer.lower() != client.wallet().signer.lower():
        msg = "the client signed for another key or another exchange"
        raise PreparationError(msg)
    if (order.maker_amount, order.taker_amount, order.salt) != (
        terms.maker_amount,
        terms.taker_amount,
        terms.salt,
    ):
        msg = "the client signed other amounts than it was given"
        raise PreparationError(msg)
    body = PostBody(
        order=order,
        order_type=request.time_in_force.value,
        post_only=request.post_only,
    )
    is_buy = request.side is Side.BUY
    shares = terms.taker_amount if is_buy else terms.maker_amount
    return PreparedOrder(
        venue_order_id=order_id(order, *domain),
        size=_shares(shares),
        maker_amount=terms.maker_amount,
        taker_amount=terms.taker_amount,
        signed_order=body.to_json(),
    )


def _amounts(request: PlacementRequest) -> Amounts:
    """A BUY that may not rest is a market order: whole cents of pUSD."""
    side, price, tick = request.side, request.price, request.market.tick_size
    if request.time_in_force.rests or side is Side.SELL:
        return order_amounts(side=side, price=price, size=request.size, tick=tick)
    return market_amounts(
        side=side, price=price, amount=request.size * price, tick=tick
    )


def _shares(base_units: int) -> Decimal:
    return canonical(Decimal(base_units).scaleb(-6))
