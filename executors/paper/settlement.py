"""The fate of a paper trade: which steps it takes on chain, and when.

It follows from the seed and the trade's id alone, so neither the order of calls
nor a restart changes it.
"""

from random import Random
from typing import Final

from executors.paper.records import PaperConfig
from ledger.values import Settlement

Steps = list[tuple[int, Settlement]]
"""States to come, each with its delay in milliseconds after the one before."""

_PER_MILLION: Final = 1_000_000


def fate_of(trade_id: str, config: PaperConfig) -> Steps:
    """Draw the whole path of a trade from its match on.

    A trade that fails is never mined: its transaction reverted.
    """
    rng = Random(f"{config.seed}/{trade_id}")  # noqa: S311 -- chance, not secrecy
    early = config.mined_delay_ms + rng.randint(0, config.settlement_jitter_ms)
    late = (
        config.confirmed_delay_ms
        - config.mined_delay_ms
        + rng.randint(0, config.settlement_jitter_ms)
    )
    retries = rng.randrange(_PER_MILLION) < config.retry_rate * _PER_MILLION
    fails = rng.randrange(_PER_MILLION) < config.failure_rate * _PER_MILLION
    steps: Steps = [(early, Settlement.RETRYING)] if retries else []
    wait = config.mined_delay_ms if retries else early
    if fails:
        return [*steps, (wait + late, Settlement.FAILED)]
    return [*steps, (wait, Settlement.MINED), (late, Settlement.CONFIRMED)]


def steps_after(status: Settlement, steps: Steps) -> Steps:
    """What is left of a path for a trade that has come as far as `status`."""
    states = [state for _, state in steps]
    if status in states:
        return steps[states.index(status) + 1 :]
    # Mined although it was to fail: only the end is left.
    return steps[-1:] if status is Settlement.MINED else steps
