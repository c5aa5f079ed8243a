"""One definition of a position: a fold over what moved its shares.

Cost is the moving average: what leaves takes its share of the cost with it,
rounded to 6 places, so that a closed position's profit is exact.
Money enters with at most 6 places and every move keeps `cost - realized_pnl`
equal to what was paid less what was received.
Fees are kept apart; `realized_pnl` is before fees.

Once the market is resolved, shares are worth their payout, whenever they came.

A void fill leaves the position as if it had never been: movements from the
first unsettled one on are kept and folded again without it.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from ledger.values import MICRO, ZERO, Outcome, Side

_HALF: Final = Decimal("0.5")


class PositionKey(NamedTuple):
    """Whose shares of what."""

    strategy: str
    market_id: str
    outcome: Outcome


class Kind(IntEnum):
    """How a movement changes a position."""

    GAIN = 1
    LOSS = 2
    RESOLVE = 3
    UNDO_GAIN = 4
    UNDO_LOSS = 5


class Movement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change of a position.

    `size` in shares; `amount` the pUSD paid (gain) or received (loss), or the
    payout per share (resolve); `fee` in pUSD.
    """

    kind: Kind
    size: Decimal
    amount: Decimal
    fee: Decimal = ZERO
    is_trade: bool = True


class Totals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Running sums of a position; shares and cost are never below 0.

    `unexplained` counts shares that left without having been seen to come: an
    account's history that begins in the middle, or a void purchase whose shares
    were sold already.
    `payout` is the pUSD per share of a resolved market; the cost is then what the
    shares pay.
    """

    shares: Decimal = ZERO
    cost: Decimal = ZERO
    fees: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    unexplained: Decimal = ZERO
    payout: Decimal | None = None


_GAIN: Final = Kind.GAIN
_LOSS: Final = Kind.LOSS
_BUY: Final = Side.BUY


def moved(totals: Totals, move: Movement) -> Totals:
    """Apply one movement; pure and total."""
    after = _MOVES[move.kind](totals, move)
    return after if after.payout is None else _marked(after, after.payout)


def _marked(t: Totals, payout: Decimal) -> Totals:
    """Value the shares at their payout, so that no order of arrival matters."""
    worth = in_micros(t.shares * payout)
    if worth == t.cost:
        return t
    return replace(t, cost=worth, realized_pnl=t.realized_pnl + worth - t.cost)


def _gain(t: Totals, move: Movement) -> Totals:
    return Totals(
        t.shares + move.size,
        t.cost + move.amount,
        t.fees + move.fee,
        t.realized_pnl,
        t.bought + move.size if move.is_trade else t.bought,
        t.sold,
        t.unexplained,
        t.payout,
    )


def _loss(t: Totals, move: Movement) -> Totals:
    taken = min(move.size, t.shares)
    if taken == t.shares:
        basis = t.cost
    else:
        basis = (t.cost * taken / t.shares).quantize(MICRO, rounding=ROUND_HALF_EVEN)
    return Totals(
        t.shares - taken,
        t.cost - basis,
        t.fees + move.fee,
        t.realized_pnl + move.amount - basis,
        t.bought,
        t.sold + move.size if move.is_trade else t.sold,
        t.unexplained + move.size - taken,
        t.payout,
    )


def _resolve(t: Totals, move: Movement) -> Totals:
    return replace(t, payout=move.amount)


def _undo_gain(t: Totals, move: Movement) -> Totals:
    """Take a settled purchase back, at its own price.

    Shares that were sold meanwhile cannot be taken back: they left without
    having come, and what they were sold for is all result.
    """
    taken = min(move.size, t.shares)
    rest = t.cost - move.amount
    cost = max(rest, ZERO) if taken < t.shares else ZERO
    return Totals(
        t.shares - taken,
        cost,
        t.fees - move.fee,
        t.realized_pnl + cost - rest,
        t.bought - move.size,
        t.sold,
        t.unexplained + move.size - taken,
        t.payout,
    )


def _undo_loss(t: Totals, move: Movement) -> Totals:
    """Take a settled sale back, at its own price."""
    return Totals(
        t.shares + move.size,
        t.cost + move.amount,
        t.fees - move.fee,
        t.realized_pnl,
        t.bought,
        t.sold - move.size,
        t.unexplained,
        t.payout,
    )


_MOVES: Final = {
    Kind.GAIN: _gain,
    Kind.LOSS: _loss,
    Kind.RESOLVE: _resolve,
    Kind.UNDO_GAIN: _undo_gain,
    Kind.UNDO_LOSS: _undo_loss,
}


class Position(msgspec.Struct):
    """A position and the movements that may still be undone.

    `totals` is the sum of everything; `base` the sum of what is settled and
    lies before the first unsettled movement; `tail` the rest, in order: a key
    and the movement, with whether it is settled.
    `pending` counts bought shares whose trades are not confirmed yet, `leaving`
    sold ones: the chain still has those.
    """

    strategy: str
    market_id: str
    outcome: Outcome
    totals: Totals = Totals()
    base: Totals = Totals()
    tail: dict[str, tuple[Movement, bool]] = {}
    pending: Decimal = ZERO
    leaving: Decimal = ZERO
    moves: int = 0

    @property
    def key(self) -> PositionKey:
        """Whose shares of what."""
        return PositionKey(self.strategy, self.market_id, self.outcome)

    @property
    def shares(self) -> Decimal:
        """Shares of live fills and account activity, settled or not."""
        return self.totals.shares

    @property
    def settled_shares(self) -> Decimal:
        """Shares that can be sold: confirmed, and not sold already."""
        return self.totals.shares - self.pending

    @property
    def avg_price(self) -> Decimal | None:
        """Average cost per share, 6 places half-even; `None` when flat."""
        t = self.totals
        if not t.shares:
            return None
        return (t.cost / t.shares).quantize(MICRO, rounding=ROUND_HALF_EVEN)

    def book(self, trade: str, move: Movement, *, is_settled: bool) -> None:
        """Add one trade; `trade` is unique within the position."""
        self.totals = moved(self.totals, move)
        self.tail[trade] = (move, is_settled)
        if is_settled:
            self._shorten()
        elif move.kind is _GAIN:
            self.pending += move.size
        else:
            self.leaving += move.size

    def settle(self, trade: str) -> None:
        """Mark one trade as final."""
        known = self.tail.get(trade)
        if known is None or known[1]:
            return
        move = known[0]
        self.tail[trade] = (move, True)
        if move.kind is _GAIN:
            self.pending -= move.size
        else:
            self.leaving -= move.size
        self._shorten()

    def void(self, trade: str, move: Movement) -> None:
        """Take one trade out, as if it had never been.

        A trade whose confirmation was already folded away is undone at its own
        price: that the venue voids a confirmed trade is a contradiction, and
        raised as one.
        """
        known = self.tail.pop(trade, None)
        if known is None:
            undo = Kind.UNDO_GAIN if move.kind is _GAIN else Kind.UNDO_LOSS
            back = replace(move, kind=undo)
            self.base = moved(self.base, back)
            self.totals = moved(self.totals, back)
            return
        if not known[1]:
            if move.kind is _GAIN:
                self.pending -= move.size
            else:
                self.leaving -= move.size
        totals = self.base
        for kept, _ in self.tail.values():
            totals = moved(totals, kept)
        self.totals = totals
        self._shorten()

    def move(self, move: Movement) -> None:
        """Apply account activity: final from the start."""
        self.totals = moved(self.totals, move)
        self.moves += 1
        self.tail[f"#{self.moves}"] = (move, True)
        self._shorten()

    def _shorten(self) -> None:
        tail = self.tail
        while tail:
            first = next(iter(tail))
            move, is_settled = tail[first]
            if not is_settled:
                return
            del tail[first]
            self.base = moved(self.base, move) if tail else self.totals
        self.base = self.totals


def in_micros(amount: Decimal) -> Decimal:
    """Cut an amount of pUSD to 6 places: the chain holds no smaller unit."""
    if amount % MICRO:
        return amount.quantize(MICRO, rounding=ROUND_FLOOR)
    return amount


def trade_movement(side: Side, size: Decimal, price: Decimal, fee: Decimal) -> Movement:
    """The movement of one fill of ours; size times price is cut to 6 places."""
    kind = _GAIN if side is _BUY else _LOSS
    return Movement(kind, size, in_micros(size * price), fee)


def split_leg(size: Decimal, outcome: Outcome) -> Movement:
    """One leg of a split: half of the pUSD is each leg's cost."""
    return Movement(Kind.GAIN, size, _half_of(size, outcome), is_trade=False)


def merge_leg(size: Decimal, outcome: Outcome) -> Movement:
    """One leg of a merge: half of the pUSD is each leg's proceeds."""
    return Movement(Kind.LOSS, size, _half_of(size, outcome), is_trade=False)


def _half_of(size: Decimal, outcome: Outcome) -> Decimal:
    """Half of an amount; a last millionth that has no half goes to NO."""
    half = size * _HALF
    if half % MICRO:
        rounding = ROUND_FLOOR if outcome is Outcome.YES else ROUND_CEILING
        return half.quantize(MICRO, rounding=rounding)
    return half


def redemption(size: Decimal, payout: Decimal) -> Movement:
    """Shares of a resolved outcome become `payout` pUSD."""
    return Movement(Kind.LOSS, size, payout, is_trade=False)


def transfer(size: Decimal, cost: Decimal) -> Movement:
    """Shares came in at `cost` (positive size) or left without payment."""
    if size > ZERO:
        return Movement(Kind.GAIN, size, cost, is_trade=False)
    return Movement(Kind.LOSS, -size, cost, is_trade=False)


def resolution(payout: Decimal) -> Movement:
    """The outcome pays `payout` pUSD per share: the result is realised."""
    return Movement(Kind.RESOLVE, ZERO, payout, is_trade=False)
