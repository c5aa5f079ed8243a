"""Makes the small price series of the demo: `python -m examples.data.make_ticks`.

Invented, not recorded: a seeded random walk around a round number, one price a
second, written the way the price feed writes its table.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

START_SEC: Final = 1_767_614_400  # 2026-01-05 12:00:00 UTC, when a window opens
SECONDS: Final = 1_200
FIRST_CENTS: Final = 9_400_000
STEP_CENTS: Final = 750
"""Standard deviation over a second: 45 % a year, as bitcoin has."""

PATH: Final = Path(__file__).with_name("btc_ticks.csv")


def rows(seed: int = 5) -> Iterator[str]:
    """The header and one line per second, the close of the last window included."""
    rng = Random(seed)  # noqa: S311 -- a made-up price is no secret
    cents = FIRST_CENTS
    yield "ts_ms,price"
    for second in range(SECONDS + 1):
        yield f"{(START_SEC + second) * 1_000},{cents // 100}.{cents % 100:02d}"
        # Twelve uniform draws sum to nearly a normal one, the same everywhere.
        draw = sum(rng.randint(-500, 500) for _ in range(12))
        cents += draw * STEP_CENTS // 1_000


def main() -> None:
    """Write the table beside this file."""
    PATH.write_text("\n".join(rows()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
