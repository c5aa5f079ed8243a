"""What is signed, and by whom: modes 14, 20, 21, 22 and 24."""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from executors.exchange.engine import ExchangeMarket
from executors.exchange.faults import FaultRule
from executors.polymarket import WalletKind
from executors.polymarket.clients.v1 import ClientV1
from executors.polymarket.settings import PRODUCTION_REST
from executors.protocol import Credentials, SigningKey
from ledger import events as ev
from ledger.errors import VenueRejectedError
from ledger.values import OrderStatus, Settlement, Side
from tests.integration.failure_modes.bot import Bot, offers, play, seller, with_bot
from tests.integration.polymarket_live.in_loop import (
    CONDITION,
    MARKET,
    InLoopWallet,
    Scene,
)
from tests.unit.polymarket_live.scripted import Wallet


def test_mode_14_the_size_that_was_signed_is_kept_beside_the_one_asked_for(
    tmp_path: Path,
) -> None:
    """Rounded down in silence, the rest is waited for in vain."""

    async def story(bot: Bot) -> None:
        order = await bot.placed(size="10.008")
        (asked,) = bot.events(order, ev.OrderRequested)
        (prepared,) = bot.events(order, ev.OrderPrepared)
        assert (asked.size, prepared.size) == (Decimal("10.008"), Decimal(10))
        assert (order.requested_size, order.size) == (Decimal("10.008"), Decimal(10))
        assert order.remaining == 10
        row = bot.at.row(order.venue_order_id)
        assert Decimal(row["original_size"]) == 10
        assert prepared.taker_amount == 10_000_000
        assert bot.journal.state.reserved_cash < Decimal("5.2")
        other = await seller(bot.at)
        await other.order(side=Side.SELL)
        await bot.at.clock.sleep(20)
        assert bot.order(order).status is OrderStatus.CONFIRMED

    with_bot(story, tmp_path)


class _Borrowed(InLoopWallet):
    """Uses credentials that were made for another signer."""

    async def credentials(self) -> Credentials:
        key = SigningKey("0x" + "7" * 64)
        return await InLoopWallet(key, self._transport, self._clock).credentials()


def refusing(text: str) -> FaultRule:
    """The venue refuses every post with these words."""
    return FaultRule(kind="refused", on="POST /order", status=400, text=text)


def test_mode_20_credentials_of_another_signer_refuse_the_start(tmp_path: Path) -> None:
    """Otherwise every order is refused, each with the same long sentence."""

    async def story(at: Scene) -> None:
        bot = Bot(at, tmp_path)
        bot.wallet = _Borrowed(bot.key, bot.wire, at.clock)
        with pytest.raises(VenueRejectedError) as caught:
            await bot.open()
        assert caught.value.code == "credentials"
        assert not bot.wire.posts()
        assert not (tmp_path / "ledger.db").exists()

    play(story)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "the order signer address has to be the address of the API KEY",
            "wrong_signer",
        ),
        ("the order owner has to be the owner of the API KEY", "wrong_owner"),
    ],
)
def test_mode_20_a_refused_signer_is_a_refusal_and_is_not_tried_again(
    text: str, code: str, tmp_path: Path
) -> None:
    """No retry will mend a configuration."""

    async def story(bot: Bot) -> None:
        order = bot.order(await bot.place())
        assert order.status is OrderStatus.REJECTED
        assert order.refusal is not None
        assert order.refusal.code == code
        await bot.at.clock.sleep(120)
        assert bot.wire.posts() == 1

    with_bot(story, tmp_path, faults=[refusing(text)])


@pytest.mark.parametrize("kind", [WalletKind.PROXY, WalletKind.SAFE])
def test_mode_21_a_wallet_type_without_its_funder_refuses_the_start(
    kind: WalletKind, tmp_path: Path
) -> None:
    """The client would name the key itself as the wallet, and every post fails."""

    async def story(at: Scene) -> None:
        bot = Bot(at, tmp_path, wallet_kind=kind)
        bot.wallet = Wallet(bot.key, kind)
        with pytest.raises(VenueRejectedError, match="funder") as caught:
            await bot.open()
        assert caught.value.code == "wallet_kind"
        assert not bot.wire.posts()

    play(story)


def test_mode_21_a_wallet_of_another_type_than_configured_refuses_the_start(
    tmp_path: Path,
) -> None:
    """New accounts must use type 3; the client may take any key for one."""

    async def story(at: Scene) -> None:
        bot = Bot(at, tmp_path, wallet_kind=WalletKind.DEPOSIT)
        with pytest.raises(VenueRejectedError, match="DEPOSIT"):
            await bot.open()

    play(story)


def test_mode_21_a_maker_that_is_not_allowed_is_a_refusal(tmp_path: Path) -> None:
    """Said of an order, it is final as well."""

    async def story(bot: Bot) -> None:
        order = bot.order(await bot.place())
        assert order.status is OrderStatus.REJECTED
        assert order.refusal is not None
        assert order.refusal.code == "wrong_maker"
        await bot.at.clock.sleep(120)
        assert bot.wire.posts() == 1

    text = "maker address not allowed, please use the deposit wallet flow"
    with_bot(story, tmp_path, faults=[refusing(text)])


@pytest.mark.parametrize(
    ("tick", "price", "size"),
    [
        ("0.001", "0.985", "10.13"),
        ("0.001", "0.333", "7.77"),
        ("0.001", "0.067", "31.31"),
        ("0.01", "0.37", "9.49"),
        ("0.01", "0.93", "5.01"),
        ("0.0001", "0.6673", "11.11"),
    ],
)
@pytest.mark.parametrize("kind", ["FAK", "FOK"])
def test_mode_22_a_market_buy_at_its_cap_finds_the_offer_at_its_cap(
    tick: str, price: str, size: str, kind: str, tmp_path: Path
) -> None:
    """Shares rounded up imply a price below the cap, and nothing ever matches."""

    async def story(bot: Bot) -> None:
        grid = Decimal(tick)
        bot.at.app.exchange.add_market(
            ExchangeMarket(
                condition_id=CONDITION,
                tokens=(MARKET.yes_token, MARKET.no_token),
                tick_size=grid,
            )
        )
        market = msgspec.structs.replace(MARKET, tick_size=grid, fee_rate=Decimal(0))
        await bot.manager.account.list_market(market)
        other = await seller(bot.at)
        await offers(other, market=market, size=Decimal(50), price=Decimal(price))
        order = await bot.placed(size=size, price=price, time_in_force=kind)
        (signed,) = bot.events(order, ev.OrderPrepared)
        assert Decimal(signed.maker_amount) / signed.taker_amount >= Decimal(price)
        await bot.at.clock.sleep(20)
        order = bot.order(order)
        assert order.filled == bot.shares_on_chain() > 0
        assert order.status is OrderStatus.CONFIRMED
        assert order.avg_price == Decimal(price)

    with_bot(story, tmp_path)


def test_mode_24_no_order_carries_a_nonce_that_could_void_it(tmp_path: Path) -> None:
    """With version 1 a counterparty's nonce voided what had matched."""

    async def story(bot: Bot) -> None:
        order = await bot.placed()
        (prepared,) = bot.events(order, ev.OrderPrepared)
        signed = json.loads(prepared.signed_order)["order"]
        assert not {"nonce", "taker", "feeRateBps"} & set(signed)
        assert {"timestamp", "metadata", "builder"} < set(signed)
        with pytest.raises(VenueRejectedError) as caught:
            ClientV1(bot.key, kind=WalletKind.EOA, rest_url=PRODUCTION_REST)
        assert caught.value.code == "v1_refused"

    with_bot(story, tmp_path)


def test_mode_24_a_match_that_the_counterparty_voids_is_taken_back(
    tmp_path: Path,
) -> None:
    """However it was voided, it comes as a trade that FAILED."""

    async def story(bot: Bot) -> None:
        other = await seller(bot.at)
        bot.at.app.exchange.script_settlement(
            [Settlement.MINED, Settlement.RETRYING, Settlement.FAILED]
        )
        order = await bot.placed(size="20")
        await other.order(side=Side.SELL)
        await bot.at.clock.sleep(30)
        order = bot.order(order)
        assert order.status is OrderStatus.PLACED
        assert order.filled == 0
        assert order.matched == order.resting == 10
        assert bot.holding().position.shares == bot.shares_on_chain() == 0
        await other.order(side=Side.SELL)
        await bot.at.clock.sleep(30)
        assert bot.order(order).filled == bot.shares_on_chain() == 10

    with_bot(story, tmp_path)


def test_mode_24_an_order_that_is_dead_on_chain_is_refused_for_good(
    tmp_path: Path,
) -> None:
    """The same bytes will never be taken."""

    async def story(bot: Bot) -> None:
        order = bot.order(await bot.place())
        assert order.status is OrderStatus.REJECTED
        await bot.at.clock.sleep(120)
        assert bot.wire.posts() == 1

    text = "order canceled in the CTF exchange contract"
    with_bot(story, tmp_path, faults=[refusing(text)])
