"""Memory and log in step: through restarts, checkpoints and a disk that fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from ledger import events as ev
from ledger.errors import (
    DuplicateKeyError,
    IntegrityError,
    StoreError,
    StoreFailedError,
    UnknownOrderError,
)
from ledger.manager import Journal
from ledger.recorded import Identity, NewEvent
from ledger.store import LedgerStore, StoreOptions
from ledger.values import OrderStatus, Settlement, TradingMode
from tests.integration.manager.desk import WitnessDesk
from tests.integration.manager.scripted import START, intent
from tests.unit.core.accounts import picture

OPTIONS = StoreOptions(ballast_bytes=0)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[WitnessDesk]:
    made = WitnessDesk(tmp_path)
    await made.open()
    yield made
    await made.kill()


def opened(folder: Path, kind: type[LedgerStore] = LedgerStore) -> LedgerStore:
    return kind.open(
        folder / "ledger.db",
        clock_us=lambda: int(START.timestamp() * 1_000_000),
        options=OPTIONS,
    )


def note(text: str = "note") -> ev.LedgerHalted:
    return ev.LedgerHalted(at=START, reason=text)


async def broken(desk: WitnessDesk) -> None:
    """From here on the database may not grow: SQLite itself refuses."""
    connection = desk.journal.store._datastore.writer
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFailedError):
        await desk.journal.append_to(ev.SYSTEM_STREAM, note("x" * 100_000))


# Keys through restarts


@pytest.mark.parametrize("restart", ["killed", "checkpoint, then killed", "closed"])
async def test_a_key_is_known_after_any_restart(
    desk: WitnessDesk, restart: str
) -> None:
    """Before or behind the checkpoint: a retry must never buy twice."""
    before = await desk.place(idempotency_key="k1")
    if restart == "closed":
        await desk.journal.close()
        await desk.open()
    else:
        if restart != "killed":
            await desk.journal.checkpoint()
        await desk.place(idempotency_key="k2")
        await desk.restart()
    posts = len(desk.venue.posts)
    result = await desk.manager.place(intent(idempotency_key="k1"))
    assert result.deduplicated
    assert result.order is not None
    assert result.order.order_id == before.order_id
    conflict = await desk.manager.place(intent(idempotency_key="k1", size="7"))
    assert conflict.error is not None
    assert conflict.error.code == "idempotency_conflict"
    if restart != "closed":
        assert (await desk.manager.place(intent(idempotency_key="k2"))).deduplicated
    assert len(desk.venue.posts) == posts


async def test_a_start_from_a_checkpoint_is_a_start_from_the_log(
    desk: WitnessDesk, tmp_path: Path
) -> None:
    """The checkpoint saves time; what is believed must not depend on it."""
    order = await desk.place()
    await desk.fill(order, "30")
    await desk.journal.checkpoint()
    await desk.fill(order, "20", "t2")
    whole = picture(desk.journal.state)
    await desk.restart()
    assert picture(desk.journal.state) == whole
    desk.journal.store._datastore.writer.execute("DELETE FROM checkpoints")
    await desk.restart()
    assert picture(desk.journal.state) == whole


async def test_a_checkpoint_is_kept_every_so_many_events(tmp_path: Path) -> None:
    """A start reads at most so many events, however long the log is."""
    journal = Journal(
        opened(tmp_path), account="main", threaded=False, checkpoint_every=10
    )
    for number in range(9):
        await journal.append_to(ev.SYSTEM_STREAM, note(str(number)))
    assert journal.store.load_checkpoint() is None
    await journal.append_to(ev.SYSTEM_STREAM, note(), note())
    kept = journal.store.load_checkpoint()
    assert kept is not None
    assert kept[0] == 11
    await journal.append_to(ev.SYSTEM_STREAM, *[note()] * 9)
    assert journal.store.load_checkpoint() == kept
    await journal.close()
    store = opened(tmp_path)
    assert store.load_checkpoint() != kept, "a tidy end keeps a checkpoint"
    store.close()


@pytest.mark.parametrize("threaded", [False, True], ids=["inline", "thread"])
async def test_checkpoints_under_load_hold_what_is_on_disk(
    tmp_path: Path, *, threaded: bool
) -> None:
    """A checkpoint ahead of the log would skip events after a crash."""
    journal = Journal(
        opened(tmp_path), account="main", threaded=threaded, checkpoint_every=7
    )

    async def deposit(number: int) -> None:
        event = ev.CashMoved(at=START, amount=Decimal(number), reason="deposit")
        await journal.append_to("account-main", event)

    await asyncio.gather(*map(deposit, range(1, 101)))
    kept = journal.store.load_checkpoint()
    assert kept is not None
    assert kept[0] <= journal.store.head == 100
    await journal.writer.close()
    journal.store.close()
    again = Journal(opened(tmp_path), account="main", threaded=False)
    assert again.state.cash == 5_050
    assert again.state.position == 100
    await again.close()


async def test_a_checkpoint_without_news_writes_nothing(desk: WitnessDesk) -> None:
    """An idle ledger must not wear the disk out."""
    await desk.journal.checkpoint()
    store = desk.journal.store
    before = store._datastore.writer.total_changes
    await desk.journal.checkpoint()
    assert store._datastore.writer.total_changes == before


@pytest.mark.parametrize("data", [b"", b"not ours", b"\x92\xa1x\xa1y"])
async def test_a_checkpoint_of_another_kind_is_passed_by(
    desk: WitnessDesk, data: bytes
) -> None:
    """Other software may have written it; the log is read from its start."""
    await desk.place()
    whole = picture(desk.journal.state)
    desk.journal.store.save_checkpoint(desk.journal.store.head, data)
    await desk.restart()
    assert picture(desk.journal.state) == whole
    assert (await desk.manager.place(intent())).deduplicated


async def test_a_checkpoint_of_another_account_is_passed_by(tmp_path: Path) -> None:
    """Its cash is none of ours."""
    first = Journal(opened(tmp_path), account="main", threaded=False)
    deposit = ev.CashMoved(at=START, amount=Decimal("5"), reason="deposit")
    await first.append_to("account-main", deposit)
    await first.close()
    other = Journal(opened(tmp_path), account="other", threaded=False)
    assert (other.state.account, other.state.position) == ("other", 1)
    assert other.state.versions == {"account-main": 1}
    await other.close()


# Orders from memory and from disk


async def test_an_order_that_left_memory_is_read_from_its_stream(
    desk: WitnessDesk,
) -> None:
    """A year later its timeline, its key and its venue id still lead to it."""
    order = await desk.place()
    await desk.fill(order, "100")
    await desk.restart()
    journal = desk.journal
    assert order.order_id not in journal.state.orders
    for found in (
        journal.order(order.order_id),
        journal.order_by_venue_id(order.venue_order_id),
    ):
        assert found is not None
        assert (found.status, found.filled) == (OrderStatus.CONFIRMED, Decimal("100"))
    with pytest.raises(UnknownOrderError, match="o-none"):
        journal.order("o-none")
    assert journal.order_by_venue_id("0xnone") is None


async def test_a_late_fact_reopens_an_order_from_disk(desk: WitnessDesk) -> None:
    """The chain voids what was confirmed before the restart."""
    order = await desk.place()
    await desk.fill(order, "100")
    await desk.restart()
    cash = desk.journal.state.cash
    await desk.manager.on_chain_confirmation(
        order.order_id, "t1", "0xhash", Settlement.FAILED, venue_time=1
    )
    assert desk.journal.order(order.order_id).filled == 0
    assert desk.journal.state.cash == cash + 40
    whole = picture(desk.journal.state)
    await desk.restart()
    assert picture(desk.journal.state) == whole


async def test_a_stream_without_a_beginning_is_named(desk: WitnessDesk) -> None:
    """A damaged log must not be read as an order that never was."""
    with pytest.raises(IntegrityError, match="o-none has no beginning"):
        desk.journal.load_order_before("o-none", 2)


class ShortStore(LedgerStore):
    """A log that ends before its own head."""

    @property
    def head(self) -> int:
        return super().head + 1


async def test_a_log_that_cannot_be_read_to_its_end_is_not_traded_on(
    tmp_path: Path,
) -> None:
    """Whatever is missing might be an order."""
    store = opened(tmp_path, ShortStore)
    with pytest.raises(IntegrityError, match="read 0 of 1 events"):
        Journal(store, account="main", threaded=False)
    store.close()


# Listeners


async def test_listeners_hear_what_is_on_disk_and_nothing_else(
    desk: WitnessDesk,
) -> None:
    """The dashboard must not show what a crash could take back."""
    heard: list[tuple[int, int]] = []

    def listen(events: Sequence[NewEvent]) -> None:
        heard.append((len(events), desk.journal.store.head))

    desk.journal.on_recorded.append(listen)
    head = desk.journal.store.head
    await desk.journal.append_to(ev.SYSTEM_STREAM, note(), note())
    await desk.journal.checkpoint()
    assert heard == [(2, head + 2)]


# When the store fails


async def test_after_a_failed_write_nothing_is_answered_or_sent(
    desk: WitnessDesk,
) -> None:
    """Whoever trades on without a log will not know what it holds."""
    order = await desk.place()
    await broken(desk)
    posts, head = list(desk.venue.posts), desk.journal.store.head
    for call in (
        desk.manager.place(intent(idempotency_key="k2")),
        desk.manager.place(intent(idempotency_key="k3")),
        desk.manager.cancel(order.order_id),
        desk.manager.account.move_cash(Decimal("1"), "deposit"),
        desk.fill(order, "30"),
    ):
        with pytest.raises(StoreFailedError):
            await call
    assert desk.journal.failed is not None
    assert (desk.venue.posts, desk.venue.cancels) == (posts, [])
    assert desk.journal.store.head == head


async def test_everybody_who_waits_for_the_failed_write_hears_of_it(
    desk: WitnessDesk,
) -> None:
    """Not one of a hundred may take its order for placed."""
    connection = desk.journal.store._datastore.writer
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    calls = [
        desk.manager.place(intent(idempotency_key=f"k{n}", note="x" * 200))
        for n in range(100)
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreFailedError}
    assert desk.venue.posts == []


async def test_a_restart_after_a_failed_write_goes_on(desk: WitnessDesk) -> None:
    """What was not on disk was never sent, so its key is free."""
    await desk.place(idempotency_key="k1")
    await broken(desk)
    with pytest.raises(StoreFailedError):
        await desk.manager.place(intent(idempotency_key="k2"))
    await desk.restart()
    assert (await desk.manager.place(intent(idempotency_key="k1"))).deduplicated
    await desk.manager.account.set_mode(TradingMode.NORMAL, "the disk has room again")
    assert not (await desk.place(idempotency_key="k2")).is_outcome_unknown
    assert desk.journal.state.position == desk.journal.store.head


async def test_a_failed_ledger_can_be_closed(desk: WitnessDesk, tmp_path: Path) -> None:
    """Closing must give the lock back, and keep no checkpoint of a wrong memory."""
    await desk.place()
    await broken(desk)
    await desk.journal.close()
    store = opened(tmp_path)
    assert store.load_checkpoint() is None
    store.close()
    await desk.open()


async def test_a_key_the_table_knows_and_memory_does_not_stops_the_ledger(
    desk: WitnessDesk,
) -> None:
    """Memory has moved ahead of a log that refused: only a restart puts it right."""
    identity = Identity("account:main", "row", "", "", "")
    await desk.journal.append_to(ev.SYSTEM_STREAM, note(), identity=identity)
    with pytest.raises(StoreFailedError, match="memory and log differ") as caught:
        await desk.journal.append_to(ev.SYSTEM_STREAM, note(), identity=identity)
    assert isinstance(caught.value.__cause__, DuplicateKeyError)
    with pytest.raises(StoreFailedError, match="memory and log differ"):
        await desk.manager.place(intent())
    assert desk.venue.posts == []
    await desk.restart()
    assert desk.journal.failed is None
    assert desk.journal.state.position == desk.journal.store.head


async def test_a_closed_ledger_takes_nothing_more(tmp_path: Path) -> None:
    """What comes after the end must not be taken for recorded."""
    journal = Journal(opened(tmp_path), account="main", threaded=False)
    await journal.append_to(ev.SYSTEM_STREAM, note())
    await journal.close()
    with pytest.raises(StoreError):
        await journal.append_to(ev.SYSTEM_STREAM, note())
