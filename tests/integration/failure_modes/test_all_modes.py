"""Every failure mode that operators reported has a test under its number."""

import ast
import re
from collections import defaultdict
from pathlib import Path

MODES = 25


def named_after_modes() -> dict[int, list[str]]:
    """Names of the test functions beside this file, by the number in them."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_mode_"):
                named = re.fullmatch(r"test_mode_(\d\d)_[a-z0-9_]+", node.name)
                assert named, f"{node.name} names no number"
                found[int(named[1])].append(node.name)
    return found


def test_each_of_the_25_modes_has_a_test_named_after_it() -> None:
    """A mode without a test comes back unseen."""
    assert sorted(named_after_modes()) == list(range(1, MODES + 1))
