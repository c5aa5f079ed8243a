"""When the venue cannot take orders, and when it disagrees on what was signed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ledger.decide import ID_MISMATCH, PostAnswered, PostOutcome
from ledger.values import OrderStatus, TradingMode
from tests.integration.manager.scripted import Desk, intent

LIVE = PostAnswered(outcome=PostOutcome.LIVE)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    await made.open()
    yield made
    await made.kill()


async def test_an_intent_that_cannot_go_out_is_not_recorded(desk: Desk) -> None:
    """Its key must be free for the moment the venue is back."""
    desk.venue.closed_because = "the heartbeat is not answered"
    before = desk.journal.store.head
    answer = await desk.manager.place(intent())
    assert answer.error is not None
    assert (answer.error.code, answer.order) == ("not_ready", None)
    assert "heartbeat" in answer.error.text
    assert desk.journal.store.head == before

    desk.venue.closed_because = ""
    desk.venue.post_answers.put(LIVE)
    assert (await desk.manager.place(intent())).success


async def test_another_id_in_the_answer_halts_trading(desk: Desk) -> None:
    """What is signed is not what the venue counts: every further order would be
    as lost as this one."""
    text = "posted 0xaa, answered 0xbb"
    desk.venue.post_answers.put(
        PostAnswered(outcome=PostOutcome.UNKNOWN, code=ID_MISMATCH, text=text)
    )
    answer = await desk.manager.place(intent())
    assert answer.order is not None
    assert answer.order.status is OrderStatus.PENDING
    assert desk.journal.state.mode is TradingMode.HALTED

    refused = await desk.manager.place(intent(idempotency_key="k2"))
    assert refused.error is not None
    assert refused.error.code == "halted"
    assert len(desk.venue.posts) == 1
