"""The first steps of an open ledger: what it begins with, what became of its orders."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from config import config_hash
from ledger import events as ev
from ledger.errors import OutcomeUnknownError
from ledger.position import in_micros
from ledger.values import ZERO
from service.places import software_version
from service.restoring import restore

if TYPE_CHECKING:
    from service.bootstrap import OpenLedger

PAPER_DEPOSIT: Final = "paper deposit"
OPENING_CASH: Final = "opening balance"
OPENING_PRICE: Final = Decimal("0.5")
"""pUSD per share that was there before us: what each half of a pair costs."""

WALLET: Final = "wallet"
"""Holds what no strategy of this ledger bought."""


async def begin(opened: "OpenLedger", *, funded: bool) -> None:
    """Check the venue, record the start, resolve what is open."""
    await opened.executor.start()
    event = ev.LedgerOpened(
        at=opened.clock.now(),
        software_version=software_version(),
        config_hash=config_hash(opened.settings),
        mode="paper" if opened.is_paper else "live",
        epoch=opened.store.epoch,
    )
    await opened.journal.append_to(ev.SYSTEM_STREAM, event)
    if opened.is_paper:
        await _begin_paper(opened, funded=funded)
    else:
        await _begin_live(opened)


async def _begin_paper(opened: "OpenLedger", *, funded: bool) -> None:
    """Fund the account once, give the venue its memory back."""
    if funded:
        deposit = ev.CashMoved(
            at=opened.clock.now(),
            amount=opened.settings.paper.initial_cash,
            reason=PAPER_DEPOSIT,
        )
        # Once in a ledger's life: the key is found without reading the log.
        await opened.manager.account.record(deposit, key=PAPER_DEPOSIT)
    restore(opened.paper, opened.journal.state, opened.clock.now())
    await opened.deliver()
    await opened.manager.recover()
    await opened.deliver()


async def _begin_live(opened: "OpenLedger") -> None:
    """Take over what the wallet has, then what became of our orders."""
    opened.is_compared = False
    state = opened.journal.state
    if ev.account_stream(state.account) not in state.versions:
        await _take_over(opened)
    await opened.manager.recover()
    await opened.compare()


async def _take_over(opened: "OpenLedger") -> None:
    """Begin with what the venue says the wallet has; once in a ledger's life."""
    found = await opened.executor.get_positions()
    if found.cash is None or not found.complete:
        msg = "the venue did not say what the wallet has"
        raise OutcomeUnknownError(msg)
    about: dict[str, Any] = {"at": opened.clock.now(), "source": "lookup"}
    held = [
        ev.PositionTransferred(
            strategy=WALLET,
            market_id=row.market_id,
            outcome=row.outcome,
            size=row.size,
            cost=in_micros(row.size * OPENING_PRICE),
            **about,
        )
        for row in found.positions
        if row.size > ZERO
    ]
    cash = ev.CashMoved(amount=found.cash, reason=OPENING_CASH, **about)
    await opened.manager.account.record(cash, *held, key=OPENING_CASH)
