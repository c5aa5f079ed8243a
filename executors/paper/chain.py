"""What happens to the paper account outside of orders: split, merge, redeem."""

from collections.abc import Mapping
from decimal import Decimal

from executors.paper.balances import CASH, Account
from executors.paper.records import digest, time_of
from executors.rules import balance_refused
from ledger.errors import VenueRejectedError
from ledger.events import ObservedPosition
from ledger.market import Market
from ledger.values import ZERO, Outcome
from ledger.venue import Holdings


class Chain:
    """Tokens by market, payouts of resolved markets, and moves on the account.

    Every move needs settled amounts that nothing has locked.
    """

    def __init__(self, account: Account, run: int) -> None:
        self._account = account
        self._run = run
        self._moves = 0
        self._tokens: dict[str, tuple[str, Outcome]] = {}
        self._payouts: dict[str, dict[Outcome, Decimal]] = {}

    def register(self, market: Market) -> None:
        """Learn a market's tokens."""
        for outcome in Outcome:
            self._tokens[market.token(outcome)] = (market.market_id, outcome)

    def place_of(self, token_id: str) -> tuple[str, Outcome] | None:
        """The market id and outcome of a token, if known."""
        return self._tokens.get(token_id)

    def resolve(self, market: Market, payouts: Mapping[Outcome, Decimal]) -> None:
        """Fix the pUSD that one share of each outcome redeems for."""
        self._payouts[market.market_id] = dict(payouts)

    def is_resolved(self, market_id: str) -> bool:
        """Whether a market's payouts are fixed."""
        return market_id in self._payouts

    def holdings(self, now_ms: int) -> Holdings:
        """Settled holdings; what unsettled trades will move is still in them."""
        positions = [
            ObservedPosition(market_id=market_id, outcome=outcome, size=size)
            for token, size in self._account.tokens()
            for market_id, outcome in (self._tokens[token],)
        ]
        positions.sort(key=lambda held: (held.market_id, held.outcome))
        return Holdings(
            as_of=time_of(now_ms),
            positions=tuple(positions),
            cash=self._account.held(CASH),
        )

    def restore(self, holdings: Holdings) -> None:
        """Hold exactly this much of what it names, cash only if it is told."""
        tokens = {place: token for token, place in self._tokens.items()}
        for held in holdings.positions:
            token = tokens[held.market_id, held.outcome]
            self._account.move(token, held.size - self._account.held(token))
        if holdings.cash is not None:
            self._account.move(CASH, holdings.cash - self._account.held(CASH))

    def split(self, market: Market, size: Decimal) -> str:
        """Turn pUSD into as many shares of both outcomes; the transaction hash.

        Raises:
            VenueRejectedError: not enough free pUSD.
        """
        moves = {CASH: -size, market.yes_token: size, market.no_token: size}
        return self._move(market, "split", size, moves)

    def merge(self, market: Market, size: Decimal) -> str:
        """Turn as many shares of both outcomes into pUSD; the transaction hash.

        Raises:
            VenueRejectedError: not enough free settled shares.
        """
        moves = {market.yes_token: -size, market.no_token: -size, CASH: size}
        return self._move(market, "merge", size, moves)

    def redeem(self, market: Market, outcome: Outcome, size: Decimal) -> str:
        """Turn shares of a resolved market into their payout; the hash.

        Raises:
            VenueRejectedError: the market is not resolved, or the shares are
                not there.
        """
        payouts = self._payouts.get(market.market_id)
        if payouts is None:
            msg = "result for condition not received yet"  # the contract's words
            raise VenueRejectedError(msg, code="not_resolved")
        paid = size * payouts.get(outcome, ZERO)
        moves = {market.token(outcome): -size, CASH: paid}
        return self._move(market, "redeem", size, moves)

    def _move(
        self, market: Market, kind: str, size: Decimal, moves: Mapping[str, Decimal]
    ) -> str:
        if size <= ZERO:
            msg = f"cannot {kind} {size}: the amount must be above 0"
            raise VenueRejectedError(msg, code="invalid_amount")
        for asset, amount in moves.items():
            available = self._account.available(asset)
            if available < -amount:
                raise balance_refused(max(available, ZERO), -amount)
        self.register(market)
        for asset, amount in moves.items():
            self._account.move(asset, amount)
        self._moves += 1
        return digest(kind, str(self._run), str(self._moves))
