"""What a newcomer gets without writing anything."""

from decimal import Decimal
from pathlib import Path

import pytest

from config import BASE_FILE, Execution, Settings, load_settings


def test_base_file_states_the_defaults() -> None:
    """The file is the documentation of the defaults, so it must not drift."""
    assert load_settings(env={}) == Settings()


def test_base_file_names_every_setting() -> None:
    """A setting that the file does not show is a setting nobody finds."""
    text = BASE_FILE.read_text()
    sections = Settings().model_dump(exclude={"polymarket", "strategies", "risk"})
    for section, values in sections.items():
        for key in values:
            assert f"  {key}: " in text, f"{section}.{key}"
    for key in type(Settings().risk.account).model_fields:
        assert f"    {key}: " in text, key


def test_every_setting_of_a_shipped_file_is_explained() -> None:
    """The units stand beside the numbers, where they are edited."""
    for path in BASE_FILE.parent.glob("*.yaml"):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            is_setting = line.startswith(" ") and not line.strip().startswith("#")
            if is_setting and not line.rstrip().endswith(":"):
                assert " # " in line, f"{path.name}:{number}"


def test_execution_defaults_are_the_specified_ones() -> None:
    """Other programs and the documentation rely on exactly these."""
    assert Execution().model_dump() == {
        "max_slippage_bps": 50,
        "warn_slippage_bps": 25,
        "order_timeout_ms": 30000,
        "cancel_timeout_ms": 10000,
        "max_retry_attempts": 3,
        "retry_base_delay_ms": 100,
        "reconcile_interval_sec": 60,
        "position_tolerance": Decimal("0.01"),
        "dust_tolerance": Decimal("0.01"),
        "paper_trading": True,
    }
    assert Settings().polymarket.host == "https://clob.polymarket.com"
    assert Settings().polymarket.chain_id == 137


@pytest.mark.parametrize(("name", "is_paper"), [("paper", True), ("live", False)])
def test_shipped_profiles_load_by_name(name: str, is_paper: bool) -> None:
    """Real money is only ever one word away, and never the default."""
    settings = load_settings([Path(name)], env={})
    assert settings.execution.paper_trading is is_paper
    assert settings.market_data.source == "live"


def test_live_profile_is_stricter_than_the_defaults() -> None:
    """Somebody's first real order must not be able to cost much."""
    live, base = load_settings([Path("live")], env={}).risk, Settings().risk
    assert live.account.max_order_notional == Decimal("100")
    assert base.account.max_order_notional == Decimal("10000")
