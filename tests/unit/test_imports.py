"""Imports point one way, and heavy packages have one home each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT = {
    "ledger": {"ledger"},
    "projections": {"projections", "ledger"},
    "executors": {"executors", "ledger"},
    "config": {"config", "ledger"},
    "examples": {"examples", "ledger", "executors"},
    "service": {"service", "examples", "projections", "executors", "config", "ledger"},
}
OURS = set(MAY_IMPORT)

HOMES = {
    "eventsourcing": ("ledger/store/",),
    "sqlite_utils": ("projections/",),
    "py_clob_client": ("executors/polymarket/",),
    "polymarket": ("executors/polymarket/",),
    "httpx2": (
        "executors/market_data/rest.py",
        "executors/exchange/inloop.py",
        "executors/polymarket/",
        "service/client/",
    ),
    "websockets": ("executors/market_data/live.py", "executors/polymarket/stream.py"),
    "typer": ("service/",),
    "rich": ("service/",),
    "prometheus_client": ("service/metrics.py",),
    "datasette": ("service/explore.py",),
}

PURE = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "ledger").glob("*.py")
    if path.name not in {"__init__.py", "api.py"}
)
FORBIDDEN_IN_PURE = {
    "asyncio",
    "logging",
    "os",
    "random",
    "sqlite3",
    "structlog",
    "time",
}


def imports_of(path: Path) -> Iterator[str]:
    """Dotted names a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def modules() -> list[str]:
    """Every module of ours that ships, as a path from the root."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for folder in OURS
        for path in (ROOT / folder).rglob("*.py")
    )


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_lies_further_in(module: str) -> None:
    """A core that knew its shell could not be tested, or reused, without it."""
    own = module.split("/", 1)[0]
    tops = {name.split(".")[0] for name in imports_of(ROOT / module)}
    assert (tops & OURS) <= MAY_IMPORT[own]


@pytest.mark.parametrize("module", modules())
def test_a_heavy_package_has_one_home(module: str) -> None:
    """What one module hides can be replaced there."""
    for name in {name.split(".")[0] for name in imports_of(ROOT / module)}:
        if name in HOMES:
            assert module.startswith(HOMES[name]), f"{module} imports {name}"


@pytest.mark.parametrize("module", PURE)
def test_the_core_knows_no_clock_no_chance_and_no_io(module: str) -> None:
    """They come in as arguments, so that a replay gives the same state."""
    tops = {name.split(".")[0] for name in imports_of(ROOT / module)}
    if module == "ledger/clock.py":
        tops.discard("random")  # the type of the generator that is handed in
    assert not tops & FORBIDDEN_IN_PURE
    if module != "ledger/venue.py":
        assert "ledger.store" not in imports_of(ROOT / module)
        assert "ledger.manager" not in imports_of(ROOT / module)
