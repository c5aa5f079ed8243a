"""Account activity through the manager: what is refused, what the log then says."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ledger import events as ev
from ledger.errors import CommandRefusedError, InvalidInputError, VenueRejectedError
from ledger.events import SYSTEM_STREAM
from ledger.manager import AccountDesk
from ledger.position import PositionKey
from ledger.values import Outcome, Settlement, TradingMode
from tests.integration.manager.desk import WitnessDesk
from tests.integration.manager.scripted import MARKET, PLENTY, START, intent

D = Decimal
STREAM = "account-main"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[WitnessDesk]:
    made = WitnessDesk(tmp_path)
    await made.open()
    yield made
    await made.kill()


def account(desk: WitnessDesk) -> AccountDesk:
    made: AccountDesk = desk.manager.account
    return made


def shares(desk: WitnessDesk, outcome: Outcome = Outcome.YES) -> Decimal:
    key = PositionKey("s1", MARKET.market_id, outcome)
    return desk.journal.state.holding(key).position.shares


# Markets and modes


async def test_a_market_is_listed_again_only_when_it_changed(desk: WitnessDesk) -> None:
    """The venue is asked every minute; the log must not grow by that."""
    head = desk.journal.store.head
    await account(desk).list_market(MARKET)
    assert desk.journal.store.head == head
    finer = replace(MARKET, tick_size=D("0.001"))
    await account(desk).list_market(finer)
    assert desk.log(SYSTEM_STREAM)[-1] == ev.MarketListed(at=START, market=finer)
    assert desk.journal.store.head == head + 1
    assert desk.journal.state.markets[MARKET.market_id] == finer


@pytest.mark.parametrize(
    ("mode", "event"),
    [
        (TradingMode.HALTED, ev.LedgerHalted),
        (TradingMode.REDUCE_ONLY, ev.LedgerReduceOnly),
        (TradingMode.NORMAL, ev.LedgerResumed),
    ],
)
async def test_a_mode_is_recorded_and_outlives_a_restart(
    desk: WitnessDesk, mode: TradingMode, event: type[ev.SystemEvent]
) -> None:
    """Whoever halts at night must find the ledger halted in the morning."""
    with capture_logs() as logs:
        await account(desk).set_mode(mode, "drill", actor="anna")
    last = desk.log(SYSTEM_STREAM)[-1]
    assert type(last) is event
    assert (last.actor, last.reason) == ("anna", "drill")  # type: ignore[attr-defined]
    assert [log["event"] for log in logs] == ["ledger.mode_changed"]
    await desk.restart()
    assert desk.journal.state.mode is mode


async def test_a_halted_ledger_refuses_and_a_resumed_one_places(
    desk: WitnessDesk,
) -> None:
    """The switch must reach the very next intent."""
    await account(desk).set_mode(TradingMode.HALTED, "drill")
    error = (await desk.manager.place(intent())).error
    assert error is not None
    assert error.code == "halted"
    assert desk.venue.posts == []
    await account(desk).set_mode(TradingMode.NORMAL, "over")
    await desk.place(idempotency_key="k2")


# Cash and activity from elsewhere


async def test_cash_moves_with_its_reason(desk: WitnessDesk) -> None:
    """A balance that nobody can explain is the beginning of a long night."""
    await account(desk).move_cash(D("-12.5"), "withdrawal", actor="anna")
    assert desk.log(STREAM)[-1] == ev.CashMoved(
        at=START, actor="anna", amount=D("-12.5"), reason="withdrawal"
    )
    assert desk.journal.state.cash == PLENTY - D("12.5")


def rebate(amount: str) -> ev.CashMoved:
    return ev.CashMoved(at=START, source="import", amount=D(amount), reason="rebate")


async def test_activity_with_a_key_is_recorded_once(desk: WitnessDesk) -> None:
    """The same history is imported again every day."""
    assert await account(desk).record(rebate("5"), rebate("6"), key="row-1")
    assert not await account(desk).record(rebate("5"), rebate("6"), key="row-1")
    assert await account(desk).record(rebate("5"), key="row-2")
    assert desk.journal.state.cash == PLENTY + 16


@pytest.mark.parametrize("keeps_checkpoint", [False, True])
async def test_an_activity_key_outlives_a_restart(
    desk: WitnessDesk, *, keeps_checkpoint: bool
) -> None:
    """Tomorrow's import is another process."""
    await account(desk).record(rebate("5"), key="row-1")
    if keeps_checkpoint:
        await desk.journal.checkpoint()
    await desk.restart()
    assert not await account(desk).record(rebate("5"), key="row-1")
    assert desk.journal.state.cash == PLENTY + 5


async def test_one_activity_key_at_once_is_recorded_once(desk: WitnessDesk) -> None:
    """Two imports that overlap in time as well as in rows."""
    record = account(desk).record
    found = await asyncio.gather(*(record(rebate("5"), key="row-1") for _ in range(3)))
    assert sorted(found) == [False, False, True]
    assert desk.journal.state.cash == PLENTY + 5
    assert desk.journal.state.position == desk.journal.store.head


async def test_activity_without_a_key_is_always_news(desk: WitnessDesk) -> None:
    """Whoever gives no name to it vouches for it."""
    assert await account(desk).record(rebate("5"))
    assert await account(desk).record(rebate("5"))
    assert desk.journal.state.cash == PLENTY + 10


async def test_an_activity_key_is_no_orders_key(desk: WitnessDesk) -> None:
    """A strategy that uses the row's name must not be refused for it."""
    await account(desk).record(rebate("5"), key="k1")
    await desk.place(idempotency_key="k1")


# Split, merge, redeem


async def test_a_split_is_done_and_then_recorded(desk: WitnessDesk) -> None:
    """The transaction's hash is the proof that a month later is asked for."""
    await account(desk).split("s1", MARKET.market_id, D("10"))
    assert desk.witness.moves == [("split", MARKET.market_id, "10")]
    assert desk.log(STREAM)[-1] == ev.PositionSplit(
        at=START,
        actor="s1",
        strategy="s1",
        market_id=MARKET.market_id,
        size=D("10"),
        tx_hash="0xtx1",
    )
    assert desk.journal.state.cash == PLENTY - 10
    assert (shares(desk), shares(desk, Outcome.NO)) == (D("10"), D("10"))


async def test_a_merge_takes_complete_pairs_alone(desk: WitnessDesk) -> None:
    """12 YES and 10 NO are 10 pairs."""
    await account(desk).split("s1", MARKET.market_id, D("10"))
    order = await desk.place(size="10")
    await desk.fill(order, "2")
    with pytest.raises(CommandRefusedError, match="10 settled NO shares are free"):
        await account(desk).merge("s1", MARKET.market_id, D("10.01"))
    await account(desk).merge("s1", MARKET.market_id, D("10"))
    assert desk.witness.moves[1:] == [("merge", MARKET.market_id, "10")]
    merged = desk.log(STREAM)[-1]
    assert isinstance(merged, ev.PositionMerged)
    assert (merged.size, merged.tx_hash) == (D("10"), "0xtx2")
    assert (shares(desk), shares(desk, Outcome.NO)) == (D("2"), D("0"))


async def test_pairs_of_another_strategy_are_not_merged(desk: WitnessDesk) -> None:
    """One wallet, but each strategy's shares are its own."""
    await account(desk).split("s1", MARKET.market_id, D("10"))
    with pytest.raises(CommandRefusedError, match="0 settled YES"):
        await account(desk).merge("s2", MARKET.market_id, D("1"))


async def test_what_is_not_settled_or_is_for_sale_is_not_merged(
    desk: WitnessDesk,
) -> None:
    """A pending share may vanish; a share for sale may be gone."""
    await account(desk).split("s1", MARKET.market_id, D("10"))
    await desk.place(side="SELL", price="0.39", size="6", idempotency_key="k2")
    with pytest.raises(CommandRefusedError, match="4 settled YES"):
        await account(desk).merge("s1", MARKET.market_id, D("5"))
    buy = await desk.place(size="10")
    await desk.fill(buy, "10", status=Settlement.MATCHED)
    with pytest.raises(CommandRefusedError, match="4 settled YES"):
        await account(desk).merge("s1", MARKET.market_id, D("5"))
    await account(desk).merge("s1", MARKET.market_id, D("4"))


async def test_a_split_needs_free_cash(desk: WitnessDesk) -> None:
    """What open orders hold back is spent already."""
    await account(desk).move_cash(D("100") - PLENTY, "withdrawal")
    await desk.place(post_only=True, size="100", price="0.39")
    with pytest.raises(CommandRefusedError, match="61 pUSD are free"):
        await account(desk).split("s1", MARKET.market_id, D("61.01"))
    await account(desk).split("s1", MARKET.market_id, D("61"))


async def test_only_a_resolved_market_is_redeemed(desk: WitnessDesk) -> None:
    """What is redeemed is what is settled and not for sale."""
    await account(desk).split("s1", MARKET.market_id, D("10"))
    with pytest.raises(CommandRefusedError, match="is not resolved"):
        await account(desk).redeem("s1", MARKET.market_id, Outcome.YES)
    await account(desk).resolve_market(MARKET.market_id, D("0.25"))
    paid = await account(desk).redeem("s1", MARKET.market_id, Outcome.NO)
    assert paid == D("7.5")
    assert desk.witness.moves[-1] == ("redeem", MARKET.market_id, "NO", "10")
    redeemed = desk.log(STREAM)[-1]
    assert isinstance(redeemed, ev.PositionRedeemed)
    assert (redeemed.size, redeemed.payout) == (D("10"), D("7.5"))
    assert (redeemed.outcome, redeemed.tx_hash) == (Outcome.NO, "0xtx2")
    assert shares(desk, Outcome.NO) == 0
    assert desk.journal.state.cash == PLENTY - D("2.5")
    assert await account(desk).redeem("s1", MARKET.market_id, Outcome.YES) == D("2.5")


async def test_what_is_not_there_is_redeemed_for_nothing(desk: WitnessDesk) -> None:
    """A second call, or a strategy without shares, asks the chain for nothing."""
    await account(desk).resolve_market(MARKET.market_id, D("1"))
    assert await account(desk).redeem("s1", MARKET.market_id, Outcome.YES) == 0
    assert desk.witness.moves == []


async def test_losing_shares_are_redeemed_for_nothing(desk: WitnessDesk) -> None:
    """They leave the books, with their loss in them."""
    await account(desk).split("s1", MARKET.market_id, D("10"))
    await account(desk).resolve_market(MARKET.market_id, D("1"))
    assert await account(desk).redeem("s1", MARKET.market_id, Outcome.NO) == 0
    key = PositionKey("s1", MARKET.market_id, Outcome.NO)
    totals = desk.journal.state.holding(key).position.totals
    assert (totals.shares, totals.realized_pnl) == (D("0"), D("-5"))


async def test_a_market_is_resolved_once(desk: WitnessDesk) -> None:
    """Every witness tells of it, and the first is believed."""
    await account(desk).resolve_market(MARKET.market_id, D("1"), source="lookup")
    resolved = ev.MarketResolved(
        at=START,
        source="lookup",
        market_id=MARKET.market_id,
        yes_payout=D("1"),
        no_payout=D("0"),
    )
    assert desk.log(STREAM)[-1] == resolved
    head = desk.journal.store.head
    await account(desk).resolve_market(MARKET.market_id, D("1"))
    await account(desk).resolve_market(MARKET.market_id, D("0"))
    await desk.restart()
    await account(desk).resolve_market(MARKET.market_id, D("0"))
    assert desk.journal.store.head == head
    assert desk.journal.state.payouts[MARKET.market_id] == (D("1"), D("0"))


async def test_an_unknown_market_is_refused_by_name(desk: WitnessDesk) -> None:
    """A typing error must not reach the chain."""
    head = desk.journal.store.head
    for call in (
        account(desk).merge("s1", "0xtypo", D("1")),
        account(desk).split("s1", "0xtypo", D("1")),
        account(desk).redeem("s1", "0xtypo", Outcome.YES),
    ):
        with pytest.raises(InvalidInputError, match="0xtypo") as caught:
            await call
        assert (caught.value.field, caught.value.code) == (
            "market_id",
            "unknown_market",
        )
    assert (desk.journal.store.head, desk.witness.moves) == (head, [])


async def test_what_the_venue_refuses_is_not_recorded(desk: WitnessDesk) -> None:
    """Shares that did not move on chain must not move in the books."""
    await account(desk).split("s1", MARKET.market_id, D("10"))
    await account(desk).resolve_market(MARKET.market_id, D("1"))
    head = desk.journal.store.head
    desk.witness.refuses = True
    for call in (
        account(desk).merge("s1", MARKET.market_id, D("1")),
        account(desk).split("s1", MARKET.market_id, D("1")),
        account(desk).redeem("s1", MARKET.market_id, Outcome.YES),
    ):
        with pytest.raises(VenueRejectedError, match="not today"):
            await call
    assert desk.journal.store.head == head
    assert shares(desk) == 10
