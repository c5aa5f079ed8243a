"""What requests and answers look like: the one definition that decodes and documents.

Numbers are strings of exact decimals, times are RFC 3339 in UTC.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from ledger.values import Outcome, Side, TimeInForce
from service.http.problems import Problem

_MICROS: Final = (
    r"([1-9][0-9]{0,5}|0[1-9][0-9]{0,4}|00[1-9][0-9]{0,3}"
    r"|000[1-9][0-9]{0,2}|0000[1-9][0-9]?|00000[1-9])"
)
_WHOLE: Final = r"[1-9][0-9]{0,11}(\.[0-9]{1,6})?"

Price = Annotated[
    str,
    Meta(
        pattern=rf"^0\.{_MICROS}$",
        description="pUSD per share, strictly between 0 and 1",
        examples=["0.45"],
    ),
]
Shares = Annotated[
    str,
    Meta(
        pattern=rf"^(0\.{_MICROS}|{_WHOLE})$",
        description="outcome shares, above 0, at most 6 places",
        examples=["20"],
    ),
]
Money = Annotated[
    str,
    Meta(
        pattern=rf"^-?(0\.{_MICROS}|{_WHOLE})$",
        description="pUSD, not 0, at most 6 places",
        examples=["100.5"],
    ),
]
Bps = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?$",
        description="basis points",
        examples=["30"],
    ),
]
Number = Annotated[
    str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="an exact decimal")
]
StrategyName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["pair_arb"])
]
MarketId = Annotated[
    str,
    Meta(
        pattern=r"^[!-~]{1,100}$",
        description="the market's condition id",
        examples=["0x5f65177b394277fd294cd75650044e32ba009a95022d88a0c1d565897d72f8f1"],
    ),
]
Reason = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[ -~]+$")]
Time = Annotated[datetime, Meta(tz=True, description="RFC 3339, with a zone")]

WAIT_MS: Final = 10_000
MOST_WAIT_MS: Final = 60_000
MOST_LEGS: Final = 50


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every request body."""


class Intent(Body, frozen=True, kw_only=True):
    """One order that a strategy wants.

    `strategy` may be left out with a token that is bound to one.
    """

    strategy: StrategyName | None = None
    market_id: MarketId
    outcome: Outcome
    side: Side
    size: Shares
    price: Price
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    expires_at: Time | None = None
    max_slippage_bps: Bps | None = None
    correlation_id: Annotated[str, Meta(pattern=r"^[!-~]{0,128}$")] = ""
    note: Annotated[str, Meta(max_length=200)] = ""


class Batch(Body, frozen=True, kw_only=True):
    """Orders that are recorded together or not at all, such as the legs of a pair."""

    intents: Annotated[tuple[Intent, ...], Meta(min_length=1, max_length=MOST_LEGS)]


class Cancel(Body, frozen=True, kw_only=True):
    """Why one order is cancelled."""

    reason: Reason = "requested"


class CancelMany(Body, frozen=True, kw_only=True):
    """Which open orders are cancelled: all that fit what is given."""

    market_id: MarketId | None = None
    strategy: StrategyName | None = None


class ModeChange(Body, frozen=True, kw_only=True):
    """Why the trading mode changes."""

    reason: Reason


class Acknowledgement(Body, frozen=True, kw_only=True):
    """What a person has to say about a drift."""

    note: Annotated[str, Meta(max_length=200, pattern=r"^[ -~]*$")] = ""


class PairMove(Body, frozen=True, kw_only=True):
    """A split of pUSD into pairs, or a merge of pairs into pUSD."""

    strategy: StrategyName | None = None
    market_id: MarketId
    size: Shares


class Redemption(Body, frozen=True, kw_only=True):
    """A redemption of the settled shares of one outcome of a resolved market."""

    strategy: StrategyName | None = None
    market_id: MarketId
    outcome: Outcome


class CashMove(Body, frozen=True, kw_only=True):
    """pUSD that came in (positive) or went out (negative)."""

    amount: Money
    reason: Reason


class Order(msgspec.Struct, kw_only=True):
    """One order; sizes in shares, money in pUSD.

    `filled`, `cost` and `fees` count live fills only.
    """

    order_id: str
    strategy: str
    idempotency_key: str
    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    requested_size: Number
    size: Number
    price: Number
    time_in_force: TimeInForce
    post_only: bool
    expires_at: Time | None
    requested_at: Time
    status: str
    phase: str
    done_reason: str | None
    venue_order_id: str
    outcome_unknown: bool
    cancel_requested: bool
    refused_by: str
    refusal_code: str
    refusal_text: str
    filled: Number
    settled: Number
    remaining: Number
    avg_price: Number | None
    cost: Number
    fees: Number
    reserved_cash: Number
    reserved_shares: Number


class Trade(msgspec.Struct, kw_only=True):
    """One trade of an order and how far it has settled; void ones do not count."""

    trade_id: str
    size: Number
    price: Number
    fee: Number
    role: str
    settlement: str
    live: bool
    tx_hash: str


class OrderNow(Order, kw_only=True):
    """One order as it was when the command was answered, with its trades."""

    trades: list[Trade]


class Error(msgspec.Struct, kw_only=True):
    """Why a command did not succeed: a stable code, a sentence, the field."""

    code: str
    text: str
    field: str = ""


class Answer(msgspec.Struct, kw_only=True):
    """The answer to a command about one order.

    `success` is false when the order was refused or its outcome is unknown, as
    far as is known by now; `error` says why.
    """

    success: bool
    deduplicated: bool = False
    order: OrderNow | None = None
    error: Error | None = None
    href: str = ""
    """Where the order is."""


class Answers(msgspec.Struct, kw_only=True):
    """The answers to a command about several orders, in its order."""

    items: list[Answer]


class Decision(msgspec.Struct, kw_only=True):
    """What would become of an intent now; nothing was recorded.

    `by` is who would refuse it: risk, slippage or venue.
    `size` is the size that would work, after limits.
    `evidence` is what the decision rests on.
    """

    approved: bool
    size: Number
    by: str = ""
    code: str = ""
    text: str = ""
    evidence: dict[str, str] = {}


class TradeRow(Trade, kw_only=True):
    """One trade; `position` is that of the first word of it."""

    first_at: Time
    updated_at: Time
    position: int


class OrderRow(Order, kw_only=True):
    """One order as the read model has it; `position` is that of its last event."""

    updated_at: Time
    position: int


class OrderDetail(OrderRow, kw_only=True):
    """One order with its trades."""

    trades: list[TradeRow]
    as_of: int


class Event(msgspec.Struct, kw_only=True):
    """One event of an order, for a person to read."""

    position: int
    version: int
    at: Time
    recorded_at: Time
    topic: str
    actor: str
    source: str
    correlation_id: str
    causation: str
    summary: str
    status: str


class FillRow(TradeRow, kw_only=True):
    """One trade with its order's attributes."""

    order_id: str
    strategy: str
    market_id: str
    outcome: Outcome
    side: Side


class PositionRow(msgspec.Struct, kw_only=True):
    """One strategy's shares of one outcome.

    `sellable` are settled shares that no open SELL holds; `open_buys` shares
    that open BUYs may still buy.
    """

    account: str
    strategy: str
    market_id: str
    outcome: Outcome
    shares: Number
    settled_shares: Number
    pending_shares: Number
    avg_price: Number | None
    cost: Number
    fees: Number
    realized_pnl: Number
    bought: Number
    sold: Number
    unexplained: Number
    payout: Number | None
    sellable: Number
    open_buys: Number


class OrderPage(msgspec.Struct, kw_only=True):
    """Orders as of `position`; `next` is the cursor of the next page."""

    position: int
    items: list[OrderRow]
    next: str | None = None


class FillPage(msgspec.Struct, kw_only=True):
    """Fills as of `position`; `next` is the cursor of the next page."""

    position: int
    items: list[FillRow]
    next: str | None = None


class PositionPage(msgspec.Struct, kw_only=True):
    """Positions as of `position`; `next` is the cursor of the next page."""

    position: int
    items: list[PositionRow]
    next: str | None = None


class Timeline(msgspec.Struct, kw_only=True):
    """The story of one order as of `position`, oldest event first."""

    position: int
    items: list[Event]
    next: str | None = None


class Reconciliation(msgspec.Struct, kw_only=True):
    """Comparisons with the venue, newest first, and the drifts that are open."""

    position: int
    items: list[dict[str, Any]]
    diffs: list[dict[str, Any]]
    drifts: list[dict[str, Any]]
    next: str | None = None


class Risk(msgspec.Struct, kw_only=True):
    """What is at risk, what is held back, and the limits in force."""

    position: int
    account: dict[str, Any]
    reservations: list[dict[str, Any]]
    pnl: list[dict[str, Any]]
    limits: dict[str, Any]


class Ready(msgspec.Struct, kw_only=True):
    """Whether intents are taken."""

    ready: bool
    reason: str = ""


class Done(msgspec.Struct, kw_only=True):
    """What was recorded, at the log's position."""

    position: int
    mode: str | None = None
    drift_id: str | None = None
    payout: Number | None = None


class ProblemDocument(msgspec.Struct, kw_only=True):
    """An error: a code, the field of the request, and what to do next."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str
    hint: str


_B = TypeVar("_B", bound=Body)
_PLACE: Final = re.compile(r"^(.*) - at `\$\.?([^`]*)`$", re.DOTALL)


def decode(kind: type[_B], body: bytes) -> _B:
    """Decode a request's body strictly: no unknown field, no number for a text.

    An empty body is an empty object.

    Raises:
        Problem: 400 for what is no JSON, 422 naming the first wrong field.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        found = _PLACE.match(str(error))
        text, field = found.groups() if found else (str(error), "")
        raise Problem(
            422, "invalid_input", text[:300], field=field[:100] or "body"
        ) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        text = f"the body is no JSON: {error}"[:300]
        raise Problem(400, "malformed", text, field="body") from None
