"""What the Data API knows: settled chain activity, as old as its lag.

Numbers in rows are `Decimal` and belong in JSON as numbers, not as text.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from executors.exchange.engine.records import Leg, Trade
from executors.exchange.engine.types import UNIT, ExchangeMarket, Message
from executors.exchange.engine.units import decimal_of
from ledger.values import ZERO, rounded


class Entry(NamedTuple):
    """One settled movement of outcome shares; `shares` is signed."""

    at_ms: int
    token_id: str
    kind: str
    shares: int
    money: int
    fee: int
    price: int
    tx_hash: str


class _Holding:
    """A position, folded from its entries by average cost."""

    __slots__ = ("bought", "cost", "fees", "last_ms", "realized", "shares")

    def __init__(self) -> None:
        self.shares = self.bought = self.last_ms = 0
        self.cost = self.realized = self.fees = ZERO

    def take(self, entry: Entry) -> None:
        self.last_ms = entry.at_ms
        money = decimal_of(entry.money)
        self.fees += decimal_of(entry.fee)
        if entry.shares >= 0:
            self.cost += money
            self.bought += entry.shares
        else:
            basis = self.cost * -entry.shares / self.shares if self.shares else ZERO
            self.cost -= basis
            self.realized += money - basis
        self.shares += entry.shares

    @property
    def average(self) -> Decimal:
        """Pay per share of what is held."""
        return rounded(self.cost / decimal_of(self.shares)) if self.shares else ZERO


PriceOf = Callable[[str], int]
"""The present price of a token, in base units."""


class DataIndex:
    """Settled entries of every wallet, read with a delay."""

    def __init__(self) -> None:
        self._entries: dict[str, list[Entry]] = {}

    def settled(self, trade: Trade, now_ms: int) -> None:
        """Take in a trade that the chain has confirmed."""
        for leg in trade.legs:
            self._add(leg.order.wallet, _entry_of(leg, trade, now_ms))

    def moved(self, wallet: str, token_id: str, shares: int, now_ms: int) -> None:
        """Take in shares that came or went without a trade, worth half a pUSD."""
        if not shares:
            return
        money = abs(shares) // 2
        entry = Entry(now_ms, token_id, "SPLIT", shares, money, 0, UNIT // 2, "")
        self._add(wallet, entry)

    def activity(
        self, user: str, until_ms: int, markets: dict[str, ExchangeMarket]
    ) -> list[Message]:
        """Rows of `/v2/activity` up to a moment, newest first."""
        return [
            _activity_row(user, entry, markets[entry.token_id])
            for entry in reversed(self._known(user, until_ms))
        ]

    def positions(
        self,
        user: str,
        until_ms: int,
        markets: dict[str, ExchangeMarket],
        price_of: PriceOf,
        winners: dict[str, str],
    ) -> list[Message]:
        """Rows of `/v2/positions` as of a moment; what is flat has no row."""
        holdings: dict[str, _Holding] = {}
        for entry in self._known(user, until_ms):
            holdings.setdefault(entry.token_id, _Holding()).take(entry)
        return [
            _position_row(user, token, holding, markets[token])
            | _worth(holding, price_of(token))
            | {"redeemable": winners.get(markets[token].condition_id) == token}
            for token, holding in holdings.items()
            if holding.shares
        ]

    def _add(self, wallet: str, entry: Entry) -> None:
        self._entries.setdefault(wallet.lower(), []).append(entry)

    def _known(self, user: str, until_ms: int) -> list[Entry]:
        entries = self._entries.get(user.lower(), [])
        return [entry for entry in entries if entry.at_ms <= until_ms]


def _entry_of(leg: Leg, trade: Trade, now_ms: int) -> Entry:
    shares = leg.shares if leg.order.is_buy else -leg.shares
    return Entry(
        at_ms=now_ms,
        token_id=leg.order.token_id,
        kind="TRADE",
        shares=shares,
        money=leg.money,
        fee=leg.fee,
        price=leg.price,
        tx_hash=trade.tx_hash,
    )


def _activity_row(user: str, entry: Entry, market: ExchangeMarket) -> Message:
    return {
        "proxy_wallet": user.lower(),
        "timestamp": entry.at_ms // 1000,
        "condition_id": market.condition_id,
        "type": entry.kind,
        "size": decimal_of(abs(entry.shares)),
        "usdc_size": decimal_of(entry.money),
        "transaction_hash": entry.tx_hash,
        "price": decimal_of(entry.price),
        "token_id": entry.token_id,
        "side": "BUY" if entry.shares >= 0 else "SELL",
        "outcome_index": market.tokens.index(entry.token_id),
        "title": market.slug,
        "slug": market.slug,
        "icon": "",
        "event_slug": market.slug,
        "outcome": market.outcome(entry.token_id),
        "name": "",
        "pseudonym": "",
        "bio": "",
        "profile_image": "",
        "profile_image_optimized": "",
    }


def _position_row(
    user: str, token: str, holding: _Holding, market: ExchangeMarket
) -> Message:
    other = market.complement(token)
    return {
        "proxy_wallet": user.lower(),
        "token_id": token,
        "condition_id": market.condition_id,
        "current_size": decimal_of(holding.shares),
        "avg_price": holding.average,
        "entry_cost_usdc": rounded(holding.cost),
        "entry_fees_usdc": holding.fees,
        "total_cost_usdc": rounded(holding.cost + holding.fees),
        "total_size": decimal_of(holding.bought),
        "realized_pnl": rounded(holding.realized),
        "status": "OPEN",
        "mergeable": False,
        "negative_risk": market.neg_risk,
        "archived": False,
        "title": market.slug,
        "slug": market.slug,
        "icon": "",
        "event_id": "",
        "event_slug": market.slug,
        "outcome": market.outcome(token),
        "outcome_index": market.tokens.index(token),
        "opposite_outcome": market.outcome(other),
        "opposite_token_id": other,
        "end_date": "",
        "last_event_at": holding.last_ms // 1000,
        "name": "",
        "profile_image": "",
        "verified": False,
    }


def _worth(holding: _Holding, price: int) -> Message:
    """What a position is worth at a price, and what that makes of its cost."""
    value = rounded(decimal_of(holding.shares) * decimal_of(price))
    gain = value - rounded(holding.cost)
    percent = rounded(gain / holding.cost * 100) if holding.cost else ZERO
    realized = rounded(holding.realized)
    return {
        "current_price": decimal_of(price),
        "current_value": value,
        "unrealized_pnl": gain,
        "total_pnl": gain + realized,
        "percent_pnl": percent,
        "percent_realized_pnl": ZERO,
    }
