"""Cash, splits, merges and redemptions: exact, once, and never of spoken-for shares."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger import events as ev
from ledger.errors import (
    CommandRefusedError,
    InvalidInputError,
    VenueRejectedError,
)
from ledger.manager import OrderManager
from ledger.market import Market
from ledger.values import Outcome, Side
from tests.integration.manager.scripted import (
    MARKET,
    PLENTY,
    START,
    Desk,
    Mailbox,
    ScriptedVenue,
    TestClock,
    intent,
    settle_down,
)

D = Decimal
HASH = "0xhash"
NO_NUMBERS = ["NaN", "sNaN", "Infinity", "-Infinity", "1e400", "0.0000001", "1e12"]
"""What no chain can hold: not finite, too large, too fine."""


class SlowChain(ScriptedVenue):
    """Splits, merges and redeems when the test says so."""

    def __init__(self, clock: TestClock) -> None:
        super().__init__(clock)
        self.moves: list[tuple[str, Decimal]] = []
        self.answers = Mailbox()

    async def _move(self, kind: str, size: Decimal) -> str:
        self.moves.append((kind, size))
        answer: str = await self.answers.get()
        return answer

    async def split(self, market: Market, size: Decimal) -> str:
        return await self._move("split", size)

    async def merge(self, market: Market, size: Decimal) -> str:
        return await self._move("merge", size)

    async def redeem(self, market: Market, outcome: Outcome, size: Decimal) -> str:
        return await self._move("redeem", size)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path)
    made.venue = SlowChain(made.clock)
    await made.open()
    yield made
    await made.kill()


def chain(desk: Desk) -> SlowChain:
    assert isinstance(desk.venue, SlowChain)
    return desk.venue


async def holding(desk: Desk, size: str) -> None:
    """Give the strategy complete pairs."""
    chain(desk).answers.put(HASH)
    await desk.manager.account.split("s1", MARKET.market_id, D(size))
    chain(desk).moves.clear()


def sellable(desk: Desk, outcome: Outcome = Outcome.YES) -> Decimal:
    return desk.journal.state.sellable("s1", MARKET.market_id, outcome)


Command = Callable[[OrderManager, Decimal], Any]
COMMANDS: dict[str, tuple[str, Command]] = {
    "cash": ("amount", lambda m, n: m.account.move_cash(n, "deposit")),
    "split": ("size", lambda m, n: m.account.split("s1", "0xmarket", n)),
    "merge": ("size", lambda m, n: m.account.merge("s1", "0xmarket", n)),
    "resolve": ("yes_payout", lambda m, n: m.account.resolve_market("0xmarket", n)),
}


class TestInput:
    @pytest.mark.parametrize("number", NO_NUMBERS)
    @pytest.mark.parametrize("command", COMMANDS)
    async def test_what_no_chain_can_hold_is_refused_by_name(
        self, desk: Desk, command: str, number: str
    ) -> None:
        """One NaN in the log and no sum of the ledger can be compared again."""
        field, call = COMMANDS[command]
        head = desk.journal.store.head
        with pytest.raises(InvalidInputError) as refused:
            await call(desk.manager, D(number))
        assert refused.value.field == field
        assert desk.journal.state.position == desk.journal.store.head == head
        assert chain(desk).moves == []

    @pytest.mark.parametrize("command", COMMANDS)
    async def test_a_float_is_refused(self, desk: Desk, command: str) -> None:
        """It is not the number that was meant."""
        field, call = COMMANDS[command]
        with pytest.raises(InvalidInputError, match="not float") as refused:
            await call(desk.manager, 0.5)  # type: ignore[arg-type]
        assert refused.value.field == field

    @pytest.mark.parametrize("payout", ["-0.000001", "1.000001"])
    async def test_a_payout_lies_between_0_and_1(self, desk: Desk, payout: str) -> None:
        """A pair pays 1 pUSD; whoever pays more invents money."""
        with pytest.raises(InvalidInputError, match="between 0 and 1"):
            await desk.manager.account.resolve_market("0xmarket", D(payout))
        assert desk.journal.state.payouts == {}

    @pytest.mark.parametrize("payout", ["0", "0.333333", "1"])
    async def test_both_ends_are_payouts(self, desk: Desk, payout: str) -> None:
        """A market is won, lost or drawn."""
        await desk.manager.account.resolve_market("0xmarket", D(payout))
        assert desk.journal.state.payouts == {"0xmarket": (D(payout), 1 - D(payout))}

    @pytest.mark.parametrize("size", ["0", "-1"])
    async def test_a_size_is_above_0(self, desk: Desk, size: str) -> None:
        """A merge of less than nothing would be a split that nobody pays."""
        for call in (desk.manager.account.merge, desk.manager.account.split):
            with pytest.raises(InvalidInputError, match="above 0") as refused:
                await call("s1", "0xmarket", D(size))
            assert refused.value.field == "size"


ABOUT: dict[str, Any] = {"at": START, "strategy": "s1", "market_id": "0xmarket"}
ONE_SIDED = ABOUT | {"outcome": Outcome.YES}
TRADED = ONE_SIDED | {"side": Side.BUY, "size": D("1"), "price": D("1"), "fee": D("0")}
MAKERS: dict[str, Callable[[Any], ev.AccountEvent]] = {
    "cash amount": lambda n: ev.CashMoved(at=START, amount=n, reason="test"),
    "split size": lambda n: ev.PositionSplit(size=n, **ABOUT),
    "merged size": lambda n: ev.PositionMerged(size=n, **ABOUT),
    "redeemed size": lambda n: ev.PositionRedeemed(size=n, payout=D("1"), **ONE_SIDED),
    "redeemed payout": lambda n: ev.PositionRedeemed(
        size=D("1"), payout=n, **ONE_SIDED
    ),
    "transferred size": lambda n: ev.PositionTransferred(size=n, **ONE_SIDED),
    "transferred cost": lambda n: ev.PositionTransferred(
        size=D("1"), cost=n, **ONE_SIDED
    ),
    "traded size": lambda n: ev.PositionTraded(**TRADED | {"size": n}, amount=D("1")),
    "traded price": lambda n: ev.PositionTraded(**TRADED | {"price": n}, amount=D("1")),
    "traded amount": lambda n: ev.PositionTraded(**TRADED, amount=n),
    "traded fee": lambda n: ev.PositionTraded(**TRADED | {"fee": n}, amount=D("1")),
    "resolved yes_payout": lambda n: ev.MarketResolved(
        at=START, market_id="0xmarket", yes_payout=n, no_payout=D("1")
    ),
    "resolved no_payout": lambda n: ev.MarketResolved(
        at=START, market_id="0xmarket", yes_payout=D("1"), no_payout=n
    ),
}


@pytest.mark.parametrize("number", [*map(D, NO_NUMBERS), 0.5], ids=str)
@pytest.mark.parametrize("which", MAKERS)
def test_no_account_event_holds_what_no_chain_can(which: str, number: object) -> None:
    """Whoever records activity from elsewhere must not spoil the log for ever."""
    with pytest.raises(ValueError, match=f"^{which.split()[1]}: "):
        MAKERS[which](number)


async def test_the_ends_of_the_range_can_be_recorded(desk: Desk) -> None:
    """A millionth is money, and so is nearly a trillion."""
    most = D("999999999999.999999")
    for amount in (most, -most, D("0.000001"), D("-0.000001"), D("1.5000000")):
        event = ev.CashMoved(at=START, amount=amount, reason="test")
        assert await desk.manager.account.record(event)
    assert desk.journal.state.cash == PLENTY + D("1.5")


class TestUnderWay:
    async def test_two_merges_cannot_use_the_same_pairs(self, desk: Desk) -> None:
        """The second would take shares that the first has already given away."""
        await holding(desk, "10")
        merge = desk.manager.account.merge
        first = desk.start(merge("s1", "0xmarket", D("7")))
        await settle_down()
        assert (sellable(desk), sellable(desk, Outcome.NO)) == (D("3"), D("3"))
        with pytest.raises(CommandRefusedError, match="3 settled YES shares are free"):
            await merge("s1", "0xmarket", D("7"))
        chain(desk).answers.put(HASH)
        await first
        assert chain(desk).moves == [("merge", D("7"))]
        assert (sellable(desk), sellable(desk, Outcome.NO)) == (D("3"), D("3"))

    async def test_shares_of_a_merge_under_way_cannot_be_sold(self, desk: Desk) -> None:
        """The sale would fail on chain, after it has matched."""
        await holding(desk, "100")
        merging = desk.start(desk.manager.account.merge("s1", "0xmarket", D("60")))
        await settle_down()
        assert sellable(desk) == 40
        sale = await desk.manager.place(intent(side="SELL", size="50", price="0.39"))
        assert sale.error is not None
        assert sale.error.code == "settled_shares"
        chain(desk).answers.put(HASH)
        await merging
        assert sellable(desk) == 40

    async def test_cash_of_a_split_under_way_cannot_be_spent(self, desk: Desk) -> None:
        """The same dollar must not become a pair and an order."""
        await desk.manager.account.move_cash(D("100") - PLENTY, "withdrawal")
        splitting = desk.start(desk.manager.account.split("s1", "0xmarket", D("80")))
        await settle_down()
        assert desk.journal.state.free_cash() == 20
        with pytest.raises(CommandRefusedError, match="20 pUSD are free"):
            await desk.manager.account.split("s1", "0xmarket", D("80"))
        order = await desk.manager.place(intent())
        assert order.error is not None
        assert order.error.code == "cash"
        chain(desk).answers.put(HASH)
        await splitting
        assert desk.journal.state.free_cash() == 20

    async def test_shares_are_redeemed_once(self, desk: Desk) -> None:
        """Two calls at once must not both count the payout."""
        await holding(desk, "10")
        await desk.manager.account.resolve_market("0xmarket", D("1"))
        redeem = desk.manager.account.redeem
        first = desk.start(redeem("s1", "0xmarket", Outcome.YES))
        await settle_down()
        assert sellable(desk) == 0
        assert await redeem("s1", "0xmarket", Outcome.YES) == 0
        chain(desk).answers.put(HASH)
        assert await first == 10
        assert chain(desk).moves == [("redeem", D("10"))]
        assert desk.journal.state.cash == PLENTY

    async def test_a_move_that_fails_lets_go_of_everything(self, desk: Desk) -> None:
        """Otherwise each failure would lock shares and cash until a restart."""
        await holding(desk, "10")
        account, free = desk.manager.account, desk.journal.state.free_cash()
        await account.resolve_market("0xmarket", D("1"))
        for call in (
            account.merge("s1", "0xmarket", D("7")),
            account.split("s1", "0xmarket", D("7")),
            account.redeem("s1", "0xmarket", Outcome.YES),
        ):
            chain(desk).answers.put(VenueRejectedError("reverted"))
            with pytest.raises(VenueRejectedError):
                await call
        assert desk.journal.state.free_cash() == free
        assert (sellable(desk), sellable(desk, Outcome.NO)) == (D("10"), D("10"))

    async def test_a_move_that_is_given_up_lets_go_as_well(self, desk: Desk) -> None:
        """A strategy that is stopped cancels what it waits for."""
        await holding(desk, "10")
        merging = desk.start(desk.manager.account.merge("s1", "0xmarket", D("7")))
        await settle_down()
        merging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await merging
        assert sellable(desk) == 10


async def test_a_payout_is_cut_to_what_the_chain_can_pay(desk: Desk) -> None:
    """10.000001 shares at 0.333333 are worth 3.333330333333 pUSD."""
    await holding(desk, "10.000001")
    await desk.manager.account.resolve_market("0xmarket", D("0.333333"))
    chain(desk).answers.put(HASH)
    paid = await desk.manager.account.redeem("s1", "0xmarket", Outcome.YES)
    assert paid == D("3.333330")
    assert desk.journal.state.cash == PLENTY - D("10.000001") + D("3.333330")


async def test_activity_of_last_week_leaves_todays_loss_alone(desk: Desk) -> None:
    """Importing history must not lift the day's limit."""
    await holding(desk, "10")
    await desk.manager.account.resolve_market("0xmarket", D("0"))
    gone = ev.PositionTransferred(size=D("-4"), outcome=Outcome.NO, **ABOUT)
    await desk.manager.account.record(gone)
    usage = desk.journal.state.usage("account")
    today, loss = START.toordinal(), D("-4")
    assert (usage.day, usage.day_pnl) == (today, loss)
    old = ev.PositionRedeemed(
        size=D("3"),
        payout=D("3"),
        outcome=Outcome.YES,
        **ABOUT | {"at": START - timedelta(days=7)},
    )
    await desk.manager.account.record(old)
    assert (usage.day, usage.day_pnl) == (today, loss)
