"""Whether the paper venue takes an order at all: rules, book and funds."""

from decimal import Decimal
from typing import Final

from executors import rules
from executors.paper.balances import CASH, Account
from executors.paper.liquidity import MarketView
from executors.paper.records import GTD_EARLY_MS, PaperOrder
from ledger.book import Level
from ledger.errors import VenueRejectedError
from ledger.market import Market, taker_fee
from ledger.values import ZERO, Side

NOT_READY: Final = "the market is not yet ready to process new orders"

NOT_READY_CODE: Final = "not_ready"


def admit(order: PaperOrder, view: MarketView, account: Account, now_ms: int) -> None:
    """Refuse an order as the venue would, in its words.

    Raises:
        VenueRejectedError: code not_ready (no book to trust), tick_size,
            min_size, expiration, post_only_crosses, min_notional or
            insufficient_balance.
    """
    if not view.is_ready:
        raise not_ready()
    rules.check_grid(view.market, order.price, name=order.venue_order_id)
    rules.check_size(view.market, order.size, name=order.venue_order_id)
    expiration = order.expiration_ms
    if expiration is not None and expiration - GTD_EARLY_MS <= now_ms:
        raise rules.expiration_refused()
    levels = view.takeable(order.yes_side, order.yes_price)
    best = order.own_price(levels[0].price) if levels else None
    rules.check_against_book(order, best)
    _check_funds(order, view.market, account)


def not_ready() -> VenueRejectedError:
    """The refusal while there is no book."""
    return VenueRejectedError(NOT_READY, code=NOT_READY_CODE)


def fee_of(market: Market, part: Level) -> Decimal:
    """The taker's fee of one fill in pUSD."""
    return taker_fee(part.size, part.price, market.fee_rate, market.fee_exponent)


def _check_funds(order: PaperOrder, market: Market, account: Account) -> None:
    asset, needed = order.token_id, order.size
    if order.side is Side.BUY:
        asset, needed = CASH, order.size * order.price
        if not order.post_only:
            # Cost plus fee grows with the price: the limit is the worst case.
            needed += fee_of(market, Level(order.price, order.size))
    available = account.available(asset)
    if available < needed:
        raise rules.balance_refused(max(available, ZERO), needed)
