"""Risk: every limit at its bound and just beyond it, in every scope."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from config.settings import Limits
from ledger.errors import InvalidInputError
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.risk import (
    APPROVED,
    MAX_RATE,
    MarketGroup,
    RiskConfig,
    RiskDecision,
    RiskLimits,
    RiskManager,
    ScopeUsage,
    fee_per_share,
)
from ledger.values import Outcome, Side, TradingMode

D = Decimal
NOW: Final = datetime(2026, 9, 19, 12, 0, tzinfo=UTC)
TODAY: Final = NOW.toordinal()
MARKET: Final = Market(market_id="0xmarket", yes_token="111", no_token="222")
WITH_FEE: Final = replace(MARKET, fee_rate=D("0.07"))
GROUP: Final = frozenset({"0xmarket", "0xother"})


class FakeExposure:
    """An account as a test wants it: without orders, and rich.

    Numbers are kept per scope, so that reading the wrong scope shows; the
    group's are kept as "group:btc".
    """

    def __init__(self) -> None:
        self.mode = TradingMode.NORMAL
        self.usages: dict[str, ScopeUsage] = {}
        self.times: dict[str, list[datetime]] = {}
        self.held: dict[tuple[str | None, str, Outcome], Decimal] = {}
        self.free_shares: dict[tuple[str, str, Outcome], Decimal] = {}
        self.cash = D("1000000")

    def usage(self, scope: str) -> ScopeUsage:
        return self.usages.get(scope, ScopeUsage())

    def group_usage(self, markets: frozenset[str]) -> ScopeUsage:
        assert markets == GROUP
        return self.usage("group:btc")

    def requests(self, scope: str) -> Sequence[datetime]:
        return self.times.get(scope, [])

    def position_with_open_buys(
        self, strategy: str | None, market_id: str, outcome: Outcome
    ) -> Decimal:
        return self.held.get((strategy, market_id, outcome), D("0"))

    def sellable(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        return self.free_shares.get((strategy, market_id, outcome), D("0"))

    def free_cash(self) -> Decimal:
        return self.cash


def intent(**changes: Any) -> OrderIntent:
    """BUY 100 YES at 0.40 of strategy alpha, unless changed."""
    content: dict[str, Any] = {
        "strategy": "alpha",
        "idempotency_key": "k1",
        "market_id": "0xmarket",
        "outcome": "YES",
        "side": "BUY",
        "size": "100",
        "price": "0.40",
    }
    return OrderIntent.parse(content | changes)


def check(
    config: RiskConfig,
    exposure: FakeExposure | None = None,
    *,
    market: Market = MARKET,
    **changes: Any,
) -> RiskDecision:
    """The verdict on one intent."""
    return RiskManager(config).check_order(
        intent(**changes), exposure or FakeExposure(), market=market, now=NOW
    )


def evidence(verdict: RiskDecision) -> tuple[bool, str, str, str]:
    return verdict.approved, verdict.code, verdict.limit, verdict.value


MakeConfig = Callable[[RiskLimits], RiskConfig]

SCOPES: dict[str, tuple[str, MakeConfig]] = {
    "account": ("account", lambda limits: RiskConfig(account=limits)),
    "any strategy": (
        "strategy:alpha",
        lambda limits: RiskConfig(default_strategy=limits),
    ),
    "its strategy": (
        "strategy:alpha",
        lambda limits: RiskConfig(strategies={"alpha": limits}),
    ),
    "any market": ("market:0xmarket", lambda limits: RiskConfig(default_market=limits)),
    "its market": (
        "market:0xmarket",
        lambda limits: RiskConfig(markets={"0xmarket": limits}),
    ),
    "group": (
        "group:btc",
        lambda limits: RiskConfig(
            groups={"btc": MarketGroup(markets=GROUP, limits=limits)}
        ),
    ),
}
EVERY_SCOPE = pytest.mark.parametrize("scope", SCOPES)


def holding(scope: str, shares: str) -> FakeExposure:
    """Shares held, open BUYs included, as the scope counts them."""
    exposure = FakeExposure()
    strategy = "alpha" if scope.startswith("strategy:") else None
    exposure.held[strategy, "0xmarket", Outcome.YES] = D(shares)
    return exposure


def using(scope: str, **usage: Any) -> FakeExposure:
    """A scope that uses something up already."""
    exposure = FakeExposure()
    exposure.usages[scope] = ScopeUsage(**usage)
    return exposure


def asked(scope: str, *seconds_ago: str) -> FakeExposure:
    """Requests made so many seconds ago, oldest first."""
    exposure = FakeExposure()
    exposure.times[scope] = [
        NOW - timedelta(microseconds=int(D(s) * 1_000_000)) for s in seconds_ago
    ]
    return exposure


SIZE_LIMITS: list[tuple[str, RiskLimits, Callable[[str], FakeExposure], str]] = [
    # 100 shares at 0.40 stand exactly at the limit; 100.01 are worth 40.004.
    (
        "order_size",
        RiskLimits(max_order_size=D("100.00")),
        lambda _: FakeExposure(),
        "100.01",
    ),
    (
        "order_notional",
        RiskLimits(max_order_notional=D("40")),
        lambda _: FakeExposure(),
        "40.004",
    ),
    (
        "position",
        RiskLimits(max_position=D("150")),
        lambda scope: holding(scope, "50"),
        "150.01",
    ),
    (
        "gross_exposure",
        RiskLimits(max_gross_exposure=D("50")),
        lambda scope: using(scope, gross=D("10")),
        "50.004",
    ),
]
EVERY_SIZE_LIMIT = pytest.mark.parametrize(
    ("code", "limits", "exposure_of", "value"),
    SIZE_LIMITS,
    ids=[case[0] for case in SIZE_LIMITS],
)
BOUNDS = {
    "order_size": "100",
    "order_notional": "40",
    "position": "150",
    "gross_exposure": "50",
}


@EVERY_SCOPE
@EVERY_SIZE_LIMIT
def test_a_size_limit_holds_at_its_bound_and_not_beyond(
    code: str,
    limits: RiskLimits,
    exposure_of: Callable[[str], FakeExposure],
    value: str,
    scope: str,
) -> None:
    """Whoever sets 100 expects 100 to pass and 100.01 not to."""
    name, config = SCOPES[scope]
    exposure = exposure_of(name)
    assert check(config(limits), exposure, size="100") is APPROVED
    verdict = check(config(limits), exposure, size="100.01")
    bound = BOUNDS[code]
    assert evidence(verdict) == (False, code, bound, value)
    assert verdict.evidence == {"limit": bound, "value": value}
    assert verdict.reason == f"{code} of {name}: {value} against a limit of {bound}"
    assert verdict.adjusted_size is None


COUNTERS = {
    "open_orders": ("max_open_orders", "open_orders"),
    "circuit_breaker_rejects": ("max_consecutive_rejects", "rejects"),
    "circuit_breaker_failures": ("max_consecutive_failures", "failures"),
}


@EVERY_SCOPE
@pytest.mark.parametrize("code", COUNTERS)
def test_a_counter_refuses_once_its_limit_is_reached(code: str, scope: str) -> None:
    """With 3 allowed, the third order passes and the fourth does not."""
    limit, counter = COUNTERS[code]
    name, config = SCOPES[scope]
    allowed = config(RiskLimits(**{limit: 3}))  # type: ignore[arg-type]
    assert check(allowed, using(name, **{counter: 2})) is APPROVED
    verdict = check(allowed, using(name, **{counter: 3}))
    assert evidence(verdict) == (False, code, "3", "3")
    assert check(allowed, using(name, **{counter: 4})).value == "4"


@EVERY_SCOPE
def test_a_rate_counts_the_last_second_alone(scope: str) -> None:
    """A window that is too long stops a quiet bot, one too short a runaway."""
    name, config = SCOPES[scope]
    two = config(RiskLimits(max_orders_per_second=2))
    assert check(two, asked(name, "0.5")) is APPROVED
    assert check(two, asked(name, "1", "0.5")) is APPROVED
    assert check(two, asked(name, "0.1", "0.1", "1", "0.5")) is APPROVED
    verdict = check(two, asked(name, "0.999999", "0.5"))
    assert evidence(verdict) == (False, "orders_per_second", "2", "2")


@pytest.mark.parametrize("rate", [1, MAX_RATE])
def test_a_rate_can_be_limited_up_to_what_is_remembered(rate: int) -> None:
    """Both ends work: one order a second, and a thousand."""
    assert RiskLimits(max_orders_per_second=rate).max_orders_per_second == rate
    assert Limits(max_orders_per_second=rate).max_orders_per_second == rate


@pytest.mark.parametrize("rate", [0, MAX_RATE + 1])
def test_a_rate_that_cannot_be_checked_is_refused(rate: int) -> None:
    """Only so many request times are kept: a higher limit would never hold."""
    with pytest.raises(InvalidInputError, match="between 1 and 1000") as refused:
        RiskLimits(max_orders_per_second=rate)
    assert refused.value.field == "max_orders_per_second"
    with pytest.raises(ValidationError, match="max_orders_per_second"):
        Limits(max_orders_per_second=rate)


@EVERY_SCOPE
def test_the_price_band_includes_both_its_ends(scope: str) -> None:
    """A fat finger pays 0.99 for what is worth 0.10."""
    name, config = SCOPES[scope]
    band = config(RiskLimits(min_price=D("0.20"), max_price=D("0.80")))
    assert check(band, price="0.20") is APPROVED
    assert check(band, price="0.80") is APPROVED
    low, high = check(band, price="0.19"), check(band, price="0.81")
    assert evidence(low) == (False, "price_band", "0.2", "0.19")
    assert evidence(high) == (False, "price_band", "0.8", "0.81")
    assert high.reason == f"price_band of {name}: 0.81 against a limit of 0.8"


@EVERY_SCOPE
def test_the_days_loss_stops_buying_and_selling_for_the_day(scope: str) -> None:
    """A strategy that loses must not try to win it back tonight."""
    name, config = SCOPES[scope]
    most = config(RiskLimits(max_daily_loss=D("20")))
    assert check(most, using(name, day=TODAY, day_pnl=D("-19.999999"))) is APPROVED
    lost = using(name, day=TODAY, day_pnl=D("-20"))
    assert evidence(check(most, lost)) == (False, "daily_loss", "20", "20")
    lost.free_shares["alpha", "0xmarket", Outcome.YES] = D("100")
    assert check(most, lost, side="SELL").code == "daily_loss"
    assert check(most, using(name, day=TODAY - 1, day_pnl=D("-99"))) is APPROVED
    assert check(most, using(name, day=TODAY, day_pnl=D("99"))) is APPROVED


def test_own_limits_replace_the_default_ones() -> None:
    """A strategy with limits of its own may do more, or less, than others."""
    strict, loose = RiskLimits(max_order_size=D("10")), RiskLimits()
    by_strategy = RiskConfig(default_strategy=strict, strategies={"alpha": loose})
    assert check(by_strategy) is APPROVED
    assert check(by_strategy, strategy="beta").code == "order_size"
    by_market = RiskConfig(default_market=strict, markets={"0xmarket": loose})
    assert check(by_market) is APPROVED
    assert check(by_market, market_id="0xother").code == "order_size"


def test_a_group_limits_its_own_markets_alone() -> None:
    """All windows of one underlying share a limit; other markets do not."""
    limits = RiskLimits(max_order_size=D("10"))
    config = RiskConfig(groups={"btc": MarketGroup(markets=GROUP, limits=limits)})
    assert check(config, market_id="0xother").reason.startswith(
        "order_size of group:btc"
    )
    assert check(config, market_id="0xthird") is APPROVED


def test_one_manager_keeps_the_scopes_of_its_callers_apart() -> None:
    """Scopes are remembered per strategy and market: one must not get another's."""
    manager = RiskManager(
        RiskConfig(
            account=RiskLimits(max_orders_per_second=9),
            strategies={"alpha": RiskLimits(max_order_size=D("10"))},
            markets={"0xother": RiskLimits(max_orders_per_second=1)},
            groups={
                "btc": MarketGroup(
                    markets=GROUP, limits=RiskLimits(max_orders_per_second=5)
                )
            },
        )
    )

    def code(**changes: Any) -> str:
        exposure = FakeExposure()
        wanted = intent(**changes)
        return manager.check_order(wanted, exposure, market=MARKET, now=NOW).code

    assert [code(), code(strategy="beta"), code()] == ["order_size", "", "order_size"]
    assert manager.rate_scopes(intent()) == ("account", "group:btc")
    other = intent(market_id="0xother")
    assert manager.rate_scopes(other) == ("account", "market:0xother", "group:btc")
    assert manager.rate_scopes(intent(market_id="0xthird")) == ("account",)


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_halted_ledger_takes_nothing(side: str) -> None:
    """Somebody has pulled the plug: also an exit waits for a person."""
    exposure = FakeExposure()
    exposure.free_shares["alpha", "0xmarket", Outcome.YES] = D("100")
    exposure.mode = TradingMode.HALTED
    verdict = check(RiskConfig(), exposure, side=side)
    assert evidence(verdict) == (False, "halted", "normal", "halted")
    assert verdict.reason == "halted of ledger: halted against a limit of normal"


def test_reduce_only_takes_what_reduces_and_nothing_else() -> None:
    """Getting out must stay possible when getting in is not."""
    exposure = FakeExposure()
    exposure.free_shares["alpha", "0xmarket", Outcome.YES] = D("100")
    exposure.mode = TradingMode.REDUCE_ONLY
    assert check(RiskConfig(), exposure, side="SELL") is APPROVED
    verdict = check(RiskConfig(), exposure)
    assert evidence(verdict) == (False, "reduce_only", "normal", "reduce_only")


def test_a_buy_must_be_covered_by_free_cash_and_its_fee() -> None:
    """The venue cancels every order of a wallet that cannot pay."""
    exposure = FakeExposure()
    exposure.cash = D("40")
    assert check(RiskConfig(), exposure) is APPROVED
    exposure.cash = D("39.999999")
    verdict = check(RiskConfig(), exposure)
    assert evidence(verdict) == (False, "cash", "39.999999", "40")
    assert verdict.reason.startswith("cash of account: ")
    # 100 x 0.07 x 0.40 x 0.60 = 1.68 may come on top as the taker's fee.
    exposure.cash = D("41.68")
    assert check(RiskConfig(), exposure, market=WITH_FEE) is APPROVED
    exposure.cash = D("41.67")
    verdict = check(RiskConfig(), exposure, market=WITH_FEE)
    assert evidence(verdict) == (False, "cash", "41.67", "41.68")
    assert check(RiskConfig(), exposure, market=WITH_FEE, post_only=True) is APPROVED
    assert check(RiskConfig(check_cash=False), exposure, market=WITH_FEE) is APPROVED


def test_selling_more_than_the_free_settled_shares_is_refused() -> None:
    """Shares whose trades are not confirmed cannot be delivered."""
    exposure = FakeExposure()
    exposure.free_shares["alpha", "0xmarket", Outcome.YES] = D("60")
    exposure.free_shares["alpha", "0xmarket", Outcome.NO] = D("999")
    exposure.free_shares["beta", "0xmarket", Outcome.YES] = D("999")
    assert check(RiskConfig(), exposure, side="SELL", size="60") is APPROVED
    verdict = check(RiskConfig(), exposure, side="SELL", size="60.01")
    assert evidence(verdict) == (False, "settled_shares", "60", "60.01")
    assert verdict.reason.startswith("settled_shares of alpha: ")


def test_selling_needs_no_cash_and_no_room_in_the_position() -> None:
    """What limits the way in must not lock the way out."""
    exposure = using("account", gross=D("1000"))
    exposure.free_shares["alpha", "0xmarket", Outcome.YES] = D("100")
    exposure.held[None, "0xmarket", Outcome.YES] = D("1000")
    exposure.cash = D("0")
    limits = RiskLimits(max_position=D("10"), max_gross_exposure=D("10"))
    assert check(RiskConfig(account=limits), exposure, side="SELL") is APPROVED
    sized = RiskConfig(account=RiskLimits(max_order_size=D("10")))
    assert check(sized, exposure, side="SELL").code == "order_size"


def test_the_tightest_limit_is_the_one_that_is_named() -> None:
    """The reader raises that limit, and the order must pass then."""
    config = RiskConfig(
        account=RiskLimits(max_order_size=D("50")),
        default_strategy=RiskLimits(max_order_notional=D("10")),
        default_market=RiskLimits(max_order_size=D("30")),
    )
    assert check(config).reason == (
        "order_notional of strategy:alpha: 40 against a limit of 10"
    )


def test_of_two_equally_tight_limits_the_wider_scope_is_named() -> None:
    """The same log must come out of the same intents."""
    limits = RiskLimits(max_order_size=D("50"))
    config = RiskConfig(account=limits, default_market=limits)
    assert check(config).reason.startswith("order_size of account: ")


RESIZED: list[tuple[str, RiskConfig, FakeExposure, str, str]] = [
    # What, limits, state, the size allowed, the code of the limit.
    (
        "size",
        RiskConfig(account=RiskLimits(max_order_size=D("42.5")), resize=True),
        FakeExposure(),
        "42.5",
        "order_size",
    ),
    (
        "notional: 10 / 0.40",
        RiskConfig(account=RiskLimits(max_order_notional=D("10")), resize=True),
        FakeExposure(),
        "25",
        "order_notional",
    ),
    (
        "position: 80 - 50",
        RiskConfig(account=RiskLimits(max_position=D("80")), resize=True),
        holding("account", "50"),
        "30",
        "position",
    ),
    (
        "gross: (15 - 10) / 0.40",
        RiskConfig(account=RiskLimits(max_gross_exposure=D("15")), resize=True),
        using("account", gross=D("10")),
        "12.5",
        "gross_exposure",
    ),
    (
        "the smallest of them",
        RiskConfig(
            account=RiskLimits(max_order_size=D("42.5"), max_order_notional=D("10")),
            default_strategy=RiskLimits(max_order_size=D("7")),
            resize=True,
        ),
        FakeExposure(),
        "7",
        "order_size",
    ),
]


@pytest.mark.parametrize(
    ("config", "exposure", "size", "code"),
    [case[1:] for case in RESIZED],
    ids=[case[0] for case in RESIZED],
)
def test_a_size_is_cut_to_what_every_limit_allows(
    config: RiskConfig, exposure: FakeExposure, size: str, code: str
) -> None:
    """Whoever asked for resizing gets the largest order that is allowed."""
    verdict = check(config, exposure)
    assert (verdict.approved, verdict.adjusted_size) == (True, D(size))
    assert verdict.code == code
    assert f"{code} of " in verdict.reason
    assert verdict.limit
    assert verdict.value
    allowed = check(config, exposure, size=size)
    assert allowed is APPROVED, "the size it was cut to breaks a limit again"


def test_a_cut_size_is_floored_to_what_can_be_signed() -> None:
    """Rounding up by a hundredth would break the limit it was cut to."""
    config = RiskConfig(account=RiskLimits(max_order_notional=D("10")), resize=True)
    # 10 / 0.30 = 33.333..., 10 / 0.07 = 142.857...
    assert check(config, price="0.30").adjusted_size == D("33.33")
    assert check(config, price="0.07", size="500").adjusted_size == D("142.85")


def test_cash_and_shares_cut_the_size_as_well() -> None:
    """What is there is better than nothing, fee included."""
    exposure = FakeExposure()
    exposure.cash = D("20.84")  # half of the 41.68 that 100 shares may cost
    exposure.free_shares["alpha", "0xmarket", Outcome.YES] = D("12.345678")
    config = RiskConfig(resize=True)
    bought = check(config, exposure, market=WITH_FEE)
    assert (bought.adjusted_size, bought.code) == (D("50"), "cash")
    sold = check(config, exposure, side="SELL")
    assert (sold.adjusted_size, sold.code) == (D("12.34"), "settled_shares")


def test_a_size_cut_below_the_venues_minimum_is_refused() -> None:
    """The venue would refuse it, and count it against us."""
    at_least = RiskConfig(account=RiskLimits(max_order_size=D("5")), resize=True)
    assert check(at_least).adjusted_size == D("5")
    below = RiskConfig(account=RiskLimits(max_order_size=D("4.999")), resize=True)
    verdict = check(below)
    assert evidence(verdict) == (False, "order_size", "4.999", "100")
    assert verdict.adjusted_size is None
    free = replace(MARKET, min_size=D("0"))
    assert check(below, market=free).adjusted_size == D("4.99")


@pytest.mark.parametrize(
    "exposure",
    [holding("account", "50"), holding("account", "60")],
    ids=["full", "over it"],
)
def test_a_full_position_leaves_nothing_to_cut_to(exposure: FakeExposure) -> None:
    """An order of nothing, or of less than nothing, is no order."""
    config = RiskConfig(account=RiskLimits(max_position=D("50")), resize=True)
    free = replace(MARKET, min_size=D("0"))
    verdict = check(config, exposure, market=free)
    assert (verdict.approved, verdict.code) == (False, "position")


def test_cash_that_is_overdrawn_leaves_nothing_to_cut_to() -> None:
    """Reservations may exceed the cash when a deposit is taken back."""
    exposure = FakeExposure()
    exposure.cash = D("-5")
    free = replace(MARKET, min_size=D("0"))
    verdict = check(RiskConfig(resize=True), exposure, market=free)
    assert evidence(verdict) == (False, "cash", "-5", "40")


def test_what_no_smaller_size_satisfies_is_not_resized() -> None:
    """A loss or a full book of orders is not mended by a smaller order."""
    config = RiskConfig(account=RiskLimits(max_open_orders=1), resize=True)
    verdict = check(config, using("account", open_orders=1))
    assert (verdict.approved, verdict.code) == (False, "open_orders")


def test_an_order_within_its_limits_is_not_resized() -> None:
    """The intent must stay as it was received whenever it can."""
    config = RiskConfig(account=RiskLimits(max_order_size=D("100")), resize=True)
    assert check(config) is APPROVED


def test_a_fee_is_what_a_taker_may_pay_and_no_maker() -> None:
    """0.07 x 0.40 x 0.60 per share: the reservation's upper bound."""
    price, rate = D("0.40"), D("0.07")
    assert fee_per_share(price, rate, post_only=False) == D("0.0168")
    assert fee_per_share(price, rate, post_only=True) == 0
    assert fee_per_share(price, D("0"), post_only=False) == 0


def test_limits_without_any_limit_are_empty() -> None:
    """Empty scopes are left out of every check."""
    assert RiskLimits().is_empty
    assert not RiskLimits(max_open_orders=0).is_empty
    assert check(RiskConfig(account=RiskLimits(max_open_orders=0))).code == (
        "open_orders"
    )


def test_each_scope_reads_its_own_usage() -> None:
    """One strategy's full book must not stop another one."""
    config = RiskConfig(default_strategy=RiskLimits(max_open_orders=1))
    exposure = using("strategy:beta", open_orders=1)
    assert check(config, exposure) is APPROVED
    assert check(config, exposure, strategy="beta").code == "open_orders"


def test_the_position_of_a_strategy_is_its_own() -> None:
    """The account's limit counts all strategies, a strategy's only its own."""
    exposure = FakeExposure()
    exposure.held[None, "0xmarket", Outcome.YES] = D("90")
    exposure.held["alpha", "0xmarket", Outcome.YES] = D("10")
    limits = RiskLimits(max_position=D("150"))
    assert check(RiskConfig(default_strategy=limits), exposure) is APPROVED
    for config in (
        RiskConfig(account=limits),
        RiskConfig(default_market=limits),
    ):
        assert check(config, exposure).value == "190"
    assert check(RiskConfig(account=limits), exposure, outcome="NO") is APPROVED


def test_sides_of_a_check_do_not_depend_on_each_other() -> None:
    """The same question gets the same answer: nothing is kept between checks."""
    manager = RiskManager(RiskConfig(account=RiskLimits(max_order_size=D("10"))))
    exposure = FakeExposure()
    verdicts = [
        manager.check_order(wanted, exposure, market=MARKET, now=NOW)
        for wanted in (intent(), intent(side=Side.SELL), intent())
    ]
    assert verdicts[0] == verdicts[2]
    assert [v.code for v in verdicts] == ["order_size", "settled_shares", "order_size"]
