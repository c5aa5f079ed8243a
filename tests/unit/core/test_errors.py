"""The error tree: named for what the caller should do, with the data on it."""

import inspect
import re

import pytest

from ledger import errors
from ledger.errors import (
    IdempotencyConflictError,
    IntegrityError,
    InvalidInputError,
    LedgerError,
    LockHeldError,
    OrderRejectedError,
    UnknownOrderError,
    VenueRejectedError,
    unknown_market,
    unknown_strategy,
)

ALL = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, LedgerError)
]


def test_the_drawn_tree_is_the_real_one() -> None:
    """Callers choose what to catch by the drawing at the top of the module."""
    lines = re.findall(r"^( *)[*+o-] (\w+)", errors.__doc__ or "", re.MULTILINE)
    drawn = [(len(indent) // 2, name) for indent, name in lines]
    path: list[str] = []
    for depth, name in drawn:
        parent = getattr(errors, name).__bases__[0].__name__
        path[depth:] = [name]
        assert parent == (path[depth - 1] if depth else "Exception")
    assert {name for _, name in drawn} == {cls.__name__ for cls in ALL}


def test_every_error_has_a_code_of_its_own() -> None:
    """Programs tell errors apart by code, not by text."""
    codes = [cls.code for cls in ALL]
    assert sorted(codes) == sorted(set(codes))


def test_invalid_input_names_field_and_reason() -> None:
    """A strategy's author must see at once which field to mend."""
    error = InvalidInputError("price", "must lie between 0 and 1")
    assert (error.field, error.reason) == ("price", "must lie between 0 and 1")
    assert str(error) == "price: must lie between 0 and 1"
    assert error.code == "invalid_input"


def test_invalid_input_may_carry_a_closer_code() -> None:
    """An unknown market and a bad price are mended in different places."""
    error = InvalidInputError("market_id", "is not listed", code="unknown_market")
    assert error.code == "unknown_market"
    assert InvalidInputError.code == "invalid_input"


def test_what_the_ledger_does_not_know_is_named() -> None:
    """A misspelt strategy or market is found by its own spelling."""
    strategy, market = unknown_strategy("alfa"), unknown_market("0xm")
    assert (strategy.code, market.code) == ("unknown_strategy", "unknown_market")
    assert str(strategy) == "strategy: 'alfa' is not known"
    assert str(market) == "market_id: '0xm' is not known"


def test_unknown_order_names_the_order() -> None:
    """A wrong id is most often the venue's id in the place of ours."""
    error = UnknownOrderError("o9")
    assert (error.field, error.order_id, error.code) == ("order_id", "o9", error.code)
    assert str(error) == "order_id: no order 'o9' in this ledger"


def test_key_conflict_names_the_order_that_has_the_key() -> None:
    """The way out is to look at that order, then choose a fresh key."""
    error = IdempotencyConflictError("k1", "o1")
    assert (error.field, error.order_id) == ("idempotency_key", "o1")
    assert str(error) == (
        "idempotency_key: 'k1' belongs to order o1, whose intent differs"
    )


def test_rejection_carries_the_code_of_the_rule() -> None:
    """A bot that backs off on "balance" must not do so on "post_only"."""
    error = OrderRejectedError("balance", "not enough balance")
    assert (error.code, str(error)) == ("balance", "not enough balance")


@pytest.mark.parametrize("code", ["venue_rejected", "tick_size"])
def test_venue_rejection_keeps_the_venues_text(code: str) -> None:
    """The code is ours and stable, the text is evidence."""
    error = VenueRejectedError("breaks the grid", code=code)
    assert (error.code, str(error)) == (code, "breaks the grid")
    assert VenueRejectedError("no").code == "venue_rejected"


def test_a_held_lock_names_its_owner() -> None:
    """Which process to stop is the first question."""
    error = LockHeldError("ledger.db", "pid 7")
    assert error.owner == "pid 7"
    assert str(error) == "ledger.db is held by another writer (pid 7)"


def test_integrity_names_the_first_bad_position() -> None:
    """Everything before it can still be trusted."""
    assert IntegrityError("hash differs", position=7).position == 7
    assert IntegrityError("hash differs").position is None
    assert str(IntegrityError("hash differs")) == "hash differs"
