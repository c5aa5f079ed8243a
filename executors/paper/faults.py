"""Faults on purpose, so that unknown outcomes can be practised on paper."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Final

from ledger.values import ZERO

_PER_MILLION: Final = 1_000_000


class FaultPoint(StrEnum):
    """The request that a fault hits."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    LOOKUP = "lookup"


class Fault(StrEnum):
    """What goes wrong with one request.

    LOST_REQUEST never reaches the venue and LOST_ANSWER does; nobody can tell
    which it was.
    REFUSED is a venue that is restarting: it did not process the post, which may
    be repeated.
    """

    NONE = "none"
    LOST_REQUEST = "lost_request"
    LOST_ANSWER = "lost_answer"
    REFUSED = "refused"


FaultPlan = Callable[[FaultPoint, str, Random], Fault]
"""Decides the fault of a request from its kind, the venue order id and chance."""


def no_faults(_point: FaultPoint, _venue_order_id: str, _rng: Random) -> Fault:
    """Let everything pass."""
    return Fault.NONE


def random_faults(
    *,
    lost_request: Decimal = ZERO,
    lost_answer: Decimal = ZERO,
    refused: Decimal = ZERO,
) -> FaultPlan:
    """Plan faults for these shares of all requests, each from 0 to 1."""
    rates = (
        (Fault.LOST_REQUEST, lost_request),
        (Fault.LOST_ANSWER, lost_answer),
        (Fault.REFUSED, refused),
    )

    def plan(_point: FaultPoint, _venue_order_id: str, rng: Random) -> Fault:
        draw = Decimal(rng.randrange(_PER_MILLION)) / _PER_MILLION
        for fault, rate in rates:
            if draw < rate:
                return fault
            draw -= rate
        return Fault.NONE

    return plan
