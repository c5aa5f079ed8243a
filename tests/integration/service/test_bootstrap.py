"""A start gives the paper venue exactly the memory that the ledger has."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from config import ConfigError, Settings, config_hash
from ledger import events as ev
from ledger.book import Level, OrderBook
from ledger.errors import CommandRefusedError, LockHeldError
from ledger.intent import OrderIntent
from ledger.market import Market
from ledger.values import OrderStatus, Outcome
from service.bootstrap import OpenLedger, open_ledger

MARKET = Market(
    market_id="0xm", yes_token="yes", no_token="no", fee_rate=Decimal("0.07")
)


RESTING = {"time_in_force": "GTC", "post_only": "true"}


class HandClock:
    """Time that moves only when it is slept through."""

    def __init__(self) -> None:
        self.at = datetime(2026, 9, 24, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def now_us(self) -> int:
        return int(self.at.timestamp()) * 1_000_000 + self.at.microsecond

    def monotonic(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def settings(**paper: object) -> Settings:
    return Settings.model_validate(
        {"paper": {"submit_latency_ms": 0, "settle_jitter_ms": 0, **paper}}
    )


async def start(
    data: Path, clock: HandClock, settings_: Settings | None = None
) -> OpenLedger:
    return await open_ledger(
        settings_ or settings(), data, clock=clock, clock_us=clock.now_us
    )


def show_book(
    ledger: OpenLedger,
    bids: Sequence[tuple[str, str]] = (("0.40", "100"),),
    asks: Sequence[tuple[str, str]] = (("0.50", "100"),),
) -> None:
    """Fill the books as frames would."""
    from executors.market_data import BookSnapshot

    now_ms = int(ledger.clock.now().timestamp() * 1000)
    snapshot = BookSnapshot(
        market_id="0xm",
        token_id="yes",
        timestamp_ms=now_ms,
        hash="",
        bids=tuple(Level(Decimal(p), Decimal(s)) for p, s in bids),
        asks=tuple(Level(Decimal(p), Decimal(s)) for p, s in asks),
    )
    ledger.books.apply(snapshot)
    book = ledger.books.book("yes")
    assert isinstance(book, OrderBook)
    ledger.paper.on_book("yes", book, MARKET)


async def order(ledger: OpenLedger, key: str, **changes: str) -> str:
    fields = {
        "strategy": "s",
        "idempotency_key": key,
        "market_id": "0xm",
        "outcome": "YES",
        "side": "BUY",
        "size": "20",
        "price": "0.50",
        "time_in_force": "FAK",
        **changes,
    }
    result = await ledger.manager.place(OrderIntent.parse(fields))
    assert result.order is not None, result
    await ledger.deliver()
    return result.order.order_id


async def trading(data: Path, clock: HandClock) -> OpenLedger:
    ledger = await start(data, clock)
    await ledger.manager.account.list_market(MARKET)
    show_book(ledger)
    return ledger


def status(ledger: OpenLedger, order_id: str) -> OrderStatus:
    return ledger.journal.order(order_id).status


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


class TestStart:
    async def test_every_start_is_recorded(
        self, tmp_path: Path, clock: HandClock
    ) -> None:
        """Which software with which settings said what follows."""
        for _ in range(2):
            await (await start(tmp_path, clock)).close()
        ledger = await start(tmp_path, clock)
        opened = [r.event for r in ledger.store.read(topics=("ledger.opened.v1",))]
        await ledger.close()
        assert [e.epoch for e in opened if isinstance(e, ev.LedgerOpened)] == [1, 2, 3]
        assert isinstance(opened[0], ev.LedgerOpened)
        assert opened[0].config_hash == config_hash(settings())

    async def test_paper_money_is_given_once(
        self, tmp_path: Path, clock: HandClock
    ) -> None:
        """A restart is no deposit."""
        for _ in range(3):
            ledger = await start(tmp_path, clock)
            cash = ledger.journal.state.cash
            await ledger.close()
        assert cash == Decimal(1000)

    async def test_a_failed_start_lets_the_next_one_in(
        self, tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A lock that outlives its reason needs a person at three in the morning."""

        def broken(*_: object) -> None:
            raise RuntimeError("broken")

        with monkeypatch.context() as patch:
            patch.setattr("service.starting.restore", broken)
            with pytest.raises(RuntimeError):
                await start(tmp_path, clock)
        await (await start(tmp_path, clock)).close()

    async def test_a_second_writer_is_kept_out(
        self, tmp_path: Path, clock: HandClock
    ) -> None:
        """One wallet, one writer."""
        ledger = await start(tmp_path, clock)
        with pytest.raises(LockHeldError):
            await start(tmp_path, clock)
        await ledger.close()

    async def test_real_money_without_a_key_is_refused_before_a_file_is_made(
        self, tmp_path: Path
    ) -> None:
        """A ledger that can never trade would only be in the way."""
        live = Settings.model_validate({"execution": {"paper_trading": False}})
        with pytest.raises(ConfigError, match=r"polymarket\.private_key is missing"):
            await open_ledger(live, tmp_path / "x")
        assert not (tmp_path / "x").exists()

    async def test_an_almost_full_disk_refuses_orders(
        self, tmp_path: Path, clock: HandClock
    ) -> None:
        """But opens, so that what rests can be cancelled."""
        full = Settings.model_validate({"store": {"min_free_mb_halt": 10**9}})
        ledger = await start(tmp_path, clock, full)
        with pytest.raises(CommandRefusedError, match="MB of disk"):
            ledger.ensure_room()
        await ledger.close()


class TestLogs:
    """Standard output belongs to whoever opened the ledger."""

    async def test_records_go_to_standard_error_as_the_settings_say(
        self, tmp_path: Path, clock: HandClock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A script that prints JSON must not find log lines in it."""
        asked = Settings.model_validate(
            {"log": {"format": "json"}, "paper": {"submit_latency_ms": 0}}
        )
        ledger = await start(tmp_path, clock, asked)
        await ledger.manager.account.list_market(MARKET)
        show_book(ledger)
        await order(ledger, "k", size="20.50")
        await ledger.close()
        said = capsys.readouterr()
        assert said.out == ""
        assert '"event": "order_placed"' in said.err
        assert "Decimal(" not in said.err

    async def test_logging_that_is_set_up_already_stays(
        self, tmp_path: Path, clock: HandClock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A service has its own collector, and we are a guest in it."""
        structlog.configure(processors=[structlog.processors.JSONRenderer()])
        before = structlog.get_config()
        await (await start(tmp_path, clock)).close()
        assert structlog.get_config() == before
        assert capsys.readouterr().err == ""


class TestRestart:
    """The venue that comes back must be the one that went."""

    async def test_a_purchase_goes_on_settling(
        self, tmp_path: Path, clock: HandClock
    ) -> None:
        """Cash has left the ledger at the match and the chain at the confirmation."""
        ledger = await trading(tmp_path, clock)
        order_id = await order(ledger, "k")
        assert status(ledger, order_id) is OrderStatus.MATCHED
        await ledger.close()
        ledger = await start(tmp_path, clock)
        before = ledger.paper.venue.holdings()
        assert (before.cash, before.positions) == (Decimal(1000), ())
        await ledger.settle(60, order_id=order_id)
        assert status(ledger, order_id) is OrderStatus.CONFIRMED
        after = ledger.paper.venue.holdings()
        # 20 x 0.5 and a fee of 0.07 x 0.25 x 20
        assert after.cash == ledger.journal.state.cash == Decimal("989.65")
        assert [p.size for p in after.positions] == [Decimal(20)]
        assert (await ledger.reconciler.reconcile()).is_clean
        await ledger.close()

    async def test_a_sale_goes_on_settling(
        self, tmp_path: Path, clock: HandClock
    ) -> None:
        """Shares that were sold stay on the chain until the sale confirms."""
        ledger = await trading(tmp_path, clock)
        bought = await order(ledger, "k1")
        await ledger.settle(60, order_id=bought)
        show_book(ledger)
        sold = await order(ledger, "k2", side="SELL", size="5", price="0.40")
        assert status(ledger, sold) is OrderStatus.MATCHED
        await ledger.close()
        ledger = await start(tmp_path, clock)
        before = ledger.paper.venue.holdings()
        assert [p.size for p in before.positions] == [Decimal(20)]
        assert before.cash == Decimal("989.65")
        await ledger.settle(60, order_id=sold)
        after = ledger.paper.venue.holdings()
        assert [p.size for p in after.positions] == [Decimal(15)]
        assert after.cash == ledger.journal.state.cash
        await ledger.close()

    async def test_a_resting_order_rests_again(
        self, tmp_path: Path, clock: HandClock
    ) -> None:
        """And what it reserves cannot be spent twice."""
        ledger = await trading(tmp_path, clock)
        order_id = await order(ledger, "k", price="0.45", **RESTING)
        await ledger.close()
        ledger = await start(tmp_path, clock)
        (open_order,) = ledger.paper.venue.open_orders()
        assert open_order.size == Decimal(20)
        assert ledger.paper.venue.available_cash() == Decimal(991)
        assert (await ledger.reconciler.reconcile()).is_clean
        assert (await ledger.manager.cancel(order_id)).success
        await ledger.close()

    async def test_a_resolved_market_can_still_be_redeemed(
        self, tmp_path: Path, clock: HandClock
    ) -> None:
        """Winnings must not be lost to a restart between the result and the claim."""
        ledger = await trading(tmp_path, clock)
        order_id = await order(ledger, "k")
        await ledger.settle(60, order_id=order_id)
        await ledger.manager.account.resolve_market("0xm", Decimal(1))
        await ledger.close()
        ledger = await start(tmp_path, clock)
        paid = await ledger.manager.account.redeem("s", "0xm", Outcome.YES)
        assert paid == Decimal(20)
        assert ledger.journal.state.cash == Decimal("1009.65")
        await ledger.close()
