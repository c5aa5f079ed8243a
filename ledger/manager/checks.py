"""When to ask the venue again about what is not final.

Every order that is not closed has a next check.  It follows from what the log
says and when somebody last looked: soon after news, then at twice the age each
time, so that a dropped message is noticed in seconds and a quiet order costs
one question a minute.  Of what only settles there is nothing to hear for so long.
A restart reads the time of the last news from the log and goes on where the
schedule stood, instead of asking every quiet order in a rush again and again.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from ledger.order import Order
from ledger.values import Phase

FIRST_WAIT: Final = timedelta(seconds=2)
LONGEST_WAIT: Final = timedelta(seconds=60)
LONGEST_URGENT_WAIT: Final = timedelta(seconds=10)
"""An open question holds money back, so it is never left alone for a minute."""

_URGENT: Final = 1


class Due(NamedTuple):
    """A check that is due; the smallest comes first."""

    urgency: int
    at: datetime
    order_id: str


class Watch(msgspec.Struct):
    """What is known of one order's checks.

    `news` counts the order's events that are no empty probes.
    """

    news: int
    news_at: datetime
    checked_at: datetime | None = None


def urgency(order: Order) -> int:
    """Rank an order: 0 nothing proven, 1 not yet on the book, 2 a wish, 3 the rest."""
    if not order.is_answered:
        return 0
    if order.is_delayed:
        return _URGENT
    if order.is_cancel_requested and order.phase is not Phase.DONE:
        return 2
    return 3


def next_check(order: Order, watch: Watch) -> datetime:
    """When to ask about an order again.

    Args:
        order: An order that is not closed.
        watch: When there was news of it, and when somebody asked.
    """
    asked = watch.checked_at
    if order.done_reason is not None:
        return max(watch.news_at, asked or watch.news_at) + LONGEST_WAIT
    if asked is None or asked < watch.news_at:
        return watch.news_at + FIRST_WAIT
    longest = LONGEST_WAIT if urgency(order) > _URGENT else LONGEST_URGENT_WAIT
    # The age at the last question is the wait until the next: 2, 4, 8, ... s.
    return asked + min(max(asked - watch.news_at, FIRST_WAIT), longest)


def news_of(order: Order) -> int:
    """Number an order's news: it moves with every event but an empty probe."""
    return order.version - len(order.probes)


class Checks:
    """The watches of all open orders."""

    def __init__(self, last_news: Callable[[Order], datetime]) -> None:
        """Start without knowing anything.

        Args:
            last_news: Reads from the log when an order last had news.
        """
        self._last_news = last_news
        self._watches: dict[str, Watch] = {}
        self._is_fresh = True

    def due(
        self, orders: Iterable[Order], now: datetime, *, by: timedelta = timedelta()
    ) -> list[str]:
        """Ids of the orders to ask about now, the most pressing first.

        Orders that are not given any more are forgotten.

        Args:
            orders: Every open order.
            now: The clock's time.
            by: Name only those that were due so long ago.
        """
        watches, found = {}, []
        for order in orders:
            if _settles_since_less_than_a_minute(order, now) and not self._is_fresh:
                continue  # with many orders a second, most of them do
            watch = watches[order.order_id] = self._watch(order, now)
            at = next_check(order, watch)
            if at <= now - by:
                found.append(Due(urgency(order), at, order.order_id))
        self._watches, self._is_fresh = watches, False
        return [due.order_id for due in sorted(found)]

    def needs_sweep(self, order: Order, now: datetime) -> bool:
        """Whether only a sweep of all trades can tell what is owed of an order."""
        if not order.is_answered:
            return True
        return order.unsettled > 0 and self._watch(order, now).news_at <= (
            now - LONGEST_WAIT
        )

    def checked(self, order: Order, now: datetime) -> None:
        """Somebody asked about an order, answered or not."""
        self._watch(order, now).checked_at = now

    def _watch(self, order: Order, now: datetime) -> Watch:
        news = news_of(order)
        watch = self._watches.get(order.order_id)
        if watch is None:
            at = now
            if order.done_reason is not None:
                at = order.requested_at  # nobody looked while it was young
            elif self._is_fresh:
                at = self._last_news(order)  # at a start, only the log knows
            watch = self._watches[order.order_id] = Watch(news, at)
        elif watch.news != news:
            watch.news, watch.news_at = news, now
        return watch


def _settles_since_less_than_a_minute(order: Order, now: datetime) -> bool:
    return (
        order.unsettled > 0
        and now - order.requested_at < LONGEST_WAIT
        and order.done_reason is not None
    )
