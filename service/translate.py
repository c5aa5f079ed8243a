"""Hands the settings down as the plain typed values that each part takes."""

from collections.abc import Iterable
from decimal import Decimal

from config import Settings
from config.settings import Limits, Risk
from executors.paper import PaperConfig
from ledger.manager import ManagerConfig
from ledger.risk import MarketGroup, RiskConfig, RiskLimits
from ledger.slippage import SlippageConfig


def manager_config(settings: Settings) -> ManagerConfig:
    """The manager's part of the settings."""
    execution = settings.execution
    return ManagerConfig(
        order_timeout_ms=execution.order_timeout_ms,
        cancel_timeout_ms=execution.cancel_timeout_ms,
        max_retry_attempts=execution.max_retry_attempts,
        retry_base_delay_ms=execution.retry_base_delay_ms,
        absence_spread_ms=settings.polymarket.absence_sec * 1_000,
        settlement_alarm_ms=settings.polymarket.settlement_alarm_sec * 1_000,
        dust_tolerance=execution.dust_tolerance,
        strategies=frozenset(settings.strategies),
    )


def slippage_config(settings: Settings) -> SlippageConfig:
    """The slippage guard's part of the settings."""
    execution = settings.execution
    return SlippageConfig(
        max_slippage_bps=Decimal(execution.max_slippage_bps),
        warn_slippage_bps=Decimal(execution.warn_slippage_bps),
    )


def paper_config(settings: Settings, *, run: int) -> PaperConfig:
    """The paper venue's part of the settings; `run` is the ledger's epoch."""
    paper = settings.paper
    return PaperConfig(
        seed=paper.seed,
        initial_cash=paper.initial_cash,
        mined_delay_ms=paper.settle_mined_ms,
        confirmed_delay_ms=paper.settle_confirmed_ms,
        settlement_jitter_ms=paper.settle_jitter_ms,
        failure_rate=paper.settlement_failure_rate,
        retry_rate=paper.retry_rate,
        submit_latency_ms=paper.submit_latency_ms,
        cancel_latency_ms=paper.cancel_latency_ms,
        queue_position=paper.queue_position,
        run=run,
    )


def risk_config(risk: Risk) -> RiskConfig:
    """The risk manager's part of the settings."""
    return RiskConfig(
        account=_limits(risk.account),
        default_strategy=_limits(risk.default_strategy),
        strategies=_by_name(risk.strategies.items()),
        default_market=_limits(risk.default_market),
        markets=_by_name(risk.markets.items()),
        groups={
            name: MarketGroup(markets=frozenset(group.markets), limits=_limits(group))
            for name, group in risk.groups.items()
        },
        resize=risk.resize,
        check_cash=risk.check_cash,
    )


def _by_name(items: Iterable[tuple[str, Limits]]) -> dict[str, RiskLimits]:
    return {name: _limits(limits) for name, limits in items}


def _limits(limits: Limits) -> RiskLimits:
    return RiskLimits(**limits.model_dump(include=set(Limits.model_fields)))
