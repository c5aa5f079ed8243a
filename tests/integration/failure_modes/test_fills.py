"""Whose fill, how much, and at what price: modes 10 to 13 and 15."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executors.exchange.faults import FaultRule
from ledger import events as ev
from ledger.values import OrderStatus, Outcome, Role, Side, TradingMode
from tests.integration.failure_modes.bot import CASH, Bot, offers, seller, with_bot
from tests.integration.polymarket_live.in_loop import MARKET

NO_FRAMES = FaultRule(kind="drop", on="user")


@pytest.mark.parametrize("faults", [[], [NO_FRAMES]], ids=["stream", "sweep"])
def test_mode_10_a_maker_filled_through_the_other_token_books_its_own_side(
    faults: list[FaultRule], tmp_path: Path
) -> None:
    """A taker's BUY of NO at 0.45 fills our BUY of YES at 0.60."""

    async def story(bot: Bot) -> None:
        other = await bot.at.account(2)
        order = await bot.placed(price="0.60")
        await other.order(outcome=Outcome.NO, price=Decimal("0.45"))
        await bot.at.clock.sleep(120)
        (trade,) = bot.order(order).trades.values()
        assert (trade.price, trade.size, trade.role) == (
            Decimal("0.6"),
            Decimal(10),
            Role.MAKER,
        )
        assert bot.holding().position.settled_shares == bot.shares_on_chain() == 10
        assert bot.holding(Outcome.NO).position.shares == 0
        assert bot.journal.state.cash == bot.cash_on_chain() == CASH - 6

    with_bot(story, tmp_path, faults=faults)


@pytest.mark.parametrize(
    "fault",
    [FaultRule(kind="repeat", on="user"), NO_FRAMES],
    ids=["repeated", "swept"],
)
def test_mode_11_one_trade_that_took_two_of_our_orders_fills_both_once(
    fault: FaultRule, tmp_path: Path
) -> None:
    """Keyed by the trade alone, the second is lost; by arrival, both are doubled."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        one, two = await bot.placed(size="10"), await bot.placed(size="20")
        await other.order(side=Side.SELL, size=Decimal(30))
        await bot.at.clock.sleep(60)
        one, two = bot.order(one), bot.order(two)
        assert set(one.trades) == set(two.trades)
        assert len(one.trades) == 1
        assert (one.filled, two.filled) == (Decimal(10), Decimal(20))
        assert {one.status, two.status} == {OrderStatus.CONFIRMED}
        assert bot.holding().position.shares == bot.shares_on_chain() == 30
        assert bot.journal.state.cash == bot.cash_on_chain() == CASH - 15
        for order in (one, two):
            assert len(bot.events(order, ev.FillMatched)) == 1
            assert len(bot.events(order, ev.FillConfirmed)) == 1

    with_bot(story, tmp_path, faults=[fault])


@pytest.mark.parametrize("faults", [[], [NO_FRAMES]], ids=["stream", "sweep"])
def test_mode_11_a_trade_between_two_of_our_orders_fills_both(
    faults: list[FaultRule], tmp_path: Path
) -> None:
    """One trade, one owner, two sides: neither may hide the other."""

    async def story(bot: Bot) -> None:
        bot.at.app.exchange.fund(bot.key.address, 0, {MARKET.yes_token: 10_000_000})
        await bot.own_shares("10")
        sold = await bot.placed(side="SELL", price="0.50")
        bought = await bot.placed()
        await bot.at.clock.sleep(120)
        for order in (sold, bought):
            assert bot.order(order).status is OrderStatus.CONFIRMED
            assert bot.order(order).filled == 10
        assert bot.order(sold).fees == 0
        assert bot.order(bought).fees == Decimal("0.125")
        assert bot.holding().position.shares == bot.shares_on_chain() == 10
        assert bot.journal.state.cash == bot.cash_on_chain()

    with_bot(story, tmp_path, faults=faults)


def without_owner(frame: str) -> str:
    """A frame as captured elsewhere: addresses in capitals, other owners."""
    if '"trade"' not in frame:
        return frame
    found: Any = json.loads(frame)
    for message in found if isinstance(found, list) else [found]:
        for maker in message.get("maker_orders", []):
            maker["maker_address"] = "0x" + maker["maker_address"][2:].upper()
            maker["owner"] = "somebody"
    return json.dumps(found)


def test_mode_12_own_maker_fills_are_known_by_an_address_in_any_case(
    tmp_path: Path,
) -> None:
    """Compared letter by letter, our own fills vanish."""

    async def story(bot: Bot) -> None:
        bot.alter_frame = without_owner
        other = await seller(bot.at)
        order = await bot.placed()
        await other.order(side=Side.SELL)
        await bot.at.clock.sleep(20)
        assert bot.order(order).status is OrderStatus.CONFIRMED
        assert bot.order(order).filled == 10
        assert {fill.source for fill in bot.events(order, ev.FillMatched)} == {"stream"}

    # No sweep may bring what the stream should have.
    with_bot(story, tmp_path, sweep_interval_sec=10_000)


def test_mode_13_a_market_buy_at_a_better_price_is_booked_beyond_its_size(
    tmp_path: Path,
) -> None:
    """It spends its pUSD: 5 of them buy 12.5 shares at 0.40 and not 10."""

    async def story(bot: Bot) -> None:
        await offers(await seller(bot.at), size=Decimal(20), price=Decimal("0.40"))
        order = await bot.placed(time_in_force="FAK")
        await bot.at.clock.sleep(30)
        order = bot.order(order)
        assert order.size == 10
        assert order.filled == bot.shares_on_chain() == Decimal("12.5")
        assert order.status is OrderStatus.CONFIRMED
        assert order.remaining == 0
        assert bot.journal.state.mode is TradingMode.NORMAL
        assert not bot.drifts
        assert bot.journal.state.cash == bot.cash_on_chain()
        assert (await bot.place()).success

    with_bot(story, tmp_path)


def dust_left(frame: str) -> str:
    """A fill that is 0.004 shares short of the order."""
    return frame.replace('"matched_amount":"10"', '"matched_amount":"9.996"')


def test_mode_13_an_order_that_the_venue_closed_with_dust_is_full(
    tmp_path: Path,
) -> None:
    """Waiting for the last 0.004 shares would keep it open for ever."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        bot.alter_frame = dust_left
        order = await bot.placed()

        def shrunk(request: Any, answer: Any) -> Any:
            text = answer.text.replace('"size_matched":"10"', '"size_matched":"9.996"')
            text = text.replace('"matched_amount":"10"', '"matched_amount":"9.996"')
            if text != answer.text:
                return type(answer)(200, text=text, request=request)
            return answer

        bot.wire.alter = shrunk
        await other.order(side=Side.SELL)
        await bot.at.clock.sleep(120)
        order = bot.order(order)
        assert order.filled == Decimal("9.996")
        assert order.status is OrderStatus.CONFIRMED
        assert order.is_closed
        assert bot.journal.state.reserved_cash == 0

    with_bot(story, tmp_path)


def test_mode_15_a_fee_is_cash_of_its_own_and_no_share_is_missing(
    tmp_path: Path,
) -> None:
    """Fees that were taken in shares made wallets disagree with every fill."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        await offers(other, price=Decimal("0.48"))
        bought = await bot.placed()
        await bot.at.clock.sleep(20)
        fee = Decimal("0.1248")  # 10 * 0.05 * 0.48 * 0.52
        assert bot.order(bought).fees == fee
        assert bot.order(bought).filled == bot.shares_on_chain() == 10
        assert (
            bot.journal.state.cash
            == bot.cash_on_chain()
            == CASH - 10 * Decimal("0.48") - fee
        )
        await other.order(price=Decimal("0.48"))
        sold = await bot.placed(side="SELL", price="0.45")
        await bot.at.clock.sleep(20)
        assert bot.order(sold).fees == fee
        assert bot.shares_on_chain() == bot.holding().position.shares == 0
        assert bot.journal.state.cash == bot.cash_on_chain() == CASH - 2 * fee

    with_bot(story, tmp_path)
