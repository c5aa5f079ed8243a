"""One strategy at work on a live market: told its news, one call at a time."""

import asyncio
from collections.abc import Callable

import structlog

from examples.strategy import MarketView, Strategy
from ledger.errors import CommandRefusedError, LedgerError, StoreError
from ledger.intent import OrderIntent
from ledger.manager import Journal
from ledger.manager.local import LocalAPI
from ledger.manager.results import OrderResult
from ledger.order import snapshot
from service.news import News
from service.runtime import Runtime

_log = structlog.get_logger("service.live_worker")


class GuardedAPI(LocalAPI):
    """The command API of a running ledger: no intents while it takes none."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime.opened.manager)
        self._runtime = runtime

    async def place(self, intent: OrderIntent) -> OrderResult:
        """Place one order, once per key.

        Raises:
            CommandRefusedError: the ledger takes no intents at the moment;
                nothing was recorded.
        """
        if reason := self._runtime.refusal():
            raise CommandRefusedError(reason)
        return await super().place(intent)


class Worker:
    """Tells one strategy its news, one call at a time."""

    def __init__(
        self,
        strategy: Strategy,
        api: LocalAPI,
        journal: Journal,
        view: Callable[[str], MarketView | None],
    ) -> None:
        """Begin without news.

        Args:
            strategy: Whom to tell.
            api: What it may use.
            journal: Where its orders are looked up.
            view: A market as it is now; `None` once it is decided.
        """
        self.strategy = strategy
        self.news = News()
        self._api = api
        self._journal = journal
        self._view = view
        self._woken = asyncio.Event()
        self._is_stopped = False

    def wake(self) -> None:
        """There is news."""
        self._woken.set()

    def stop(self) -> None:
        """Tell nothing more after the call under way."""
        self._is_stopped = True
        self._woken.set()

    async def run(self) -> None:
        """Tell the news as it comes, until stopped.

        Raises:
            StoreError: the log takes no more.
            Exception: whatever the strategy raises that is no refusal.
        """
        while not self._is_stopped:
            if not self.news.is_any:
                self._woken.clear()
                await self._woken.wait()
                continue
            try:
                await self._tell_one()
            except StoreError:
                raise
            except LedgerError as error:
                # What it wanted is not possible now; the next news may differ.
                _log.warning(
                    "strategy.refused",
                    strategy=self.strategy.name,
                    code=error.code,
                    text=str(error),
                )

    async def _tell_one(self) -> None:
        news, strategy, api = self.news, self.strategy, self._api
        if news.resolved:
            await strategy.on_resolved(api, news.resolved.popleft())
        elif news.orders:
            order = snapshot(self._journal.order(news.take_order()))
            await strategy.on_order(api, order)
        elif news.ticks:
            await strategy.on_tick(api, news.ticks.popleft())
        elif (view := self._view(news.take_market())) is not None:
            await strategy.on_books(api, view)
