"""Pauses forbid exactly what the venue forbade, and limits are kept before it."""

import json

import pytest

from executors.polymarket import GateSettings
from executors.polymarket.answers import Answer, classify_post
from executors.polymarket.gate import Gate, TokenBucket
from ledger.decide import ID_MISMATCH, PostAnswered, PostOutcome
from tests.unit.polymarket_live.scripted import TurnedClock

ID = "0x" + "1" * 64


def heard(gate: Gate, status: int, text: str, **headers: str) -> PostAnswered:
    """Let the gate hear an error."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = Answer(status=status, headers=names, text=json.dumps({"error": text}))
    return gate.observe(classify_post(answer, ID))


def accepted(gate: Gate) -> None:
    """Let the gate hear that an order was taken."""
    gate.observe(PostAnswered(outcome=PostOutcome.LIVE))


@pytest.fixture
def clock() -> TurnedClock:
    """Time that stands until it is turned."""
    return TurnedClock()


@pytest.fixture
def gate(clock: TurnedClock) -> Gate:
    """A gate that has heard nothing."""
    return Gate(GateSettings(), clock)


@pytest.mark.parametrize(
    ("status", "text", "plain", "post_only", "intake"),
    [
        (425, "service not ready", True, True, False),
        (429, "Too Many Requests", True, True, False),
        (503, "Trading is currently disabled.", True, True, True),
        (503, "Trading is currently cancel-only.", True, True, True),
        (503, "post-only mode: only post-only orders", True, False, False),
        (500, "could not insert order", False, False, False),
        (400, "not enough balance / allowance", False, False, False),
    ],
)
def test_an_answer_closes_what_it_forbids(
    gate: Gate, status: int, text: str, plain: bool, post_only: bool, intake: bool
) -> None:
    """Too little hammers a restarting engine, too much stops a maker for nothing."""
    heard(gate, status, text)
    assert (gate.closed(post_only=False) is not None) == plain
    assert (gate.closed(post_only=True) is not None) == post_only
    assert bool(gate.unavailable()) == intake


def test_a_closed_gate_answers_not_processed_and_says_until_when(
    gate: Gate, clock: TurnedClock
) -> None:
    """Nothing was sent, so the same bytes may go again."""
    heard(gate, 425, "service not ready", retry_after="3")
    clock.seconds += 1
    closed = gate.closed(post_only=True)
    assert closed is not None
    assert closed.outcome is PostOutcome.NOT_PROCESSED
    assert (closed.code, closed.retry_after_ms) == ("restarting", 2001)
    clock.seconds += 2
    assert gate.closed(post_only=True) is None


def test_an_unstated_pause_doubles_up_to_its_limit_and_starts_again(
    gate: Gate, clock: TurnedClock
) -> None:
    """1, 2, 4 ... 30 seconds, until the engine works again."""
    waits = []
    for _ in range(7):
        waits.append(heard(gate, 425, "service not ready").retry_after_ms // 1000)
        clock.seconds += 31
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    accepted(gate)
    assert heard(gate, 425, "service not ready").retry_after_ms // 1000 == 1


def test_answers_that_were_under_way_do_not_add_up(gate: Gate) -> None:
    """Eight posts in flight hear the same restart eight times."""
    for _ in range(8):
        told = heard(gate, 425, "service not ready")
    assert told.retry_after_ms <= 1001


def test_cancels_pause_by_themselves(gate: Gate, clock: TurnedClock) -> None:
    """A rate limit of orders must not keep risk on the book."""
    heard(gate, 429, "Too Many Requests")
    assert gate.cancel_wait_sec() == 0
    body = json.dumps({"error": "Too Many Requests"})
    gate.observe_cancel(Answer(status=429, headers={"retry-after": "4"}, text=body))
    assert gate.cancel_wait_sec() == 4
    clock.seconds += 4
    assert gate.cancel_wait_sec() == 0


def test_cancels_stop_only_while_trading_is_disabled(gate: Gate) -> None:
    """In every other mode the venue takes them."""
    heard(gate, 503, "Trading is currently cancel-only.")
    assert gate.cancel_wait_sec() == 0
    heard(gate, 503, "Trading is currently disabled.")
    assert gate.cancel_wait_sec() == 1
    assert gate.pauses() == {"cancel_only": 1000, "disabled": 1000}


def test_a_bucket_lets_a_burst_through_and_then_its_rate(clock: TurnedClock) -> None:
    """40 a second, 60 at once: the venue's Standard tier."""
    bucket = TokenBucket(40, 60, clock)
    assert bucket.wait_sec(60) == 0
    bucket.take(60)
    assert bucket.wait_sec(1) == pytest.approx(0.025)
    clock.seconds += 0.5
    assert bucket.wait_sec(20) == pytest.approx(0)
    assert bucket.wait_sec(21) == pytest.approx(0.025)
    clock.seconds += 60
    assert bucket.wait_sec(61) > 0


def test_an_answer_about_another_order_closes_for_good(
    gate: Gate, clock: TurnedClock
) -> None:
    """Too late for the ledger to halt on it, it must still stop the next post."""
    other = json.dumps(
        {"success": True, "errorMsg": "", "orderID": "0x2", "status": "live"}
    )
    gate.observe(classify_post(Answer(status=200, text=other), ID))
    clock.seconds += 3600
    closed = gate.closed(post_only=True)
    assert closed is not None
    assert (closed.outcome, closed.code) == (PostOutcome.NOT_PROCESSED, ID_MISMATCH)
    assert "0x2" in gate.unavailable()
