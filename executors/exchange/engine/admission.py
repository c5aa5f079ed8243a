"""What the venue refuses, in its own words: an order on its way to the book."""

from decimal import Decimal
from typing import Final, NamedTuple, NoReturn

from executors import rules
from executors.exchange.engine.bank import Wallet
from executors.exchange.engine.book import MarketBook
from executors.exchange.engine.records import LOT, Order
from executors.exchange.engine.types import (
    UNIT,
    ExchangeMarket,
    Mode,
    OrderType,
    Refused,
    SignedOrder,
)
from executors.exchange.engine.units import decimal_of
from ledger.errors import VenueRejectedError
from ledger.market import Market
from ledger.values import Side

KILLED: Final = {
    "FOK": "order couldn't be fully filled. FOK orders are fully filled or killed.",
    "FAK": "no orders found to match with FAK order."
    " FAK orders are partially filled or killed if no match is found.",
}
"""Why an order that must match at once did not."""

DISABLED: Final = Refused(
    status=503,
    error="Trading is currently disabled. Check polymarket.com for updates",
)
CANCEL_ONLY: Final = Refused(
    status=503,
    error="Trading is currently cancel-only."
    " New orders are not accepted, but cancels are allowed.",
)
POST_ONLY_TEXT: Final = "post-only mode: only post-only orders and cancels are allowed"

_DUST: Final = 100 * UNIT
"""Rounding that a signed amount may carry: a ten-thousandth of pUSD or share."""


class Terms(NamedTuple):
    """What a signed order comes to: limit, shares and pUSD in base units."""

    price: int
    shares: int
    money: int


class _Quote(NamedTuple):
    side: Side
    price: Decimal
    size: Decimal
    post_only: bool


def check_gate(mode: Mode, now_ms: int, *, placing: bool, post_only: bool) -> None:
    """Refuse what the mode of the exchange forbids.

    Raises:
        RefusedError: 425 while restarting, 503 otherwise.
    """
    wait = None if mode.until_ms is None else -(-(mode.until_ms - now_ms) // 1000)
    if mode.name == "restarting":
        raise RefusedError(
            Refused(status=425, error="service not ready", retry_after_seconds=wait)
        )
    if mode.name == "disabled":
        raise RefusedError(DISABLED)
    if placing and mode.name == "cancel_only":
        raise RefusedError(CANCEL_ONLY)
    if placing and mode.name == "post_only" and not post_only:
        raise RefusedError(
            Refused(
                status=503,
                error=POST_ONLY_TEXT,
                code="post_only_mode",
                retry_after_seconds=wait,
            )
        )


class RefusedError(Exception):
    """Carries a refusal out of a check."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.error)
        self.refused = refused


def refuse(text: str, status: int = 400) -> NoReturn:
    """Refuse with nothing but a text.

    Raises:
        RefusedError: always.
    """
    raise RefusedError(Refused(status=status, error=text))


def killed(order_type: OrderType) -> Refused:
    """The answer to an order that had to match at once and could not."""
    return Refused(status=400, error=KILLED[order_type], killed=True)


def terms_of(
    order: SignedOrder, market: ExchangeMarket, order_type: OrderType, *, name: str
) -> Terms:
    """Read the limit out of the signed amounts and check amounts and grid.

    A market order's rounding may leave its implied price beside the grid; such an
    order gets the next price of the grid that it can afford.

    Raises:
        RefusedError: tick size, minimum size, or decimals.
    """
    is_buy = order.side == "BUY"
    money, shares = order.maker_amount, order.taker_amount
    if not is_buy:
        money, shares = shares, money
    if money <= 0 or shares <= 0 or order.side not in {"BUY", "SELL"}:
        refuse("Invalid order payload")
    rests = order_type in {"GTC", "GTD"}
    tick = market.tick
    nearest = round(Decimal(money * UNIT) / (shares * tick)) * tick
    on_grid = abs(money * UNIT - shares * nearest) <= _DUST
    told = nearest if on_grid else money * UNIT // shares
    floor = money * UNIT // (shares * tick) * tick
    price = nearest
    if not rests:
        price = floor if is_buy else -(-money * UNIT // (shares * tick)) * tick
    plain = _plain_market(market)
    try:
        rules.check_grid(plain, decimal_of(told), name=name)
        if rests:
            rules.check_size(plain, decimal_of(shares), name=name)
    except VenueRejectedError as refused:
        refuse(str(refused))
    if not rests and is_buy and money % LOT:
        refuse(
            "invalid amounts, the market buy orders maker amount supports"
            " a max accuracy of 2 decimals, taker amount a max of 4 decimals"
        )
    if (rests or not is_buy) and shares % LOT:
        refuse("invalid amounts, sizes support a max accuracy of 2 decimals")
    if not 0 < price < UNIT:
        refuse("Invalid order payload")
    return Terms(price, shares, money)


def check_expiration(
    order: SignedOrder, order_type: OrderType, now_ms: int, min_life_ms: int
) -> None:
    """Refuse an expiration that is missing, unwanted or too near.

    Raises:
        RefusedError: invalid expiration.
    """
    wanted = order_type == "GTD"
    if wanted != (order.expiration != 0) or (
        wanted and order.expiration * 1000 < now_ms + min_life_ms
    ):
        refuse(str(rules.expiration_refused()))


def check_funds(order: Order, wallet: Wallet, needed: int) -> None:
    """Refuse an order that its wallet cannot pay, its other orders considered.

    Raises:
        RefusedError: not enough balance / allowance.
    """
    available = max(wallet.available(order.asset), 0)
    if available < needed:
        refuse(str(rules.balance_refused(decimal_of(available), decimal_of(needed))))
    allowance = wallet.allowance(order.asset, neg_risk=order.market.neg_risk)
    if allowance < needed:
        refuse(
            "not enough balance / allowance: the allowance is not enough"
            f" -> allowance: {allowance}, order amount: {needed}"
        )


def check_book(order: Order, book: MarketBook) -> None:
    """Refuse a post-only order that would match, and a matching BUY below 1 pUSD.

    Raises:
        RefusedError: the book does not allow it.
    """
    best = book.best_against(order)
    money = order.money if order.is_buy else 0
    size = decimal_of(money) / decimal_of(order.price)
    quote = _Quote(Side(order.side), decimal_of(order.price), size, order.post_only)
    try:
        rules.check_against_book(quote, None if best is None else decimal_of(best))
    except VenueRejectedError as refused:
        refuse(str(refused))


def _plain_market(market: ExchangeMarket) -> Market:
    return Market(
        market_id=market.condition_id,
        yes_token=market.tokens[0],
        no_token=market.tokens[1],
        tick_size=market.tick_size,
        min_size=market.min_size,
    )
