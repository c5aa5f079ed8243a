"""Faults that an operator plans: which request or frame goes wrong, and how.

A plan is JSON: `{"faults": [RULE, ...]}`, or just the list.
A rule names its `kind` and where it strikes (`on`), and may say how often:
`probability` of each call, only the `nth` calls, at most `count` times.
Every rule draws from a chance of its own, so a further rule changes no other.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Final, Literal, get_args

import msgspec

from ledger.errors import InvalidInputError

RequestKind = Literal[
    "request_lost",
    "answer_lost",
    "error_after_accept",
    "refused",
    "restart",
    "rate_limited",
    "slow",
    "unreadable",
    "duplicate_accepted",
    "visible_after",
    "stale_positions",
    "wipe",
]
"""What can go wrong with a request.

`request_lost` and `refused` happen before the exchange does anything.
`answer_lost`, `error_after_accept`, `unreadable` and `slow` happen after it did all.
`restart` answers 425 for `seconds`, and then takes only post-only orders for
`post_only_seconds`.
`duplicate_accepted` answers a second post of one order as if it were the first;
an order that was killed was never accepted, and is not accepted then either.
`visible_after` hides an order from look-ups for `seconds` after its post.
`stale_positions` answers with positions as they were `seconds` ago.
`wipe` drops every open order before the request is handled.
"""

StreamKind = Literal["drop", "repeat", "reorder", "batch", "silence", "disconnect"]
"""What can go wrong with a frame of a stream.

`reorder` sends a frame after the next one, `batch` sends frames as one list.
`silence` sends nothing for `seconds`, not even PONG, on a connection that stays.
`disconnect` ends the connection without a closing handshake.
"""

STREAM_KINDS: Final = frozenset(get_args(StreamKind))

_SECONDS: Final[Mapping[str, float]] = {
    "restart": 2,
    "rate_limited": 1,
    "slow": 2,
    "visible_after": 2,
    "stale_positions": 60,
    "silence": 5,
}


class FaultRule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False
):
    """One planned fault.

    `on` is a route such as `POST /order` or `GET /data/*`, or for a stream its
    channel, `user` or `market`; `*` is every route, or both channels.
    `nth` counts the calls that `on` fits, from 1.
    `seconds`, `status` and `text` belong to the kinds that need them.
    """

    kind: RequestKind | StreamKind
    on: str = "*"
    probability: float = 1.0
    count: int | None = None
    nth: int | tuple[int, ...] = ()
    seconds: float | None = None
    post_only_seconds: float = 2
    status: int = 500
    text: str = "could not run the execution"

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            ValueError: names the field.
        """
        if not 0 <= self.probability <= 1:
            msg = "`probability` must be from 0 to 1"
            raise ValueError(msg)
        if (self.seconds or 0) < 0 or (self.count or 0) < 0:
            msg = "`seconds` and `count` must not be negative"
            raise ValueError(msg)

    @property
    def lasts(self) -> float:
        """Seconds, the usual ones of its kind if none are given."""
        return _SECONDS.get(self.kind, 0) if self.seconds is None else self.seconds


class _Live:
    """One rule at work: its own chance, and how often it was asked and fired."""

    __slots__ = ("asked", "chance", "fired", "nth", "rule")

    def __init__(self, rule: FaultRule, seed: str) -> None:
        self.rule = rule
        self.chance = Random(seed)  # noqa: S311 -- seeded chance, not cryptography
        self.asked = 0
        self.fired = 0
        self.nth = frozenset((rule.nth,) if isinstance(rule.nth, int) else rule.nth)

    def strikes(self, place: str) -> bool:
        """Whether it hits this call."""
        rule = self.rule
        if rule.on != "*" and not fnmatchcase(place, rule.on):
            return False
        self.asked += 1
        # Drawn even where the answer is known: the next draw must not depend on it.
        hit = self.chance.random() < rule.probability
        if self.nth and self.asked not in self.nth:
            return False
        if rule.count is not None and self.fired >= rule.count:
            return False
        self.fired += hit
        return hit


class FaultPlan:
    """The rules in force, and how often each kind has fired since the start."""

    def __init__(self, rules: Iterable[FaultRule] = (), *, seed: int = 0) -> None:
        self._seed = seed
        self._rules: list[_Live] = []
        self.fired: Counter[str] = Counter()
        self.replace(rules)

    def replace(self, rules: Iterable[FaultRule]) -> None:
        """Put other rules in force; counting goes on."""
        self._rules = [
            _Live(rule, f"{self._seed}/{number}/{rule.kind}/{rule.on}")
            for number, rule in enumerate(rules)
        ]

    def rules(self) -> list[FaultRule]:
        """The rules in force."""
        return [live.rule for live in self._rules]

    def on_request(self, route: str) -> dict[str, FaultRule]:
        """The faults of this request, by kind."""
        return {rule.kind: rule for rule in self._strike(route, stream=False)}

    def on_frame(self, channel: str) -> dict[str, FaultRule]:
        """The faults of this frame, by kind."""
        return {rule.kind: rule for rule in self._strike(channel, stream=True)}

    def _strike(self, place: str, *, stream: bool) -> Iterator[FaultRule]:
        for live in self._rules:
            if (live.rule.kind in STREAM_KINDS) is stream and live.strikes(place):
                self.fired[live.rule.kind] += 1
                yield live.rule


def parse_faults(text: str | bytes) -> list[FaultRule]:
    """Read a plan.

    Raises:
        InvalidInputError: says what in it is wrong, and where.
    """
    try:
        data: Any = msgspec.json.decode(text)
        if isinstance(data, dict) and set(data) == {"faults"}:
            data = data["faults"]
        return msgspec.convert(data, list[FaultRule])
    except msgspec.DecodeError as error:
        field = "faults"
        raise InvalidInputError(field, str(error)) from None
