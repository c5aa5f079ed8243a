"""Where settings come from, and which source wins."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from config import load_settings

WriteYaml = Callable[[str], Path]


@pytest.fixture
def profile(tmp_path: Path) -> WriteYaml:
    """Write a profile and return its path."""

    def write(text: str) -> Path:
        path = tmp_path / f"profile{len(list(tmp_path.iterdir()))}.yaml"
        path.write_text(text)
        return path

    return write


class TestFiles:
    def test_profile_overrides_only_what_it_names(self, profile: WriteYaml) -> None:
        """A profile is read as a difference, so it can stay short."""
        execution = load_settings(
            [profile("execution: {max_slippage_bps: 10}")], env={}
        ).execution
        assert (execution.max_slippage_bps, execution.warn_slippage_bps) == (10, 25)

    def test_later_file_wins(self, profile: WriteYaml) -> None:
        """The order on the command line is the order of precedence."""
        files = [profile("paper: {seed: 1}"), profile("paper: {seed: 2}")]
        assert load_settings(files, env={}).paper.seed == 2

    @pytest.mark.parametrize(
        "text", ["0.01", "'0.01'", '"0.010"', "0.0100000000000000000000"]
    )
    def test_number_is_read_from_its_text(self, profile: WriteYaml, text: str) -> None:
        """0.01 has no exact float, so it must never have been one."""
        path = profile(f"execution:\n  position_tolerance: {text}\n")
        tolerance = load_settings([path], env={}).execution.position_tolerance
        assert str(tolerance) == "0.01"

    def test_digits_beyond_a_float_survive(self, profile: WriteYaml) -> None:
        """A float holds 17 digits; an amount may have 18."""
        path = profile("paper: {initial_cash: 123456789012.345678}")
        cash = load_settings([path], env={}).paper.initial_cash
        assert cash == Decimal("123456789012.345678")

    def test_hexadecimal_address_stays_text(self, profile: WriteYaml) -> None:
        """YAML would read an unquoted address as a number."""
        funder = "0x" + "12" * 20
        path = profile(f"polymarket: {{funder: {funder}, signature_type: 2}}")
        assert load_settings([path], env={}).polymarket.funder == funder

    def test_null_removes_a_default_limit(self, profile: WriteYaml) -> None:
        """There must be a way to say "no limit"."""
        path = profile("risk: {account: {max_open_orders: null}}")
        assert load_settings([path], env={}).risk.account.max_open_orders is None

    @pytest.mark.parametrize("text", ["", "# nothing\n", "risk:\n  # later\n"])
    def test_empty_parts_change_nothing(self, profile: WriteYaml, text: str) -> None:
        """A section whose keys are all commented out is still valid."""
        assert load_settings([profile(text)], env={}) == load_settings(env={})

    def test_scopes_of_risk_are_read(self, profile: WriteYaml) -> None:
        """Limits exist per strategy, market and group of markets."""
        path = profile(
            "strategies: [pair_arb]\n"
            "risk:\n"
            "  strategies: {pair_arb: {max_open_orders: 4}}\n"
            "  markets: {0xabc: {max_price: 0.9}}\n"
            "  groups: {btc: {markets: [0xabc, 0xdef], max_position: 5}}\n"
        )
        risk = load_settings([path], env={}).risk
        assert risk.strategies["pair_arb"].max_open_orders == 4
        assert risk.markets["0xabc"].max_price == Decimal("0.9")
        assert risk.groups["btc"].markets == ("0xabc", "0xdef")


class TestEnvironment:
    def test_variable_overrides_the_files(self, profile: WriteYaml) -> None:
        """A container is configured without editing what is in it."""
        env = {"ORDER_LEDGER_PAPER__INITIAL_CASH": "0.30"}
        settings = load_settings([profile("paper: {initial_cash: 7}")], env=env)
        assert settings.paper.initial_cash == Decimal("0.3")

    def test_lists_and_sections_are_written_as_in_yaml(self) -> None:
        """Every setting can be reached from every source."""
        env = {
            "ORDER_LEDGER_STRATEGIES": "[a, b]",
            "ORDER_LEDGER_RISK__STRATEGIES": "{a: {max_position: 0.1}}",
        }
        settings = load_settings(env=env)
        assert settings.strategies == ("a", "b")
        assert settings.risk.strategies["a"].max_position == Decimal("0.1")

    def test_empty_variable_is_no_variable(self) -> None:
        """Many launchers pass on unset variables as empty ones."""
        env = {"ORDER_LEDGER_PAPER__SEED": ""}
        assert load_settings(env=env) == load_settings(env={})

    def test_variables_of_others_are_left_alone(self) -> None:
        """The command line has its own variables, and other programs theirs."""
        env = {"ORDER_LEDGER_DATA": "x", "ORDER_LEDGER_CONFIG": "y", "HOME": "/"}
        assert load_settings(env=env) == load_settings(env={})

    def test_null_removes_a_limit(self) -> None:
        """As in a file."""
        env = {"ORDER_LEDGER_RISK__ACCOUNT__MAX_OPEN_ORDERS": "null"}
        assert load_settings(env=env).risk.account.max_open_orders is None

    def test_process_environment_is_the_default(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the shell exports counts without being handed over."""
        monkeypatch.setenv("ORDER_LEDGER_PAPER__SEED", "9")
        assert load_settings().paper.seed == 9


class TestFlags:
    def test_flag_overrides_everything(self, profile: WriteYaml) -> None:
        """What somebody types now is what they mean."""
        settings = load_settings(
            [profile("paper: {seed: 1}")],
            env={"ORDER_LEDGER_PAPER__SEED": "2"},
            overrides=["paper.seed=3"],
        )
        assert settings.paper.seed == 3

    def test_last_of_two_flags_wins(self) -> None:
        """A flag at the end of a remembered command line corrects it."""
        settings = load_settings(env={}, overrides=["paper.seed=3", "paper.seed=4"])
        assert settings.paper.seed == 4

    def test_value_may_contain_an_equals_sign(self) -> None:
        """Only the first one separates."""
        flag = "polymarket.host=http://127.0.0.1:8080/?a=b"
        host = load_settings(env={}, overrides=[flag]).polymarket.host
        assert host == "http://127.0.0.1:8080/?a=b"

    def test_names_keep_their_case(self) -> None:
        """A strategy may be called as its author likes."""
        flag = "risk.strategies.PairArb.max_open_orders=2"
        risk = load_settings(env={}, overrides=[flag]).risk
        assert risk.strategies["PairArb"].max_open_orders == 2
