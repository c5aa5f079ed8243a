"""Risk: limits per strategy, market, group of markets and account.

Everything that may still cost money counts in full: open orders, unknown
outcomes, fills that have not settled.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from operator import attrgetter
from typing import Final, Protocol

import msgspec

from ledger.errors import InvalidInputError
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.values import ONE, ZERO, Outcome, Side, TradingMode, text_of

MAX_RATE: Final = 1000
"""The highest limit on orders per second: so many request times are kept."""

_SECOND: Final = timedelta(seconds=1)

_CENT: Final = Decimal("0.01")
"""Sizes are signed with 2 decimals, so a capped size is cut to them."""


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one scope; `None` is no limit.

    Sizes and positions in shares of one outcome, notionals, exposure and loss
    in pUSD, prices in pUSD per share.

    Raises:
        InvalidInputError: `max_orders_per_second` lies outside 1 to `MAX_RATE`;
            a higher one could never be reached.
    """

    max_order_size: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_position: Decimal | None = None
    max_gross_exposure: Decimal | None = None
    max_open_orders: int | None = None
    max_orders_per_second: int | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    max_daily_loss: Decimal | None = None
    max_consecutive_rejects: int | None = None
    max_consecutive_failures: int | None = None

    def __post_init__(self) -> None:
        rate = self.max_orders_per_second
        if rate is not None and not 1 <= rate <= MAX_RATE:
            field = "max_orders_per_second"
            raise InvalidInputError(field, f"must lie between 1 and {MAX_RATE}")

    @property
    def is_empty(self) -> bool:
        """Whether no limit is set."""
        return self == RiskLimits()


class MarketGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Markets that share limits, such as all windows of one underlying."""

    markets: frozenset[str]
    limits: RiskLimits


class RiskConfig(msgspec.Struct, frozen=True, kw_only=True):
    """All limits; a strategy or market without its own has the default ones.

    With `resize` a size that breaks a limit is cut to it instead of refused.
    With `check_cash` a BUY must be covered by cash that is not reserved.
    """

    account: RiskLimits = RiskLimits()
    default_strategy: RiskLimits = RiskLimits()
    strategies: Mapping[str, RiskLimits] = {}
    default_market: RiskLimits = RiskLimits()
    markets: Mapping[str, RiskLimits] = {}
    groups: Mapping[str, MarketGroup] = {}
    resize: bool = False
    check_cash: bool = True


class ScopeUsage(msgspec.Struct):
    """What one scope uses up at this moment.

    `gross` is the pUSD at risk: cost of positions plus reservations of open
    orders.
    `day_pnl` is the profit after fees that was realised on `day`, the UTC day's
    ordinal number.
    """

    gross: Decimal = ZERO
    open_orders: int = 0
    rejects: int = 0
    failures: int = 0
    day: int = 0
    day_pnl: Decimal = ZERO


class ExposureView(Protocol):
    """What the risk check reads of the ledger's state."""

    mode: TradingMode

    def usage(self, scope: str) -> ScopeUsage:
        """What a scope uses: "account", "strategy:NAME" or "market:ID"."""
        ...

    def requests(self, scope: str) -> Sequence[datetime]:
        """Times of the latest requests in a scope, oldest first."""
        ...

    def group_usage(self, markets: frozenset[str]) -> ScopeUsage:
        """The sum over markets."""
        ...

    def position_with_open_buys(
        self, strategy: str | None, market_id: str, outcome: Outcome
    ) -> Decimal:
        """Shares held plus shares that open BUY orders may still buy.

        Of one strategy, or of all for `None`.
        """
        ...

    def sellable(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        """Settled shares of the strategy minus those that open SELLs hold."""
        ...

    def free_cash(self) -> Decimal:
        """Cash minus what open BUY orders reserve, in pUSD."""
        ...


class RiskDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one intent.

    `code` and `reason` name the limit, `limit` and `value` are the evidence.
    `adjusted_size` is set when the intent passes with a smaller size.
    """

    approved: bool
    code: str = ""
    reason: str = ""
    limit: str = ""
    value: str = ""
    adjusted_size: Decimal | None = None

    @property
    def evidence(self) -> dict[str, str]:
        """Limit and value, for the event."""
        return {"limit": self.limit, "value": self.value}


APPROVED: Final = RiskDecision(approved=True)

_Breach = tuple[str, str, object, object]
"""Code, scope, limit, value."""


class RiskManager:
    """Checks intents against limits; holds no state but the limits."""

    __slots__ = ("_plans", "config")

    def __init__(self, config: RiskConfig) -> None:
        self.config = config
        self._plans: dict[tuple[str, str], _Plan] = {}

    def check_order(
        self,
        intent: OrderIntent,
        exposure: ExposureView,
        *,
        market: Market,
        now: datetime,
    ) -> RiskDecision:
        """Decide whether the intent is within every limit; pure.

        Args:
            intent: The validated intent.
            exposure: The ledger's state, unknown outcomes included.
            market: The intent's market, for its fee rate and minimum size.
            now: The time of the decision, for rates and the daily loss.

        Returns:
            Approved, refused, or approved with `adjusted_size`.
        """
        plan = self._plan(intent)
        breach = _gate(plan, intent, exposure, now)
        if breach is not None:
            return _refused(breach)
        found = self._size_limits(plan, intent, exposure, market)
        if not found:
            return APPROVED
        size, breach = min(found, key=_allowed)
        capped = size.quantize(_CENT, rounding=ROUND_FLOOR)
        if not self.config.resize or capped <= ZERO or capped < market.min_size:
            return _refused(breach)
        verdict = _refused(breach)
        return RiskDecision(
            approved=True,
            code=verdict.code,
            reason=verdict.reason,
            limit=verdict.limit,
            value=verdict.value,
            adjusted_size=capped,
        )

    def _size_limits(
        self, plan: "_Plan", intent: OrderIntent, exposure: ExposureView, market: Market
    ) -> list[tuple[Decimal, _Breach]]:
        """Every size limit the intent breaks: the shares it allows, the evidence."""
        notional = intent.size * intent.price
        is_buy = intent.side is Side.BUY
        found: list[tuple[Decimal, _Breach]] = []
        for scope in plan.sizes:
            _order_limits(scope, intent, notional, found)
            if is_buy:
                _held_limits(scope, intent, notional, exposure, found)
        if is_buy:
            if self.config.check_cash:
                _cash_limit(intent, exposure, market, notional, found)
            return found
        sellable = exposure.sellable(intent.strategy, intent.market_id, intent.outcome)
        if intent.size > sellable:
            breach = ("settled_shares", intent.strategy, sellable, intent.size)
            found.append((sellable, breach))
        return found

    def rate_scopes(self, intent: OrderIntent) -> tuple[str, ...]:
        """Names of the intent's scopes whose rate of orders is limited."""
        return self._plan(intent).rates

    def _plan(self, intent: OrderIntent) -> "_Plan":
        key = (intent.strategy, intent.market_id)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = _Plan(self._make_scopes(*key))
        return plan

    def _make_scopes(self, strategy: str, market_id: str) -> "list[_Scope]":
        config = self.config
        scopes = [
            _Scope("account", config.account),
            _Scope(
                f"strategy:{strategy}",
                config.strategies.get(strategy, config.default_strategy),
                is_strategy=True,
            ),
            _Scope(
                f"market:{market_id}",
                config.markets.get(market_id, config.default_market),
            ),
        ]
        scopes.extend(
            _Scope(f"group:{name}", group.limits, markets=group.markets)
            for name, group in config.groups.items()
            if market_id in group.markets
        )
        return scopes


class _Scope:
    """One set of limits and where to read what it uses.

    `counters` are the limits on numbers that are set: code, limit, and how to
    read what it is compared with.
    """

    __slots__ = ("counters", "is_strategy", "limits", "markets", "name")

    def __init__(
        self,
        name: str,
        limits: RiskLimits,
        *,
        markets: frozenset[str] | None = None,
        is_strategy: bool = False,
    ) -> None:
        self.name = name
        self.limits = limits
        self.is_strategy = is_strategy
        self.markets = markets
        self.counters = tuple(
            (code, limit, read)
            for code, limit, read in (
                ("open_orders", limits.max_open_orders, _open_orders),
                ("circuit_breaker_rejects", limits.max_consecutive_rejects, _rejects),
                (
                    "circuit_breaker_failures",
                    limits.max_consecutive_failures,
                    _failures,
                ),
            )
            if limit is not None
        )

    def usage(self, exposure: ExposureView) -> ScopeUsage:
        """What the scope uses."""
        if self.markets is None:
            return exposure.usage(self.name)
        return exposure.group_usage(self.markets)


class _Plan:
    """What has to be checked for one strategy in one market, and nothing else.

    `gates` have limits that no smaller size would satisfy, `sizes` such that
    one might; `rates` are the names of those whose rate of orders is limited.
    """

    __slots__ = ("gates", "rates", "sizes")

    def __init__(self, scopes: "list[_Scope]") -> None:
        self.gates = tuple(s for s in scopes if _has(s.limits, _GATES))
        self.sizes = tuple(s for s in scopes if _has(s.limits, _SIZES))
        self.rates = tuple(
            s.name for s in scopes if s.limits.max_orders_per_second is not None
        )


_SIZES: Final = (
    "max_order_size",
    "max_order_notional",
    "max_position",
    "max_gross_exposure",
)
_GATES: Final = tuple(
    name for name in RiskLimits.__struct_fields__ if name not in _SIZES
)
_open_orders = attrgetter("open_orders")
_rejects = attrgetter("rejects")
_failures = attrgetter("failures")


def _has(limits: RiskLimits, names: tuple[str, ...]) -> bool:
    return any(getattr(limits, name) is not None for name in names)


def _allowed(limit: tuple[Decimal, _Breach]) -> Decimal:
    return limit[0]


def _gate(
    plan: _Plan, intent: OrderIntent, exposure: ExposureView, now: datetime
) -> _Breach | None:
    """Limits that no smaller size would satisfy."""
    mode = exposure.mode
    if mode is TradingMode.HALTED:
        return ("halted", "ledger", "normal", "halted")
    if mode is TradingMode.REDUCE_ONLY and intent.side is Side.BUY:
        return ("reduce_only", "ledger", "normal", "reduce_only")
    for scope in plan.gates:
        breach = _price_band(scope, intent.price) or _counters(scope, exposure, now)
        if breach is not None:
            return breach
    return None


def _price_band(scope: _Scope, price: Decimal) -> _Breach | None:
    low, high = scope.limits.min_price, scope.limits.max_price
    if low is not None and price < low:
        return ("price_band", scope.name, low, price)
    if high is not None and price > high:
        return ("price_band", scope.name, high, price)
    return None


def _counters(scope: _Scope, exposure: ExposureView, now: datetime) -> _Breach | None:
    """Limits on numbers of orders, on failures in a row, on the day's loss."""
    limits = scope.limits
    rate, loss = limits.max_orders_per_second, limits.max_daily_loss
    if not scope.counters and rate is None and loss is None:
        return None
    usage = scope.usage(exposure)
    for code, limit, read in scope.counters:
        value = read(usage)
        if value >= limit:
            return (code, scope.name, limit, value)
    if rate is not None:
        times = exposure.requests(scope.name)
        if len(times) >= rate and now - times[-rate] < _SECOND:
            return ("orders_per_second", scope.name, rate, rate)
    if loss is not None and usage.day == now.toordinal() and -usage.day_pnl >= loss:
        return ("daily_loss", scope.name, loss, -usage.day_pnl)
    return None


def _order_limits(
    scope: _Scope,
    intent: OrderIntent,
    notional: Decimal,
    found: list[tuple[Decimal, _Breach]],
) -> None:
    limits, name = scope.limits, scope.name
    cap = limits.max_order_size
    if cap is not None and intent.size > cap:
        found.append((cap, ("order_size", name, cap, intent.size)))
    cap = limits.max_order_notional
    if cap is not None and notional > cap:
        breach = ("order_notional", name, cap, notional)
        found.append((cap / intent.price, breach))


def _held_limits(
    scope: _Scope,
    intent: OrderIntent,
    notional: Decimal,
    exposure: ExposureView,
    found: list[tuple[Decimal, _Breach]],
) -> None:
    """What would be held after the BUY, open orders counted in full."""
    limits, name = scope.limits, scope.name
    cap = limits.max_position
    if cap is not None:
        strategy = intent.strategy if scope.is_strategy else None
        held = exposure.position_with_open_buys(
            strategy, intent.market_id, intent.outcome
        )
        if held + intent.size > cap:
            found.append((cap - held, ("position", name, cap, held + intent.size)))
    cap = limits.max_gross_exposure
    if cap is not None:
        gross = scope.usage(exposure).gross
        if gross + notional > cap:
            breach = ("gross_exposure", name, cap, gross + notional)
            found.append(((cap - gross) / intent.price, breach))


def _cash_limit(
    intent: OrderIntent,
    exposure: ExposureView,
    market: Market,
    notional: Decimal,
    found: list[tuple[Decimal, _Breach]],
) -> None:
    fee = fee_per_share(intent.price, market.fee_rate, post_only=intent.post_only)
    free, needed = exposure.free_cash(), notional + intent.size * fee
    if needed > free:
        allowed = max(ZERO, intent.size * free / needed)
        found.append((allowed, ("cash", "account", free, needed)))


def fee_per_share(price: Decimal, rate: Decimal, *, post_only: bool) -> Decimal:
    """The fee a share may cost at its limit, in pUSD, unrounded: an upper bound."""
    if post_only or not rate:
        return ZERO
    return rate * price * (ONE - price)


def _refused(breach: _Breach) -> RiskDecision:
    code, scope, limit, value = breach
    limit_text, value_text = _text(limit), _text(value)
    return RiskDecision(
        approved=False,
        code=code,
        reason=f"{code} of {scope}: {value_text} against a limit of {limit_text}",
        limit=limit_text,
        value=value_text,
    )


def _text(value: object) -> str:
    return text_of(value) if isinstance(value, Decimal) else str(value)
