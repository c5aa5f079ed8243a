"""A small exchange for tests: two tokens, a clock to turn, orders in plain numbers."""

from decimal import Decimal
from itertools import count
from typing import NamedTuple

from executors.exchange.engine import (
    Audience,
    Exchange,
    ExchangeConfig,
    ExchangeMarket,
    Message,
    OrderType,
    Placed,
    Refused,
)
from ledger.values import text_of

UNIT = 1_000_000
YES, NO = "111", "222"
MARKET = ExchangeMarket(condition_id="0xaa", tokens=(YES, NO))
START_MS = 1_800_000_000_000


class Signed(NamedTuple):
    """The part of a signed order that the engine reads."""

    maker: str
    token_id: str
    side: str
    maker_amount: int
    taker_amount: int
    expiration: int = 0


def units(number: str | int) -> int:
    """Decimal text as base units."""
    return int(Decimal(number) * UNIT)


def limit(
    who: str, side: str, token: str, price: str, size: str | int, expiration: int = 0
) -> Signed:
    """A signed limit order."""
    shares = units(size)
    money = int(shares * Decimal(price))
    maker, taker = (money, shares) if side == "BUY" else (shares, money)
    return Signed(f"0x{who.upper()}", token, side, maker, taker, expiration)


class Venue:
    """An exchange with a clock of its own and a memory of what it said."""

    def __init__(
        self, config: ExchangeConfig | None = None, market: ExchangeMarket = MARKET
    ) -> None:
        self.now_ms = START_MS
        self.exchange = Exchange(config or ExchangeConfig(), lambda: self.now_ms)
        self.exchange.add_market(market)
        self.heard: list[tuple[Audience, Message]] = []
        self.exchange.subscribe(lambda *heard: self.heard.append(heard))
        self._ids = count(1)

    def fund(self, who: str, cash: int = 1_000, yes: int = 0, no: int = 0) -> None:
        """Give a wallet whole pUSD and shares."""
        shares = {YES: yes * UNIT, NO: no * UNIT}
        self.exchange.fund(f"0x{who}", cash * UNIT, shares)

    def place(
        self,
        who: str,
        side: str,
        token: str,
        price: str,
        size: str | int,
        order_type: OrderType = "GTC",
        *,
        post_only: bool = False,
        expiration: int = 0,
    ) -> Placed | Refused:
        """Place a limit order of a wallet whose API key is its name."""
        signed = limit(who, side, token, price, size, expiration)
        return self.send(who, signed, order_type, post_only=post_only)

    def send(
        self,
        who: str,
        signed: Signed,
        order_type: OrderType = "GTC",
        *,
        post_only: bool = False,
    ) -> Placed | Refused:
        """Place a signed order under the next id."""
        return self.exchange.place(
            signed,
            order_type,
            owner=who,
            order_id=f"0x{next(self._ids):02d}",
            post_only=post_only,
        )

    def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        self.now_ms += milliseconds
        self.exchange.advance()

    def cash(self, who: str) -> Decimal:
        """Settled pUSD."""
        return Decimal(self.exchange.balance(f"0x{who}").balance) / UNIT

    def shares(self, who: str, token: str) -> Decimal:
        """Settled shares."""
        return Decimal(self.exchange.balance(f"0x{who}", token).balance) / UNIT

    def holds(self, who: str, token: str) -> tuple[str, str]:
        """Settled pUSD and shares as text."""
        return text_of(self.cash(who)), text_of(self.shares(who, token))

    def user(self, who: str, event: str = "") -> list[Message]:
        """What an API key was told on the user channel."""
        return [
            message
            for audience, message in self.heard
            if audience.channel == "user"
            and audience.owner == who
            and event in {"", message["event_type"]}
        ]

    def market(self, token: str, event: str) -> list[Message]:
        """What watchers of a token were told."""
        return [
            message
            for audience, message in self.heard
            if audience.channel == "market"
            and audience.token_id == token
            and message["event_type"] == event
        ]
