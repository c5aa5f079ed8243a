"""What a match becomes on chain, and what it does to the account meanwhile."""

from typing import Any

import pytest

from executors.paper import PaperConfig
from executors.paper.settlement import fate_of, steps_after
from ledger.decide import LookupFound, PostOutcome, SettlementSeen
from ledger.errors import VenueRejectedError
from ledger.values import Settlement
from tests.unit.paper.kit import BUY, FAK, NO, SELL, YES, Desk, d

M, R, C, F = (
    Settlement.MINED,
    Settlement.RETRYING,
    Settlement.CONFIRMED,
    Settlement.FAILED,
)


def times(desk: Desk) -> list[tuple[Settlement, int]]:
    """Take the facts; each settlement with its time since the start."""
    return [
        (seen.fact.status, (seen.fact.venue_time or 0) - 1_000_000)
        for seen in desk.venue.take_facts()
        if isinstance(seen.fact, SettlementSeen)
    ]


def bought(**config: Any) -> Desk:
    """Ten shares bought at 0.40 for 4 pUSD and a fee of 0.168, not settled."""
    desk = Desk(**config)
    desk.show([("0.40", "100")], [("0.40", "100")])
    assert desk.place(BUY, "0.40", "10").outcome is PostOutcome.MATCHED
    return desk


class TestPath:
    def test_a_trade_is_mined_and_then_confirmed(self) -> None:
        """At the configured times after the match, on the venue's clock."""
        desk = bought()
        desk.wait(60_000)
        assert times(desk) == [(M, 2_000), (C, 5_000)]

    def test_nothing_happens_before_its_time(self) -> None:
        """A driver may advance as often as it likes."""
        desk = bought()
        desk.venue.take_facts()
        desk.wait(1_999)
        assert desk.said() == []
        assert desk.venue.next_due_ms() == 1_002_000
        desk.wait(1)
        assert desk.said() == ["MINED"]

    def test_a_failing_trade_is_never_mined(self) -> None:
        """Its transaction reverted: there is no block it stands in."""
        desk = bought(failure_rate=d("1"))
        desk.wait(60_000)
        assert times(desk) == [(F, 5_000)]

    def test_a_retried_trade_has_another_hash_in_the_end(self) -> None:
        """Who stores the first hash as the proof looks for it in vain."""
        desk = bought(retry_rate=d("1"))
        desk.wait(60_000)
        seen = [
            fact.fact
            for fact in desk.venue.take_facts()
            if isinstance(fact.fact, SettlementSeen)
        ]
        assert [fact.status for fact in seen] == [R, M, C]
        assert seen[0].tx_hash != seen[1].tx_hash == seen[2].tx_hash

    def test_jitter_moves_each_step_by_at_most_itself(self) -> None:
        """Real trades do not settle in step."""
        config = PaperConfig(settlement_jitter_ms=100)
        delays = [fate_of(f"t-{n}", config) for n in range(200)]
        early = {steps[0][0] for steps in delays}
        late = {steps[1][0] for steps in delays}
        assert min(early) >= 2_000
        assert max(early) <= 2_100
        assert min(late) >= 3_000
        assert max(late) <= 3_100
        assert len(early) > 50

    def test_rates_are_kept_over_many_trades(self) -> None:
        """A tenth fails and a fifth retries, within what 2,000 draws allow."""
        config = PaperConfig(failure_rate=d("0.1"), retry_rate=d("0.2"))
        paths = [[s for _, s in fate_of(f"t-{n}", config)] for n in range(2_000)]
        assert 150 < sum(F in path for path in paths) < 250
        assert 330 < sum(R in path for path in paths) < 470

    def test_a_fate_depends_on_seed_and_trade_alone(self) -> None:
        """So a restart, or another order in between, changes nothing."""
        config = PaperConfig(settlement_jitter_ms=1_000_000)
        other = PaperConfig(settlement_jitter_ms=1_000_000, seed=2)
        assert fate_of("t-1", config) == fate_of("t-1", config)
        assert fate_of("t-1", config) != fate_of("t-2", config)
        assert fate_of("t-1", config) != fate_of("t-1", other)

    @pytest.mark.parametrize(
        ("status", "path", "left"),
        [
            (Settlement.MATCHED, [M, C], [M, C]),
            (M, [M, C], [C]),
            (C, [M, C], []),
            (R, [R, M, C], [M, C]),
            (R, [M, C], [M, C]),
            (M, [R, F], [F]),
            (F, [R, F], []),
        ],
    )
    def test_a_restored_trade_goes_on_from_where_it_was(
        self, status: Settlement, path: list[Settlement], left: list[Settlement]
    ) -> None:
        """Also if it was mined, and another seed would now have it fail."""
        steps = [(7, state) for state in path]
        assert steps_after(status, steps) == [(7, state) for state in left]

    def test_a_trade_keeps_its_size_at_the_venue_when_it_fails(self) -> None:
        """The order stays matched there: a void fill does not rest again."""
        desk = bought(failure_rate=d("1"))
        desk.wait(60_000)
        assert desk.venue.look_up(desk.last).found is LookupFound.MATCHED
        assert desk.venue.open_orders() == ()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"failure_rate": d("1.1")},
            {"retry_rate": d("-0.1")},
            {"mined_delay_ms": 9_000},
            {"settlement_jitter_ms": -1},
        ],
    )
    def test_senseless_settings_are_refused(self, wrong: dict[str, object]) -> None:
        """Better at start than as a trade that confirms before it is mined."""
        with pytest.raises(ValueError, match="must"):
            PaperConfig(**wrong)  # type: ignore[arg-type]


class TestAccount:
    def test_a_buy_costs_price_and_fee_when_it_confirms(self) -> None:
        """Until then the pUSD is locked, not gone."""
        desk = bought()
        assert desk.venue.available_cash() == d("995.832")
        assert desk.venue.holdings().cash == d("1000")
        desk.wait(5_000)
        holdings = desk.venue.holdings()
        assert holdings.cash == d("995.832")
        assert [(p.outcome, p.size) for p in holdings.positions] == [(YES, d("10"))]

    def test_shares_are_sellable_only_once_confirmed(self) -> None:
        """The venue refuses the SELL that comes right after the BUY."""
        desk = bought()
        desk.wait(4_999)
        answer = desk.place(SELL, "0.40", "10")
        assert (answer.outcome, answer.code) == (
            PostOutcome.REFUSED,
            "insufficient_balance",
        )
        assert answer.text == (
            "not enough balance / allowance: the balance is not enough"
            " -> balance: 0, order amount: 10000000"
        )
        desk.wait(1)
        assert desk.place(SELL, "0.40", "10").outcome is PostOutcome.MATCHED

    def test_the_fee_of_a_sell_comes_out_of_its_proceeds(self) -> None:
        """4 pUSD less the fee of 0.168, when it confirms."""
        desk = Desk()
        desk.own("10")
        desk.show([("0.40", "100")])
        desk.place(SELL, "0.40", "10")
        assert desk.venue.available_shares("111") == 0
        assert desk.venue.available_cash() == d("1000")
        desk.wait(5_000)
        assert desk.venue.available_cash() == d("1003.832")
        assert desk.venue.holdings().positions == ()

    def test_a_void_buy_gives_everything_back(self) -> None:
        """The fee as well."""
        desk = bought(failure_rate=d("1"))
        desk.wait(5_000)
        assert desk.venue.available_cash() == d("1000")
        assert desk.venue.holdings().positions == ()

    def test_a_void_sell_gives_the_shares_back(self) -> None:
        """And no proceeds."""
        desk = Desk(failure_rate=d("1"))
        desk.own("10")
        desk.show([("0.40", "100")])
        desk.place(SELL, "0.40", "10")
        desk.wait(5_000)
        assert desk.venue.available_shares("111") == d("10")
        assert desk.venue.holdings().cash == d("1000")

    def test_open_orders_lock_what_they_may_cost(self) -> None:
        """Two bids cannot both count on the same pUSD."""
        desk = Desk(initial_cash=d("10"))
        desk.show([("0.40", "100")], [("0.50", "100")])
        desk.place(BUY, "0.40", "20", post_only=True)
        answer = desk.place(BUY, "0.40", "6", post_only=True)
        assert answer.text.endswith("balance: 2000000, order amount: 2400000")
        assert desk.place(BUY, "0.40", "5", post_only=True).outcome is PostOutcome.LIVE

    def test_the_fee_must_be_there_too(self) -> None:
        """A taker's fee comes on top: 4 pUSD do not buy 10 shares at 0.40."""
        desk = Desk(initial_cash=d("4.16"))
        desk.show([], [("0.40", "100")])
        assert desk.place(BUY, "0.40", "10").code == "insufficient_balance"
        desk = Desk(initial_cash=d("4.168"))
        desk.show([], [("0.40", "100")])
        assert desk.place(BUY, "0.40", "10").outcome is PostOutcome.MATCHED

    def test_price_improvement_frees_the_difference(self) -> None:
        """Bid 0.50, paid 0.40: nothing stays locked for a done order."""
        desk = Desk()
        desk.show([], [("0.40", "100")])
        desk.place(BUY, "0.50", "10")
        assert desk.venue.available_cash() == d("995.832")

    def test_what_a_cancel_leaves_is_free_again(self) -> None:
        """Only the filled part stays locked: 10 shares at 0.40."""
        desk = Desk()
        desk.show([("0.39", "1")], [("0.50", "100")])
        desk.place(BUY, "0.40", "30")
        desk.trade(SELL, "0.40", "10")
        assert desk.venue.available_cash() == d("988")
        desk.venue.cancel(desk.now_ms, desk.last)
        assert desk.venue.available_cash() == d("996")

    def test_open_sells_lock_their_shares(self) -> None:
        """Fifteen shares cannot be offered as ten and ten."""
        desk = Desk()
        desk.own("15")
        desk.show([("0.40", "1")], [("0.50", "100")])
        desk.place(SELL, "0.50", "10")
        answer = desk.place(SELL, "0.51", "10")
        assert answer.text.endswith("balance: 5000000, order amount: 10000000")

    def test_a_restart_of_the_count_cannot_reuse_a_trade_id(self) -> None:
        """Two trades of one id in one order would count as one."""
        first, second = bought(run=1), bought(run=2)
        one = first.venue.trades_since(0)[0].trade_id
        two = second.venue.trades_since(0)[0].trade_id
        assert (one, two) == ("paper-1-1", "paper-2-1")

    def test_trades_are_listed_by_their_last_change(self) -> None:
        """A sweep since the last one must see a trade that settled meanwhile."""
        desk = bought()
        desk.wait(5_000)
        [fill] = desk.venue.trades_since(1_005_000)
        assert fill.status is C
        assert desk.venue.trades_since(1_005_001) == ()

    def test_finished_orders_are_forgotten_oldest_first(self) -> None:
        """A venue that runs for months must not grow for months."""
        desk = Desk(max_finished_orders=2)
        desk.show([], [("0.40", "100")])
        names = []
        for _ in range(3):
            desk.place(BUY, "0.30", "10", FAK)
            names.append(desk.last)
        found = [desk.venue.look_up(name).found for name in names]
        assert found == [LookupFound.NONE, LookupFound.CANCELED, LookupFound.CANCELED]


class TestChain:
    def test_a_split_buys_both_sides_and_a_merge_undoes_it(self) -> None:
        """One pUSD is one share of each outcome, always."""
        desk = Desk()
        chain = desk.venue.chain
        first = chain.split(desk.market, d("100"))
        assert desk.venue.available_cash() == d("900")
        assert desk.venue.available_shares("111") == d("100")
        assert desk.venue.available_shares("222") == d("100")
        second = chain.merge(desk.market, d("40"))
        assert desk.venue.available_cash() == d("940")
        assert desk.venue.available_shares("222") == d("60")
        assert first != second

    def test_what_is_locked_cannot_be_moved(self) -> None:
        """A share offered for sale is not there to be merged."""
        desk = Desk()
        desk.venue.chain.split(desk.market, d("10"))
        desk.show([("0.40", "1")], [("0.50", "100")])
        desk.place(SELL, "0.50", "6")
        with pytest.raises(VenueRejectedError, match="not enough balance"):
            desk.venue.chain.merge(desk.market, d("5"))
        assert desk.venue.available_shares("222") == d("10")
        desk.venue.chain.merge(desk.market, d("4"))

    def test_more_than_the_cash_cannot_be_split(self) -> None:
        """Nor nothing at all."""
        desk = Desk()
        for size in ("1000.01", "0"):
            with pytest.raises(VenueRejectedError):
                desk.venue.chain.split(desk.market, d(size))

    def test_shares_redeem_for_their_payout_once_resolved(self) -> None:
        """The winner for 1 pUSD, the loser for 0, before that not at all."""
        desk = Desk()
        desk.venue.chain.split(desk.market, d("100"))
        with pytest.raises(VenueRejectedError) as caught:
            desk.venue.chain.redeem(desk.market, YES, d("100"))
        assert caught.value.code == "not_resolved"
        desk.venue.on_resolved(desk.now_ms, desk.market, {YES: d("1"), NO: d("0")})
        desk.venue.chain.redeem(desk.market, NO, d("100"))
        assert desk.venue.available_cash() == d("900")
        desk.venue.chain.redeem(desk.market, YES, d("100"))
        assert desk.venue.available_cash() == d("1000")
        with pytest.raises(VenueRejectedError):
            desk.venue.chain.redeem(desk.market, YES, d("0.01"))
        assert desk.venue.holdings().positions == ()
