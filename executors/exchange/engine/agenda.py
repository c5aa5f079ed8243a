"""What will happen by itself, by due time, then in the order it was planned."""

from collections.abc import Callable
from heapq import heappop, heappush

Action = Callable[[], None]


class Agenda:
    """A clock that never goes back, and a queue of what is due by it."""

    __slots__ = ("_count", "_heap", "now_ms")

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self._heap: list[tuple[int, int, Action]] = []
        self._count = 0

    def at(self, due_ms: int, action: Action) -> None:
        """Plan an action; one that is overdue runs at the next `advance`."""
        self._count += 1
        heappush(self._heap, (due_ms, self._count, action))

    def next_due_ms(self) -> int | None:
        """When the next action runs."""
        return self._heap[0][0] if self._heap else None

    def advance(self, now_ms: int) -> int:
        """Run what is due, each at its own time; tells how many actions ran."""
        ran = 0
        while self._heap and self._heap[0][0] <= now_ms:
            due_ms, _, action = heappop(self._heap)
            self.now_ms = max(self.now_ms, due_ms)
            action()
            ran += 1
        self.now_ms = max(self.now_ms, now_ms)
        return ran
