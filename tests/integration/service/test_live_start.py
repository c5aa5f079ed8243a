"""A start for real money: what is checked, taken over and asked, in which order."""

from decimal import Decimal
from pathlib import Path

import pytest

from config import ConfigError, Settings
from ledger import events as ev
from ledger.errors import (
    CommandRefusedError,
    OutcomeUnknownError,
    VenueRejectedError,
)
from ledger.intent import OrderIntent
from ledger.values import OrderStatus, Outcome
from service.bootstrap import OpenLedger, open_ledger
from service.live_executor import live_settings as executor_settings
from service.live_executor import refuse_unusable
from tests.integration.service.real_venue import (
    FUNDER,
    KEY,
    RealVenue,
    live_settings,
)
from tests.integration.service.test_bootstrap import MARKET, HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def venue(clock: HandClock) -> RealVenue:
    return RealVenue(clock)


async def start(
    data: Path, venue: RealVenue, settings: Settings | None = None
) -> OpenLedger:
    clock = venue.clock
    assert isinstance(clock, HandClock)
    return await open_ledger(
        settings or live_settings(),
        data,
        clock=clock,
        clock_us=clock.now_us,
        executor_of=venue.of,
    )


def resting(key: str = "k") -> OrderIntent:
    return OrderIntent.parse(
        {
            "strategy": "s",
            "idempotency_key": key,
            "market_id": "0xm",
            "outcome": "YES",
            "side": "BUY",
            "size": "20",
            "price": "0.40",
            "post_only": True,
        }
    )


async def place(ledger: OpenLedger, key: str = "k") -> str:
    await ledger.manager.account.list_market(MARKET)
    result = await ledger.manager.place(resting(key))
    assert result.order is not None, result
    return result.order.order_id


async def test_the_first_start_takes_the_wallets_cash_over_once(
    tmp_path: Path, venue: RealVenue
) -> None:
    """Without it every order would lack the money; twice would be too much."""
    for _ in range(2):
        ledger = await start(tmp_path, venue)
        cash = ledger.journal.state.cash
        account = ledger.journal.state.account
        await ledger.close()
        venue.cash = Decimal(9)
    assert (cash, account) == (Decimal("250.5"), FUNDER)


async def test_the_first_start_takes_the_wallets_shares_over(
    tmp_path: Path, venue: RealVenue
) -> None:
    """They are nobody's of our strategies, and no difference from the venue."""
    venue.positions = (
        ev.ObservedPosition(market_id="0xm", outcome=Outcome.YES, size=Decimal(12)),
    )
    ledger = await start(tmp_path, venue)
    [key] = ledger.journal.state.holdings
    line = ledger.journal.state.holdings[key]
    assert key == ("wallet", "0xm", "YES")
    assert (line.position.shares, line.position.avg_price) == (
        Decimal(12),
        Decimal("0.5"),
    )
    assert not ledger.journal.state.drifts
    await ledger.close()


async def test_an_unknown_balance_stops_the_first_start(
    tmp_path: Path, venue: RealVenue
) -> None:
    """A guess would be the basis of every later limit."""
    venue.cash = None
    with pytest.raises(OutcomeUnknownError, match="what the wallet has"):
        await start(tmp_path, venue)
    venue.cash = Decimal(1)
    await (await start(tmp_path, venue)).close()


async def test_a_wallet_that_cannot_trade_leaves_no_event(
    tmp_path: Path, venue: RealVenue
) -> None:
    """A wrong key is mended and tried again; the lock must be free by then."""
    venue.start_error = VenueRejectedError("wrong wallet", code="wallet_kind")
    with pytest.raises(VenueRejectedError, match="wrong wallet"):
        await start(tmp_path, venue)
    venue.start_error = None
    ledger = await start(tmp_path, venue)
    opened = list(ledger.store.read(topics=("ledger.opened.v1",)))
    await ledger.close()
    assert len(opened) == 1
    assert isinstance(opened[0].event, ev.LedgerOpened)
    assert opened[0].event.mode == "live"


async def test_a_restart_resolves_and_compares_before_it_takes_intents(
    tmp_path: Path, venue: RealVenue
) -> None:
    """Otherwise a strategy would trade on what was true before the crash."""
    ledger = await start(tmp_path, venue)
    venue.is_losing_answers = True
    order_id = await place(ledger)
    assert ledger.journal.order(order_id).status is OrderStatus.PENDING
    await ledger.close()
    venue.steps.clear()
    ledger = await start(tmp_path, venue)
    assert venue.steps == ["start", "trades", "lookup", "orders", "positions"]
    assert ledger.journal.order(order_id).status is OrderStatus.PLACED
    ledger.ensure_room()
    await ledger.close()
    assert "post" not in venue.steps


async def test_a_silent_venue_takes_cancels_and_no_intents(
    tmp_path: Path, venue: RealVenue
) -> None:
    """Reducing risk must be possible when knowledge is not."""
    ledger = await start(tmp_path, venue)
    order_id = await place(ledger)
    await ledger.close()
    venue.is_silent = True
    ledger = await start(tmp_path, venue)
    with pytest.raises(CommandRefusedError, match="nothing was compared"):
        ledger.ensure_room()
    assert (await ledger.manager.cancel(order_id)).success
    venue.is_silent = False
    await ledger.compare()
    ledger.ensure_room()
    await ledger.close()


async def test_play_and_money_do_not_share_a_ledger(
    tmp_path: Path, venue: RealVenue
) -> None:
    """Nobody could tell afterwards which profit was real."""
    await (await open_ledger(Settings(), tmp_path, clock=venue.clock)).close()
    with pytest.raises(ConfigError, match="that of paper"):
        await start(tmp_path, venue)
    await (await open_ledger(Settings(), tmp_path, clock=venue.clock)).close()


async def test_two_wallets_do_not_share_a_ledger(
    tmp_path: Path, venue: RealVenue
) -> None:
    """A mistyped --data must not book one wallet's orders to another."""
    await (await start(tmp_path, venue)).close()
    other = live_settings(funder="0x" + "99" * 20)
    with pytest.raises(ConfigError, match=f"that of {FUNDER}"):
        await start(tmp_path, venue, other)


def test_every_live_setting_reaches_the_executor() -> None:
    """A setting that is read by nobody is a promise that nobody keeps."""
    found = executor_settings(
        live_settings(
            host="http://h",
            data_url="http://d",
            ws_user_url="ws://u",
            signature_type=2,
            batch_posts=3,
            orders_per_sec=600,
            order_burst=900,
            sweep_interval_sec=7,
            max_clock_skew_ms=1500,
            heartbeat=True,
        )
    )
    assert (found.rest_url, found.data_url) == ("http://h", "http://d")
    assert (found.ws_user_url, found.funder) == ("ws://u", FUNDER)
    assert (int(found.wallet_kind), found.batch_size) == (2, 3)
    assert (found.gate.orders_per_sec, found.gate.order_burst) == (600, 900)
    assert (found.sweep_interval_sec, found.heartbeat) == (7, True)
    assert found.clock_drift_max_sec == Decimal("1.5")
    assert found.clock_drift_warn_sec == Decimal("1.5")


def test_credentials_come_whole_or_not_at_all() -> None:
    """With a part of them every request would be refused, one by one."""
    with pytest.raises(ConfigError, match=r"API_SECRET and .*API_PASSPHRASE as well"):
        refuse_unusable(live_settings(api_key="k"))
    refuse_unusable(live_settings())


def test_no_key_is_shown_by_what_holds_it() -> None:
    """Settings and their errors end up in logs."""
    assert KEY not in repr(live_settings())
