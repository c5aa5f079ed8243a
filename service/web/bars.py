"""Where the events of one order lie on a line of time.

An order is busy for moments and idle for minutes, so idle gaps are drawn short
and say how long they were.
Everything is in thousandths of the width.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

WIDTH: Final = 1000
_LEAST: Final = 14
"""So much room has even the shortest step, or it could not be seen."""
_GAP: Final = 90
_IDLE_TIMES: Final = 8
_IDLE_US: Final = 2_000_000
"""A gap is idle if it is long, and many times as long as the usual step."""

_GROUPS: Final = {
    "order.requested": "submit",
    "order.refused": "submit",
    "order.resized": "submit",
    "order.prepared": "submit",
    "order.reposted": "submit",
    "order.outcome_unknown": "ack",
    "order.probed": "ack",
    "order.placed": "ack",
    "order.rejected": "ack",
    "order.never_placed": "ack",
    "fill.matched": "fill",
    "fill.mined": "settle",
    "fill.retrying": "settle",
    "fill.confirmed": "settle",
    "fill.voided": "settle",
}


class Bar(NamedTuple):
    """One event: what led to it takes `x` to `x + width`; `gap` says it was idle."""

    x: int
    width: int
    group: str
    gap: bool
    waited_us: int


class Stage(NamedTuple):
    """One part of an order's life, and how long it took."""

    group: str
    title: str
    us: int


def group_of(topic: str) -> str:
    """The part of an order's life that a topic belongs to."""
    return _GROUPS.get(topic.rsplit(".v", 1)[0], "end")


def bars(events: Sequence[tuple[int, str]]) -> list[Bar]:
    """Lay out events.

    Args:
        events: Unix microseconds and topic of each, in order of position.
    """
    if not events:
        return []
    waits = [max(b[0] - a[0], 0) for a, b in pairwise(events)]
    idle = _idle(waits)
    gaps = sum(idle)
    steps = len(waits) - gaps
    free = max(WIDTH - _LEAST - gaps * _GAP - steps * _LEAST, 0)
    busy = sum(w for w, is_idle in zip(waits, idle, strict=True) if not is_idle)
    found = [Bar(0, _LEAST, group_of(events[0][1]), gap=False, waited_us=0)]
    x = float(_LEAST)
    for wait, is_idle, (_, topic) in zip(waits, idle, events[1:], strict=True):
        share = free * wait // busy if busy else (free // steps if steps else 0)
        width = _GAP if is_idle else _LEAST + share
        found.append(Bar(int(x), int(width), group_of(topic), is_idle, wait))
        x += width
    return _fitted(found, x)


def _idle(waits: Sequence[int]) -> list[bool]:
    ordered = sorted(wait for wait in waits if wait)
    usual = ordered[len(ordered) // 4] if ordered else 0
    least = max(_IDLE_US, usual * _IDLE_TIMES)
    return [wait > least for wait in waits]


def _fitted(found: list[Bar], end: float) -> list[Bar]:
    """Many events need more room than there is: then all of them shrink."""
    if end <= WIDTH:
        return found
    scale = WIDTH / end
    return [
        bar._replace(x=int(bar.x * scale), width=max(int(bar.width * scale), 2))
        for bar in found
    ]


def stages(events: Sequence[tuple[int, str]]) -> list[Stage]:
    """How long submit, acknowledgement, first fill, filling and settling took.

    A stage that did not happen is left out.
    """
    firsts: dict[str, int] = {}
    lasts: dict[str, int] = {}
    for us, topic in events:
        name = group_of(topic)
        firsts.setdefault(name, us)
        lasts[name] = us
    found: list[Stage] = []
    if not firsts:
        return found
    start = events[0][0]
    if "submit" in lasts:
        found.append(Stage("submit", "Decide and sign", lasts["submit"] - start))
    before = lasts.get("submit", start)
    for name, title in (
        ("ack", "Until the venue answered"),
        ("fill", "Until the last fill"),
        ("settle", "Until settled on chain"),
    ):
        if name in lasts:
            found.append(Stage(name, title, max(lasts[name] - before, 0)))
            before = lasts[name]
    return found
