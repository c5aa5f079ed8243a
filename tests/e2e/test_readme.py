"""The README's example runs, and prints what the README says it prints."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(language: str) -> list[str]:
    """The README's code blocks of one language."""
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_example_prints_what_is_shown() -> None:
    """An example that does not run is worse than none."""
    [code], [shown] = blocks("python"), blocks("text")
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == shown


def test_every_command_of_the_table_exists() -> None:
    """A reader tries what the table names."""
    ran = subprocess.run(
        [sys.executable, "-m", "service", "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    known = set(re.findall(r"^  ([a-z-]+) ", ran.stdout, re.MULTILINE))
    text = (ROOT / "README.md").read_text()
    table = text.split("| Command | What it does |")[1].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    named = {name.split()[0] for name in re.findall(r"`([^`]+)`", " ".join(cells))}
    assert named <= known


def test_no_example_keeps_its_data_among_the_sources() -> None:
    """A ledger and its tokens inside a package would be committed or deleted."""
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"(?:--data |ORDER_LEDGER_DATA=|mkdir -p )([\w./-]+)", text)
    assert len(named) > 5
    paths = {name for name in named if name != "DIR"}
    assert {name for name in paths if not name.startswith("data/")} == set()
