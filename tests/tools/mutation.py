"""Mutate the modules that decide about money, and demand that tests notice.

`make mutation` runs it; what is mutated and by which tests it is judged stands in
pyproject.toml under [tool.mutmut].
Exit codes: 0 enough mutants were noticed, 1 too few or none could be judged.
"""

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FLOOR_PERCENT: Final = 90
FOLDER: Final = Path("mutants")

_NOTICED: Final = frozenset({"killed", "timeout", "segfault"})


def share_noticed(counts: Mapping[str, int]) -> float:
    """Return the percentage of mutants that made a test fail, hang or crash.

    Args:
        counts: Number of mutants by what became of them, in mutmut's words; one
            that no test runs counts as unnoticed.
    """
    total = sum(counts.values())
    noticed = sum(count for fate, count in counts.items() if fate in _NOTICED)
    return 100 * noticed / total if total else 0.0


def main() -> int:
    """Run the mutants from a clean folder and judge the result."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    mutmut = [sys.executable, "-m", "mutmut"]
    if subprocess.run([*mutmut, "run", *sys.argv[1:]], check=False).returncode:
        return 1
    listed = subprocess.run(
        [*mutmut, "results"], check=True, capture_output=True, text=True
    )
    # Mutants left out by an argument are listed too; they say nothing.
    unnoticed = [row for row in listed.stdout.splitlines() if "not checked" not in row]
    print(*unnoticed, sep="\n")
    subprocess.run([*mutmut, "export-cicd-stats"], check=True)
    stats = json.loads((FOLDER / "mutmut-cicd-stats.json").read_text())
    fates = ("killed", "timeout", "segfault", "survived", "no_tests", "suspicious")
    counts = Counter({fate: stats[fate] for fate in fates})
    share = share_noticed(counts)
    print(f"{share:.1f} % of {counts.total()} mutants noticed, {dict(+counts)}")
    print(f"at least {FLOOR_PERCENT} % are demanded")
    return 0 if share >= FLOOR_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
