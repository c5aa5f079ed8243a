"""Whom an incoming order meets, as a plan that changes nothing yet."""

from math import gcd

from executors.exchange.engine.book import MarketBook, own_price
from executors.exchange.engine.records import LOT, Leg, Order, maker_leg, taker_money
from executors.exchange.engine.types import UNIT
from executors.exchange.engine.units import decimal_of
from ledger.market import taker_fee

Match = tuple[Leg, list[Leg]]
"""The taker's leg and the makers' legs of one trade."""


def plan(order: Order, book: MarketBook) -> list[Match]:
    """Match an order against a book: best price first, oldest first, one trade each.

    The makers' prices hold, so what is better than the order's limit is the
    taker's gain.
    A trade has one price, because the price of a trade over several could not be
    written exactly.
    """
    matches: list[Match] = []
    money, shares = order.money - order.spent, order.shares - order.matched
    for yes_price in book.opposite(order).prices():
        price = own_price(order, yes_price)
        if not crosses(order, price):
            break
        budget = _affordable(order, money, price) if order.in_collateral else shares
        makers: list[Leg] = []
        for maker in book.opposite(order).at(yes_price):
            part = min(maker.remaining, budget)
            if part <= 0:
                break
            makers.append(maker_leg(maker, part))
            budget -= part
        if not makers:
            break
        taker = _taker_leg(order, price, makers)
        matches.append((taker, makers))
        money -= taker.money
        shares -= taker.shares
    return matches


def crosses(order: Order, price: int) -> bool:
    """Whether a price of its token is at least as good as the order's limit."""
    return price <= order.price if order.is_buy else price >= order.price


def fills(order: Order, matches: list[Match]) -> bool:
    """Whether a plan leaves nothing worth a match."""
    shares = sum(taker.shares for taker, _ in matches)
    if not order.in_collateral:
        return shares >= order.shares - order.matched
    left = order.money - order.spent - sum(taker.money for taker, _ in matches)
    return left * UNIT // order.price < LOT


def _affordable(order: Order, money: int, price: int) -> int:
    """The most shares that money buys, in steps that cost whole base units.

    A finer step would leave fractions of a base unit, which no account holds.
    """
    step = UNIT // gcd(order.market.tick, UNIT)
    return money * UNIT // price // step * step


def _taker_leg(order: Order, price: int, makers: list[Leg]) -> Leg:
    shares = sum(leg.shares for leg in makers)
    market = order.market
    fee = taker_fee(
        decimal_of(shares), decimal_of(price), market.fee_rate, market.fee_exponent
    )
    return Leg(order, shares, taker_money(order, makers), price, int(fee * UNIT))
