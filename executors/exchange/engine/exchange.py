"""The exchange as one object: orders in, fills and messages out."""

from collections.abc import Iterable, Mapping, Sequence

from executors.exchange.engine import messages
from executors.exchange.engine.admission import RefusedError
from executors.exchange.engine.canceling import cancel
from executors.exchange.engine.clearing import Clearing
from executors.exchange.engine.deadman import DeadMan
from executors.exchange.engine.desk import Desk
from executors.exchange.engine.gate import Gate
from executors.exchange.engine.others import Others
from executors.exchange.engine.records import CANCELED, Order, Trade
from executors.exchange.engine.settlement import scripted
from executors.exchange.engine.types import (
    EVERY_TRADE,
    UNIT,
    Balance,
    Canceled,
    Clock,
    ExchangeConfig,
    ExchangeMarket,
    Heartbeat,
    Message,
    Mode,
    OrderType,
    Placed,
    Refused,
    SignedOrder,
    Subscriber,
    TradeFilter,
)
from ledger.values import Settlement


class Exchange:
    """A simulated venue: deterministic for one seed, one clock, one order of calls.

    It does nothing by itself: every call first runs what is due up to now, and
    `next_due_ms` tells when to call `advance` next.
    Owners are API keys, addresses are compared without regard to case, order ids
    are whatever the caller computed.
    """

    def __init__(self, config: ExchangeConfig, now_ms: Clock) -> None:
        self._clock = now_ms
        self._clearing = Clearing(config, now_ms())
        self._desk = Desk(self._clearing)
        self._gate = Gate(config.post_only_after_restart_ms)
        self._dead_man = DeadMan(self._clearing)
        self.others = Others(self._clearing, self._desk)
        """Where order flow trades: without checks and with endless funds."""

    @property
    def config(self) -> ExchangeConfig:
        """How it behaves now."""
        return self._clearing.config

    def configure(self, config: ExchangeConfig) -> None:
        """Change delays and rates for what happens from now on.

        The seed of ids stays the one that the exchange began with.
        """
        self._clearing.config = config
        self._gate.post_only_ms = config.post_only_after_restart_ms

    # --- markets and money

    def add_market(self, market: ExchangeMarket) -> None:
        """Open a market, or replace its description; orders stay."""
        self.advance()
        self._clearing.add_market(market)

    def markets(self) -> list[ExchangeMarket]:
        """Every market, in the order they were added."""
        return list(self._clearing.markets.values())

    def market_of(self, token_id: str) -> ExchangeMarket | None:
        """The market of a token."""
        return self._clearing.by_token.get(token_id)

    def fund(
        self, address: str, cash: int = 0, shares: Mapping[str, int] | None = None
    ) -> None:
        """Add base units of pUSD and of outcome tokens to a wallet.

        Amounts below zero take away; what the wallet's open orders then lack ends
        them as INVALID, and trades that it cannot pay fail.

        Raises:
            ValueError: the wallet does not hold that much.
        """
        self.advance()
        clearing = self._clearing
        clearing.bank.fund(address, {"": cash, **(shares or {})})
        for token, amount in (shares or {}).items():
            clearing.index.moved(address, token, amount, clearing.now_ms)
        wallet = clearing.bank.wallet(address)
        for order in reversed(clearing.open_orders()):
            if order.wallet == address.lower() and wallet.available(order.asset) < 0:
                clearing.end(order, "INVALID")

    def set_allowance(
        self, address: str, amount: int, *, neg_risk: bool = False, token: str = ""
    ) -> None:
        """Limit what an exchange contract may take of pUSD, or of one token.

        Wallets start with an unlimited allowance on both contracts.
        """
        self._clearing.bank.wallet(address).allowances[token, neg_risk] = amount

    def balance(self, address: str, token: str | None = None) -> Balance:
        """Settled pUSD, or settled shares of a token; reservations not taken off."""
        self.advance()
        return self._clearing.bank.balance(address, token or "")

    # --- orders

    def place(
        self,
        order: SignedOrder,
        order_type: OrderType,
        *,
        owner: str,
        order_id: str,
        post_only: bool = False,
    ) -> Placed | Refused:
        """Take an order whose id and signature the caller has checked."""
        self.advance()
        try:
            self._gate.check(self._now, placing=True, post_only=post_only)
            record = self._desk.read(
                order, order_type, owner=owner, order_id=order_id, post_only=post_only
            )
            return self._desk.submit(record)
        except RefusedError as error:
            return error.refused

    def outcome(self, order_id: str) -> Placed | Refused | None:
        """How a placement ended: after a delay another answer than `place` gave."""
        self.advance()
        return self._desk.outcome(order_id)

    def cancel(self, owner: str, ids: Iterable[str]) -> Canceled | Refused:
        """Cancel orders by id; a refusal only while nothing is accepted."""
        self.advance()
        refused = self._gate.refusal(self._now, placing=False)
        return refused or cancel(self._clearing, owner, ids)

    def cancel_all(self, owner: str) -> Canceled | Refused:
        """Cancel every open order of an API key."""
        return self.cancel_market(owner)

    def cancel_market(
        self, owner: str, market: str = "", asset_id: str = ""
    ) -> Canceled | Refused:
        """Cancel the open orders of one market, or token, or both."""
        self.advance()
        orders = self._clearing.open_orders(owner)
        return self.cancel(
            owner, [order.order_id for order in _of(orders, market, asset_id)]
        )

    # --- reading

    def orders(
        self, owner: str, *, order_id: str = "", market: str = "", asset_id: str = ""
    ) -> list[Message]:
        """Open orders as rows of `/data/orders`, oldest first.

        With `order_id` also an order that has ended.
        """
        self.advance()
        found = self._clearing.open_orders(owner)
        if order_id:
            one = self._clearing.orders.get(order_id)
            found = [] if one is None or one.owner != owner else [one]
        return [messages.order_row(order) for order in _of(found, market, asset_id)]

    def order(self, order_id: str) -> Message | None:
        """One order as a row, open or ended, whoever owns it (`owner` tells)."""
        self.advance()
        order = self._clearing.orders.get(order_id)
        return None if order is None else messages.order_row(order)

    def trades(self, owner: str, wanted: TradeFilter = EVERY_TRADE) -> list[Message]:
        """An owner's trades as rows of `/data/trades`, newest first.

        A trade between two orders of one owner has two rows, one for each role.
        """
        self.advance()
        return [
            messages.trade_row(trade, role)
            for trade in reversed(self._clearing.trades_of(owner))
            if _wanted(trade, wanted)
            for role in _roles(trade, owner)
        ]

    def book(self, token_id: str) -> Message | None:
        """The book of a token in the shape of `/book`: best prices come last."""
        self.advance()
        market = self.market_of(token_id)
        if market is None:
            return None
        book = self._clearing.books[market.condition_id]
        version = self._clearing.publisher.version(market.condition_id)
        return messages.book_row(book, token_id, self._now, version)

    def positions(self, user: str) -> list[Message]:
        """Rows of the Data API's `/v2/positions`, as old as `data_lag_ms` says.

        Numbers are `Decimal`: write them into JSON as numbers.
        """
        self.advance()
        clearing = self._clearing
        return clearing.index.positions(
            user, self._data_ms, clearing.by_token, self._price, self._clearing.winners
        )

    def activity(self, user: str) -> list[Message]:
        """Rows of the Data API's `/v2/activity`, newest first, lagging as well."""
        self.advance()
        clearing = self._clearing
        return clearing.index.activity(user, self._data_ms, clearing.by_token)

    def state(self) -> Message:
        """All there is, for an operator: orders, trades, balances in base units."""
        self.advance()
        clearing = self._clearing
        return {
            "now_ms": self._now,
            "mode": self.mode.name,
            "orders": [messages.order_row(order) for order in clearing.orders.values()],
            "trades": [
                messages.trade_row(trade, "TAKER") | {"fee": trade.taker.fee}
                for trade in clearing.trades.values()
            ],
            "balances": {
                address: wallet.holdings()
                for address, wallet in clearing.bank.wallets()
            },
            "fees": clearing.bank.fees,
            "collateral": dict(clearing.bank.collateral),
        }

    # --- operator

    def heartbeat(self, owner: str, heartbeat_id: str) -> Heartbeat:
        """Arm or keep the dead-man switch of an API key."""
        self.advance()
        return self._dead_man.beat(owner, heartbeat_id)

    def resolve(self, condition_id: str, winner: str) -> None:
        """End a market: `winner` is a token id; its open orders are canceled."""
        self.advance()
        self._clearing.resolve(condition_id, winner)

    def wipe_orders(self) -> int:
        """Drop every open order as a cut-over does; tells how many."""
        self.advance()
        orders = self._clearing.open_orders()
        for order in orders:
            self._clearing.end(order, CANCELED)
        return len(orders)

    def script_settlement(self, states: Sequence[Settlement]) -> None:
        """Give the next trade that has none yet this path instead of a drawn one.

        Raises:
            ValueError: the path does not end in its only final state.
        """
        self._clearing.scripts.append(scripted(states, self.config))

    @property
    def mode(self) -> Mode:
        """What is accepted now."""
        return self._gate.mode(self._clock())

    def set_mode(self, mode: Mode) -> None:
        """Change what is accepted; `restarting` is followed by a post-only time."""
        self.advance()
        self._gate.set(mode)

    def gate(self) -> Refused | None:
        """The refusal that every trading request gets now, cancels included."""
        return self._gate.refusal(self._clock(), placing=False)

    # --- time and streams

    def advance(self) -> int:
        """Run everything that is due up to now; tells how much happened."""
        return self._clearing.agenda.advance(self._clock())

    def next_due_ms(self) -> int | None:
        """When something happens by itself next; `None` if nothing will."""
        return self._clearing.agenda.next_due_ms()

    def subscribe(self, callback: Subscriber) -> None:
        """Give every message of both channels to a callback from now on."""
        self._clearing.publisher.subscribe(callback)

    @property
    def _now(self) -> int:
        return self._clearing.now_ms

    @property
    def _data_ms(self) -> int:
        return self._now - self.config.data_lag_ms

    def _price(self, token_id: str) -> int:
        """What a token is worth: its pay-out, its mid price, its last price, a half."""
        market = self._clearing.by_token[token_id]
        winner = self._clearing.winners.get(market.condition_id)
        if winner is not None:
            return UNIT if winner == token_id else 0
        book = self._clearing.books[market.condition_id]
        bids, asks = book.levels(token_id)
        if bids and asks:
            return (bids[0][0] + asks[0][0]) // 2
        return book.last_price.get(token_id, UNIT // 2)


def _of(orders: Iterable[Order], market: str, asset_id: str) -> list[Order]:
    """Orders of a market and of a token; an empty name means any."""
    return [
        order
        for order in orders
        if market in {"", order.market.condition_id}
        and asset_id in {"", order.token_id}
    ]


def _roles(trade: Trade, owner: str) -> list[str]:
    """How an owner took part in a trade."""
    taker = ["TAKER"] if trade.taker.order.owner == owner else []
    makers = any(leg.order.owner == owner for leg in trade.makers)
    return taker + ["MAKER"] * makers


def _wanted(trade: Trade, wanted: TradeFilter) -> bool:
    """Whether a filter lets a trade through."""
    taker = trade.taker.order
    at = trade.match_ms // 1000
    addresses = {leg.order.wallet for leg in trade.legs}
    return (
        wanted.trade_id in {"", trade.trade_id}
        and wanted.market in {"", trade.market.condition_id}
        and wanted.asset_id in {"", taker.token_id}
        and (not wanted.maker_address or wanted.maker_address.lower() in addresses)
        and (wanted.after is None or at >= wanted.after)
        and (wanted.before is None or at <= wanted.before)
    )
