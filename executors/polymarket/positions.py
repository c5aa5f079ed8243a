"""Holdings as the Data API lists them, in either of its versions."""

from collections.abc import Callable

from executors.polymarket.fields import (
    Message,
    UnreadableError,
    number_field,
    shortened,
    text_field,
)
from ledger.events import ObservedPosition
from ledger.market import Market
from ledger.values import MICRO, ZERO, Outcome, canonical


def position_of(
    row: Message, market_of: Callable[[str], Market | None]
) -> ObservedPosition | None:
    """Read a row of the Data API, either version; `None` if nothing is held.

    Raises:
        UnreadableError: it cannot be read.
    """
    is_new = "current_size" in row
    token_id = text_field(row, "token_id" if is_new else "asset")
    size = number_field(row, "current_size" if is_new else "size")
    if size < ZERO:
        msg = "size: below 0"
        raise UnreadableError(msg)
    # An index of floats: what lies beyond the token's resolution is noise.
    shares = canonical(size // MICRO * MICRO)
    if not shares:
        return None
    market = market_of(token_id)
    outcome = None if market is None else market.outcome_of(token_id)
    if market is None or outcome is None:
        market_id = text_field(row, "condition_id" if is_new else "conditionId")
        index = row.get("outcome_index" if is_new else "outcomeIndex")
        if index not in (0, 1):
            msg = f"outcome_index: {shortened(index)} is not known"
            raise UnreadableError(msg)
        outcome = Outcome.NO if index else Outcome.YES
    else:
        market_id = market.market_id
    return ObservedPosition(market_id=market_id, outcome=outcome, size=shares)
