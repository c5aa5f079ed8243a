"""The exchange as one object: orders in, fills and messages out."""

from collections.abc import Iterable, Mapping

from executors.exchange.engine.types import (
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
)


class Exchange:
    """A simulated venue: deterministic for one seed, one clock, one order of calls.

    It does nothing by itself: every call first runs what is due up to now, and
    `next_due_ms` tells when to call `advance` next.
    Owners are API keys, addresses are compared without regard to case, order ids
    are whatever the caller computed.
    """

    def __init__(self, config: ExchangeConfig, now_ms: Clock) -> None:
        raise NotImplementedError

    @property
    def config(self) -> ExchangeConfig:
        """How it behaves now."""
        raise NotImplementedError

    def configure(self, config: ExchangeConfig) -> None:
        """Change delays and rates for what happens from now on; keeps the seed."""
        raise NotImplementedError

    # --- markets and money

    def add_market(self, market: ExchangeMarket) -> None:
        """Open a market, or replace its description; orders stay."""
        raise NotImplementedError

    def markets(self) -> list[ExchangeMarket]:
        """Every market, in the order they were added."""
        raise NotImplementedError

    def market_of(self, token_id: str) -> ExchangeMarket | None:
        """The market of a token."""
        raise NotImplementedError

    def fund(
        self, address: str, cash: int = 0, shares: Mapping[str, int] | None = None
    ) -> None:
        """Add base units of pUSD and of outcome tokens to a wallet."""
        raise NotImplementedError

    def set_allowance(
        self, address: str, amount: int, *, neg_risk: bool = False, token: str = ""
    ) -> None:
        """Limit what an exchange contract may take of pUSD, or of one token.

        Wallets start with an unlimited allowance on both contracts.
        """
        raise NotImplementedError

    def balance(self, address: str, token: str | None = None) -> Balance:
        """Settled pUSD, or settled shares of a token; reservations not taken off."""
        raise NotImplementedError

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
        raise NotImplementedError

    def outcome(self, order_id: str) -> Placed | Refused | None:
        """How a placement ended: after a delay another answer than `place` gave."""
        raise NotImplementedError

    def cancel(self, owner: str, ids: Iterable[str]) -> Canceled | Refused:
        """Cancel orders by id; a refusal only while trading is disabled."""
        raise NotImplementedError

    def cancel_all(self, owner: str) -> Canceled | Refused:
        """Cancel every open order of an API key."""
        raise NotImplementedError

    def cancel_market(
        self, owner: str, market: str = "", asset_id: str = ""
    ) -> Canceled | Refused:
        """Cancel the open orders of one market, or token, or both."""
        raise NotImplementedError

    # --- reading

    def orders(
        self, owner: str, *, order_id: str = "", market: str = "", asset_id: str = ""
    ) -> list[Message]:
        """Open orders as rows of `/data/orders`, oldest first.

        With `order_id` also an order that has ended.
        """
        raise NotImplementedError

    def order(self, order_id: str) -> Message | None:
        """One order as a row, open or ended, whoever owns it (`owner` tells)."""
        raise NotImplementedError

    def trades(
        self,
        owner: str,
        *,
        trade_id: str = "",
        market: str = "",
        asset_id: str = "",
        maker_address: str = "",
        after: int | None = None,
        before: int | None = None,
    ) -> list[Message]:
        """An owner's trades as rows of `/data/trades`, newest first.

        `after` and `before` are Unix seconds of the match, both included; market
        and asset filter the taker's side, as at the venue.
        """
        raise NotImplementedError

    def book(self, token_id: str) -> Message | None:
        """The book of a token in the shape of `/book`, worst prices first."""
        raise NotImplementedError

    def positions(self, user: str) -> list[Message]:
        """Rows of the Data API's `/v2/positions`, as old as `data_lag_ms` says."""
        raise NotImplementedError

    def activity(self, user: str) -> list[Message]:
        """Rows of the Data API's `/v2/activity`, newest first, lagging as well."""
        raise NotImplementedError

    # --- operator

    def heartbeat(self, owner: str, heartbeat_id: str) -> Heartbeat:
        """Arm or keep the dead-man switch of an API key."""
        raise NotImplementedError

    def resolve(self, condition_id: str, winner: str) -> None:
        """End a market: `winner` is a token id; its open orders are canceled."""
        raise NotImplementedError

    def wipe_orders(self) -> int:
        """Drop every open order as a cut-over does; tells how many."""
        raise NotImplementedError

    @property
    def mode(self) -> Mode:
        """What is accepted now."""
        raise NotImplementedError

    def set_mode(self, mode: Mode) -> None:
        """Change what is accepted; `restarting` is followed by a post-only time."""
        raise NotImplementedError

    def gate(self) -> Refused | None:
        """The refusal that every trading request gets now, cancels included."""
        raise NotImplementedError

    # --- time and streams

    def advance(self) -> int:
        """Run everything that is due up to now; tells how much happened."""
        raise NotImplementedError

    def next_due_ms(self) -> int | None:
        """When something happens by itself next; `None` if nothing will."""
        raise NotImplementedError

    def subscribe(self, callback: Subscriber) -> None:
        """Give every message of both channels to a callback from now on."""
        raise NotImplementedError
