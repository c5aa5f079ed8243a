"""Which markets a recording is about."""

from decimal import Decimal
from typing import Any

from executors.market_data import Frame, infer_markets, read_recording
from ledger.market import Market
from tests.unit.market_data.messages import (
    DATA,
    MARKET,
    NO,
    START_MS,
    YES,
    book,
    change,
    entry,
    text,
)


def inferred(*messages: dict[str, Any]) -> list[Market]:
    frames = [
        Frame(sequence=n, received_ms=0, text=text(message))
        for n, message in enumerate(messages)
    ]
    return infer_markets(frames, fee_rate=Decimal("0.07"))


def test_first_named_token_is_yes() -> None:
    """The stream does not tell, so the choice must at least be stable."""
    [market] = inferred(book(token=NO), book(token=YES), book(token="third"))
    assert (market.yes_token, market.no_token) == (NO, YES)
    assert (market.market_id, market.fee_rate) == (MARKET, Decimal("0.07"))


def test_resolution_knows_the_order() -> None:
    """It is the venue's own word, whenever it comes."""
    resolved = {
        "event_type": "market_resolved",
        "market": MARKET,
        "timestamp": str(START_MS),
        "winning_asset_id": NO,
        "assets_ids": [YES, NO],
        "outcomes": ["Up", "Down"],
    }
    [market] = inferred(book(token=NO), resolved)
    assert (market.yes_token, market.no_token) == (YES, NO)
    assert (market.yes_label, market.no_label) == ("Up", "Down")


def test_market_with_one_token_is_still_a_market() -> None:
    """A recording may follow one side only; its orders need a market too."""
    [market] = inferred(book())
    assert (market.yes_token, market.no_token) == (YES, f"{YES}:unseen")


def test_named_outcomes_win_over_order() -> None:
    """Where a token says what it is, nothing is left to choose."""
    [market] = inferred(book(token="m:NO"))
    assert (market.yes_token, market.no_token) == ("m:YES", "m:NO")


def test_told_tick_wins_and_later_ones_are_changes() -> None:
    """The market starts on its first grid."""
    [market] = inferred(book(tick_size="0.001"), book(tick_size="0.0001"))
    assert market.tick_size == Decimal("0.001")


def test_untold_tick_is_the_coarsest_that_fits() -> None:
    """A finer grid than the venue's would let orders through that it refuses."""
    assert inferred(book())[0].tick_size == Decimal("0.01")
    fine = change(entry("BUY", "0.123", "1"))
    assert inferred(book(), fine)[0].tick_size == Decimal("0.001")


def test_unreadable_frames_are_passed_over() -> None:
    """They are counted where they are traded, not here."""
    assert inferred(book([("2", "1")])) == []


def test_own_recording() -> None:
    """Both markets of the recording are found, the one without a book too."""
    markets = infer_markets(read_recording(DATA / "numbered.jsonl"))
    assert [(m.yes_token, m.no_token) for m in markets] == [
        ("1001", "1002"),
        ("2001", "2002"),
    ]
