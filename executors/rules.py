"""The venue's rules for an order, as pure functions: refusals before it refuses.

The texts are the venue's own words, so that a paper refusal and a live one read
alike; the codes are ours.
"""

from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final, NamedTuple, Protocol

from ledger.errors import VenueRejectedError
from ledger.market import Market
from ledger.values import ONE, ZERO, Side, TimeInForce, text_of
from ledger.venue import PlacementRequest

SIZE_STEP: Final = Decimal("0.01")
"""Sizes are signed in hundredths of a share, rounded down."""

BASE_UNITS: Final = 1_000_000
"""Base units per share and per pUSD."""

MIN_MARKETABLE_BUY: Final = ONE
"""Least pUSD of a BUY that would match at once."""

GTD_MIN_LIFE: Final = timedelta(seconds=180)
"""Least time from signing to the expiration of a GTD order."""

GTD_EARLY: Final = timedelta(seconds=60)
"""The venue ends a GTD order this long before its expiration."""

_AMOUNT_STEP: Final = {
    Decimal("0.1"): Decimal("0.001"),
    Decimal("0.01"): Decimal("0.0001"),
    Decimal("0.005"): Decimal("0.00001"),
    Decimal("0.0025"): Decimal("0.000001"),
    Decimal("0.001"): Decimal("0.00001"),
    Decimal("0.0001"): Decimal("0.000001"),
}


class Amounts(NamedTuple):
    """What is signed: shares, and what each side gives in base units (10^-6)."""

    size: Decimal
    maker_amount: int
    taker_amount: int


class BookSensitive(Protocol):
    """The part of an order that decides whether the book allows it."""

    @property
    def side(self) -> Side:
        """Direction."""
        ...

    @property
    def price(self) -> Decimal:
        """Limit in pUSD per share."""
        ...

    @property
    def size(self) -> Decimal:
        """Outcome shares."""
        ...

    @property
    def post_only(self) -> bool:
        """Whether the order must not match at once."""
        ...


def base_units(amount: Decimal) -> int:
    """Shares or pUSD in base units; exact for amounts of at most 6 places."""
    return int(amount * BASE_UNITS)


def signed_size(size: Decimal) -> Decimal:
    """Round a size down to what can be signed, in shares."""
    return size.quantize(SIZE_STEP, rounding=ROUND_DOWN)


def order_amounts(side: Side, price: Decimal, size: Decimal, tick: Decimal) -> Amounts:
    """Compute the exact integers of a limit order.

    Args:
        side: BUY gives pUSD for shares, SELL the reverse.
        price: pUSD per share, on the grid of `tick`.
        size: Outcome shares; rounded down to 2 places.
        tick: The market's tick size.

    Raises:
        VenueRejectedError: the venue has no such tick size.

    Source:
        Decimals per tick of polymarket-client 0.14.0; on the grid the product
        needs no rounding.
    """
    step = _AMOUNT_STEP.get(tick)
    if step is None:
        msg = f"invalid tick size: {text_of(tick)}"
        raise VenueRejectedError(msg, code="tick_size")
    shares = signed_size(size)
    money = (shares * price).quantize(step, rounding=ROUND_DOWN)
    if side is Side.BUY:
        return Amounts(shares, base_units(money), base_units(shares))
    return Amounts(shares, base_units(shares), base_units(money))


def check_order(
    request: PlacementRequest, now: datetime, *, name: str | None = None
) -> None:
    """Refuse what the venue refuses whatever its book looks like.

    `name` is the order id that the venue would put in its text; ours if absent.

    Raises:
        VenueRejectedError: code tick_size, min_size, expiration or
            invalid_order.
    """
    check_grid(request.market, request.price, name=name or request.order_id)
    check_size(request.market, request.size, name=name or request.order_id)
    if request.post_only and not request.time_in_force.rests:
        msg = "Invalid order payload"
        raise VenueRejectedError(msg, code="invalid_order")
    is_gtd = request.time_in_force is TimeInForce.GTD
    expires = request.expires_at
    if is_gtd != (expires is not None) or (
        expires is not None and expires < now + GTD_MIN_LIFE
    ):
        raise expiration_refused()


def check_grid(market: Market, price: Decimal, *, name: str) -> None:
    """Refuse a price outside the market's tick grid, code tick_size."""
    if not market.is_on_grid(price):
        msg = (
            f"order {name} is invalid. Price ({text_of(price)})"
            f" breaks minimum tick size rule: {text_of(market.tick_size)}"
        )
        raise VenueRejectedError(msg, code="tick_size")


def check_size(market: Market, size: Decimal, *, name: str) -> None:
    """Refuse fewer shares than the market's minimum, code min_size."""
    shares = signed_size(size)
    if shares <= ZERO or shares < market.min_size:
        msg = (
            f"order {name} is invalid. Size ({text_of(shares)})"
            f" lower than the minimum: {text_of(market.min_size)}"
        )
        raise VenueRejectedError(msg, code="min_size")


def check_against_book(order: BookSensitive, best: Decimal | None) -> None:
    """Refuse what only the book can tell; `best` is the best opposite price.

    Raises:
        VenueRejectedError: code post_only_crosses for a post-only order that
            would match, min_notional for a matching BUY below 1 pUSD.
    """
    if not is_marketable(order.side, order.price, best):
        return
    if order.post_only:
        msg = "invalid post-only order: order crosses book"
        raise VenueRejectedError(msg, code="post_only_crosses")
    notional = order.price * order.size
    if order.side is Side.BUY and notional < MIN_MARKETABLE_BUY:
        msg = (
            f"invalid amount for a marketable BUY order (${text_of(notional)}),"
            f" min size: ${text_of(MIN_MARKETABLE_BUY)}"
        )
        raise VenueRejectedError(msg, code="min_notional")


def is_marketable(side: Side, price: Decimal, best: Decimal | None) -> bool:
    """Whether a limit meets the best opposite price; no price, no match."""
    if best is None:
        return False
    return best <= price if side is Side.BUY else best >= price


def expiration_refused() -> VenueRejectedError:
    """The refusal of an expiration that is missing, unwanted or too near."""
    return VenueRejectedError("invalid expiration", code="expiration")


def balance_refused(available: Decimal, needed: Decimal) -> VenueRejectedError:
    """The refusal for want of pUSD or shares; the text counts base units."""
    return VenueRejectedError(
        "not enough balance / allowance: the balance is not enough"
        f" -> balance: {base_units(available)}, order amount: {base_units(needed)}",
        code="insufficient_balance",
    )
