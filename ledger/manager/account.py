"""What is not about one order: cash, shares, markets, the trading mode."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from ledger import events as ev
from ledger.errors import CommandRefusedError, InvalidInputError, unknown_market
from ledger.manager.desk import Desk
from ledger.market import Market
from ledger.position import in_micros
from ledger.recorded import Identity
from ledger.values import (
    ONE,
    ZERO,
    Outcome,
    TradingMode,
    money_from,
    shares_from,
    text_of,
)


class AccountDesk:
    """Records account activity and moves shares between strategies' lines."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._journal = desk.journal
        self._state = desk.journal.state
        self._recording = asyncio.Lock()

    @property
    def _stream(self) -> str:
        return ev.account_stream(self._state.account)

    async def list_market(self, market: Market) -> None:
        """Make a market known, or take over the venue's new rules for it."""
        if self._state.markets.get(market.market_id) == market:
            return
        await self._journal.append_to(
            ev.SYSTEM_STREAM,
            ev.MarketListed(at=self._desk.clock.now(), market=market),
        )

    async def move_cash(
        self, amount: Decimal, reason: str, *, actor: str = "operator"
    ) -> None:
        """Record pUSD that came in (positive) or went out (negative).

        Raises:
            InvalidInputError: not a finite amount with at most 6 places.
        """
        amount = _read("amount", money_from, amount)
        event = ev.CashMoved(
            at=self._desk.clock.now(), actor=actor, amount=amount, reason=reason
        )
        await self._journal.append_to(self._stream, event)

    async def record(self, *events: ev.AccountEvent, key: str = "") -> bool:
        """Record account activity that happened elsewhere.

        Args:
            events: What happened, in order; events refuse bad numbers when they
                are made.
            key: Names the activity forever; a repeated key records nothing.

        Returns:
            Whether it was new.
        """
        if not key:
            await self._journal.append_to(self._stream, *events)
            return True
        name = f"account:{self._state.account}"
        # One at a time: a key that is on its way is not on disk yet.
        async with self._recording:
            if self._journal.store.find_intent(name, key) is not None:
                return False
            await self._journal.append_to(
                self._stream, *events, identity=Identity(name, key, "", "", "")
            )
        return True

    async def merge(self, strategy: str, market_id: str, size: Decimal) -> None:
        """Turn `size` complete pairs of a strategy into pUSD.

        Raises:
            InvalidInputError: unknown market, or a size that is not above 0 with
                at most 6 places.
            CommandRefusedError: fewer settled, unreserved pairs are there.
            VenueRejectedError: the venue cannot.
        """
        market, size = self._known(market_id), _read("size", shares_from, size)
        for outcome in Outcome:
            self._check_free(strategy, market_id, outcome, size)
        # Others may decide meanwhile: the shares are spoken for.
        with self._state.hold_shares(strategy, market_id, size, *Outcome):
            tx_hash = await self._desk.executor.merge(market, size)
        await self._journal.append_to(
            self._stream,
            ev.PositionMerged(
                at=self._desk.clock.now(),
                actor=strategy,
                strategy=strategy,
                market_id=market_id,
                size=size,
                tx_hash=tx_hash,
            ),
        )

    async def split(self, strategy: str, market_id: str, size: Decimal) -> None:
        """Turn `size` pUSD into as many complete pairs of a strategy.

        Raises:
            InvalidInputError, CommandRefusedError, VenueRejectedError: as `merge`.
        """
        market, size = self._known(market_id), _read("size", shares_from, size)
        if self._state.free_cash() < size:
            msg = f"{text_of(self._state.free_cash())} pUSD are free"
            raise CommandRefusedError(msg)
        with self._state.hold_cash(strategy, market_id, size):
            tx_hash = await self._desk.executor.split(market, size)
        await self._journal.append_to(
            self._stream,
            ev.PositionSplit(
                at=self._desk.clock.now(),
                actor=strategy,
                strategy=strategy,
                market_id=market_id,
                size=size,
                tx_hash=tx_hash,
            ),
        )

    async def redeem(self, strategy: str, market_id: str, outcome: Outcome) -> Decimal:
        """Turn a strategy's settled shares of a resolved outcome into pUSD.

        Returns:
            The payout, cut to 6 places; 0 for the losing outcome.

        Raises:
            InvalidInputError: unknown market.
            CommandRefusedError: the market is not resolved.
            VenueRejectedError: the venue cannot.
        """
        market = self._known(market_id)
        payouts = self._state.payouts.get(market_id)
        if payouts is None:
            msg = f"market {market_id} is not resolved"
            raise CommandRefusedError(msg)
        size = self._state.sellable(strategy, market_id, outcome)
        if size <= ZERO:
            return ZERO
        payout = in_micros(size * payouts[0 if outcome is Outcome.YES else 1])
        with self._state.hold_shares(strategy, market_id, size, outcome):
            tx_hash = await self._desk.executor.redeem(market, outcome, size)
        await self._journal.append_to(
            self._stream,
            ev.PositionRedeemed(
                at=self._desk.clock.now(),
                actor=strategy,
                strategy=strategy,
                market_id=market_id,
                outcome=outcome,
                size=size,
                payout=payout,
                tx_hash=tx_hash,
            ),
        )
        return payout

    async def resolve_market(
        self, market_id: str, yes_payout: Decimal, *, source: str = "stream"
    ) -> None:
        """Record that a market is decided; `yes_payout` is pUSD per YES share.

        Raises:
            InvalidInputError: the payout lies outside 0 to 1 or has more than 6
                places.
        """
        yes_payout = _read("yes_payout", money_from, yes_payout)
        if not ZERO <= yes_payout <= ONE:
            field = "yes_payout"
            raise InvalidInputError(field, "must lie between 0 and 1, ends included")
        if market_id in self._state.payouts:
            return
        await self._journal.append_to(
            self._stream,
            ev.MarketResolved(
                at=self._desk.clock.now(),
                source=source,
                market_id=market_id,
                yes_payout=yes_payout,
                no_payout=ONE - yes_payout,
            ),
        )

    async def set_mode(
        self, mode: TradingMode, reason: str, *, actor: str = "operator"
    ) -> None:
        """Halt, allow only reducing orders, or resume."""
        kinds = {
            TradingMode.HALTED: ev.LedgerHalted,
            TradingMode.REDUCE_ONLY: ev.LedgerReduceOnly,
            TradingMode.NORMAL: ev.LedgerResumed,
        }
        event = kinds[mode](at=self._desk.clock.now(), actor=actor, reason=reason)
        await self._journal.append_to(ev.SYSTEM_STREAM, event)
        self._desk.log.warning("ledger.mode_changed", mode=str(mode), reason=reason)

    def _known(self, market_id: str) -> Market:
        market = self._state.markets.get(market_id)
        if market is None:
            raise unknown_market(market_id)
        return market

    def _check_free(
        self, strategy: str, market_id: str, outcome: Outcome, size: Decimal
    ) -> None:
        free = self._state.sellable(strategy, market_id, outcome)
        if free < size:
            msg = f"{text_of(free)} settled {outcome} shares are free, not {size}"
            raise CommandRefusedError(msg)


def _read(field: str, read: Callable[[object], Decimal], value: object) -> Decimal:
    try:
        return read(value)
    except ValueError as error:
        raise InvalidInputError(field, str(error)) from None
