"""Between a match and the chain's word: modes 2 to 5 and 16."""

from decimal import Decimal
from pathlib import Path

from ledger import events as ev
from ledger.manager import ManagerConfig
from ledger.risk import RiskConfig, RiskLimits
from ledger.values import OrderStatus, Outcome, Settlement
from tests.integration.failure_modes.bot import CASH, Bot, offers, seller, with_bot
from tests.integration.polymarket_live.in_loop import MARKET, UNIT

NEVER = 10_000_000
"""Milliseconds after the end of every story."""

ONE_POSITION = RiskConfig(account=RiskLimits(max_position=Decimal(10)))


def test_mode_02_a_match_that_fails_on_chain_is_taken_back(tmp_path: Path) -> None:
    """A ghost fill: MATCHED in full at the venue, and the shares never come."""

    async def story(bot: Bot) -> None:
        await offers(await seller(bot.at))
        bot.at.app.exchange.script_settlement([Settlement.MINED, Settlement.FAILED])
        order = await bot.placed()
        await bot.at.clock.sleep(0.5)
        assert bot.order(order).status is OrderStatus.MATCHED
        assert bot.holding().position.shares == 10
        assert bot.holding().position.settled_shares == 0
        await bot.at.clock.sleep(20)
        assert bot.at.row(order.venue_order_id)["size_matched"] == "10"
        order = bot.order(order)
        assert order.status is OrderStatus.FAILED
        assert order.matched == 10
        assert order.filled == order.fees == 0
        assert len(bot.events(order, ev.FillVoided)) == 1
        assert bot.holding().position.shares == bot.shares_on_chain() == 0
        assert bot.journal.state.cash == bot.cash_on_chain() == CASH

    with_bot(story, tmp_path)


def test_mode_02_a_match_that_does_not_settle_in_time_raises_an_alarm(
    tmp_path: Path,
) -> None:
    """Stuck for ever is as bad as failed, and nobody says so."""

    async def story(bot: Bot) -> None:
        await offers(await seller(bot.at))
        order = await bot.placed()
        await bot.at.clock.sleep(110)
        assert not bot.drifts
        await bot.at.clock.sleep(30)
        assert bot.drifts == {"settlement_overdue"}
        assert bot.order(order).status is OrderStatus.MATCHED

    with_bot(
        story,
        tmp_path,
        engine={"mined_ms": NEVER},
        config=ManagerConfig(settlement_alarm_ms=120_000),
    )


def test_mode_02_a_match_that_fails_hours_later_while_nobody_listens_is_taken_back(
    tmp_path: Path,
) -> None:
    """Long after every sweep has moved on, and in no frame that was heard."""

    async def story(bot: Bot) -> None:
        await offers(await seller(bot.at))
        bot.at.app.exchange.script_settlement([Settlement.FAILED])
        order = await bot.placed()
        await bot.at.clock.sleep(1_300)
        assert bot.order(order).status is OrderStatus.MATCHED
        assert bot.drifts == {"settlement_overdue"}
        await bot.kill()
        await bot.at.clock.sleep(7_200)
        await bot.open()
        await bot.at.clock.sleep(60)
        assert bot.order(order).status is OrderStatus.FAILED
        assert not bot.drifts
        assert bot.holding().position.shares == bot.shares_on_chain() == 0
        assert bot.journal.state.cash == bot.cash_on_chain() == CASH

    with_bot(story, tmp_path, engine={"confirmed_ms": 1_800_000})


def test_mode_03_nothing_is_bought_again_while_the_first_may_settle(
    tmp_path: Path,
) -> None:
    """The ghost came alive after the rebuy: twice the position."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        await offers(other, size=Decimal(30))
        first = await bot.placed()
        await bot.at.clock.sleep(190)
        assert bot.order(first).status is OrderStatus.MATCHED
        assert bot.shares_on_chain() == 0
        again = await bot.place()
        assert again.error is not None
        assert again.error.code == "position"
        await bot.at.clock.sleep(300)
        assert bot.order(first).status is OrderStatus.CONFIRMED
        assert (await bot.place()).error is not None
        assert bot.shares_on_chain() == bot.holding().position.shares == 10

    engine = {"mined_ms": 200_000, "confirmed_ms": 200_000}
    with_bot(story, tmp_path, engine=engine, risk=ONE_POSITION)


def test_mode_03_a_failed_trade_makes_room_again(tmp_path: Path) -> None:
    """Reserved for ever, the ledger would never trade again."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        await offers(other, size=Decimal(30))
        bot.at.app.exchange.script_settlement([Settlement.FAILED])
        first = await bot.placed()
        assert not (await bot.place()).success
        await bot.at.clock.sleep(20)
        assert bot.order(first).status is OrderStatus.FAILED
        assert (await bot.place()).success
        await bot.at.clock.sleep(20)
        assert bot.shares_on_chain() == bot.holding().position.shares == 10

    with_bot(story, tmp_path, risk=ONE_POSITION)


def test_mode_04_only_confirmed_shares_are_sold(tmp_path: Path) -> None:
    """Right after a buy the venue has nothing to sell yet, and says so for minutes."""

    async def story(bot: Bot) -> None:
        await offers(await seller(bot.at))
        await bot.placed()
        await bot.at.clock.sleep(2.5)
        assert bot.holding().position.shares == 10
        early = await bot.place(side="SELL", price="0.60")
        assert early.error is not None
        assert early.error.code == "settled_shares"
        assert bot.wire.posts() == 1
        await bot.at.clock.sleep(20)
        assert (await bot.place(side="SELL", price="0.60")).success

    with_bot(story, tmp_path)


def test_mode_04_a_refusal_for_want_of_shares_has_the_venue_read_them_anew(
    tmp_path: Path,
) -> None:
    """The venue's cache lags behind the chain until it is told to look."""

    async def story(bot: Bot) -> None:
        await bot.own_shares("10")  # there, but the venue does not see them yet
        refused = bot.order(await bot.place(side="SELL", price="0.60"))
        assert refused.status is OrderStatus.REJECTED
        assert refused.refusal is not None
        assert refused.refusal.code == "insufficient_balance"
        await bot.at.clock.sleep(1)
        (asked,) = bot.wire.asked("GET", "/balance-allowance/update")
        assert dict(asked.url.params) == {
            "asset_type": "CONDITIONAL",
            "signature_type": "0",
            "token_id": MARKET.yes_token,
        }
        bot.at.app.exchange.fund(bot.key.address, 0, {MARKET.yes_token: 10 * UNIT})
        assert (await bot.place(side="SELL", price="0.60")).success

    with_bot(story, tmp_path)


def test_mode_05_matched_money_is_spoken_for_before_it_has_moved(
    tmp_path: Path,
) -> None:
    """The venue reserves it until the chain has spoken; so must the ledger."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at, 5_000)
        await offers(other, size=Decimal(1_600))
        order = await bot.placed(size="1600")
        await bot.at.clock.sleep(0.5)
        assert bot.cash_on_chain() == CASH
        assert bot.journal.state.free_cash() == CASH - 800 - bot.order(order).fees
        posts = bot.wire.posts()
        refused = await bot.place(size="800", price="0.40")
        assert refused.error is not None
        assert refused.error.code == "cash"
        assert bot.wire.posts() == posts

    with_bot(story, tmp_path)


def test_mode_05_the_venues_own_numbers_are_kept_with_its_refusal(
    tmp_path: Path,
) -> None:
    """Who reads "not enough balance" wants to know how much it counted."""

    async def story(bot: Bot) -> None:
        bot.at.app.exchange.fund(bot.key.address, -997 * UNIT)
        order = bot.order(await bot.place())
        assert order.status is OrderStatus.REJECTED
        assert order.refusal is not None
        assert "balance: 3000000, order amount: 5000000" in order.refusal.text
        assert bot.journal.state.reserved_cash == 0
        await bot.at.clock.sleep(1)
        (asked,) = bot.wire.asked("GET", "/balance-allowance/update")
        assert asked.url.params["asset_type"] == "COLLATERAL"

    with_bot(story, tmp_path)


def test_mode_16_what_was_bought_counts_before_the_data_api_shows_it(
    tmp_path: Path,
) -> None:
    """Deciding by `/positions`, a bot bought the same market in every cycle."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        await offers(other, size=Decimal(30))
        await bot.placed()
        await bot.at.clock.sleep(30)
        assert bot.shares_on_chain() == 10
        held = await bot.executor.get_positions()
        assert not held.positions  # its index is 70 seconds behind
        again = await bot.place()
        assert again.error is not None
        assert again.error.code == "position"
        await bot.at.clock.sleep(120)
        (seen,) = (await bot.executor.get_positions()).positions
        assert (seen.outcome, seen.size) == (Outcome.YES, Decimal(10))
        assert bot.shares_on_chain() == bot.holding().position.shares == 10

    with_bot(story, tmp_path, engine={"data_lag_ms": 70_000}, risk=ONE_POSITION)
