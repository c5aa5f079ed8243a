"""Risk: limits per strategy, market, group of markets and account.

Everything that may still cost money counts in full: open orders, unknown
outcomes, fills that have not settled.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Final, Protocol

import msgspec

from ledger.intent import OrderIntent
from ledger.market import Market, taker_fee
from ledger.values import ZERO, Outcome, Side, TradingMode, text_of

_CENT: Final = Decimal("0.01")
"""Sizes are signed with 2 decimals, so a capped size is cut to them."""


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one scope; `None` is no limit.

    Sizes and positions in shares of one outcome, notionals, exposure and loss
    in pUSD, prices in pUSD per share.
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
    `day_pnl` is the profit after fees that was realised on `day`.
    `requests` are the times of the latest requests, oldest first.
    """

    gross: Decimal = ZERO
    open_orders: int = 0
    rejects: int = 0
    failures: int = 0
    day: str = ""
    day_pnl: Decimal = ZERO
    requests: list[datetime] = []


class ExposureView(Protocol):
    """What the risk check reads of the ledger's state."""

    mode: TradingMode

    def usage(self, scope: str) -> ScopeUsage:
        """What a scope uses: "account", "strategy:NAME" or "market:ID"."""
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

    __slots__ = ("_scopes", "config")

    def __init__(self, config: RiskConfig) -> None:
        self.config = config
        self._scopes: dict[tuple[str, str], tuple[_Scope, ...]] = {}

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
        breach = self._gate(intent, exposure, now)
        if breach is not None:
            return _refused(breach)
        size, breach = self._allowed_size(intent, exposure, market)
        if breach is None:
            return APPROVED
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

    def _gate(
        self, intent: OrderIntent, exposure: ExposureView, now: datetime
    ) -> _Breach | None:
        """Limits that no smaller size would satisfy."""
        if exposure.mode is not TradingMode.NORMAL:
            if exposure.mode is TradingMode.HALTED:
                return ("halted", "ledger", "normal", "halted")
            if intent.side is Side.BUY:
                return ("reduce_only", "ledger", "normal", "reduce_only")
        price = intent.price
        for scope in self._scopes_of(intent):
            limits, name = scope.limits, scope.name
            if limits.min_price is not None and price < limits.min_price:
                return ("price_band", name, limits.min_price, price)
            if limits.max_price is not None and price > limits.max_price:
                return ("price_band", name, limits.max_price, price)
            usage = scope.usage(exposure)
            limit = limits.max_open_orders
            if limit is not None and usage.open_orders >= limit:
                return ("open_orders", name, limit, usage.open_orders)
            limit = limits.max_consecutive_rejects
            if limit is not None and usage.rejects >= limit:
                return ("circuit_breaker_rejects", name, limit, usage.rejects)
            limit = limits.max_consecutive_failures
            if limit is not None and usage.failures >= limit:
                return ("circuit_breaker_failures", name, limit, usage.failures)
            limit = limits.max_orders_per_second
            if limit is not None and len(usage.requests) >= limit:
                age = now - usage.requests[-limit]
                if age.total_seconds() < 1:
                    return ("orders_per_second", name, limit, limit)
            loss = limits.max_daily_loss
            if loss is not None and usage.day == now.date().isoformat():
                if -usage.day_pnl >= loss:
                    return ("daily_loss", name, loss, -usage.day_pnl)
        return None

    def _allowed_size(
        self, intent: OrderIntent, exposure: ExposureView, market: Market
    ) -> tuple[Decimal, _Breach | None]:
        """The largest size every limit allows, and the limit that binds."""
        size, breach = intent.size, None
        for allowed, found in self._size_limits(intent, exposure, market):
            if allowed < size:
                size, breach = allowed, found
        return size, breach

    def _size_limits(
        self, intent: OrderIntent, exposure: ExposureView, market: Market
    ) -> list[tuple[Decimal, _Breach]]:
        """Every size limit of the intent: the shares it allows, the evidence."""
        wanted, price = intent.size, intent.price
        is_buy = intent.side is Side.BUY
        found: list[tuple[Decimal, _Breach]] = []
        notional = wanted * price
        for scope in self._scopes_of(intent):
            limits, name = scope.limits, scope.name
            cap = limits.max_order_size
            if cap is not None and wanted > cap:
                found.append((cap, ("order_size", name, cap, wanted)))
            cap = limits.max_order_notional
            if cap is not None and notional > cap:
                found.append((cap / price, ("order_notional", name, cap, notional)))
            if not is_buy:
                continue
            cap = limits.max_position
            if cap is not None:
                held = exposure.position_with_open_buys(
                    intent.strategy if scope.is_strategy else None,
                    intent.market_id,
                    intent.outcome,
                )
                if held + wanted > cap:
                    breach = ("position", name, cap, held + wanted)
                    found.append((cap - held, breach))
            cap = limits.max_gross_exposure
            if cap is not None:
                gross = scope.usage(exposure).gross
                if gross + notional > cap:
                    breach = ("gross_exposure", name, cap, gross + notional)
                    found.append(((cap - gross) / price, breach))
        if is_buy:
            if self.config.check_cash:
                found.extend(_cash_limit(intent, exposure, market, notional))
            return found
        sellable = exposure.sellable(intent.strategy, intent.market_id, intent.outcome)
        if wanted > sellable:
            found.append(
                (sellable, ("settled_shares", intent.strategy, sellable, wanted))
            )
        return found

    def _scopes_of(self, intent: OrderIntent) -> "tuple[_Scope, ...]":
        key = (intent.strategy, intent.market_id)
        scopes = self._scopes.get(key)
        if scopes is None:
            scopes = self._scopes[key] = tuple(self._make_scopes(*key))
        return scopes

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
        return [scope for scope in scopes if not scope.limits.is_empty]


class _Scope:
    """One set of limits and where to read what it uses."""

    __slots__ = ("is_strategy", "limits", "name", "usage")

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
        self.usage: Callable[[ExposureView], ScopeUsage]
        if markets is None:
            self.usage = lambda exposure: exposure.usage(name)
        else:
            self.usage = lambda exposure: exposure.group_usage(markets)


def _cash_limit(
    intent: OrderIntent, exposure: ExposureView, market: Market, notional: Decimal
) -> list[tuple[Decimal, _Breach]]:
    fee = reserved_fee(intent.size, intent.price, market.fee_rate, intent.post_only)
    free, needed = exposure.free_cash(), notional + fee
    if needed <= free:
        return []
    allowed = max(ZERO, intent.size * free / needed)
    return [(allowed, ("cash", "account", free, needed))]


def reserved_fee(
    size: Decimal,
    price: Decimal,
    rate: Decimal,
    post_only: bool,  # noqa: FBT001
) -> Decimal:
    """The most an order may pay in fees at its limit, in pUSD."""
    if post_only or not rate:
        return ZERO
    return taker_fee(size, price, rate)


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
