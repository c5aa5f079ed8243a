"""Every setting reaches the part that it is about."""

from decimal import Decimal

import msgspec

from config import Limits, Settings, load_settings
from executors.paper import PaperConfig
from ledger.risk import RiskLimits
from ledger.slippage import SlippageConfig
from service.translate import (
    manager_config,
    paper_config,
    risk_config,
    slippage_config,
)


def test_every_limit_has_its_counterpart() -> None:
    """A limit that is configured and not enforced is worse than none."""
    assert set(Limits.model_fields) == set(RiskLimits.__struct_fields__)


def test_limits_reach_their_scopes() -> None:
    """The account's, a strategy's, a market's, a group's: each its own."""
    settings = load_settings(
        env={},
        overrides=[
            "risk.resize=true",
            "risk.account.max_open_orders=7",
            "risk.strategies.pair={max_order_size: 5}",
            "risk.default_strategy.max_daily_loss=9",
            "risk.markets.m1={min_price: 0.1}",
            "risk.groups.btc={markets: [m1, m2], max_gross_exposure: 500}",
        ],
    )
    risk = risk_config(settings.risk)
    assert risk.resize
    assert risk.account.max_open_orders == 7
    assert risk.account.max_order_notional == Decimal("10000")
    assert risk.strategies == {"pair": RiskLimits(max_order_size=Decimal(5))}
    assert risk.default_strategy == RiskLimits(max_daily_loss=Decimal(9))
    assert risk.markets["m1"].min_price == Decimal("0.1")
    assert risk.groups["btc"].markets == {"m1", "m2"}
    assert risk.groups["btc"].limits.max_gross_exposure == Decimal(500)


def test_execution_settings_reach_the_manager() -> None:
    """Timeouts and retries are the specification's keys."""
    settings = load_settings(
        env={},
        overrides=[
            "strategies=[a, b]",
            "execution.order_timeout_ms=1",
            "execution.cancel_timeout_ms=2",
            "execution.max_retry_attempts=3",
            "execution.retry_base_delay_ms=4",
            "execution.dust_tolerance=0.5",
            "execution.max_slippage_bps=60",
            "execution.warn_slippage_bps=30",
        ],
    )
    config = manager_config(settings)
    assert (config.order_timeout_ms, config.cancel_timeout_ms) == (1, 2)
    assert (config.max_retry_attempts, config.retry_base_delay_ms) == (3, 4)
    assert config.dust_tolerance == Decimal("0.5")
    assert config.strategies == {"a", "b"}
    assert slippage_config(settings) == SlippageConfig(Decimal(60), Decimal(30))


def test_paper_settings_reach_the_paper_venue() -> None:
    """Nothing of the simulation may stay at a default that was overridden."""
    settings = Settings.model_validate(
        {
            "paper": {
                "seed": 9,
                "initial_cash": "5",
                "submit_latency_ms": 1,
                "cancel_latency_ms": 2,
                "queue_position": "front",
                "settle_mined_ms": 3,
                "settle_confirmed_ms": 4,
                "settle_jitter_ms": 5,
                "settlement_failure_rate": "0.5",
                "retry_rate": "0.25",
            }
        }
    )
    assert paper_config(settings, run=6) == PaperConfig(
        seed=9,
        initial_cash=Decimal(5),
        mined_delay_ms=3,
        confirmed_delay_ms=4,
        settlement_jitter_ms=5,
        failure_rate=Decimal("0.5"),
        retry_rate=Decimal("0.25"),
        submit_latency_ms=1,
        cancel_latency_ms=2,
        queue_position="front",
        run=6,
    )
    changed = msgspec.structs.asdict(paper_config(settings, run=6))
    default = msgspec.structs.asdict(PaperConfig())
    assert {n for n in changed if changed[n] == default[n]} == {"max_finished_orders"}
