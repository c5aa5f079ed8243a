"""The fate of a trade on chain: drawn from the seed and the trade's id alone."""

from collections.abc import Sequence
from random import Random
from typing import Final

from executors.exchange.engine.types import ExchangeConfig
from ledger.values import Settlement

Steps = list[tuple[int, Settlement]]
"""States to come, each with its delay in milliseconds after the one before."""

_PER_MILLION: Final = 1_000_000


def fate_of(trade_id: str, config: ExchangeConfig) -> Steps:
    """Draw the path of a trade from its match on.

    A retry comes before the mining, or after it when a block was undone.
    """
    rng = Random(f"{config.seed}/{trade_id}")  # noqa: S311 -- chance, not secrecy
    mined = config.mined_ms + rng.randint(0, config.settlement_jitter_ms)
    confirmed = config.confirmed_ms + rng.randint(0, config.settlement_jitter_ms)
    retries = rng.randrange(_PER_MILLION) < config.retry_rate * _PER_MILLION
    fails = rng.randrange(_PER_MILLION) < config.failure_rate * _PER_MILLION
    reorganised = rng.random() < 1 / 2
    steps: Steps = []
    if retries and reorganised:
        steps.append((mined, Settlement.MINED))
    if retries:
        steps.append((mined, Settlement.RETRYING))
    if fails:
        return [*steps, (confirmed, Settlement.FAILED)]
    return [*steps, (mined, Settlement.MINED), (confirmed, Settlement.CONFIRMED)]


def scripted(states: Sequence[Settlement], config: ExchangeConfig) -> Steps:
    """The path through given states, with the delays of the configuration.

    Raises:
        ValueError: the path does not end in a final state, or goes on after one.
    """
    final = [state for state in states if state.is_final]
    if not final or final != list(states[-1:]):
        msg = "a settlement ends with its only final state"
        raise ValueError(msg)
    return [
        (config.confirmed_ms if state.is_final else config.mined_ms, state)
        for state in states
    ]
