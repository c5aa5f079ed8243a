"""Every complaint names its place, its setting and the rule, all at once."""

from pathlib import Path

import pytest

from config import ConfigError, Settings, load_settings


def complaints(
    path: Path | None = None,
    text: str | bytes = "",
    env: dict[str, str] | None = None,
    flags: tuple[str, ...] = (),
) -> list[str]:
    """Load settings that are wrong and return what is said, file names shortened."""
    if path is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_settings([path] if path else [], env=env or {}, overrides=flags)
    folder = f"{path.parent}/" if path else ""
    return [line.replace(folder, "") for line in caught.value.lines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the profile of a test stands."""
    return tmp_path / "p.yaml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "execution: {max_slipage_bps: 4}",
            (
                "p.yaml:1:13 execution.max_slipage_bps is not a known key; "
                "did you mean max_slippage_bps?"
            ),
        ),
        ("exec: 1", "p.yaml:1:1 exec is not a known key; did you mean execution?"),
        (
            "execution: {max_slippage_bps: x}",
            "p.yaml:1:31 execution.max_slippage_bps must be a whole number",
        ),
        (
            "execution: {max_slippage_bps: 1.5}",
            "p.yaml:1:31 execution.max_slippage_bps must be a whole number",
        ),
        (
            "execution: {max_slippage_bps: true}",
            "p.yaml:1:31 execution.max_slippage_bps must be a whole number",
        ),
        (
            "execution: {max_slippage_bps: 10001}",
            "p.yaml:1:31 execution.max_slippage_bps must be at most 10000",
        ),
        (
            "execution: {position_tolerance: -1}",
            "p.yaml:1:33 execution.position_tolerance must be at least 0",
        ),
        (
            "execution: {position_tolerance: .nan}",
            (
                "p.yaml:1:33 execution.position_tolerance "
                "must be a plain decimal number such as 0.45"
            ),
        ),
        (
            "execution: {position_tolerance: 1e-2}",
            (
                "p.yaml:1:33 execution.position_tolerance "
                "must be a plain decimal number such as 0.45"
            ),
        ),
        (
            "execution: {position_tolerance: 0.0000001}",
            (
                "p.yaml:1:33 execution.position_tolerance "
                "must have at most 6 decimal places"
            ),
        ),
        (
            "execution: {position_tolerance: null}",
            (
                "p.yaml:1:33 execution.position_tolerance "
                "must be a decimal number as text, not NoneType"
            ),
        ),
        (
            "execution: {paper_trading: maybe}",
            "p.yaml:1:28 execution.paper_trading must be true or false",
        ),
        (
            "polymarket: {chain_id: 0}",
            "p.yaml:1:24 polymarket.chain_id must be above 0",
        ),
        (
            "polymarket: {signature_type: 2}",
            (
                "p.yaml:1:30 polymarket.signature_type needs polymarket.funder, "
                "the wallet that holds the money"
            ),
        ),
        (
            "polymarket: {host: nowhere}",
            r"p.yaml:1:20 polymarket.host must match ^https?://[^\s/]+[^\s]*$",
        ),
        (
            "polymarket: {host: [a]}",
            "p.yaml:1:20 polymarket.host must be a single value",
        ),
        (
            "risk: {account: {max_price: 1}}",
            "p.yaml:1:29 risk.account.max_price must be below 1",
        ),
        (
            "risk: {account: {min_price: 0.5, max_price: 0.2}}",
            (
                "p.yaml:1:45 risk.account.max_price must not be below min_price, "
                "which is 0.5"
            ),
        ),
        ("risk: {account: 5}", "p.yaml:1:17 risk.account must be a section of keys"),
        ("risk: 5", "p.yaml:1:7 risk must be a section of keys"),
        (
            "risk: {groups: {btc: {max_position: 4}}}",
            "p.yaml:1:22 risk.groups.btc.markets is missing",
        ),
        (
            "risk: {groups: {btc: {markets: []}}}",
            "p.yaml:1:32 risk.groups.btc.markets must not be empty",
        ),
        (
            "risk: {strategies: {'a b': {}}}",
            r"p.yaml:1:21 risk.strategies.a b must match ^[\w.:-]+$",
        ),
        (
            "risk: {strategies: {a: {max_positon: 1}}}",
            (
                "p.yaml:1:25 risk.strategies.a.max_positon is not a known key; "
                "did you mean max_position?"
            ),
        ),
        (
            "paper: {settle_confirmed_ms: 1}",
            (
                "p.yaml:1:30 paper.settle_confirmed_ms must not be below "
                "settle_mined_ms, which is 4000"
            ),
        ),
        (
            "polymarket: {client: v2}",
            "p.yaml:1:22 polymarket.client must be 'official' or 'v1'",
        ),
        ("strategies: pair_arb", "p.yaml:1:13 strategies must be a list"),
        ("strategies: [[a]]", "p.yaml:1:14 strategies.0 must be a single value"),
        ("log: {}\nlog: {}", "p.yaml:2:1 log is given twice"),
        (
            "log: {level: !!python/name:os.system x}",
            "p.yaml:1:14 log.level must not carry a YAML tag",
        ),
        (
            "paper: &a {}\nlog: *a",
            "p.yaml:2:1 log must be written out, not repeated by an alias",
        ),
        ("? [a]\n: b", "p.yaml:1:3 has a key that is not a plain word"),
        ("[a]", "p.yaml:1:1 must be a mapping of keys to values"),
        (
            "log: {level: {a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: 1}}}}}}}}}}}}",
            "p.yaml:1:58 log.level.a.b.c.d.e.f.g.h.i.j.k is nested more than 12 deep",
        ),
    ],
)
def test_complaint_about_a_file(path: Path, text: str, message: str) -> None:
    """Somebody who edits a file is led to the line, the column and the rule."""
    said = complaints(path, text)
    assert message in said
    assert said[said.index(message) + 1].strip() in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "p.yaml:1:6 is not valid YAML: "),
        ("a: " + "[" * 5000, "p.yaml is nested too deep"),
        ("a: @b", "p.yaml:1:4 is not valid YAML: found character '@'"),
        ("a: 1\n---\nb: 1", "p.yaml:2:1 is not valid YAML: "),
        (b"a: \xff", "p.yaml is not UTF-8 text"),
        ("a: \x00", "p.yaml is not valid YAML"),
        ("#" * 1_000_001, "p.yaml is longer than 1000000 bytes"),
    ],
)
def test_complaint_about_an_unreadable_file(
    path: Path, text: str | bytes, message: str
) -> None:
    """A file that is no YAML at all is a complaint like any other."""
    assert complaints(path, text)[0].startswith(message)


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A mistyped file name must not silently mean the defaults."""
    with pytest.raises(ConfigError) as caught:
        load_settings([tmp_path / "none.yaml"], env={})
    assert caught.value.lines() == [
        f"{tmp_path}/none.yaml cannot be read: No such file or directory"
    ]


def test_all_problems_are_told_at_once_in_reading_order(path: Path) -> None:
    """Mending one mistake per run is tedious."""
    text = "paper:\n  seed: x\nlog:\n  level: loud\nstore:\n  min_free_mb_wrn: 1\n"
    env = {"ORDER_LEDGER_STORE__BUSY_TIMEOUT_MS": "soon"}
    assert complaints(path, text, env, ("execution.max_retry_attempts=-1",)) == [
        "p.yaml:2:9 paper.seed must be a whole number",
        "    seed: x",
        "p.yaml:4:10 log.level must be 'debug', 'info', 'warning' or 'error'",
        "    level: loud",
        (
            "p.yaml:6:3 store.min_free_mb_wrn is not a known key; "
            "did you mean min_free_mb_warn?"
        ),
        "    min_free_mb_wrn: 1",
        "--set execution.max_retry_attempts must be at least 0",
        (
            "ORDER_LEDGER_STORE__BUSY_TIMEOUT_MS store.busy_timeout_ms "
            "must be a whole number"
        ),
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PAPER__SEED", "x", "paper.seed must be a whole number"),
        ("PAPER__SED", "1", "paper.sed is not a known key; did you mean seed?"),
        (
            "PAPER_SEED",
            "1",
            "paper_seed is not a known key; did you mean ORDER_LEDGER_PAPER__SEED?",
        ),
        ("NONSENSE", "1", "nonsense is not a known key"),
        ("STRATEGIES", "[a", "strategies is not a valid YAML list or section"),
        (
            "RISK__ACCOUNT",
            "{max_open_orders: x}",
            "risk.account.max_open_orders must be a whole number",
        ),
        ("PAPER__SEED__X", "1", "paper.seed must be a whole number"),
    ],
)
def test_complaint_about_a_variable(name: str, value: str, message: str) -> None:
    """The value came from outside the files, so no line of theirs is blamed."""
    variable = f"ORDER_LEDGER_{name}"
    assert complaints(env={variable: value})[0] == f"{variable} {message}"


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("paper.seed=x", "paper.seed must be a whole number"),
        ("paper.seed", "'paper.seed' must look like a.b=c"),
        ("paper.seed=", "'paper.seed=' must look like a.b=c"),
        ("=1", "'=1' must look like a.b=c"),
        ("paper..seed=1", "'paper..seed=1' must look like a.b=c"),
        ("papr.seed=1", "papr is not a known key; did you mean paper?"),
    ],
)
def test_complaint_about_a_flag(flag: str, message: str) -> None:
    """A flag is named as such."""
    assert complaints(flags=(flag,))[0] == f"--set {message}"


def test_value_and_section_at_once_is_refused() -> None:
    """Two flags that exclude each other cannot both be meant."""
    said = complaints(flags=("paper=1", "paper.seed=2"))
    assert said[0] == "--set paper.seed is set both as a value and as a section"


def test_limits_of_an_unknown_strategy_are_refused() -> None:
    """A mistyped name would leave the strategy without its limits."""
    flags = ("strategies=[pair_arb]", "risk.strategies.pair_arbs.max_open_orders=1")
    assert complaints(flags=flags) == [
        (
            "--set risk limits the strategies pair_arbs, "
            "but `strategies` lists only pair_arb"
        )
    ]


def test_float_is_refused_in_code_too() -> None:
    """Settings built by a test or a bot keep the rule that files obey."""
    with pytest.raises(ValueError, match="must be a decimal number as text, not float"):
        Settings.model_validate({"paper": {"initial_cash": 0.1}})
