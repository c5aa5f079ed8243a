"""Whatever users do, the exchange keeps money, priority and its word.

A machine of hypothesis places and cancels orders of a few wallets, lets time pass
and lets trades fail, and after every step compares what the exchange holds with
what must be true of any exchange.
"""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from executors.exchange.engine import (
    Clock,
    Exchange,
    ExchangeConfig,
    ExchangeMarket,
    Message,
    OrderType,
    Placed,
    Refused,
)
from ledger.market import taker_fee
from tests.unit.exchange.desk import MARKET, NO, START_MS, UNIT, YES, Signed, limit

WHO = ("a", "b", "c")
CASH = 200 * UNIT
SHARES = 100 * UNIT
ORDER_TYPES: tuple[OrderType, ...] = ("GTC", "GTC", "GTC", "GTD", "FOK", "FAK")
CONFIG = ExchangeConfig(
    seed=3,
    failure_rate=Decimal("0.2"),
    retry_rate=Decimal("0.3"),
    settlement_jitter_ms=1_500,
)
MARKETS = (
    MARKET,
    msgspec.structs.replace(MARKET, fee_rate=Decimal("0.07")),
    msgspec.structs.replace(MARKET, tick_size=Decimal("0.001"), fee_exponent=2),
    msgspec.structs.replace(
        MARKET, taker_delay_ms=700, fee_rate=Decimal("0.05"), min_size=Decimal(1)
    ),
)


Wish = tuple[str, str, str, int, int, OrderType, bool]
"""Who, token, side, price and shares in hundredths, type, and post-only."""

WISHES: st.SearchStrategy[Wish] = st.tuples(
    st.sampled_from(WHO),
    st.sampled_from((YES, NO)),
    st.sampled_from(("BUY", "SELL")),
    st.sampled_from((50, 49, 51, 48, 52)),
    st.integers(500, 4_000),
    st.sampled_from(ORDER_TYPES),
    st.sampled_from((False, False, False, True)),
)

Call = Callable[[Exchange], object]
Answer = TypeVar("Answer")


def units(text: str) -> int:
    """Decimal text in base units."""
    return int(Decimal(text) * UNIT)


class ExchangeMachine(RuleBasedStateMachine):
    """Users at an exchange, and an auditor."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = START_MS
        self.calls: list[tuple[int, Call]] = []
        self.placed: dict[str, tuple[Signed, OrderType]] = {}
        self.messages: list[Message] = []
        self.market = MARKET
        self.exchange = self.open(MARKET)

    def open(self, market: ExchangeMarket, clock: Clock | None = None) -> Exchange:
        """A fresh exchange with its wallets."""
        exchange = Exchange(CONFIG, clock or (lambda: self.now_ms))
        exchange.add_market(market)
        for who in WHO:
            exchange.fund(f"0x{who}", CASH, {YES: SHARES, NO: SHARES})
        exchange.subscribe(lambda _, message: self.messages.append(message))
        return exchange

    def call(self, call: Callable[[Exchange], Answer]) -> Answer:
        """Do something to the exchange, and remember it."""
        self.calls.append((self.now_ms, call))
        return call(self.exchange)

    @initialize(
        market=st.sampled_from(MARKETS),
        wishes=st.lists(WISHES, min_size=10, max_size=20),
    )
    def choose_market(self, market: ExchangeMarket, wishes: list[Wish]) -> None:
        """Begin with some grid, fee and delay, and a crowd of orders."""
        self.market = market
        self.exchange = self.open(market)
        self.place(wishes)

    @rule(wishes=st.lists(WISHES, min_size=4, max_size=16))
    def place(self, wishes: list[Wish]) -> None:
        """Place some orders; every answer tells the truth about its matches."""
        for wish in wishes:
            self.place_one(*wish)

    def place_one(
        self,
        who: str,
        token: str,
        side: str,
        price: int,
        size: int,
        order_type: OrderType,
        post_only: bool,
    ) -> None:
        """Place an order and check the answer."""
        shares = Decimal(size) / 100
        if order_type in {"FOK", "FAK"} and side == "BUY":
            shares = Decimal(size // 100)  # its pUSD must have 2 decimals
        expiration = self.now_ms // 1000 + 180 if order_type == "GTD" else 0
        signed = limit(who, side, token, f"0.{price}", str(shares), expiration)
        order_id = f"0x{len(self.placed):03d}"
        crosses = self.best_against(token, side)
        answer = self.call(
            lambda exchange: exchange.place(
                signed,
                order_type,
                owner=who,
                order_id=order_id,
                post_only=post_only and order_type in {"GTC", "GTD"},
            )
        )
        self.placed[order_id] = signed, order_type
        if isinstance(answer, Refused):
            if answer.killed and order_type == "FAK" and crosses is not None:
                limit_price = Decimal(price) / 100
                met = (
                    crosses <= limit_price if side == "BUY" else crosses >= limit_price
                )
                assert not met, "a FAK order was killed although it could match"
            return
        self.check_answer(answer, side, post_only=post_only, order_type=order_type)

    def best_against(self, token: str, side: str) -> Decimal | None:
        """The best price that an order could meet."""
        book = self.exchange.book(token)
        assert book is not None
        levels = book["asks" if side == "BUY" else "bids"]
        return Decimal(levels[-1]["price"]) if levels else None

    def check_answer(
        self, answer: Placed, side: str, *, post_only: bool, order_type: str
    ) -> None:
        """The sums of an answer are those of its trades."""
        state = {trade["id"]: trade for trade in self.exchange.state()["trades"]}
        trades = [state[trade_id] for trade_id in answer.trade_ids]
        if answer.status != "matched":
            assert not trades
            return
        assert not (post_only and order_type in {"GTC", "GTD"})
        shares = sum(units(trade["size"]) for trade in trades)
        money = sum(
            Decimal(trade["size"]) * Decimal(trade["price"]) for trade in trades
        )
        making, taking = units(answer.making_amount), units(answer.taking_amount)
        paid, got = (making, taking) if side == "BUY" else (taking, making)
        assert got == shares
        assert paid == money * UNIT

    @rule(who=st.sampled_from(WHO), number=st.integers(0, 40))
    def cancel(self, who: str, number: int) -> None:
        """Cancel one order, anybody's."""
        self.call(lambda exchange: exchange.cancel(who, [f"0x{number:03d}"]))

    @rule(who=st.sampled_from(WHO))
    def cancel_all(self, who: str) -> None:
        """Cancel everything: nothing stays but what waits for its match."""
        self.call(lambda exchange: exchange.cancel_all(who))
        rows = self.exchange.orders(who)
        assert {row["status"] for row in rows} <= {"DELAYED"}

    @rule(milliseconds=st.integers(1, 6_000), wishes=st.lists(WISHES, max_size=6))
    def wait(self, milliseconds: int, wishes: list[Wish]) -> None:
        """Let trades settle, one way or the other, while orders come in."""
        self.now_ms += milliseconds
        self.call(lambda exchange: exchange.advance())
        self.place(wishes)

    @rule()
    def wait_for_all(self) -> None:
        """Let everything end: then every trade has one last state."""
        self.now_ms += 600_000
        self.call(lambda exchange: exchange.advance())
        final = {trade["status"] for trade in self.exchange.state()["trades"]}
        assert final <= {"CONFIRMED", "FAILED"}

    @invariant()
    def money_and_shares_are_conserved(self) -> None:
        """Nothing appears and nothing vanishes."""
        state = self.exchange.state()
        totals: Counter[str] = Counter()
        for holdings in state["balances"].values():
            totals.update(holdings)
            assert min(holdings.values(), default=0) >= 0
        minted = state["collateral"].get("0xaa", 0)
        assert totals[""] + state["fees"] + minted == len(WHO) * CASH
        assert totals[YES] == len(WHO) * SHARES + minted
        assert totals[NO] == len(WHO) * SHARES + minted

    @invariant()
    def tokens_move_once_and_only_by_confirmed_trades(self) -> None:
        """Balances are the funds and the confirmed trades, no more and no less."""
        state = self.exchange.state()
        expected: Counter[tuple[str, str]] = Counter()
        for who in WHO:
            expected.update({(f"0x{who}", ""): CASH})
            expected.update({(f"0x{who}", token): SHARES for token in (YES, NO)})
        for trade in state["trades"]:
            if trade["status"] != "CONFIRMED":
                continue
            self.book(expected, trade, trade["size"])
            expected[trade["maker_address"].lower(), ""] -= trade["fee"]
            for maker in trade["maker_orders"]:
                self.book(expected, maker, maker["matched_amount"])
        found = {
            (address, asset): amount
            for address, holdings in state["balances"].items()
            for asset, amount in holdings.items()
        }
        assert found == {key: amount for key, amount in expected.items() if amount}

    @staticmethod
    def book(expected: Counter[tuple[str, str]], part: Message, size: str) -> None:
        """Add one side of a trade to what wallets must hold."""
        address, sign = part["maker_address"].lower(), 1
        if part["side"] == "SELL":
            sign = -1
        money = Decimal(size) * Decimal(part["price"]) * UNIT
        assert money == int(money), "a fraction of a base unit changed hands"
        expected[address, part["asset_id"]] += sign * units(size)
        expected[address, ""] -= sign * int(money)

    @invariant()
    def trades_are_consistent(self) -> None:
        """Prices of both tokens add up, limits hold, fees are the formula's."""
        for trade in self.exchange.state()["trades"]:
            price, size = Decimal(trade["price"]), Decimal(trade["size"])
            fee = taker_fee(size, price, self.market.fee_rate, self.market.fee_exponent)
            assert trade["fee"] == fee * UNIT
            self.within_limit(trade["taker_order_id"], price)
            makers = trade["maker_orders"]
            assert sum(Decimal(maker["matched_amount"]) for maker in makers) == size
            for maker in makers:
                own = Decimal(maker["price"])
                self.within_limit(maker["order_id"], own)
                same_token = maker["asset_id"] == trade["asset_id"]
                assert own == (price if same_token else 1 - price)
                assert (maker["side"] == trade["side"]) != same_token

    def within_limit(self, order_id: str, price: Decimal) -> None:
        """Nobody trades at a price worse than signed."""
        signed, _ = self.placed[order_id]
        if signed.side == "BUY":
            assert price * signed.taker_amount <= signed.maker_amount
        else:
            assert price * signed.maker_amount >= signed.taker_amount

    @invariant()
    def no_order_fills_beyond_what_it_signed(self) -> None:
        """More shares than signed only for money that a better price saved."""
        filled: Counter[str] = Counter()
        spent: Counter[str] = Counter()
        for trade in self.exchange.state()["trades"]:
            parts = [(trade["taker_order_id"], trade["size"], trade["price"])]
            parts += [
                (maker["order_id"], maker["matched_amount"], maker["price"])
                for maker in trade["maker_orders"]
            ]
            for order_id, size, price in parts:
                filled[order_id] += units(size)
                spent[order_id] += int(Decimal(size) * Decimal(price) * UNIT)
        for order_id, (signed, order_type) in self.placed.items():
            is_buy = signed.side == "BUY"
            shares = signed.taker_amount if is_buy else signed.maker_amount
            if is_buy:
                assert spent[order_id] <= signed.maker_amount
            if not is_buy or order_type in {"GTC", "GTD"}:
                assert filled[order_id] <= shares
            row = self.exchange.order(order_id)
            if row is not None:
                assert units(row["size_matched"]) == filled[order_id]

    @invariant()
    def the_book_is_not_crossed(self) -> None:
        """What could match has matched: the sign of price-time priority."""
        for token in (YES, NO):
            book = self.exchange.book(token)
            assert book is not None
            if book["bids"] and book["asks"]:
                bid, ask = book["bids"][-1]["price"], book["asks"][-1]["price"]
                assert Decimal(bid) < Decimal(ask)

    @invariant()
    def makers_fill_in_the_order_of_price_and_time(self) -> None:
        """No younger order of the same price has a match while an older rests."""
        resting = [
            row
            for who in WHO
            for row in self.exchange.orders(who)
            if row["status"] == "LIVE"
        ]
        made = {
            maker["order_id"]
            for message in self.messages
            if message["event_type"] == "trade" and message["status"] == "MATCHED"
            for maker in message["maker_orders"]
        }
        if self.market.taker_delay_ms:
            return  # who waits for a match joins the queue later than its id says
        for old in resting:
            if old["id"] not in made:
                passed_over = [
                    order_id
                    for order_id in made
                    if order_id > old["id"] and self.same_level(order_id, old)
                ]
                assert not passed_over

    def same_level(self, order_id: str, other: Message) -> bool:
        """Whether two orders stand at the same price of the same book."""
        row = self.exchange.order(order_id)
        keys = ("asset_id", "side", "price")
        return row is not None and all(row[key] == other[key] for key in keys)

    def teardown(self) -> None:
        """The same calls at the same moments tell the same story."""
        told, now = self.messages, [START_MS]
        self.messages = []
        exchange = self.open(self.market, lambda: now[0])
        for at_ms, call in self.calls:
            now[0] = at_ms
            call(exchange)
        assert self.messages == told


TestExchange = ExchangeMachine.TestCase
TestExchange.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
