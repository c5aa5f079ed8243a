"""How an order enters: checks, match, rest or kill, at once or after a delay."""

from typing import Literal

from executors.exchange.engine.admission import (
    check_book,
    check_expiration,
    check_funds,
    killed,
    refuse,
    terms_of,
)
from executors.exchange.engine.bank import CASH, Wallet
from executors.exchange.engine.clearing import Clearing
from executors.exchange.engine.matching import Match, fills, plan
from executors.exchange.engine.records import CANCELED, DELAYED, LIVE, Order, Trade
from executors.exchange.engine.types import (
    ExchangeMarket,
    OrderType,
    Placed,
    Refused,
    SignedOrder,
)
from executors.exchange.engine.units import text

SHORT_OF_BALANCE = "CANCELED_NOT_ENOUGH_BALANCE"


class Desk:
    """Takes orders in and remembers how each placement ended."""

    def __init__(self, clearing: Clearing) -> None:
        self._clearing = clearing
        self._outcomes: dict[str, Placed | Refused] = {}

    def outcome(self, order_id: str) -> Placed | Refused | None:
        """How the placement of an order ended so far."""
        return self._outcomes.get(order_id)

    def read(
        self,
        signed: SignedOrder,
        order_type: OrderType,
        *,
        owner: str,
        order_id: str,
        post_only: bool,
    ) -> Order:
        """Check all that does not depend on the book or the wallet.

        Raises:
            RefusedError: the venue does not take such an order.
        """
        clearing = self._clearing
        if order_id in clearing.orders:
            refuse(f"order {order_id} is invalid. Duplicated.")
        market = clearing.by_token.get(signed.token_id)
        if market is None:
            refuse("market not found", status=404)
        if not market.accepting_orders:
            refuse("the market is not yet ready to process new orders")
        if post_only and order_type not in {"GTC", "GTD"}:
            refuse("Invalid order payload")
        life_ms = clearing.config.gtd_min_life_ms
        check_expiration(signed, order_type, clearing.now_ms, life_ms)
        terms = terms_of(signed, market, order_type, name=order_id)
        is_market_buy = signed.side == "BUY" and order_type in {"FOK", "FAK"}
        return Order(
            order_id=order_id,
            owner=owner,
            maker=signed.maker,
            market=market,
            token_id=signed.token_id,
            side="BUY" if signed.side == "BUY" else "SELL",
            price=terms.price,
            shares=terms.shares,
            money=terms.money,
            order_type=order_type,
            in_collateral=is_market_buy and clearing.config.spend_all,
            post_only=post_only,
            expiration=signed.expiration,
            created_ms=clearing.now_ms,
        )

    def submit(self, order: Order) -> Placed | Refused:
        """Check an order against wallet and book, then take it in.

        Raises:
            RefusedError: wallet or book do not allow it.
        """
        matches = self._plan(order)
        check_funds(order, self._wallet(order), order.reserve + _fees(order, matches))
        check_book(order, self._clearing.books[order.market.condition_id])
        if matches and order.market.taker_delay_ms:
            return self._note(order, self._delay(order, order.market))
        return self.enter(order, matches)

    def enter(
        self, order: Order, matches: list[Match] | None = None
    ) -> Placed | Refused:
        """Match an order now and rest or kill what is left; no checks."""
        clearing = self._clearing
        matches = self._plan(order) if matches is None else matches
        waited = order.status == DELAYED
        order.status = LIVE
        if not order.rests and _must_die(order, matches):
            clearing.kill(order)
            return self._note(order, killed(order.order_type))
        if not waited:
            clearing.accept(order)
        if order.rests and not waited:
            clearing.publisher.order(order, "PLACEMENT", clearing.now_ms)
        trades = clearing.match(matches)
        if order.is_open:
            self._leave(order, waited=waited and not trades)
        clearing.flush(order.market)
        if trades:
            return self._note(order, _matched(order, trades))
        status: Literal["live", "unmatched"] = "unmatched" if waited else "live"
        return self._note(order, Placed(order_id=order.order_id, status=status))

    def _leave(self, order: Order, *, waited: bool) -> None:
        """Rest what did not match, or drop it if the order may not rest."""
        clearing = self._clearing
        if not order.rests:
            clearing.end(order, CANCELED, kind="UPDATE")
            return
        clearing.rest(order)
        if waited:
            clearing.publisher.order(order, "UPDATE", clearing.now_ms)

    def _delay(self, order: Order, market: ExchangeMarket) -> Placed:
        clearing = self._clearing
        order.status = DELAYED
        clearing.accept(order)
        clearing.publisher.order(order, "PLACEMENT", clearing.now_ms)
        due_ms = clearing.now_ms + market.taker_delay_ms
        clearing.agenda.at(due_ms, lambda: self._after_delay(order))
        return Placed(order_id=order.order_id, status="delayed", due_ms=due_ms)

    def _after_delay(self, order: Order) -> None:
        if not order.is_open:
            return
        matches = self._plan(order)
        # The reserve is held already; better prices may only have raised the fee.
        if self._wallet(order).available(CASH) < _fees(order, matches):
            self._clearing.end(order, SHORT_OF_BALANCE)
            refused = Refused(status=400, error="not enough balance / allowance")
            self._note(order, refused)
            return
        self.enter(order, matches)

    def _plan(self, order: Order) -> list[Match]:
        return plan(order, self._clearing.books[order.market.condition_id])

    def _wallet(self, order: Order) -> Wallet:
        return self._clearing.bank.wallet(order.wallet)

    def _note(self, order: Order, answer: Placed | Refused) -> Placed | Refused:
        self._outcomes[order.order_id] = answer
        if len(self._outcomes) > self._clearing.config.history:
            del self._outcomes[next(iter(self._outcomes))]
        return answer


def _must_die(order: Order, matches: list[Match]) -> bool:
    if order.order_type == "FOK":
        return not fills(order, matches)
    return not matches


def _fees(order: Order, matches: list[Match]) -> int:
    """What the taker pays on top; a SELL pays out of its proceeds."""
    return sum(taker.fee for taker, _ in matches) if order.is_buy else 0


def _matched(order: Order, trades: list[Trade]) -> Placed:
    money, shares = text(order.spent), text(order.matched)
    making, taking = (money, shares) if order.is_buy else (shares, money)
    return Placed(
        order_id=order.order_id,
        status="matched",
        making_amount=making,
        taking_amount=taking,
        trade_ids=tuple(trade.trade_id for trade in trades),
    )
